"""Candidate facilities: places of a map whose bays might stand empty at night."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from geo.crs import LocalMetres, local_metres
from geo.kerb import bays_along
from geo.osm.features import Feature, MapFeatures
from geo.osm.homes import number_in

MINOR_ROADS = frozenset({"residential", "living_street", "unclassified", "tertiary"})
"""`highway` values that rules for night parking open: roads that are no arteries and no private drives."""

GROUND_M2_PER_BAY = 30.0
"""
Ground of a car park for each bay, aisles included: 2.5 × 5 m of bay and as much again for getting in (our
assumption).
"""

PARK_SHARE_UNDERGROUND = 0.1
"""Share of a park that a garage under it takes up (our assumption; 130 bays for the 38,500 m² of Jiangpu Park)."""

OFFICE_BAYS_PER_100_M2 = 0.6
"""
Bays an office building has for each 100 m² of its floor (our assumption, at the low end of what building codes ask
for).
"""

OFFICE_LEVELS = 6.0
"""Storeys assumed for an office building without levels (our assumption)."""

SMALLEST_PARK_M2 = 2000.0
"""Below, a green is a pocket park: nobody builds a garage under it (our assumption)."""

SHORTEST_ROAD_M = 30.0
"""Below, hardly any bay is left between the junctions at both ends (two clearances of 10 m)."""

ENTRANCE_REACH_M = 60.0
"""How far a parking entrance may be from the car park it belongs to (our assumption)."""

BAYS_UNKNOWN = 20
"""
Bays assumed for a car park drawn as a point without capacity: the low end of what cities open per facility (20 to
60).
"""

_NO_PARKING = frozenset({"no", "no_parking", "no_stopping", "no_standing", "fire_lane"})
_PARKING_SIDES = ("both", "left", "right")
_OFFICE_BUILDINGS = frozenset({"office", "commercial"})


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A place with bays that might be shared, in WGS 84."""

    id: str
    kind: str
    """`park_garage`, `office_tower`, `public_car_park` or `off_peak_road`."""
    name: str | None
    geometry: BaseGeometry
    bays: int
    """How many bays the place may have; never below one."""
    bays_from: str
    """`capacity` where mapped, else what the estimate rests on."""
    underground: bool = False
    access: str | None = None
    """The `access` tag, as in `private` or `customers`."""
    max_height_m: float | None = None
    entrances: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Candidates in order of the file, and the places that were looked at and left out."""

    candidates: tuple[Candidate, ...]
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Reason → ids."""


def find_candidates(features: MapFeatures) -> Candidates:
    """
    Find car parks, offices, parks and minor roads among the features of a map.

    Entrances of car parks go to the nearest car park within `ENTRANCE_REACH_M`; those without one stand for a garage
    that is not drawn.
    """
    everything = (*features.points, *features.lines, *features.areas)
    if not everything:
        return Candidates(())
    corners = shapely.get_coordinates([item.geometry for item in everything])
    plane = local_metres(corners[:, 0], corners[:, 1])
    left_out: dict[str, list[str]] = {}
    parks = [area for area in features.areas if area.tags.get("leisure") == "park"]
    car_parks = [
        car_park
        for item in everything
        if _is_car_park(item.tags) and (car_park := _car_park(item, parks, plane=plane, left_out=left_out)) is not None
    ]
    entrances = [item for item in features.points if item.tags.get("amenity") == "parking_entrance"]
    found = [
        *_with_entrances(car_parks, entrances, plane=plane),
        *(_office(area, plane=plane) for area in features.areas if _is_office(area.tags)),
        *_parks(parks, plane=plane, left_out=left_out),
        *_roads(features.lines, plane=plane, left_out=left_out),
    ]
    for item in everything:
        if item.tags.get("amenity") == "parking_space":
            left_out.setdefault("single bays (amenity=parking_space)", []).append(item.osm_id)
    # A park that is also tagged as a car park is one place: what was found first stands for it.
    places = {candidate.id: candidate for candidate in reversed(found)}
    unique = tuple(candidate for candidate in found if places[candidate.id] is candidate)
    return Candidates(unique, {reason: tuple(ids) for reason, ids in left_out.items()})


