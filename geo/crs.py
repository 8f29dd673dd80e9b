"""
Coordinate systems: WGS 84, the shifted Chinese ones, and metres on a local plane.

Amap and Tencent publish GCJ-02, Baidu BD-09; both differ from WGS 84 by hundreds of metres inside China and not at
all outside. The shift was never published officially; the constants below are the ones found by independent reverse
engineering and agree with the vendors' own converters to well under a metre.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from geo.errors import CoordinateError

WGS84 = "EPSG:4326"
GCJ02 = "GCJ-02"
BD09 = "BD-09"
CRS_NAMES = (WGS84, GCJ02, BD09)

CHINA_BOX = (72.004, 0.8293, 137.8347, 55.8271)
"""Degrees (west, south, east, north) within which the vendors shift; the box of every published implementation."""

_AXIS_M = 6_378_245.0
"""Semi-major axis of Krasovsky 1940, metres: the ellipsoid the shift is computed on."""
_ECCENTRICITY_SQUARED = 0.00669342162296594323
"""First eccentricity squared of Krasovsky 1940."""
_BD_TURN = np.pi * 3000.0 / 180.0
_BD_SHIFT_LON, _BD_SHIFT_LAT = 0.0065, 0.006
_EARTH_M = 6_371_008.8
"""Mean radius of the earth, metres (IUGG)."""
_FAR_M = 2e7
"""Half way round the earth, metres."""
_MAX_ROUNDS = 30
_SETTLED_DEG = 1e-9
"""A tenth of a millimetre: iteration stops below it, a thousandth of the 0.1 m that is promised."""

Degrees = NDArray[np.float64]
Geometry = TypeVar("Geometry", bound=BaseGeometry)


def to_wgs84(lon: ArrayLike, lat: ArrayLike, *, crs: str) -> tuple[Degrees, Degrees]:
    """
    Convert degrees in one of `CRS_NAMES` to WGS 84.

    Raises
    ------
    CoordinateError
        If `crs` is none of `CRS_NAMES`.
    """
    if crs == GCJ02:
        return gcj02_to_wgs84(lon, lat)
    if crs == BD09:
        return gcj02_to_wgs84(*bd09_to_gcj02(lon, lat))
    _require_known(crs)
    return _degrees(lon), _degrees(lat)


def from_wgs84(lon: ArrayLike, lat: ArrayLike, *, crs: str) -> tuple[Degrees, Degrees]:
    """
    Convert WGS 84 degrees to one of `CRS_NAMES`.

    Raises
    ------
    CoordinateError
        If `crs` is none of `CRS_NAMES`.
    """
    if crs == GCJ02:
        return wgs84_to_gcj02(lon, lat)
    if crs == BD09:
        return gcj02_to_bd09(*wgs84_to_gcj02(lon, lat))
    _require_known(crs)
    return _degrees(lon), _degrees(lat)


def geometry_to_wgs84(geometry: Geometry, *, crs: str) -> Geometry:
    """Convert every vertex of a geometry in one of `CRS_NAMES` to WGS 84."""
    if crs == WGS84:
        return geometry

    def converted(corners: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(to_wgs84(corners[:, 0], corners[:, 1], crs=crs))

    return shapely.transform(geometry, converted)


def wgs84_to_gcj02(lon: ArrayLike, lat: ArrayLike) -> tuple[Degrees, Degrees]:
    """Shift WGS 84 degrees as Amap and Tencent do; unchanged outside `CHINA_BOX`."""
    lon, lat = _degrees(lon), _degrees(lat)
    shift_lon, shift_lat = _gcj_shift(lon, lat)
    inside = inside_china_box(lon, lat)
    return np.where(inside, lon + shift_lon, lon), np.where(inside, lat + shift_lat, lat)


def gcj02_to_wgs84(lon: ArrayLike, lat: ArrayLike) -> tuple[Degrees, Degrees]:
    """
    Undo the shift of Amap and Tencent to far below 0.1 m.

    Notes
    -----
    The shift has no closed inverse. Its derivative is a few thousandths, so the fixed point  w ← g − shift(w)  gains
    more than two decimals a round and settles within six.
    """
    lon, lat = _degrees(lon), _degrees(lat)
    inside = inside_china_box(lon, lat)
    wgs_lon, wgs_lat = lon, lat
    for _ in range(_MAX_ROUNDS):
        shift_lon, shift_lat = _gcj_shift(wgs_lon, wgs_lat)
        next_lon, next_lat = lon - shift_lon, lat - shift_lat
        moved = np.maximum(abs(next_lon - wgs_lon), abs(next_lat - wgs_lat))
        wgs_lon, wgs_lat = next_lon, next_lat
        if not np.any(moved[inside] > _SETTLED_DEG):
            break
    return np.where(inside, wgs_lon, lon), np.where(inside, wgs_lat, lat)


def gcj02_to_bd09(lon: ArrayLike, lat: ArrayLike) -> tuple[Degrees, Degrees]:
    """Shift GCJ-02 degrees as Baidu does; unchanged outside `CHINA_BOX`."""
    lon, lat = _degrees(lon), _degrees(lat)
    radius = np.hypot(lon, lat) + 2e-5 * np.sin(lat * _BD_TURN)
    angle = np.arctan2(lat, lon) + 3e-6 * np.cos(lon * _BD_TURN)
    inside = inside_china_box(lon, lat)
    return (
        np.where(inside, radius * np.cos(angle) + _BD_SHIFT_LON, lon),
        np.where(inside, radius * np.sin(angle) + _BD_SHIFT_LAT, lat),
    )


def bd09_to_gcj02(lon: ArrayLike, lat: ArrayLike) -> tuple[Degrees, Degrees]:
    """Undo Baidu's shift to far below 0.1 m, by the same fixed point as `gcj02_to_wgs84`."""
    lon, lat = _degrees(lon), _degrees(lat)
    inside = inside_china_box(lon, lat)
    gcj_lon, gcj_lat = lon - _BD_SHIFT_LON, lat - _BD_SHIFT_LAT
    for _ in range(_MAX_ROUNDS):
        bd_lon, bd_lat = gcj02_to_bd09(gcj_lon, gcj_lat)
        off_lon, off_lat = bd_lon - lon, bd_lat - lat
        gcj_lon, gcj_lat = gcj_lon - off_lon, gcj_lat - off_lat
        if not np.any(np.maximum(abs(off_lon), abs(off_lat))[inside] > _SETTLED_DEG):
            break
    return np.where(inside, gcj_lon, lon), np.where(inside, gcj_lat, lat)


