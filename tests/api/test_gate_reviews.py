"""Mistakes about whose car a gate saw are found and mended, and what followed from them is undone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from api.app import create_app
from api.gates.events import MENDED_WITHIN, EventReviewed, SeenEvent, assign_event, dismiss_event
from api.jobs.queries import work
from api.overstays.jobs import strike_late_cars
from tests.api.accounts import KEYS, SomeAccount, make_owner, settings_of_tests
from tests.api.estates import give_facility
from tests.api.gate_town import HOUR, MINUTE
from tests.api.late_town import DAY, PLATE, START, Late, make_late

UNCLEAR, OTHER, THIRD = "粤Z0?000", "沪B54321", "沪C11111"
LEAVE_BY = START + 14 * HOUR


@pytest.fixture
def late(engine: Engine) -> Late:
    return make_late(engine)


@pytest.fixture
def owner(late: Late) -> SomeAccount:
    made = make_owner(late.gates.engine, "owner")
    give_facility(late.gates.engine, late.gates.town.near, *made.principal.owner_ids)
    return made


@pytest.fixture
def public(engine: Engine) -> Iterator[TestClient]:
    with TestClient(create_app(settings_of_tests(), engine), base_url="http://127.0.0.1") as client:
        yield client


def assign(late: Late, event: int, plate: str, *, now: datetime) -> None:
    with work(late.gates.engine) as connection:
        assign_event(connection, KEYS, event, plate=plate, account_id=None, now=now)


def dismiss(late: Late, event: int, *, now: datetime) -> None:
    with work(late.gates.engine) as connection:
        dismiss_event(connection, event, account_id=None, now=now)


def newest(late: Late) -> int:
    [(found,)] = late.gates.rows("SELECT max(id) FROM gate_events")
    assert isinstance(found, int)
    return found


def came_in(late: Late) -> None:
    late.gates.add_stay(late.who, START, LEAVE_BY)
    late.gates.refresh(START)
    late.gates.send(SeenEvent("in", "entry", START + MINUTE, PLATE), now=START + MINUTE)


def struck_by_mistake(late: Late) -> tuple[int, datetime]:
    """Name the household's car for an exit that was another's; return the event, and when it was struck for it."""
    came_in(late)
    left = LEAVE_BY + HOUR
    late.gates.send(SeenEvent("out", "exit", left, UNCLEAR), now=left)
    event = newest(late)
    assign(late, event, PLATE, now=left)
    assert strike_late_cars(late.gates.engine, now=left + HOUR)["strikes"] == 1
    return event, left + HOUR


@pytest.mark.parametrize("other", [OTHER, None])
@pytest.mark.parametrize("later", [HOUR, 12 * DAY])
def test_a_strike_for_another_cars_exit_is_taken_back_when_the_mistake_is_mended(
    late: Late, other: str | None, later: timedelta
) -> None:
    event, now = struck_by_mistake(late)
    if other is None:
        dismiss(late, event, now=now + later)
    else:
        assign(late, event, other, now=now + later)
    assert [row[2] for row in late.gates.gate_sessions()].count("open") == 1
    done = strike_late_cars(late.gates.engine, now=now + later)
    assert (done["strikes"], done["taken_back"]) == (0, 1)
    assert late.strikes() == [(0, "warning", "lifted", "undone")]
    assert [told["taken_back"] for told in late.told("appeal_decided")] == ["not_borne_out"]


def test_a_car_whose_own_exit_is_found_left_in_time(late: Late) -> None:
    event, now = struck_by_mistake(late)
    late.gates.send(SeenEvent("own", "exit", LEAVE_BY - MINUTE, UNCLEAR), now=now)
    own = newest(late)
    assign(late, event, OTHER, now=now)
    assign(late, own, PLATE, now=now)
    assert (START + MINUTE, LEAVE_BY - MINUTE, "closed") in [row[:3] for row in late.gates.gate_sessions()]
    assert strike_late_cars(late.gates.engine, now=now)["taken_back"] == 1


def test_a_dismissed_event_can_still_be_named(late: Late) -> None:
    came_in(late)
    left = LEAVE_BY + HOUR
    late.gates.send(SeenEvent("out", "exit", left, UNCLEAR), now=left)
    dismiss(late, newest(late), now=left)
    assign(late, newest(late), PLATE, now=left + MINUTE)
    assert late.gates.gate_sessions()[0][:3] == (START + MINUTE, left, "closed")
    assert late.gates.rows("SELECT read_sealed FROM gate_events WHERE name = 'out'") == [(None,)], "forgotten for good"
    assert strike_late_cars(late.gates.engine, now=left + HOUR)["strikes"] == 1


def test_a_false_correction_is_given_to_its_car(late: Late) -> None:
    came_in(late)
    left = LEAVE_BY + HOUR
    late.gates.send(SeenEvent("out", "exit", left, "沪A1234S"), now=left)
    assert late.gates.gate_sessions()[0][2] == "closed"
    assign(late, newest(late), OTHER, now=left)
    assert [row[2] for row in late.gates.gate_sessions()] == ["open", "no_entry"]


@pytest.mark.parametrize("read", [PLATE, UNCLEAR])
def test_what_was_read_exactly_or_is_two_weeks_old_stands(late: Late, read: str) -> None:
    came_in(late)
    left = LEAVE_BY + HOUR
    late.gates.send(SeenEvent("out", "exit", left, read), now=left)
    event, now = newest(late), left
    if read == UNCLEAR:
        now = left + MENDED_WITHIN
        assign(late, event, PLATE, now=now)  # an unclear one waits as long as it takes
    with pytest.raises(EventReviewed):
        assign(late, event, OTHER, now=now)
    with pytest.raises(EventReviewed):
        dismiss(late, event, now=now)
    assert late.gates.gate_sessions()[0][2] == "closed"


def test_two_who_name_different_cars_at_once_leave_one_gate_session(late: Late) -> None:
    left = START + HOUR
    late.gates.send(SeenEvent("out", "exit", left, UNCLEAR), now=left)
    event = newest(late)
    plates = [PLATE, OTHER, THIRD, "沪D22222"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda plate: assign(late, event, plate, now=left), plates))
    assert [row[:3] for row in late.gates.gate_sessions()] == [(None, left, "no_entry")]


def test_an_owner_lists_what_was_corrected_assigned_and_dismissed_and_mends_it(
    late: Late, owner: SomeAccount, public: TestClient
) -> None:
    now = datetime.now(UTC)
    late.gates.add_stay(late.who, now - 3 * HOUR, now + HOUR)
    late.gates.refresh(now - 3 * HOUR)
    late.gates.send(
        SeenEvent("old", "entry", now - MENDED_WITHIN - HOUR, UNCLEAR),
        SeenEvent("in", "entry", now - 2 * HOUR, "沪A1234S"),
        SeenEvent("a", "entry", now - HOUR, UNCLEAR),
        SeenEvent("b", "entry", now - HOUR, "粤Y?0000"),
        now=now,
    )
    path = f"/v1/facilities/{late.gates.town.near}/gate-events/unclear"

    def listed(match: str | None) -> list[dict[str, Any]]:
        answer = public.get(path, params={"match": match} if match else {}, headers=owner.headers)
        assert answer.headers["Cache-Control"] == "no-store"
        return list(answer.json()["events"])

    unclear = listed(None)
    assert [(one["read"], one["match"], one["plate"]) for one in unclear] == [
        ("粤Y?0000", "unknown", None),
        (UNCLEAR, "unknown", None),
        (UNCLEAR, "unknown", None),
    ]
    for one in unclear[1:]:
        named = public.post(f"/v1/gate-events/{one['id']}/car", json={"plate": OTHER}, headers=owner.headers)
        assert named.status_code == 204
    gone = public.post(f"/v1/gate-events/{unclear[0]['id']}/dismissal", headers=owner.headers)
    assert gone.status_code == 204
    assert listed(None) == []
    assert [(one["read"], one["plate"]) for one in listed("corrected")] == [("沪A1234S", PLATE)]
    [assigned] = listed("assigned")
    assert (assigned["id"], assigned["read"], assigned["plate"]) == (unclear[1]["id"], UNCLEAR, OTHER)
    assert [(one["read"], one["plate"]) for one in listed("dismissed")] == [("", None)]
    again = public.post(f"/v1/gate-events/{assigned['id']}/car", json={"plate": THIRD}, headers=owner.headers)
    assert again.status_code == 204
    assert [one["plate"] for one in listed("assigned")] == [THIRD]
    old = public.post(f"/v1/gate-events/{unclear[2]['id']}/car", json={"plate": THIRD}, headers=owner.headers)
    assert (old.status_code, old.json()["type"]) == (409, "event-not-unclear")
    assert public.get(path, params={"match": "exact"}, headers=owner.headers).status_code == 422
