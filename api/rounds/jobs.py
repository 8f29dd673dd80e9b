"""What the clock does with rounds."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Engine

from api.jobs.queries import work
from api.rounds.service import close_due_rounds


def close_rounds(engine: Engine, *, now: datetime | None = None) -> dict[str, int]:
    """Close the rounds whose closing time has come."""
    with work(engine) as connection:
        return {"rounds": close_due_rounds(connection, now=now or datetime.now(UTC))}
