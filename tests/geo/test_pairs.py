from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely.geometry.base import BaseGeometry

from geo.errors import CoordinateError, TruncatedMapError
from geo.pairs import DETOUR_FACTOR, NO_FACILITY, NO_WALK, WalkPairs, network_pairs, straight_line_pairs
from tests.geo.conftest import PLANE, DrawMap

FOOT = {"highway": "footway"}


def straight(homes: Sequence[tuple[float, float]], facilities: Sequence[BaseGeometry], **more: object) -> WalkPairs:
    """Pair by straight lines; everything is given in metres."""
    return straight_line_pairs(**{**_columns(homes, facilities), "limit_m": 500.0, **more})  # type: ignore[arg-type]


def on_streets(
    streets: Path, homes: Sequence[tuple[float, float]], facilities: Sequence[BaseGeometry], **more: object
) -> WalkPairs:
    """Pair on streets; everything is given in metres."""
    return network_pairs(streets=streets, **{**_columns(homes, facilities), "limit_m": 500.0, **more})  # type: ignore[arg-type]


def _columns(homes: Sequence[tuple[float, float]], facilities: Sequence[BaseGeometry]) -> dict[str, object]:
    x, y = np.array(homes, dtype=np.float64).reshape(-1, 2).T
    lon, lat = PLANE.to_degrees(x, y)
    return {
        "home_ids": [f"h{i}" for i in range(len(homes))],
        "home_lon": lon,
        "home_lat": lat,
        "facility_ids": [f"f{i}" for i in range(len(facilities))],
        "geometries": [PLANE.unproject(facility) for facility in facilities],
        "entrances": [()] * len(facilities),
    }


def rows(pairs: WalkPairs) -> list[tuple[int, int, int]]:
    return list(zip(pairs.home.tolist(), pairs.facility.tolist(), pairs.walk_m.tolist(), strict=True))


# ------------------------------------------------------------------------------------------------------ straight lines


def test_a_straight_line_counts_a_third_more_and_is_rounded_once() -> None:
    # 100 m × 1.3 = 130; 115.2 × 1.3 = 149.76 → 150
    pairs = straight([(0, 0)], [shapely.Point(100, 0), shapely.Point(0, 115.2)])
    assert rows(pairs) == [(0, 0, 130), (0, 1, 150)]
    assert pairs.warnings == ("no streets and no walks are given: walking distances are straight lines × 1.3",)


@pytest.mark.parametrize(("metres", "within"), [(500.4, True), (500.6, False)])
def test_the_limit_is_compared_with_rounded_metres(metres: float, within: bool) -> None:
    pairs = straight([(0, 0)], [shapely.Point(metres / DETOUR_FACTOR, 0)])
    assert (rows(pairs) == [(0, 0, 500)]) is within
    assert pairs.home_reaches.tolist() == [True]
    assert pairs.nearest_m.tolist() == [round(metres)]


def test_a_limit_between_whole_metres_keeps_only_what_is_below() -> None:
    assert rows(straight([(0, 0)], [shapely.Point(300, 0)], factor=1.0, limit_m=300.0)) == [(0, 0, 300)]
    assert rows(straight([(0, 0)], [shapely.Point(300, 0)], factor=1.0, limit_m=299.9)) == []


def test_distances_are_to_the_whole_geometry_and_nothing_inside_it() -> None:
    park = shapely.box(0, 0, 200, 200)
    road = shapely.LineString([(0, 300), (500, 300)])
    pairs = straight([(100, 100), (100, 290), (-100, 100)], [park, road], factor=1.0, limit_m=150.0)
    assert rows(pairs) == [(0, 0, 0), (1, 0, 90), (1, 1, 10), (2, 0, 100)]