def inside_china_box(lon: ArrayLike, lat: ArrayLike) -> NDArray[np.bool_]:
    """Tell which points the Chinese vendors shift."""
    west, south, east, north = CHINA_BOX
    lon, lat = _degrees(lon), _degrees(lat)
    return (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)


@dataclass(frozen=True)
class LocalMetres:
    """
    A plane in metres around a place: transverse Mercator on WGS 84 with scale 1 on its own meridian.

    Lengths are true to 0.01 % within 90 km east or west of the centre and to 0.1 % within 280 km; the scale grows
    with 1 + x² / 2R².
    """

    centre_lon: float
    centre_lat: float

    @cached_property
    def _transformer(self) -> Transformer:
        return Transformer.from_crs(
            WGS84,
            f"+proj=tmerc +lat_0={self.centre_lat!r} +lon_0={self.centre_lon!r} +k=1 +datum=WGS84 +units=m",
            always_xy=True,
        )

    def points(self, lon: ArrayLike, lat: ArrayLike) -> NDArray[np.object_]:
        """Make (P,) shapely points in metres from (P,) degrees."""
        return np.asarray(shapely.points(*self.to_metres(lon, lat)), dtype=object)

    def to_metres(self, lon: ArrayLike, lat: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """
        Project WGS 84 degrees to (x, y) in metres, east and north of the centre.

        What lies on the other side of the earth, where the projection ends, comes out 20,000 km away.
        """
        x, y = self._transformer.transform(_degrees(lon), _degrees(lat))
        return np.nan_to_num(x, posinf=_FAR_M, neginf=-_FAR_M), np.nan_to_num(y, posinf=_FAR_M, neginf=-_FAR_M)

    def scale_at(self, x: ArrayLike) -> NDArray[np.float64]:
        """
        Tell how many metres of the plane are one true metre, `x` metres east or west of the centre.

        It is cosh(x / R) on the sphere; the ellipsoid changes what is above 1 by less than a hundredth of it.
        """
        return np.cosh(np.asarray(x, dtype=np.float64) / _EARTH_M)

    def to_degrees(self, x: ArrayLike, y: ArrayLike) -> tuple[Degrees, Degrees]:
        """Project metres back to WGS 84 degrees."""
        lon, lat = self._transformer.transform(
            np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64), direction="INVERSE"
        )
        return np.asarray(lon), np.asarray(lat)

    def project(self, geometry: Geometry) -> Geometry:
        """Project a geometry from degrees to metres."""
        return shapely.transform(geometry, self._corners_to_metres)

    def project_all(self, geometries: Sequence[BaseGeometry] | NDArray[np.object_]) -> NDArray[np.object_]:
        """Project (G,) geometries from degrees to metres."""
        return shapely.transform(np.asarray(geometries, dtype=object), self._corners_to_metres)

    def unproject(self, geometry: Geometry) -> Geometry:
        """Project a geometry from metres back to degrees."""
        return shapely.transform(geometry, lambda xy: np.column_stack(self.to_degrees(xy[:, 0], xy[:, 1])))

    def _corners_to_metres(self, corners: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(self.to_metres(corners[:, 0], corners[:, 1]))


def local_metres(lon: ArrayLike, lat: ArrayLike) -> LocalMetres:
    """
    Make the plane in metres that is centred on some points, also where they lie on both sides of the 180th meridian.

    Raises
    ------
    CoordinateError
        If there is no point, or one is off the earth.
    """
    lon, lat = np.atleast_1d(_degrees(lon)), np.atleast_1d(_degrees(lat))
    if not lon.size:
        raise CoordinateError("no points to centre a map on")
    if not (np.all(np.isfinite(lon)) and np.all(np.abs(lon) <= 360) and np.all(np.abs(lat) <= 90)):
        raise CoordinateError("points off the earth: longitudes must lie within ±360 and latitudes within ±90 degrees")
    # Relative to the first point every longitude is a small number, whichever side of the date line it is on.
    east = (lon - lon[0] + 180.0) % 360.0 - 180.0
    # The median: one point with a wrong sign or swapped coordinates must not move the plane away from all others.
    middle = lon[0] + np.median(east)
    return LocalMetres(centre_lon=float((middle + 180.0) % 360.0 - 180.0), centre_lat=float(np.median(lat)))


def _gcj_shift(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    x, y = lon - 105.0, lat - 35.0
    root = np.sqrt(np.abs(x))
    ripple = (20.0 * np.sin(6.0 * np.pi * x) + 20.0 * np.sin(2.0 * np.pi * x)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + ripple
    north += (20.0 * np.sin(np.pi * y) + 40.0 * np.sin(np.pi * y / 3.0)) * 2.0 / 3.0
    north += (160.0 * np.sin(np.pi * y / 12.0) + 320.0 * np.sin(np.pi * y / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + ripple
    east += (20.0 * np.sin(np.pi * x) + 40.0 * np.sin(np.pi * x / 3.0)) * 2.0 / 3.0
    east += (150.0 * np.sin(np.pi * x / 12.0) + 300.0 * np.sin(np.pi * x / 30.0)) * 2.0 / 3.0
    # Metres to degrees by the radii of curvature in the meridian and in the prime vertical.
    latitude = np.radians(lat)
    w = 1.0 - _ECCENTRICITY_SQUARED * np.sin(latitude) ** 2
    meridian_m = _AXIS_M * (1.0 - _ECCENTRICITY_SQUARED) / w**1.5
    vertical_m = _AXIS_M / np.sqrt(w)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.degrees(east / (vertical_m * np.cos(latitude))), np.degrees(north / meridian_m)


def _degrees(values: ArrayLike) -> Degrees:
    return np.asarray(values, dtype=np.float64)


def _require_known(crs: str) -> None:
    if crs != WGS84:
        raise CoordinateError(f"coordinate system {crs!r} is not known; write one of {', '.join(CRS_NAMES)}")
