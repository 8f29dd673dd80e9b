from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol
from xml.sax.saxutils import quoteattr

import pytest

from geo.crs import LocalMetres

PLANE = LocalMetres(121.5, 31.28)
"""Small maps are drawn in metres around this point of Shanghai."""

Tags = Mapping[str, str]


class DrawMap(Protocol):
    def __call__(
        self,
        nodes: Mapping[int, tuple[float, float]],
        ways: Sequence[tuple[int, Sequence[int], Tags]] = (),
        *,
        points: Mapping[int, Tags] | None = None,
        relations: Sequence[tuple[int, Sequence[tuple[str, int, str]], Tags]] = (),
        name: str = "map.osm",
    ) -> Path: ...


@pytest.fixture
def draw_map(tmp_path: Path) -> DrawMap:
    """Write an OSM file whose nodes are given in metres; ways may refer to nodes that are not in it."""

    def draw(
        nodes: Mapping[int, tuple[float, float]],
        ways: Sequence[tuple[int, Sequence[int], Tags]] = (),
        *,
        points: Mapping[int, Tags] | None = None,
        relations: Sequence[tuple[int, Sequence[tuple[str, int, str]], Tags]] = (),
        name: str = "map.osm",
    ) -> Path:
        lines = ["<?xml version='1.0' encoding='utf-8'?>", '<osm version="0.6">']
        for node, (x, y) in sorted(nodes.items()):
            lon, lat = PLANE.to_degrees(x, y)
            said = _tags((points or {}).get(node, {}))
            lines.append(f'<node id="{node}" version="1" lon="{float(lon):.9f}" lat="{float(lat):.9f}">{said}</node>')
        for way, refs, tags in sorted(ways, key=lambda way: way[0]):
            members = "".join(f'<nd ref="{ref}"/>' for ref in refs)
            lines.append(f'<way id="{way}" version="1">{members}{_tags(tags)}</way>')
        for relation, of, tags in relations:
            members = "".join(f'<member type="{kind}" ref="{ref}" role="{role}"/>' for kind, ref, role in of)
            lines.append(f'<relation id="{relation}" version="1">{members}{_tags(tags)}</relation>')
        path = tmp_path / name
        path.write_text("\n".join([*lines, "</osm>"]), encoding="utf-8")
        return path

    return draw


@pytest.fixture(scope="session")
def siping() -> Path:
    return Path(__file__).parents[2] / "api" / "samples" / "data" / "siping.osm.pbf"


@pytest.fixture(scope="session")
def monaco() -> Path:
    return Path(__file__).parent / "data" / "monaco.osm.pbf"


def _tags(tags: Tags) -> str:
    return "".join(f"<tag k={quoteattr(key)} v={quoteattr(value)}/>" for key, value in tags.items())
