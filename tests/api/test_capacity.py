"""What owners are told of their bays holds on the days that follow, and says what it rests on."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from api.calendars.clock import DAY_MIN
from api.capacity.advising import Advice, Question, advise
from api.capacity.occupancy import peaks_of
from api.capacity.order import DAY_KIND, NOT_ENOUGH, Past, bound_for, upper_order_statistic
from api.capacity.records import read_records
from api.capacity.telling import advice_json
from api.capacity.testing import back_test
from api.capacity.visits import Row, UnusableRecords, Visits, visits_of
from api.capacity.windows import parse_window
from api.cli.app import app
from tests.api.gate_records import MONDAY, csv_of, real_record, steady_weeks

COUNTS = st.lists(st.integers(0, 30), min_size=2, max_size=60)


def column(values: list[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)[:, None]


def answer(visits: list[tuple[int, int]], **asked: object) -> Advice:
    return advise(read_records(csv_of(visits)), Question(**{"bays": 10, **asked}))  # type: ignore[arg-type]  # as named


# ------------------------------------------------------------------------------------------------------- reading files


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize(
    "head", ["入场时间,出场时间", "Lockdown Time,Lockup Time", "Entry_Time;exit time", "驶入时间（分）\t驶出时间"]
)
def test_columns_are_found_by_their_names_in_either_language(head: str, encoding: str) -> None:
    mark = next(m for m in ";\t," if m in head)
    content = f"{head}\n2019/3/1 18:00{mark}2019-03-02 07:30:01\n".encode(encoding)
    visits = read_records(content)
    assert visits.length_min.tolist() == [13 * 60 + 31], "seconds are rounded outwards"


def test_a_moment_with_an_offset_is_read_in_the_zone_of_the_place() -> None:
    content = b"entry,exit\n2019-03-01T10:00:00Z,2019-03-01T20:00+08:00\n"
    assert read_records(content, timezone="Asia/Shanghai").length_min.tolist() == [120]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no column"),
        (b"a,b\n1,2\n", "no column"),
        (b"entry\n2019-01-01\n", "an exit"),
        (b"entry,exit\n", "no row"),
        (b"entry,exit\nyesterday,today\n", "no row"),
        (b"entry,exit\n2019-01-01 10:00,\n", "both"),
        (b"\xff\xfe\x00a", "neither UTF-8 nor GBK"),
        (b"a" * 140_000, "line 1: is not CSV"),
        (b"entry,exit\n2019-01-01 10:00," + b"a" * 140_000, "line 2: is not CSV"),
    ],
)
def test_a_file_without_entries_and_exits_is_refused_with_the_reason(content: bytes, words: str) -> None:
    with pytest.raises(UnusableRecords, match=words):
        read_records(content)


def test_every_fault_is_counted_and_no_row_is_lost_silently() -> None:
    rows = [
        "2019-03-01 10:00,2019-03-01 12:00",
        "2019-03-01 10:00,2019-03-01 12:00",  # the same again
        "2019-03-01 09:00,2019-03-01 09:00",  # out of order, and over at once
        "2019-03-02 10:00,2019-03-01 12:00",  # out before in
        "2019-03-01 11:00,",
        ",2019-03-01 11:00",
        ",",
        "soon,2019-03-01 11:00",
        "1970-01-01 00:00,1970-01-01 01:00",
        "2019-03-01 10:00",
        "2019-03-01 10:00,2019-03-10 12:00",
    ]
    visits = read_records("\n".join(["entry,exit", *rows]).encode())
    assert visits.rows == 11
    assert visits.faults == {
        "unreadable": 2,
        "no_times": 1,
        "exit_before_entry": 1,
        "far_date": 1,
        "no_exit": 1,
        "no_entry": 1,
        "zero_length": 1,
        "repeated": 1,
        "out_of_order": 2,
        "over_a_week": 3,
    }
    assert len(visits.entry_min) == 11 - 5
    assert (np.diff(visits.entry_min) >= 0).all()


def test_a_car_that_comes_in_twice_without_leaving_is_one_car() -> None:
    rows = [Row(0, 100, "a"), Row(50, 70, "a"), Row(50, 70, "b")]
    visits = visits_of(rows)
    assert visits.faults["overlapping"] == 1
    spans = zip(visits.entry_min.tolist(), visits.exit_min.tolist(), strict=True)
    assert sorted(spans) == [(0, 50), (50, 70), (50, 100)]


# ------------------------------------------------------------------------------------------------------ how full it was


@given(st.lists(st.tuples(st.integers(0, 20 * DAY_MIN), st.integers(0, 3 * DAY_MIN)), min_size=1, max_size=40))
def test_peaks_are_those_of_counting_minute_by_minute(stays: list[tuple[int, int]]) -> None:
    visits = visits_of(Row(MONDAY + entry, MONDAY + entry + length) for entry, length in stays)
    try:
        peaks = peaks_of(visits, window=(1080, 1920))
    except UnusableRecords:
        return  # too short a record; the next test has a long one

    def most(start: int, end: int) -> int:
        moments = {start, *(m for m in visits.entry_min.tolist() if start <= m < end)}
        return max(int(((visits.entry_min <= m) & (m < visits.exit_min)).sum()) for m in moments)

    for index in (0, len(peaks.days) // 2, len(peaks.days) - 1):
        begin = int(peaks.days[index]) * DAY_MIN
        assert peaks.nightly[index, 0] == most(begin + 1080, begin + 1920)
        assert peaks.hourly[index].tolist() == [most(begin + 60 * h, begin + 60 * h + 60) for h in range(24)]


def test_two_cars_one_after_the_other_on_a_bay_are_one_car() -> None:
    day = [(600, 700), (700, 800)]
    visits = [(d * DAY_MIN + a, d * DAY_MIN + b) for d in range(28) for a, b in day]
    assert peaks_of(read_records(csv_of(visits)), window=(1080, 1920)).most == 1


def test_days_before_steady_use_and_days_not_recorded_are_not_taken_for_empty_ones() -> None:
    weeks = [(day, car) for day in range(42, 140) for car in range(8) if day not in (77, 78)]
    visits = [(0, 60), *((day * DAY_MIN + 600, day * DAY_MIN + 660) for day, _ in weeks)]
    peaks = peaks_of(read_records(csv_of(visits)), window=(1080, 1920))
    assert peaks.left_out["starting"] + peaks.left_out["not_recorded"] == 42 + 2
    assert not peaks.whole_day[[77, 78]].any()
    assert peaks.hourly[peaks.whole_day][:, 10].min() == 8


def test_the_last_days_are_left_out_while_long_stays_are_not_written_yet() -> None:
    long = [(day * DAY_MIN, (day + 4) * DAY_MIN) for day in range(56)]
    short = [(day * DAY_MIN + 600, day * DAY_MIN + 660) for day in range(60) for _ in range(5)]
    some = peaks_of(read_records(csv_of(long + short)), window=(1080, 1920))
    none = peaks_of(read_records(csv_of(short)), window=(1080, 1920))
    assert some.left_out["edges"] > none.left_out["edges"]
    assert not some.whole_day[-4:].any()


# ---------------------------------------------------------------------------------------------------------- statistics


@given(COUNTS, st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_with_equal_weights_it_is_the_order_statistic_of_the_book(values: list[int], confidence: float) -> None:
    rank = math.ceil((len(values) + 1) * confidence - 1e-9)
    expected = sorted(values)[rank - 1] if rank <= len(values) else math.inf
    bound = upper_order_statistic(column(values), np.ones(len(values)), confidence=confidence)
    assert bound.tolist() == [expected]


@given(COUNTS, st.sampled_from([0.5, 0.8, 0.9]))
def test_whichever_of_the_days_comes_last_the_bound_holds_as_often_as_it_says(
    values: list[int], confidence: float
) -> None:
    held = 0
    for last in range(len(values)):
        rest = values[:last] + values[last + 1 :]
        held += values[last] <= upper_order_statistic(column(rest), np.ones(len(rest)), confidence=confidence)[0]
    assert held >= confidence * len(values) - 1e-9


def test_nineteen_days_are_enough_for_nineteen_in_twenty_and_eighteen_are_not() -> None:
    assert upper_order_statistic(column(list(range(19))), np.ones(19), confidence=0.95).tolist() == [18]
    assert upper_order_statistic(column(list(range(18))), np.ones(18), confidence=0.95).tolist() == [math.inf]


def past(values: list[int], *, step: int = 1) -> Past:
    days = np.arange(0, step * len(values), step, dtype=np.int64)
    return Past(column(values), days, (days + 3) % 7, np.zeros(len(values), dtype=np.int64))


def test_few_mondays_are_helped_out_by_other_days_and_never_said_to_be_emptier_than_they_were() -> None:
    values = [9 if (day + 3) % 7 == 0 else 2 for day in range(100)]
    bound = bound_for(past(values), weekday=0, kind=0, before=100, confidence=0.95, half_life_weeks=1000)
    assert (bound.basis, bound.cars[0] >= 9) == ("day_kind", True)
    other = bound_for(past(values), weekday=0, kind=1, before=100, confidence=0.95, half_life_weeks=1000)
    assert (other.basis, other.cars[0]) == ("not_enough_days", math.inf)


def test_a_place_that_fills_up_is_said_to_have_fewer_bays_than_its_past_had() -> None:
    rising = [day // 20 for day in range(400)]
    level = bound_for(past(rising), weekday=0, kind=0, before=400, confidence=0.9, half_life_weeks=26)
    mixed = bound_for(
        past([rising[(7 * k) % 400] for k in range(400)]),
        weekday=0,
        kind=0,
        before=400,
        confidence=0.9,
        half_life_weeks=26,
    )
    assert level.cars[0] > mixed.cars[0]


def test_the_back_test_finds_the_coverage_that_was_asked_for_on_days_that_repeat_by_chance() -> None:
    generator = np.random.default_rng(5)
    made = past(generator.poisson(6, size=700).tolist())
    found = back_test(made, bays=30, confidence=0.9, half_life_weeks=1000)
    assert found is not None
    assert found[0].coverage >= 0.88
    assert found[0].low <= found[0].coverage <= found[0].high
    assert not found[0].drifting
    jump = past([*generator.poisson(4, size=500).tolist(), *([25] * 14)])
    drifted = back_test(jump, bays=30, confidence=0.9, half_life_weeks=1000)
    assert drifted is not None
    assert drifted[0].drifting


# -------------------------------------------------------------------------------------------------------- whole answers


def test_a_steady_place_has_all_bays_but_those_of_its_cars() -> None:
    advice = answer(steady_weeks(30, cars=4))
    assert {line.basis for line in advice.hours} == {"weekday"}
    for line in advice.hours:
        assert line.safe == tuple(6 if 10 <= hour < 23 else 10 for hour in range(24))
    assert [line.safe for line in advice.nights] == [(6,)] * 7
    assert advice.daily == 6
    assert advice.warnings == ()


def test_a_night_is_safe_all_along_and_not_only_hour_by_hour() -> None:
    """Four cars come at 22 h on even nights, at 19 h on odd ones: each hour has all ten bays on half the nights."""
    visits = [
        (day * DAY_MIN + (1140 if day % 2 else 1320), day * DAY_MIN + (1200 if day % 2 else 1380))
        for day in range(210)
        for _ in range(4)
    ]
    advice = answer(visits, confidence=0.5)
    assert advice.daily == 6
    assert max(number for line in advice.hours for number in line.safe or ()) == 10


def test_a_few_weeks_are_not_enough_and_that_is_the_answer() -> None:
    advice = answer(steady_weeks(3, cars=4))
    assert advice.daily is None
    assert {line.basis for line in advice.hours} == {"not_enough_days"}
    assert advice_json(advice)["hours"][0]["safe"] is None
    assert advice.nights_test is None


def test_more_cars_than_bays_is_said_and_nothing_is_safe() -> None:
    advice = answer(steady_weeks(30, cars=12))
    assert advice.daily == 0
    assert "12 cars" in advice.warnings[0]


@pytest.mark.parametrize(
    "asked", [{"bays": 0}, {"confidence": 1.0}, {"confidence": 0.1}, {"window": (1080, 1080)}, {"half_life_weeks": 0}]
)
def test_a_question_without_an_answer_is_refused(asked: dict[str, object]) -> None:
    with pytest.raises(UnusableRecords):
        Question(**{"bays": 3, **asked})  # type: ignore[arg-type]  # as named


@pytest.mark.parametrize("text", ["", "18:00", "18-32", "18:00-99:00"])
def test_a_window_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UnusableRecords, match="window"):
        parse_window(text)


def test_the_real_record_is_read_whole_and_its_advice_holds() -> None:
    visits: Visits = read_records(real_record())
    assert visits.rows == len(visits.entry_min) == 4343
    assert visits.faults == {"zero_length": 57, "repeated": 14}
    advice = advise(visits, Question(bays=62, country="CN"))
    assert advice.peaks.most == 62
    assert advice.peaks.left_out["starting"] == 92, "a few trials in March, use from June on"
    monday, saturday = advice.hours[0], advice.hours[5]
    assert monday.safe is not None
    assert (monday.basis, monday.safe[2] >= 55, monday.safe[12] <= 5) == ("day_kind", True, True)
    assert (saturday.basis, saturday.safe) == ("not_enough_days", None), "22 rest days, some of them old"
    assert advice.hours_test is not None
    assert advice.hours_test[0].coverage >= 0.95


def test_the_command_prints_tables_and_writes_the_answer_and_a_picture(tmp_path: Path) -> None:
    record = tmp_path / "p4.csv"
    record.write_bytes(real_record())
    arguments = ["capacity", str(record), "--bays", "62", "--country", "CN", "--window", "19:00-31:00"]
    done = CliRunner().invoke(app, [*arguments, "--json", str(tmp_path / "a.json"), "--plot", str(tmp_path / "a.png")])
    assert done.exit_code == 0, done.output
    for words in ("4,343 rows", "57 × zero_length", "19:00 to 31:00", "mean − 2σ", "43 days of the kind"):
        assert words in done.stdout
    told = json.loads((tmp_path / "a.json").read_text("utf-8"))
    assert (told["window"], told["record"]["whole_days"]) == ({"from": "19:00", "to": "31:00"}, 77)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("country", ["Narnia", "XX", "CHN", ""])
def test_a_country_that_is_not_known_is_refused_with_those_that_are(country: str) -> None:
    with pytest.raises(UnusableRecords, match=r"no such country is known; .* CN .* FR .*; or weekends"):
        Question(bays=1, country=country)
    assert Question(bays=1, country="cn").country == "cn"


def test_days_that_are_not_enough_tell_what_they_weigh() -> None:
    """Twenty days are more than 19, but the oldest of them weigh half."""
    day = np.arange(20, dtype=np.int64)
    past = Past(np.ones((20, 1), dtype=np.int64), day, day % 7, np.zeros(20, dtype=np.int64))
    bound = bound_for(past, weekday=0, kind=0, before=20, confidence=0.95, half_life_weeks=20 / 7)
    assert (bound.basis, bound.days) == (NOT_ENOUGH, 20)
    assert bound.weighed == pytest.approx(sum(0.5 ** (age / 20) for age in range(1, 21)))
    assert bound_for(past, weekday=0, kind=0, before=20, confidence=0.95, half_life_weeks=1e5).basis == DAY_KIND