def _is_car_park(tags: Mapping[str, str]) -> bool:
    if "amenity" in tags:
        return "parking" in tags["amenity"].split(";")
    drawn_by_form_only = "parking" in tags and "highway" not in tags
    return drawn_by_form_only or tags.get("building") == "parking"


def _car_park(
    item: Feature, parks: Sequence[Feature], *, plane: LocalMetres, left_out: dict[str, list[str]]
) -> Candidate | None:
    tags = item.tags
    if tags.get("access") == "no":
        left_out.setdefault("car parks closed to everybody", []).append(item.osm_id)
        return None
    form = tags.get("parking", "")
    underground = form == "underground" or tags.get("location") == "underground"
    under_park = underground and any(shapely.intersects(park.geometry, item.geometry) for park in parks)
    if form in ("street_side", "lane", "on_kerb", "half_on_kerb"):
        kind = "off_peak_road"
    else:
        kind = "park_garage" if under_park else "public_car_park"
    bays, bays_from = _bays_of_car_park(tags, plane.project(item.geometry).area)
    return Candidate(
        id=item.osm_id,
        kind=kind,
        name=item.name,
        geometry=item.geometry,
        bays=bays,
        bays_from=bays_from,
        underground=underground,
        access=tags.get("access"),
        max_height_m=number_in(tags.get("maxheight")),
    )


def _bays_of_car_park(tags: Mapping[str, str], ground_m2: float) -> tuple[int, str]:
    capacity = number_in(tags.get("capacity"))
    if capacity is not None and capacity >= 1:
        return round(capacity), "capacity"
    if ground_m2 == 0:
        return BAYS_UNKNOWN, "assumed"
    levels = number_in(tags.get("building:levels") or tags.get("parking:levels")) or 1.0
    return max(1, round(ground_m2 * levels / GROUND_M2_PER_BAY)), "ground"


def _with_entrances(
    car_parks: Sequence[Candidate], entrances: Sequence[Feature], *, plane: LocalMetres
) -> list[Candidate]:
    if not entrances:
        return list(car_parks)
    doors: list[list[tuple[float, float]]] = [[] for _ in car_parks]
    lonely = set(range(len(entrances)))
    if car_parks:
        shapes = plane.project_all([car_park.geometry for car_park in car_parks])
        places = plane.project_all([entrance.geometry for entrance in entrances])
        entrance, car_park = shapely.STRtree(shapes).query_nearest(
            places, max_distance=ENTRANCE_REACH_M, all_matches=False
        )
        for one, nearest in zip(entrance.tolist(), car_park.tolist(), strict=True):
            point = shapely.get_coordinates(entrances[one].geometry)[0]
            doors[nearest].append((float(point[0]), float(point[1])))
            lonely.discard(one)
    joined = [replace(car_park, entrances=tuple(door)) for car_park, door in zip(car_parks, doors, strict=True)]
    return [*joined, *(_undrawn_garage(entrances[one]) for one in sorted(lonely))]


def _undrawn_garage(entrance: Feature) -> Candidate:
    return Candidate(
        id=entrance.osm_id,
        kind="public_car_park",
        name=entrance.name,
        geometry=entrance.geometry,
        bays=BAYS_UNKNOWN,
        bays_from="assumed",
        underground=entrance.tags.get("parking") == "underground",
        access=entrance.tags.get("access"),
        max_height_m=number_in(entrance.tags.get("maxheight")),
    )


def _is_office(tags: Mapping[str, str]) -> bool:
    return tags.get("building") in _OFFICE_BUILDINGS or ("office" in tags and tags.get("building", "no") != "no")


