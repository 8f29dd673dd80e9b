"""Workdays and rest days of real calendars, under the folder's own word."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from api.calendars.clock import date_of, day_number, hours_text, instant_text, minute_of, moment_of, parse_hours
from api.calendars.day_kinds import day_kinds


def workdays(country: str, first: date, last: date, **overrides: str) -> set[date]:
    words = {date.fromisoformat(day.removeprefix("d").replace("_", "-")): word for day, word in overrides.items()}
    kinds = day_kinds(country, first=first, last=last, overrides=words)
    return {date_of(int(day)) for day in kinds.matching("workdays", first=day_number(first), last=day_number(last))}


def rest_days(country: str, first: date, last: date) -> list[str]:
    works = workdays(country, first, last)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [day.isoformat() for day in days if day not in works]


def test_china_works_on_make_up_days_and_rests_on_the_holidays_they_pay_for() -> None:
    works = workdays("CN", date(2026, 9, 14), date(2026, 10, 11))
    assert {date(2026, 9, 20), date(2026, 10, 10)} <= works  # a Sunday and a Saturday
    rests = {date(2026, 9, 25), *(date(2026, 10, day) for day in range(1, 8))}
    assert not rests & works
    assert date(2026, 9, 26) not in works
    assert date(2026, 10, 8) in works


def test_chinese_years_without_a_notice_are_provisional() -> None:
    kinds = day_kinds("CN", first=date(2026, 12, 30), last=date(2027, 1, 4))
    assert kinds.provisional.tolist() == [False, False, True, True, True, True]
    assert kinds.workday.tolist() == [
        True,
        True,
        False,
        False,
        False,
        True,
    ]  # Thursday to Monday, New Year's Day a Friday


def test_spring_festival_rests_in_a_provisional_year_too() -> None:
    assert "2027-02-06" in rest_days("CN", date(2027, 2, 1), date(2027, 2, 12))


def test_the_folder_has_the_last_word_and_makes_dates_certain() -> None:
    words = {date(2027, 1, 1): "workday", date(2027, 1, 4): "rest_day"}
    kinds = day_kinds("CN", first=date(2027, 1, 1), last=date(2027, 1, 4), overrides=words)
    assert kinds.workday.tolist() == [True, False, False, False]
    assert kinds.provisional.tolist() == [False, True, True, False]


def test_words_about_dates_outside_the_run_are_left_aside() -> None:
    assert len(workdays("CN", date(2026, 3, 2), date(2026, 3, 6), d2026_03_08="workday")) == 5


def test_named_weekdays_ignore_holidays() -> None:
    kinds = day_kinds("CN", first=date(2026, 10, 1), last=date(2026, 10, 7))
    days = kinds.matching("mon thu", first=day_number(date(2026, 10, 1)), last=day_number(date(2026, 10, 7)))
    assert [date_of(int(day)).isoformat() for day in days] == ["2026-10-01", "2026-10-05"]


@pytest.mark.parametrize(
    ("country", "first", "last", "expected"),
    [
        (
            "SG",
            date(2026, 8, 3),
            date(2026, 8, 10),
            ["2026-08-08", "2026-08-09", "2026-08-10"],
        ),  # National Day on a Sunday
        ("MC", date(2026, 11, 16), date(2026, 11, 22), ["2026-11-19", "2026-11-21", "2026-11-22"]),  # the Prince's Day
        ("US", date(2026, 11, 23), date(2026, 11, 29), ["2026-11-26", "2026-11-28", "2026-11-29"]),  # Thanksgiving
        ("SA", date(2026, 11, 8), date(2026, 11, 14), ["2026-11-13", "2026-11-14"]),  # Friday and Saturday
        ("cn", date(2026, 3, 2), date(2026, 3, 8), ["2026-03-07", "2026-03-08"]),
        ("ZZ", date(2026, 12, 25), date(2026, 12, 28), ["2026-12-26", "2026-12-27"]),  # unknown: weekends alone
    ],
)
def test_rest_days_are_the_weekend_and_the_holidays_of_the_country(
    country: str, first: date, last: date, expected: list[str]
) -> None:
    assert rest_days(country, first, last) == expected


def test_a_country_no_library_knows_is_provisional() -> None:
    assert day_kinds("ZZ", first=date(2026, 1, 1), last=date(2026, 1, 3)).provisional.all()
    assert not day_kinds("MC", first=date(2026, 1, 1), last=date(2026, 1, 3)).provisional.any()


def test_the_first_workday_after_a_day_skips_holidays() -> None:
    kinds = day_kinds("CN", first=date(2026, 9, 28), last=date(2026, 10, 12))
    assert date_of(kinds.next_workday(day_number(date(2026, 10, 2)))) == date(2026, 10, 8)
    assert date_of(kinds.next_workday(day_number(date(2026, 10, 9)))) == date(2026, 10, 10)
    with pytest.raises(IndexError, match="no workday after 2026-10-12"):
        kinds.next_workday(day_number(date(2026, 10, 12)))
    with pytest.raises(IndexError, match="2026-10-13 lies outside the calendar"):
        kinds.is_workday(day_number(date(2026, 10, 13)))


@pytest.mark.parametrize(
    ("text", "minutes"), [("00:00", 0), ("8:05", 485), ("18:00", 1080), ("31:30", 1890), ("48:00", 2880)]
)
def test_hours_run_to_the_end_of_the_day_after(text: str, minutes: int) -> None:
    assert parse_hours(text) == minutes
    assert parse_hours(f" {text}:00 ") == minutes
    assert parse_hours(hours_text(minutes)) == minutes


@pytest.mark.parametrize("text", ["", "18", "18:0", "18:60", "48:01", "-1:00", "18:00:30", "18：00", "noon", "100:00"])
def test_what_is_not_hours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_hours(text)


def test_minutes_count_on_the_wall_clock_from_1970() -> None:
    moment = moment_of(minute_of(moment_of(29_000_000)))
    assert minute_of(moment) == 29_000_000
    assert instant_text(day_number(date(2026, 12, 1)) * 1440 + 120) == "2026-12-01T02:00"
    assert date_of(day_number(date(2028, 2, 29))) == date(2028, 2, 29)
