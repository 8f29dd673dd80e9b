"""What openings ask of the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, text, true

from api.db import tables
from api.openings.range_text import multirange_text, opening_of, range_text
from api.openings.ticks import utc_moment
from api.openings.unrolling import Opening

_f, _n = tables.facilities, tables.neighbourhoods
_ROWS_AT_ONCE = 5000


def facility_rows(
    connection: Connection, *, neighbourhood_id: int | None = None, ids: Sequence[int] | None = None
) -> list[Row[Any]]:
    """List facilities of a neighbourhood, or by id, with their state and the zone and country they are in."""
    query = (
        select(
            _f.c.id,
            _f.c.code,
            _f.c.neighbourhood_id,
            _f.c.status,
            _f.c.materialised_until,
            _n.c.timezone,
            _n.c.country,
        )
        .join(_n, _n.c.id == _f.c.neighbourhood_id)
        .where(_f.c.neighbourhood_id == neighbourhood_id if neighbourhood_id is not None else true())
        .where(_f.c.id.in_(ids) if ids is not None else true())
        .order_by(_f.c.id)
    )
    return list(connection.execute(query))


def list_late_facilities(connection: Connection, *, zone: str, before: datetime, now: datetime) -> list[int]:
    """List the published facilities of a zone that are not sold up to a moment yet."""
    query = (
        select(_f.c.id)
        .join(_n, _n.c.id == _f.c.neighbourhood_id)
        .where(_f.c.status == "published", _n.c.timezone == zone)
        .where(_f.c.materialised_until.is_(None) | (_f.c.materialised_until < before))
        .order_by(_f.c.id)
    )
    late = list(connection.scalars(query))
    reserved = {row.facility_id for row in _reserved(connection, late, now=now) if row.materialised_until == row.noon}
    return [facility_id for facility_id in late if facility_id not in reserved]


def reserved_from(connection: Connection, facility_ids: Sequence[int], *, now: datetime) -> dict[int, datetime]:
    """
    Return noon of the first day from which a round that is not published yet has facilities, by facility id.

    Whenever it is published, a round gives bays from the next evening on: tonight is sold while it is late.
    """
    return {row.facility_id: row.noon for row in _reserved(connection, facility_ids, now=now)}


def _reserved(connection: Connection, facility_ids: Sequence[int], *, now: datetime) -> list[Row[Any]]:
    query = text(
        "SELECT m.facility_id, f.materialised_until,"
        " min((GREATEST(lower(m.term), (CAST(:now AS timestamptz) AT TIME ZONE n.timezone)::date + 1) + time '12:00')"
        " AT TIME ZONE n.timezone) AS noon"
        " FROM round_facilities m JOIN rounds r ON r.id = m.round_id JOIN facilities f ON f.id = m.facility_id"
        " JOIN neighbourhoods n ON n.id = f.neighbourhood_id"
        " WHERE m.facility_id = ANY(:ids) AND m.reserved AND r.published_at IS NULL"
        " AND upper(m.term) > (CAST(:now AS timestamptz) AT TIME ZONE n.timezone)::date + 1 GROUP BY 1, 2"
    )
    return list(connection.execute(query, {"ids": list(facility_ids), "now": now}))


def list_zones(connection: Connection) -> list[str]:
    """List the time zones of all neighbourhoods."""
    return list(connection.scalars(select(_n.c.timezone).distinct().order_by(_n.c.timezone)))


def lock_shared(connection: Connection, ids: Iterable[int]) -> None:
    """Keep whoever changes these facilities waiting until this transaction ends; bookings go on."""
    _lock(connection, "pg_advisory_xact_lock_shared", ids)


def try_lock_shared(connection: Connection, ids: Iterable[int]) -> list[int]:
    """Do so for those of some facilities that nobody is changing at this moment, and return them."""
    query = text("SELECT id FROM unnest(CAST(:ids AS bigint[])) AS id WHERE pg_try_advisory_xact_lock_shared(id)")
    return list(connection.scalars(query, {"ids": list(ids)}))


def lock_exclusively(connection: Connection, ids: Iterable[int]) -> None:
    """Keep bookings and changes of these facilities waiting until this transaction ends; wait for those under way."""
    _lock(connection, "pg_advisory_xact_lock", ids)


def _lock(connection: Connection, function: str, ids: Iterable[int]) -> None:
    # One after the other in the order of ids, as everybody does who locks several.
    query = text(f"SELECT {function}(id) FROM (SELECT unnest(CAST(:ids AS bigint[])) AS id ORDER BY 1) AS wanted")
    connection.execute(query, {"ids": list(ids)})


def group_ids(connection: Connection, facility_ids: Sequence[int]) -> dict[tuple[int, str], int]:
    """Return the ids of bay groups by facility id and code."""
    g = tables.bay_groups
    rows = connection.execute(select(g.c.facility_id, g.c.code, g.c.id).where(g.c.facility_id.in_(facility_ids)))
    return {(row.facility_id, row.code): row.id for row in rows}


def stored_openings(
    connection: Connection, facility_ids: Sequence[int], *, now: datetime
) -> dict[int, dict[int, Opening]]:
    """Return the openings that end after now, by bay group id and own id."""
    query = text(
        "SELECT id, bay_group_id, first_number, last_number, during::text, starts::text, ends::text FROM openings "
        "WHERE facility_id = ANY(:ids) AND during && tstzrange(:now, NULL)"
    )
    stored: dict[int, dict[int, Opening]] = {}
    for row in connection.execute(query, {"ids": list(facility_ids), "now": now}).all():
        stored.setdefault(row.bay_group_id, {})[row.id] = opening_of(*row[2:])
    return stored


def delete_openings(connection: Connection, ids: Sequence[int]) -> None:
    """Remove openings."""
    if ids:
        connection.execute(text("DELETE FROM openings WHERE id = ANY(:ids)"), {"ids": list(ids)})


def insert_openings(connection: Connection, rows: Sequence[tuple[int, int, Opening]]) -> None:
    """Store openings, each with the ids of its facility and bay group; no COPY, which row-level security forbids."""
    query = text(
        "INSERT INTO openings (facility_id, bay_group_id, first_number, last_number, during, starts, ends) "
        "SELECT facility, bay_group, first, last, during::tstzrange, starts::tstzmultirange, ends::tstzmultirange "
        "FROM unnest(CAST(:facilities AS bigint[]), CAST(:groups AS bigint[]), CAST(:firsts AS int[]), "
        "CAST(:lasts AS int[]), CAST(:during AS text[]), CAST(:starts AS text[]), CAST(:ends AS text[])) "
        "AS wanted (facility, bay_group, first, last, during, starts, ends)"
    )
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[start : start + _ROWS_AT_ONCE]
        values = {
            "facilities": [facility for facility, _, _ in part],
            "groups": [group for _, group, _ in part],
            "firsts": [opening.first_number for _, _, opening in part],
            "lasts": [opening.last_number for _, _, opening in part],
            "during": [range_text(2 * opening.begin_min, 2 * opening.end_min) for _, _, opening in part],
            "starts": [multirange_text(opening.starts) for _, _, opening in part],
            "ends": [multirange_text(opening.ends) for _, _, opening in part],
        }
        connection.execute(query, values)


def move_materialised_until(connection: Connection, until_min: Mapping[int, int]) -> None:
    """Say up to when facilities are sold: minute in UTC by facility id."""
    query = text(
        "UPDATE facilities f SET materialised_until = wanted.until "
        "FROM unnest(CAST(:ids AS bigint[]), CAST(:until AS timestamptz[])) AS wanted (id, until) "
        "WHERE f.id = wanted.id AND f.materialised_until IS DISTINCT FROM wanted.until"
    )
    until = [utc_moment(minute) for minute in until_min.values()]
    connection.execute(query, {"ids": list(until_min), "until": until})


# Bay by bay: what a whole town has at these times would be read otherwise, its stays and openings alike.
_OUTSIDE = """
    SELECT s.id, b.facility_id, s.kind, lower(s.during) AS starts_at, upper(s.during) AS ends_at
    FROM (
        SELECT y.id, y.number, y.bay_group_id, f.id AS facility_id, f.materialised_until AS until, tstzrange(
            :now, CASE WHEN f.materialised_until < :now THEN :now ELSE f.materialised_until END) AS sold
        FROM facilities f JOIN bay_groups g ON g.facility_id = f.id JOIN bays y ON y.bay_group_id = g.id
        WHERE f.id = ANY(:ids)
    ) AS b
    CROSS JOIN LATERAL (
        SELECT s.id, s.kind, s.state, s.during FROM stays s
        WHERE s.bay_id = b.id AND s.bay_id IS NOT NULL AND s.state = :state AND s.during && b.sold OFFSET 0
    ) AS s
    WHERE NOT EXISTS (
        SELECT FROM openings o
        WHERE o.facility_id = b.facility_id AND o.bay_group_id = b.bay_group_id
          AND b.number BETWEEN o.first_number AND o.last_number AND o.during @> s.during * b.sold
          AND (lower(s.during) < :now OR o.starts @> lower(s.during))
          AND (upper(s.during) > b.until OR o.ends @> upper(s.during)))
"""


def list_stays_outside(
    connection: Connection, facility_ids: Sequence[int], *, state: str = "confirmed", now: datetime
) -> list[Row[Any]]:
    """List the stays of a state, not over yet, that no opening of their bay holds any more."""
    query = text(f"{_OUTSIDE} ORDER BY s.id")
    return list(connection.execute(query, {"ids": list(facility_ids), "now": now, "state": state}))


def end_holds_outside(connection: Connection, facility_ids: Sequence[int], *, now: datetime) -> list[int]:
    """End the holds that no opening holds any more, which is not their households' doing; return their ids."""
    query = text(
        f"UPDATE stays SET state = 'cancelled', expires_at = NULL, ended_at = clock_timestamp() "
        f"WHERE state = 'held' AND id IN (SELECT id FROM ({_OUTSIDE}) AS outside) RETURNING id"
    )
    return list(connection.scalars(query, {"ids": list(facility_ids), "now": now, "state": "held"}))
