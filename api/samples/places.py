"""Where a sample lies: country and time zone of the places the project brings data of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A place that is known by its coordinates."""

    name: str
    country: str
    timezone: str
    box: tuple[float, float, float, float]
    """(min_lon, min_lat, max_lon, max_lat) in WGS 84 degrees."""


PLACES = (
    Place("Siping Road, Shanghai", "CN", "Asia/Shanghai", (120.85, 30.67, 122.2, 31.9)),
    Place("Monaco", "MC", "Europe/Monaco", (7.40, 43.71, 7.46, 43.76)),
    Place("Singapore", "SG", "Asia/Singapore", (103.6, 1.15, 104.1, 1.48)),
)
"""Boxes are drawn so that no other country's land lies in them, except a strip of France around Monaco."""


def find_place(lons: Sequence[float], lats: Sequence[float]) -> Place | None:
    """Find the known place in which all points lie."""
    for place in PLACES:
        west, south, east, north = place.box
        if all(west <= lon <= east for lon in lons) and all(south <= lat <= north for lat in lats):
            return place
    return None
