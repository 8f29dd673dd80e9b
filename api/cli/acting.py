"""The database of a command, opened in the name of whoever sits at the machine: a planner without an account."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine

from api.accounts.keys import Keys
from api.accounts.opening import act_as, open_as
from api.accounts.principal import OWNER, PLANNER, Principal
from api.db.preparing import open_database
from api.grants.queries import require_owner
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
def acting_as_owner(owner_id: int) -> Iterator[tuple[Acting, Principal]]:
    """Open the database as an owner, and nobody else; raise OwnerNotFound without it. Otherwise as a planner's."""
    with acting_as_planner() as acting:
        require_owner(acting.connection, owner_id)
        principal = replace(AT_THE_MACHINE, roles=frozenset({OWNER}), owner_ids=frozenset({owner_id}))
        act_as(acting.connection, principal)
        yield acting, principal


def act_for_household(connection: Connection, household_id: int) -> None:
    """Go on in the name of a household that has asked for something at the counter."""
    act_as(connection, replace(AT_THE_MACHINE, household_id=household_id))


@contextmanager
def opened_as_planner(engine: Engine) -> Iterator[Connection]:
    """Open one of several transactions of a command as a planner; it is kept when the block ends without an error."""
    with engine.begin() as connection:
        open_as(connection, AT_THE_MACHINE)
        yield connection
