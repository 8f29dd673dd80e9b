"""Which nights a permit takes from the ledger."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Row

from api.calendars.clock import DAY_MIN, date_of, day_number
from api.calendars.day_kinds import DayKinds
from api.calendars.unroll import unroll_stays

NIGHT_MIN = DAY_MIN + 120
"""A night stands for the moment 02:00 of the morning after, counted here from the start of its own day."""
_A_DAY = timedelta(days=1)


def stands_at_night(arrive_min: int, leave_min: int) -> bool:
    """
    Whether stays of these hours, minutes from the start of their evening's day, stand at 02:00 of the morning after.

    Only such stays can be permits: others take nothing of the ledger, which would give their bays away once more.
    """
    return arrive_min <= NIGHT_MIN < leave_min


def ledger_nights_of(
    *,
    days: str,
    arrive_min: int,
    leave_min: int,
    stay_through: bool,
    first: date,
    last: date,
    kinds: DayKinds,
    days_left_out: Collection[date] = (),
) -> list[date]:
    """
    List the nights from `first` to `last` at whose 02:00 a car stands there, in order.

    These are the asked evenings without those left out, and the nights inside a stay through rest days. A stay that
    covers no 02:00 takes none; what a stay runs beyond `last` is not counted.

    Parameters
    ----------
    kinds
        The calendar from `first` until the rest days after `last` are over.
    """
    nights = covered_nights(
        days=days,
        arrive_min=arrive_min,
        leave_min=leave_min,
        stay_through=stay_through,
        first=first,
        last=last,
        kinds=kinds,
        days_left_out=days_left_out,
    )
    return [night for night in nights if first <= night <= last]


def covered_nights(
    *,
    days: str,
    arrive_min: int,
    leave_min: int,
    stay_through: bool,
    first: date,
    last: date,
    kinds: DayKinds,
    days_left_out: Collection[date] = (),
) -> list[date]:
    """List the nights at whose 02:00 a stay stands that begins on a day from `first` to `last`, in order."""
    asked, begins, ends = unroll_stays(
        days,
        arrive_min,
        leave_min,
        kinds,
        first=day_number(first),
        last=day_number(last),
        stay_through=stay_through,
    )
    kept = ~np.isin(asked, [day_number(day) for day in days_left_out])
    # The first night whose moment is not before the stay begins, and the first whose moment is not before its end.
    since = -((NIGHT_MIN - begins[kept]) // DAY_MIN)
    until = -((NIGHT_MIN - ends[kept]) // DAY_MIN)
    return [date_of(night) for night in sorted(_spread(since.tolist(), until.tolist()))]


def _spread(since: Sequence[int], until: Sequence[int]) -> set[int]:
    return {night for begin, end in zip(since, until, strict=True) for night in range(begin, end)}


def nights_in(permit: Row[Any]) -> list[date]:
    """List the nights that a permit takes from the ledger, in order."""
    return [run.lower + timedelta(days=k) for run in permit.runs or () for k in range((run.upper - run.lower).days)]


def multirange_of(nights: Iterable[date]) -> str:
    """Write sorted nights as a multirange of PostgreSQL."""
    runs: list[list[date]] = []
    for night in nights:
        if runs and runs[-1][1] == night:
            runs[-1][1] = night + _A_DAY
        else:
            runs.append([night, night + _A_DAY])
    return "{" + ",".join(f"[{begin.isoformat()},{end.isoformat()})" for begin, end in runs) + "}"
