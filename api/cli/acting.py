"""The database of a command, opened in the name of whoever sits at the machine: a planner without an account."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine

from api.accounts.keys import Keys
from api.accounts.opening import open_as
from api.accounts.principal import PLANNER, Principal
from api.db.preparing import open_database
from api.settings import Settings

AT_THE_MACHINE = Principal(None, None, frozenset({PLANNER}), frozenset(), "anonymous")
"""Whoever may run commands here has the database anyway."""


@dataclass(frozen=True, slots=True)
class Acting:
    """A transaction with a planner's rights, the service's keys, and the time it is."""

    connection: Connection
    keys: Keys
    now: datetime


@contextmanager
def acting_as_planner() -> Iterator[Acting]:
    """Open the database as a planner; what was done is kept when the block ends without an error."""
    settings = Settings()
    with open_database(settings) as engine, opened_as_planner(engine) as connection:
        yield Acting(connection, Keys(settings), datetime.now(UTC))


@contextmanager
def opened_as_planner(engine: Engine) -> Iterator[Connection]:
    """Open one of several transactions of a command as a planner; it is kept when the block ends without an error."""
    with engine.begin() as connection:
        open_as(connection, AT_THE_MACHINE)
        yield connection
