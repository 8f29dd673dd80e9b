"""Entries and exits: each taken once, refused one by one, matched, and made into gate sessions in any order."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from api.accounts.opening import open_as
from api.app import create_app
from api.gates.allow_list import put_plate_back_on_list, take_plate_off_list
from api.gates.events import SeenEvent, mark_disputed
from api.gates.jobs import end_forgotten, forget_movements, refresh_allow_lists
from api.gates.lateness import late_exits, no_shows, occupancy_of
from api.jobs.queries import work
from tests.api.accounts import SomeAccount, make_gate_key, make_owner, settings_of_tests
from tests.api.estates import give_facility
from tests.api.gate_town import HOUR, MINUTE, GateTown, make_gate_town
from tests.api.receivers import heard, listen

HERE = "http://127.0.0.1"
_NAMES = count()


@pytest.fixture
def gates(engine: Engine) -> GateTown:
    return make_gate_town(engine)


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    with TestClient(create_app(settings_of_tests(), engine), base_url=HERE) as client:
        yield client


@pytest.fixture
def owner(gates: GateTown, engine: Engine) -> SomeAccount:
    found = make_owner(engine)
    give_facility(engine, gates.town.near, *found.principal.owner_ids)
    return found


def entry(at: datetime, plate: str = "沪A12345", *, name: str | None = None, **more: Any) -> SeenEvent:  # noqa: ANN401
    return SeenEvent(name or f"e{next(_NAMES)}", "entry", at, plate, **more)


def exit_(at: datetime, plate: str = "沪A12345", *, name: str | None = None, **more: Any) -> SeenEvent:  # noqa: ANN401
    return SeenEvent(name or f"e{next(_NAMES)}", "exit", at, plate, **more)


def test_an_entry_and_an_exit_are_a_gate_session_of_the_stay(gates: GateTown) -> None:
    wang = gates.resident("沪A12345")
    stay = gates.add_stay(wang, gates.night, gates.night + 14 * HOUR)
    begun, over = gates.night + 9 * MINUTE, gates.night + 13 * HOUR
    gates.send(entry(begun), now=begun)
    assert gates.gate_sessions() == [(begun, None, "open", stay)]
    gates.send(exit_(over), now=over)
    assert gates.gate_sessions() == [(begun, over, "closed", stay)]


def test_an_owner_hears_of_events_to_review_by_webhook(gates: GateTown, owner: SomeAccount, engine: Engine) -> None:
    listen(engine, next(iter(owner.principal.owner_ids)))
    gates.resident("沪A12345")
    gates.send(entry(gates.night, "??????"), entry(gates.night, "8?3???"), entry(gates.night), now=gates.night)
    [told] = heard(engine)
    assert (told["kind"], told["facility"], told["unclear"]) == ("gate_review", gates.town.near, 2)
    assert told.keys() == {"kind", "facility", "unclear", "received_at"}, "no plate is in it"


def test_a_gate_session_keeps_its_id_as_it_goes_on(gates: GateTown) -> None:
    """Strikes name it."""
    gates.send(entry(gates.night), now=gates.night)
    before = gates.rows("SELECT id FROM gate_sessions")
    gates.send(exit_(gates.night + HOUR), now=gates.night + HOUR)
    assert gates.rows("SELECT id FROM gate_sessions") == before


def test_the_same_event_again_is_answered_the_same_and_counts_once(gates: GateTown) -> None:
    event = entry(gates.night, name="n-1")
    first = gates.send(event, event, now=gates.night)
    again = gates.send(event, now=gates.night + timedelta(days=200))
    assert first == [*again, *again]
    assert [answer.refused for answer in first] == [None, None]
    assert gates.rows("SELECT count(*) FROM gate_events") == [(1,)]


@pytest.mark.parametrize(
    "other",
    [
        entry(datetime(2026, 1, 1, tzinfo=UTC), name="n-1"),
        exit_(datetime(2026, 1, 2, tzinfo=UTC), name="n-1"),
        entry(datetime(2026, 1, 2, tzinfo=UTC), "沪A54321", name="n-1"),
    ],
)
def test_the_same_id_with_another_content_is_refused_and_the_first_stands(gates: GateTown, other: SeenEvent) -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    gates.send(entry(moment, name="n-1"), now=moment)
    before = gates.rows("SELECT * FROM gate_events")
    [answer] = gates.send(other, now=moment)
    assert answer.refused == "other_content"
    assert gates.rows("SELECT * FROM gate_events") == before


def test_one_from_the_future_is_refused_and_the_rest_is_kept(gates: GateTown) -> None:
    now = gates.night
    answers = gates.send(
        entry(now + 4 * MINUTE, "沪A10001"),
        entry(now + 6 * MINUTE, "沪A10002"),
        entry(now - timedelta(days=91), "沪A10003"),
        entry(now - timedelta(days=89), "沪A10004"),
        now=now,
    )
    assert [answer.refused for answer in answers] == [None, "from_the_future", "too_old", None]
    assert gates.rows("SELECT count(*) FROM gate_events") == [(2,)]


def test_one_from_the_future_is_taken_when_its_time_has_come(gates: GateTown) -> None:
    event = entry(gates.night + HOUR)
    assert gates.send(event, now=gates.night)[0].refused == "from_the_future"
    assert gates.send(event, now=gates.night + HOUR)[0].refused is None


def test_an_exit_without_an_entry_says_so_and_is_mended_by_the_entry_that_comes_late(gates: GateTown) -> None:
    stay = gates.add_stay(gates.resident("沪A12345"), gates.night, gates.night + 14 * HOUR)
    over = gates.night + 13 * HOUR
    gates.send(exit_(over), now=over)
    assert gates.gate_sessions() == [(None, over, "no_entry", stay)]
    gates.send(entry(gates.night), now=over + HOUR)
    assert gates.gate_sessions() == [(gates.night, over, "closed", stay)]


def test_a_plate_read_wrong_is_the_car_that_was_expected(gates: GateTown) -> None:
    stay = gates.add_stay(gates.resident("沪A12345"), gates.night, gates.night + 14 * HOUR)
    over = gates.night + 13 * HOUR
    gates.send(entry(gates.night, "沪AI2345"), exit_(over, "A12345", confidence=0.4), now=over)
    assert gates.gate_sessions() == [(gates.night, over, "closed", stay)]
    assert gates.rows("SELECT DISTINCT match FROM gate_events") == [("corrected",)]


def test_a_plate_is_not_taken_for_a_car_that_is_expected_another_night_or_elsewhere(gates: GateTown) -> None:
    wang, li = gates.resident("沪A12345"), gates.resident("沪A54321")
    gates.add_stay(wang, gates.night + timedelta(days=3), gates.night + timedelta(days=4))
    gates.add_stay(li, gates.night, gates.night + 14 * HOUR, far=True)
    gates.send(entry(gates.night, "沪AI2345"), entry(gates.night, "沪AS4321"), now=gates.night)
    assert gates.rows("SELECT match FROM gate_events") == [("unknown",), ("unknown",)]


def test_an_owner_names_the_car_of_an_unclear_event_and_dismisses_another(
    gates: GateTown, client: TestClient, owner: SomeAccount
) -> None:
    wang, li = gates.resident("沪A12345"), gates.resident("沪A12375")
    stays = [gates.add_stay(who, gates.night, gates.night + 14 * HOUR, bay=k + 1) for k, who in enumerate((wang, li))]
    over = gates.night + 13 * HOUR
    gates.send(entry(gates.night, "沪A123?5"), exit_(over), entry(gates.night, "粤Z00000"), now=over)
    assert [row[2:] for row in gates.gate_sessions()].count(("no_entry", stays[0])) == 1
    path = f"/v1/facilities/{gates.town.near}/gate-events/unclear"
    unclear = client.get(path, headers=owner.headers).json()["events"]
    by_reading = {one["read"]: one["id"] for one in unclear}
    assert by_reading.keys() == {"沪A123?5", "粤Z00000"}
    named = f"/v1/gate-events/{by_reading['沪A123?5']}"
    assert client.post(f"{named}/car", json={"plate": "沪a 12345"}, headers=owner.headers).status_code == 204
    dismissed = f"/v1/gate-events/{by_reading['粤Z00000']}/dismissal"
    assert client.post(dismissed, headers=owner.headers).status_code == 204
    assert gates.gate_sessions() == [(gates.night, over, "closed", stays[0])]
    assert client.get(path, headers=owner.headers).json()["events"] == []
    assert client.post(dismissed, headers=owner.headers).status_code == 204, "the same again is the same"
    assert gates.rows("SELECT count(*) FROM gate_events WHERE read_sealed IS NULL") == [(1,)], "forgotten for good"


def test_another_owner_and_a_gate_of_elsewhere_are_refused(gates: GateTown, client: TestClient, engine: Engine) -> None:
    gates.send(entry(gates.night, "粤Z00000"), now=gates.night)
    [(event,)] = gates.rows("SELECT id FROM gate_events")
    other = make_owner(engine)
    for path in (f"/v1/gate-events/{event}/dismissal", f"/v1/gate-events/{event}/car"):
        assert client.post(path, json={"plate": "沪A12345"}, headers=other.headers).status_code == 404
    for path in ("gate-events/unclear", "gate-sessions"):
        found = client.get(f"/v1/facilities/{gates.town.near}/{path}", headers=other.headers)
        assert found.status_code == 404
    far = {"Authorization": f"Bearer {make_gate_key(engine, gates.town.far)}"}
    body = {"events": [{"id": "n-1", "direction": "exit", "at": datetime.now(UTC).isoformat(), "plate": "粤Z00000"}]}
    assert client.post("/v1/gate-events", json=body, headers=far).status_code == 200
    assert gates.rows("SELECT facility_id FROM gate_events ORDER BY id") == [(gates.town.near,), (gates.town.far,)]
    assert gates.rows("SELECT match FROM gate_events WHERE id = :id", id=event) == [("unknown",)]


def test_a_gate_sends_events_and_is_answered_one_by_one(gates: GateTown, client: TestClient) -> None:
    now = datetime.now(UTC)
    local = (now + 8 * HOUR).replace(tzinfo=None)  # Shanghai's clock, as gates there have it
    sent = {
        "events": [
            {"id": "a", "direction": "entry", "at": local.isoformat(), "plate": "沪A12345", "confidence": 0.99},
            {"id": "b", "direction": "entry", "at": (now + HOUR).isoformat(), "plate": "沪A12345"},
            {"id": "c", "direction": "exit", "at": "0001-01-01T00:00:00"},
            {"id": "d", "direction": "exit", "at": "9999-12-31T23:59:59Z"},
        ]
    }
    answered = client.post("/v1/gate-events", json=sent, headers=gates.headers)
    assert answered.status_code == 200
    reasons = [one["reason"] for one in answered.json()["events"]]
    assert reasons == [None, "from_the_future", "too_old", "from_the_future"]
    assert gates.rows("SELECT happened_at FROM gate_events") == [(now,)]
    assert client.post("/v1/gate-events", json=sent, headers=gates.headers).json() == answered.json()
    assert client.post("/v1/gate-events", json={"events": []}, headers=gates.headers).status_code == 422
    many = {"events": sent["events"][:1] * 501}
    assert client.post("/v1/gate-events", json=many, headers=gates.headers).status_code == 422


def test_no_plate_is_stored_open_or_written_into_the_log(
    gates: GateTown, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    now = datetime.now(UTC)
    gates.add_stay(gates.resident("沪A77777"), now, now + HOUR)
    sent = {"events": [{"id": "a", "direction": "entry", "at": now.isoformat(), "plate": "沪A777T7"}]}
    assert client.post("/v1/gate-events", json=sent, headers=gates.headers).status_code == 200
    for table in ("gate_events", "gate_sessions", "allow_list_rows"):
        stored = str(gates.rows(f"SELECT t::text FROM {table} t"))
        assert "7777" not in stored
        assert "777T7" not in stored
    assert "777" not in "".join(record.getMessage() for record in caplog.records if "A77" in record.getMessage())


def test_a_household_sees_when_gates_saw_its_car_and_no_others(gates: GateTown, client: TestClient) -> None:
    wang, li = gates.resident("沪A12345"), gates.resident("沪A54321")
    now = datetime.now(UTC)
    stay = gates.add_stay(wang, now - HOUR, now + HOUR)
    gates.add_stay(li, now - HOUR, now + HOUR, bay=2)
    gates.send(entry(now - 30 * MINUTE), entry(now - 20 * MINUTE, "沪A54321"), now=now)
    found = client.get("/v1/gate-sessions", headers=wang.headers).json()["gate_sessions"]
    assert [(one["stay"], one["state"], one["bay"]) for one in found] == [(stay, "open", "std 1")]
    with gates.engine.begin() as connection:
        open_as(connection, wang.principal)
        assert connection.scalar(text("SELECT count(*) FROM gate_sessions")) == 1
        assert connection.scalar(text("SELECT count(*) FROM gate_events")) == 0


def test_an_owner_sees_what_the_gate_saw_without_plates(
    gates: GateTown, client: TestClient, owner: SomeAccount
) -> None:
    now = datetime.now(UTC)
    gates.add_stay(gates.resident("沪A12345"), now - HOUR, now + HOUR)
    gates.send(entry(now - 30 * MINUTE), now=now)
    found = client.get(f"/v1/facilities/{gates.town.near}/gate-sessions", headers=owner.headers)
    assert [one["state"] for one in found.json()] == ["open"]
    assert "12345" not in found.text


PLATES = ["沪A12345", "沪A12375", "沪AI2345", "A12375", "沪A123?5", "粤Z00000", ""]
_moments = st.integers(0, 20).map(lambda k: k * 30 * MINUTE)
_told = st.lists(
    st.tuples(_moments, st.sampled_from(["entry", "exit"]), st.sampled_from(PLATES)), min_size=1, max_size=9
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_told, st.data())
def test_gate_sessions_are_the_same_whatever_order_events_come_in_and_however_often(
    gates: GateTown, told: list[tuple[timedelta, str, str]], data: st.DataObject
) -> None:
    now = gates.night + 20 * HOUR
    with gates.engine.begin() as connection:
        for table in ("gate_events", "gate_sessions", "allow_list_rows", "stays", "vehicles", "households"):
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
            connection.execute(text(f"DELETE FROM {table}"))
            connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER ALL"))
    for bay, plate in enumerate(("沪A12345", "沪A12375")):
        gates.add_stay(gates.resident(plate), gates.night, gates.night + 8 * HOUR, bay=bay + 1)
    events = [SeenEvent(f"n-{k}", what, gates.night + after, plate) for k, (after, what, plate) in enumerate(told)]
    gates.send(*events, now=now)
    question = "SELECT plate_hash, began_at, entered_at, left_at, state, stay_id FROM gate_sessions ORDER BY 1, 2"
    at_once = gates.rows(question)
    with gates.engine.begin() as connection:
        connection.execute(text("DELETE FROM gate_sessions"))
        connection.execute(text("DELETE FROM gate_events"))
    repeated = events + data.draw(st.lists(st.sampled_from(events), max_size=5))
    shuffled = data.draw(st.permutations(repeated))
    cut = data.draw(st.integers(0, len(shuffled)))
    for part in (shuffled[:cut], shuffled[cut:]):
        assert all(answer.refused is None for answer in gates.send(*part, now=now))
    assert gates.rows(question) == at_once


def test_two_batches_of_one_car_at_once_come_to_the_same_as_one_after_the_other(gates: GateTown) -> None:
    now = gates.night + 12 * HOUR
    comings = [entry(gates.night + k * HOUR, name=f"in-{k}") for k in range(6)]
    goings = [exit_(gates.night + k * HOUR + 30 * MINUTE, name=f"out-{k}") for k in range(6)]
    batches = [comings[::2], comings[1::2], goings[::2], goings[1::2], comings, goings]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda batch: gates.send(*batch, now=now), batches))
    assert [(row[2], row[1] - row[0]) for row in gates.gate_sessions()] == [("closed", 30 * MINUTE)] * 6  # type: ignore[operator]  # moments


def test_who_stands_on_after_the_stay_is_late_and_who_left_in_time_is_not(gates: GateTown) -> None:
    over = gates.night + 14 * HOUR
    late, still, punctual, goes_on, back = (gates.resident(f"沪A1000{k}", f"r{k}") for k in range(5))
    stays = [
        gates.add_stay(who, gates.night, over, bay=k + 1) for k, who in enumerate((late, still, punctual, goes_on))
    ]
    gates.add_stay(goes_on, over, over + HOUR, bay=4)
    given = gates.add_stay(back, gates.night, over, bay=5)
    gates.refresh(gates.night)
    gates.end_stay(given, state="given_back", at=over - 6 * HOUR)
    gates.send(
        *(entry(gates.night + MINUTE, f"沪A1000{k}") for k in range(5)),
        exit_(over + 40 * MINUTE, "沪A10000"),
        exit_(over - MINUTE, "沪A10002"),
        exit_(over + 30 * MINUTE, "沪A10003"),
        exit_(over - 5 * HOUR, "沪A10004"),
        now=over + HOUR,
    )
    with work(gates.engine) as connection:
        found = late_exits(connection, since=over - 8 * HOUR, until=over + HOUR)
    assert [(one.stay_id, one.leave_by, one.left_at, one.entry_seen) for one in found] == [
        (given, over - 6 * HOUR, over - 5 * HOUR, True),
        (stays[0], over, over + 40 * MINUTE, True),
        (stays[1], over, None, True),
    ]
    with work(gates.engine) as connection:
        assert late_exits(connection, since=over + MINUTE, until=over + HOUR) == []


def test_a_car_that_stays_from_one_night_to_the_next_is_late_until_that_begins(gates: GateTown) -> None:
    wang = gates.resident("沪A12345")
    over, again = gates.night + 14 * HOUR, gates.night + timedelta(days=1)
    first = gates.add_stay(wang, gates.night, over)
    gates.add_stay(wang, again, again + 14 * HOUR)
    gates.refresh(gates.night)
    gates.send(entry(gates.night), exit_(again + 13 * HOUR), now=again + 15 * HOUR)
    with work(gates.engine) as connection:
        [one] = late_exits(connection, since=gates.night, until=again + 15 * HOUR)
    assert (one.stay_id, one.late_until) == (first, again)


def test_a_stay_that_nobody_came_for_is_a_no_show_where_the_gate_saw_others(gates: GateTown) -> None:
    over = gates.night + 14 * HOUR
    came, missed, elsewhere = (gates.resident(f"沪A1000{k}", f"r{k}") for k in range(3))
    gates.add_stay(came, gates.night, over, bay=1)
    stay = gates.add_stay(missed, gates.night, over, bay=2)
    gates.add_stay(elsewhere, gates.night, over, bay=1, far=True)
    gates.send(entry(gates.night + MINUTE, "沪A10000"), now=gates.night + HOUR)
    with work(gates.engine) as connection:
        found = no_shows(connection, since=gates.night, until=over + MINUTE)
    assert [(one.stay_id, one.household_id) for one in found] == [(stay, missed.household_id)]


def test_cars_are_counted_by_the_quarter_of_an_hour(gates: GateTown) -> None:
    night = gates.night
    gates.send(
        entry(night + 10 * MINUTE, "沪A10000"),
        exit_(night + 50 * MINUTE, "沪A10000"),
        entry(night + 20 * MINUTE, "沪A10001"),
        exit_(night + 25 * MINUTE, "沪A10002"),  # nobody saw it come
        now=night + 2 * HOUR,
    )
    with work(gates.engine) as connection:
        cars = occupancy_of(connection, gates.town.near, since=night, until=night + 75 * MINUTE)
    assert np.array_equal(cars, [0, 1, 2, 2, 1])


def test_the_worker_keeps_the_record_that_a_late_event_finds_its_stay_in(gates: GateTown, engine: Engine) -> None:
    """Nobody asked for the list that night, and the events come a week later."""
    stay = gates.add_stay(gates.resident("沪A12345"), gates.night, gates.night + 14 * HOUR)
    assert refresh_allow_lists(engine, now=gates.night) == {"lists": 1}
    assert refresh_allow_lists(engine, now=gates.night + MINUTE) == {"lists": 0}
    gates.send(entry(gates.night, "沪AI2345"), now=gates.night + timedelta(days=7))
    assert gates.gate_sessions() == [(gates.night, None, "open", stay)]


def test_a_car_that_was_never_seen_to_leave_is_given_up(gates: GateTown, engine: Engine) -> None:
    gates.send(entry(gates.night), now=gates.night)
    assert end_forgotten(engine, now=gates.night + timedelta(days=13)) == {"gate_sessions": 0}
    assert end_forgotten(engine, now=gates.night + timedelta(days=15)) == {"gate_sessions": 1}
    assert gates.gate_sessions() == [(gates.night, None, "no_exit", None)]


def test_movements_are_forgotten_after_ninety_days_unless_disputed(gates: GateTown, engine: Engine) -> None:
    over = gates.night + 14 * HOUR
    wang, li = gates.resident("沪A12345"), gates.resident("沪A54321")
    disputed = gates.add_stay(wang, gates.night, over)
    gates.add_stay(li, gates.night, over, bay=2)
    for plate in ("沪A12345", "沪A54321"):
        gates.send(entry(gates.night, plate), exit_(over + HOUR, plate), now=over + HOUR)
    with work(engine) as connection:
        assert mark_disputed(connection, disputed, disputed=True) == 1
    forget_movements(engine, now=over + timedelta(days=89))
    assert gates.rows("SELECT count(*) FROM gate_events") == [(4,)]
    forget_movements(engine, now=over + timedelta(days=91))
    assert gates.gate_sessions() == [(gates.night, over + HOUR, "closed", disputed)]
    assert gates.rows("SELECT count(*) FROM gate_events") == [(2,)]
    with work(engine) as connection:
        assert mark_disputed(connection, disputed, disputed=False) == 1
    forget_movements(engine, now=over + timedelta(days=91))
    for table in ("gate_events", "gate_sessions", "allow_list_rows"):
        assert gates.rows(f"SELECT count(*) FROM {table}") == [(0,)]


def test_a_plate_is_taken_off_the_list_and_put_back(gates: GateTown, engine: Engine) -> None:
    wang = gates.resident("沪A12345")
    gates.add_stay(wang, gates.night, gates.night + 14 * HOUR)
    now = gates.night - HOUR
    with work(engine) as connection:
        take_plate_off_list(
            connection, wang.household_id, starts_at=now, ends_at=now + timedelta(days=7), reason="strikes"
        )
    assert gates.listed(now) == []
    with work(engine) as connection:
        assert put_plate_back_on_list(connection, wang.household_id, now=now) == 1
    assert [row.plate for row in gates.listed(now)] == ["沪A12345"]
