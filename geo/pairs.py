"""Candidate pairs: which homes can walk to which facilities, and how far."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from shapely.geometry.base import BaseGeometry

from geo.crs import LocalMetres, local_metres
from geo.entrances import doors_on_streets, entrance_points
from geo.network import WalkNetwork, build_network
from geo.osm.streets import read_streets
from geo.snap import ISLAND_M, MAX_SNAP_M, Attachments, StreetIndex
from geo.walk import Progress, nearest_sources, walks_within
from geo.walk_pairs import NO_FACILITY, NO_WALK, WalkPairs, no_pairs, pairs_within, walk_pairs_of

__all__ = [
    "DETOUR_FACTOR",
    "NO_FACILITY",
    "NO_WALK",
    "WalkPairs",
    "network_pairs",
    "pairs_on_network",
    "straight_line_pairs",
]

DETOUR_FACTOR = 1.3
"""Walked metres per metre of straight line where no streets are given: the contract's figure for ordinary cities."""

_NAMES_SHOWN = 10
_ROUNDS_DOWN_M = 0.5
"""Pairs are kept by their rounded metres, and half a metre more may still round down to the limit."""
_HOMES_AT_ONCE = 50_000
"""Homes that exist as geometries at a time: a million of them with their lines take a gigabyte."""


def straight_line_pairs(
    *,
    home_ids: Sequence[str],
    home_lon: ArrayLike,
    home_lat: ArrayLike,
    facility_ids: Sequence[str],
    geometries: Sequence[BaseGeometry],
    entrances: Sequence[Sequence[tuple[float, float]]],
    limit_m: float,
    factor: float = DETOUR_FACTOR,
) -> WalkPairs:
    """
    Pair homes and facilities by the straight line, lengthened by a factor.

    Parameters
    ----------
    home_ids, home_lon, home_lat
        H homes, WGS 84 degrees.
    facility_ids, geometries, entrances
        F facilities, WGS 84; a facility without entrances is measured to its geometry, which is 0 m inside a polygon.
    limit_m
        Largest walk in metres, inclusive, compared with rounded metres.
    factor
        Walked metres per straight metre.

    Raises
    ------
    CoordinateError
        If a place is off the earth.
    """
    if not len(home_ids) or not len(facility_ids):
        return no_pairs(len(home_ids), ())
    lon, lat = np.asarray(home_lon, dtype=np.float64), np.asarray(home_lat, dtype=np.float64)
    plane = _plane_of(lon, lat, geometries)
    tree = shapely.STRtree(entrance_points(geometries, entrances, plane=plane))
    pairs: list[tuple[NDArray[np.int32], ...]] = []
    nearest = np.full(len(lon), NO_FACILITY, dtype=np.int32)
    nearest_m = np.full(len(lon), np.inf)
    for first in range(0, len(lon), _HOMES_AT_ONCE):
        some = slice(first, first + _HOMES_AT_ONCE)
        homes = plane.points(lon[some], lat[some])
        # Walked metres for each metre of the plane, so that homes far from its centre are measured as truly as others.
        walked = factor / plane.scale_at(shapely.get_x(homes))
        home, facility, walk_m = _lines_within(tree, homes, walked, limit_m)
        pairs.append((home + np.int32(first), facility, walk_m))
        nearest[some], nearest_m[some] = _nearest(tree, homes, walked)
    home, facility, walk_m = (np.concatenate(column) for column in zip(*pairs, strict=True))
    return walk_pairs_of(
        home, facility, walk_m, nearest=nearest, nearest_m=nearest_m, warnings=(_straight_line_warning(factor),)
    )


