"""What the adviser asks the database."""

from __future__ import annotations

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
