"""The end of what permits spend elsewhere, when the permits themselves end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from api.permits.ledger import release_nights

_CUT = text(
    """
    WITH cut AS (
        SELECT d.id, d.bay_group_id, d.nights * datemultirange(daterange(w.since, NULL)) AS lost,
               datemultirange(daterange(w.since, NULL)) AS later
        FROM unnest(CAST(:permits AS bigint[]), CAST(:since AS date[])) AS w (permit, since)
        JOIN permit_detours d ON d.permit_id = w.permit
    ), changed AS (
        UPDATE permit_detours d SET evenings = d.evenings - c.later, nights = d.nights - c.later
        FROM cut c WHERE c.id = d.id
    )
    SELECT c.bay_group_id, n.night, count(*) AS bays
    FROM cut c CROSS JOIN LATERAL unnest(c.lost) AS run
    CROSS JOIN LATERAL generate_series(lower(run), upper(run) - 1, interval '1 day') AS t (moment)
    CROSS JOIN LATERAL (SELECT CAST(t.moment AS date) AS night) AS n
    WHERE c.bay_group_id IS NOT NULL GROUP BY 1, 2
    """
)
_DROP_EMPTY = text("DELETE FROM permit_detours WHERE permit_id = ANY(:permits) AND isempty(evenings)")


def end_detours(connection: Connection, since: Mapping[int, date]) -> None:
    """Give back what permits take of other bay groups, each from a night on; the caller acts as the worker."""
    values: dict[str, Any] = {"permits": list(since), "since": list(since.values())}
    releases: dict[int, dict[date, int]] = {}
    for row in connection.execute(_CUT, values):
        releases.setdefault(row.bay_group_id, {})[row.night] = row.bays
    release_nights(connection, releases)
    connection.execute(_DROP_EMPTY, values)
