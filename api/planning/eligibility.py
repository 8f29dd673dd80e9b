"""Which stays fit which hours: each distinct pattern of stays against each distinct timetable, once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from api.calendars.clock import DAY_MIN
from api.calendars.day_kinds import DayKinds
from api.calendars.unroll import GroupHours, Minutes, closure_spans, inside_one, merged, unroll_stays
from api.neighbourhoods.model import Facility


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """The stays that one kind of demand asks for: day numbers, starts and ends in minutes, each (N,)."""

    days: NDArray[np.int64]
    starts: Minutes
    ends: Minutes


@dataclass(frozen=True, slots=True, eq=False)
class Timetable:
    """When stays may stand in, begin at and leave a bay group."""

    open_start: Minutes
    open_end: Minutes
    entry_start: Minutes
    entry_end: Minutes
    closed_start: Minutes
    closed_end: Minutes
    no_movement: tuple[int, int] | None

    def key(self) -> tuple[bytes | tuple[int, int] | None, ...]:
        """Equal for timetables that admit the same stays."""
        arrays = (self.open_start, self.open_end, self.entry_start, self.entry_end, self.closed_start, self.closed_end)
        return (*(array.tobytes() for array in arrays), self.no_movement)


def timetable_of(facility: Facility, hours: GroupHours) -> Timetable:
    """Timetable of a bay group of a facility."""
    open_start, open_end = hours.capacity.open_intervals()
    closed_start, closed_end = closure_spans(facility)
    return Timetable(
        open_start=open_start,
        open_end=open_end,
        entry_start=hours.entry_start,
        entry_end=hours.entry_end,
        closed_start=closed_start,
        closed_end=closed_end,
        no_movement=facility.no_movement,
    )


def pattern_of(
    days: str, arrive_min: int, leave_min: int, kinds: DayKinds, *, first: int, last: int, through: bool
) -> Pattern:
    """Stays of one kind of demand over the term."""
    return Pattern(*unroll_stays(days, arrive_min, leave_min, kinds, first=first, last=last, stay_through=through))


def days_left_out(pattern: Pattern, timetable: Timetable) -> NDArray[np.bool_] | None:
    """
    Asked days that closures leave out, (N,), when the timetable admits all others; None when it does not.

    Eligible is: at most half of the asked days are left out; every other stay lies inside the open time, begins where
    a window admits entry, and neither begins nor ends strictly inside the no-movement hours.
    """
    left_out = _closed_on(pattern, timetable)
    if not len(pattern.days) or 2 * int(left_out.sum()) > len(pattern.days):
        return None
    return left_out if bool((left_out | _within_hours(pattern, timetable)).all()) else None


def admitted(pattern: Pattern, timetable: Timetable) -> NDArray[np.bool_]:
    """Whether each stay, (N,), may be had by itself: within the hours, and in no closure."""
    return _within_hours(pattern, timetable) & ~_closed_on(pattern, timetable)


def _closed_on(pattern: Pattern, timetable: Timetable) -> NDArray[np.bool_]:
    closed = timetable.closed_start[None, :] < pattern.ends[:, None]
    during = closed & (pattern.starts[:, None] < timetable.closed_end[None, :])
    found: NDArray[np.bool_] = np.logical_or.reduce(during, axis=1)
    return found


def _within_hours(pattern: Pattern, timetable: Timetable) -> NDArray[np.bool_]:
    starts, ends = pattern.starts, pattern.ends
    return (
        inside_one(starts, ends, timetable.open_start, timetable.open_end)
        & inside_one(starts, starts + 1, timetable.entry_start, timetable.entry_end)
        & ~_strictly_inside(starts, timetable.no_movement)
        & ~_strictly_inside(ends, timetable.no_movement)
    )


def cover_of(pattern: Pattern, left_out: NDArray[np.bool_]) -> tuple[Minutes, Minutes]:
    """Minutes during which the car stands there: the union of the stays that are not left out."""
    return merged(pattern.starts[~left_out], pattern.ends[~left_out])


def _strictly_inside(moments: Minutes, hours: tuple[int, int] | None) -> NDArray[np.bool_]:
    """Whether moments lie strictly inside daily hours that may run over midnight."""
    if hours is None:
        return np.zeros(len(moments), dtype=np.bool_)
    begin, end = hours
    into = (moments - begin) % DAY_MIN
    return (into > 0) & (into < end - begin)
