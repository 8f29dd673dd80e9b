"""Openings as the database writes and reads ranges."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache

from api.openings.ticks import Ticks, utc_minute, utc_moment
from api.openings.unrolling import Opening

_RANGE = re.compile(r'([\[(])"([^"]+)","([^"]+)"([\])])')


@lru_cache(maxsize=65_536)
def range_text(first: int, past: int) -> str:
    """Return the moments from tick `first` up to before tick `past` as a range."""
    opens, closes = "(" if first % 2 else "[", "]" if past % 2 else ")"
    return f'{opens}"{utc_moment(first // 2).isoformat()}","{utc_moment(past // 2).isoformat()}"{closes}'


def multirange_text(ticks: Ticks) -> str:
    """Return a set of moments as a multirange."""
    return "{" + ",".join(range_text(first, past) for first, past in ticks) + "}"


@lru_cache(maxsize=65_536)
def ticks_in(text: str) -> Ticks:
    """Return the moments of a range or multirange as the database prints it."""
    return tuple(
        (2 * _minute(lower) + (opens == "("), 2 * _minute(upper) + (closes == "]"))
        for opens, lower, upper, closes in _RANGE.findall(text)
    )


def _minute(text: str) -> int:
    return utc_minute(datetime.fromisoformat(text))


def opening_of(first_number: int, last_number: int, during: str, starts: str, ends: str) -> Opening:
    """Return an opening from the numbers and printed ranges of its row."""
    [(first, past)] = ticks_in(during)
    return Opening(first_number, last_number, first // 2, past // 2, ticks_in(starts), ticks_in(ends))
