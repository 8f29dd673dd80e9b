"""Engines on the database: one for threads, one for asynchronous code."""

from __future__ import annotations

import time

from psycopg import Error
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from api.errors import DatabaseUnavailable

_NO_ADDRESS = (
    "DATABASE_URL is not an address of a PostgreSQL database: write postgresql://user:password@host:5432/name."
)
CONNECTIONS, QUICK_CONNECTIONS = 12, 4
"""Of one process at most, for threads and for asynchronous code; PostgreSQL's usual hundred suffice for six."""
LOG_INS = 4
"""Of the first for log-ins."""
LONGEST_WAIT_S = 20.0
"""For a connection: whoever waits longer is told to come back."""
_USED = "last_used_s"
_TRUSTED_S = 5.0
"""A connection that was used so lately is taken to be alive; asking each time is a round trip more."""


def make_engine(url: str) -> Engine:
    """Make an engine that speaks psycopg 3, whatever of the usual ways the address is written in."""
    scheme, separator, rest = url.partition("://")
    if scheme in ("postgres", "postgresql"):
        scheme = "postgresql+psycopg"
    try:
        address = make_url(scheme + separator + rest)
    except ArgumentError as error:
        raise DatabaseUnavailable(_NO_ADDRESS) from error
    if address.drivername != "postgresql+psycopg":
        raise DatabaseUnavailable(_NO_ADDRESS)
    # Values of a statement that failed stay out of its error, and so out of the log: they may be somebody's.
    engine = create_engine(
        address, pool_size=CONNECTIONS, max_overflow=0, hide_parameters=True, connect_args={"connect_timeout": 10}
    )
    event.listen(engine, "connect", _as_we_ask)
    event.listen(engine, "checkout", _require_alive)
    event.listen(engine, "checkin", _note_use)
    return engine


def make_quick_engine(engine: Engine) -> AsyncEngine:
    """
    Make another engine on the same database, for asynchronous code whose statements are each a transaction.

    It works as the service's role from the first to the last: without a secret shown, identity is invisible.
    """
    quick = create_async_engine(
        engine.url,
        isolation_level="AUTOCOMMIT",
        pool_size=QUICK_CONNECTIONS,
        max_overflow=0,
        pool_timeout=LONGEST_WAIT_S,
        pool_reset_on_return=None,  # statements that are transactions leave nothing behind
        hide_parameters=True,
        connect_args={"connect_timeout": 10},
    )
    for what, does in (
        ("connect", _as_we_ask),
        ("connect", _as_service),
        ("checkout", _require_alive),
        ("checkin", _note_use),
    ):
        event.listen(quick.sync_engine, what, does)
    return quick


def _as_service(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("SET role = baytide_service")
    # What is asked here is found by ids through indexes. Looking for a better plan each time takes longer than asking,
    # and a plan made while a table was empty would go on reading all of it.
    cursor.execute("SET plan_cache_mode = force_generic_plan")
    cursor.execute("SET enable_seqscan = off")
    cursor.execute("SET lock_timeout = '5s'")  # these connections are few: nobody waits on one for long
    cursor.close()


def _require_alive(connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object) -> None:
    """Let the pool replace a connection that has lain idle and died meanwhile."""
    used_s = record.info.get(_USED)
    if used_s is None or time.monotonic() - used_s < _TRUSTED_S:
        return
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT")
        cursor.close()
        connection.rollback()
    except Error as error:
        raise DisconnectionError from error


def _note_use(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    record.info[_USED] = time.monotonic()


def _as_we_ask(connection: DBAPIConnection, _record: object) -> None:
    """Set what holds for every query of ours, whatever the server's own settings."""
    cursor = connection.cursor()
    cursor.execute("SET jit = off")  # ours take milliseconds, and compiling what looks costly takes thirty
    cursor.execute("SET timezone = 'UTC'")
    cursor.close()
    connection.commit()
