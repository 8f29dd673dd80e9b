"""How full a place was: the largest number of cars in each hour and each night, and which days can be counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from api.calendars.clock import DAY_MIN
from api.capacity.visits import Minutes, UnusableRecords, Visits

_MOST_UNSEEN = 0.5
"""Cars that may on average be inside without standing in the record, at the edges of the days that are counted."""
_MOST_SETTLING_DAYS = 60
_EXPECTED = 5
"""A weekday that usually sees so many cars and once saw none was not recorded: zero would have probability e^-5."""


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """
    The most cars at one moment, by day.

    `hourly` (D, 24) and `nightly` (D, 1), cars; the night of a day runs over the whole share window that begins on it.
    `whole_day` and `whole_night` (D,) tell which days the record shows whole, `left_out` counts the others by why not.
    """

    first: int
    hourly: Minutes
    nightly: Minutes
    whole_day: NDArray[np.bool_]
    whole_night: NDArray[np.bool_]
    left_out: dict[str, int]
    most: int

    @property
    def days(self) -> Minutes:
        """Day numbers, (D,)."""
        return self.first + np.arange(len(self.hourly), dtype=np.int64)


def peaks_of(visits: Visits, *, window: tuple[int, int]) -> Peaks:
    """
    Sweep over the entries and exits, minute by minute.

    Parameters
    ----------
    window
        Share window in minutes of the day, as (1080, 1920) for 18:00 to 32:00.

    Raises
    ------
    UnusableRecords
        When the record shows no whole day.
    """
    first = int(visits.entry_min.min()) // DAY_MIN
    num_days = int(visits.exit_min.max()) // DAY_MIN - first + 1
    cars = _cars_by_minute(visits, first * DAY_MIN, minutes=(num_days + 2) * DAY_MIN)
    whole, left_out = _whole_days(visits, first=first, num_days=num_days)
    if not whole.any():
        raise UnusableRecords("the record shows no whole day: it must reach over some weeks")
    start, end = window
    nightly = np.lib.stride_tricks.sliding_window_view(cars, end - start)[start::DAY_MIN][:num_days].max(axis=1)
    later = np.concatenate((whole[1:], [False]))
    return Peaks(
        first=first,
        hourly=cars[: num_days * DAY_MIN].reshape(num_days, 24, 60).max(axis=2),
        nightly=nightly[:, None],
        whole_day=whole,
        whole_night=whole & later if end > DAY_MIN else whole,
        left_out=left_out,
        most=int(cars.max()),
    )


def _cars_by_minute(visits: Visits, start: int, *, minutes: int) -> Minutes:
    changes = np.bincount(visits.entry_min - start, minlength=minutes)
    changes -= np.bincount(visits.exit_min - start, minlength=minutes)
    return np.cumsum(changes).astype(np.int64)


def _whole_days(visits: Visits, *, first: int, num_days: int) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Tell which days the record shows whole: no start-up, no unrecorded days, no cars that are not in it."""
    counts = np.bincount(visits.entry_min // DAY_MIN - first, minlength=num_days)[:num_days]
    days = np.arange(num_days)
    settling = _settling_days(visits, num_days)
    steady = _steady_from(counts)
    last = int(visits.exit_min.max() // DAY_MIN - first)
    silent = _silent(counts, first)
    starting = days < steady
    edges = ~starting & ((days < steady + settling) | (days >= last - settling))
    unseen = silent & ~starting & ~edges
    left_out = {"starting": int(starting.sum()), "edges": int(edges.sum()), "not_recorded": int(unseen.sum())}
    return ~(starting | edges | unseen), left_out


def _settling_days(visits: Visits, num_days: int) -> int:
    """
    Whole days after which hardly any car of before the record is still inside; the same before its end.

    With a visits' rate λ and lengths L, λ·E[(L − s)⁺] cars are inside that came more than s ago. Records are written
    when a car leaves, so as many are missing s before the end.
    """
    lengths = visits.length_min[visits.length_min > 0] / DAY_MIN
    for days in range(_MOST_SETTLING_DAYS):
        if np.maximum(lengths - days, 0).sum() / num_days <= _MOST_UNSEEN:
            return days
    return _MOST_SETTLING_DAYS


def _steady_from(counts: Minutes) -> int:
    """First day from which a week sees at least half the visits of the middle week: what is before was a trial."""
    if len(counts) < 14:
        return 0
    weeks = np.convolve(counts, np.ones(7, dtype=np.int64), mode="valid")
    return int(np.argmax(weeks >= np.median(weeks[weeks > 0]) / 2))


def _silent(counts: Minutes, first: int) -> NDArray[np.bool_]:
    """Days without any entry on a weekday that is usually busy."""
    weekday = (first + np.arange(len(counts)) + 3) % 7
    usual = np.array([np.median(counts[weekday == k]) if (weekday == k).any() else 0 for k in range(7)])
    silent: NDArray[np.bool_] = (counts == 0) & (usual[weekday] >= _EXPECTED)
    return silent
