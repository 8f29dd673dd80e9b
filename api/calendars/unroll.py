"""
Windows, closures and stays unrolled over real dates, in whole local wall-clock minutes.

Wall-clock hours never shift: a window from 18:00 to 32:00 ends at 08:00 on the next morning's clock also when that
night has 13 or 15 hours. Only what leaves this module for the outside as an instant is converted through the time
zone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from api.calendars.clock import DAY_MIN, date_of, minute_of
from api.calendars.day_kinds import DayKinds
from api.neighbourhoods.model import Facility, Window

Minutes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Bays over time: `bays[k]` (K,) from minute `at[k]` (K,) until the next; none before the first."""

    at: Minutes
    bays: NDArray[np.int64]

    def open_intervals(self) -> tuple[Minutes, Minutes]:
        """Return starts and ends of the maximal intervals with capacity above zero."""
        flags = np.concatenate(([False], self.bays > 0, [False]))
        edges = np.flatnonzero(flags[1:] != flags[:-1])
        return self.at[edges[::2]], self.at[edges[1::2]]


@dataclass(frozen=True, slots=True, eq=False)
class GroupHours:
    """When one bay group can be used: `capacity` over time, and (start, end) of hours in which a stay may begin."""

    capacity: Steps
    entry_start: Minutes
    entry_end: Minutes


def unroll_facility(facility: Facility, kinds: DayKinds, *, first: int, last: int) -> list[GroupHours]:
    """
    Hours and capacities of a facility's bay groups, from windows whose own day lies between two day numbers, inclusive.

    At any moment a group's capacity is the largest `bays` among its windows open then, less the facility's
    `buffer_bays`, which are taken from its groups in order, never below zero.
    """
    spans = [
        [window_spans(window, kinds, first=first, last=last) for window in group.windows]
        for group in facility.bay_groups
    ]
    edges = [edge for group in spans for pair in group for edge in pair]
    cuts = np.unique(np.concatenate(edges)) if edges else np.zeros(0, dtype=np.int64)
    buffer = np.full(len(cuts), facility.buffer_bays, dtype=np.int64)
    hours = []
    for group, group_spans in zip(facility.bay_groups, spans, strict=True):
        offered = np.zeros(len(cuts), dtype=np.int64)
        for window, (starts, ends) in zip(group.windows, group_spans, strict=True):
            np.maximum(offered, np.where(_covered(cuts, starts, ends), window.bays, 0), out=offered)
        kept_back = np.minimum(offered, buffer)
        buffer = buffer - kept_back
        entry_start, entry_end = _entry_hours(group.windows, group_spans)
        hours.append(GroupHours(_compressed(cuts, offered - kept_back), entry_start, entry_end))
    return hours


def window_spans(window: Window, kinds: DayKinds, *, first: int, last: int) -> tuple[Minutes, Minutes]:
    """Return starts and ends (N,) of a window on each of its days from `first` to `last`."""
    days = kinds.matching(window.days, first=first, last=last)
    if window.season is not None:
        days = days[[_in_season(int(day), window.season) for day in days]] if len(days) else days
    return days * DAY_MIN + window.from_min, days * DAY_MIN + window.to_min


def _in_season(day: int, season: tuple[tuple[int, int], tuple[int, int]]) -> bool:
    moment = date_of(day)
    here = (moment.month, moment.day)
    begin, end = season
    if begin <= end:
        return begin <= here <= end
    return here >= begin or here <= end


def _covered(cuts: Minutes, starts: Minutes, ends: Minutes) -> NDArray[np.bool_]:
    """Whether each cell that begins at a cut lies inside an interval; starts and ends are sorted and among the cuts."""
    return np.searchsorted(starts, cuts, side="right") > np.searchsorted(ends, cuts, side="right")


def _entry_hours(windows: Sequence[Window], spans: Sequence[tuple[Minutes, Minutes]]) -> tuple[Minutes, Minutes]:
    """Hours in which a stay may begin: each window's, cut after its last entry (inclusive, hence one minute later)."""
    starts, ends = [], []
    for window, (start, end) in zip(windows, spans, strict=True):
        if window.last_entry_min is not None:
            ends.append(np.minimum(end, start - window.from_min + window.last_entry_min + 1))
        else:
            ends.append(end)
        starts.append(start)
    if not starts:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing
    return merged(np.concatenate(starts), np.concatenate(ends))


def _compressed(cuts: Minutes, bays: NDArray[np.int64]) -> Steps:
    """Leave out the steps that change nothing."""
    keep = np.diff(bays, prepend=0) != 0
    return Steps(at=cuts[keep], bays=bays[keep])


def merged(starts: Minutes, ends: Minutes) -> tuple[Minutes, Minutes]:
    """Union of half-open intervals as sorted, disjoint, not touching ones; empty intervals vanish."""
    whole = ends > starts
    order = np.argsort(starts[whole], kind="stable")
    starts, ends = starts[whole][order], ends[whole][order]
    if not len(starts):
        return starts, ends
    reach = np.maximum.accumulate(ends)
    fresh = np.concatenate(([True], starts[1:] > reach[:-1]))
    last = np.concatenate((np.flatnonzero(fresh)[1:] - 1, [len(starts) - 1]))
    return starts[fresh], reach[last]


def inside_one(point_start: Minutes, point_end: Minutes, starts: Minutes, ends: Minutes) -> NDArray[np.bool_]:
    """Whether each [point_start, point_end) (N,) lies inside one of the sorted, disjoint intervals."""
    if not len(starts):
        return np.zeros(len(point_start), dtype=np.bool_)
    index = np.searchsorted(starts, point_start, side="right") - 1
    return (index >= 0) & (point_end <= ends[np.maximum(index, 0)])


def closure_spans(facility: Facility) -> tuple[Minutes, Minutes]:
    """Return starts and ends (N,) of a facility's closures in minutes; a started minute counts as closed."""
    starts = [minute_of(closure.start) for closure in facility.closures]
    ends = [
        minute_of(closure.end) + bool(closure.end.second or closure.end.microsecond) for closure in facility.closures
    ]
    return np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64)


def unroll_stays(
    days: str, arrive_min: int, leave_min: int, kinds: DayKinds, *, first: int, last: int, stay_through: bool = False
) -> tuple[NDArray[np.int64], Minutes, Minutes]:
    """
    Asked days of a term with the start and end of the stay on each.

    Returns
    -------
    tuple
        Day numbers, starts and ends, each (N,). With `stay_through` a stay whose end falls on a rest day runs on to
        the same hour of the first workday after.
    """
    asked = kinds.matching(days, first=first, last=last)
    starts, ends = asked * DAY_MIN + arrive_min, asked * DAY_MIN + leave_min
    if stay_through:
        ends = np.array([_through_rest_days(int(end), kinds) for end in ends], dtype=np.int64)
    return asked, starts, ends


def _through_rest_days(end: int, kinds: DayKinds) -> int:
    day, minute = divmod(end, DAY_MIN)
    return end if kinds.is_workday(day) else kinds.next_workday(day) * DAY_MIN + minute
