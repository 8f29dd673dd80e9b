from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo.crs import LocalMetres
from geo.network import WalkNetwork, graph_of
from geo.snap import DETOUR_FROM_ISLAND_M, ISLAND_M, MAX_SNAP_M, NO_EDGE, StreetIndex

PLANE = LocalMetres(121.5, 31.28)


def network_of(*lines: list[tuple[float, float]]) -> WalkNetwork:
    """Every line is a street of its own; lines that share an end meet there."""
    ends = [line[0] for line in lines] + [line[-1] for line in lines]
    nodes = sorted(set(ends))
    number = np.array([nodes.index(end) for end in ends], dtype=np.int32)
    xy = np.array(nodes, dtype=np.float64)
    shapes = np.array([shapely.LineString(line) for line in lines], dtype=object)
    return graph_of(PLANE, xy[:, 0], xy[:, 1], number[: len(lines)], number[len(lines) :], shapes)


def test_a_home_snaps_to_the_middle_of_a_street_not_to_its_end() -> None:
    at = StreetIndex(network_of([(0, 0), (1000, 0)])).attach(np.array([500.0]), np.array([30.0]))
    assert at.edge.tolist() == [0]
    assert at.along_m[0] == pytest.approx(500)
    assert at.access_m[0] == pytest.approx(30)


def test_distances_along_a_bent_street_follow_the_bend() -> None:
    at = StreetIndex(network_of([(0, 0), (100, 0), (100, 100)])).attach(np.array([90.0]), np.array([60.0]))
    assert at.along_m[0] == pytest.approx(160)
    assert at.access_m[0] == pytest.approx(10)


@pytest.mark.parametrize(("off_m", "has_access"), [(MAX_SNAP_M - 0.1, True), (MAX_SNAP_M + 0.1, False)])
def test_beyond_the_largest_distance_there_is_no_access(off_m: float, has_access: bool) -> None:
    at = StreetIndex(network_of([(0, 0), (2000, 0)])).attach(np.array([500.0]), np.array([off_m]))
    assert at.has_access.tolist() == [has_access]
    assert (at.edge[0] == NO_EDGE) is not has_access
    assert np.isfinite(at.access_m[0]) == has_access


@pytest.mark.parametrize(
    ("extra_m", "edge"), [(DETOUR_FROM_ISLAND_M - 1, 0), (DETOUR_FROM_ISLAND_M + 1, 1)], ids=["joined", "stays"]
)
def test_a_courtyard_path_gives_way_to_the_street_when_that_is_hardly_farther(extra_m: float, edge: int) -> None:
    y = 10 + extra_m
    # The home at the origin is 10 m from a courtyard path and `extra_m` more from the street.
    network = network_of([(-2000, y), (2000, y)], [(-20, -10), (20, -10)])
    at = StreetIndex(network).attach(np.array([0.0]), np.array([0.0]))
    assert at.edge.tolist() == [edge]


def test_a_separate_part_of_the_town_is_no_island() -> None:
    half = ISLAND_M / 2 + 1
    network = network_of([(-2000, 30), (2000, 30)], [(-half, -10), (half, -10)])
    at = StreetIndex(network).attach(np.array([0.0]), np.array([0.0]))
    assert at.edge.tolist() == [1]


def test_a_village_of_one_short_path_is_its_own_mainland() -> None:
    at = StreetIndex(network_of([(0, 0), (50, 0)])).attach(np.array([25.0]), np.array([5.0]))
    assert at.edge.tolist() == [0]


@given(seed=st.integers(0, 2**32 - 1), streets=st.integers(1, 12), places=st.integers(1, 20))
def test_every_place_is_on_a_nearest_street(seed: int, streets: int, places: int) -> None:
    rng = np.random.default_rng(seed)
    # All streets meet at one point, so that none is an island.
    network = network_of(*[[(0.0, 0.0), *map(tuple, rng.uniform(-300, 300, (2, 2)).tolist())] for _ in range(streets)])
    x, y = rng.uniform(-400, 400, (2, places))
    at = StreetIndex(network).attach(x, y)
    true_m = shapely.distance(shapely.points(x, y)[:, None], network.edge_shape[None, :]).min(axis=1)
    near = true_m <= MAX_SNAP_M
    assert at.has_access.tolist() == near.tolist()
    assert at.access_m[near] == pytest.approx(true_m[near], abs=1e-9)
    foot = shapely.line_interpolate_point(network.edge_shape[at.edge[near]], at.along_m[near])
    assert shapely.distance(foot, shapely.points(x, y)[near]) == pytest.approx(at.access_m[near], abs=1e-6)
