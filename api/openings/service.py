"""Openings as rows: what facilities share, written for the nights that are sold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from api.calendars.clock import day_number
from api.calendars.day_kinds import DayKinds, day_kinds
from api.calendars.queries import calendar_overrides
from api.neighbourhoods.loading import PUBLISHED, load_facilities
from api.neighbourhoods.model import Facility
from api.openings.continuing import continued, keeps_all
from api.openings.permit_nights import LONGEST_STAY_DAYS
from api.openings.placing import NightsPlaced, Selling, place_permit_nights
from api.openings.queries import (
    delete_openings,
    end_holds_outside,
    facility_rows,
    group_ids,
    insert_openings,
    list_stays_outside,
    lock_exclusively,
    lock_shared,
    move_materialised_until,
    reserved_from,
    stored_openings,
    try_lock_shared,
)
from api.openings.ticks import utc_minute, utc_of
from api.openings.unrolling import LOOK_AHEAD_DAYS, Opening, sold_until, unroll_openings


@dataclass(frozen=True, slots=True)
class StayOutside:
    """A confirmed stay that the openings do not hold any more."""

    stay_id: int
    facility_id: int
    kind: str


@dataclass(frozen=True, slots=True)
class Materialised:
    """What has been written: facilities looked at, openings added and removed, and whom that hits."""

    facilities: int
    added: int
    removed: int
    holds_ended: tuple[int, ...]
    stays_outside: tuple[StayOutside, ...]
    """Confirmed stays that are not over and lie outside; they stay confirmed until somebody decides."""
    nights: NightsPlaced
    """Nights of permits that got their bay, and those without one."""


@dataclass(slots=True)
class _Changes:
    """What is to be written; ids of facilities whose bays lose a moment in `shrinking`."""

    added: list[tuple[int, int, Opening]] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    shrinking: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Openings of one facility by bay group id, and what is known of it as far as it is sold (None: not published)."""

    facility_id: int
    openings: Mapping[int, Sequence[Opening]]
    selling: Selling | None


def materialise(
    connection: Connection,
    *,
    neighbourhood_id: int | None = None,
    facility_ids: Sequence[int] | None = None,
    now: datetime,
) -> Materialised:
    """
    Write the openings of a neighbourhood's facilities, or of some, up to the end of what is sold.

    The past is never touched, and only what changed is replaced: writing twice changes nothing. What is not published
    loses its openings from now on. Facilities that lose a moment of a bay are locked against bookings first; holds
    outside the new openings end, confirmed stays outside are returned. Nights of permits get their bays before anything
    around them can be sold. A facility that is sold already keeps a lock until the transaction ends: write a few
    hundred of those at once, not thousands.

    Parameters
    ----------
    connection
        In the transaction that changed the facilities, if one did; the caller commits.
    now
        Aware; the minute it lies in is the first that may change.
    """
    rows = facility_rows(connection, neighbourhood_id=neighbourhood_id, ids=facility_ids)
    lock_shared(connection, [row.id for row in rows if row.materialised_until is not None])
    if facility_ids is not None:  # whoever held a lock may have changed what was read before we had ours
        rows = facility_rows(connection, ids=facility_ids)
    now = now.replace(second=0, microsecond=0)
    wanted = list(_wanted(connection, rows, now=now))
    changes = _changes(connection, wanted, now=now)
    lock_exclusively(connection, changes.shrinking)
    delete_openings(connection, changes.removed)
    insert_openings(connection, changes.added)
    selling = [facility.selling for facility in wanted if facility.selling is not None]
    nights = place_permit_nights(connection, selling, now=now)
    move_materialised_until(connection, {facility.facility_id: facility.until_min for facility in selling})
    shrunk = sorted(changes.shrinking)
    return Materialised(
        facilities=len(rows),
        added=len(changes.added),
        removed=len(changes.removed),
        holds_ended=tuple(end_holds_outside(connection, shrunk, now=now)) if shrunk else (),
        stays_outside=_stays_outside(connection, shrunk, now=now),
        nights=nights,
    )


def place_nights_at(
    connection: Connection, facility_ids: Sequence[int], *, permit_ids: Sequence[int] | None = None, now: datetime
) -> NightsPlaced:
    """
    Give nights of permits at facilities their bays, as far as is sold already; of some permits, or of all.

    Facilities that somebody is changing at this moment are left to the job that places what is left over.
    """
    free = try_lock_shared(connection, facility_ids)
    rows = [row for row in facility_rows(connection, ids=free) if row.materialised_until and row.status == PUBLISHED]
    groups: dict[int, list[int]] = {}
    for (facility_id, _), group_id in group_ids(connection, [row.id for row in rows]).items():
        groups.setdefault(facility_id, []).append(group_id)
    calendars: dict[int, DayKinds] = {}
    selling = []
    for row in rows:
        zone = ZoneInfo(row.timezone)
        if row.neighbourhood_id not in calendars:
            today = now.astimezone(zone).date()
            calendars[row.neighbourhood_id] = calendar_around(
                connection, row.neighbourhood_id, country=row.country, today=today
            )
        until_min = utc_minute(row.materialised_until)
        kinds = calendars[row.neighbourhood_id]
        selling.append(Selling(row.id, tuple(groups.get(row.id, ())), zone, kinds, until_min))
    return place_permit_nights(connection, selling, permit_ids=permit_ids, now=now)