def _office(area: Feature, *, plane: LocalMetres) -> Candidate:
    levels = number_in(area.tags.get("building:levels"))
    floor_m2 = plane.project(area.geometry).area * (levels or OFFICE_LEVELS)
    return Candidate(
        id=area.osm_id,
        kind="office_tower",
        name=area.name,
        geometry=area.geometry,
        bays=max(1, round(floor_m2 / 100 * OFFICE_BAYS_PER_100_M2)),
        bays_from="floor" if levels else "assumed floor",
        underground=True,
    )


def _parks(parks: Sequence[Feature], *, plane: LocalMetres, left_out: dict[str, list[str]]) -> list[Candidate]:
    found = []
    for park in parks:
        ground_m2 = plane.project(park.geometry).area
        if ground_m2 < SMALLEST_PARK_M2:
            left_out.setdefault(f"parks smaller than {SMALLEST_PARK_M2:g} m²", []).append(park.osm_id)
            continue
        bays = max(1, round(ground_m2 * PARK_SHARE_UNDERGROUND / GROUND_M2_PER_BAY))
        found.append(
            Candidate(
                id=park.osm_id,
                kind="park_garage",
                name=park.name,
                geometry=park.geometry,
                bays=bays,
                bays_from="ground",
                underground=True,
            )
        )
    return found


def _roads(lines: Sequence[Feature], *, plane: LocalMetres, left_out: dict[str, list[str]]) -> list[Candidate]:
    driven = [line for line in lines if "highway" in line.tags]
    minor = [line for line in driven if line.tags["highway"] in MINOR_ROADS]
    junctions = _Junctions(driven, plane=plane)
    found = []
    for road in minor:
        why, bays = _kerb_bays(road, junctions, plane=plane)
        if why is not None:
            left_out.setdefault(why, []).append(road.osm_id)
            continue
        found.append(
            Candidate(
                id=road.osm_id,
                kind="off_peak_road",
                name=road.name,
                geometry=road.geometry,
                bays=bays,
                bays_from="kerb",
                access=road.tags.get("access"),
            )
        )
    return found


def _kerb_bays(road: Feature, junctions: _Junctions, *, plane: LocalMetres) -> tuple[str | None, int]:
    """Count the bays along one side of a road, or say why there are none."""
    tags = road.tags
    if tags.get("tunnel", "no") != "no" or tags.get("bridge", "no") != "no":
        return "roads in tunnels or on bridges", 0
    if tags.get("access") == "no":
        return "roads closed to everybody", 0
    # One side is enough: it is left out only where parking is forbidden on both.
    said = [tags.get(f"parking:{side}", tags.get(f"parking:lane:{side}")) for side in _PARKING_SIDES]
    if said[0] in _NO_PARKING or (said[1] in _NO_PARKING and said[2] in _NO_PARKING):
        return "roads where parking is forbidden", 0
    line = plane.project(road.geometry)
    if line.length < SHORTEST_ROAD_M:
        return f"roads shorter than {SHORTEST_ROAD_M:g} m", 0
    bays = sum(
        len(bays_along(part, junctions=junctions.on(part))) for part in shapely.get_parts(line) if part.length > 0
    )
    return (None, bays) if bays else ("roads without room for a bay between their junctions", 0)


class _Junctions:
    """Points that two drivable ways share."""

    def __init__(self, ways: Sequence[Feature], *, plane: LocalMetres) -> None:
        on_foot = ("footway", "steps", "path", "pedestrian", "cycleway", "platform", "corridor", "bridleway")
        driven = [way.geometry for way in ways if way.tags["highway"] not in on_foot]
        corners = shapely.get_coordinates(driven)
        _, first, count = np.unique(corners, axis=0, return_index=True, return_counts=True)
        self._points = plane.points(*corners[first[count > 1]].T)
        self._tree = shapely.STRtree(self._points)

    def on(self, line: BaseGeometry) -> list[shapely.Point]:
        return [self._points[i] for i in sorted(self._tree.query(line, predicate="dwithin", distance=0.5))]
