from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geo.network import build_network
from geo.osm.streets import read_streets
from tests.geo.conftest import DrawMap

FOOT = {"highway": "footway"}


def test_streets_are_cut_where_they_meet_and_keep_their_shape(draw_map: DrawMap) -> None:
    # 1 ── 2 ── 3 with a bend at 2 that nobody else touches, and 3 ── 4, 5 ── 3 ── 6 meeting at 3.
    nodes = {1: (0.0, 0.0), 2: (30.0, 40.0), 3: (60.0, 0.0), 4: (160.0, 0.0), 5: (60.0, -50.0), 6: (60.0, 50.0)}
    network = build_network(
        read_streets(draw_map(nodes, [(1, [1, 2, 3], FOOT), (2, [3, 4], FOOT), (3, [5, 3, 6], FOOT)]))
    )
    assert network.num_nodes == 5
    assert sorted(network.edge_m.round(3)) == pytest.approx([50, 50, 100, 100], abs=0.1)
    bent = int(np.argmax([len(shape.coords) for shape in network.edge_shape]))
    assert len(network.edge_shape[bent].coords) == 3
    assert network.edge_m[bent] == pytest.approx(100, abs=0.1)


def test_ways_that_cross_without_a_common_node_do_not_meet(draw_map: DrawMap) -> None:
    nodes = {1: (-50.0, 0.0), 2: (50.0, 0.0), 3: (0.0, -50.0), 4: (0.0, 50.0)}
    network = build_network(read_streets(draw_map(nodes, [(1, [1, 2], FOOT), (2, [3, 4], {**FOOT, "bridge": "yes"})])))
    assert len(network.component_m) == 2


def test_components_are_numbered_from_the_longest(draw_map: DrawMap) -> None:
    nodes = {1: (0.0, 0.0), 2: (10.0, 0.0), 3: (0.0, 500.0), 4: (300.0, 500.0)}
    network = build_network(read_streets(draw_map(nodes, [(1, [1, 2], FOOT), (2, [3, 4], FOOT)])))
    assert network.component_m == pytest.approx([300, 10], abs=0.1)
    short = network.edge_m < 100
    assert network.edge_component[short].tolist() == [1]


def test_a_closed_way_that_touches_nothing_is_one_loop(draw_map: DrawMap) -> None:
    nodes = {1: (0.0, 0.0), 2: (50.0, 0.0), 3: (50.0, 50.0), 4: (0.0, 50.0)}
    network = build_network(read_streets(draw_map(nodes, [(1, [1, 2, 3, 4, 1], FOOT)])))
    assert (network.num_nodes, network.num_edges) == (1, 1)
    assert network.edge_m[0] == pytest.approx(200, abs=0.1)
    assert network.neighbour.tolist() == [0]


def test_both_streets_between_two_crossings_are_kept(draw_map: DrawMap) -> None:
    nodes = {1: (0.0, 0.0), 2: (100.0, 0.0), 3: (50.0, 60.0)}
    network = build_network(read_streets(draw_map(nodes, [(1, [1, 2], FOOT), (2, [1, 3, 2], FOOT)])))
    assert (network.num_nodes, network.num_edges) == (2, 2)
    assert len(network.neighbour) == 4


def test_the_adjacency_of_siping_is_symmetric_and_has_the_length_of_its_streets(siping: Path) -> None:
    network = build_network(read_streets(siping))
    tail = np.repeat(np.arange(network.num_nodes), np.diff(network.first))
    there = {(a, b, round(float(m), 3)) for a, b, m in zip(tail, network.neighbour, network.step_m, strict=True)}
    assert there == {(b, a, m) for a, b, m in there}
    # About 30 km of walkable streets.
    assert 25_000 < network.edge_m.sum() < 35_000
    assert network.component_m[0] / network.component_m.sum() > 0.9
    assert len(network.component_m) == 7
