"""What a city is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from loadtests.errors import BadCity

Patterns = Literal["single", "few", "five", "many"]


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """
    What a city is made of; equal knobs give equal cities.

    Attributes
    ----------
    demands, seed
        How many demands; what everything is drawn from.
    supply
        Bays on a working night, as a share of the demands; 0.6 is 90 bays a facility on average.
    patterns
        `single`: every night 19:00 to 31:00 for all. `few`: every night, half-hourly hours. `five`: daily, workdays,
        rest days and two kinds of named weekdays. `many`: a random set of weekdays for every household.
    demands_per_km2, facilities_per_km2
        Densities; the area follows from them.
    homes_per_km2
        Homes that demands share; without, every demand has a home of its own.
    aspect
        Length of the city over its width.
    huge_share
        Share of the bays that one facility in the middle has, and of the homes that crowd around it.
    mixed_bays
        Whether there are bay groups of several kinds, needs, heights and holders of permits.
    ties
        Whether walks are rounded to 50 m, everybody is of one tier and nobody waited.
    tier_value_m
        The policy's, metres.

    Raises
    ------
    BadCity
        When a knob is off its range.
    """

    demands: int
    seed: int = 1
    supply: float = 0.6
    patterns: Patterns = "five"
    demands_per_km2: float = 3000
    facilities_per_km2: float = 20
    homes_per_km2: float | None = None
    aspect: float = 1
    huge_share: float = 0
    mixed_bays: bool = False
    ties: bool = False
    tier_value_m: tuple[int, int, int] = (15000, 10000, 5000)

    def __post_init__(self) -> None:
        """Refuse what no city can be."""
        self._require_within("demands", 1, 10_000_000)
        self._require_within("seed", 0, 2**63 - 1)
        self._require_within("supply", 0, 100)
        self._require_within("demands_per_km2", 0.1, 1_000_000)
        self._require_within("facilities_per_km2", 0.1, 10_000)
        self._require_within("aspect", 1, 1000)
        self._require_within("huge_share", 0, 1)
        if self.homes_per_km2 is not None:
            self._require_within("homes_per_km2", 0.1, 1_000_000)
        if self.patterns not in get_args(Patterns):
            raise BadCity(f"patterns is {self.patterns!r}, expected one of {', '.join(get_args(Patterns))}")

    def _require_within(self, knob: str, low: float, high: float) -> None:
        value = getattr(self, knob)
        if not low <= value <= high:
            raise BadCity(f"{knob} is {value}, expected {low:,} to {high:,}")

    @property
    def area_km2(self) -> float:
        """Area that the demands fill."""
        return self.demands / self.demands_per_km2

    @property
    def size_m(self) -> tuple[float, float]:
        """Length, west to east, and width."""
        width = float(np.sqrt(self.area_km2 / self.aspect)) * 1000
        return width * self.aspect, width

    @property
    def num_facilities(self) -> int:
        """Count facilities, at least one."""
        return max(1, round(self.area_km2 * self.facilities_per_km2))

    @property
    def num_homes(self) -> int:
        """Count homes, at least one."""
        return self.demands if self.homes_per_km2 is None else max(1, round(self.area_km2 * self.homes_per_km2))
