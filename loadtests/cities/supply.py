"""Facilities of a city: sizes with a heavy tail, four kinds of windows, and bays of several kinds where asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from shapely import Point

from api.neighbourhoods.model import BayGroup, Facility, Window

Ints = NDArray[np.int64]

LARGEST_TO_MEAN = 600 / 90
"""Sizes are log-normal around their mean, 90 bays or so, and cut at 600."""
SIGMA = 0.8

_KINDS = (
    # Office towers: their own cars are away on rest days, so that more bays stay empty then.
    ("office_tower", (Window("workdays", 17 * 60 + 30, 32 * 60 + 30, 1), Window("rest_days", 0, 32 * 60 + 30, 1))),
    ("public_car_park", (Window("daily", 18 * 60, 32 * 60, 1),)),
    ("park_garage", (Window("daily", 19 * 60, 31 * 60, 1, 22 * 60),)),
    # Works yards let nobody in on rest days.
    ("other", (Window("workdays", 18 * 60, 32 * 60, 1),)),
)
WINDOW_SHARE = (0.15, 0.25, 0.35, 0.25)
WHOLE_NIGHT = 1
"""The kind of window that is the same on every night."""
_MIXED_SHARE = (("std", ("standard",), 0.76), ("large", ("large",), 0.08), ("acc", ("accessible",), 0.04))
_CHARGING = ("ev", ("ev",))


def bays_of(rng: np.random.Generator, *, total: int, count: int, huge_share: float) -> Ints:
    """Bays of each facility, (count,), `total` in all; the first one has `huge_share` of them if that is above 0."""
    weight = np.minimum(rng.lognormal(0, SIGMA, count) / np.exp(SIGMA**2 / 2), LARGEST_TO_MEAN)
    if huge_share > 0:
        others = weight[1:].sum()
        weight[0] = others * huge_share / (1 - huge_share) if huge_share < 1 and others > 0 else weight[0]
        weight[1:] *= huge_share < 1
    # Rounded down and the rest given to the largest remainders, so that the total is exact.
    exact = weight / weight.sum() * total
    bays: Ints = np.floor(exact).astype(np.int64)
    bays[np.argsort(bays - exact, kind="stable")[: total - int(bays.sum())]] += 1
    return bays


def facility_of(index: int, place: tuple[float, float], *, bays: int, window_kind: int, mixed: bool) -> Facility:
    """Build a facility at (lon, lat) with so many bays on a working night."""
    kind, windows = _KINDS[window_kind]
    groups = _mixed_groups(bays, windows) if mixed else (BayGroup("std", ("standard",), _sized(windows, bays)),)
    return Facility(
        id=f"f{index:06d}",
        name=f"Synthetic car park {index}",
        kind=kind,
        geometry=Point(*place),
        bay_groups=groups,
        max_height_m=(2.0, 2.2, None)[index % 3] if mixed else None,
    )


def _sized(windows: tuple[Window, ...], bays: int) -> tuple[Window, ...]:
    """Windows with their bays: half as many again on rest days where these have a window of their own."""
    return tuple(replace(window, bays=bays * 3 // 2 if window.days == "rest_days" else bays) for window in windows)


def _mixed_groups(bays: int, windows: tuple[Window, ...]) -> tuple[BayGroup, ...]:
    parts = [(name, kinds, int(bays * share)) for name, kinds, share in _MIXED_SHARE]
    parts.append((*_CHARGING, bays - sum(number for _, _, number in parts)))
    return tuple(BayGroup(name, kinds, _sized(windows, number)) for name, kinds, number in parts)
