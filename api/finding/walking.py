"""Facilities in walking order: from a home by what is stored, from an address by the streets around it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import shapely
from sqlalchemy import Connection, Row

from api.finding.queries import find_doors_in_box, find_edges_in_box
from api.finding.surroundings import box_around, network_of, plane_near
from geo.pairs import DETOUR_FACTOR
from geo.snap import MAX_SNAP_M, Attachments, StreetIndex
from geo.walk import walks_within

WalkBy = Literal["pairs", "network", "straight"]
"""Stored for a home; measured on the streets just now; or the straight line lengthened, where no street is known."""

WALK_M_PER_MIN = 80
"""Metres on foot in a minute: what estate agents in Japan must count by (Fair Competition Code for real estate)."""

_ROUNDS_DOWN_M = 0.5
"""Walks are compared in whole metres, and half a metre more may still round down to the limit."""


def walk_min(walk_m: int) -> int:
    """Minutes on foot, begun ones counted."""
    return -(-walk_m // WALK_M_PER_MIN)


def walking_order_from(
    connection: Connection, neighbourhood_id: int, *, lon: float, lat: float, max_walk_m: float
) -> tuple[list[tuple[int, int]], WalkBy]:
    """
    Measure from a point in WGS 84 degrees to the published facilities of a neighbourhood.

    Only the streets that a walk of this length can touch are looked at, whatever the size of the city.

    Returns
    -------
    tuple
        (facility id, metres), the nearest first, and how they were measured.
    """
    box = box_around((lon, lat, lon, lat), metres=max_walk_m + _ROUNDS_DOWN_M)
    doors = find_doors_in_box(connection, neighbourhood_id, box=box)
    snapping = box_around((lon, lat, lon, lat), metres=max(max_walk_m, MAX_SNAP_M) + _ROUNDS_DOWN_M)
    edges = find_edges_in_box(connection, neighbourhood_id, box=snapping)
    if edges is not None:
        plane = plane_near(lon, lat)
        index = StreetIndex(network_of(edges, plane=plane))
        here = index.attach(*plane.to_metres([lon], [lat]))
        if here.has_access[0]:
            return _in_order(_along_streets(index, here, doors, max_walk_m=max_walk_m), max_walk_m), "network"
    return _in_order(_straight(doors, lon=lon, lat=lat), max_walk_m), "straight"


def _along_streets(
    index: StreetIndex, here: Attachments, doors: Row[Any] | None, *, max_walk_m: float
) -> dict[int, int]:
    """Whole metres by facility, along streets."""
    if doors is None:
        return {}
    network = index.network
    facility_ids, source = np.unique(doors.facility_id, return_inverse=True)
    places = network.plane.project_all(shapely.point_on_surface(shapely.get_parts(shapely.from_wkb(bytes(doors.wkb)))))
    walks = walks_within(
        network,
        index.attach(shapely.get_x(places), shapely.get_y(places)),
        source.astype(np.int32),
        here,
        num_sources=len(facility_ids),
        limit_m=max_walk_m + _ROUNDS_DOWN_M,
        threads=1,
    )
    metres = np.rint(walks.walk_m).astype(int)
    return dict(zip(facility_ids[walks.source].tolist(), metres.tolist(), strict=True))


def _straight(doors: Row[Any] | None, *, lon: float, lat: float) -> dict[int, int]:
    """Whole metres by facility, straight through everything, lengthened as streets usually do."""
    if doors is None:
        return {}
    plane = plane_near(lon, lat)
    places = plane.project_all(shapely.get_parts(shapely.from_wkb(bytes(doors.wkb))))
    [here] = plane.points([lon], [lat])
    metres = np.rint(shapely.distance(places, here) * DETOUR_FACTOR).astype(int)
    nearest: dict[int, int] = {}
    for facility_id, walk_m in zip(doors.facility_id, metres.tolist(), strict=True):
        nearest[facility_id] = min(walk_m, nearest.get(facility_id, walk_m))
    return nearest


def _in_order(walks: dict[int, int], max_walk_m: float) -> list[tuple[int, int]]:
    """Keep those within the walk in whole metres, the nearest first, the lowest id among equally near ones."""
    within = ((walk_m, facility_id) for facility_id, walk_m in walks.items() if walk_m <= max_walk_m)
    return [(facility_id, walk_m) for walk_m, facility_id in sorted(within)]
