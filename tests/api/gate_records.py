"""Records of gates for tests: a real one, and made ones whose answers can be worked out by hand."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

from api.calendars.clock import DAY_MIN, moment_of

P4 = Path(__file__).parents[1] / "data/gate-records/P4.csv.gz"
"""An industrial park of 62 bays, March to August 2019; MIT, © 2020 NingxuanFeng, the licence lies beside it."""
MONDAY = 17_896 * DAY_MIN
"""2018-12-31, a Monday, in minutes since 1970."""


def real_record() -> bytes:
    return gzip.decompress(P4.read_bytes())


def csv_of(visits: Iterable[tuple[int, int]], *, head: str = "entry_time,exit_time") -> bytes:
    """Write visits, minutes from a Monday 00:00, as a gate exports them."""
    rows = [f"{_cell(entry)},{_cell(leaving)}" for entry, leaving in visits]
    return "\n".join([head, *rows, ""]).encode()


def _cell(minute: int) -> str:
    return moment_of(MONDAY + minute).strftime("%Y/%m/%d %H:%M")


def steady_weeks(weeks: int, *, cars: int, start: int = 600, end: int = 1380) -> list[tuple[int, int]]:
    """Let so many cars stand every day from `start` to `end`, in minutes of the day."""
    return [(day * DAY_MIN + start, day * DAY_MIN + end) for day in range(7 * weeks) for _ in range(cars)]
