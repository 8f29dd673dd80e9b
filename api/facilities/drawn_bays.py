"""
Bays that have a place: drawn one by one, or laid along a kerb.

A bay group may say `drawn` (a list of Points or Polygons, one a bay) or `kerb` (a line to lay parallel bays along, by
default the facility's own). Its windows then need not say `bays`: they open all of them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from api.neighbourhoods.feature_values import Place, list_of, number, one_word
from api.neighbourhoods.read_facilities import read_geometry
from geo.crs import LocalMetres, local_metres
from geo.kerb import BAY_LENGTH_M, BAY_WIDTH_M, bays_along

MOST_DRAWN = 5000
"""Bays of one group that may be drawn: a larger car park is a slip, or is counted."""
_LONGEST_KERB_M = 3000.0
"""Bays are laid along one street at a time."""
_TOUCHING_M2 = 0.5
"""Two bays whose drawings overlap by less are neighbours drawn by hand, not one bay drawn twice."""
_KERB = ("line", "side", "bay_length_m", "bay_width_m", "junctions", "crossings")
_LONGEST_M = 30.0  # a coach is 15 m long; a bay that is longer is a slip
ToWgs84 = Callable[[BaseGeometry], BaseGeometry]


def taken_out(feature: object, place: Place, *, to_wgs84: ToWgs84) -> tuple[object, dict[str, list[BaseGeometry]]]:
    """
    Return a feature without its drawings, its windows opening all drawn bays where they say nothing, and the drawings.

    Returns
    -------
    tuple
        A copy of the feature as a folder has it, and bays in WGS 84 by the id of their group. Faults are noted.
    """
    groups = _groups_of(feature)
    if not any("drawn" in group or "kerb" in group for group in groups):
        return feature, {}
    plain = copy.deepcopy(feature)
    drawn: dict[str, list[BaseGeometry]] = {}
    for index, group in enumerate(_groups_of(plain)):
        here = place.at("bay_groups").at(index)
        bays = _placed(group, feature, here, to_wgs84=to_wgs84)
        if bays is not None:
            _open_all(group, len(bays), here)
            drawn[str(group.get("id")).strip()] = bays
    return plain, drawn


def _placed(group: dict[str, Any], feature: object, place: Place, *, to_wgs84: ToWgs84) -> list[BaseGeometry] | None:
    """Take the drawings out of a group; None where it has none, or both kinds."""
    shapes, kerb = group.pop("drawn", None), group.pop("kerb", None)
    if shapes is not None and kerb is not None:
        place.at("kerb").fault("stands beside `drawn`: bays are drawn or laid along a kerb, not both")
        return None
    if shapes is not None:
        return _drawn(shapes, place.at("drawn"), to_wgs84=to_wgs84)
    return None if kerb is None else _along_kerb(kerb, feature, place.at("kerb"), to_wgs84=to_wgs84)


def _groups_of(feature: object) -> list[dict[str, Any]]:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    groups = properties.get("bay_groups") if isinstance(properties, dict) else None
    # Anything else is a fault that the reader of facilities notes.
    return groups if isinstance(groups, list) and all(isinstance(group, dict) for group in groups) else []


def _open_all(group: dict[str, Any], count: int, place: Place) -> None:
    windows = group.get("windows")
    for index, window in enumerate(windows if isinstance(windows, list) else ()):
        if not isinstance(window, dict):
            continue
        bays = window.setdefault("bays", count)
        if isinstance(bays, int) and bays > count:
            place.at("windows").at(index).at("bays").fault(f"is {bays}, but only {count} bays have a place")


def _drawn(value: object, place: Place, *, to_wgs84: ToWgs84) -> list[BaseGeometry]:
    shapes = list_of(value, place)
    if len(shapes) > MOST_DRAWN:
        place.fault(f"has {len(shapes)} bays, expected {MOST_DRAWN} at most")
        return []
    read = [
        read_geometry(shape, place.at(index), to_wgs84=to_wgs84, types=("Point", "Polygon"))
        for index, shape in enumerate(shapes)
    ]
    bays = [bay for bay in read if bay is not None]
    if len(bays) == len(read):
        _refuse_overlaps(bays, place)
    return bays


def _refuse_overlaps(bays: list[BaseGeometry], place: Place) -> None:
    if not bays:
        return
    flat = _plane_of(bays).project_all(bays)
    first, second = shapely.STRtree(flat).query(flat, predicate="intersects")
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        same_point = flat[a].equals(flat[b])
        if a < b and (same_point or shapely.intersection(flat[a], flat[b]).area > _TOUCHING_M2):
            place.at(b).fault(f"lies on the bay drawn in [{a}]")


def _along_kerb(value: object, feature: object, place: Place, *, to_wgs84: ToWgs84) -> list[BaseGeometry]:
    if not isinstance(value, dict):
        place.fault(f"is {value!r}, expected an object like {{'side': 'right'}}")
        return []
    place.warn_of_unknown(value, _KERB)
    noted = len(place.findings.faults)
    given = value.get("line", feature.get("geometry") if isinstance(feature, dict) else None)
    line = read_geometry(given, place.at("line"), to_wgs84=to_wgs84, types=("LineString",))
    side = one_word(value.get("side", "right"), ("left", "right"), place.at("side"))
    sizes = {
        key: _metres(value.get(key), place.at(key), default=default)
        for key, default in (("bay_length_m", BAY_LENGTH_M), ("bay_width_m", BAY_WIDTH_M))
    }
    points = {key: _points(value.get(key), place.at(key), to_wgs84=to_wgs84) for key in ("junctions", "crossings")}
    if not isinstance(line, shapely.LineString) or len(place.findings.faults) > noted:
        return []
    plane = _plane_of([line])
    kerb = plane.project(line)
    if not sizes["bay_length_m"] <= kerb.length <= _LONGEST_KERB_M:
        place.at("line").fault(f"is {kerb.length:.1f} m long, too short for one bay or too long for a kerb")
        return []
    laid = bays_along(
        kerb,
        side="left" if side == "left" else "right",
        junctions=[plane.project(point) for point in points["junctions"]],
        crossings=[plane.project(point) for point in points["crossings"]],
        **sizes,
    )
    return [plane.unproject(bay) for bay in laid]


def _metres(value: object, place: Place, *, default: float) -> float:
    metres = number(value, place, high=_LONGEST_M, what="metres")
    if metres is not None and metres < 1.0:
        place.fault(f"is {metres:g}, expected metres between 1 and {_LONGEST_M:g}")
    return default if metres is None else metres


def _points(value: object, place: Place, *, to_wgs84: ToWgs84) -> list[shapely.Point]:
    found = []
    for index, pair in enumerate(list_of(value, place, default=())):
        point = read_geometry(
            {"type": "Point", "coordinates": pair}, place.at(index), to_wgs84=to_wgs84, types=("Point",)
        )
        if isinstance(point, shapely.Point):
            found.append(point)
    return found


def _plane_of(shapes: list[BaseGeometry]) -> LocalMetres:
    lon, lat = np.transpose(shapely.get_coordinates(shapes))
    return local_metres(lon, lat)
