"""Bringing a database to the newest schema."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from api.errors import DatabaseUnavailable

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x62617974  # "bayt": one migration at a time in a database
_LOCK_LIMIT = "30s"
"""Longest wait for a table somebody else holds: better a failed migration than a service stuck behind it."""


def migrate(engine: Engine) -> None:
    """
    Run every migration that is missing, in one transaction; processes that start together wait for each other.

    Raises
    ------
    DatabaseUnavailable
        A migration fails, or a newer version has been here; the database is as it was.
    """
    try:
        with engine.begin() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_LIMIT}'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            command.upgrade(alembic_config(connection), "head")
    except (DBAPIError, CommandError) as error:
        said = str(getattr(error, "orig", error)).strip().splitlines()[:1]
        raise DatabaseUnavailable(
            f"the database cannot be brought to this version's schema and is as it was ({''.join(said)}): a newer or "
            "changed version may have made it; use that version, restore a backup, or name another database."
        ) from error


def alembic_config(connection: Connection) -> Config:
    """Return Alembic's settings for work on a connection that is already open."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