def _stays_outside(connection: Connection, facility_ids: Sequence[int], *, now: datetime) -> tuple[StayOutside, ...]:
    if not facility_ids:
        return ()
    rows = list_stays_outside(connection, facility_ids, now=now)
    return tuple(StayOutside(stay_id=row.id, facility_id=row.facility_id, kind=row.kind) for row in rows)


def _wanted(connection: Connection, rows: Sequence[Row[Any]], *, now: datetime) -> Iterator[_Wanted]:
    """Work out what every facility should have, one neighbourhood after the other."""
    groups = group_ids(connection, [row.id for row in rows])
    by_neighbourhood = sorted(rows, key=lambda row: (row.neighbourhood_id, row.id))
    for neighbourhood_id, members in groupby(by_neighbourhood, key=lambda row: int(row.neighbourhood_id)):
        yield from _wanted_in(connection, neighbourhood_id, list(members), groups, now=now)


def _wanted_in(
    connection: Connection,
    neighbourhood_id: int,
    rows: Sequence[Row[Any]],
    groups: Mapping[tuple[int, str], int],
    *,
    now: datetime,
) -> Iterator[_Wanted]:
    zone = ZoneInfo(rows[0].timezone)
    today = now.astimezone(zone).date()
    kinds = calendar_around(connection, neighbourhood_id, country=rows[0].country, today=today)
    facilities = load_facilities(connection, neighbourhood_id, ids=[row.id for row in rows])
    reserved = reserved_from(connection, [row.id for row in rows], now=now)
    by_code = {facility.id: facility for facility in facilities}
    for row in rows:
        facility = by_code[row.code]
        if row.status != "published":
            yield _Wanted(row.id, {groups[row.id, group.id]: [] for group in facility.bay_groups}, None)
        else:
            yield _wanted_of(
                row.id, facility, groups, kinds, zone, today=day_number(today), reserved=reserved.get(row.id)
            )


def _wanted_of(
    facility_id: int,
    facility: Facility,
    groups: Mapping[tuple[int, str], int],
    kinds: DayKinds,
    zone: ZoneInfo,
    *,
    today: int,
    reserved: datetime | None,
) -> _Wanted:
    openings = unroll_openings(facility, kinds, zone, today=today)
    by_group = {groups[facility_id, code]: found for code, found in openings.items()}
    until_min, _ = utc_of(sold_until(facility, kinds, today=today), zone)
    if reserved is not None:  # what a round will give away is not sold one by one
        until_min = min(until_min, utc_minute(reserved))
    return _Wanted(facility_id, by_group, Selling(facility_id, tuple(by_group), zone, kinds, until_min))


def calendar_around(connection: Connection, neighbourhood_id: int, *, country: str, today: date) -> DayKinds:
    """Return a neighbourhood's calendar over the days whose windows and permits' nights reach into what is sold."""
    overrides = calendar_overrides(connection, neighbourhood_id)
    return day_kinds(
        country,
        first=today - timedelta(days=LONGEST_STAY_DAYS),
        last=today + timedelta(days=LOOK_AHEAD_DAYS + LONGEST_STAY_DAYS + len(overrides)),
        overrides=overrides,
    )


def _changes(connection: Connection, wanted: Sequence[_Wanted], *, now: datetime) -> _Changes:
    """Compare what is stored with what is wanted."""
    stored = stored_openings(connection, [w.facility_id for w in wanted], now=now)
    changes = _Changes()
    for facility in wanted:
        for group_id, openings in facility.openings.items():
            _compare(changes, facility.facility_id, group_id, stored.get(group_id, {}), openings, utc_minute(now))
    return changes


def _compare(
    changes: _Changes,
    facility_id: int,
    group_id: int,
    stored: Mapping[int, Opening],
    wanted: Sequence[Opening],
    now_min: int,
) -> None:
    there = set(stored.values())
    kept = continued(list(stored.values()), wanted, now_min=now_min)
    removed = {key: opening for key, opening in stored.items() if opening not in set(kept)}
    changes.added += [(facility_id, group_id, opening) for opening in kept if opening not in there]
    changes.removed += removed
    if not all(keeps_all(opening, kept, now_min=now_min) for opening in removed.values()):
        changes.shrinking.add(facility_id)
