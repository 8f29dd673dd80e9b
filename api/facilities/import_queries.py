"""Imports that wait for a worker, and what came of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, text

from api.errors import ApiError


class ImportNotFound(ApiError):
    """The account has sent no such import."""


_SHOWN = "id, state, publish, outcome, created_at, ended_at"


def add_import(connection: Connection, values: Mapping[str, Any]) -> Row[Any]:
    """Store a file that waits, by the columns of its table; return the import as `get_import` does."""
    statement = text(
        "INSERT INTO facility_imports (neighbourhood_id, asked_by, owner_id, publish, file, reading)"
        " VALUES (:neighbourhood_id, :asked_by, :owner_id, :publish, :file, CAST(:reading AS json))"
        f" RETURNING {_SHOWN}"
    )
    return connection.execute(statement, {**values, "reading": json.dumps(values["reading"])}).one()


def get_import(connection: Connection, import_id: int) -> Row[Any]:
    """Return an import of the account that acts; raise ImportNotFound without one."""
    query = text(f"SELECT {_SHOWN} FROM facility_imports WHERE id = :id")
    row = connection.execute(query, {"id": import_id}).one_or_none()
    if row is None:
        raise ImportNotFound("no such import")
    return row


def find_sender(connection: Connection, import_id: int) -> int | None:
    """Return the account in whose name an import waits to be stored; None where nothing waits."""
    query = text("SELECT asked_by FROM facility_imports WHERE id = :id AND state = 'queued'")
    sender: int | None = connection.scalar(query, {"id": import_id})
    return sender


def lock_import(connection: Connection, import_id: int) -> Row[Any] | None:
    """Return an import that waits, and let nobody else store it meanwhile; None where somebody has."""
    query = text(
        "SELECT id, neighbourhood_id, owner_id, publish, file, reading FROM facility_imports"
        " WHERE id = :id AND state = 'queued' FOR UPDATE"
    )
    return connection.execute(query, {"id": import_id}).one_or_none()


def end_import(connection: Connection, import_id: int, *, state: str, outcome: Mapping[str, Any]) -> None:
    """Keep what came of an import that waits, and not its file."""
    statement = text(
        "UPDATE facility_imports SET state = :state, outcome = CAST(:outcome AS json), file = NULL,"
        " ended_at = clock_timestamp() WHERE id = :id AND state = 'queued'"
    )
    connection.execute(statement, {"id": import_id, "state": state, "outcome": json.dumps(dict(outcome))})
