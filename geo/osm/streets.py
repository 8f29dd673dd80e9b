"""The streets people walk on, read from an OpenStreetMap file with their topology."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import osmium
from numpy.typing import NDArray

from geo.errors import NetworkError
from geo.osm.foot import closed_on_foot
from geo.osm.source import open_map, reading, require_map_file


@dataclass(frozen=True, slots=True, eq=False)
class Streets:
    """
    W stretches of way that people may walk on, sharing N located nodes.

    A way of a clipped extract whose nodes are partly missing gives one stretch per unbroken run of located nodes,
    never a shortcut across the gap.
    """

    node_id: NDArray[np.int64]
    """(N,) OpenStreetMap node ids, ascending."""
    node_lon: NDArray[np.float64]
    node_lat: NDArray[np.float64]
    stretch_start: NDArray[np.int64]
    """(W + 1,) where each stretch begins in `stretch_node`."""
    stretch_node: NDArray[np.int32]
    """Indices into the nodes, in order along each stretch."""
    way_id: NDArray[np.int64]
    """(W,) OpenStreetMap way of each stretch; a clipped way appears more than once."""
    way_class: tuple[str, ...]
    """(W,) value of `highway`, `pedestrian` for the rim of a pedestrian area."""
    way_name: tuple[str | None, ...]
    closed: Mapping[str, int] = field(default_factory=dict)
    """Ways with a `highway` tag left out, counted by reason."""
    num_missing_nodes: int = 0
    """References of walkable ways to nodes that the extract does not hold."""
    num_lost_ways: int = 0
    """Walkable ways of which less than two neighbouring nodes are in the extract."""
    has_relations: bool = True

    def warnings(self) -> tuple[str, ...]:
        """Say in plain words what of the file is not in here."""
        said = []
        if self.closed:
            reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.closed.items()))
            said.append(f"streets: left out of the walking network: {reasons}")
        if self.num_missing_nodes:
            said.append(
                f"streets: the extract is clipped: {self.num_missing_nodes} nodes of walkable ways are not in it "
                f"({self.num_lost_ways} ways wholly); walks across its edge are not known"
            )
        if not self.has_relations:
            said.append(
                "streets: the file holds no relations; unless it was filtered down to ways, it may have been cut off "
                "between two blocks"
            )
        return tuple(said)


def read_streets(path: Path) -> Streets:
    """
    Read the pedestrian network of an `.osm` or `.osm.pbf` file.

    Raises
    ------
    MapFileError
        If the file cannot be read in full.
    NetworkError
        If it holds no way that people may walk on.
    """
    require_map_file(path)
    with reading(path):
        rims, has_relations = _pedestrian_area_members(path)
        gathered = _Gathered()
        # Filters run before Python sees an object: most of a map is nodes, and none is needed here.
        ways = open_map(path, osmium.osm.NODE | osmium.osm.WAY).with_locations().with_filter(_ways_only())
        for way in ways if rims else ways.with_filter(osmium.filter.KeyFilter("highway")):
            if not isinstance(way, osmium.osm.Way):
                continue
            tags = dict(way.tags)
            if "highway" not in tags and way.id not in rims:
                continue
            gathered.add(way, tags if way.id not in rims else {"highway": "pedestrian", **tags})
    streets = gathered.streets(has_relations=has_relations)
    if not len(streets.way_id):
        left_out = f" ({'; '.join(streets.warnings())})" if streets.warnings() else ""
        raise NetworkError(f"{path}: no street that people may walk on{left_out}")
    return streets


class _Gathered:
    """Stretches found so far."""

    def __init__(self) -> None:
        self.refs: list[int] = []
        self.lons: list[float] = []
        self.lats: list[float] = []
        self.starts: list[int] = [0]
        self.ways: list[tuple[int, str, str | None]] = []
        self.closed: Counter[str] = Counter()
        self.missing = 0
        self.lost = 0

    def add(self, way: osmium.osm.Way, tags: Mapping[str, str]) -> None:
        why = closed_on_foot(tags)
        if why is not None:
            self.closed[why.value] += 1
            return
        before = len(self.ways)
        run: list[tuple[int, float, float]] = []
        for node in way.nodes:
            location = node.location
            if location.valid():
                if not run or run[-1][0] != node.ref:
                    run.append((node.ref, location.lon, location.lat))
                continue
            self.missing += 1
            self._close(run, way.id, tags)
            run = []
        self._close(run, way.id, tags)
        self.lost += len(self.ways) == before

    def _close(self, run: list[tuple[int, float, float]], way_id: int, tags: Mapping[str, str]) -> None:
        if len(run) < 2:
            return
        for ref, lon, lat in run:
            self.refs.append(ref)
            self.lons.append(lon)
            self.lats.append(lat)
        self.starts.append(len(self.refs))
        self.ways.append((way_id, tags["highway"], tags.get("name")))

    def streets(self, *, has_relations: bool) -> Streets:
        node_id, first, index = np.unique(np.array(self.refs, dtype=np.int64), return_index=True, return_inverse=True)
        return Streets(
            node_id=node_id,
            node_lon=np.array(self.lons, dtype=np.float64)[first],
            node_lat=np.array(self.lats, dtype=np.float64)[first],
            stretch_start=np.array(self.starts, dtype=np.int64),
            stretch_node=index.astype(np.int32),
            way_id=np.array([way_id for way_id, _, _ in self.ways], dtype=np.int64),
            way_class=tuple(highway for _, highway, _ in self.ways),
            way_name=tuple(name for _, _, name in self.ways),
            closed=dict(self.closed),
            num_missing_nodes=self.missing,
            num_lost_ways=self.lost,
            has_relations=has_relations,
        )


def _ways_only() -> osmium.filter.EntityFilter:
    return osmium.filter.EntityFilter(osmium.osm.WAY)


def _pedestrian_area_members(path: Path) -> tuple[frozenset[int], bool]:
    """Find the ways that bound pedestrian areas drawn as multipolygons, and whether the file has any relation."""
    members: set[int] = set()
    found = False
    for relation in open_map(path, osmium.osm.RELATION):
        if not isinstance(relation, osmium.osm.Relation):
            continue
        found = True
        tags = dict(relation.tags)
        if tags.get("type") == "multipolygon" and "highway" in tags and closed_on_foot(tags) is None:
            members.update(member.ref for member in relation.members if member.type == "w")
    return frozenset(members), found
