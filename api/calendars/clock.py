"""Local wall-clock time as whole minutes: GTFS-style hours of a day, and instants since 1970-01-01T00:00 local."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

DAY_MIN = 1440
LAST_MIN = 2 * DAY_MIN
"""Hours run to 48:00, the end of the day after."""

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (local wall-clock time, which has no zone by definition)
_EPOCH_ORDINAL = _EPOCH.toordinal()
_HOURS = re.compile(r"(\d{1,2}):([0-5]\d)(?::00)?")


def parse_hours(text: str) -> int:
    """
    Minutes from the start of the day of `"18:00"` or `"31:30"`.

    Raises
    ------
    ValueError
        When the text is not HH:MM or lies beyond 48:00.
    """
    match = _HOURS.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"is {text!r}, expected hours and minutes like 18:00 (31:00 is 07:00 next morning)")
    minutes = int(match[1]) * 60 + int(match[2])
    if minutes > LAST_MIN:
        raise ValueError(f"is {text}, expected at most 48:00")
    return minutes


def hours_text(minutes: int) -> str:
    """`1890` as `31:30`."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def day_number(day: date) -> int:
    """Days from 1970-01-01 to a date."""
    return day.toordinal() - _EPOCH_ORDINAL


def date_of(number: int) -> date:
    """Return the date that lies so many days after 1970-01-01."""
    return date.fromordinal(int(number) + _EPOCH_ORDINAL)


def minute_of(moment: datetime) -> int:
    """Whole minutes from 1970-01-01T00:00 to a naive local date-time, rounded down."""
    return (moment - _EPOCH) // timedelta(minutes=1)


def moment_of(minute: int) -> datetime:
    """Return the naive local date-time of a minute."""
    return _EPOCH + timedelta(minutes=int(minute))


def instant_text(minute: int) -> str:
    """Local wall-clock time of a minute as `2026-12-01T02:00`."""
    return moment_of(minute).isoformat(timespec="minutes")
