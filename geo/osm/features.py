"""Everything of an OpenStreetMap file that has a shape and matters for homes, facilities and the base map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import osmium
import shapely
from shapely.geometry.base import BaseGeometry

from geo.osm.source import open_map, reading, require_map_file

KEYS = ("building", "amenity", "parking", "landuse", "leisure", "office", "highway", "natural", "waterway")
"""An object without any of these tags is not looked at."""

_LINES = ("highway", "waterway")
"""Tags that make a closed way a line all the same, unless it says `area=yes`."""

_NAMES_SHOWN = 10


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """One object of the map with its shape in WGS 84."""

    osm_id: str
    """`n`, `w` or `r` and the number, as in `w1234`."""
    tags: Mapping[str, str]
    geometry: BaseGeometry

    @property
    def name(self) -> str | None:
        """The `name` tag."""
        return self.tags.get("name")


@dataclass(frozen=True, slots=True, eq=False)
class MapFeatures:
    """Features by kind of shape, in order of the file, and what could not be read."""

    points: tuple[Feature, ...]
    lines: tuple[Feature, ...]
    areas: tuple[Feature, ...]
    dropped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Reason → ids of the objects that have no shape for it."""

    def warnings(self) -> tuple[str, ...]:
        """Say in plain words which objects of the file are not in here."""
        return tuple(
            f"map: {len(ids)} {reason}: {', '.join(ids[:_NAMES_SHOWN])}"
            + (f" and {len(ids) - _NAMES_SHOWN} more" if len(ids) > _NAMES_SHOWN else "")
            for reason, ids in sorted(self.dropped.items())
        )


def read_features(path: Path) -> MapFeatures:
    """
    Read the shapes of an `.osm` or `.osm.pbf` file, multipolygon relations included.

    Raises
    ------
    MapFileError
        If the file cannot be read in full.
    """
    require_map_file(path)
    gathered = _Gathered()
    with reading(path):
        for item in open_map(path).with_areas().with_filter(osmium.filter.KeyFilter(*KEYS)):
            gathered.add(item)
    return gathered.features()


class _Gathered:
    """Shapes found so far, and areas announced whose shape has not come yet."""

    def __init__(self) -> None:
        self.points: list[Feature] = []
        self.lines: list[Feature] = []
        self.areas: list[Feature] = []
        self.awaited: dict[str, str] = {}
        self.dropped: dict[str, list[str]] = {}
        self.seen: Counter[str] = Counter()
        self._wkb = osmium.geom.WKBFactory()

    def add(self, item: object) -> None:
        if isinstance(item, osmium.osm.Node):
            self._add_node(item)
        elif isinstance(item, osmium.osm.Way):
            self._add_way(item)
        elif isinstance(item, osmium.osm.Relation):
            if item.tags.get("type") == "multipolygon" and _matters(item.tags):
                self.awaited[f"r{item.id}"] = "multipolygons with missing members or a broken outline"
        elif isinstance(item, osmium.osm.Area):
            self._add_area(item)

    def features(self) -> MapFeatures:
        drawn = {feature.osm_id for feature in self.areas}
        for osm_id, reason in self.awaited.items():
            if osm_id not in drawn:
                self.dropped.setdefault(reason, []).append(osm_id)
        return MapFeatures(
            points=tuple(self.points),
            lines=tuple(self.lines),
            areas=tuple(self.areas),
            dropped={reason: tuple(ids) for reason, ids in self.dropped.items()},
        )

    def _add_node(self, node: osmium.osm.Node) -> None:
        if not _matters(node.tags):
            return
        if not node.location.valid():
            self.dropped.setdefault("points without a place", []).append(f"n{node.id}")
            return
        point = shapely.Point(node.location.lon, node.location.lat)
        self.points.append(Feature(f"n{node.id}", dict(node.tags), point))

    def _add_way(self, way: osmium.osm.Way) -> None:
        if not _matters(way.tags):
            return
        tags, osm_id = dict(way.tags), f"w{way.id}"
        if not _is_line(tags):
            self.awaited[osm_id] = "areas with missing nodes or a broken outline"
            return
        runs: list[list[tuple[float, float]]] = [[]]
        for node in way.nodes:
            if node.location.valid():
                runs[-1].append((node.location.lon, node.location.lat))
            elif runs[-1]:
                runs.append([])
        parts = [run for run in runs if len(run) > 1]
        if not parts:
            self.dropped.setdefault("lines with less than two nodes in the extract", []).append(osm_id)
            return
        geometry = shapely.LineString(parts[0]) if len(parts) == 1 else shapely.MultiLineString(parts)
        self.lines.append(Feature(osm_id, tags, geometry))

    def _add_area(self, area: osmium.osm.Area) -> None:
        osm_id = f"{'w' if area.from_way() else 'r'}{area.orig_id()}"
        if osm_id not in self.awaited:
            return
        geometry = shapely.from_wkb(self._wkb.create_multipolygon(area))
        parts = shapely.get_parts(geometry)
        self.areas.append(Feature(osm_id, dict(area.tags), parts[0] if len(parts) == 1 else geometry))


def _matters(tags: osmium.osm.TagList) -> bool:
    return any(key in tags for key in KEYS)


def _is_line(tags: Mapping[str, str]) -> bool:
    return any(key in tags for key in _LINES) and tags.get("area") != "yes" and tags.get("waterway") != "riverbank"
