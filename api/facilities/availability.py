"""How many bays of a facility are free, moment by moment, as instants the whole world agrees on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from api.calendars.clock import DAY_MIN, day_number, minute_of, moment_of
from api.calendars.day_kinds import DayKinds, day_kinds
from api.calendars.unroll import Minutes, Steps, closure_spans, merged, unroll_facility, unroll_stays
from api.neighbourhoods.model import Facility

_LONGEST_REST_DAYS = 30
"""No run of rest days is longer, but for those that a folder adds."""
_LOOK_BACK_DAYS = 2
"""A window reaches two days beyond its own day at most (48:00)."""


@dataclass(frozen=True, slots=True)
class PlannedStay:
    """Equal stays that a plan puts into a bay group."""

    bay_group: str
    days: str
    arrive_min: int
    leave_min: int
    stay_through: bool
    days_left_out: tuple[date, ...]
    cars: int


@dataclass(frozen=True, slots=True)
class Interval:
    """A time without change: [start, end) as instants, with bays shared, taken by the plan, and free."""

    start: datetime
    end: datetime
    capacity: int
    taken: int

    @property
    def free(self) -> int:
        """Bays nobody is planned into."""
        return max(0, self.capacity - self.taken)


@dataclass(frozen=True, slots=True)
class Place:
    """Where and when a facility is: zone, country, term, and the days its neighbourhood has its own word on."""

    zone: ZoneInfo
    country: str
    term_from: date
    term_to: date
    overrides: Mapping[date, str]


def availability(
    facility: Facility, place: Place, stays: Sequence[PlannedStay], *, start: datetime, end: datetime
) -> tuple[dict[str, list[Interval]], bool]:
    """
    Unroll a facility between two local wall-clock times.

    Parameters
    ----------
    start, end
        Naive local times, start before end.

    Returns
    -------
    tuple
        Intervals by bay group id, those with capacity only, in order; and whether a date in between is provisional.
    """
    first, last = minute_of(start), minute_of(end)
    days = day_number(start.date()) - _LOOK_BACK_DAYS, day_number(end.date()) + 1
    kinds = _kinds(place, start.date(), end.date())
    hours = unroll_facility(facility, kinds, first=days[0], last=days[1])
    intervals: dict[str, list[Interval]] = {}
    for group, open_hours in zip(facility.bay_groups, hours, strict=True):
        taken = _taken([stay for stay in stays if stay.bay_group == group.id], kinds, place)
        intervals[group.id] = _intervals(
            without_closures(open_hours.capacity, facility), taken, first, last, place.zone
        )
    seen = slice(max(0, day_number(start.date()) - kinds.first), day_number(end.date()) - kinds.first + 1)
    return intervals, bool(kinds.provisional[seen].any())


def instant_of(local: datetime, zone: ZoneInfo) -> datetime:
    """
    Return the instant of a local wall-clock time, in UTC.

    An hour that comes twice in autumn means its first coming. One that spring leaves out means the moment of the jump,
    so that the order of local times is the order of instants.
    """
    instant = local.replace(tzinfo=zone).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local:
        return instant
    # Inside the gap: the offset before the jump is too early a rule, the one after it too late; the jump lies between.
    before = local.replace(tzinfo=zone, fold=0).utcoffset()
    early, late = sorted((instant, local.replace(tzinfo=zone, fold=1).astimezone(UTC)))
    while late - early > timedelta(minutes=1):
        middle = early + (late - early) / 2
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return (early + timedelta(seconds=59)).replace(second=0, microsecond=0)


def _kinds(place: Place, start: date, end: date) -> DayKinds:
    """Return the calendar over the asked days and the term, with room for windows before and stays after."""
    return day_kinds(
        place.country,
        first=min(start, place.term_from) - timedelta(days=_LOOK_BACK_DAYS + 1),
        last=max(end, place.term_to) + timedelta(days=_LONGEST_REST_DAYS + len(place.overrides)),
        overrides=place.overrides,
    )


def _taken(stays: Iterable[PlannedStay], kinds: DayKinds, place: Place) -> Steps:
    """Add up the cars of planned stays over the term."""
    ats: list[Minutes] = [np.zeros(0, dtype=np.int64)]
    changes: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    first, last = day_number(place.term_from), day_number(place.term_to)
    for stay in stays:
        asked, starts, ends = unroll_stays(
            stay.days, stay.arrive_min, stay.leave_min, kinds, first=first, last=last, stay_through=stay.stay_through
        )
        kept = ~np.isin(asked, [day_number(day) for day in stay.days_left_out])
        # Stays that run through rest days overlap, and are one car all the same.
        starts, ends = merged(starts[kept], ends[kept])
        ats += [starts, ends]
        changes += [np.full(len(starts), stay.cars), np.full(len(ends), -stay.cars)]
    at, index = np.unique(np.concatenate(ats), return_inverse=True)
    change = np.bincount(index, weights=np.concatenate(changes), minlength=len(at)).astype(np.int64)
    return Steps(at=at, bays=np.cumsum(change))


def without_closures(capacity: Steps, facility: Facility) -> Steps:
    """Return a capacity with nothing during closures."""
    starts, ends = closure_spans(facility)
    if not len(starts):
        return capacity
    at = np.unique(np.concatenate((capacity.at, starts, ends)))
    shut = ((at[:, None] >= starts[None, :]) & (at[:, None] < ends[None, :])).any(axis=1)
    return Steps(at=at, bays=np.where(shut, 0, value_at(capacity, at)))


def value_at(steps: Steps, at: Minutes) -> NDArray[np.int64]:
    """Return the value of steps at minutes (N,)."""
    index = np.searchsorted(steps.at, at, side="right")
    values: NDArray[np.int64] = np.concatenate(([0], steps.bays))[index]
    return values


def _intervals(capacity: Steps, taken: Steps, first: int, last: int, zone: ZoneInfo) -> list[Interval]:
    """Cut [first, last) wherever capacity or use changes; keep what is open."""
    edges = np.concatenate((capacity.at, taken.at))
    cuts = np.unique(np.concatenate(([first], edges[(edges > first) & (edges < last)], [last])))
    shared, used = value_at(capacity, cuts[:-1]), value_at(taken, cuts[:-1])
    instants = [instant_of(moment_of(int(minute)), zone) for minute in cuts]
    found: list[Interval] = []
    for k, (bays, cars) in enumerate(zip(shared.tolist(), used.tolist(), strict=True)):
        if bays == 0 or instants[k] >= instants[k + 1]:
            continue
        if found and found[-1].end == instants[k] and (found[-1].capacity, found[-1].taken) == (bays, cars):
            found[-1] = Interval(found[-1].start, instants[k + 1], bays, cars)
        else:
            found.append(Interval(instants[k], instants[k + 1], bays, cars))
    return found


MOST_DAYS = 92
"""Longest span asked for at once."""


def days_between(start: datetime, end: datetime) -> float:
    """Return the length of a local span in days."""
    return (minute_of(end) - minute_of(start)) / DAY_MIN