def test_entrances_replace_the_geometry() -> None:
    entrance = [tuple(float(v) for v in np.ravel(PLANE.to_degrees(0.0, 400.0)))]
    pairs = straight([(0, 0)], [shapely.box(-10, -10, 10, 10)], entrances=[entrance], factor=1.0)
    assert rows(pairs) == [(0, 0, 400)]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), homes=st.integers(1, 30), facilities=st.integers(1, 12), limit_m=st.floats(1, 900)
)
def test_straight_pairs_are_all_pairs_within_the_limit(seed: int, homes: int, facilities: int, limit_m: float) -> None:
    rng = np.random.default_rng(seed)
    at, of = rng.uniform(0, 800, (homes, 2)), rng.uniform(0, 800, (facilities, 2))
    pairs = straight([tuple(p) for p in at.tolist()], [shapely.Point(p) for p in of], limit_m=limit_m)
    true_m = np.hypot(*(at[:, None] - of[None, :]).transpose(2, 0, 1)) * DETOUR_FACTOR
    # Degrees and back move a point by less than a millimetre: leave out what lies on the edge of rounding.
    clear = np.abs(true_m - np.rint(true_m)) < 0.49
    expected = {
        (h, f): int(np.rint(true_m[h, f])) for h, f in np.argwhere(clear & (np.rint(true_m) <= limit_m)).tolist()
    }
    found = {(h, f): m for h, f, m in rows(pairs)}
    assert {pair: found.get(pair) for pair in expected} == expected
    assert all(clear[pair] is np.False_ or pair in expected for pair in found)
    assert sorted(found) == [(h, f) for h, f, _ in rows(pairs)]
    assert pairs.nearest_m.tolist() == pytest.approx(true_m.min(axis=1), abs=0.6)


def test_without_facilities_no_home_reaches_one() -> None:
    pairs = straight([(0, 0), (10, 10)], [])
    assert rows(pairs) == []
    assert pairs.home_reaches.tolist() == [False, False]
    assert pairs.nearest_facility.tolist() == [NO_FACILITY] * 2
    assert pairs.nearest_m.tolist() == [NO_WALK] * 2


def test_a_home_on_another_continent_changes_no_other_walk() -> None:
    near, far = [(0.0, 0.0), (50.0, 20.0)], [(0.0, 0.0), (50.0, 20.0), (8_000_000.0, 2_000_000.0)]
    facilities = [shapely.Point(300, 0), shapely.Point(0, 350), shapely.Point(40, 30)]
    assert rows(straight(near, facilities)) == rows(straight(far, facilities))
    assert straight(far, facilities).nearest_m[2] > 5_000_000


def test_a_town_five_hundred_kilometres_from_the_middle_is_measured_truly() -> None:
    # Three homes in Shanghai keep the plane there; the fourth is in Nanjing's longitude and beyond.
    lon, lat = [121.5, 121.5, 121.5, 115.0], [31.28, 31.28, 31.28, 31.28]
    door = shapely.Point(115.0 + 0.0031, 31.28 + 0.0027)
    pairs = straight_line_pairs(
        home_ids=list("abcd"), home_lon=lon, home_lat=lat, facility_ids=["f"], geometries=[door], entrances=[()],
        limit_m=1000.0, factor=1.0,
    )  # fmt: skip
    true_m = Geod(ellps="WGS84").inv(115.0, 31.28, door.x, door.y)[2]
    assert rows(pairs) == [(3, 0, round(true_m))]


def test_coordinates_off_the_earth_are_refused() -> None:
    with pytest.raises(CoordinateError, match="off the earth"):
        straight_line_pairs(
            home_ids=["h"], home_lon=[121.5], home_lat=[131.0], facility_ids=["f"],
            geometries=[shapely.Point(121.5, 31.2)], entrances=[()], limit_m=500,
        )  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- streets


def cross_roads(draw_map: DrawMap) -> Path:
    """Two streets of 1 km that meet in the middle."""
    nodes = {1: (-500.0, 0.0), 2: (0.0, 0.0), 3: (500.0, 0.0), 4: (0.0, -500.0), 5: (0.0, 500.0)}
    return draw_map(nodes, [(1, [1, 2, 3], FOOT), (2, [4, 2, 5], FOOT)])


def test_the_walk_is_access_plus_streets_plus_access(draw_map: DrawMap) -> None:
    # 20 m to the street, 100 m to the crossing, 200 m up, 10 m to the door; the straight line would be 243 m.
    pairs = on_streets(cross_roads(draw_map), [(-100, 20)], [shapely.Point(10, 200)])
    assert rows(pairs) == [(0, 0, 330)]
    assert pairs.nearest_facility.tolist() == [0]
    assert pairs.nearest_m.tolist() == [330]


def test_a_door_on_the_homes_own_street_needs_no_crossing(draw_map: DrawMap) -> None:
    pairs = on_streets(cross_roads(draw_map), [(300, 5)], [shapely.Point(420, -5)])
    assert rows(pairs) == [(0, 0, 130)]


