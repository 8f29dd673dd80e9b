"""
Whom a change of supply hits, found by making the change and looking: the answer to a preview is the change undone.

Whoever confirms sends back the token of the preview. If by then the change would hit anybody else, nothing happens and
the new numbers are shown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from api.accounts.principal import Principal
from api.facilities import withdrawal_queries as queries
from api.notices.queries import tell_of_withdrawal
from api.openings.queries import list_stays_outside
from api.openings.service import materialise


@dataclass(frozen=True, slots=True)
class Change:
    """
    A change of what a facility offers.

    Attributes
    ----------
    words
        What is changed, as it is stored and as the token knows it.
    after
        Stays that end by then are kept, whatever the change.
    version, becomes
        Version of the facility that the change begins from, and the one it makes.
    """

    facility_id: int
    version: int
    becomes: int
    words: Mapping[str, Any]
    after: datetime
    urgency: str
    reason: str


@dataclass(frozen=True, slots=True)
class Consequences:
    """Whom a change hits: numbers, never names. `token` confirms exactly this."""

    stays: int
    bookings: int
    permits: int
    households: int
    effective_from: datetime
    token: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a change hits, and whether it was made."""

    consequences: Consequences
    withdrawal_id: int | None
    done: bool


def carry_out(
    connection: Connection,
    change: Change,
    make: Callable[[], None],
    *,
    principal: Principal,
    token: str | None,
    now: datetime,
) -> Outcome:
    """
    Make a change if its token is right, or if it hits nobody and the token is empty; otherwise only tell whom it hits.

    The caller has locked the facility. Stays that are hit end with a notice each.

    Parameters
    ----------
    make
        Writes what the facility offers from now on.
    token
        None only looks; the empty text goes ahead where nobody is hit.
    """
    before = {row.id for row in list_stays_outside(connection, [change.facility_id], now=now)}
    savepoint = connection.begin_nested()
    make()
    materialise(connection, facility_ids=[change.facility_id], now=now)
    outside = [row.id for row in list_stays_outside(connection, [change.facility_id], now=now)]
    hit = queries.stays_of(connection, [stay for stay in outside if stay not in before], after=change.after)
    found = _consequences(change, hit)
    if token is None or (token != found.token and (token or hit)):
        savepoint.rollback()
        return Outcome(found, withdrawal_id=None, done=False)
    savepoint.commit()
    return Outcome(
        found, withdrawal_id=_end_stays(connection, change, hit, found, principal=principal, now=now), done=True
    )


def _consequences(change: Change, hit: Sequence[Row[Any]]) -> Consequences:
    return Consequences(
        stays=len(hit),
        bookings=sum(row.kind == "booking" for row in hit),
        permits=len({row.permit_id for row in hit if row.permit_id is not None}),
        households=len({row.household_id for row in hit}),
        effective_from=change.after,
        token=_token(change, hit),
    )


def _token(change: Change, hit: Sequence[Row[Any]]) -> str:
    seen = [change.facility_id, change.version, change.words, change.urgency, [row.id for row in hit]]
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:32]


def _end_stays(
    connection: Connection,
    change: Change,
    hit: Sequence[Row[Any]],
    found: Consequences,
    *,
    principal: Principal,
    now: datetime,
) -> int | None:
    """Cancel the stays that are hit, and keep the withdrawal; an edit that hits nobody withdraws nothing."""
    if not hit and change.words["kind"] == "edit":
        return None
    withdrawal_id = queries.add_withdrawal(
        connection,
        {
            "facility_id": change.facility_id,
            "version": change.becomes,
            "change": json.dumps(change.words, ensure_ascii=False),
            "urgency": change.urgency,
            "reason": change.reason,
            "effective_from": change.after,
            "stays": found.stays,
            "permits": found.permits,
            "households": found.households,
            "confirmed_by": principal.account_id,
        },
    )
    cancelled = queries.cancel_stays(connection, [row.id for row in hit])
    tell_of_withdrawal(connection, withdrawal_id, stay_ids=cancelled, now=now)
    return withdrawal_id
