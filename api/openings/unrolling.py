"""A facility's bays over real dates: which of them can be booked when, where a stay may begin and where it may end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np

from api.calendars.clock import DAY_MIN
from api.calendars.day_kinds import DayKinds
from api.calendars.unroll import Steps, unroll_facility, window_spans
from api.facilities.availability import without_closures
from api.neighbourhoods.model import Facility, Window
from api.openings.ticks import Ticks, ticks_of, union, utc_of, within, without

NIGHTS = 14
"""Nights that are sold: those whose evening is today's or of one of the next thirteen days."""
LOOK_BACK_DAYS = 2
"""A window reaches two days beyond its own day at most (48:00)."""
LOOK_AHEAD_DAYS = NIGHTS + 1
"""Windows of these days can begin before the last window of the last evening ends."""
_NOON_MIN = 720


@dataclass(frozen=True, slots=True, order=True)
class Opening:
    """
    Bays of a group, by number, that can be booked during the whole of [begin_min, end_min).

    Minutes and ticks count from 1970-01-01T00:00 UTC. A stay may begin at the moments in `starts` and end at those in
    `ends`, to which the end of the opening may belong.
    """

    first_number: int
    last_number: int
    begin_min: int
    end_min: int
    starts: Ticks
    ends: Ticks


def nights_end(today: int) -> int:
    """Return the local minute at which the last of the nights sold is over: noon."""
    return (today + NIGHTS) * DAY_MIN + _NOON_MIN


def sold_until(facility: Facility, kinds: DayKinds, *, today: int) -> int:
    """
    Return the local minute up to which a facility is sold.

    That is the end of the last night, or of the last window that begins on the day of its evening.
    """
    last_evening = today + NIGHTS - 1
    ends = [
        int(end)
        for group in facility.bay_groups
        for window in group.windows
        for end in window_spans(window, kinds, first=last_evening, last=last_evening)[1]
    ]
    return max([nights_end(today), *ends])


def unroll_openings(facility: Facility, kinds: DayKinds, zone: ZoneInfo, *, today: int) -> dict[str, list[Opening]]:
    """
    Work out a facility's openings from yesterday's windows to the end of what is sold.

    At any moment the bays of a group that can be booked are numbered from one to its shared bays less what the
    facility's buffer takes of it. Openings are maximal: nights and rest days that touch are one.

    Parameters
    ----------
    kinds
        The calendar from `LOOK_BACK_DAYS` before today to `LOOK_AHEAD_DAYS` after, at least.
    today
        Day number of the local date.

    Returns
    -------
    dict
        Openings by bay group id, sorted.
    """
    days = today - LOOK_BACK_DAYS, today + LOOK_AHEAD_DAYS
    until = sold_until(facility, kinds, today=today)
    still = _hours_without_movement(facility, zone, first=days[0], last=days[1])
    openings = {}
    hours = unroll_facility(facility, kinds, first=days[0], last=days[1])
    for group, open_hours in zip(facility.bay_groups, hours, strict=True):
        capacity = _sold(without_closures(open_hours.capacity, facility), until=until)
        entries = without(_entry_ticks(group.windows, kinds, zone, days), still)
        openings[group.id] = [
            Opening(
                first,
                last,
                begin,
                end,
                starts=within(entries, first=2 * begin, past=2 * end),
                ends=without(((2 * begin, 2 * end + 1),), still),
            )
            for first, last, begin, end in _numbered_runs(_in_utc(capacity, zone))
        ]
    return openings


def _sold(capacity: Steps, *, until: int) -> Steps:
    """Return a capacity with nothing from a minute on."""
    kept = int(np.searchsorted(capacity.at, until, side="left"))
    return Steps(at=np.append(capacity.at[:kept], until), bays=np.append(capacity.bays[:kept], 0))


def _in_utc(steps: Steps, zone: ZoneInfo) -> list[tuple[int, int]]:
    """Return (minute in UTC, bays from then on); what spring leaves out vanishes."""
    by_minute = {utc_of(at, zone)[0]: bays for at, bays in zip(steps.at.tolist(), steps.bays.tolist(), strict=True)}
    return list(by_minute.items())


def _numbered_runs(steps: Sequence[tuple[int, int]]) -> list[tuple[int, int, int, int]]:
    """
    Return first and last number, begin and end of every maximal time during which bays are open.

    Bay n is open while at least n bays are. Numbers between two neighbouring capacities are open at the same times.
    """
    levels = sorted({0, *(bays for _, bays in steps)})
    numbers: dict[tuple[int, int], tuple[int, int]] = {}
    for below, level in pairwise(levels):
        for run in _runs(steps, level=level):
            # A run of these numbers lies inside one of the numbers below; where the two are equal they are one row.
            numbers[run] = numbers.get(run, (below + 1, level))[0], level
    return sorted((first, last, begin, end) for (begin, end), (first, last) in numbers.items())


def _runs(steps: Sequence[tuple[int, int]], *, level: int) -> list[tuple[int, int]]:
    """Return the maximal times during which at least `level` bays are open; after the last step none is."""
    runs: list[tuple[int, int]] = []
    since: int | None = None
    for at, bays in steps:
        if bays >= level:
            since = at if since is None else since
        elif since is not None:
            runs.append((since, at))
            since = None
    return runs


def _entry_ticks(windows: Sequence[Window], kinds: DayKinds, zone: ZoneInfo, days: tuple[int, int]) -> Ticks:
    """Return when a stay may begin: while a window is open, up to its last entry and at it."""
    pairs = []
    for window in windows:
        starts, ends = window_spans(window, kinds, first=days[0], last=days[1])
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            past = 2 * end
            if window.last_entry_min is not None:
                past = min(past, 2 * (start - window.from_min + window.last_entry_min) + 1)
            pairs.append((2 * start, past))
    return ticks_of(union(pairs), zone)


def _hours_without_movement(facility: Facility, zone: ZoneInfo, *, first: int, last: int) -> Ticks:
    """Return when no car may enter or leave; both ends of the hours are free."""
    if facility.no_movement is None:
        return ()
    begin, end = facility.no_movement
    midnights = (day * DAY_MIN for day in range(first - 1, last + LOOK_BACK_DAYS + 1))
    return ticks_of([(2 * (midnight + begin) + 1, 2 * (midnight + end)) for midnight in midnights], zone)