def _lines_within(
    tree: shapely.STRtree, homes: NDArray[np.object_], walked: NDArray[np.float64], limit_m: float
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Home, facility and whole metres of all lines up to a limit, by home and facility."""
    home, facility = tree.query(homes, predicate="dwithin", distance=(limit_m + _ROUNDS_DOWN_M) / walked)
    walk_m = np.rint(shapely.distance(homes[home], tree.geometries[facility]) * walked[home])
    return pairs_within(home, facility, walk_m, limit_m)


def _nearest(
    tree: shapely.STRtree, homes: NDArray[np.object_], walked: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Nearest facility of each home, the lowest number among equally near ones, and metres."""
    (home, facility), metres = tree.query_nearest(homes, return_distance=True, all_matches=True)
    order = np.lexsort((facility, home))[::-1]
    nearest = np.full(len(homes), NO_FACILITY, dtype=np.int32)
    nearest_m = np.full(len(homes), np.inf)
    # Written backwards, so that the lowest number stays.
    nearest[home[order]], nearest_m[home[order]] = facility[order], metres[order] * walked[home[order]]
    return nearest, nearest_m


def network_pairs(
    *,
    streets: Path,
    home_ids: Sequence[str],
    home_lon: ArrayLike,
    home_lat: ArrayLike,
    facility_ids: Sequence[str],
    geometries: Sequence[BaseGeometry],
    entrances: Sequence[Sequence[tuple[float, float]]],
    limit_m: float,
    max_snap_m: float = MAX_SNAP_M,
    progress: Progress | None = None,
) -> WalkPairs:
    """
    Pair homes and facilities by the shortest walk on the streets of an OpenStreetMap file.

    The walk is: straight from the home to the nearest point of the nearest street, along streets, and straight to an
    entrance; facilities without entrances get them from `geo.entrances.doors_on_streets`.

    Parameters
    ----------
    streets
        An `.osm` or `.osm.pbf` file.
    home_ids, home_lon, home_lat
        H homes, WGS 84 degrees.
    facility_ids, geometries, entrances
        F facilities, WGS 84.
    limit_m
        Largest walk in metres, inclusive, compared with rounded metres.
    max_snap_m
        Metres off the streets beyond which a place has no access.
    progress
        Called with (facilities done, facilities in all).

    Raises
    ------
    GeoError
        If the file cannot be read in full, has no walkable street, or a place is off the earth.
    """
    network = build_network(read_streets(streets))
    return pairs_on_network(
        network,
        home_ids=home_ids,
        home_lon=home_lon,
        home_lat=home_lat,
        facility_ids=facility_ids,
        geometries=geometries,
        entrances=entrances,
        limit_m=limit_m,
        max_snap_m=max_snap_m,
        progress=progress,
    )


def pairs_on_network(
    network: WalkNetwork,
    *,
    home_ids: Sequence[str],
    home_lon: ArrayLike,
    home_lat: ArrayLike,
    facility_ids: Sequence[str],
    geometries: Sequence[BaseGeometry],
    entrances: Sequence[Sequence[tuple[float, float]]],
    limit_m: float,
    max_snap_m: float = MAX_SNAP_M,
    progress: Progress | None = None,
) -> WalkPairs:
    """Pair homes and facilities on a network that is already built; see `network_pairs`."""
    if not len(home_ids) or not len(facility_ids):
        return no_pairs(len(home_ids), network.warnings)
    _plane_of(np.asarray(home_lon, dtype=np.float64), np.asarray(home_lat, dtype=np.float64), geometries)
    index = StreetIndex(network)
    homes = index.attach(*network.plane.to_metres(home_lon, home_lat), max_snap_m=max_snap_m)
    doors = doors_on_streets(geometries, entrances, index=index, max_snap_m=max_snap_m)
    at = index.attach(doors.x, doors.y, max_snap_m=max_snap_m)
    walks = walks_within(
        network,
        at,
        doors.facility,
        homes,
        num_sources=len(facility_ids),
        limit_m=limit_m + _ROUNDS_DOWN_M,
        progress=progress,
    )
    nearest = nearest_sources(network, at, doors.facility, homes, num_sources=len(facility_ids))
    door_missing = np.bincount(doors.facility[~at.has_access], minlength=len(facility_ids))
    door_count = np.bincount(doors.facility, minlength=len(facility_ids))
    warnings = (
        *network.warnings,
        *_component_warnings(network, homes),
        *_named("homes without access: no street within", max_snap_m, ~homes.has_access, home_ids),
        *_named("facilities without access: no street within", max_snap_m, door_missing == door_count, facility_ids),
        *_named("facilities with some entrances off the streets by more than", max_snap_m,
                (door_missing > 0) & (door_missing < door_count), facility_ids),
        *_cut_off_warnings(homes, nearest.source, home_ids),
    )  # fmt: skip
    home, facility, walk_m = pairs_within(walks.place, walks.source, np.rint(walks.walk_m), limit_m)
    return walk_pairs_of(home, facility, walk_m, nearest=nearest.source, nearest_m=nearest.walk_m, warnings=warnings)


def named(ids: Sequence[str], chosen: NDArray[np.bool_]) -> str:
    """List the first ten ids that are chosen, and count the rest."""
    which = np.flatnonzero(chosen)
    shown = ", ".join(str(ids[i]) for i in which[:_NAMES_SHOWN])
    return shown if len(which) <= _NAMES_SHOWN else f"{shown} and {len(which) - _NAMES_SHOWN} more"


def _plane_of(lon: NDArray[np.float64], lat: NDArray[np.float64], geometries: Sequence[BaseGeometry]) -> LocalMetres:
    corners = shapely.get_coordinates(np.asarray(geometries, dtype=object))
    return local_metres(np.concatenate([lon, corners[:, 0]]), np.concatenate([lat, corners[:, 1]]))


def _straight_line_warning(factor: float) -> str:
    return f"no streets and no walks are given: walking distances are straight lines × {factor:g}"


def _named(what: str, max_snap_m: float, chosen: NDArray[np.bool_], ids: Sequence[str]) -> tuple[str, ...]:
    return (f"{what} {max_snap_m:g} m: {named(ids, chosen)} ({chosen.sum()} of {len(ids)})",) if chosen.any() else ()


def _component_warnings(network: WalkNetwork, homes: Attachments) -> tuple[str, ...]:
    if len(network.component_m) == 1:
        return ()
    share = network.component_m[0] / network.component_m.sum()
    on = homes.has_access
    aside = int((network.edge_component[homes.edge[on]] > 0).sum())
    islands = int((network.component_m[1:] < ISLAND_M).sum())
    said = (
        f"the walking network falls into {len(network.component_m)} separate parts "
        f"({islands} of them shorter than {ISLAND_M:g} m); the largest holds {share:.1%} of its length; "
        f"{aside} homes are on another"
    )
    return (said,)


def _cut_off_warnings(homes: Attachments, nearest: NDArray[np.int32], home_ids: Sequence[str]) -> tuple[str, ...]:
    cut_off = homes.has_access & (nearest == NO_FACILITY)
    if not cut_off.any():
        return ()
    who = f"{named(home_ids, cut_off)} ({cut_off.sum()} of {len(home_ids)})"
    return (f"homes on a part of the walking network without any facility: {who}",)
