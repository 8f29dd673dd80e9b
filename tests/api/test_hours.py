"""Use by hour: bays shared and occupied on an average day of the term."""

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
from api.pages.hours import hourly_use


def _one_facility(*, days: str, stay_through: bool) -> Neighbourhood:
    """Make a garage with two bays every night and one demand 19:00 to 31:00, Monday 2 to Sunday 8 November 2026."""
    windows = (Window("workdays", 18 * 60, 32 * 60, 2), Window("rest_days", 0, 32 * 60, 2))
    home = {"id": ["h"], "lon": [121.5], "lat": [31.2], "name": [None], "estate": [None], "households": [None]}
    demand = {column: [None] for column in DEMANDS_SCHEMA} | {
        "id": ["d"],
        "home": ["h"],
        "days": [days],
        "arrive_min": [19 * 60],
        "leave_min": [31 * 60],
        "tier": [3],
        "needs": [""],
        "stay_through": [stay_through],
        "rounds_waited": [0],
    }
    return Neighbourhood(
        name="one garage",
        timezone="Asia/Shanghai",
        country="CN",
        crs="EPSG:4326",
        seed=0,
        term_from=date(2026, 11, 2),
        term_to=date(2026, 11, 8),
        policy=Policy(),
        facilities=(Facility("f", "f", "other", Point(121.5, 31.2), (BayGroup("std", ("standard",), windows),)),),
        homes=pl.DataFrame(home, schema=HOMES_SCHEMA),
        demands=pl.DataFrame(demand, schema=DEMANDS_SCHEMA),
        decisions=pl.DataFrame(schema=DECISIONS_SCHEMA),
        walks=None,
        streets=None,
        calendar_overrides={},
    )


def test_a_daily_car_stands_there_from_seven_in_the_evening_until_seven_in_the_morning() -> None:
    use = hourly_use(_one_facility(days="daily", stay_through=False), [{"demand": "d", "days_left_out": []}])
    by_hour = dict(zip(use.hours, use.occupied.tolist(), strict=True))
    assert by_hour[18] == 0
    assert by_hour[19] == by_hour[2] == by_hour[6] == 1
    assert by_hour[7] == 0
    assert np.isclose(use.shared[use.hours.index(2)], 2)


def test_stays_that_overlap_are_one_car() -> None:
    # Friday's stay runs on to Monday 07:00 and holds Saturday's and Sunday's inside: never two cars.
    use = hourly_use(_one_facility(days="daily", stay_through=True), [{"demand": "d", "days_left_out": []}])
    assert use.occupied.max() <= 1


def test_nights_left_out_hold_no_car() -> None:
    use = hourly_use(
        _one_facility(days="mon tue", stay_through=False), [{"demand": "d", "days_left_out": ["2026-11-02"]}]
    )
    assert np.isclose(use.occupied[use.hours.index(2)], 1 / 7)
