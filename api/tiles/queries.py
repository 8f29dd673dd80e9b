"""What tiles ask the database."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, text

from api.finding.period import Period

_ENVELOPE = "ST_Transform(ST_TileEnvelope(:z, :x, :y, margin => :margin), 4326)"
"""In degrees, so that the index of facilities is used."""

_NEIGHBOURHOODS_IN_TILE = text(f"""
    SELECT DISTINCT n.id, n.timezone
    FROM facilities f
    JOIN neighbourhoods n ON n.id = f.neighbourhood_id
    WHERE f.geometry && {_ENVELOPE} AND f.status = 'published'
""")

_SHOWN = f"""
    nights AS (
        SELECT neighbourhood_id, tstzrange(starts, ends) AS period
        FROM unnest(CAST(:neighbourhoods AS bigint[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]))
            AS night (neighbourhood_id, starts, ends)
    ),
    shown AS (
        SELECT f.id, f.name, f.kind, f.night_price_cents,
               CASE WHEN f.materialised_until >= upper(wanted.period) THEN coalesce(free.bays, 0)::int ELSE 0 END
                   AS free_bays,
               ST_Transform(CASE WHEN :as_points THEN ST_PointOnSurface(f.geometry) ELSE f.geometry END, 3857) AS place
        FROM facilities f
        JOIN nights wanted ON wanted.neighbourhood_id = f.neighbourhood_id
        CROSS JOIN LATERAL free_bays_of(f.id, wanted.period, '{{}}') free
        WHERE f.geometry && {_ENVELOPE} AND f.status = 'published'
    )
"""
"""Facilities of a tile with the bays that any car may have tonight, each by the night of its neighbourhood."""

_EACH = text(f"""
    WITH {_SHOWN},
    drawn AS (
        SELECT id, name, kind, night_price_cents, free_bays,
               ST_AsMVTGeom(place, ST_TileEnvelope(:z, :x, :y), buffer => 64) AS geom
        FROM shown
    )
    SELECT ST_AsMVT(drawn, 'facilities', 4096, 'geom', 'id')
    FROM (SELECT * FROM drawn WHERE geom IS NOT NULL ORDER BY id) drawn
""")

_TOGETHER = text(f"""
    WITH {_SHOWN},
    drawn AS (
        SELECT count(*)::int AS facilities, sum(free_bays)::int AS free_bays,
               ST_AsMVTGeom(ST_Centroid(ST_Collect(place)), ST_TileEnvelope(:z, :x, :y), buffer => 64) AS geom
        FROM shown
        GROUP BY ST_SnapToGrid(place, :cell_m)
    )
    SELECT ST_AsMVT(drawn, 'facilities', 4096, 'geom')
    FROM (SELECT * FROM drawn WHERE geom IS NOT NULL ORDER BY geom) drawn
""")

FIRST_ZOOM_APART = 12
"""From here on facilities are features of their own; farther out those of a cell are one, with their number."""
FIRST_ZOOM_WITH_SHAPE = 15
"""From here on they have their shape: a garage is a few pixels wide then."""
_CELLS = 64
_MARGIN = 64 / 4096
"""What is drawn at the edge of a tile reaches into the next by so much of its width."""
_WORLD_M = 40_075_016.68557849
"""Width of the world in Web Mercator (EPSG:3857)."""


def zones_in_tile(connection: Connection, z: int, x: int, y: int) -> dict[int, str]:
    """Return the time zones of the neighbourhoods that have a published facility in a tile, by id."""
    rows = connection.execute(_NEIGHBOURHOODS_IN_TILE, {"z": z, "x": x, "y": y, "margin": _MARGIN})
    return {row.id: row.timezone for row in rows}


def facilities_tile(connection: Connection, z: int, x: int, y: int, *, nights: Mapping[int, Period]) -> bytes:
    """Return the facilities of some neighbourhoods as a Mapbox vector tile, empty without any."""
    values = {
        "z": z,
        "x": x,
        "y": y,
        "margin": _MARGIN,
        "neighbourhoods": list(nights),
        "starts": [night.start for night in nights.values()],
        "ends": [night.end for night in nights.values()],
        "as_points": z < FIRST_ZOOM_WITH_SHAPE,
    }
    if z >= FIRST_ZOOM_APART:
        return bytes(connection.execute(_EACH, values).scalar_one() or b"")
    together = {**values, "cell_m": _WORLD_M / 2**z / _CELLS}
    return bytes(connection.execute(_TOGETHER, together).scalar_one() or b"")
