"""What is done about late cars without anybody waiting for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine

from api.jobs.queries import work
from api.overstays.buffers import due_facilities, record_mornings, size_due_buffers
from api.overstays.consequences import carry_out_due
from api.overstays.late_cars import remind_permit_holders
from api.overstays.striking import strike_late_leavers, take_back_unfounded

_AT_ONCE = 200
"""Strikes, or consequences, of one transaction: it locks their households."""


def remind_holders(engine: Engine, *, now: datetime | None = None) -> dict[str, int]:
    """Remind holders of permits whose car is still there shortly before it must leave."""
    with work(engine) as connection:
        return {"notices": remind_permit_holders(connection, now=now or datetime.now(UTC))}


def strike_late_cars(engine: Engine, *, now: datetime | None = None) -> dict[str, int]:
    """Give strikes for late exits, take back what proved wrong, and carry out the consequences whose time has come."""
    moment = now or datetime.now(UTC)
    with work(engine) as connection:
        taken_back = take_back_unfounded(connection, now=moment)
    struck = _in_parts(engine, lambda connection: strike_late_leavers(connection, now=moment, most=_AT_ONCE))
    done = _in_parts(engine, lambda connection: carry_out_due(connection, now=moment, most=_AT_ONCE))
    return {"strikes": struck, "taken_back": taken_back, "consequences": done}


def size_buffers(engine: Engine, *, now: datetime | None = None) -> dict[str, int]:
    """Count the mornings that are over, and size each facility's buffer once a day of its own."""
    moment = now or datetime.now(UTC)
    with work(engine) as connection:
        mornings = record_mornings(connection, now=moment)
    with work(engine) as connection:
        due = due_facilities(connection, now=moment)
    counts = Counter({"mornings": mornings, "estimated": 0, "changed": 0})
    for facility_id in due:  # each by itself: whoever books waits for one facility's change, not for all
        with work(engine) as connection:
            counts.update(size_due_buffers(connection, now=moment, facility_id=facility_id))
    return dict(counts)


def _in_parts(engine: Engine, some: Callable[[Connection], int]) -> int:
    """Do some at a time, each part in a transaction of its own, until nothing is left; return how many."""
    done = 0
    while True:
        with work(engine) as connection:
            part = some(connection)
        if not part:
            return done
        done += part
