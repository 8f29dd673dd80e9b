"""Bay groups in one order, with their hours unrolled over the term and what cars they suit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from api.calendars.day_kinds import DayKinds
from api.calendars.unroll import GroupHours, unroll_facility
from api.neighbourhoods.model import Facility
from api.planning.eligibility import Timetable, timetable_of

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Bays:
    """P bay groups, by facility id and then in the facility's order; `facility` (P,) indexes the neighbourhood's."""

    facility: Ints
    facility_id: tuple[str, ...]
    group_id: tuple[str, ...]
    hours: tuple[GroupHours, ...]
    first_day: int
    """Day numbers of the first and the last day whose windows are unrolled, both inclusive."""
    last_day: int
    first: Ints
    """(F,) first bay group of each facility, by the neighbourhood's order."""
    count: Ints
    """(F,) bay groups of each facility."""


def bays_of(facilities: tuple[Facility, ...], kinds: DayKinds, *, first: int, last: int) -> Bays:
    """Unroll all bay groups from windows whose own day lies between two day numbers, inclusive."""
    order = sorted(range(len(facilities)), key=lambda index: facilities[index].id)
    facility, facility_id, group_id, hours = [], [], [], []
    for index in order:
        unrolled = unroll_facility(facilities[index], kinds, first=first, last=last)
        for group, group_hours in zip(facilities[index].bay_groups, unrolled, strict=True):
            facility.append(index)
            facility_id.append(facilities[index].id)
            group_id.append(group.id)
            hours.append(group_hours)
    count = np.array([len(item.bay_groups) for item in facilities], dtype=np.int64)
    begin = np.zeros(len(facilities), dtype=np.int64)
    begin[order] = np.cumsum(count[order]) - count[order]
    return Bays(
        facility=np.array(facility, dtype=np.int64),
        facility_id=tuple(facility_id),
        group_id=tuple(group_id),
        hours=tuple(hours),
        first_day=first,
        last_day=last,
        first=begin,
        count=count,
    )


def distinct_timetables(facilities: tuple[Facility, ...], bays: Bays) -> tuple[list[Timetable], Ints]:
    """Timetables that differ, and which of them each bay group (P,) keeps."""
    known: dict[object, int] = {}
    timetables: list[Timetable] = []
    numbers = np.zeros(len(bays.hours), dtype=np.int64)
    for index, hours in enumerate(bays.hours):
        timetable = timetable_of(facilities[int(bays.facility[index])], hours)
        numbers[index] = known.setdefault(timetable.key(), len(known))
        if numbers[index] == len(timetables):
            timetables.append(timetable)
    return timetables, numbers


@dataclass(frozen=True, slots=True, eq=False)
class Offers:
    """What cars bay groups (P,) suit: `kinds` with bit 0 accessible and bit 1 ev, `plain` for cars without needs."""

    kinds: Ints
    plain: NDArray[np.bool_]
    height_m: NDArray[np.float64]
    """Infinite where nothing is too high."""


def offers_of(facilities: tuple[Facility, ...], bays: Bays) -> Offers:
    """Read what cars bay groups suit."""
    offered = np.zeros(len(bays.hours), dtype=np.int64)
    plain = np.zeros(len(bays.hours), dtype=np.bool_)
    height = np.full(len(bays.hours), np.inf)
    position: dict[int, int] = {}
    for index, facility_index in enumerate(bays.facility.tolist()):
        number = position.get(facility_index, 0)
        position[facility_index] = number + 1
        kinds = facilities[facility_index].bay_groups[number].kinds
        offered[index] = ("accessible" in kinds) + 2 * ("ev" in kinds)
        plain[index] = "standard" in kinds or "large" in kinds
        limit = facilities[facility_index].max_height_m
        height[index] = np.inf if limit is None else limit
    return Offers(offered, plain, height)
