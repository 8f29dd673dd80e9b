"""Made-up demands of the households of a map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

COLUMNS = (
    "id",
    "home",
    "days",
    "arrive",
    "leave",
    "tier",
    "max_walk_m",
    "needs",
    "height_m",
    "stay_through",
    "rounds_waited",
    "holds",
)

_DAYS = ("daily", "workdays", "rest_days", "mon tue wed thu", "fri sat sun", "mon wed fri", "tue thu", "sat sun")
_DAYS_SHARE = (0.55, 0.20, 0.07, 0.05, 0.05, 0.03, 0.03, 0.02)
_ARRIVE_MIN = range(17 * 60 + 30, 22 * 60 + 1, 30)
_ARRIVE_SHARE = (4, 10, 16, 18, 16, 12, 9, 7, 5, 3)
"""Relative frequency of the ten half hours from 17:30 to 22:00: most are home between 18:30 and 20:00."""
_LEAVE_MIN = range(29 * 60 + 30, 32 * 60 + 1, 30)
_LEAVE_SHARE = (6, 12, 22, 28, 20, 12)
"""Relative frequency of the six half hours from 05:30 to 08:00 next morning."""
_TIER_SHARE = (0.05, 0.15, 0.80)
_NEEDS = ("", "ev", "accessible", "accessible ev")
_NEEDS_SHARE = (0.895, 0.08, 0.02, 0.005)
_HEIGHTS_M = (1.45, 1.50, 1.60, 1.70, 1.80, 1.95, 2.15)
_HEIGHT_SHARE = (0.15, 0.30, 0.20, 0.20, 0.08, 0.05, 0.02)
_LIMITS = ("", "300", "800")
_LIMIT_SHARE = (0.88, 0.06, 0.06)
_WAITED_SHARE = (0.75, 0.18, 0.05, 0.02)
_HOLDER_SHARE = 0.06
_STAY_THROUGH_SHARE = 0.03
_HOLDERS_CHOICE = 3
"""Who holds a permit has it at one of so many facilities nearest home."""

Row = dict[str, str]


def make_demands(
    *,
    home_ids: Sequence[str],
    households: NDArray[np.int64],
    homes: NDArray[np.object_],
    facility_ids: Sequence[str],
    facilities: NDArray[np.object_],
    demands: int,
    rng: np.random.Generator,
) -> list[Row]:
    """
    Draw the demands of some households, no household twice.

    Parameters
    ----------
    home_ids, households, homes
        (H,) ids, number of households, and points in metres.
    facility_ids, facilities
        (F,) ids and geometries in metres.
    demands
        How many; at most the number of households.
    """
    chosen = np.sort(rng.choice(int(households.sum()), size=demands, replace=False))
    home = np.searchsorted(np.cumsum(households), chosen, side="right")
    home = rng.permutation(home)
    days = rng.choice(_DAYS, size=demands, p=_DAYS_SHARE)
    arrive = rng.choice(_ARRIVE_MIN, size=demands, p=np.array(_ARRIVE_SHARE) / sum(_ARRIVE_SHARE))
    leave = rng.choice(_LEAVE_MIN, size=demands, p=np.array(_LEAVE_SHARE) / sum(_LEAVE_SHARE))
    tier = rng.choice((1, 2, 3), size=demands, p=_TIER_SHARE)
    limit = rng.choice(_LIMITS, size=demands, p=_LIMIT_SHARE)
    needs = rng.choice(_NEEDS, size=demands, p=_NEEDS_SHARE)
    height = rng.choice(_HEIGHTS_M, size=demands, p=_HEIGHT_SHARE)
    through = (rng.random(demands) < _STAY_THROUGH_SHARE) & np.isin(days, ("workdays", "mon wed fri", "fri sat sun"))
    waited = rng.choice(len(_WAITED_SHARE), size=demands, p=_WAITED_SHARE)
    holds = _held(home, homes, facilities, rng=rng)
    width = max(4, len(str(demands)))
    return [
        {
            "id": f"d{number + 1:0{width}}",
            "home": home_ids[home[number]],
            "days": str(days[number]),
            "arrive": _clock(int(arrive[number])),
            "leave": _clock(int(leave[number])),
            "tier": str(tier[number]),
            "max_walk_m": str(limit[number]),
            "needs": str(needs[number]),
            "height_m": f"{height[number]:g}",
            "stay_through": "yes" if through[number] else "",
            "rounds_waited": str(waited[number]) if waited[number] else "",
            "holds": facility_ids[holds[number]] if holds[number] >= 0 else "",
        }
        for number in range(demands)
    ]


def _held(
    home: NDArray[np.intp], homes: NDArray[np.object_], facilities: NDArray[np.object_], *, rng: np.random.Generator
) -> NDArray[np.int64]:
    """(D,) facility each demand holds, -1 for none."""
    held = np.full(len(home), -1, dtype=np.int64)
    if not len(facilities):
        return held
    holders = np.flatnonzero(rng.random(len(home)) < _HOLDER_SHARE)
    for holder in holders:
        nearest = np.argsort(shapely.distance(homes[home[holder]], facilities), kind="stable")[:_HOLDERS_CHOICE]
        held[holder] = rng.choice(nearest)
    return held


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
