"""
The ledger: how many bays of a group permits and offers take, night by night, however far ahead.

One transaction at a time writes the ledger of a neighbourhood: `lock_ledger` makes the others wait, and each function
here that writes takes that lock first. Whoever takes locks of several neighbourhoods takes them in one call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row

from api.calendars.clock import DAY_MIN, day_number
from api.calendars.day_kinds import DayKinds, day_kinds
from api.calendars.unroll import unroll_facility
from api.errors import ApiError
from api.facilities.availability import value_at, without_closures
from api.facilities.queries import calendar_overrides
from api.neighbourhoods.loading import PUBLISHED, load_facilities
from api.neighbourhoods.model import Facility
from api.openings.permit_nights import LONGEST_STAY_DAYS
from api.openings.queries import group_ids
from api.openings.unrolling import LOOK_BACK_DAYS
from api.permits import ledger_queries
from api.permits.ledger_queries import Changes, lock_ledger
from api.permits.nights import NIGHT_MIN

__all__ = ["LedgerFull", "LedgerShort", "fill_ledger", "lock_ledger", "release_nights", "require_enough", "take_nights"]

Nights = Mapping[int, Mapping[date, int]]
"""Bays by bay group and night."""


class LedgerFull(ApiError):
    """A night has not as many free bays as wanted; `bay_group_id` and `night` say which."""

    def __init__(self, bay_group_id: int, night: date) -> None:
        super().__init__(f"bay group {bay_group_id} has not as many free bays on {night.isoformat()}")
        self.bay_group_id = bay_group_id
        self.night = night


class LedgerShort(ApiError):
    """More bays are taken on some nights than there would be; `nights` has (bay group, night, bays, taken)."""

    def __init__(self, nights: Sequence[tuple[int, date, int, int]]) -> None:
        super().__init__(f"{len(nights)} nights have fewer bays than are promised")
        self.nights = tuple(nights)


def fill_ledger(connection: Connection, facility_ids: Sequence[int], *, first: date, last: date) -> None:
    """
    Write how many bays the groups of facilities have on each night from `first` to `last`, both included.

    That is a group's capacity at 02:00 of the morning after, by windows, buffer, closures and calendar; none where a
    facility is not published. What is taken stays taken.

    Raises
    ------
    LedgerShort
        Where fewer bays would be left than are taken; nothing is written then.
    """
    lock_ledger(connection, ledger_queries.list_groups(connection, facility_ids))
    groups: list[int] = []
    nights: list[date] = []
    bays: list[int] = []
    dates = [first + timedelta(days=k) for k in range((last - first).days + 1)]
    for group, capacity in _capacities(connection, facility_ids, dates):
        groups += [group] * len(dates)
        nights += dates
        bays += capacity
    require_enough(connection, (groups, nights, bays))
    ledger_queries.set_bays(connection, (groups, nights, bays))


def require_enough(connection: Connection, wanted: Changes) -> None:
    """Raise LedgerShort where fewer bays are wanted in the ledger than are taken."""
    short = ledger_queries.list_short_nights(connection, wanted)
    if short:
        raise LedgerShort([(row.bay_group_id, row.night, row.bays, row.taken) for row in short])


def take_nights(connection: Connection, takes: Nights) -> None:
    """
    Take bays of nights: bay group → night → how many.

    Raises
    ------
    LedgerFull
        A night is not in the ledger or has not as many; nothing is taken then.
    """
    changes = _changes(takes)
    lock_ledger(connection, list(takes))
    full = ledger_queries.find_full_night(connection, changes)
    if full is not None:
        raise LedgerFull(full.bay_group_id, full.night)
    ledger_queries.change_taken(connection, changes)


def release_nights(connection: Connection, releases: Nights) -> None:
    """Give bays of nights back: bay group → night → how many."""
    groups, nights, bays = _changes(releases)
    lock_ledger(connection, list(releases))
    ledger_queries.change_taken(connection, (groups, nights, [-number for number in bays]))


def calendar_of(connection: Connection, neighbourhood_id: int, *, country: str, first: date, last: date) -> DayKinds:
    """Return a neighbourhood's calendar over whatever windows and stays of the nights from `first` to `last` reach."""
    overrides = calendar_overrides(connection, neighbourhood_id)
    return day_kinds(
        country,
        first=first - timedelta(days=LONGEST_STAY_DAYS),
        last=last + timedelta(days=LONGEST_STAY_DAYS + len(overrides)),
        overrides=overrides,
    )


def _changes(nights: Nights) -> Changes:
    rows = sorted((group, night, bays) for group, by_night in nights.items() for night, bays in by_night.items())
    return [group for group, _, _ in rows], [night for _, night, _ in rows], [bays for _, _, bays in rows]


def _capacities(
    connection: Connection, facility_ids: Sequence[int], dates: Sequence[date]
) -> Iterator[tuple[int, list[int]]]:
    """Return each bay group with its bays on dates, one neighbourhood after the other."""
    rows = ledger_queries.list_facilities(connection, facility_ids)
    ids = group_ids(connection, [row.id for row in rows])
    for neighbourhood_id, found in groupby(rows, key=lambda row: int(row.neighbourhood_id)):
        members = list(found)
        kinds = calendar_of(connection, neighbourhood_id, country=members[0].country, first=dates[0], last=dates[-1])
        facilities = {f.id: f for f in load_facilities(connection, neighbourhood_id, ids=[row.id for row in members])}
        for row in members:
            for code, bays in _bays_of(row, facilities[row.code], kinds, dates).items():
                yield ids[row.id, code], bays


def _bays_of(row: Row[Any], facility: Facility, kinds: DayKinds, dates: Sequence[date]) -> dict[str, list[int]]:
    """Return a facility's bays on dates, by the code of the bay group."""
    if row.status != PUBLISHED:
        return {group.id: [0] * len(dates) for group in facility.bay_groups}
    first, last = day_number(dates[0]), day_number(dates[-1])
    at = np.arange(first, last + 1, dtype=np.int64) * DAY_MIN + NIGHT_MIN
    hours = unroll_facility(facility, kinds, first=first - LOOK_BACK_DAYS, last=last + 1)
    return {
        group.id: value_at(without_closures(open_hours.capacity, facility), at).tolist()
        for group, open_hours in zip(facility.bay_groups, hours, strict=True)
    }
