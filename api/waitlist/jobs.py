"""What the clock does with the waitlist."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, Engine

from api.jobs.queries import enqueue, work
from api.waitlist.date_queries import list_running_rounds
from api.waitlist.estimating import estimate_dates

JOB = "refresh_dates"


def ask_for_dates(connection: Connection) -> None:
    """Let the dates be worked out soon after this transaction: a round was published, or much changed at once."""
    enqueue(connection, JOB, lock=JOB, queueing_lock=JOB)


def refresh_dates(engine: Engine, *, now: datetime | None = None) -> dict[str, int]:
    """
    Work out the dates of all who wait, a round a transaction, and tell those whose dates changed.

    Parameters
    ----------
    now
        Aware; this moment without.
    """
    moment = now or datetime.now(UTC)
    with work(engine) as connection:
        rounds = list_running_rounds(connection)
    stored = 0
    for round_id in rounds:
        with work(engine) as connection:
            stored += estimate_dates(connection, round_id=round_id, now=moment)
    return {"dates": stored}
