"""Homes and demands of a city, drawn whole columns at a time."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from api.neighbourhoods.model import DEMANDS_SCHEMA, HOMES_SCHEMA, WEEKDAYS
from loadtests.cities.knobs import City

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TIERS, TIER_SHARE = (1, 2, 3), (0.05, 0.15, 0.8)
WAITED, WAITED_SHARE = (0, 1, 2), (0.8, 0.15, 0.05)
NEEDS, NEEDS_SHARE = ("", "accessible", "ev", "accessible ev"), (0.84, 0.04, 0.11, 0.01)
HEIGHT_M, HEIGHT_SHARE = (1.5, 1.9, 2.1), (0.5, 0.4, 0.1)
HOLDERS_SHARE = 0.15
_ESTATES_PER_DEGREE = 100

_DAYS = ("daily", "workdays", "rest_days")
_PAIRS = ("mon tue", "tue wed", "wed thu", "thu fri", "fri sat", "sat sun", "mon sun")
_OTHER_DAYS = ("mon wed", "tue thu", "wed fri", "thu sat", "fri sun", "mon wed fri", "tue thu sat")
_FIVE_SHARE = (0.6, 0.2, 0.06, 0.07, 0.07)
"""Daily, workdays, rest days, two nights running, and nights apart."""

_ARRIVE_MIN = 30 * np.arange(35, 45)
_ARRIVE_SHARE = np.array([1, 4, 5, 6, 6, 5, 4, 3, 2, 1]) / 37
"""17:30 to 22:00, most of them around 19:15."""
_LEAVE_MIN = 30 * np.arange(60, 66)
_LEAVE_SHARE = np.array([1, 2, 4, 5, 4, 1]) / 17
"""06:00 to 08:30, most of them around 07:30."""


def homes_of(places: Floats, *, ids: pl.Series) -> pl.DataFrame:
    """Homes at (H, 2) degrees; an estate is a square of about a kilometre."""
    estates = np.floor(places * _ESTATES_PER_DEGREE).astype(np.int64)
    columns = {"id": ids, "lon": places[:, 0], "lat": places[:, 1], "east": estates[:, 0], "north": estates[:, 1]}
    return (
        pl.DataFrame(columns)
        .with_columns(
            estate=pl.format("estate {}-{}", "east", "north"),
            name=pl.lit(None, pl.String()),
            households=pl.lit(None, pl.Int64()),
        )
        .select(pl.col(name).cast(kind) for name, kind in HOMES_SCHEMA.items())
    )


def demands_of(
    city: City, *, ids: pl.Series, home: pl.Series, held: pl.Series, streams: tuple[np.random.Generator, ...]
) -> pl.DataFrame:
    """
    Demands of a city.

    Parameters
    ----------
    ids, home, held
        (D,) each: the demands' own ids, their homes', and the facilities that holders among them would hold.
    streams
        For days, hours, rank and needs.
    """
    at_days, at_hours, at_rank, at_needs = streams
    count = city.demands
    arrive, leave = _hours(at_hours, city)
    needs = at_needs.choice(len(NEEDS), count, p=NEEDS_SHARE)
    heights = at_needs.choice(HEIGHT_M, count, p=HEIGHT_SHARE)
    holds = at_needs.random(count) < HOLDERS_SHARE
    tier = at_rank.choice(TIERS, count, p=TIER_SHARE)
    waited = at_rank.choice(WAITED, count, p=WAITED_SHARE)
    columns = {
        "id": ids,
        "home": home,
        "days": _days(at_days, city),
        "arrive_min": arrive,
        "leave_min": leave,
        "tier": np.full(count, TIERS[-1]) if city.ties else tier,
        "max_walk_m": pl.repeat(None, count, dtype=pl.Float64(), eager=True),
        "needs": pl.Series(NEEDS).gather(needs if city.mixed_bays else np.zeros(count, dtype=np.int64)),
        "height_m": pl.Series(heights if city.mixed_bays else np.full(count, np.nan)).fill_nan(None),
        "stay_through": np.zeros(count, dtype=np.bool_),
        "rounds_waited": np.zeros(count, dtype=np.int64) if city.ties else waited,
        "holds": held.set(pl.Series(~(holds & city.mixed_bays)), None),
    }
    return pl.DataFrame(columns).cast(DEMANDS_SCHEMA)  # type: ignore[arg-type]  # a schema of types is a mapping


def _days(rng: np.random.Generator, city: City) -> pl.Series:
    count = city.demands
    if city.patterns in ("single", "few"):
        return pl.repeat("daily", count, eager=True)
    if city.patterns == "many":
        return _weekday_sets().gather(rng.integers(1, 1 << len(WEEKDAYS), count))
    kind = rng.choice(len(_FIVE_SHARE), count, p=_FIVE_SHARE)
    first, size = np.array([0, 1, 2, 3, 3 + len(_PAIRS)]), np.array([1, 1, 1, len(_PAIRS), len(_OTHER_DAYS)])
    which = first[kind] + np.floor(rng.random(count) * size[kind]).astype(np.int64)
    return pl.Series([*_DAYS, *_PAIRS, *_OTHER_DAYS]).gather(which)


def _weekday_sets() -> pl.Series:
    """All 128 sets of weekdays, in words; number n holds weekday w when bit w of n is set."""
    sets = range(1 << len(WEEKDAYS))
    return pl.Series([" ".join(day for bit, day in enumerate(WEEKDAYS) if number >> bit & 1) for number in sets])


def _hours(rng: np.random.Generator, city: City) -> tuple[Ints, Ints]:
    """Arrival and leaving, minutes of the stay's own day."""
    if city.patterns == "single":
        return np.full(city.demands, 19 * 60), np.full(city.demands, 31 * 60)
    arrive = rng.choice(_ARRIVE_MIN, city.demands, p=_ARRIVE_SHARE)
    leave = rng.choice(_LEAVE_MIN, city.demands, p=_LEAVE_SHARE)
    return arrive, leave
