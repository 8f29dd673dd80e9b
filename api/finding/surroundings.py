"""The streets around a place as a walking network, out of the database, for places nobody has stored."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from sqlalchemy import Row

from api.finding.queries import Box
from geo.crs import LocalMetres, local_metres
from geo.network import WalkNetwork, graph_of

_DEGREE_M = 110_500.0
"""Metres that a degree of latitude has at least, on the equator; boxes come out a little too large, never too small."""


def box_around(bounds: Box, *, metres: float) -> Box:
    """Widen a box by so many metres on every side."""
    west, south, east, north = bounds
    up = metres / _DEGREE_M
    farthest_north = min(89.0, max(abs(south), abs(north)) + up)
    aside = up / np.cos(np.radians(farthest_north))
    return west - aside, south - up, east + aside, north + up


def plane_near(lon: float, lat: float) -> LocalMetres:
    """Return a plane in metres for a place: neighbours share one, since making it takes longer than a search."""
    return _plane_at(round(lon, 1), round(lat, 1))


@lru_cache(maxsize=256)
def _plane_at(lon: float, lat: float) -> LocalMetres:
    return local_metres([lon], [lat])  # 8 km from its centre a kilometre is still true to a millimetre


def network_of(edges: Row[Any], *, plane: LocalMetres) -> WalkNetwork:
    """
    Join stored streets to a network.

    Walks that stay among these streets are as long here as on the whole network.

    Parameters
    ----------
    edges
        As `find_edges_in_box` gives them.
    """
    shapes = plane.project_all(shapely.get_parts(shapely.from_wkb(bytes(edges.wkb))))
    ends = np.column_stack([edges.from_node, edges.to_node])
    nodes, index = np.unique(ends, return_inverse=True)
    tail, head = np.ascontiguousarray(index.reshape(-1, 2).astype(np.int32).T)
    x, y = np.zeros(len(nodes)), np.zeros(len(nodes))
    for at, corner in ((tail, 0), (head, -1)):
        corners = shapely.get_point(shapes, corner)
        x[at], y[at] = shapely.get_x(corners), shapely.get_y(corners)
    network = graph_of(plane, x, y, tail, head, shapes)
    # What is an island was told by the whole map: here, much is cut off that is not.
    on_island = np.zeros(len(nodes), dtype=np.int32)
    on_island[tail] = edges.on_island
    on_island[head] = edges.on_island
    return replace(network, component=on_island, component_m=np.array([np.inf, 0.0]))
