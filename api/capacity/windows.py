"""A share window as people write it."""

from __future__ import annotations

from api.calendars.clock import parse_hours
from api.capacity.visits import UnusableRecords


def parse_window(text: str) -> tuple[int, int]:
    """Minutes of `18:00-32:00`; raise UnusableRecords where it is none."""
    start, dash, end = text.partition("-")
    try:
        if not dash:
            raise ValueError("has no dash")
        return parse_hours(start), parse_hours(end)
    except ValueError as error:
        words = "write 18:00-32:00 for 18:00 until 08:00 next morning"
        raise UnusableRecords(f"window is not understood; {words}") from error
