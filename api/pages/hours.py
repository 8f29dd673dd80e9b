"""How full the shared bays are, hour by hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.calendars.clock import DAY_MIN, day_number
from api.calendars.day_kinds import DayKinds, day_kinds
from api.calendars.unroll import Steps, merged, unroll_facility, unroll_stays
from api.neighbourhoods.model import Neighbourhood

HOUR_MIN = 60
NOON_MIN = 12 * HOUR_MIN
_LONGEST_REST_DAYS = 30
"""No run of rest days is longer, but for those that a folder adds; a stay that runs through them ends within."""

Hourly = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class HourlyUse:
    """
    An average day of the term from noon to noon, so that the night is in one piece.

    `shared` and `occupied` are (24,) mean bays from 12:00, 13:00, … 11:00.
    """

    shared: Hourly
    occupied: Hourly

    @property
    def hours(self) -> list[int]:
        """The hour of day each entry begins at."""
        return [(NOON_MIN // HOUR_MIN + k) % 24 for k in range(24)]


def kinds_of_term(neighbourhood: Neighbourhood) -> DayKinds:
    """Return the calendar of a term, from before its first window until after its last stay."""
    return day_kinds(
        neighbourhood.country,
        first=neighbourhood.term_from - timedelta(days=2),
        last=neighbourhood.term_to + timedelta(days=_LONGEST_REST_DAYS + len(neighbourhood.calendar_overrides)),
        overrides=neighbourhood.calendar_overrides,
    )


def hourly_use(neighbourhood: Neighbourhood, assignments: Iterable[Mapping[str, Any]]) -> HourlyUse:
    """Average the bays shared and occupied over the days of the term."""
    kinds = kinds_of_term(neighbourhood)
    first, last = day_number(neighbourhood.term_from), day_number(neighbourhood.term_to)
    shared = np.zeros(24)
    for facility in neighbourhood.facilities:
        for group in unroll_facility(facility, kinds, first=first - 1, last=last + 1):
            shared += _by_hour(group.capacity, first=first, last=last)
    occupied = np.zeros(24)
    for (pattern, left_out), count in _patterns(neighbourhood, assignments).items():
        occupied += count * _by_hour(_stays(pattern, left_out, kinds, first=first, last=last), first=first, last=last)
    days = last - first + 1
    return HourlyUse(shared=shared / days, occupied=occupied / days)


Pattern = tuple[str, int, int, bool]


def _patterns(
    neighbourhood: Neighbourhood, assignments: Iterable[Mapping[str, Any]]
) -> Counter[tuple[Pattern, tuple[str, ...]]]:
    """Count the served demands by days, hours and days left out: there are few such patterns in a city."""
    columns = neighbourhood.demands.select("id", "days", "arrive_min", "leave_min", "stay_through")
    pattern_of: dict[str, Pattern] = {row[0]: (row[1], row[2], row[3], row[4]) for row in columns.iter_rows()}
    return Counter((pattern_of[row["demand"]], tuple(row.get("days_left_out", ()))) for row in assignments)


def _stays(pattern: Pattern, left_out: tuple[str, ...], kinds: DayKinds, *, first: int, last: int) -> Steps:
    """Return one car of a pattern over time."""
    days, arrive_min, leave_min, through = pattern
    asked, starts, ends = unroll_stays(days, arrive_min, leave_min, kinds, first=first, last=last, stay_through=through)
    missing = [day_number(date.fromisoformat(str(day))) for day in left_out]
    kept = ~np.isin(asked, missing)
    # Stays that run through rest days overlap, and are one car all the same.
    starts, ends = merged(starts[kept], ends[kept])
    return Steps(at=np.ravel((starts, ends), order="F"), bays=np.tile([1, 0], len(starts)))


def _by_hour(steps: Steps, *, first: int, last: int) -> Hourly:
    """Integrate bays over each hour of day (24,), in bay-hours, from noon of the first day to noon after the last."""
    edges = np.arange(first * DAY_MIN + NOON_MIN, (last + 1) * DAY_MIN + NOON_MIN + 1, HOUR_MIN)
    if not len(steps.at):
        return np.zeros(24)
    areas = np.concatenate(([0], np.cumsum(steps.bays[:-1] * np.diff(steps.at))))
    hourly: Hourly = np.diff(np.interp(edges, steps.at, areas)).reshape(-1, 24).sum(axis=0) / HOUR_MIN
    return hourly
