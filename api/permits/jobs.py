"""What the clock does with permits and terms."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Engine

from api.jobs.queries import work
from api.permits import terms
from api.permits.cars import follow_cars
from api.permits.service import MOST_AT_ONCE, end_terms


def turn_rounds(engine: Engine, *, now: datetime | None = None) -> dict[str, int]:
    """Begin and end the terms of rounds, and end the permits whose term is over, some hundreds a transaction."""
    moment = now or datetime.now(UTC)
    over = 0
    while True:
        with work(engine) as connection:
            batch = end_terms(connection, now=moment)
        over += batch
        if batch < MOST_AT_ONCE:
            break
    with work(engine) as connection:
        return {**terms.turn_rounds(connection, now=moment), "permits_over": over}


def tell_of_terms_ending(engine: Engine, *, now: datetime | None = None) -> dict[str, int]:
    """Tell holders a month before their term is over to apply again."""
    with work(engine) as connection:
        return {"notices": terms.tell_of_terms_ending(connection, now=now or datetime.now(UTC))}


def follow_new_cars(engine: Engine, *, now: datetime | None = None) -> dict[str, int]:
    """Let permits be for cars that their households got by a planner's decision."""
    with work(engine) as connection:
        return {"permits": follow_cars(connection, now=now or datetime.now(UTC))}
