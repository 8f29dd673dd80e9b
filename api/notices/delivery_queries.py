"""What the service asks about deliveries, for those who wait for them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, text

_OF_HOUSEHOLD = text("SELECT * FROM deliveries WHERE household_id = :id AND id < :before ORDER BY id DESC LIMIT :limit")
_OF_ENDPOINT = text("SELECT * FROM deliveries WHERE endpoint_id = :id AND id < :before ORDER BY id DESC LIMIT :limit")


def list_deliveries_to(connection: Connection, household_id: int, *, before: int, limit: int) -> list[Row[Any]]:
    """List what was sent to a household, the newest first."""
    values = {"id": household_id, "before": before, "limit": limit}
    return list(connection.execute(_OF_HOUSEHOLD, values))


def list_deliveries_at(connection: Connection, endpoint_id: int, *, before: int, limit: int) -> list[Row[Any]]:
    """List what was sent to a webhook, the newest first."""
    values = {"id": endpoint_id, "before": before, "limit": limit}
    return list(connection.execute(_OF_ENDPOINT, values))
