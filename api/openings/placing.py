"""The nights of permits at some facilities, placed in the transaction that sells the nights around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from api.calendars.clock import day_number
from api.calendars.day_kinds import DayKinds
from api.openings.permit_nights import LONGEST_STAY_DAYS, Night, Nights, Permit, place_nights
from api.openings.permit_queries import (
    active_permits,
    insert_nights,
    numbered_bays,
    occupancy,
    placed_before,
    rights_of_worker,
)
from api.openings.queries import stored_openings
from api.openings.ticks import utc_minute

_TRIES = 3
"""A bay may be booked between our look and our writing; then another is looked for."""


@dataclass(frozen=True, slots=True)
class Selling:
    """A facility that is sold up to a minute in UTC, with its bay groups, zone and calendar."""

    facility_id: int
    group_ids: tuple[int, ...]
    zone: ZoneInfo
    kinds: DayKinds
    until_min: int


@dataclass(frozen=True, slots=True)
class NightsPlaced:
    """How many nights of permits got their bay, and those that have none."""

    placed: int
    without_bay: tuple[Night, ...]


def place_permit_nights(
    connection: Connection, selling: Sequence[Selling], *, permit_ids: Sequence[int] | None = None, now: datetime
) -> NightsPlaced:
    """
    Give every night of every permit its bay, as far as facilities are sold; those that have one keep it.

    A night that begins before what is sold ends is placed whole. Nights under way are left alone.

    Parameters
    ----------
    selling
        Facilities whose openings are written; the caller holds their locks.
    permit_ids
        Of these permits only.
    """
    with rights_of_worker(connection):
        since = now.date() - timedelta(days=LONGEST_STAY_DAYS)
        found = active_permits(connection, [s.facility_id for s in selling], ids=permit_ids, since=since)
        permits = {permit.id: permit for permit in found}
        placed, left = 0, _nights_without_stay(connection, permits, selling, now=now)
        for _ in range(_TRIES):
            stored = _place(connection, permits, left, selling, now=now)
            placed += len(stored)
            left = [night for night in left if (night.permit_id, night.night) not in stored]
            if not left or not stored:
                break
    return NightsPlaced(placed, tuple(left))


def _nights_without_stay(
    connection: Connection, permits: Mapping[int, Permit], selling: Sequence[Selling], *, now: datetime
) -> list[Night]:
    """List the nights to come that have no stay and were not given back."""
    if not permits:
        return []
    at_group = {group: nights for facility, nights in _nights_at(selling, now=now) for group in facility.group_ids}
    now_min = utc_minute(now)
    to_come = [
        (permit, group, *night)
        for permit in permits.values()
        for group in sorted(permit.bay_group_ids & at_group.keys())
        for night in at_group[group].of(permit)
        if night[1] >= now_min
    ]
    if not to_come:
        return []
    there = placed_before(connection, list(permits.values()), since=min(night for _, _, night, _, _ in to_come))
    return [
        Night(begin_min, end_min, permit.id, night)
        for permit, group, night, begin_min, end_min in to_come
        if night not in there.get(permit.id, ()) and permit.group_on(night) == group
    ]


def _nights_at(selling: Sequence[Selling], *, now: datetime) -> list[tuple[Selling, Nights]]:
    """Return each facility with what unrolls its nights, one for all that go by the same calendar."""
    alike: dict[tuple[int, int], Nights] = {}
    for facility in selling:
        key = id(facility.kinds), facility.until_min
        if key not in alike:
            today = day_number(now.astimezone(facility.zone).date())
            alike[key] = Nights(facility.kinds, facility.zone, today, facility.until_min)
    return [(facility, alike[id(facility.kinds), facility.until_min]) for facility in selling]


def _place(
    connection: Connection,
    permits: Mapping[int, Permit],
    nights: Sequence[Night],
    selling: Sequence[Selling],
    *,
    now: datetime,
) -> set[tuple[int, date]]:
    """Choose bays for nights by what is free at this moment, and store them; return (permit, night) of each."""
    if not nights:
        return set()
    some = {night.permit_id: permits[night.permit_id] for night in nights}
    openings = stored_openings(connection, [facility.facility_id for facility in selling], now=now)
    chosen, _ = place_nights(
        nights,
        some,
        {group: list(found.values()) for group, found in openings.items()},
        numbered_bays(connection, sorted({group for permit in some.values() for group in permit.bay_group_ids})),
        occupancy(connection, list(some.values()), nights),
        until_min={group: facility.until_min for facility in selling for group in facility.group_ids},
    )
    return insert_nights(connection, chosen, some) if chosen else set()
