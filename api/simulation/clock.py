"""
A clock that runs ahead of the world's, for one database.

Services take the time they act at. The few functions of the database that ask for it themselves, booking above all,
find a schema before the system's in which `now()` and `clock_timestamp()` tell the simulated time; they themselves are
as they are for everybody.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, event, text

_SCHEMA = """
    CREATE SCHEMA simulated;
    CREATE FUNCTION simulated.clock_timestamp() RETURNS TIMESTAMP WITH TIME ZONE LANGUAGE sql STABLE
        AS $$ SELECT current_setting('simulated.now')::timestamptz $$;
    CREATE FUNCTION simulated.now() RETURNS TIMESTAMP WITH TIME ZONE LANGUAGE sql STABLE
        AS $$ SELECT current_setting('simulated.now')::timestamptz $$;
    GRANT USAGE ON SCHEMA simulated TO PUBLIC;
"""


class SimulatedClock:
    """Tells what time it is in a simulation; it only goes forward."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    @property
    def now(self) -> datetime:
        """The time it is, aware."""
        return self._now

    def move_to(self, moment: datetime) -> None:
        """Let it be later; an earlier moment changes nothing."""
        self._now = max(self._now, moment)


def let_time_run(engine: Engine, clock: SimulatedClock) -> None:
    """Make every transaction of an engine see the clock's time; the database is the simulation's own."""
    with engine.begin() as connection:
        connection.execute(text(_SCHEMA))
    engine.dispose()

    @event.listens_for(engine, "connect")
    def _look_there_first(connection: Any, _record: object) -> None:  # noqa: ANN401 -- the driver's connection
        connection.autocommit = True
        connection.execute("SET search_path = simulated, pg_catalog, public")
        connection.autocommit = False

    @event.listens_for(engine, "begin")
    def _tell_the_time(connection: Connection) -> None:
        # Chance inside the database follows from the time, so that a season can be lived again.
        chance = int(clock.now.timestamp()) % 9973 / 9973
        connection.exec_driver_sql(
            "SELECT set_config('simulated.now', %(now)s, false), setseed(%(chance)s)",
            {"now": clock.now.isoformat(), "chance": chance},
        )
