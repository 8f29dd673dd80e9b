"""What telling webhooks of allow-lists asks of the database, and what it writes there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

# Lists that were not taken last come last: they do not keep the others from a webhook that answers again.
_TO_PUSH = text("""
    SELECT f.id, f.owner_id
    FROM facilities f JOIN webhook_endpoints e ON e.owner_id = f.owner_id
    LEFT JOIN allow_list_pushes p ON p.endpoint_id = e.id AND p.facility_id = f.id
    WHERE e.removed_at IS NULL AND (e.kinds = '{}' OR :kind = ANY (e.kinds))
    GROUP BY f.id ORDER BY COALESCE(max(p.failures), 0) > 0, f.id
""")
_PUSHED = text("""
    SELECT endpoint_id, version, failures, next_at FROM allow_list_pushes WHERE facility_id = :facility
""")
_NOTE_PUSH = text("""
    INSERT INTO allow_list_pushes (endpoint_id, facility_id, version, next_at)
    VALUES (:endpoint, :facility, :version, :now)
    ON CONFLICT (endpoint_id, facility_id) DO UPDATE
    SET version = excluded.version, failures = 0, error = NULL, failing_since = NULL, next_at = excluded.next_at
""")
_NOTE_FAILED_PUSH = text("""
    INSERT INTO allow_list_pushes AS p (endpoint_id, facility_id, failures, error, failing_since, next_at)
    VALUES (:endpoint, :facility, 1, :error, :now, :next_at)
    ON CONFLICT (endpoint_id, facility_id) DO UPDATE
    SET failures = p.failures + 1, error = excluded.error, next_at = excluded.next_at,
        failing_since = COALESCE(p.failing_since, excluded.failing_since)
    RETURNING failing_since
""")
_OWNER = text("SELECT owner_id FROM facilities WHERE id = :facility")


def list_facilities_to_push(connection: Connection, *, kind: str) -> Sequence[Row[Any]]:
    """List facilities whose owner has a webhook that wants to hear of a kind of event, with the owner."""
    return connection.execute(_TO_PUSH, {"kind": kind}).all()


def find_owner(connection: Connection, facility_id: int) -> int | None:
    """Return whose a facility is at this moment."""
    found: int | None = connection.scalar(_OWNER, {"facility": facility_id})
    return found


def pushed(connection: Connection, facility_id: int) -> dict[int, Row[Any]]:
    """Return what webhooks have been told of a facility's list, by webhook."""
    return {row.endpoint_id: row for row in connection.execute(_PUSHED, {"facility": facility_id}).all()}


def note_push(connection: Connection, endpoint_id: int, facility_id: int, *, version: int, now: datetime) -> None:
    """Write down which version of a list a webhook has taken."""
    connection.execute(_NOTE_PUSH, {"endpoint": endpoint_id, "facility": facility_id, "version": version, "now": now})


def note_failed_push(
    connection: Connection, endpoint_id: int, facility_id: int, *, error: str, next_at: datetime, now: datetime
) -> datetime:
    """Write down why a webhook did not take a list, and when to call it again; return since when it takes none."""
    values = {"endpoint": endpoint_id, "facility": facility_id, "error": error, "next_at": next_at, "now": now}
    failing_since: datetime = connection.execute(_NOTE_FAILED_PUSH, values).scalar_one()
    return failing_since
