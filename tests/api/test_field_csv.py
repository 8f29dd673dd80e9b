"""The file for gates in the field says exactly the nights of the list, or says what it cannot say."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from api.app import create_app
from api.gates.allow_list import AllowedRow
from api.gates.field_csv import FieldList, FieldRow, field_csv, field_list
from tests.api.accounts import settings_of_tests
from tests.api.gate_town import HOUR, make_gate_town

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
MINUTE = timedelta(minutes=1)


def allowed(*spans: tuple[str, str], zone: ZoneInfo = SHANGHAI, bay: str = "std 1") -> list[AllowedRow]:
    """Make rows of local times as `12-01 18:00`; a time that comes twice is meant the first time."""
    edges = [[datetime.fromisoformat(f"2026-{edge}").replace(tzinfo=zone) for edge in span] for span in spans]
    return [
        AllowedRow(k, "沪A12345", begin.astimezone(UTC), end.astimezone(UTC), bay, "permit")
        for k, (begin, end) in enumerate(edges)
    ]


def told(found: FieldList) -> list[str]:
    return [
        f"{r.begin_date:%m-%d}..{r.end_date:%m-%d} {r.begin_time:%H:%M}-{r.end_time:%H:%M} {r.slot}" for r in found.rows
    ]


def test_consecutive_nights_of_the_same_hours_are_one_row() -> None:
    nights = allowed(("12-01 18:00", "12-02 08:00"), ("12-02 18:00", "12-03 08:00"), ("12-03 18:00", "12-04 08:00"))
    assert told(field_list(nights, SHANGHAI)) == ["12-01..12-03 18:00-08:00 std 1"]


def test_a_night_given_back_a_different_hour_and_another_bay_are_rows_of_their_own() -> None:
    nights = allowed(("12-01 18:00", "12-02 08:00"), ("12-03 18:00", "12-04 08:00"), ("12-04 18:00", "12-05 09:00"))
    nights += allowed(("12-02 18:00", "12-03 08:00"), bay="std 2")
    assert told(field_list(nights, SHANGHAI)) == [
        "12-01..12-01 18:00-08:00 std 1",
        "12-02..12-02 18:00-08:00 std 2",
        "12-03..12-03 18:00-08:00 std 1",
        "12-04..12-04 18:00-09:00 std 1",
    ]


def test_a_stay_over_rest_days_is_split_into_rows_that_say_it_without_a_gap() -> None:
    assert told(field_list(allowed(("12-04 18:00", "12-07 08:00")), SHANGHAI)) == [
        "12-04..12-06 18:00-06:00 std 1",
        "12-05..12-06 06:00-18:00 std 1",
        "12-07..12-07 06:00-08:00 std 1",
    ]


@pytest.mark.parametrize(
    ("begins", "ends", "row"),
    [
        ("12-01 09:00", "12-01 17:30", "12-01..12-01 09:00-17:30 std 1"),
        ("12-01 18:00", "12-02 00:00", "12-01..12-01 18:00-00:00 std 1"),
        ("12-01 00:00", "12-01 08:00", "12-01..12-01 00:00-08:00 std 1"),
    ],
)
def test_a_part_of_a_day_is_a_row(begins: str, ends: str, row: str) -> None:
    assert told(field_list(allowed((begins, ends)), SHANGHAI)) == [row]


def test_a_whole_day_is_never_a_row_that_begins_and_ends_at_the_same_hour() -> None:
    found = field_list(allowed(("12-01 18:00", "12-02 18:00")), SHANGHAI)
    assert told(found) == ["12-01..12-01 18:00-06:00 std 1", "12-02..12-02 06:00-18:00 std 1"]


def test_what_ends_in_an_hour_that_comes_twice_cannot_be_said() -> None:
    """On 25 October the clock of Berlin goes from three back to two."""
    [row] = allowed(("10-24 18:00", "10-25 02:30"), zone=BERLIN)
    assert field_list([row], BERLIN) == FieldList([], [row])
    across = allowed(("10-24 18:00", "10-25 08:00"), zone=BERLIN)
    assert told(field_list(across, BERLIN)) == ["10-24..10-24 18:00-08:00 std 1"]


def minutes_of(rows: list[FieldRow]) -> Counter[tuple[str, str, datetime]]:
    """Expand rows as their reader does, five minutes by five: the definition again, written the other way round."""
    said: Counter[tuple[str, str, datetime]] = Counter()
    for row in rows:
        day = row.begin_date
        while day <= row.end_date:
            at = datetime.combine(day, row.begin_time)
            ends = datetime.combine(day, row.end_time)
            ends += timedelta(days=0 if ends > at else 1)
            while at < ends:
                said[row.plate, row.slot, at] += 1
                at += 5 * MINUTE
            day += timedelta(days=1)
    return said


_spans = st.lists(
    st.tuples(st.integers(0, 12 * 24 * 10), st.integers(1, 12 * 24 * 4), st.sampled_from("AB"), st.sampled_from("12")),
    max_size=6,
)


@given(_spans)
def test_the_rows_say_every_minute_of_the_list_and_none_more(spans: list[tuple[int, int, str, str]]) -> None:
    first = datetime(2026, 12, 1, tzinfo=SHANGHAI)
    rows: list[AllowedRow] = []
    wanted: set[tuple[str, str, datetime]] = set()
    for begin, length, plate, bay in spans:
        minutes = {(plate, bay, (first + 5 * MINUTE * k).replace(tzinfo=None)) for k in range(begin, begin + length)}
        if minutes & wanted:
            continue  # no plate has two rights to one bay at a moment
        wanted |= minutes
        start = first + 5 * MINUTE * begin
        rows.append(AllowedRow(len(rows), plate, start, start + 5 * MINUTE * length, bay, "booking"))
    said = minutes_of(list(field_list(rows, SHANGHAI).rows))
    assert said.keys() == wanted
    assert set(said.values()) <= {1}


def test_a_file_has_a_mark_or_is_gbk_and_holds_no_formula() -> None:
    found = field_list(allowed(("12-01 18:00", "12-02 08:00"), bay="=cmd|' /C calc'!A0 1"), SHANGHAI)
    marked = field_csv(found.rows, encoding="utf-8-sig")
    assert marked.startswith("\ufeffplateNo,begin_date,end_date,begin_time,end_time,slot\r\n".encode())
    for content, encoding in ((marked, "utf-8-sig"), (field_csv(found.rows, encoding="gbk"), "gbk")):
        [row] = csv.DictReader(io.StringIO(content.decode(encoding)))
        assert row == {
            "plateNo": "沪A12345",
            "begin_date": "2026-12-01",
            "end_date": "2026-12-01",
            "begin_time": "18:00:00",
            "end_time": "08:00:00",
            "slot": "'=cmd|' /C calc'!A0 1",
        }


def test_the_gate_fetches_the_file_and_that_is_written_down(engine: Engine) -> None:
    gates = make_gate_town(engine)
    night = datetime.now(UTC).replace(hour=10, minute=0, second=0, microsecond=0) + timedelta(days=1)
    wang = gates.resident("沪A12345")
    for day in range(2):
        begins = night + timedelta(days=day)
        gates.add_stay(wang, begins, begins + 14 * HOUR)
    with TestClient(create_app(settings_of_tests(), engine), base_url="http://127.0.0.1") as client:
        path = f"/v1/facilities/{gates.town.near}/allow-list.csv"
        found = client.get(path, headers=gates.headers, params={"encoding": "gbk"})
        rest = client.get(path, headers=gates.headers, params={"part": "not_sayable"})
    assert found.headers["X-Not-Sayable"] == "0"
    assert found.headers["X-Allow-List-Version"] == "1"
    assert found.content.decode("gbk").splitlines()[1:] == [
        f"沪A12345,{night:%Y-%m-%d},{night + timedelta(days=1):%Y-%m-%d},18:00:00,08:00:00,std 1"
    ]
    assert rest.content.decode("utf-8-sig").splitlines() == ["plateNo,from,to,slot"]
    assert gates.rows("SELECT way, num_rows FROM allow_list_exports") == [("csv", 2), ("csv", 2)]
