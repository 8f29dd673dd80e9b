"""Reaching the database, and saying in one sentence why it cannot be used."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Error
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from api.db.binaries import OLDEST_MAJOR
from api.db.cluster import PrivateCluster
from api.db.migrating import migrate
from api.errors import DatabaseUnavailable
from api.settings import Settings

_NO_ADDRESS = (
    "DATABASE_URL is not an address of a PostgreSQL database: write postgresql://user:password@host:5432/name."
)
EXTENSIONS = ("postgis", "btree_gist")
CONNECTIONS, QUICK_CONNECTIONS = 12, 4
"""Of one process at most, for threads and for asynchronous code; PostgreSQL's usual hundred suffice for six."""
LOG_INS = 4
"""Of the first for log-ins."""
LONGEST_WAIT_S = 20.0
"""For a connection: whoever waits longer is told to come back."""
_USED = "last_used_s"
_TRUSTED_S = 5.0
"""A connection that was used so lately is taken to be alive; asking each time is a round trip more."""


@contextmanager
def open_database(settings: Settings) -> Iterator[Engine]:
    """
    Give an engine on a database that is there, new enough and migrated; start the private one when none is named.

    Raises
    ------
    DatabaseUnavailable
        In one sentence: what is wrong and what to do.
    """
    if settings.database_url:
        with _engine_on(settings.database_url) as engine:
            yield engine
        return
    with PrivateCluster(settings.data) as cluster, _engine_on(cluster.url()) as engine:
        yield engine


@contextmanager
def _engine_on(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    try:
        check_database(engine)
        migrate(engine)
        yield engine
    finally:
        engine.dispose()


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


def check_database(engine: Engine) -> None:
    """
    Make sure that the database answers, is new enough, and has or can have the extensions.

    Raises
    ------
    DatabaseUnavailable
        With one sentence that never carries a password.
    """
    try:
        with engine.connect() as connection:
            version = connection.scalar(text("SELECT current_setting('server_version_num')::int"))
            refuse_old_server(version or 0)
            refuse_without_extensions(connection)
            refuse_without_role(connection)
    except OperationalError as error:
        where = f"{engine.url.host or engine.url.query.get('host', 'the local socket')}:{engine.url.port or 5432}"
        said = str(error.orig).strip().splitlines()
        raise DatabaseUnavailable(
            f"the database at {where} cannot be reached ({said[-1] if said else 'no answer'}): "
            "start it, correct DATABASE_URL, or unset it to use a private one."
        ) from error


def refuse_old_server(version_num: int) -> None:
    """Raise when a server is older than we are tested with; `version_num` as in `server_version_num` (150004)."""
    if version_num < OLDEST_MAJOR * 10000:
        raise DatabaseUnavailable(
            f"the database is PostgreSQL {version_num // 10000}, {OLDEST_MAJOR} or newer is needed: upgrade it, "
            "or unset DATABASE_URL to use a private one."
        )


def refuse_without_extensions(connection: Connection) -> None:
    """Make the extensions that are missing; raise when they are not installed or our role may not make them."""
    for name in EXTENSIONS:
        if _has_extension(connection, name):
            continue
        if not connection.scalar(text("SELECT true FROM pg_available_extensions WHERE name = :name"), {"name": name}):
            package = "postgresql-postgis" if name == "postgis" else "postgresql-contrib"
            raise DatabaseUnavailable(
                f"the database server has no extension {name}: install it there "
                f"(Debian and Ubuntu: apt-get install {package})."
            )
        try:
            connection.execute(text(f"CREATE EXTENSION IF NOT EXISTS {name}"))
            connection.commit()
        except DBAPIError as error:
            connection.rollback()
            if _has_extension(connection, name):  # another process made it a moment ago
                continue
            raise DatabaseUnavailable(
                f"the database has no extension {name} and this role may not make it: "
                f"let an administrator run CREATE EXTENSION {name} in it."
            ) from error


def refuse_without_role(connection: Connection) -> None:
    """Raise when the role the service works as is missing and our role may not make it."""
    may = text(
        "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'baytide_service') OR rolsuper OR rolcreaterole"
        " FROM pg_roles WHERE rolname = current_user"
    )
    if not connection.scalar(may):
        raise DatabaseUnavailable(
            "the database server has no role baytide_service and this role may not make it: let an administrator run "
            "CREATE ROLE baytide_service NOLOGIN; GRANT baytide_service TO this role."
        )


def _has_extension(connection: Connection, name: str) -> bool:
    return bool(connection.scalar(text("SELECT true FROM pg_extension WHERE extname = :name"), {"name": name}))
