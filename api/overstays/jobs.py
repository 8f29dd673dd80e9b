"""What is done about late cars without anybody waiting for it."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Engine

from api.jobs.queries import work
from api.overstays.buffers import record_mornings, size_due_buffers


def size_buffers(engine: Engine, *, now: datetime | None = None) -> dict[str, int]:
    """Count the mornings that are over, and size each facility's buffer once a day of its own."""
    moment = now or datetime.now(UTC)
    with work(engine) as connection:
        mornings = record_mornings(connection, now=moment)
    with work(engine) as connection:
        return {"mornings": mornings, **size_due_buffers(connection, now=moment)}
