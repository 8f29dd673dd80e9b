"""How far everybody walks to a facility that has just been published or moved: only its surroundings are looked at."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import polars as pl
import shapely
from sqlalchemy import Connection, Row, text

from api.db import walk_tables
from api.db.copying import copy_rows
from api.finding.queries import find_edges_in_box
from api.finding.surroundings import box_around, network_of, plane_near
from api.neighbourhoods.model import Facility
from api.neighbourhoods.walk_rows import KNOWN_WALK_M, copy_doors, door_rows
from geo.network import WalkNetwork
from geo.pairs import pairs_on_network, straight_line_pairs
from geo.snap import MAX_SNAP_M


def measure_walks(connection: Connection, facility_id: int, facility: Facility, *, neighbourhood_id: int) -> int:
    """
    Write the doors of a facility and its walks from homes, in place of those there are; return how many walks.

    Walks that the neighbourhood measured itself are the truth where they name the facility; otherwise walks run along
    its streets, and without streets along the straight line lengthened by a factor.
    """
    for table in (walk_tables.walk_doors, walk_tables.walk_pairs):
        connection.execute(table.delete().where(table.c.facility_id == facility_id))
    limit_m = max(KNOWN_WALK_M, _longest_walk_m(connection, neighbourhood_id))
    network = _network_around(connection, facility, neighbourhood_id=neighbourhood_id, limit_m=limit_m)
    doors = door_rows([facility.geometry], [facility.entrances], network=network)
    copy_doors(connection, doors, pl.Series([facility_id], dtype=pl.Int64()))
    if known := _measured_walks(connection, facility_id, facility, neighbourhood_id=neighbourhood_id, limit_m=limit_m):
        return known
    homes = _homes_around(connection, facility, neighbourhood_id=neighbourhood_id, limit_m=limit_m)
    return copy_rows(connection, walk_tables.walk_pairs, _pairs(facility_id, facility, homes, network, limit_m=limit_m))


def _longest_walk_m(connection: Connection, neighbourhood_id: int) -> float:
    query = text("SELECT COALESCE((policy->>'max_walk_m')::float, 0) FROM neighbourhoods WHERE id = :id")
    return float(connection.execute(query, {"id": neighbourhood_id}).scalar_one())


def _bounds(facility: Facility) -> tuple[float, float, float, float]:
    points = shapely.multipoints([*shapely.get_coordinates(facility.geometry).tolist(), *facility.entrances])
    west, south, east, north = points.bounds
    return west, south, east, north


def _network_around(
    connection: Connection, facility: Facility, *, neighbourhood_id: int, limit_m: float
) -> WalkNetwork | None:
    bounds = _bounds(facility)
    box = box_around(bounds, metres=max(limit_m, MAX_SNAP_M) + 1)
    edges = find_edges_in_box(connection, neighbourhood_id, box=box)
    west, south, east, north = bounds
    return network_of(edges, plane=plane_near((west + east) / 2, (south + north) / 2)) if edges is not None else None


def _measured_walks(
    connection: Connection, facility_id: int, facility: Facility, *, neighbourhood_id: int, limit_m: float
) -> int:
    query = text(
        "INSERT INTO walk_pairs (facility_id, home_id, walk_m) SELECT :id, w.home_id, w.walk_m"
        " FROM walks w JOIN homes h ON h.id = w.home_id"
        " WHERE h.neighbourhood_id = :neighbourhood AND w.facility = :code AND w.walk_m <= :limit_m"
    )
    values = {"id": facility_id, "neighbourhood": neighbourhood_id, "code": facility.id, "limit_m": limit_m}
    return connection.execute(query, values).rowcount


def _homes_around(
    connection: Connection, facility: Facility, *, neighbourhood_id: int, limit_m: float
) -> list[Row[Any]]:
    west, south, east, north = box_around(_bounds(facility), metres=limit_m + 1)
    query = text(
        "SELECT id, ST_X(geometry) AS lon, ST_Y(geometry) AS lat FROM homes WHERE neighbourhood_id = :neighbourhood"
        " AND geometry && ST_MakeEnvelope(:west, :south, :east, :north, 4326) ORDER BY position"
    )
    values = {"neighbourhood": neighbourhood_id, "west": west, "south": south, "east": east, "north": north}
    return list(connection.execute(query, values))


def _pairs(
    facility_id: int, facility: Facility, homes: list[Row[Any]], network: WalkNetwork | None, *, limit_m: float
) -> pl.DataFrame:
    ids = np.array([home.id for home in homes], dtype=np.int64)
    measure = straight_line_pairs if network is None else partial(pairs_on_network, network)
    with np.errstate(invalid="ignore"):  # the surroundings do not know how long the whole network is
        walks = measure(
            home_ids=[str(home) for home in ids],
            home_lon=np.array([home.lon for home in homes], dtype=np.float64),
            home_lat=np.array([home.lat for home in homes], dtype=np.float64),
            facility_ids=[facility.id],
            geometries=[facility.geometry],
            entrances=[facility.entrances],
            limit_m=limit_m,
        )
    return pl.DataFrame({"home_id": ids[walks.home], "walk_m": walks.walk_m}).with_columns(
        facility_id=pl.lit(facility_id)
    )
