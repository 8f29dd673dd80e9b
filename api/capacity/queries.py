"""What the adviser asks the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text


def find_place(connection: Connection, facility_id: int) -> Row[Any] | None:
    """Return a facility's owner, number of bays, neighbourhood, zone and country."""
    query = """
        SELECT f.id, f.owner_id, f.neighbourhood_id, n.timezone, n.country,
               (SELECT count(*) FROM bays b JOIN bay_groups g ON g.id = b.bay_group_id
                WHERE g.facility_id = f.id) AS bays
        FROM facilities f JOIN neighbourhoods n ON n.id = f.neighbourhood_id
        WHERE f.id = :facility AND f.status = 'published'
    """
    return connection.execute(text(query), {"facility": facility_id}).one_or_none()


def list_own_visits(connection: Connection, facility_id: int, *, now: datetime) -> Sequence[Row[Any]]:
    """
    List cars that a facility's gate saw and that had no stay: its owner's own, in local time.

    One that stands there still has its exit now; a moment that nobody saw is None.
    """
    query = """
        SELECT g.entered_at AT TIME ZONE n.timezone AS entered,
               COALESCE(g.left_at, CASE WHEN g.state = 'open' THEN CAST(:now AS timestamptz) END)
                   AT TIME ZONE n.timezone AS gone
        FROM gate_sessions g
        JOIN facilities f ON f.id = g.facility_id
        JOIN neighbourhoods n ON n.id = f.neighbourhood_id
        WHERE g.facility_id = :facility AND g.stay_id IS NULL AND g.began_at <= :now
        ORDER BY g.began_at
    """
    return connection.execute(text(query), {"facility": facility_id, "now": now}).all()
