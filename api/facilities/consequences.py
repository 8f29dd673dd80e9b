"""
Whom a change of supply hits, found by making the change and looking: the answer to a preview is the change undone.

Whoever confirms sends back the token of the preview. If by then the change would hit anybody else, nothing happens and
the new numbers are shown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from api.accounts.principal import Principal
from api.facilities import withdrawal_queries as queries
from api.facilities.supply_queries import lock_facility
from api.openings.queries import list_stays_outside
from api.openings.service import materialise
from api.reaccommodation.service import (
    Cause,
    Rehousing,
    find_places,
    hit_stays,
    keep_others_waiting,
    leaving_sooner,
    lower_ledger,
    num_movable,
    offered_now,
    rehouse,
)
from api.webhooks.service import tell_owner


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
    shut_until
        Nothing is open from `after` until then, whatever has been promised before; None where only some of it closes.
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
    shut_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Consequences:
    """
    Whom a change hits: numbers, never names. `token` confirms exactly this.

    Attributes
    ----------
    moved, not_moved
        Permits with another place, for good or for the nights they lose; permits and offers without one. Nights that
        only get another bay of their own group are in neither.
    by_tier
        `hit` and `moved` by tier.
    extra_walk_m
        Mean of what those who move walk more than before.
    bookings_movable
        Bookings for which a bay is free nearby at the same times, as far as nobody takes it meanwhile.
    """

    stays: int
    bookings: int
    permits: int
    households: int
    moved: int
    not_moved: int
    by_tier: Mapping[str, Mapping[str, int]]
    extra_walk_m: int | None
    bookings_movable: int
    effective_from: datetime
    token: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a change hits, and whether it was made."""

    consequences: Consequences
    withdrawal_id: int | None
    done: bool


def lock_supply(connection: Connection, facility_id: int) -> None:
    """
    Keep everybody else from changing a facility, its neighbourhood's ledger, and bookings from being made there.

    The ledger comes first, as for whoever changes many facilities: a calendar notice, a round that opens.
    """
    keep_others_waiting(connection, facility_id)
    lock_facility(connection, facility_id)


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

    The caller has locked the ledger, then the facility (`lock_supply`). Permits that are hit get another place, all of
    them at once, the highest tier first; bookings and nights that are sold already move to the nearest free bay.
    Everybody is told.

    Parameters
    ----------
    make
        Writes what the facility offers from now on.
    token
        None only looks; the empty text goes ahead where nobody is hit.
    """
    offered = offered_now(connection, change.facility_id)
    begins = _begins(connection, change, now=now)
    kept = _kept_outside(connection, change, now=now)
    savepoint = connection.begin_nested()
    make()
    materialise(connection, facility_ids=[change.facility_id], now=now)
    outside = {row.id for row in list_stays_outside(connection, [change.facility_id], now=now)} - kept
    outside |= leaving_sooner(connection, change.facility_id, change.after, now=now)
    places = find_places(connection, change.facility_id, before=offered, after=begins, now=now)
    lost = set(hit_stays(connection, places, after=begins))
    hit = [
        *queries.stays_of(connection, sorted(outside - lost), after=change.after),
        *queries.stays_of(connection, sorted(lost), after=begins),
    ]
    found = _consequences(change, hit, places)
    if token is None or (token != found.token and (token or hit or places.fates)):
        found = replace(found, bookings_movable=num_movable(connection, [row.id for row in hit], change.after, now=now))
        savepoint.rollback()
        return Outcome(found, withdrawal_id=None, done=False)
    savepoint.commit()
    withdrawal_id = _carry_on(connection, change, hit, found, places, principal=principal, now=now)
    return Outcome(found, withdrawal_id=withdrawal_id, done=True)


def _kept_outside(connection: Connection, change: Change, *, now: datetime) -> set[int]:
    """Return the stays that an earlier change has left where they are, though it closes their bay, and this one too."""
    rows = list_stays_outside(connection, [change.facility_id], now=now)
    until = change.shut_until
    return {row.id for row in rows if until is None or row.ends_at <= change.after or row.starts_at >= until}


def _begins(connection: Connection, change: Change, *, now: datetime) -> datetime:
    """
    Return from when on permits lose what is taken back.

    Fewer bays or hours hold for every night that is not sold yet, however long the notice; a closure only shuts at its
    own time anyway.
    """
    sold_until = queries.sold_until(connection, change.facility_id)
    return max(now, min(change.after, sold_until or change.after))


def _consequences(change: Change, hit: Sequence[Row[Any]], places: Rehousing) -> Consequences:
    holdings = [fate.hit.holding for fate in places.fates]
    permits = {row.permit_id for row in hit if row.permit_id is not None}
    return Consequences(
        stays=len(hit),
        bookings=sum(row.kind == "booking" for row in hit),
        permits=len(permits | {holding.permit_id for holding in holdings}),
        households=len({row.household_id for row in hit} | {holding.permit.household_id for holding in holdings}),
        moved=places.moved,
        not_moved=places.not_moved,
        by_tier=places.by_tier,
        extra_walk_m=places.extra_walk_m,
        bookings_movable=0,
        effective_from=change.after,
        token=_token(change, hit, places),
    )


def _token(change: Change, hit: Sequence[Row[Any]], places: Rehousing) -> str:
    # A night is known by its permit: it may be placed only now, and then is another stay each time.
    stays = [row.id if row.night is None else [row.permit_id, row.night.isoformat()] for row in hit]
    seen = [change.facility_id, change.version, change.words, change.urgency, stays, places.told()]
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:32]


def _carry_on(
    connection: Connection,
    change: Change,
    hit: Sequence[Row[Any]],
    found: Consequences,
    places: Rehousing,
    *,
    principal: Principal,
    now: datetime,
) -> int | None:
    """Keep the withdrawal and move whom it hits; an edit that hits nobody withdraws nothing."""
    if not hit and not places.fates and change.words["kind"] == "edit":
        lower_ledger(connection, places)
        return None
    withdrawal_id = queries.add_withdrawal(connection, _row(change, found, principal=principal, now=now))
    cause = Cause(withdrawal_id, change.facility_id, change.reason, change.urgency, change.after)
    moved = rehouse(connection, places, cause, [row.id for row in hit], now=now)
    queries.note_stays_moved(connection, withdrawal_id, moved)
    facts = {
        "withdrawal": withdrawal_id,
        "from": change.after.isoformat(),
        "urgency": change.urgency,
        "stays": found.stays,
        "permits": found.permits,
    }
    tell_owner(connection, change.facility_id, "withdrawal", facts, now=now)
    return withdrawal_id


def _row(change: Change, found: Consequences, *, principal: Principal, now: datetime) -> dict[str, Any]:
    return {
        "facility_id": change.facility_id,
        "version": change.becomes,
        "change": json.dumps(change.words, ensure_ascii=False),
        "urgency": change.urgency,
        "reason": change.reason,
        "effective_from": change.after,
        "stays": found.stays,
        "permits": found.permits,
        "households": found.households,
        "moved": found.moved,
        "not_moved": found.not_moved,
        "by_tier": json.dumps(found.by_tier),
        "extra_walk_m": found.extra_walk_m,
        "confirmed_at": now,
        "confirmed_by": principal.account_id,
    }
