"""Bookings as programs ask for them: keys, problems, pages, and the service's own role underneath."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import Engine, text

from api.app import create_app
from tests.api.accounts import (
    SomeAccount,
    make_account,
    make_committee_worker,
    make_planner,
    make_resident,
    settings_of_tests,
    signed_in,
)
from tests.api.booking_town import HOUR, Town, make_town

HERE = "http://127.0.0.1"


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    with TestClient(create_app(settings_of_tests(), engine), base_url=HERE, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def town(engine: Engine) -> Town:
    with engine.begin() as connection:
        return make_town(connection, bays=1)


@pytest.fixture
def resident(engine: Engine, town: Town) -> SomeAccount:
    return make_resident(engine, town.home)


def hours(*, after: int = 1, lasting: int = 8) -> dict[str, str]:
    begin = datetime.now(UTC) + after * HOUR
    return {"from": begin.isoformat(), "to": (begin + lasting * HOUR).isoformat()}


def ask(client: TestClient, who: SomeAccount, key: str, **wanted: Any) -> Response:  # noqa: ANN401 -- JSON
    body = {**hours(), **wanted}
    return signed_in(client, who).post("/v1/bookings", json=body, headers={"Idempotency-Key": key})


def test_the_nearest_free_bay_is_booked_in_one_request(client: TestClient, town: Town, resident: SomeAccount) -> None:
    answer = ask(client, resident, "1", confirm=True)
    assert answer.status_code == 201, answer.text
    booking = answer.json()
    assert (booking["state"], booking["place"]["facility"], booking["walk_m"]) == ("confirmed", town.near, 100)
    assert booking["from"].endswith("Z")
    assert "+" not in booking["from_local"]
    shanghai = datetime.fromisoformat(booking["from"]) + timedelta(hours=8)
    assert datetime.fromisoformat(booking["from_local"]) == shanghai.replace(tzinfo=None)
    shown = signed_in(client, resident).get(f"/v1/bookings/{booking['id']}")
    assert shown.json() == booking


def test_a_hold_is_confirmed_and_cancelled(client: TestClient, resident: SomeAccount) -> None:
    mine = signed_in(client, resident)
    hold = ask(client, resident, "1").json()
    assert hold["state"] == "held"
    left = datetime.fromisoformat(hold["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    for _ in range(2):
        confirmed = mine.post(f"/v1/bookings/{hold['id']}/confirm")
        assert (confirmed.status_code, confirmed.json()["state"]) == (200, "confirmed")
    for _ in range(2):
        cancelled = mine.post(f"/v1/bookings/{hold['id']}/cancel")
        assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    gone = mine.post(f"/v1/bookings/{hold['id']}/confirm")
    assert (gone.status_code, gone.json()["type"]) == (409, "hold-expired")


def test_a_refusal_is_a_problem_with_alternatives(
    engine: Engine, client: TestClient, town: Town, resident: SomeAccount
) -> None:
    ask(client, make_resident(engine, town.home), "1", facility=town.near, confirm=True)
    answer = ask(client, resident, "1", facility=town.near, confirm=True)
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["type"], problem["reason"]) == ("full", "full")
    assert problem["alternatives"][0]["facility"] == town.far
    assert len(problem["alternatives"]) <= 3
    first = problem["alternatives"][0]
    taken = ask(client, resident, "2", **{"facility": first["facility"], "from": first["from"], "to": first["to"]})
    assert taken.status_code == 201


def test_the_same_request_is_answered_the_same_and_books_once(
    engine: Engine, client: TestClient, resident: SomeAccount
) -> None:
    body = {**hours(), "confirm": True}
    mine = signed_in(client, resident)
    answers = [mine.post("/v1/bookings", json=body, headers={"Idempotency-Key": "k"}) for _ in range(3)]
    assert {(answer.status_code, answer.text) for answer in answers} == {(201, answers[0].text)}
    other = mine.post("/v1/bookings", json={**body, "confirm": False}, headers={"Idempotency-Key": "k"})
    assert (other.status_code, other.json()["type"]) == (422, "key-reused")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM stays")) == 1


def test_a_refusal_is_repeated_too(engine: Engine, client: TestClient, town: Town, resident: SomeAccount) -> None:
    first = make_resident(engine, town.home)
    made = ask(client, first, "1", facility=town.near, confirm=True).json()
    body = {**hours(), "facility": town.near, "confirm": True}
    mine = signed_in(client, resident)
    refused = mine.post("/v1/bookings", json=body, headers={"Idempotency-Key": "k"})
    signed_in(client, first).post(f"/v1/bookings/{made['id']}/cancel")
    again = mine.post("/v1/bookings", json=body, headers={"Idempotency-Key": "k"})
    assert (refused.status_code, refused.text) == (again.status_code, again.text)
    assert mine.post("/v1/bookings", json=body, headers={"Idempotency-Key": "fresh"}).status_code == 201


def test_a_committee_workers_key_belongs_to_the_household_it_was_used_for(
    engine: Engine, client: TestClient, town: Town
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE homes SET estate = 'East'"))
    homes = [make_resident(engine, town.home) for _ in range(2)]
    worker = signed_in(client, make_committee_worker(engine, "town", "East"))
    body, answers = {**hours(), "confirm": True}, []
    for home in homes:
        visit = worker.post("/v1/committee/visits", json={"log_in_name": home.log_in_name}).json()
        headers = {"Idempotency-Key": "k", "On-Behalf-Of": visit["on_behalf_of"]}
        answers.append(worker.post("/v1/bookings", json=body, headers=headers))
    assert [(answer.status_code, answer.json().get("type")) for answer in answers] == [(201, None), (422, "key-reused")]
    acts = [signed_in(client, home).get("/v1/household/acts").json()["acts"] for home in homes]
    assert [[act["act"] for act in told] for told in acts] == [["POST /v1/bookings", "looked up"], ["looked up"]]


def test_the_key_of_another_account_is_another_key(
    engine: Engine, client: TestClient, town: Town, resident: SomeAccount
) -> None:
    assert ask(client, resident, "k", confirm=True).status_code == 201
    assert ask(client, make_resident(engine, town.home), "k", confirm=True).status_code == 201


def test_without_a_key_nothing_is_booked(client: TestClient, resident: SomeAccount) -> None:
    answer = signed_in(client, resident).post("/v1/bookings", json=hours())
    assert (answer.status_code, answer.json()["type"]) == (400, "key-missing")


@pytest.mark.usefixtures("town")
def test_nobody_and_those_without_a_household_book_nothing(engine: Engine, client: TestClient) -> None:
    anonymous = client.post("/v1/bookings", json=hours(), headers={"Idempotency-Key": "1"})
    assert anonymous.status_code == 401
    for account in (make_account(engine), make_planner(engine)):
        assert ask(client, account, "1").status_code == 403


def test_anothers_booking_is_not_there(engine: Engine, client: TestClient, town: Town, resident: SomeAccount) -> None:
    booking = ask(client, resident, "1").json()["id"]
    stranger = signed_in(client, make_resident(engine, town.home))
    assert stranger.get(f"/v1/bookings/{booking}").status_code == 404
    for act in ("confirm", "cancel"):
        assert stranger.post(f"/v1/bookings/{booking}/{act}").status_code == 404
    assert stranger.get("/v1/bookings").json() == {"bookings": [], "next": None}
    assert signed_in(client, resident).get(f"/v1/bookings/{booking}").json()["state"] == "held"


def test_pages_of_bookings_hold_each_once_the_newest_first(client: TestClient, resident: SomeAccount) -> None:
    made = [ask(client, resident, str(n), confirm=True, **hours(after=1 + 12 * n)).json()["id"] for n in range(5)]
    seen: list[int] = []
    cursor: str | None = None
    for _ in range(3):
        query = {"limit": "2"} | ({} if cursor is None else {"cursor": cursor})
        page = signed_in(client, resident).get("/v1/bookings", params=query).json()
        seen += [booking["id"] for booking in page["bookings"]]
        cursor = page["next"]
    assert seen == made[::-1]
    assert cursor is None


@pytest.mark.parametrize("cursor", ["", "x", "!!!", "Ym9va2luZ3M6LTE", "Ym9va2luZ3M6OTk5OTk5OTk5OTk5OTk5OTk5OTk"])
def test_a_cursor_that_is_none_of_ours_is_said_so(client: TestClient, resident: SomeAccount, cursor: str) -> None:
    assert signed_in(client, resident).get("/v1/bookings", params={"cursor": cursor}).status_code == 422


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"from": "2020-01-01T00:00Z"}, "impossible-period"),
        ({"to": "2020-01-01T00:00Z"}, "impossible-period"),
        ({"to": "9999-12-31T23:59Z"}, "impossible-period"),
        ({"from": "0001-01-01T00:00"}, "impossible-period"),
        ({"to": "tomorrow"}, "request-not-understood"),
        ({"to": None}, "request-not-understood"),
        ({"facility": "here"}, "request-not-understood"),
        ({"facility": 2**70}, "request-not-understood"),
        ({"facility": 0}, "request-not-understood"),
        ({"facility": 2**62}, "no-such-place"),
        ({"bay": 2**62}, "no-such-place"),
        ({"vehicle": 2**62}, "vehicle-unclear"),
        ({"surprise": 1}, "request-not-understood"),
        ({"confirm": "perhaps"}, "request-not-understood"),
    ],
)
def test_requests_that_make_no_sense_get_their_reason(
    client: TestClient, resident: SomeAccount, change: dict[str, Any], kind: str
) -> None:
    answer = ask(client, resident, "1", **change)
    assert answer.status_code in (404, 422)
    assert answer.json()["type"] == kind
    assert answer.headers["content-type"] == "application/problem+json"


def test_beyond_the_horizon_the_answer_says_how_far_it_reaches(
    client: TestClient, town: Town, resident: SomeAccount
) -> None:
    answer = ask(client, resident, "1", **hours(after=24 * 14 - 4, lasting=8))
    assert (answer.status_code, answer.json()["type"]) == (422, "not-bookable-yet")
    assert town.end.strftime("%Y-%m-%dT%H:%M") in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"to": NaN}', b'"' * 10])
def test_malformed_bodies_are_refused(client: TestClient, resident: SomeAccount, body: bytes) -> None:
    answer = signed_in(client, resident).post(
        "/v1/bookings", content=body, headers={"Idempotency-Key": "1", "Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_cooldown_says_when_to_come_back(engine: Engine, client: TestClient, resident: SomeAccount) -> None:
    ask(client, resident, "1")
    with engine.begin() as connection:
        connection.execute(text("UPDATE stays SET expires_at = clock_timestamp() - interval '1 minute'"))
    answer = ask(client, resident, "2")
    assert (answer.status_code, answer.json()["reason"]) == (409, "cooldown")
    assert 200 < int(answer.headers["Retry-After"]) <= 241


def test_no_plate_or_name_is_in_an_answer(client: TestClient, resident: SomeAccount) -> None:
    answer = ask(client, resident, "1", confirm=True)
    assert "沪" not in json.dumps(answer.json(), ensure_ascii=False)
    assert resident.log_in_name not in answer.text
