"""Local hours as instants, through changes to and from summer time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Point

from api.facilities.availability import Place, PlannedStay, availability, instant_of
from api.neighbourhoods.model import BayGroup, Facility, Window

PARIS = ZoneInfo("Europe/Paris")
ZONES = [
    "Europe/Paris",
    "America/New_York",
    "Asia/Shanghai",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Pacific/Apia",
]


@pytest.mark.parametrize(
    ("local", "instant"),
    [
        ("2026-07-01T12:00", "2026-07-01T10:00"),
        ("2026-03-29T01:59", "2026-03-29T00:59"),
        # Paris leaves out 02:00 to 03:00 on 29 March 2026; all of it is the moment of the jump.
        ("2026-03-29T02:00", "2026-03-29T01:00"),
        ("2026-03-29T02:30", "2026-03-29T01:00"),
        ("2026-03-29T03:00", "2026-03-29T01:00"),
        ("2026-03-29T03:01", "2026-03-29T01:01"),
        # 02:00 to 03:00 comes twice on 25 October 2026; the first is meant.
        ("2026-10-25T02:30", "2026-10-25T00:30"),
        ("2026-10-25T03:00", "2026-10-25T02:00"),
    ],
)
def test_a_local_time_is_one_instant(local: str, instant: str) -> None:
    assert instant_of(datetime.fromisoformat(local), PARIS) == datetime.fromisoformat(instant).replace(tzinfo=UTC)


@given(
    st.sampled_from(ZONES),
    st.datetimes(datetime.fromisoformat("1971-01-01"), datetime.fromisoformat("2037-12-30")),
    st.integers(min_value=1, max_value=200),
)
def test_later_on_the_wall_clock_is_never_earlier_in_the_world(zone: str, moment: datetime, minutes: int) -> None:
    local = moment.replace(second=0, microsecond=0)
    place = ZoneInfo(zone)
    assert instant_of(local, place) <= instant_of(local + timedelta(minutes=minutes), place)


def night_garage() -> Facility:
    group = BayGroup("std", ("standard",), (Window("daily", 18 * 60, 32 * 60, 4),))
    return Facility(id="f", name="F", kind="other", geometry=Point(2.3, 48.8), bay_groups=(group,))


def place(**own: object) -> Place:
    fields = {"term_from": date(2026, 3, 1), "term_to": date(2026, 3, 31), "overrides": {}, **own}
    return Place(zone=PARIS, country="FR", **fields)  # type: ignore[arg-type]  # the types of a Place


@pytest.mark.parametrize(("day", "hours"), [("2026-03-27", 14), ("2026-03-28", 13), ("2026-10-24", 15)])
def test_a_window_ends_at_its_hour_on_the_clock_however_long_the_night(day: str, hours: int) -> None:
    start = datetime.fromisoformat(day + "T12:00")
    by_group, _ = availability(night_garage(), place(), [], start=start, end=start + timedelta(days=1))
    [interval] = by_group["std"]
    assert interval.end - interval.start == timedelta(hours=hours)
    assert interval.end.astimezone(PARIS).hour == 8


def stay(**own: object) -> PlannedStay:
    fields = {
        "bay_group": "std",
        "days": "daily",
        "arrive_min": 19 * 60,
        "leave_min": 31 * 60,
        "stay_through": False,
        "days_left_out": (),
        "cars": 3,
        **own,
    }
    return PlannedStay(**fields)  # type: ignore[arg-type]  # the types of a PlannedStay


def free_at(moment: str, *stays: PlannedStay) -> int:
    local = datetime.fromisoformat(moment)
    by_group, _ = availability(
        night_garage(), place(), stays, start=local - timedelta(days=1), end=local + timedelta(days=1)
    )
    instant = instant_of(local, PARIS)
    return next(i.free for i in by_group["std"] if i.start <= instant < i.end)


def test_the_plan_takes_bays_only_while_its_stays_last() -> None:
    assert free_at("2026-03-10T18:30", stay()) == 4
    assert free_at("2026-03-10T19:00", stay()) == 1
    assert free_at("2026-03-11T07:00", stay()) == 4


def test_the_plan_takes_nothing_outside_its_term() -> None:
    assert free_at("2026-02-28T23:00", stay()) == 4
    assert free_at("2026-03-01T23:00", stay()) == 1
    assert free_at("2026-03-31T23:00", stay()) == 1
    assert free_at("2026-04-01T05:00", stay()) == 1
    assert free_at("2026-04-01T23:00", stay()) == 4


def test_a_day_left_out_takes_nothing() -> None:
    assert free_at("2026-03-10T23:00", stay(days_left_out=(date(2026, 3, 10),))) == 4
    assert free_at("2026-03-11T23:00", stay(days_left_out=(date(2026, 3, 10),))) == 1


def test_stays_of_several_patterns_add_up() -> None:
    # 10 March 2026 is a Tuesday.
    assert free_at("2026-03-10T23:00", stay(), stay(days="tue", cars=1)) == 0
    assert free_at("2026-03-11T23:00", stay(), stay(days="tue", cars=1)) == 1


def test_stays_that_run_through_a_weekend_and_overlap_are_one_car() -> None:
    # Fridays' stays run on to Monday 07:00, and those of Saturdays and Sundays lie inside.
    assert free_at("2026-03-14T23:00", stay(stay_through=True, cars=1)) == 3
    assert free_at("2026-03-15T23:00", stay(stay_through=True, cars=1)) == 3
