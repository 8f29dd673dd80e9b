from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geo.errors import NetworkError
from geo.osm.foot import Closed, closed_on_foot
from geo.osm.streets import read_streets
from tests.geo.conftest import DrawMap

LINE = {1: (0.0, 0.0), 2: (100.0, 0.0), 3: (200.0, 0.0), 4: (300.0, 0.0), 5: (400.0, 0.0)}


@pytest.mark.parametrize(
    "tags",
    [
        {"highway": "footway"},
        {"highway": "residential"},
        {"highway": "steps"},
        {"highway": "primary", "sidewalk": "no"},
        {"highway": "cycleway"},
        {"highway": "trunk", "sidewalk": "both"},
        {"highway": "trunk", "foot": "yes"},
        {"highway": "service", "access": "private", "foot": "yes"},
        {"highway": "footway", "access": "customers"},
        {"highway": "corridor", "indoor": "yes", "foot": "designated"},
        {"highway": "footway", "indoor": "no"},
    ],
)
def test_people_walk_here(tags: dict[str, str]) -> None:
    assert closed_on_foot(tags) is None


@pytest.mark.parametrize(
    ("tags", "why"),
    [
        ({"highway": "motorway"}, Closed.NOT_FOR_PEDESTRIANS),
        ({"highway": "trunk"}, Closed.NOT_FOR_PEDESTRIANS),
        ({"highway": "primary", "motorroad": "yes"}, Closed.NOT_FOR_PEDESTRIANS),
        ({"highway": "raceway"}, Closed.NOT_FOR_PEDESTRIANS),
        ({"highway": "construction", "construction": "residential"}, Closed.UNFINISHED),
        ({"highway": "proposed"}, Closed.UNFINISHED),
        ({"highway": "service", "access": "private"}, Closed.NO_ACCESS),
        ({"highway": "residential", "foot": "no"}, Closed.NO_ACCESS),
        ({"highway": "cycleway", "foot": "no"}, Closed.NO_ACCESS),
        ({"highway": "secondary", "foot": "use_sidepath"}, Closed.NO_ACCESS),
        ({"highway": "corridor"}, Closed.INDOOR),
        ({"highway": "footway", "indoor": "yes"}, Closed.INDOOR),
    ],
)
def test_nobody_walks_here(tags: dict[str, str], why: Closed) -> None:
    assert closed_on_foot(tags) is why


def test_what_is_closed_is_counted_by_reason(draw_map: DrawMap) -> None:
    streets = read_streets(
        draw_map(
            LINE,
            [
                (1, [1, 2], {"highway": "residential", "name": "Miyun Road"}),
                (2, [2, 3], {"highway": "motorway"}),
                (3, [3, 4], {"highway": "motorway"}),
                (4, [4, 5], {"highway": "footway", "access": "private"}),
                (5, [1, 5], {"building": "yes"}),
            ],
        )
    )
    assert streets.way_id.tolist() == [1]
    assert streets.way_class == ("residential",)
    assert streets.way_name == ("Miyun Road",)
    assert streets.closed == {Closed.NOT_FOR_PEDESTRIANS.value: 2, Closed.NO_ACCESS.value: 1}
    assert "2 not for people on foot" in streets.warnings()[0]


def test_a_clipped_way_is_cut_at_its_missing_nodes_and_never_bridged(draw_map: DrawMap) -> None:
    nodes = {ref: place for ref, place in LINE.items() if ref != 3}
    streets = read_streets(draw_map(nodes, [(1, [1, 2, 3, 4, 5], {"highway": "footway"})]))
    assert streets.way_id.tolist() == [1, 1]
    stretches = np.split(streets.node_id[streets.stretch_node], streets.stretch_start[1:-1])
    assert [stretch.tolist() for stretch in stretches] == [[1, 2], [4, 5]]
    assert streets.num_missing_nodes == 1
    assert any("clipped: 1 nodes" in warning for warning in streets.warnings())


def test_a_way_wholly_outside_the_extract_is_counted(draw_map: DrawMap) -> None:
    streets = read_streets(
        draw_map(LINE, [(1, [1, 2], {"highway": "footway"}), (2, [5, 90, 91], {"highway": "footway"})])
    )
    assert streets.way_id.tolist() == [1]
    assert (streets.num_missing_nodes, streets.num_lost_ways) == (2, 1)


def test_the_rim_of_a_pedestrian_area_is_walkable_also_when_only_its_relation_says_so(draw_map: DrawMap) -> None:
    square = {1: (0.0, 0.0), 2: (50.0, 0.0), 3: (50.0, 50.0), 4: (0.0, 50.0)}
    streets = read_streets(
        draw_map(
            square,
            [(1, [1, 2, 3], {}), (2, [3, 4, 1], {})],
            relations=[
                (7, [("way", 1, "outer"), ("way", 2, "outer")], {"type": "multipolygon", "highway": "pedestrian"})
            ],
        )
    )
    assert streets.way_id.tolist() == [1, 2]
    assert set(streets.way_class) == {"pedestrian"}


def test_a_map_without_walkable_streets_is_refused_with_what_was_left_out(draw_map: DrawMap) -> None:
    path = draw_map(LINE, [(1, [1, 2], {"highway": "motorway"})])
    with pytest.raises(NetworkError, match=r"no street that people may walk on .*1 not for people on foot"):
        read_streets(path)


def test_the_real_siping_streets_are_read(siping: Path) -> None:
    streets = read_streets(siping)
    assert len(streets.way_id) > 150
    assert np.all(np.diff(streets.node_id) > 0)
    assert streets.num_missing_nodes == 0
