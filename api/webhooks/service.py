"""Webhooks of households and owners: their addresses and secrets are sealed, a secret is shown once."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from api.accounts.keys import Keys
from api.accounts.principal import Principal
from api.accounts.refusals import NoHousehold, NotAllowed
from api.accounts.sealing import SealBroken, seal, unseal
from api.errors import ApiError
from api.jobs.queries import enqueue
from api.openings.permit_queries import rights_of_worker
from api.webhooks import queries
from api.webhooks.addresses import CallRules, read_url, refuse_private

URL, SECRET = "webhook url", "webhook secret"
LOST = ""
"""Address of a webhook that was sealed with another key than the service has now."""
JOB = "deliver_webhooks"
FORMER_LASTS = timedelta(hours=24)
_MOST = 10


class TooManyWebhooks(ApiError):
    """A household or an owner has as many webhooks as it may."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A webhook, opened."""

    id: int
    household_id: int | None
    owner_id: int | None
    url: str = field(repr=False)
    kinds: tuple[str, ...]
    failures: int
    paused_until: datetime | None
    former_until: datetime | None
    created_at: datetime
    secret: bytes = field(repr=False)
    former_secret: bytes | None = field(repr=False)


def add_webhook(
    connection: Connection,
    keys: Keys,
    principal: Principal,
    *,
    url: str,
    kinds: Sequence[str],
    owner_id: int | None,
    rules: CallRules,
    now: datetime,
) -> tuple[Endpoint, str]:
    """
    Register a webhook of one's household, or of an owner one speaks for; return it with its secret.

    Raises
    ------
    UnusableUrl
        The address cannot be called, or is one in a network that is not public.
    NotAllowed, NoHousehold
        Of an owner one does not speak for, or of a household one visits; of no household.
    TooManyWebhooks
        Ten are enough.
    """
    refuse_private(read_url(url, rules), rules)
    household_id = None if owner_id is not None else principal.household_id
    if principal.on_behalf or (owner_id is not None and owner_id not in principal.owner_ids):
        raise NotAllowed("of somebody else")
    if owner_id is None and household_id is None:
        raise NoHousehold("no household")
    owners = [] if owner_id is None else [owner_id]
    if len(queries.list_endpoints(connection, household_id=household_id, owner_ids=owners)) >= _MOST:
        raise TooManyWebhooks(f"at most {_MOST}")
    secret = new_secret()
    values = {
        "household": household_id,
        "owner": owner_id,
        "url": seal(keys.contact_seal, url.encode(), what=URL),
        "kinds": list(kinds),
        "secret": seal(keys.contact_seal, secret.encode(), what=SECRET),
    }
    return opened(keys, queries.add_endpoint(connection, values, now=now), now=now), secret


def new_secret() -> str:
    """Make a secret of 256 random bits; how it begins lets scanners of leaked secrets know it."""
    return "btw_" + secrets.token_urlsafe(32)


def list_webhooks(connection: Connection, keys: Keys, principal: Principal, *, now: datetime) -> list[Endpoint]:
    """List one's webhooks: of the household, and of the owners one speaks for."""
    owners = sorted(principal.owner_ids)
    rows = queries.list_endpoints(connection, household_id=principal.household_id, owner_ids=owners)
    return [_opened_or_lost(keys, row, now=now) for row in rows]


def _opened_or_lost(keys: Keys, row: Row[Any], *, now: datetime) -> Endpoint:
    """Open a webhook; one that was sealed with another key is shown without its address, so that it can be removed."""
    try:
        return opened(keys, row, now=now)
    except SealBroken:
        return Endpoint(
            id=row.id,
            household_id=row.household_id,
            owner_id=row.owner_id,
            url=LOST,
            kinds=tuple(row.kinds),
            failures=row.failures,
            paused_until=row.paused_until,
            former_until=None,
            created_at=row.created_at,
            secret=b"",
            former_secret=None,
        )


def webhooks_for(connection: Connection, keys: Keys, *, owner_id: int, kind: str, now: datetime) -> list[Endpoint]:
    """List an owner's webhooks that want to hear of a kind of event, for `send_signed`; whoever acts."""
    with rights_of_worker(connection):
        rows = queries.list_endpoints(connection, household_id=None, owner_ids=[owner_id])
    wanting = [_opened_or_lost(keys, row, now=now) for row in rows if not row.kinds or kind in row.kinds]
    return [endpoint for endpoint in wanting if endpoint.url != LOST]


def change_secret(connection: Connection, keys: Keys, endpoint_id: int, *, now: datetime) -> tuple[Endpoint, str]:
    """Make a new secret and return it; for a day everything is signed with the former one too."""
    row = queries.get_endpoint(connection, endpoint_id)
    secret = new_secret()
    queries.change_secret(
        connection,
        endpoint_id,
        secret=seal(keys.contact_seal, secret.encode(), what=SECRET),
        former=row.secret_sealed,
        former_until=now + FORMER_LASTS,
    )
    return opened(keys, queries.get_endpoint(connection, endpoint_id), now=now), secret


def remove_webhook(connection: Connection, endpoint_id: int, *, now: datetime) -> None:
    """Call a webhook no more; raise WebhookNotFound where it is not one's own."""
    queries.get_endpoint(connection, endpoint_id)
    with rights_of_worker(connection):
        queries.remove_endpoint(connection, endpoint_id, now=now)


def ping(connection: Connection, endpoint_id: int, *, now: datetime) -> int:
    """
    Let a webhook be called with nothing to tell; return the id of the delivery.

    Lists that it refused are told again too; those that wait because it does not answer, when it has answered this.
    """
    queries.get_endpoint(connection, endpoint_id)
    with rights_of_worker(connection):
        delivery_id = queries.queue_event(connection, endpoint_id, {"kind": "ping"}, now=now)
        queries.resume_lists(connection, endpoint_id, now=now)
        enqueue(connection, JOB, lock=JOB, queueing_lock=JOB)
    return delivery_id


def tell_owner(
    connection: Connection, facility_id: int, kind: str, facts: Mapping[str, object], *, now: datetime
) -> int:
    """
    Let the webhooks of a facility's owner hear of something in the transaction in which it happens, whoever acts.

    Parameters
    ----------
    facts
        Ids, times and numbers, never plates or names; what is the same in all of them is sent once.

    Returns
    -------
    int
        How many calls wait for it now.
    """
    with rights_of_worker(connection):
        return queries.queue_for_owner(
            connection, facility_id, {"kind": kind, "facility": facility_id, **facts}, now=now
        )


def opened(keys: Keys, row: Row[Any], *, now: datetime) -> Endpoint:
    """Open what is sealed of a webhook."""
    former = row.former_sealed if row.former_until is not None and row.former_until > now else None
    return Endpoint(
        id=row.id,
        household_id=row.household_id,
        owner_id=row.owner_id,
        url=unseal(keys.contact_seal, row.url_sealed, what=URL).decode(),
        kinds=tuple(row.kinds),
        failures=row.failures,
        paused_until=row.paused_until,
        former_until=None if former is None else row.former_until,
        created_at=row.created_at,
        secret=unseal(keys.contact_seal, row.secret_sealed, what=SECRET),
        former_secret=None if former is None else unseal(keys.contact_seal, former, what=SECRET),
    )
