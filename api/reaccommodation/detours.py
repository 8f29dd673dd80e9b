"""The end of what permits spend elsewhere, when the permits themselves end."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from api.permits.ledger import release_nights
from api.permits.nights import multirange_of

_CUT = text(
    """
    WITH cut AS (
        SELECT d.id, d.bay_group_id,
               d.nights * datemultirange(daterange(w.since, NULL)) - CAST(w.inside AS datemultirange) AS lost,
               datemultirange(daterange(w.since, NULL)) AS later
        FROM unnest(CAST(:permits AS bigint[]), CAST(:since AS date[]), CAST(:inside AS text[]))
            AS w (permit, since, inside)
        JOIN permit_detours d ON d.permit_id = w.permit
    ), changed AS (
        UPDATE permit_detours d SET evenings = d.evenings - c.later, nights = d.nights - c.lost
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


def end_detours(connection: Connection, since: Mapping[int, date], inside: Mapping[int, Collection[date]]) -> None:
    """
    Give back what permits take of other bay groups, each from a night on; the caller acts as the worker.

    Parameters
    ----------
    since
        First night that each permit loses.
    inside
        Later nights inside stays that began before: the car stands there, and nobody else gets them.
    """
    values: dict[str, Any] = {
        "permits": list(since),
        "since": list(since.values()),
        "inside": [multirange_of(sorted(inside[permit])) for permit in since],
    }
    releases: dict[int, dict[date, int]] = {}
    for row in connection.execute(_CUT, values).all():
        releases.setdefault(row.bay_group_id, {})[row.night] = row.bays
    release_nights(connection, releases)
    connection.execute(_DROP_EMPTY, values)
