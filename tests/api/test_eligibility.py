"""Which stays fit which hours: each rule with a feasible and an infeasible twin, by compiler and checker."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import shapely

from api.neighbourhoods.model import (
    DECISIONS_SCHEMA,
    DEMANDS_SCHEMA,
    HOMES_SCHEMA,
    WALKS_SCHEMA,
    BayGroup,
    Closure,
    Facility,
    Neighbourhood,
    Policy,
    Window,
)
from api.planning.compiling import Why, compile_neighbourhood
from api.planning.verdicts import Verdicts
from api.planning.walking import walks_of

HOUR = 60
MONDAY = date(2026, 3, 2)
NIGHT = Window("daily", 18 * HOUR, 32 * HOUR, 1)


def verdict(
    *windows: Window,
    first: date = MONDAY,
    num_days: int = 7,
    walk_m: int = 100,
    kinds: tuple[str, ...] = ("standard",),
    facility: dict[str, Any] | None = None,
    **asked: object,
) -> tuple[str, list[str]]:
    """Why one demand may not stand in a bay group ("full" where it may), and the days left out; both agree."""
    place = Facility(
        "f", "f", "other", shapely.Point(121.5, 31.2), (BayGroup("g", kinds, windows or (NIGHT,)),), **(facility or {})
    )
    own = {
        "id": "d",
        "home": "h",
        "days": "daily",
        "arrive_min": 19 * HOUR,
        "leave_min": 31 * HOUR,
        "tier": 3,
        "needs": "",
    }
    demand = {"stay_through": False, "rounds_waited": 0, **own, **asked}
    neighbourhood = Neighbourhood(
        name="one",
        timezone="Asia/Shanghai",
        country="CN",
        crs="EPSG:4326",
        seed=0,
        term_from=first,
        term_to=first + timedelta(days=num_days - 1),
        policy=Policy(),
        facilities=(place,),
        homes=pl.DataFrame([{"id": "h", "lon": 121.5, "lat": 31.2}], schema=HOMES_SCHEMA),
        demands=pl.DataFrame([demand], schema=DEMANDS_SCHEMA),
        decisions=pl.DataFrame(schema=DECISIONS_SCHEMA),
        walks=pl.DataFrame([("h", "f", walk_m)], schema=WALKS_SCHEMA, orient="row"),
        streets=None,
        calendar_overrides={},
    )
    walks = walks_of(neighbourhood)
    options = compile_neighbourhood(neighbourhood, walks).options
    checker = Verdicts(neighbourhood, walks)
    _, whys = checker.refusal(checker.demands["d"])
    (why,) = options.why.tolist()
    assert whys["f", "g"][1] == ("full" if why == Why.eligible else Why(why).name)
    option = checker.options(checker.demands["d"]).get(("f", "g"))
    return whys["f", "g"][1], [day.isoformat() for day in option.left_out] if option else []


def why(*windows: Window, **asked: Any) -> str:  # noqa: ANN401  (what `verdict` takes)
    return verdict(*windows, **asked)[0]


def closed(begin: str, end: str) -> Closure:
    return Closure(datetime.fromisoformat(begin), datetime.fromisoformat(end))


def test_a_stay_that_fills_the_window_to_the_minute_fits_and_one_minute_more_does_not() -> None:
    assert why(arrive_min=18 * HOUR, leave_min=32 * HOUR) == "full"
    assert why(arrive_min=18 * HOUR - 1, leave_min=32 * HOUR) == "no_window"
    assert why(arrive_min=18 * HOUR, leave_min=32 * HOUR + 1) == "no_window"


def test_entry_at_the_last_minute_fits_and_a_minute_later_does_not() -> None:
    window = Window("daily", 18 * HOUR, 32 * HOUR, 1, last_entry_min=22 * HOUR)
    assert why(window, arrive_min=22 * HOUR) == "full"
    assert why(window, arrive_min=22 * HOUR + 1) == "no_window"


def test_two_windows_that_touch_hold_a_stay_and_with_a_gap_they_do_not() -> None:
    evening, morning = Window("daily", 18 * HOUR, 24 * HOUR, 1), Window("daily", 0, 8 * HOUR, 2)
    assert why(evening, morning) == "full"
    assert why(evening, Window("daily", 1, 8 * HOUR, 2)) == "no_window"


def test_a_window_without_bays_is_not_open() -> None:
    assert why(Window("daily", 18 * HOUR, 32 * HOUR, 0)) == "no_window"


def test_a_buffer_as_large_as_the_group_closes_it() -> None:
    assert why(Window("daily", 18 * HOUR, 32 * HOUR, 2), facility={"buffer_bays": 1}) == "full"
    assert why(Window("daily", 18 * HOUR, 32 * HOUR, 2), facility={"buffer_bays": 2}) == "no_window"


def test_a_car_moves_at_the_edges_of_no_movement_hours_and_never_strictly_inside() -> None:
    late = {"no_movement": (22 * HOUR, 30 * HOUR)}
    assert why(facility=late, arrive_min=22 * HOUR, leave_min=30 * HOUR) == "full"
    assert why(facility=late, arrive_min=22 * HOUR + 1, leave_min=30 * HOUR) == "no_window"
    assert why(facility=late, arrive_min=22 * HOUR, leave_min=30 * HOUR - 1) == "no_window"


def test_no_movement_over_midnight_holds_on_both_sides_of_it() -> None:
    night = {"no_movement": (23 * HOUR, 30 * HOUR)}
    assert why(facility=night, arrive_min=23 * HOUR + 30) == "no_window"
    assert why(facility=night, arrive_min=24 * HOUR + 30) == "no_window"
    assert why(facility=night, arrive_min=20 * HOUR, leave_min=28 * HOUR) == "no_window"
    assert why(facility=night, arrive_min=20 * HOUR, leave_min=31 * HOUR) == "full"


def test_a_closure_that_only_touches_a_stay_leaves_nothing_out() -> None:
    # Stays of Monday end on Tuesday 07:00, stays of Tuesday begin at 19:00.
    between = closed("2026-03-03T07:00", "2026-03-03T19:00")
    assert verdict(facility={"closures": (between,)}) == ("full", [])
    longer = closed("2026-03-03T06:59", "2026-03-03T19:01")
    assert verdict(facility={"closures": (longer,)}) == ("full", ["2026-03-02", "2026-03-03"])


def test_a_closure_that_begins_within_a_minute_closes_that_minute() -> None:
    seconds = closed("2026-03-03T06:59:30", "2026-03-03T12:00")
    assert verdict(facility={"closures": (seconds,)}) == ("full", ["2026-03-02"])


def test_half_of_the_asked_days_may_be_left_out_and_not_one_more() -> None:
    half = closed("2026-03-02T00:00", "2026-03-03T19:00")
    assert verdict(num_days=4, facility={"closures": (half,)}) == ("full", ["2026-03-02"])
    two = closed("2026-03-02T00:00", "2026-03-04T12:00")
    assert verdict(num_days=4, facility={"closures": (two,)}) == ("full", ["2026-03-02", "2026-03-03"])
    assert why(num_days=3, facility={"closures": (two,)}) == "no_window"


def test_days_left_out_are_held_to_no_other_rule() -> None:
    # The window is shut on Tuesdays anyway; a closure that leaves Tuesday out makes the demand eligible.
    window = Window("mon wed thu fri sat sun", 18 * HOUR, 32 * HOUR, 1)
    assert why(window) == "no_window"
    closure = closed("2026-03-03T20:00", "2026-03-03T21:00")
    assert verdict(window, facility={"closures": (closure,)}) == ("full", ["2026-03-03"])


def test_a_stay_through_a_holiday_needs_all_of_it_open() -> None:
    # Friday 2 October 2026 until Thursday the 8th, the first workday after National Day.
    nights = Window("workdays", 18 * HOUR, 32 * HOUR, 1)
    rests = Window("rest_days", 0, 32 * HOUR, 1)
    asked = {"first": date(2026, 10, 1), "days": "fri", "stay_through": True}
    assert why(nights, rests, **asked) == "full"
    assert why(rests, Window("daily", 18 * HOUR, 30 * HOUR, 1), **asked) == "full"
    assert why(nights, Window("daily", 18 * HOUR, 32 * HOUR, 1), **asked) == "no_window"
    assert why(nights, Window("daily", 18 * HOUR, 32 * HOUR, 1), **{**asked, "stay_through": False}) == "full"


def test_a_stay_may_last_more_than_a_day_where_the_bays_stay_open() -> None:
    asked = {"days": "mon", "arrive_min": 9 * HOUR, "leave_min": 47 * HOUR}
    assert why(Window("mon", 9 * HOUR, 47 * HOUR, 1), **asked) == "full"
    assert why(Window("daily", 0, 24 * HOUR, 1), **asked) == "full"
    assert why(Window("mon", 9 * HOUR, 46 * HOUR, 1), **asked) == "no_window"


def test_the_night_before_the_term_opens_its_first_morning() -> None:
    assert why(NIGHT, num_days=1, arrive_min=0, leave_min=7 * HOUR) == "full"
    assert why(Window("mon", 18 * HOUR, 32 * HOUR, 1), num_days=1, arrive_min=0, leave_min=7 * HOUR) == "no_window"


def test_nights_on_which_the_clock_changes_are_nights_like_any_other() -> None:
    for evening in (date(2027, 3, 27), date(2026, 10, 24), date(2027, 3, 13), date(2026, 10, 31)):
        assert why(first=evening, num_days=1, arrive_min=18 * HOUR, leave_min=32 * HOUR) == "full"


def test_a_walk_at_the_limit_is_near_enough_and_a_metre_more_is_not() -> None:
    assert why(walk_m=500) == "full"
    assert why(walk_m=501) == "too_far"
    assert why(walk_m=300, max_walk_m=300) == "full"
    assert why(walk_m=300, max_walk_m=299.9) == "too_far"
    assert why(walk_m=900, max_walk_m=900) == "full"


def test_needs_are_met_by_all_their_kinds_and_others_park_in_standard_or_large_bays() -> None:
    assert why(kinds=("ev",), needs="ev") == "full"
    assert why(kinds=("standard",), needs="ev") == "no_suitable_bay"
    assert why(kinds=("accessible", "ev"), needs="accessible ev") == "full"
    assert why(kinds=("accessible",), needs="accessible ev") == "no_suitable_bay"
    assert why(kinds=("ev",)) == "no_suitable_bay"
    assert why(kinds=("large",)) == "full"
    assert why(kinds=("standard", "ev")) == "full"


def test_a_car_as_high_as_the_entrance_fits_and_a_higher_one_does_not() -> None:
    assert why(facility={"max_height_m": 2.0}, height_m=2.0) == "full"
    assert why(facility={"max_height_m": 2.0}, height_m=2.01) == "no_suitable_bay"
    assert why(facility={"max_height_m": 2.0}) == "full"
    assert why(height_m=3.5) == "full"


def test_the_first_rule_that_fails_is_the_one_that_is_told() -> None:
    assert why(days="tue", num_days=1) == "no_day"
    assert why(days="tue", num_days=1, walk_m=900) == "no_day"
    assert why(walk_m=900, arrive_min=0) == "too_far"
    assert why(arrive_min=0, needs="ev") == "no_window"


def test_a_pair_worth_nothing_is_no_pair() -> None:
    assert why(walk_m=4999, max_walk_m=9000) == "full"
    assert why(walk_m=5000, max_walk_m=9000) == "no_value"
    assert why(walk_m=5000, max_walk_m=9000, rounds_waited=1) == "full"
