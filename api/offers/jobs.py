"""What the clock does with offers."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Engine

from api.jobs.queries import work
from api.offers import service


def lapse_offers(engine: Engine, *, now: datetime | None = None) -> dict[str, int]:
    """End offers whose time is over, some hundreds a transaction; first begin the time of those nobody delivered."""
    moment = now or datetime.now(UTC)
    with work(engine) as connection:
        late = service.deliver_late_offers(connection, now=moment)
    lapsed = 0
    while True:
        with work(engine) as connection:
            batch = service.lapse_offers(connection, now=moment)
        lapsed += batch
        if batch < service.MOST_AT_ONCE:
            return {"taken_as_delivered": late, "lapsed": lapsed}


def remind_of_offers(engine: Engine, *, now: datetime | None = None) -> dict[str, int]:
    """Remind households of offers that expire within a day."""
    with work(engine) as connection:
        return {"notices": service.remind_of_offers(connection, now=now or datetime.now(UTC))}
