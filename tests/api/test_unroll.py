"""Windows, buffers, closures and stays over real dates; capacities are worked out beside each case."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pytest
import shapely

from api.calendars.clock import day_number, minute_of
from api.calendars.day_kinds import DayKinds, day_kinds
from api.calendars.unroll import GroupHours, inside_one, merged, unroll_facility, unroll_stays
from api.neighbourhoods.model import BayGroup, Facility, Window

HOUR = 60


def calendar(first: date, last: date, country: str = "CN") -> DayKinds:
    return day_kinds(country, first=first - timedelta(days=2), last=last + timedelta(days=30))


def hours_of(*groups: list[Window], first: date, last: date, buffer: int = 0, country: str = "CN") -> list[GroupHours]:
    facility = Facility(
        id="f",
        name="f",
        kind="other",
        geometry=shapely.Point(0, 0),
        bay_groups=tuple(BayGroup(str(number), ("standard",), tuple(windows)) for number, windows in enumerate(groups)),
        buffer_bays=buffer,
    )
    kinds = calendar(first, last, country)
    return unroll_facility(facility, kinds, first=day_number(first) - 1, last=day_number(last))


def bays_at(hours: GroupHours, *moments: str) -> list[int]:
    """Bays at local moments."""
    at = [minute_of(datetime.fromisoformat(moment)) for moment in moments]
    steps = np.searchsorted(hours.capacity.at, at, side="right") - 1
    return [int(hours.capacity.bays[step]) if step >= 0 else 0 for step in steps]


def may_enter(hours: GroupHours, *moments: str) -> list[bool]:
    at = np.array([minute_of(datetime.fromisoformat(moment)) for moment in moments])
    return [bool(flag) for flag in inside_one(at, at + 1, hours.entry_start, hours.entry_end)]


MONDAY = date(2026, 3, 2)


def test_a_window_over_midnight_ends_on_the_next_mornings_clock() -> None:
    (hours,) = hours_of([Window("daily", 18 * HOUR, 32 * HOUR, 5)], first=MONDAY, last=MONDAY)
    assert bays_at(hours, "2026-03-02T17:59", "2026-03-02T18:00", "2026-03-03T07:59", "2026-03-03T08:00") == [
        0,
        5,
        5,
        0,
    ]


def test_the_window_of_the_day_before_covers_the_first_morning() -> None:
    (hours,) = hours_of([Window("daily", 18 * HOUR, 32 * HOUR, 5)], first=MONDAY, last=MONDAY)
    assert bays_at(hours, "2026-03-02T00:00", "2026-03-02T07:59", "2026-03-02T08:00") == [5, 5, 0]


def test_overlapping_windows_take_the_largest_not_the_sum() -> None:
    windows = [
        Window("daily", 0, 24 * HOUR, 2),
        Window("daily", 18 * HOUR, 31 * HOUR, 5),
        Window("mon", 20 * HOUR, 22 * HOUR, 3),
    ]
    (hours,) = hours_of(windows, first=MONDAY, last=MONDAY)
    assert bays_at(hours, "2026-03-02T12:00", "2026-03-02T21:00", "2026-03-03T06:00", "2026-03-03T07:00") == [
        2,
        5,
        5,
        0,
    ]


def test_windows_may_run_to_the_end_of_the_second_day() -> None:
    (hours,) = hours_of([Window("sat", 0, 48 * HOUR, 4)], first=date(2026, 3, 7), last=date(2026, 3, 8))
    assert bays_at(hours, "2026-03-06T23:59", "2026-03-07T00:00", "2026-03-08T23:59", "2026-03-09T00:00") == [
        0,
        4,
        4,
        0,
    ]


def test_windows_that_touch_are_one_open_time() -> None:
    windows = [Window("daily", 0, 8 * HOUR, 1), Window("daily", 8 * HOUR, 24 * HOUR, 3)]
    (hours,) = hours_of(windows, first=MONDAY, last=MONDAY)
    starts, ends = hours.capacity.open_intervals()
    assert (len(starts), (ends - starts).tolist()) == (1, [48 * HOUR])


def test_the_buffer_is_taken_from_groups_in_order_and_never_below_zero() -> None:
    # 18:00 to 20:00: two and nothing offered, three kept back. 20:00 to 22:00: two and four offered, 0 and 3 are left.
    groups = [Window("daily", 18 * HOUR, 22 * HOUR, 2)], [Window("daily", 20 * HOUR, 24 * HOUR, 4)]
    first, second = hours_of(*groups, first=MONDAY, last=MONDAY, buffer=3)
    assert bays_at(first, "2026-03-02T19:00", "2026-03-02T21:00") == [0, 0]
    assert bays_at(second, "2026-03-02T19:00", "2026-03-02T21:00", "2026-03-02T23:00") == [0, 3, 1]


def test_make_up_workdays_have_the_windows_of_workdays() -> None:
    windows = [Window("workdays", 18 * HOUR, 32 * HOUR, 3), Window("rest_days", 0, 32 * HOUR, 7)]
    (hours,) = hours_of(windows, first=date(2026, 9, 19), last=date(2026, 9, 21))
    # Saturday rests, Sunday the 20th is a make-up workday, whose morning still belongs to Saturday's window.
    assert bays_at(hours, "2026-09-19T12:00", "2026-09-20T07:59", "2026-09-20T12:00", "2026-09-20T18:00") == [
        7,
        7,
        0,
        3,
    ]


@pytest.mark.parametrize(
    ("season", "day", "is_open"),
    [
        (((5, 1), (9, 30)), date(2026, 5, 1), True),
        (((5, 1), (9, 30)), date(2026, 9, 30), True),
        (((5, 1), (9, 30)), date(2026, 4, 30), False),
        (((5, 1), (9, 30)), date(2026, 10, 1), False),
        (((11, 1), (2, 28)), date(2026, 12, 31), True),
        (((11, 1), (2, 28)), date(2027, 1, 1), True),
        (((11, 1), (2, 28)), date(2027, 3, 1), False),
        (((11, 1), (2, 28)), date(2028, 2, 29), False),
        (((11, 1), (2, 29)), date(2028, 2, 29), True),
        (((2, 29), (2, 29)), date(2027, 2, 28), False),
        (((2, 29), (3, 1)), date(2027, 3, 1), True),
    ],
)
def test_seasons_hold_on_the_windows_own_day_both_ends_included(
    season: tuple[tuple[int, int], tuple[int, int]], day: date, is_open: bool
) -> None:
    (hours,) = hours_of([Window("daily", 18 * HOUR, 32 * HOUR, 1, season=season)], first=day, last=day)
    evening = datetime.combine(day, datetime.min.time()) + timedelta(hours=20)
    assert bays_at(hours, evening.isoformat()) == [int(is_open)]
    # The morning after belongs to the evening before, whatever its own date.
    assert bays_at(hours, (evening + timedelta(hours=10)).isoformat()) == [int(is_open)]


def test_last_entry_is_inclusive_and_counted_from_the_windows_own_day() -> None:
    (hours,) = hours_of([Window("daily", 18 * HOUR, 32 * HOUR, 1, last_entry_min=25 * HOUR)], first=MONDAY, last=MONDAY)
    moments = "2026-03-02T17:59", "2026-03-02T18:00", "2026-03-03T01:00", "2026-03-03T01:01"
    assert may_enter(hours, *moments) == [False, True, True, False]


def test_of_overlapping_windows_any_may_admit() -> None:
    windows = [
        Window("daily", 18 * HOUR, 32 * HOUR, 1, last_entry_min=22 * HOUR),
        Window("mon", 20 * HOUR, 24 * HOUR, 1),
    ]
    (hours,) = hours_of(windows, first=MONDAY, last=date(2026, 3, 3))
    assert may_enter(hours, "2026-03-02T23:00", "2026-03-03T22:00", "2026-03-03T23:00") == [True, True, False]


def test_a_last_entry_after_the_window_opens_nothing() -> None:
    (hours,) = hours_of([Window("daily", 18 * HOUR, 20 * HOUR, 1, last_entry_min=22 * HOUR)], first=MONDAY, last=MONDAY)
    assert may_enter(hours, "2026-03-02T19:59", "2026-03-02T20:00", "2026-03-02T21:00") == [True, False, False]


@pytest.mark.parametrize(
    ("country", "spring", "autumn"),
    [("MC", date(2027, 3, 27), date(2026, 10, 24)), ("US", date(2027, 3, 13), date(2026, 10, 31))],
)
def test_windows_keep_wall_clock_hours_when_the_clock_changes(country: str, spring: date, autumn: date) -> None:
    for evening in (spring, autumn):  # nights of 13 and of 15 hours: the window still ends at eight by the clock
        (hours,) = hours_of([Window("daily", 18 * HOUR, 32 * HOUR, 2)], first=evening, last=evening, country=country)
        morning = evening + timedelta(days=1)
        assert bays_at(hours, f"{evening}T18:00", f"{morning}T02:30", f"{morning}T07:59", f"{morning}T08:00") == [
            2,
            2,
            2,
            0,
        ]


def stays(
    days: str, arrive: int, leave: int, first: date, last: date, *, through: bool = False
) -> list[tuple[str, str]]:
    kinds = calendar(first, last)
    asked, begins, ends = unroll_stays(
        days, arrive, leave, kinds, first=day_number(first), last=day_number(last), stay_through=through
    )
    assert len(asked) == len(begins) == len(ends)
    epoch = datetime(1970, 1, 1)  # noqa: DTZ001  (local wall-clock time)
    return [
        tuple((epoch + timedelta(minutes=int(minute))).strftime("%m-%dT%H:%M") for minute in pair)  # type: ignore[misc]
        for pair in zip(begins, ends, strict=True)
    ]


def test_a_term_of_one_day_has_one_stay() -> None:
    assert stays("daily", 19 * HOUR, 31 * HOUR, MONDAY, MONDAY) == [("03-02T19:00", "03-03T07:00")]
    assert stays("tue", 19 * HOUR, 31 * HOUR, MONDAY, MONDAY) == []


def test_a_stay_that_ends_on_a_rest_day_runs_through_to_the_next_workday() -> None:
    friday, holiday = date(2026, 9, 18), date(2026, 10, 2)
    # Sunday 20 September is a make-up workday; National Day rests until Wednesday 7 October.
    assert stays("fri", 18 * HOUR, 31 * HOUR, friday, friday, through=True) == [("09-18T18:00", "09-20T07:00")]
    assert stays("fri", 18 * HOUR, 31 * HOUR, holiday, holiday, through=True) == [("10-02T18:00", "10-08T07:00")]
    assert stays("mon", 18 * HOUR, 31 * HOUR, MONDAY, MONDAY, through=True) == [("03-02T18:00", "03-03T07:00")]


def test_a_stay_may_be_longer_than_a_day() -> None:
    assert stays("daily", 1 * HOUR, 47 * HOUR, MONDAY, MONDAY) == [("03-02T01:00", "03-03T23:00")]


def test_intervals_that_overlap_or_touch_are_merged_and_empty_ones_vanish() -> None:
    starts, ends = merged(np.array([5, 0, 9, 20, 12]), np.array([9, 6, 11, 20, 15]))
    assert (starts.tolist(), ends.tolist()) == ([0, 12], [11, 15])