def test_a_facility_beyond_the_limit_is_still_the_nearest(draw_map: DrawMap) -> None:
    pairs = on_streets(cross_roads(draw_map), [(-450, 0)], [shapely.Point(0, 450), shapely.Point(0, -460)], limit_m=500)
    assert rows(pairs) == []
    assert pairs.home_reaches.tolist() == [True]
    assert (pairs.nearest_facility.tolist(), pairs.nearest_m.tolist()) == ([0], [900])


def test_a_park_is_entered_where_streets_cross_its_outline(draw_map: DrawMap) -> None:
    # The eastern street crosses the outline at x = 200 and x = 300; a wall-side point would be nearer by air.
    park = shapely.box(200, -100, 300, 100)
    pairs = on_streets(cross_roads(draw_map), [(0, 100)], [park])
    assert rows(pairs) == [(0, 0, 300)]


def test_a_park_without_a_street_across_is_entered_at_its_nearest_point(draw_map: DrawMap) -> None:
    triangle = shapely.Polygon([(200, 40), (260, 100), (140, 100)])
    pairs = on_streets(cross_roads(draw_map), [(0, 0)], [triangle])
    # 200 m along the street to the tip, and 40 m off it.
    assert rows(pairs) == [(0, 0, 240)]


def test_bays_along_a_road_are_reached_anywhere_on_it(draw_map: DrawMap) -> None:
    road = shapely.LineString([(100, 0), (400, 0)])
    pairs = on_streets(cross_roads(draw_map), [(450, 0), (0, 50)], [road])
    assert rows(pairs) == [(0, 0, 50), (1, 0, 150)]


def test_parts_of_a_facility_are_doors_of_one_facility(draw_map: DrawMap) -> None:
    both = shapely.GeometryCollection(
        [shapely.MultiPoint([(-400, 0), (0, -400)]), shapely.MultiLineString([[(0, 300), (0, 320)]])]
    )
    pairs = on_streets(cross_roads(draw_map), [(0, 0)], [both])
    assert rows(pairs) == [(0, 0, 300)]


def test_homes_and_facilities_off_the_streets_are_named(draw_map: DrawMap) -> None:
    homes = [(0.0, 0.0)] + [(300.0 + i, 300.0) for i in range(12)]
    pairs = on_streets(cross_roads(draw_map), homes, [shapely.Point(0, 50), shapely.Point(-300, -300)])
    assert pairs.home_reaches.tolist() == [True] + [False] * 12
    said = "\n".join(pairs.warnings)
    assert (
        "homes without access: no street within 150 m: h1, h2, h3, h4, h5, h6, h7, h8, h9, h10 and 2 more (12 of 13)"
        in said
    )
    assert "facilities without access: no street within 150 m: f1 (1 of 2)" in said


def test_entrances_off_the_streets_are_named_by_facility(draw_map: DrawMap) -> None:
    lonlat = [tuple(float(v) for v in np.ravel(PLANE.to_degrees(*at))) for at in ((0.0, 60.0), (400.0, 400.0))]
    pairs = on_streets(cross_roads(draw_map), [(0, 0)], [shapely.Point(0, 0)], entrances=[lonlat])
    assert rows(pairs) == [(0, 0, 60)]
    assert any("some entrances off the streets" in warning and "f0" in warning for warning in pairs.warnings)


def test_separate_parts_of_the_network_are_reported_and_not_joined(draw_map: DrawMap) -> None:
    nodes = {1: (0.0, 0.0), 2: (1500.0, 0.0), 3: (0.0, 200.0), 4: (1500.0, 200.0)}
    streets = draw_map(nodes, [(1, [1, 2], FOOT), (2, [3, 4], FOOT)])
    pairs = on_streets(streets, [(100, 0), (100, 200)], [shapely.Point(200, 0)])
    assert rows(pairs) == [(0, 0, 100)]
    assert pairs.home_reaches.tolist() == [True, False]
    said = "\n".join(pairs.warnings)
    assert "falls into 2 separate parts" in said
    assert "homes on a part of the walking network without any facility: h1 (1 of 2)" in said


