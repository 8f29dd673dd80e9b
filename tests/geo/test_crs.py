"""Published points are cited where they stand; tolerances are in degrees: 1e-6 is a tenth of a metre."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from pyproj import Geod

from geo.crs import BD09, CRS_NAMES, GCJ02, WGS84, from_wgs84, geometry_to_wgs84, local_metres, to_wgs84
from geo.errors import CoordinateError

EARTH = Geod(ellps="WGS84")


def metres_between(one: ArrayLike, other: ArrayLike) -> float:
    """Metres on the ellipsoid between two (lon, lat)."""
    ends = np.asarray([one, other], dtype=np.float64).reshape(4)
    return float(EARTH.inv(ends[0], ends[1], ends[2], ends[3])[2])


WGS_AND_GCJ = [
    # lon, lat in WGS 84 and in GCJ-02. The first three are the test points of googollee/eviltransform (Shanghai,
    # Shenzhen, Beijing); the last is that of wandergis/coordtransform, repeated by its ports to other languages.
    ((121.5272106, 31.1774276), (121.531541859215, 31.17530398364597)),
    ((113.912316, 22.543847), (113.9171764808363, 22.540796131694766)),
    ((116.377817, 39.911954), (116.38404722455657, 39.91334545536069)),
    ((116.404, 39.915), (116.41024449916938, 39.91640428150164)),
]
GCJ_AND_BD = [
    # wandergis/coordtransform: gcj02tobd09(116.404, 39.915)
    ((116.404, 39.915), (116.41036949371029, 39.92133699351021)),
]


@pytest.mark.parametrize(("wgs", "gcj"), WGS_AND_GCJ)
def test_published_points_are_shifted_to_gcj02_and_back(wgs: tuple[float, float], gcj: tuple[float, float]) -> None:
    assert np.ravel(from_wgs84(*wgs, crs=GCJ02)) == pytest.approx(gcj, abs=1e-7)
    assert np.ravel(to_wgs84(*gcj, crs=GCJ02)) == pytest.approx(wgs, abs=1e-7)


@pytest.mark.parametrize(("gcj", "bd"), GCJ_AND_BD)
def test_published_points_are_shifted_to_bd09_and_back(gcj: tuple[float, float], bd: tuple[float, float]) -> None:
    wgs = to_wgs84(*gcj, crs=GCJ02)
    assert np.ravel(from_wgs84(*wgs, crs=BD09)) == pytest.approx(bd, abs=1e-7)
    assert np.ravel(to_wgs84(*bd, crs=BD09)) == pytest.approx(np.ravel(wgs), abs=1e-7)


def test_the_published_rough_inverse_of_bd09_is_met_within_a_metre() -> None:
    # wandergis/coordtransform: bd09togcj02(116.404, 39.915), a closed formula that is itself a metre off.
    gcj = from_wgs84(*to_wgs84(116.404, 39.915, crs=BD09), crs=GCJ02)
    assert metres_between(gcj, (116.39762729119315, 39.90865673957631)) < 1.0


@given(lon=st.floats(73.0, 135.0), lat=st.floats(4.0, 53.0), crs=st.sampled_from(CRS_NAMES))
def test_every_point_in_china_comes_back_within_a_centimetre(lon: float, lat: float, crs: str) -> None:
    there_and_back = to_wgs84(*from_wgs84(lon, lat, crs=crs), crs=crs)
    assert metres_between((lon, lat), there_and_back) < 0.01


@pytest.mark.parametrize("crs", [GCJ02, BD09])
@pytest.mark.parametrize(("lon", "lat"), [(7.42, 43.73), (0.0, 0.0), (-74.0, 40.7), (151.2, -33.9), (179.9, 60.0)])
def test_nothing_is_shifted_outside_china(lon: float, lat: float, crs: str) -> None:
    assert np.ravel(to_wgs84(lon, lat, crs=crs)) == pytest.approx((lon, lat), abs=0)
    assert np.ravel(from_wgs84(lon, lat, crs=crs)) == pytest.approx((lon, lat), abs=0)


def test_the_shift_in_shanghai_is_hundreds_of_metres() -> None:
    gcj = from_wgs84(121.5, 31.28, crs=GCJ02)
    assert 300 < metres_between((121.5, 31.28), gcj) < 700


def test_a_geometry_is_converted_vertex_by_vertex() -> None:
    lon, lat = from_wgs84([121.50, 121.51], [31.28, 31.29], crs=BD09)
    line = geometry_to_wgs84(shapely.LineString(np.column_stack([lon, lat])), crs=BD09)
    assert shapely.get_coordinates(line) == pytest.approx(np.array([[121.50, 31.28], [121.51, 31.29]]), abs=1e-8)


def test_an_unknown_system_is_named_with_the_known_ones() -> None:
    with pytest.raises(CoordinateError, match=r"'EPSG:3857' is not known; write one of EPSG:4326, GCJ-02, BD-09"):
        to_wgs84(0, 0, crs="EPSG:3857")


@given(lon=st.floats(-180, 180), lat=st.floats(-80, 80), east=st.floats(-0.3, 0.3), north=st.floats(-0.3, 0.3))
def test_lengths_on_the_plane_are_true_to_a_ten_thousandth(lon: float, lat: float, east: float, north: float) -> None:
    plane = local_metres([lon], [lat])
    x, y = plane.to_metres([lon, lon + east], [lat, lat + north])
    true_m = EARTH.inv(lon, lat, lon + east, lat + north)[2]
    assert np.hypot(x[1] - x[0], y[1] - y[0]) == pytest.approx(true_m, rel=1e-4, abs=1e-3)


def test_one_point_gone_astray_does_not_move_the_plane() -> None:
    plane = local_metres([121.50, 121.51, 121.52, 31.28], [31.28, 31.29, 31.30, 21.5])
    assert plane.centre_lon == pytest.approx(121.505)
    assert plane.centre_lat == pytest.approx(31.285)


@pytest.mark.parametrize("east", [0.0, 1.0, 5.0, 12.0])
def test_the_scale_away_from_the_centre_is_known(east: float) -> None:
    plane = local_metres([121.5], [31.28])
    x, y = plane.to_metres([121.5 + east, 121.51 + east], [31.28, 31.29])
    true_m = EARTH.inv(121.5 + east, 31.28, 121.51 + east, 31.29)[2]
    assert np.hypot(x[1] - x[0], y[1] - y[0]) / plane.scale_at(x[0]) == pytest.approx(true_m, rel=1e-3)


def test_the_other_side_of_the_earth_is_far_and_finite() -> None:
    x, y = local_metres([121.5], [31.28]).to_metres([-58.5, -60.0, 31.28], [-31.28, 10.0, 89.0])
    assert np.isfinite([x, y]).all()
    assert np.hypot(x, y).min() > 1e6


def test_places_on_both_sides_of_the_date_line_are_near() -> None:
    plane = local_metres([179.99, -179.99], [-17.0, -17.0])
    assert abs(plane.centre_lon) == pytest.approx(180.0)
    x, _ = plane.to_metres([179.99, -179.99], [-17.0, -17.0])
    assert x[1] - x[0] == pytest.approx(EARTH.inv(179.99, -17.0, -179.99, -17.0)[2], rel=1e-6)


def test_metres_go_back_to_the_same_degrees() -> None:
    plane = local_metres([121.4, 121.6], [31.2, 31.4])
    lon, lat = plane.to_degrees(*plane.to_metres([121.45, 121.55], [31.21, 31.39]))
    assert lon == pytest.approx([121.45, 121.55], abs=1e-9)
    assert lat == pytest.approx([31.21, 31.39], abs=1e-9)
    polygon = shapely.box(121.45, 31.25, 121.46, 31.26)
    assert plane.unproject(plane.project(polygon)).equals_exact(polygon, 1e-9)


@pytest.mark.parametrize(("lon", "lat"), [([], []), ([121.5], [95.0]), ([float("nan")], [31.0])])
def test_a_plane_needs_points_on_the_earth(lon: list[float], lat: list[float]) -> None:
    with pytest.raises(CoordinateError):
        local_metres(lon, lat)


def test_wgs84_itself_is_left_as_it_is() -> None:
    lon, lat = to_wgs84([121.5], [31.3], crs=WGS84)
    assert (lon[0], lat[0]) == (121.5, 31.3)
