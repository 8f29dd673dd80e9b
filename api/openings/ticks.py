"""
Sets of moments, exact to whether their ends belong to them.

A tick is the moment of a whole minute (tick 2·m for minute m), or all that lies between it and the next (2·m + 1).
A set of moments is a tuple of half-open [first, past) pairs of ticks, sorted, disjoint and not touching, so `[18:00,
22:00]` with its end ends one tick later than `[18:00, 22:00)`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from api.calendars.clock import moment_of
from api.facilities.availability import instant_of

Ticks = tuple[tuple[int, int], ...]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_minute(moment: datetime) -> int:
    """Whole minutes from 1970-01-01T00:00 UTC to an aware date-time, rounded down."""
    return (moment - _EPOCH) // timedelta(minutes=1)


def utc_moment(minute: int) -> datetime:
    """Return the moment of a minute counted from 1970-01-01T00:00 UTC."""
    return _EPOCH + timedelta(minutes=minute)


@lru_cache(maxsize=65_536)
def utc_of(local_minute: int, zone: ZoneInfo) -> tuple[int, bool]:
    """Minute in UTC of a minute of local wall-clock time, and whether the clock ever showed it."""
    local = moment_of(local_minute)
    instant = instant_of(local, zone)
    return utc_minute(instant), instant.astimezone(zone).replace(tzinfo=None) == local


def tick_of(local_tick: int, zone: ZoneInfo) -> int:
    """
    Tick in UTC of a tick of local wall-clock time; later never becomes earlier.

    What spring leaves out is the moment of the jump, and that moment comes after all of it: a set that ends with a
    minute left out ends before the jump, one that begins with it begins at the jump.
    """
    minute, within = divmod(local_tick, 2)
    utc, shown = utc_of(minute, zone)
    return 2 * utc + (within if shown else 0)


def ticks_of(local_ticks: Iterable[tuple[int, int]], zone: ZoneInfo) -> Ticks:
    """Return a set of local moments in UTC."""
    return union((tick_of(first, zone), tick_of(past, zone)) for first, past in local_ticks)


def union(pairs: Iterable[tuple[int, int]]) -> Ticks:
    """Sort pairs, join those that touch, and leave out the empty ones."""
    joined: list[tuple[int, int]] = []
    for first, past in sorted(pairs):
        if past <= first:
            continue
        if joined and first <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(past, joined[-1][1])
        else:
            joined.append((first, past))
    return tuple(joined)


def within(ticks: Ticks, *, first: int, past: int) -> Ticks:
    """Return what of a set lies in [first, past)."""
    return tuple((max(a, first), min(b, past)) for a, b in ticks if a < past and b > first)


def without(ticks: Ticks, holes: Ticks) -> Ticks:
    """Return what of a set lies in none of the holes."""
    left: list[tuple[int, int]] = []
    for first, past in ticks:
        begin = first
        for hole_first, hole_past in within(holes, first=first, past=past):
            if hole_first > begin:
                left.append((begin, hole_first))
            begin = hole_past
        if begin < past:
            left.append((begin, past))
    return tuple(left)
