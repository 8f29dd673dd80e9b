"""Walks against scipy's Dijkstra on a graph in which every door and place is a node of its own."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from geo.crs import LocalMetres
from geo.network import WalkNetwork, build_network, graph_of
from geo.osm.streets import read_streets
from geo.snap import Attachments, StreetIndex
from geo.walk import nearest_sources, walks_within

WITHIN_M = 0.05
"""Steps are kept in single precision; the target is 1 m."""


def true_walks(network: WalkNetwork, doors: Attachments, places: Attachments) -> NDArray[np.float64]:
    """(D, P) shortest metres by scipy: edges are cut at every door and place, joined by its access leg."""
    at = [(doors, i) for i in range(len(doors.edge))] + [(places, i) for i in range(len(places.edge))]
    links: dict[tuple[int, int], float] = {}

    def link(a: int, b: int, metres: float) -> None:
        # scipy takes a stored zero for no link; a micrometre is none to anybody.
        for ends in ((a, b), (b, a)):
            links[ends] = min(links.get(ends, np.inf), max(metres, 1e-6))

    cuts: dict[int, list[tuple[float, int]]] = {}
    for number, (group, i) in enumerate(at):
        if group.edge[i] >= 0:
            foot = network.num_nodes + 2 * number
            cuts.setdefault(int(group.edge[i]), []).append((float(group.along_m[i]), foot))
            link(foot, foot + 1, float(group.access_m[i]))
    for edge in range(network.num_edges):
        chain = [
            (0.0, int(network.edge_from[edge])),
            *sorted(cuts.get(edge, [])),
            (float(network.edge_m[edge]), int(network.edge_to[edge])),
        ]
        for (a_m, a), (b_m, b) in pairwise(chain):
            link(a, b, b_m - a_m)
    size = network.num_nodes + 2 * len(at)
    ends = np.array(list(links), dtype=np.int64).reshape(-1, 2)
    graph = csr_array((np.array(list(links.values())), (ends[:, 0], ends[:, 1])), shape=(size, size))
    own = network.num_nodes + 1 + 2 * np.arange(len(at))
    metres = dijkstra(graph, indices=own[: len(doors.edge)])
    return np.asarray(metres[:, own[len(doors.edge) :]])


def numbers(count: int) -> NDArray[np.int32]:
    return np.arange(count, dtype=np.int32)


def random_town(rng: np.random.Generator, *, nodes: int, links: int) -> WalkNetwork:
    """Nodes joined at random by bent streets, with parallel ones, loops and separate parts among them."""
    x, y = rng.uniform(0, 400, (2, nodes))
    edge_from, edge_to = rng.integers(0, nodes, (2, links)).astype(np.int32)
    bend = rng.uniform(0, 400, (links, 2))
    shapes = [
        shapely.LineString([(x[a], y[a]), middle, (x[b], y[b])])
        for a, b, middle in zip(edge_from, edge_to, bend, strict=True)
    ]
    return graph_of(LocalMetres(121.5, 31.28), x, y, edge_from, edge_to, np.array(shapes, dtype=object))


def table(doors: int, places: int, walks: object) -> NDArray[np.float64]:
    metres = np.full((doors, places), np.inf)
    metres[walks.source, walks.place] = walks.walk_m  # type: ignore[attr-defined]  # geo.walk.Walks
    return metres


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    nodes=st.integers(1, 20),
    links=st.integers(1, 30),
    doors=st.integers(1, 6),
    places=st.integers(1, 12),
    limit_m=st.floats(1.0, 900.0),
)
def test_walks_agree_with_scipy(seed: int, nodes: int, links: int, doors: int, places: int, limit_m: float) -> None:
    rng = np.random.default_rng(seed)
    network = random_town(rng, nodes=nodes, links=links)
    index = StreetIndex(network)
    at_doors, at_places = (
        index.attach(*rng.uniform(0, 400, (2, doors))),
        index.attach(*rng.uniform(0, 400, (2, places))),
    )
    true_m = true_walks(network, at_doors, at_places)

    found = walks_within(network, at_doors, numbers(doors), at_places, num_sources=doors, limit_m=limit_m)
    ours = table(doors, places, found)
    both = np.isfinite(ours) & np.isfinite(true_m)
    assert ours[both] == pytest.approx(true_m[both], abs=WITHIN_M)
    assert np.all(found.walk_m <= limit_m)
    missing = ~np.isfinite(ours) & np.isfinite(true_m)
    assert np.all(true_m[missing] > limit_m - WITHIN_M)
    assert not np.any(np.isfinite(ours) & ~np.isfinite(true_m))

    nearest = nearest_sources(network, at_doors, numbers(doors), at_places, num_sources=doors)
    reached = np.isfinite(true_m).any(axis=0)
    assert (nearest.source >= 0).tolist() == reached.tolist()
    assert nearest.walk_m[reached] == pytest.approx(true_m.min(axis=0)[reached], abs=WITHIN_M)


def test_walks_on_the_real_siping_streets_agree_with_scipy_within_a_metre(siping: Path) -> None:
    network = build_network(read_streets(siping))
    rng = np.random.default_rng(7)
    corner = np.array([network.node_x.min(), network.node_y.min()])
    size = np.array([np.ptp(network.node_x), np.ptp(network.node_y)])
    index = StreetIndex(network)
    doors = index.attach(*(corner + size * rng.random((40, 2))).T)
    places = index.attach(*(corner + size * rng.random((150, 2))).T)
    found = walks_within(network, doors, numbers(40), places, num_sources=40, limit_m=2000)
    ours, true_m = table(40, 150, found), true_walks(network, doors, places)
    within = true_m <= 1999
    assert within.sum() > 1000
    assert ours[within] == pytest.approx(true_m[within], abs=1.0)
    assert not np.isfinite(ours[true_m > 2001]).any()


def test_the_best_of_several_doors_counts(siping: Path) -> None:
    network = build_network(read_streets(siping))
    rng = np.random.default_rng(3)
    index = StreetIndex(network)
    node = rng.integers(0, network.num_nodes, (2, 60))
    doors = index.attach(network.node_x[node[0]] + 5, network.node_y[node[0]])
    places = index.attach(network.node_x[node[1]], network.node_y[node[1]] + 5)
    one_each = walks_within(network, doors, numbers(60), places, num_sources=60, limit_m=700)
    owner = rng.integers(0, 9, 60).astype(np.int32)
    together = walks_within(network, doors, owner, places, num_sources=9, limit_m=700)
    best = np.full((9, 60), np.inf)
    np.minimum.at(best, (owner[one_each.source], one_each.place), one_each.walk_m)
    ours = table(9, 60, together)
    assert np.isfinite(ours).tolist() == np.isfinite(best).tolist()
    assert ours[np.isfinite(ours)] == pytest.approx(best[np.isfinite(best)], abs=1e-6)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_changes_nothing(siping: Path, threads: int) -> None:
    network = build_network(read_streets(siping))
    index = StreetIndex(network)
    places = index.attach(network.node_x + 3, network.node_y)
    sources = np.arange(network.num_nodes, dtype=np.int32)
    alone = walks_within(network, places, sources, places, num_sources=len(sources), limit_m=500, threads=1)
    together = walks_within(network, places, sources, places, num_sources=len(sources), limit_m=500, threads=threads)
    assert np.array_equal(alone.source, together.source)
    assert np.array_equal(alone.place, together.place)
    assert np.array_equal(alone.walk_m, together.walk_m)


def test_two_places_on_one_street_walk_along_it_and_round_a_loop_the_shorter_way() -> None:
    plane = LocalMetres(121.5, 31.28)
    ring = shapely.LineString([(0, 0), (100, 0), (100, 100), (0, 100), (0, 0)])
    zero = np.zeros(1, dtype=np.int32)
    network = graph_of(plane, np.zeros(1), np.zeros(1), zero, zero, np.array([ring], dtype=object))
    index = StreetIndex(network)
    door = index.attach(np.array([50.0]), np.array([0.0]))
    places = index.attach(np.array([90.0, 0.0]), np.array([0.0, 90.0]))
    found = walks_within(network, door, zero, places, num_sources=1, limit_m=1000)
    # 50 → 90 along the street; 50 → the corner → 90 up the other side (140 m), not 260 m round.
    assert found.walk_m.tolist() == pytest.approx([40.0, 140.0])


def test_a_search_without_doors_or_places_finds_nothing(siping: Path) -> None:
    network = build_network(read_streets(siping))
    index = StreetIndex(network)
    nobody, somebody = index.attach(np.zeros(0), np.zeros(0)), index.attach(network.node_x[:3], network.node_y[:3])
    nothing = np.zeros(0, dtype=np.int32)
    assert len(walks_within(network, nobody, nothing, somebody, num_sources=0, limit_m=500).walk_m) == 0
    assert len(walks_within(network, somebody, numbers(3), nobody, num_sources=3, limit_m=500).walk_m) == 0
    assert nearest_sources(network, nobody, nothing, somebody, num_sources=0).source.tolist() == [-1, -1, -1]
