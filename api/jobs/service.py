"""What the worker does: each job in transactions of its own, harmless when it is done twice or cut off half-way."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from api.calendars.clock import day_number
from api.facilities.withdrawing import finish_withdrawals
from api.jobs.queries import expire_holds, forget_old_rows, wait_for_other_rolls, work
from api.notices.queries import tell_to_leave
from api.openings.permit_queries import list_facilities_with_permits
from api.openings.queries import list_late_facilities, list_zones
from api.openings.service import Materialised, materialise
from api.openings.ticks import utc_moment, utc_of
from api.openings.unrolling import nights_end

Counts = dict[str, int]
"""What a job did, by name, as it is written into the log; empty where nothing was to be done."""

_HOLDS_AT_ONCE = 500
_FACILITIES_AT_ONCE = 25
"""Few enough that nobody waits long where one of them shrinks, that their locks fit beside those of bookings, and that
their nights are written to the disk little by little."""
_REST, _LONGEST_REST_S = 0.5, 1.0
"""Rest after some facilities, as a share of the time they took: whoever books meanwhile finds the machine free."""
LEAVE_NOTICE = timedelta(hours=1)
"""How long before the leave-by time of a booking its household is reminded."""


def expire_due_holds(engine: Engine) -> Counts:
    """End every hold whose time is over, some hundreds a transaction."""
    ended = 0
    while True:
        with work(engine) as connection:
            batch = expire_holds(connection, most=_HOLDS_AT_ONCE)
        ended += batch
        if batch < _HOLDS_AT_ONCE:
            return {"holds": ended}


def remind_to_leave(engine: Engine, *, now: datetime | None = None) -> Counts:
    """
    Remind the households whose booking ends soon, each once.

    Parameters
    ----------
    now
        Aware; this moment without.
    """
    with work(engine) as connection:
        return {"notices": tell_to_leave(connection, ahead=LEAVE_NOTICE, now=now or datetime.now(UTC))}


def roll_horizon(engine: Engine, *, now: datetime | None = None) -> Counts:
    """
    Sell another night wherever a new day has begun.

    A facility is late while it is not sold to the end of the last night, seen from its own date; the others are left
    alone, so that a roll which was cut off goes on where it stopped.

    Parameters
    ----------
    now
        Aware; this moment without.
    """
    moment = now or datetime.now(UTC)
    with work(engine) as connection:
        zones = list_zones(connection)
    return _sum(_write(engine, _late_facilities(engine, zone, now=moment), now=moment) for zone in zones)


def _late_facilities(engine: Engine, zone_name: str, *, now: datetime) -> list[int]:
    """List the facilities of a zone that are not sold to the end of the last night."""
    zone = ZoneInfo(zone_name)
    minute, _ = utc_of(nights_end(day_number(now.astimezone(zone).date())), zone)
    with work(engine) as connection:
        return list_late_facilities(connection, zone=zone_name, before=utc_moment(minute), now=now)


def place_nights_of_permits(engine: Engine, *, now: datetime | None = None) -> Counts:
    """
    Give the nights of permits their bays where that is still to be done: of new permits, and after changes.

    Parameters
    ----------
    now
        Aware; this moment without.
    """
    moment = now or datetime.now(UTC)
    with work(engine) as connection:
        ids = list_facilities_with_permits(connection, since=moment.date() - timedelta(days=1))
    return _write(engine, ids, now=moment)


def _write(engine: Engine, facility_ids: Sequence[int], *, now: datetime) -> Counts:
    """Write the openings of facilities and the nights of their permits, some a transaction, with a rest between."""
    done: list[Counts] = []
    begun = time.monotonic()
    for k in range(0, len(facility_ids), _FACILITIES_AT_ONCE):
        if done:
            time.sleep(min(_LONGEST_REST_S, _REST * (time.monotonic() - begun)))
        begun = time.monotonic()
        with work(engine) as connection:
            wait_for_other_rolls(connection)
            written = materialise(connection, facility_ids=facility_ids[k : k + _FACILITIES_AT_ONCE], now=now)
        done.append(_counts(written))
    return _sum(done)


def _counts(written: Materialised) -> Counts:
    return {
        "facilities": written.facilities,
        "added": written.added,
        "removed": written.removed,
        "holds_ended": len(written.holds_ended),
        "stays_outside": len(written.stays_outside),
        "nights_placed": written.nights.placed,
        "nights_without_bay": len(written.nights.without_bay),
    }


def _sum(parts: Iterable[Counts]) -> Counts:
    """Add up what was done in parts."""
    done: Counts = {}
    for part in parts:
        for name, number in part.items():
            done[name] = done.get(name, 0) + number
    return done


def finish_due_withdrawals(engine: Engine, *, now: datetime | None = None) -> Counts:
    """Take facilities off the list whose closure for good has begun."""
    with work(engine) as connection:
        return {"facilities": len(finish_withdrawals(connection, now=now or datetime.now(UTC)))}


def forget(engine: Engine, *, now: datetime | None = None) -> Counts:
    """
    Delete answers kept for repeated requests, login sessions, tokens, attempts and notices of long ago.

    Parameters
    ----------
    now
        Aware; this moment without.
    """
    with work(engine) as connection:
        return forget_old_rows(connection, now=now or datetime.now(UTC))
