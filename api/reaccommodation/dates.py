"""Sets of dates as day numbers, and as the multiranges that the database keeps."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from api.calendars.clock import date_of, day_number
from api.permits.nights import multirange_of

_A_DAY = timedelta(days=1)


def day_numbers(ranges: Iterable[Any] | None) -> frozenset[int]:
    """Return the day numbers in a multirange as the driver gives it; none where there is none."""
    found: set[int] = set()
    for each in ranges or ():
        found.update(range(day_number(each.lower), day_number(each.upper)))
    return frozenset(found)


def multirange_text(days: Iterable[int]) -> str:
    """Write day numbers as a multirange of dates."""
    return _multirange_text(frozenset(days))


@lru_cache(maxsize=4096)  # most of those who are hit at once lose the same nights
def _multirange_text(days: frozenset[int]) -> str:
    return multirange_of(date_of(day) for day in sorted(days))


def term_text(first: date, last: date) -> str:
    """Write the dates from one to another, both included, as a range."""
    return f"[{first.isoformat()},{(last + _A_DAY).isoformat()})"
