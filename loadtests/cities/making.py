"""A city from its knobs: supply, homes and people put together as a neighbourhood."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from api.neighbourhoods.model import DECISIONS_SCHEMA, Neighbourhood, Policy
from loadtests.cities.knobs import City
from loadtests.cities.people import demands_of, homes_of
from loadtests.cities.supply import WHOLE_NIGHT, WINDOW_SHARE, bays_of, facility_of
from loadtests.cities.walks import nearest_places, rounded_walks

Floats = NDArray[np.float64]

TERM_FROM, TERM_TO = date(2026, 10, 5), date(2026, 12, 27)
"""Twelve weeks of a year whose holidays are decided: they begin with three days of a holiday and a make-up workday."""
CENTRE_LON, CENTRE_LAT = 104.0, 36.0
METRES_PER_DEGREE = 111_195.0
CROWD_RADIUS_M = 350.0
"""Homes that crowd around a huge facility are all within its reach."""


def make_city(city: City) -> Neighbourhood:
    """Draw a city; each aspect from a stream of its own, so that one knob does not move what it does not name."""
    streams = tuple(np.random.default_rng(seed) for seed in np.random.SeedSequence([city.seed, city.demands]).spawn(8))
    at_places, at_bays, at_windows, at_homes, *at_people = streams
    places_m, homes_m = _places(at_places, city), _homes(at_homes, city)
    facility_ids, home_ids = _ids("f", city.num_facilities, 6), _ids("h", city.num_homes, 7)
    bays = bays_of(at_bays, total=round(city.demands * city.supply), count=len(places_m), huge_share=city.huge_share)
    window_kind = at_windows.choice(len(WINDOW_SHARE), len(places_m), p=WINDOW_SHARE)
    if city.patterns == "single":
        window_kind[:] = WHOLE_NIGHT
    home = np.arange(city.demands)
    if city.homes_per_km2 is not None:
        home = at_homes.integers(0, city.num_homes, city.demands)
    held = nearest_places(homes_m, places_m)[home]
    return Neighbourhood(
        name=f"Synthetic city of {city.demands} demands, seed {city.seed}",
        timezone="Asia/Shanghai",
        country="CN",
        crs="EPSG:4326",
        seed=city.seed,
        term_from=TERM_FROM,
        term_to=TERM_TO,
        policy=Policy(tier_value_m=city.tier_value_m),
        facilities=tuple(
            facility_of(index, (lon, lat), bays=number, window_kind=kind, mixed=city.mixed_bays)
            for index, ((lon, lat), number, kind) in enumerate(
                zip(_degrees(places_m).tolist(), bays.tolist(), window_kind.tolist(), strict=True)
            )
        ),
        homes=homes_of(_degrees(homes_m), ids=home_ids),
        demands=demands_of(
            city,
            ids=_ids("d", city.demands, 7),
            home=home_ids.gather(home),
            held=facility_ids.gather(held),
            streams=tuple(at_people),
        ),
        decisions=pl.DataFrame(schema=DECISIONS_SCHEMA),
        walks=rounded_walks(homes_m, places_m, home_ids=home_ids, facility_ids=facility_ids) if city.ties else None,
        streets=None,
        calendar_overrides={},
    )


def _places(rng: np.random.Generator, city: City) -> Floats:
    """Facilities in metres east and north of the middle."""
    places: Floats = (rng.random((city.num_facilities, 2)) - 0.5) * np.array(city.size_m)
    if city.huge_share > 0:
        places[0] = 0
    return places


def _homes(rng: np.random.Generator, city: City) -> Floats:
    """Homes in metres east and north of the middle, a share of them crowded around it."""
    places: Floats = (rng.random((city.num_homes, 2)) - 0.5) * np.array(city.size_m)
    crowd = round(city.num_homes * city.huge_share)
    angle, radius = 2 * np.pi * rng.random(crowd), CROWD_RADIUS_M * np.sqrt(rng.random(crowd))
    around = np.column_stack((np.cos(angle), np.sin(angle))) * radius[:, None]
    places[rng.permutation(city.num_homes)[:crowd]] = around
    return places


def _degrees(places_m: Floats) -> Floats:
    """(N, 2) longitude and latitude, rounded to a centimetre."""
    scale = METRES_PER_DEGREE * np.array([np.cos(np.radians(CENTRE_LAT)), 1.0])
    degrees: Floats = np.round(np.array([CENTRE_LON, CENTRE_LAT]) + places_m / scale, 7)
    return degrees


def _ids(letter: str, count: int, digits: int) -> pl.Series:
    numbers = pl.DataFrame({"number": np.arange(count)})
    return numbers.select(pl.format(letter + "{}", pl.col("number").cast(pl.String()).str.zfill(digits))).to_series()
