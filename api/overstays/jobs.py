"""What is done about late cars without anybody waiting for it."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Engine

from api.jobs.queries import work
from api.overstays.buffers import record_mornings, size_due_buffers
from api.overstays.consequences import carry_out_due
from api.overstays.late_cars import remind_permit_holders
from api.overstays.striking import strike_late_leavers


def remind_holders(engine: Engine, *, now: datetime | None = None) -> dict[str, int]:
    """Remind holders of permits whose car is still there shortly before it must leave."""
    with work(engine) as connection:
        return {"notices": remind_permit_holders(connection, now=now or datetime.now(UTC))}


def strike_late_cars(engine: Engine, *, now: datetime | None = None) -> dict[str, int]:
    """Give strikes for late exits, and carry out the consequences whose time has come."""
    moment = now or datetime.now(UTC)
    with work(engine) as connection:
        struck = strike_late_leavers(connection, now=moment)
    with work(engine) as connection:
        return {"strikes": struck, "consequences": carry_out_due(connection, now=moment)}


def size_buffers(engine: Engine, *, now: datetime | None = None) -> dict[str, int]:
    """Count the mornings that are over, and size each facility's buffer once a day of its own."""
    moment = now or datetime.now(UTC)
    with work(engine) as connection:
        mornings = record_mornings(connection, now=moment)
    with work(engine) as connection:
        return {"mornings": mornings, **size_due_buffers(connection, now=moment)}
