"""The kinds of cities that the benchmark covers, each by a name and the knobs that make it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from loadtests.cities.knobs import City
from loadtests.errors import BadCity

LOW_TIERS_M = (5000, 3000, 2000)

REGIMES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "balanced": {},
        "low_tiers": {"tier_value_m": LOW_TIERS_M},
        "scarce": {"supply": 0.4},
        "ample": {"supply": 1.1},
        "single_pattern": {"patterns": "single"},
        "few_patterns": {"patterns": "few"},
        "many_patterns": {"patterns": "many"},
        "ties": {"ties": True, "homes_per_km2": 60.0},
        "huge_facility": {"huge_share": 0.4},
        "thin": {"aspect": 40.0},
        "mixed_bays": {"mixed_bays": True},
    }
)
"""Knobs by name of the regime; what is not said is as in `City`."""


def city_of(regime: str, *, demands: int, seed: int) -> City:
    """
    City of a regime, by size and seed.

    Raises
    ------
    BadCity
        When there is no such regime, or no such city.
    """
    if regime not in REGIMES:
        raise BadCity(f"regime is {regime!r}, expected one of {', '.join(REGIMES)}")
    return City(demands=demands, seed=seed, **REGIMES[regime])
