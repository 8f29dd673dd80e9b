"""How right the dates were that a season's households were told."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from api.waitlist.calibration import Outcome, Told, calibration

_TOLD = text(
    """
    SELECT d.made_at, d.half_by, d.most_by, e.reached_at, e.ended_at
    FROM date_estimates d JOIN waitlist_entries e ON e.id = d.entry_id
    WHERE d.half_by IS NOT NULL ORDER BY d.id
    """
)


def date_figures(connection: Connection, *, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """Measure every pair of dates that was ever told; waits that were cut off count for what they show."""
    rows = connection.execute(_TOLD).all()

    def day(moment: datetime) -> Any:  # noqa: ANN401 -- a date
        return moment.astimezone(zone).date()

    found = calibration(
        [Told(day(row.made_at), row.half_by, row.most_by) for row in rows],
        [
            Outcome(
                None if row.reached_at is None else day(row.reached_at),
                day(row.ended_at or now),
            )
            for row in rows
        ],
        now=day(now),
    )
    return {
        "estimates": found.estimates,
        "censored": found.censored,
        "reached_by_p50": found.reached_by_p50,
        "reached_by_p90": found.reached_by_p90,
        "median_width_days": found.median_width_days,
    }
