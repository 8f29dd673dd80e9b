"""A database that is there, new enough and migrated; or one sentence that says why it cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from api.db.binaries import OLDEST_MAJOR
from api.db.cluster import PrivateCluster
from api.db.connection import make_engine
from api.db.migrating import migrate
from api.errors import DatabaseUnavailable
from api.settings import Settings

EXTENSIONS = ("postgis", "btree_gist")


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