def test_clipped_streets_are_reported(draw_map: DrawMap) -> None:
    streets = draw_map({1: (0.0, 0.0), 2: (500.0, 0.0)}, [(1, [1, 2, 99], FOOT)])
    pairs = on_streets(streets, [(0, 0)], [shapely.Point(100, 0)])
    assert rows(pairs) == [(0, 0, 100)]
    assert any("clipped: 1 nodes" in warning for warning in pairs.warnings)


def test_truncated_streets_are_an_error_and_never_pairs(siping: Path, tmp_path: Path) -> None:
    cut = tmp_path / "streets.osm.pbf"
    cut.write_bytes(siping.read_bytes()[:-100])
    with pytest.raises(TruncatedMapError):
        on_streets(cut, [(0, 0)], [shapely.Point(100, 0)])


def test_no_walk_in_siping_is_shorter_than_the_straight_line(siping: Path) -> None:
    rng = np.random.default_rng(11)
    homes = np.column_stack([rng.uniform(121.4925, 121.5025, 200), rng.uniform(31.2815, 31.289, 200)])
    parks = np.column_stack([rng.uniform(121.4925, 121.5025, 25), rng.uniform(31.2815, 31.289, 25)])
    shapes: list[BaseGeometry] = [shapely.Point(at) for at in parks[:10]]
    shapes += [shapely.box(x, y, x + 0.0005, y + 0.0004) for x, y in parks[10:20]]
    shapes += [shapely.LineString([(x, y), (x + 0.002, y)]) for x, y in parks[20:]]
    asked = {
        "home_ids": [str(i) for i in range(200)], "home_lon": homes[:, 0], "home_lat": homes[:, 1],
        "facility_ids": [str(i) for i in range(25)], "geometries": shapes, "entrances": [()] * 25, "limit_m": 700.0,
    }  # fmt: skip
    seen: list[tuple[int, int]] = []
    walked = network_pairs(streets=siping, progress=lambda done, of: seen.append((done, of)), **asked)  # type: ignore[arg-type]
    air = straight_line_pairs(factor=1.0, **asked)  # type: ignore[arg-type]
    assert len(walked.home) > 500
    by_air = {(h, f): m for h, f, m in rows(air)}
    assert all(by_air[h, f] <= m for h, f, m in rows(walked))
    assert seen[-1] == (25, 25)
    # The nearest is the least of the pairs, and lies beyond the limit where there is no pair.
    least = np.full(200, 10**6)
    np.minimum.at(least, walked.home, walked.walk_m)
    paired = least < 10**6
    assert np.array_equal(walked.nearest_m[paired], least[paired])
    assert np.all(walked.nearest_m[~paired & walked.home_reaches] > 700)


def test_the_order_of_facilities_does_not_change_a_walk(siping: Path) -> None:
    rng = np.random.default_rng(5)
    homes = [tuple(p) for p in rng.uniform(-600, 100, (40, 2)).tolist()]
    parks = [shapely.Point(p) for p in rng.uniform(-600, 100, (15, 2))]
    order = rng.permutation(15)
    there = on_streets(siping, homes, parks)
    back = on_streets(siping, homes, [parks[i] for i in order])
    assert sorted((h, int(order[f]), m) for h, f, m in rows(back)) == rows(there)


@pytest.mark.parametrize("at_once", [1, 7, 50])
def test_homes_measured_some_at_a_time_have_the_same_pairs(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    rng = np.random.default_rng(4)
    homes = [(f"h{number}", *rng.uniform(0, 0.01, 2)) for number in range(50)]
    asked = {
        "home_ids": [name for name, _, _ in homes],
        "home_lon": [lon for _, lon, _ in homes],
        "home_lat": [lat for _, _, lat in homes],
        "facility_ids": ["a", "b", "c"],
        "geometries": [shapely.Point(*rng.uniform(0, 0.01, 2)) for _ in range(3)],
        "entrances": [()] * 3,
        "limit_m": 500.0,
    }
    whole = straight_line_pairs(**asked)  # type: ignore[arg-type]
    monkeypatch.setattr("geo.pairs._HOMES_AT_ONCE", at_once)
    parts = straight_line_pairs(**asked)  # type: ignore[arg-type]
    assert 0 < len(whole.home) < 150
    for column in ("home", "facility", "walk_m", "home_reaches", "nearest_facility", "nearest_m"):
        assert np.array_equal(getattr(parts, column), getattr(whole, column)), column
