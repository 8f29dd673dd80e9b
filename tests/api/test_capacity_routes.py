"""Owners ask over the interface how many bays they can share; nobody asks for somebody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from tests.api.gate_records import csv_of, real_record, steady_weeks
from tests.api.supply import Lane, ok, open_lane, problem, publish


@pytest.fixture
def town(engine: Engine, lane: Path) -> Iterator[Lane]:
    with open_lane(engine, lane) as town:
        yield town


def ask(client: TestClient, facility: int, content: bytes, **asked: object) -> Any:  # noqa: ANN401 -- an answer
    path = f"/v1/facilities/{facility}/capacity-advice"
    return client.post(path, content=content, params=asked, headers={"Content-Type": "text/csv"})  # type: ignore[arg-type]


def test_an_owner_learns_how_many_bays_of_its_own_are_safe(town: Lane) -> None:
    found = ok(ask(town.owner, publish(town), csv_of(steady_weeks(30, cars=1))))
    assert (found["bays"], found["daily"], found["calendar"]) == (3, 2, "CN")
    assert found["hours"][0]["safe"] == [3] * 10 + [2] * 13 + [3]
    assert found["back_test"]["nights"]["order_statistics"]["coverage"] == 1


def test_without_a_file_the_gates_own_record_answers(town: Lane) -> None:
    facility = publish(town)
    with town.engine.begin() as connection:  # one car of the owner's on every day of half a year, 10 to 23 h
        connection.execute(
            text(
                "INSERT INTO gate_sessions (facility_id, plate_hash, plate_sealed, began_at, entered_at, left_at, "
                "state) SELECT :f, 'x', 'x', at, at, at + interval '13 hours', 'closed' FROM generate_series("
                "CAST('2025-03-03 02:00Z' AS timestamptz), '2025-09-28 02:00Z', '1 day') AS at"
            ),
            {"f": facility},
        )
    found = ok(ask(town.owner, facility, b""))
    assert (found["daily"], found["hours"][0]["safe"]) == (2, [3] * 10 + [2] * 13 + [3])
    assert found["record"]["visits"] == 210


def test_a_planner_may_ask_and_say_how_many_bays_there_are(town: Lane) -> None:
    found = ok(ask(town.planner, publish(town), real_record(), bays=62, confidence=0.9, window="19:00-31:00"))
    assert (found["bays"], found["confidence"], found["window"]) == (62, 0.9, {"from": "19:00", "to": "31:00"})
    assert found["record"]["faults"][0] == {
        "fault": "zero_length",
        "rows": 57,
        "treatment": "kept: entry and exit in one minute take no bay",
    }


def test_nobody_else_may_ask(town: Lane) -> None:
    facility = publish(town)
    for client, status in ((town.other, 404), (town.resident(), 404), (town.public, 401)):
        problem(ask(client, facility, csv_of(steady_weeks(3, cars=1))), status)


def test_a_file_that_is_no_record_is_refused_with_the_reason(town: Lane) -> None:
    facility = publish(town)
    found = problem(ask(town.owner, facility, b"name,plate\na,b\n"), 422)
    assert found["type"] == "records-not-usable"
    assert "no column is named as an entry" in found["detail"]
    assert "plate" not in found["detail"], "what was sent is not repeated"
    assert "window" in problem(ask(town.owner, facility, b"", window="x"), 422)["detail"]
