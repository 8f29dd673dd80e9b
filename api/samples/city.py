"""Synthetic cities of any size, by seed: what the benchmark solves. Nothing in them is a real place."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
from shapely import Point

from api.neighbourhoods.model import (
    DECISIONS_SCHEMA,
    DEMANDS_SCHEMA,
    HOMES_SCHEMA,
    BayGroup,
    Facility,
    Neighbourhood,
    Policy,
    Window,
)

DEMANDS_PER_KM2 = 3000
FACILITIES_PER_KM2 = 20
HOMES_PER_KM2 = 250
MEAN_BAYS = 90
"""Heavy-tailed around this mean: log-normal with sigma 0.8, cut at 600."""
METRES_PER_DEGREE = 111_320.0

_WINDOWS = (
    (Window("daily", 18 * 60, 32 * 60, 1),),
    (Window("workdays", 18 * 60, 32 * 60, 1), Window("rest_days", 0, 32 * 60, 1)),
    (Window("workdays", 19 * 60, 31 * 60 + 30, 1), Window("rest_days", 0, 31 * 60 + 30, 1)),
    (Window("daily", 17 * 60, 33 * 60, 1, 22 * 60),),
)
_DAYS = ("daily", "workdays", "rest_days", "mon tue wed thu", "fri sat")
_DAYS_SHARE = (0.45, 0.25, 0.1, 0.12, 0.08)


def synthetic_city(*, demands: int, seed: int, supply: float = 0.67, single_pattern: bool = False) -> Neighbourhood:
    """
    Make a square city around (0° N, 0° E), so that a degree is as long in both directions.

    Parameters
    ----------
    demands
        How many demands; the area follows from `DEMANDS_PER_KM2`.
    seed
        The same seed gives the same city.
    supply
        Bays in all, as a share of the demands.
    single_pattern
        Everybody asks for every night, 19:00 to 31:00; mixed nights and half-hourly hours otherwise.
    """
    rng = np.random.default_rng([seed, demands])
    side_m = float(np.sqrt(demands / DEMANDS_PER_KM2)) * 1000
    num_facilities = max(1, round(side_m**2 / 1e6 * FACILITIES_PER_KM2))
    num_homes = max(1, round(side_m**2 / 1e6 * HOMES_PER_KM2))
    size = np.minimum(rng.lognormal(0, 0.8, num_facilities), 600 / MEAN_BAYS * 1.4)
    bays = np.maximum(1, np.rint(size / size.sum() * demands * supply)).astype(int)
    places = rng.uniform(0, side_m, (num_facilities, 2)) / METRES_PER_DEGREE
    kinds = rng.integers(0, 1 if single_pattern else len(_WINDOWS), num_facilities)
    return Neighbourhood(
        name=f"Synthetic city of {demands} demands, seed {seed}",
        timezone="Asia/Shanghai",
        country="CN",
        crs="EPSG:4326",
        seed=seed,
        term_from=date(2026, 9, 1),
        term_to=date(2026, 11, 30),
        policy=Policy(),
        facilities=tuple(
            _facility(index, places[index], int(bays[index]), _WINDOWS[kinds[index]]) for index in range(num_facilities)
        ),
        homes=_homes(rng, num_homes, side_m),
        demands=_demands(rng, demands, num_homes, single_pattern=single_pattern),
        decisions=pl.DataFrame(schema=DECISIONS_SCHEMA),
        walks=None,
        streets=None,
        calendar_overrides={},
    )


def _facility(index: int, place: np.ndarray, bays: int, windows: tuple[Window, ...]) -> Facility:
    opened = tuple(Window(w.days, w.from_min, w.to_min, bays, w.last_entry_min, w.season) for w in windows)
    return Facility(
        id=f"f{index:06d}",
        name=f"Synthetic car park {index}",
        kind="public_car_park",
        geometry=Point(*place),
        bay_groups=(BayGroup("std", ("standard",), opened),),
    )


def _homes(rng: np.random.Generator, count: int, side_m: float) -> pl.DataFrame:
    places = rng.uniform(0, side_m, (count, 2)) / METRES_PER_DEGREE
    return pl.DataFrame(
        {
            "id": [f"h{index:06d}" for index in range(count)],
            "lon": places[:, 0],
            "lat": places[:, 1],
            "name": [None] * count,
            "estate": [f"estate {index % 50}" for index in range(count)],
            "households": [None] * count,
        },
        schema=HOMES_SCHEMA,
    )


def _demands(rng: np.random.Generator, count: int, num_homes: int, *, single_pattern: bool) -> pl.DataFrame:
    days = rng.choice(1 if single_pattern else len(_DAYS), count, p=[1.0] if single_pattern else _DAYS_SHARE)
    arrive = np.full(count, 19 * 60) if single_pattern else 30 * rng.integers(37, 44, count)
    leave = np.full(count, 31 * 60) if single_pattern else 30 * rng.integers(60, 65, count)
    return pl.DataFrame(
        {
            "id": [f"d{index:07d}" for index in range(count)],
            "home": [f"h{index:06d}" for index in rng.integers(0, num_homes, count)],
            "days": [_DAYS[index] for index in days],
            "arrive_min": arrive,
            "leave_min": leave,
            "tier": rng.choice([1, 2, 3], count, p=[0.05, 0.15, 0.8]),
            "max_walk_m": [None] * count,
            "needs": [""] * count,
            "height_m": [None] * count,
            "stay_through": [False] * count,
            "rounds_waited": rng.choice([0, 1, 2], count, p=[0.8, 0.15, 0.05]),
            "holds": [None] * count,
        },
        schema=DEMANDS_SCHEMA,
    )
