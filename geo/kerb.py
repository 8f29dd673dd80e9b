"""Bays laid along a kerb: parallel bays as rectangles, with gaps at junctions and crossings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LineString, Point, Polygon

from geo.errors import KerbError

BAY_LENGTH_M = 6.0
"""
Length of a parallel bay (Manual for Streets, UK Department for Transport 2007, section 8.3; GB 5768.3 draws the
same).
"""

BAY_WIDTH_M = 2.5
"""Width of a parallel bay on Chinese roads (GB 5768.3); 2.0 m is enough by the Manual for Streets."""

JUNCTION_CLEARANCE_M = 10.0
"""Kerb kept free on either side of a junction (Highway Code for Great Britain, rule 243)."""

CROSSING_CLEARANCE_M = 6.0
"""
Kerb kept free on either side of a crossing: twenty feet (Uniform Vehicle Code of the United States, section 11-1003).
"""

_BEND_M = 0.1
"""A chord shorter than its bay by more means a corner: nobody can park along it."""

_STEP_M = 0.25
"""How far a bay that does not fit moves on before it is tried again."""

_ROUNDING_M = 1e-6
"""A stretch that misses a whole bay by less is taken as holding it: lengths are sums of many roundings."""

Side = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of the kerb, in metres from its beginning, half-open."""

    start_m: float
    end_m: float

    @property
    def length_m(self) -> float:
        """Metres of kerb."""
        return self.end_m - self.start_m


def bays_along(
    line: LineString,
    *,
    bay_length_m: float = BAY_LENGTH_M,
    bay_width_m: float = BAY_WIDTH_M,
    junctions: Sequence[Point] = (),
    junction_clearance_m: float = JUNCTION_CLEARANCE_M,
    crossings: Sequence[Point] = (),
    crossing_clearance_m: float = CROSSING_CLEARANCE_M,
    side: Side = "right",
) -> NDArray[np.object_]:
    """
    Lay parallel bays along a kerb.

    Bays stand end to end within each stretch that junctions and crossings leave free, beginning at its start. Where
    the kerb bends, a bay is the rectangle on the chord between its two ends, and moves on along the kerb until it is
    free of every other bay and no sharp bend lies within it.

    Parameters
    ----------
    line
        The kerb in metres, in the direction of travel.
    bay_length_m, bay_width_m
        Along the kerb and away from it.
    junctions, crossings
        Points in metres, on the kerb or beside it; each keeps its clearance free on both sides of its nearest point
        on the kerb.
    side
        On which side of the line, looking along it, the bays lie.

    Returns
    -------
    ndarray
        (B,) rectangles (shapely Polygons, counter-clockwise) in order along the kerb.

    Raises
    ------
    KerbError
        If the line is empty or shorter than a micrometre, or a length is not above zero or a clearance below it.
    """
    _check(line, bay_length_m, bay_width_m, junction_clearance_m, crossing_clearance_m, side)
    # Corners closer than that become one point: between two that almost coincide GEOS divides by zero.
    line = shapely.set_precision(line, _ROUNDING_M, mode="pointwise")
    gaps = [
        *_gaps(line, junctions, junction_clearance_m),
        *_gaps(line, crossings, crossing_clearance_m),
    ]
    bays: list[Polygon] = []
    for stretch in free_stretches(line.length, gaps):
        at_m = stretch.start_m
        while at_m + bay_length_m <= stretch.end_m + _ROUNDING_M:
            bay = _bay(line, at_m, bay_length_m=bay_length_m, bay_width_m=bay_width_m, side=side)
            if bay is None or _overlaps(bay, bays):
                at_m += _STEP_M
                continue
            bays.append(bay)
            at_m += bay_length_m
    return np.array(bays, dtype=object)


def free_stretches(length_m: float, gaps: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """List what is left of a kerb between gaps, in order; gaps may overlap and reach beyond its ends."""
    free: list[Stretch] = []
    at = 0.0
    for gap in sorted(gaps, key=lambda gap: gap.start_m):
        if gap.start_m > at:
            free.append(Stretch(at, min(gap.start_m, length_m)))
        at = max(at, gap.end_m)
        if at >= length_m:
            return tuple(free)
    return (*free, Stretch(at, length_m))


def _gaps(line: LineString, points: Sequence[Point], clearance_m: float) -> list[Stretch]:
    at = np.atleast_1d(shapely.line_locate_point(line, np.array(points, dtype=object)))
    return [Stretch(float(m) - clearance_m, float(m) + clearance_m) for m in at]


def _bay(line: LineString, start_m: float, *, bay_length_m: float, bay_width_m: float, side: Side) -> Polygon | None:
    """Draw the bay that begins at a point of the kerb; None where the kerb bends too sharply for a car."""
    near = np.array(line.interpolate(start_m).coords[0][:2])
    far = np.array(line.interpolate(start_m + bay_length_m).coords[0][:2])
    chord_m = float(np.hypot(*(far - near)))
    if chord_m < bay_length_m - _BEND_M:
        return None
    east, north = (far - near) / chord_m
    away = bay_width_m * (np.array([-north, east]) if side == "left" else np.array([north, -east]))
    ring = [near, far, far + away, near + away]
    return Polygon(ring if side == "left" else ring[::-1])


def _overlaps(bay: Polygon, bays: Sequence[Polygon]) -> bool:
    others = np.array(bays, dtype=object)
    near = others[shapely.intersects(bay, others)]
    return bool((shapely.area(shapely.intersection(bay, near)) > _ROUNDING_M).any())


def _check(
    line: LineString,
    bay_length_m: float,
    bay_width_m: float,
    junction_clearance_m: float,
    crossing_clearance_m: float,
    side: str,
) -> None:
    if line.geom_type != "LineString" or not line.length > _ROUNDING_M:
        raise KerbError("the kerb must be one line with a length above zero")
    for name, value in (("bay_length_m", bay_length_m), ("bay_width_m", bay_width_m)):
        if not value > 0:
            raise KerbError(f"{name} is {value}, must be above zero")
    for name, value in (("junction_clearance_m", junction_clearance_m), ("crossing_clearance_m", crossing_clearance_m)):
        if not value >= 0:
            raise KerbError(f"{name} is {value}, must not be below zero")
    if side not in ("left", "right"):
        raise KerbError(f"side is {side!r}, must be 'left' or 'right'")
