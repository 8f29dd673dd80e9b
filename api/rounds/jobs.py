"""What the clock does with rounds."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from api.errors import ApiError
from api.failures import kinds_of, places_of
from api.jobs.queries import work
from api.rounds.service import close_due_rounds, list_late_rounds, tell_of_late_round

_logger = logging.getLogger("baytide")


def close_rounds(engine: Engine, *, now: datetime | None = None) -> dict[str, int]:
    """Close the rounds whose closing time has come, and tell those who wait for one that nobody published in time."""
    moment = now or datetime.now(UTC)
    with work(engine) as connection:
        closed = close_due_rounds(connection, now=moment)
    done = {"rounds": closed, "late": 0, "called_off": 0, "failed": 0}
    with work(engine) as connection:
        late = list_late_rounds(connection, now=moment)
    for round_id in late:
        try:
            with work(engine) as connection:
                told = tell_of_late_round(connection, round_id, now=moment)
        except (ApiError, SQLAlchemyError) as error:  # the others are told all the same; the clock asks again
            _logger.error("round_failed round=%d kind=%s at=%s", round_id, kinds_of(error), places_of(error))
            told = {"failed": 1}
        for name, number in told.items():
            done[name] += number
    return done
