"""Where people on foot enter a facility, when its owner has not said so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from geo.crs import LocalMetres
from geo.snap import MAX_SNAP_M, NO_EDGE, StreetIndex

ROAD_STEP_M = 25.0
"""
Metres between the points at which people get to the bays along a road: four parallel bays, so nobody is far from his
own.
"""


_FIRST_COLLECTION_TYPE = 4
"""GEOS numbers its types; from MultiPoint on they hold parts."""


@dataclass(frozen=True, slots=True, eq=False)
class Doors:
    """D points in metres and the facility each leads into, in order of facility."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    facility: NDArray[np.int32]


def entrance_points(
    geometries: Sequence[BaseGeometry], entrances: Sequence[Sequence[tuple[float, float]]], *, plane: LocalMetres
) -> NDArray[np.object_]:
    """
    Give each facility the shape that straight lines are measured to: its entrances, or its geometry without any.

    Returns
    -------
    ndarray
        (F,) geometries in metres; the distance to a polygon is 0 inside it.
    """
    shapes = np.empty(len(geometries), dtype=object)
    for facility, (geometry, named) in enumerate(zip(geometries, entrances, strict=True)):
        shapes[facility] = shapely.multipoints(np.asarray(named, dtype=np.float64)) if len(named) else geometry
    return plane.project_all(shapes)


def doors_on_streets(
    geometries: Sequence[BaseGeometry],
    entrances: Sequence[Sequence[tuple[float, float]]],
    *,
    index: StreetIndex,
    max_snap_m: float = MAX_SNAP_M,
) -> Doors:
    """
    Place the doors of every facility on the walking network's plane.

    Entrances that are named are the doors. Without them: a point is its own door; a line (bays along a road) has one
    every `ROAD_STEP_M` and at both ends; a polygon has one where each street crosses or touches its outline, and if
    none does, one at the point of its outline that is nearest to a street within `max_snap_m`. A polygon too far
    from any street gets a point inside, which then has no access either.
    """
    shapes = entrance_points(geometries, entrances, plane=index.network.plane)
    points: list[NDArray[np.float64]] = []
    owners: list[NDArray[np.int32]] = []

    def add(owner: NDArray[np.intp], parts: NDArray[np.object_]) -> None:
        xy, which = shapely.get_coordinates(parts, return_index=True)
        points.append(xy)
        owners.append(owner[which].astype(np.int32))

    part, owner = _simple_parts(shapes)
    dimension = shapely.get_dimensions(part)
    add(owner[dimension == 0], part[dimension == 0])
    lines = dimension == 1
    add(owner[lines], _sampled(part[lines]))
    areas = dimension == 2
    add(*_area_doors(owner[areas], part[areas], index=index, max_snap_m=max_snap_m))

    xy, facility = np.concatenate(points), np.concatenate(owners)
    order = np.lexsort((xy[:, 1], xy[:, 0], facility))
    return Doors(x=xy[order, 0], y=xy[order, 1], facility=facility[order])


def _simple_parts(shapes: NDArray[np.object_]) -> tuple[NDArray[np.object_], NDArray[np.intp]]:
    """Take collections apart, also those inside collections."""
    owner = np.arange(len(shapes))
    while (shapely.get_type_id(shapes) >= _FIRST_COLLECTION_TYPE).any():
        shapes, inner = shapely.get_parts(shapes, return_index=True)
        owner = owner[inner]
    return shapes, owner


def _sampled(lines: NDArray[np.object_]) -> NDArray[np.object_]:
    sampled = np.empty(len(lines), dtype=object)
    for i, line in enumerate(lines):
        steps = max(1, int(np.ceil(line.length / ROAD_STEP_M)))
        sampled[i] = shapely.multipoints(shapely.line_interpolate_point(line, np.linspace(0, line.length, steps + 1)))
    return sampled


def _area_doors(
    owner: NDArray[np.intp], areas: NDArray[np.object_], *, index: StreetIndex, max_snap_m: float
) -> tuple[NDArray[np.intp], NDArray[np.object_]]:
    outlines = shapely.boundary(areas)
    crossed, places = index.crossings(outlines)
    uncrossed = np.setdiff1d(np.arange(len(areas)), crossed)
    # A facility of several polygons is one place: a part that no street crosses matters only if no part is crossed.
    uncrossed = uncrossed[~np.isin(owner[uncrossed], owner[crossed])]
    edge, _ = index.nearest_edges(outlines[uncrossed], max_snap_m=max_snap_m)
    nearest = shapely.point_on_surface(areas[uncrossed])
    on = edge != NO_EDGE
    across = shapely.shortest_line(outlines[uncrossed[on]], index.network.edge_shape[edge[on]])
    nearest[on] = shapely.get_point(across, 0)
    return np.concatenate([owner[crossed], owner[uncrossed]]), np.concatenate([places, nearest])
