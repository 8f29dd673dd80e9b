"""Homes: the residential buildings of a map, each with an estimate of its households."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.crs import local_metres
from geo.osm.features import Feature, MapFeatures

DEFAULT_LEVELS: Mapping[str, float] = {
    "apartments": 6.0,
    "dormitory": 6.0,
    "residential": 4.0,
    "house": 2.0,
    "detached": 2.0,
    "semidetached_house": 2.0,
    "terrace": 2.0,
    "bungalow": 1.0,
    "farm": 2.0,
    "static_caravan": 1.0,
    "houseboat": 1.0,
    "yes": 3.0,
}
"""
Residential values of `building` and the storeys assumed where neither levels nor height are mapped.

Six is the walk-up block of Chinese estates (GB 50096 asks for a lift from seven storeys on); the rest are our
reading of what such buildings are. `yes` counts only on residential land.
"""

ONE_HOUSEHOLD = frozenset(
    {"house", "detached", "semidetached_house", "bungalow", "farm", "static_caravan", "houseboat"}
)
"""Buildings that hold one household however large they are."""

FLOOR_M2_PER_HOUSEHOLD = 110.0
"""Gross floor a household takes: 41.8 m² a person × 2.62 persons a household (China's census of 2020)."""

LEVEL_HEIGHT_M = 3.0
"""Metres from floor to floor in housing."""

SMALLEST_HOME_M2 = 20.0
"""Footprints below are sheds and gatehouses, unless tagged as dwellings."""

_OTHER_USE = ("amenity", "shop", "office", "tourism", "leisure", "man_made", "public_transport", "power", "healthcare")
"""Tags that say what a `building=yes` on residential land is used for instead."""


class CountedFrom(StrEnum):
    """What the number of households rests on, from best to worst."""

    FLATS = "flats"
    KIND = "kind of building"
    LEVELS = "levels and area"
    HEIGHT = "height and area"
    DEFAULT = "assumed levels and area"


@dataclass(frozen=True, slots=True)
class Home:
    """A residential building in WGS 84, at a point inside it."""

    id: str
    lon: float
    lat: float
    name: str | None
    estate: str | None
    """Name of the residential area it stands in, else its street."""
    households: int
    counted_from: CountedFrom


@dataclass(frozen=True, slots=True)
class Homes:
    """Homes in order of the file, and the buildings that were looked at and left out."""

    homes: tuple[Home, ...]
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Reason → ids."""


def find_homes(features: MapFeatures) -> Homes:
    """
    Find the residential buildings among the features of a map.

    A building counts by its tag, or as `building=yes` on `landuse=residential` unless another tag gives it a use.
    Households are `building:flats` where mapped, one for a detached house, else storeys × footprint /
    `FLOOR_M2_PER_HOUSEHOLD`.
    """
    estates = [area for area in features.areas if area.tags.get("landuse") == "residential"]
    buildings = [item for item in (*features.areas, *features.points) if item.tags.get("building", "no") != "no"]
    if not buildings:
        return Homes(())
    inside = np.asarray(shapely.point_on_surface([item.geometry for item in buildings]), dtype=object)
    estate_of = _smallest_around(inside, estates)
    area_m2 = _areas_m2(buildings)
    left_out: dict[str, list[str]] = {}
    homes: list[Home] = []
    for item, point, estate, size_m2 in zip(buildings, inside, estate_of, area_m2, strict=True):
        why = _why_not_home(item.tags, on_estate=estate is not None, size_m2=size_m2)
        if why is not None:
            left_out.setdefault(why, []).append(item.osm_id)
            continue
        households, counted_from = estimate_households(item.tags, size_m2=size_m2)
        homes.append(
            Home(
                id=item.osm_id,
                lon=point.x,
                lat=point.y,
                name=item.name or _address(item.tags),
                estate=(estate.name if estate else None) or item.tags.get("addr:street"),
                households=households,
                counted_from=counted_from,
            )
        )
    return Homes(tuple(homes), {reason: tuple(ids) for reason, ids in left_out.items()})


def estimate_households(tags: Mapping[str, str], *, size_m2: float) -> tuple[int, CountedFrom]:
    """Estimate the households of a building with a footprint of `size_m2`; at least one."""
    flats = number_in(tags.get("building:flats") or tags.get("addr:flats_count"))
    if flats is not None and flats >= 1:
        return round(flats), CountedFrom.FLATS
    kind = tags["building"]
    if kind in ONE_HOUSEHOLD:
        return 1, CountedFrom.KIND
    levels = number_in(tags.get("building:levels"))
    height_m = number_in(tags.get("height") or tags.get("building:height"))
    if levels is not None and levels > 0:
        counted_from = CountedFrom.LEVELS
    elif height_m is not None and height_m > 0:
        levels, counted_from = max(1.0, height_m // LEVEL_HEIGHT_M), CountedFrom.HEIGHT
    else:
        levels, counted_from = DEFAULT_LEVELS.get(kind, DEFAULT_LEVELS["yes"]), CountedFrom.DEFAULT
    return max(1, round(levels * size_m2 / FLOOR_M2_PER_HOUSEHOLD)), counted_from


def number_in(text: str | None) -> float | None:
    """Read the largest number of a tag's value such as `6`, `5;6` or `21.5 m`; None where there is none."""
    found = re.findall(r"\d+(?:[.,]\d+)?", text or "")
    return max(float(number.replace(",", ".")) for number in found) if found else None


def _why_not_home(tags: Mapping[str, str], *, on_estate: bool, size_m2: float) -> str | None:
    kind = tags["building"]
    if kind not in DEFAULT_LEVELS:
        return "not residential by their tag"
    if kind != "yes":
        return None
    if not on_estate:
        return "of no stated use, not on residential land"
    if any(key in tags for key in _OTHER_USE):
        return "of another use on residential land"
    return f"smaller than {SMALLEST_HOME_M2:g} m² on residential land" if size_m2 < SMALLEST_HOME_M2 else None


def _smallest_around(points: NDArray[np.object_], areas: Sequence[Feature]) -> list[Feature | None]:
    """Find for each point the smallest area around it, preferring areas with a name."""
    found: list[Feature | None] = [None] * len(points)
    if not areas:
        return found
    rank = sorted(range(len(areas)), key=lambda i: (areas[i].name is None, areas[i].geometry.area))
    tree = shapely.STRtree([areas[i].geometry for i in rank])
    point, area = tree.query(points, predicate="within")
    for at in np.lexsort((area, point))[::-1]:
        found[point[at]] = areas[rank[area[at]]]
    return found


def _areas_m2(items: Sequence[Feature]) -> NDArray[np.float64]:
    shapes = np.array([item.geometry for item in items], dtype=object)
    corners = shapely.get_coordinates(shapes)
    return np.asarray(shapely.area(local_metres(corners[:, 0], corners[:, 1]).project_all(shapes)))


def _address(tags: Mapping[str, str]) -> str | None:
    parts = [tags[key] for key in ("addr:street", "addr:housenumber") if key in tags]
    return " ".join(parts) or None
