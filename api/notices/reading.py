"""What reading a notice does: it has been delivered then, whichever way it was also sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from api.notices import queries
from api.offers.service import note_delivered


def read(connection: Connection, household_id: int, notice_id: int, *, now: datetime) -> Row[Any]:
    """
    Note when a household first read a notice, and return it; the time of an offer begins at the latest now.

    Raises
    ------
    NoticeNotFound
        The household has no such notice.
    """
    row = queries.mark_read(connection, household_id, notice_id, now=now)
    offer = row.facts.get("offer")
    if isinstance(offer, int) and row.read_at == now:
        note_delivered(connection, [offer], now=now)
    return row
