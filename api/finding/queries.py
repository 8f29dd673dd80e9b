"""What finding asks the database: walks, doors and streets around a place, and bays free for a whole period."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from api.db.statement import Statement
from api.finding.wanted import Wanted

Box = tuple[float, float, float, float]
"""(west, south, east, north) in WGS 84 degrees."""

_SHOWN = """
    SELECT f.id, f.code, f.name, f.kind, f.max_height_m, f.night_price_cents,
           near.walk_m, near.free_bays, near.leave_by, ST_AsGeoJSON(f.geometry, 6) AS geometry
"""
_WANTED = """
    tstzrange(%(start)s, %(end)s), %(needs)s::text[], %(height_m)s::double precision, %(max_price_cents)s::bigint,
    %(limit)s
"""
_FREE_IN_ORDER = f"""
    {_SHOWN}
    FROM first_free(%(ids)s::bigint[], %(walks)s::int[], {_WANTED})
        WITH ORDINALITY AS near (place, walk_m, free_bays, leave_by, number)
    JOIN facilities f ON f.id = near.place
    ORDER BY near.number
"""
_FREE_NEAR_HOME = f"""
    {_SHOWN}
    FROM (
        SELECT array_agg(w.facility_id ORDER BY w.walk_m, w.facility_id) AS ids,
               array_agg(w.walk_m ORDER BY w.walk_m, w.facility_id) AS walks
        FROM walk_pairs w
        WHERE w.home_id = %(home)s AND w.walk_m <= %(max_walk_m)s
          AND (w.walk_m, w.facility_id) > (%(after_walk_m)s, %(after_id)s)
    ) around
    CROSS JOIN LATERAL first_free(around.ids, around.walks, {_WANTED})
        WITH ORDINALITY AS near (place, walk_m, free_bays, leave_by, number)
    JOIN facilities f ON f.id = near.place
    ORDER BY near.number
"""
_PLACE = """
    SELECT n.id, n.timezone, (n.policy->>'max_walk_m')::double precision AS max_walk_m,
           EXISTS (SELECT FROM homes h WHERE h.id = %(home)s AND h.neighbourhood_id = n.id) AS has_home
    FROM neighbourhoods n WHERE n.slug = %(slug)s
"""

_USUAL_NIGHT = text("""
    SELECT w.from_min, w.to_min
    FROM facilities f
    JOIN bay_groups g ON g.facility_id = f.id
    JOIN share_windows w ON w.bay_group_id = g.id
    WHERE f.neighbourhood_id = :neighbourhood_id AND f.status = 'published'
      AND w.from_min < 1440 AND w.to_min > 1440
    GROUP BY 1, 2
    ORDER BY sum(w.bays) DESC, 1 DESC, 2
    LIMIT 1
""")

_EDGES_IN_BOX = text("""
    SELECT array_agg(from_node ORDER BY position) AS from_node, array_agg(to_node ORDER BY position) AS to_node,
           array_agg(on_island ORDER BY position) AS on_island,
           ST_AsBinary(ST_Collect(geometry ORDER BY position)) AS wkb
    FROM walk_edges
    WHERE neighbourhood_id = :neighbourhood_id
      AND geometry && ST_MakeEnvelope(:west, :south, :east, :north, 4326)
""")

_DOORS_IN_BOX = text("""
    SELECT array_agg(d.facility_id ORDER BY d.facility_id, d.position) AS facility_id,
           ST_AsBinary(ST_Collect(d.geometry ORDER BY d.facility_id, d.position)) AS wkb
    FROM walk_doors d
    JOIN facilities f ON f.id = d.facility_id
    WHERE f.neighbourhood_id = :neighbourhood_id AND f.status = 'published'
      AND d.geometry && ST_MakeEnvelope(:west, :south, :east, :north, 4326)
""")


def place_statement(slug: str, *, home_id: int | None) -> Statement:
    """Ask for id, time zone and walking limit (metres) of a neighbourhood, and whether a home is in it."""
    return Statement(_PLACE, {"slug": slug, "home": home_id})


def free_in_order_statement(walks: Sequence[tuple[int, int]], *, wanted: Wanted, limit: int) -> Statement:
    """Ask for the first `limit` facilities of (facility, metres), in this order, that have a bay as wanted."""
    values = {
        "ids": [facility_id for facility_id, _ in walks],
        "walks": [walk_m for _, walk_m in walks],
        **_wanted(wanted, limit=limit),
    }
    return Statement(_FREE_IN_ORDER, values)


def free_near_home_statement(
    home_id: int, *, max_walk_m: float, after: tuple[int, int], wanted: Wanted, limit: int
) -> Statement:
    """Ask for the nearest `limit` facilities of a home that have a bay as wanted, beyond (metres, facility)."""
    values = {
        "home": home_id,
        "max_walk_m": int(max_walk_m),
        "after_walk_m": after[0],
        "after_id": after[1],
        **_wanted(wanted, limit=limit),
    }
    return Statement(_FREE_NEAR_HOME, values)


def _wanted(wanted: Wanted, *, limit: int) -> dict[str, Any]:
    return {
        "start": wanted.period.start,
        "end": wanted.period.end,
        "needs": list(wanted.needs),
        "height_m": wanted.height_m,
        "max_price_cents": wanted.max_price_cents,
        "limit": limit,
    }


def find_usual_night(connection: Connection, neighbourhood_id: int) -> tuple[int, int] | None:
    """Return (from, to) in minutes of the window over midnight that most bays have, None without any."""
    row = connection.execute(_USUAL_NIGHT, {"neighbourhood_id": neighbourhood_id}).one_or_none()
    return None if row is None else (row.from_min, row.to_min)


def find_edges_in_box(connection: Connection, neighbourhood_id: int, *, box: Box) -> Row[Any] | None:
    """
    Return the streets that may touch a box, None without any.

    `from_node`, `to_node` and `on_island` are lists, `wkb` their lines in one collection: a row for each would take
    longer to fetch than to search.
    """
    row = connection.execute(_EDGES_IN_BOX, _in_box(neighbourhood_id, box)).one()
    return None if row.wkb is None else row


def find_doors_in_box(connection: Connection, neighbourhood_id: int, *, box: Box) -> Row[Any] | None:
    """Return `facility_id` and `wkb` of the doors of published facilities, as `find_edges_in_box` does of streets."""
    row = connection.execute(_DOORS_IN_BOX, _in_box(neighbourhood_id, box)).one()
    return None if row.wkb is None else row


def _in_box(neighbourhood_id: int, box: Box) -> dict[str, float]:
    west, south, east, north = box
    return {"neighbourhood_id": neighbourhood_id, "west": west, "south": south, "east": east, "north": north}
