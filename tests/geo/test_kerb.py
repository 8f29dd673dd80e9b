from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from shapely import LineString, Point

from geo.errors import KerbError
from geo.kerb import (
    BAY_LENGTH_M,
    BAY_WIDTH_M,
    CROSSING_CLEARANCE_M,
    JUNCTION_CLEARANCE_M,
    Stretch,
    bays_along,
    free_stretches,
)

STREET = LineString([(0, 0), (100, 0)])


def test_a_straight_kerb_holds_one_bay_each_six_metres() -> None:
    bays = bays_along(STREET)
    assert len(bays) == 16
    assert shapely.area(bays) == pytest.approx(BAY_LENGTH_M * BAY_WIDTH_M)
    assert shapely.bounds(bays[0]).tolist() == pytest.approx([0, -BAY_WIDTH_M, 6, 0])
    assert shapely.bounds(bays[-1]).tolist() == pytest.approx([90, -BAY_WIDTH_M, 96, 0])


def test_bays_lie_on_the_side_that_is_asked_for() -> None:
    assert all(bay.bounds[3] <= 1e-9 for bay in bays_along(STREET, side="right"))
    assert all(bay.bounds[1] >= -1e-9 for bay in bays_along(STREET, side="left"))
    assert all(shapely.is_ccw(bay.exterior) for side in ("left", "right") for bay in bays_along(STREET, side=side))


def test_a_junction_in_the_middle_keeps_its_clearance_free() -> None:
    # 0–40 holds six bays, 60–100 six more.
    bays = bays_along(STREET, junctions=[Point(50, 8)])
    assert len(bays) == 12
    gap = shapely.box(50 - JUNCTION_CLEARANCE_M, -5, 50 + JUNCTION_CLEARANCE_M, 5)
    assert shapely.area(shapely.intersection(bays, gap)).max() == pytest.approx(0)


def test_a_crossing_keeps_less_than_a_junction() -> None:
    # 0–44 holds seven, 56–100 seven.
    assert len(bays_along(STREET, crossings=[Point(50, 0)])) == 14
    assert CROSSING_CLEARANCE_M < JUNCTION_CLEARANCE_M


def test_a_kerb_between_two_close_junctions_holds_nothing() -> None:
    assert len(bays_along(LineString([(0, 0), (25, 0)]), junctions=[Point(0, 0), Point(25, 0)])) == 0


def test_no_bay_goes_round_a_corner() -> None:
    corner = LineString([(0, 0), (20, 0), (20, 20)])
    # Three bays before the corner and three behind it; on the inner side the first one behind would stand in the third.
    assert len(bays_along(corner, side="right")) == 6
    bays = bays_along(corner, side="left")
    assert len(bays) == 5
    # Every bay is as long as a car needs: none is squeezed onto the corner.
    assert shapely.length(bays) == pytest.approx(2 * (BAY_LENGTH_M + BAY_WIDTH_M), abs=0.2)


def test_gaps_may_overlap_and_reach_beyond_the_ends() -> None:
    gaps = [Stretch(-10, 5), Stretch(30, 40), Stretch(35, 50), Stretch(95, 120)]
    assert free_stretches(100, gaps) == (Stretch(5, 30), Stretch(50, 95))
    assert free_stretches(100, [Stretch(-1, 101)]) == ()
    assert free_stretches(100, []) == (Stretch(0, 100),)


@given(
    length_m=st.floats(1, 300),
    more_m=st.floats(0, 100),
    bay_length_m=st.floats(2, 12),
    junctions=st.lists(st.floats(0, 300), max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_a_longer_kerb_never_holds_fewer_bays(
    length_m: float, more_m: float, bay_length_m: float, junctions: list[float]
) -> None:
    def count(metres: float) -> int:
        points = [Point(at, 0) for at in junctions if at <= length_m]
        return len(bays_along(LineString([(0, 0), (metres, 0)]), bay_length_m=bay_length_m, junctions=points))

    assert count(length_m) <= count(length_m + more_m)
    assert count(length_m) * bay_length_m <= length_m + 1e-3


@pytest.mark.parametrize(
    "corners", [[(0, 0), (1e-170, 0), (100, 0)], [(0, 0), (100, 0), (100, 1e-170)], [(0, 0), (0, 1e-9), (100, 0)]]
)
@pytest.mark.parametrize("junction", [Point(0, 0), Point(50, 8), Point(-5, 1), Point(120, 0)])
def test_corners_that_almost_coincide_are_one(corners: list[tuple[float, float]], junction: Point) -> None:
    bays = bays_along(LineString(corners), junctions=[junction])
    assert shapely.equals_exact(bays, bays_along(STREET, junctions=[junction]), tolerance=1e-6).all()
    assert len(bays) in (12, 15)


_METRES = st.floats(-80, 80).map(lambda metres: round(metres, 6))


@given(
    corners=st.lists(st.tuples(_METRES, _METRES), min_size=2, max_size=6, unique=True),
    junctions=st.lists(st.tuples(_METRES, _METRES), max_size=3),
    side=st.sampled_from(["left", "right"]),
)
@settings(max_examples=60, deadline=None)
def test_bays_never_overlap_and_none_begins_or_ends_in_a_gap(
    corners: list[tuple[float, float]], junctions: list[tuple[float, float]], side: str
) -> None:
    line = LineString(corners)
    if line.length < 1:
        return
    points = [Point(at) for at in junctions]
    bays = bays_along(line, junctions=points, side=side)  # type: ignore[arg-type]  # sampled from the two
    for i, bay in enumerate(bays):
        assert shapely.area(shapely.intersection(bay, bays[i + 1 :])).sum() < 1e-5
    gaps = [line.line_locate_point(point) for point in points]
    for start_m in _starts(line, bays):
        for gap_m in gaps:
            inside = gap_m - JUNCTION_CLEARANCE_M + 0.01 < start_m < gap_m + JUNCTION_CLEARANCE_M - 0.01
            assert not inside or not line.is_simple


def _starts(line: LineString, bays: NDArray[np.object_]) -> list[float]:
    """Where along the kerb the bays begin and end: their two corners that lie on it."""
    on_kerb = [Point(at) for bay in bays for at in bay.exterior.coords[:-1] if line.distance(Point(at)) < 1e-6]
    return [line.line_locate_point(at) for at in on_kerb]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"bay_length_m": 0}, "bay_length_m is 0, must be above zero"),
        ({"bay_width_m": -1}, "bay_width_m is -1"),
        ({"bay_length_m": float("nan")}, "bay_length_m is nan"),
        ({"junction_clearance_m": -1}, "junction_clearance_m is -1"),
        ({"side": "middle"}, "side is 'middle'"),
    ],
)
def test_sizes_that_make_no_sense_are_named(more: dict[str, float], said: str) -> None:
    with pytest.raises(KerbError, match=said):
        bays_along(STREET, **more)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("corners", [[], [(0, 0), (0, 0)], [(0, 0), (1e-170, 0)]])
def test_a_kerb_without_length_is_refused(corners: list[tuple[float, float]]) -> None:
    with pytest.raises(KerbError, match="length above zero"):
        bays_along(LineString(corners))
