"""The figures of a neighbourhood as they are shown."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field
from sqlalchemy import Connection, Row

from api.kpis.service import season_kpis

LONGEST_DAYS = 400
"""A longer period takes too long to count."""


class KpisOut(BaseModel):
    """Figures of a period, counted from what happened; shares are null where there is nothing to share."""

    neighbourhood: str
    first: date
    last: date
    figures: dict[str, Any] = Field(
        description="Service rate, unserved by cause, walks, utilisation by hour, turnover, parking gap, fairness, "
        "stability, waiting, how right told dates were, overstays, nights given back, withdrawals; by the names of the "
        "documentation"
    )


def shown_kpis(connection: Connection, place: Row[Any], *, first: date, last: date) -> KpisOut:
    """Count the figures of a neighbourhood, a row of it, from one local day to another, both included."""
    zone = ZoneInfo(place.timezone)
    figures = season_kpis(
        connection,
        place.id,
        zone=zone,
        since=datetime.combine(first, time(), tzinfo=zone),
        until=datetime.combine(last + timedelta(days=1), time(), tzinfo=zone),
    )
    return KpisOut(neighbourhood=place.slug, first=first, last=last, figures=figures)
