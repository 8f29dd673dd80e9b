"""Webhooks: registered by whoever may, signed with a secret shown once, called once, and left alone when they fail."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.accounts.opening import open_as
from api.accounts.principal import ANONYMOUS
from api.accounts.sealing import seal
from api.app import create_app
from api.jobs.queries import work
from api.notices.service import NewNotice, tell
from api.settings import Settings
from api.webhooks import jobs
from api.webhooks.jobs import deliver_webhooks
from api.webhooks.sending import SIGNATURE, is_signed, send_signed
from api.webhooks.service import FORMER_LASTS, URL, webhooks_for
from tests.api.accounts import (
    KEYS,
    SomeAccount,
    make_committee_worker,
    make_owner,
    make_resident,
    settings_of_tests,
    signed_in,
)
from tests.api.booking_town import Town, make_town
from tests.api.receivers import Receiver, receiving

MINUTE = timedelta(minutes=1)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def town(engine: Engine) -> Town:
    with engine.begin() as connection:
        return make_town(connection)


@pytest.fixture
def settings() -> Settings:
    return settings_of_tests().model_copy(update={"webhook_http": True, "webhook_loopback": True})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def public(engine: Engine, settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings, engine), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def resident(engine: Engine, town: Town) -> SomeAccount:
    return make_resident(engine, town.home)


@pytest.fixture
def client(public: TestClient, resident: SomeAccount) -> TestClient:
    return signed_in(public, resident)


def register(client: TestClient, receiver: Receiver, **more: Any) -> dict[str, Any]:  # noqa: ANN401 -- any field
    answer = client.post("/v1/webhooks", json={"url": receiver.url, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def say(engine: Engine, *households: int, kind: str = "waitlisted", **facts: object) -> None:
    with work(engine) as connection:
        tell(connection, [NewNotice(household, kind, facts) for household in households], now=now())


def deliveries(client: TestClient, webhook: int) -> list[tuple[str, int, str | None]]:
    rows = client.get(f"/v1/webhooks/{webhook}/deliveries").json()["deliveries"]
    return [(row["state"], row["attempts"], row["error"]) for row in rows]


def test_a_household_hears_of_its_notices_by_a_signed_call(
    engine: Engine, client: TestClient, resident: SomeAccount, receiver: Receiver, settings: Settings, town: Town
) -> None:
    hook = register(client, receiver)
    other = make_resident(engine, town.home, "other").household_id
    say(engine, resident.household_id, other, position=7, next_date="2026-12-31")
    counts = deliver_webhooks(engine, settings=settings)
    assert (counts["calls"], counts["told"]) == (1, 2)
    [(_, headers, body)] = receiver.got
    assert is_signed(body, headers[SIGNATURE], secret=hook["secret"].encode(), now=now())
    said = json.loads(body)
    assert (said["kind"], said["notice"]["facts"]) == ("waitlisted", {"position": 7, "next_date": "2026-12-31"})
    assert deliver_webhooks(engine, settings=settings)["calls"] == 0
    assert deliveries(client, hook["id"]) == [("sent", 1, None)]


def test_only_the_kinds_that_were_asked_for_are_sent(
    engine: Engine, client: TestClient, resident: SomeAccount, receiver: Receiver, settings: Settings
) -> None:
    register(client, receiver, kinds=["offer_made"])
    say(engine, resident.household_id)
    say(engine, resident.household_id, kind="offer_made", offer=1)
    deliver_webhooks(engine, settings=settings)
    assert [json.loads(body)["kind"] for _, _, body in receiver.got] == ["offer_made"]
    assert client.post("/v1/webhooks", json={"url": receiver.url, "kinds": ["gossip"]}).status_code == 422


def test_a_ping_tries_a_webhook(engine: Engine, client: TestClient, receiver: Receiver, settings: Settings) -> None:
    hook = register(client, receiver)
    answer = client.post(f"/v1/webhooks/{hook['id']}/ping")
    assert answer.status_code == 202
    assert deliver_webhooks(engine, settings=settings)["calls"] == 1
    said = json.loads(receiver.got[0][2])
    assert (said["kind"], said["delivery"]) == ("ping", answer.json()["delivery"])


def test_a_webhook_sealed_with_a_lost_key_is_shown_and_taken_away_and_keeps_nobody_waiting(
    engine: Engine, client: TestClient, resident: SomeAccount, receiver: Receiver, settings: Settings
) -> None:
    lost = register(client, receiver)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE webhook_endpoints SET url_sealed = :other"), {"other": seal(bytes(32), b"x", what=URL)}
        )
    register(client, receiver)
    say(engine, resident.household_id)
    assert deliver_webhooks(engine, settings=settings)["calls"] == 1
    assert deliveries(client, lost["id"]) == [("failed", 1, "sealed")]
    assert [one["url"] for one in client.get("/v1/webhooks").json()["webhooks"]] == ["", receiver.url]
    assert client.delete(f"/v1/webhooks/{lost['id']}").status_code == 204


def test_the_secret_is_shown_once_and_kept_sealed_with_the_address(
    engine: Engine, client: TestClient, receiver: Receiver
) -> None:
    hook = register(client, receiver)
    assert hook["secret"] not in client.get("/v1/webhooks").text
    assert client.get("/v1/webhooks").json()["webhooks"][0]["url"] == receiver.url
    with engine.connect() as connection:
        row = str(connection.execute(text("SELECT w::text FROM webhook_endpoints w")).all())
    for hidden in (hook["secret"], receiver.url):
        assert hidden not in row
        assert hidden.encode().hex() not in row


def test_a_new_secret_signs_at_once_and_the_former_one_for_another_day(
    engine: Engine, client: TestClient, receiver: Receiver, settings: Settings
) -> None:
    hook = register(client, receiver)
    fresh = client.post(f"/v1/webhooks/{hook['id']}/secret").json()
    assert fresh["secret"] != hook["secret"]
    client.post(f"/v1/webhooks/{hook['id']}/ping")
    deliver_webhooks(engine, settings=settings)
    later = now() + FORMER_LASTS + MINUTE
    client.post(f"/v1/webhooks/{hook['id']}/ping")
    deliver_webhooks(engine, settings=settings, now=later)
    signed = [
        [is_signed(body, headers[SIGNATURE], secret=each["secret"].encode(), now=at) for each in (hook, fresh)]
        for (_, headers, body), at in zip(receiver.got, (now(), later), strict=True)
    ]
    assert signed == [[True, True], [False, True]]


def test_a_webhook_that_fails_is_left_alone_for_longer_and_longer_with_all_that_waits(
    engine: Engine, client: TestClient, resident: SomeAccount, receiver: Receiver, settings: Settings
) -> None:
    hook = register(client, receiver)
    receiver.status = 503
    say(engine, *[resident.household_id] * 5)
    moment = now()
    assert deliver_webhooks(engine, settings=settings, now=moment)["again"] == 1
    assert deliver_webhooks(engine, settings=settings, now=moment + MINUTE / 2)["again"] == 0
    assert len(receiver.got) == 1, "one call found out, the other four were spared"
    assert deliver_webhooks(engine, settings=settings, now=moment + MINUTE)["again"] == 1
    assert deliver_webhooks(engine, settings=settings, now=moment + 2 * MINUTE)["again"] == 0
    receiver.status = 200
    assert deliver_webhooks(engine, settings=settings, now=moment + 3 * MINUTE)["calls"] == 5
    assert {state for state, _, _ in deliveries(client, hook["id"])} == {"sent"}
    assert client.get("/v1/webhooks").json()["webhooks"][0]["failures"] == 0


def test_one_webhook_that_hangs_does_not_hold_up_another(
    engine: Engine, client: TestClient, resident: SomeAccount, receiver: Receiver, settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(jobs, "send_signed", partial(send_signed, limit_s=0.3))
    with receiving() as slow:
        slow.drip_s = 0.05
        register(client, slow)
        register(client, receiver)
        say(engine, *[resident.household_id] * 4)
        counts = deliver_webhooks(engine, settings=settings)
        assert (counts["calls"], counts["again"]) == (4, 1)
        assert len(receiver.got) == 4


def test_while_a_webhook_hangs_others_are_called_and_each_hears_in_order(
    engine: Engine, client: TestClient, resident: SomeAccount, receiver: Receiver, settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The first answers only when the second has heard everything: called one by one it would run out of time."""
    monkeypatch.setattr(jobs, "send_signed", partial(send_signed, limit_s=5.0))
    with receiving() as first:
        first.waits = lambda: len(receiver.got) < 20
        register(client, first)
        register(client, receiver)
        say(engine, *[resident.household_id] * 20)
        counts = deliver_webhooks(engine, settings=settings)
        assert (counts["calls"], counts["again"]) == (40, 0)
        for one in (first, receiver):
            named = [json.loads(body)["notice"]["id"] for _, _, body in one.got]
            assert named == sorted(named)
            assert len(named) == 20


def test_after_three_days_a_call_is_given_up(
    engine: Engine, client: TestClient, resident: SomeAccount, receiver: Receiver, settings: Settings
) -> None:
    hook = register(client, receiver)
    receiver.status = 500
    say(engine, resident.household_id)
    counts = deliver_webhooks(engine, settings=settings)
    assert (counts["again"], counts["told"]) == (1, 0)
    counts = deliver_webhooks(engine, settings=settings, now=now() + timedelta(days=3, minutes=1))
    assert (counts["failed"], counts["told"]) == (1, 1)
    assert deliveries(client, hook["id"]) == [("failed", 2, "status")]


def test_what_has_waited_for_three_days_is_given_up_by_one_call(
    engine: Engine, client: TestClient, resident: SomeAccount, receiver: Receiver, settings: Settings
) -> None:
    hook = register(client, receiver)
    receiver.status = 500
    say(engine, *[resident.household_id] * 5)
    deliver_webhooks(engine, settings=settings)
    later = now() + timedelta(days=3, minutes=1)
    deliver_webhooks(engine, settings=settings, now=later - timedelta(hours=1))
    client.post(f"/v1/webhooks/{hook['id']}/ping")
    with engine.begin() as connection:
        young = {"young": later - MINUTE}
        connection.execute(text("UPDATE deliveries SET created_at = :young WHERE event IS NOT NULL"), young)
        connection.execute(text("UPDATE deliveries SET next_at = :young"), young)
    called = len(receiver.got)
    counts = deliver_webhooks(engine, settings=settings, now=later)
    assert (counts["failed"], counts["again"], counts["told"]) == (1, 0, 5)
    assert len(receiver.got) == called + 1, "one call found out, the other four were spared"
    waits, *rest = deliveries(client, hook["id"])
    assert (waits[0], {(state, error) for state, _, error in rest}) == (
        "waiting",
        {("failed", "status"), ("failed", "gave_up")},
    )
    assert client.get("/v1/webhooks").json()["webhooks"][0]["failures"] == 3


def test_when_a_webhook_answers_again_what_waited_comes_before_what_is_new(
    engine: Engine, client: TestClient, resident: SomeAccount, receiver: Receiver, settings: Settings
) -> None:
    hook = register(client, receiver)
    receiver.status = 503
    say(engine, resident.household_id, position=1)
    deliver_webhooks(engine, settings=settings)
    receiver.status = 200
    client.post(f"/v1/webhooks/{hook['id']}/ping")
    assert deliver_webhooks(engine, settings=settings)["calls"] == 2
    say(engine, resident.household_id, position=2)
    assert deliver_webhooks(engine, settings=settings)["calls"] == 1
    said = [json.loads(body) for _, _, body in receiver.got]
    assert [one["notice"]["facts"]["position"] for one in said if "notice" in one] == [1, 1, 2]


def test_each_call_is_signed_with_the_moment_it_is_made(
    engine: Engine, client: TestClient, resident: SomeAccount, receiver: Receiver, settings: Settings
) -> None:
    """Not with that of the job, which calls for most of a minute: the receiver's clock may be fast."""
    register(client, receiver)
    say(engine, *[resident.household_id] * 2)
    begun: list[float] = []

    def slowly() -> bool:
        begun.append(time.monotonic())
        return time.monotonic() - begun[0] < 1.1

    receiver.waits = slowly
    deliver_webhooks(engine, settings=settings)
    first, second = (int(headers[SIGNATURE][2:].partition(",")[0]) for _, headers, _ in receiver.got)
    assert first < second


def test_whoever_says_gone_is_called_no_more(
    engine: Engine, client: TestClient, resident: SomeAccount, receiver: Receiver, settings: Settings
) -> None:
    register(client, receiver)
    receiver.status = 410
    say(engine, resident.household_id)
    assert deliver_webhooks(engine, settings=settings)["failed"] == 1
    assert client.get("/v1/webhooks").json()["webhooks"] == []


def test_a_webhook_in_a_private_network_is_never_called(
    engine: Engine, client: TestClient, resident: SomeAccount, receiver: Receiver, settings: Settings
) -> None:
    hook = register(client, receiver)
    say(engine, resident.household_id)
    strict = settings.model_copy(update={"webhook_loopback": False})
    assert deliver_webhooks(engine, settings=strict)["failed"] == 1
    assert deliveries(client, hook["id"]) == [("failed", 1, "blocked")]
    assert receiver.got == []


def test_without_tls_nothing_is_registered(engine: Engine, resident: SomeAccount, receiver: Receiver) -> None:
    with TestClient(create_app(settings_of_tests(), engine), base_url="http://127.0.0.1") as public:
        answer = signed_in(public, resident).post("/v1/webhooks", json={"url": receiver.url})
    assert answer.status_code == 422
    assert receiver.url not in answer.text


@pytest.mark.parametrize(
    "host",
    ["10.0.0.1", "192.168.1.1:8443", "169.254.169.254", "[fd00::1]", "[::ffff:10.0.0.1]", "10.1", "0xa000001",
     "127.0.0.1", "[::1]", "localhost", "gate.localhost.", "0.0.0.0"],
)  # fmt: skip
def test_an_address_that_is_never_called_is_not_registered(engine: Engine, resident: SomeAccount, host: str) -> None:
    with TestClient(create_app(settings_of_tests(), engine), base_url="http://127.0.0.1") as public:
        client = signed_in(public, resident)
        answer = client.post("/v1/webhooks", json={"url": f"https://{host}/x"})
        assert (answer.status_code, answer.json()["title"]) == (422, "Address not usable")
        assert client.post("/v1/webhooks", json={"url": "https://8.8.8.8/x"}).status_code == 201


def test_a_webhook_that_was_taken_away_gets_nothing_that_waited(
    engine: Engine, client: TestClient, resident: SomeAccount, receiver: Receiver, settings: Settings
) -> None:
    hook = register(client, receiver)
    client.post(f"/v1/webhooks/{hook['id']}/ping")
    assert client.delete(f"/v1/webhooks/{hook['id']}").status_code == 204
    say(engine, resident.household_id)
    counts = deliver_webhooks(engine, settings=settings)
    assert (counts["calls"], counts["failed"], counts["told"]) == (0, 0, 1)
    assert client.get(f"/v1/webhooks/{hook['id']}/deliveries").status_code == 404
    with engine.connect() as connection:
        sealed = connection.execute(text("SELECT url_sealed, secret_sealed FROM webhook_endpoints")).one()
    assert sealed == (b"", b"")


def test_two_workers_call_once(
    engine: Engine, client: TestClient, resident: SomeAccount, receiver: Receiver, settings: Settings
) -> None:
    register(client, receiver)
    say(engine, *[resident.household_id] * 30)
    workers = [threading.Thread(target=deliver_webhooks, args=(engine,), kwargs={"settings": settings}) for _ in "abc"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    named = [json.loads(body)["delivery"] for _, _, body in receiver.got]
    assert len(named) == len(set(named)) == 30


def test_what_comes_while_a_webhook_is_called_is_sent_by_whoever_calls_it(
    engine: Engine, client: TestClient, resident: SomeAccount, receiver: Receiver, settings: Settings
) -> None:
    """Another worker finds new notices, and the webhook taken: it goes away, and they would wait for the next run."""
    register(client, receiver)
    say(engine, resident.household_id)
    others: list[dict[str, int]] = []

    def meanwhile() -> bool:
        if not others:
            say(engine, *[resident.household_id] * 2)
            others.append(deliver_webhooks(engine, settings=settings))
        return False

    receiver.waits = meanwhile
    counts = deliver_webhooks(engine, settings=settings)
    assert [(other["routed"], other["calls"]) for other in others] == [(2, 0)]
    assert counts["calls"] == len(receiver.got) == 3


def test_nobody_touches_the_webhook_of_another(
    engine: Engine, client: TestClient, public: TestClient, receiver: Receiver, town: Town
) -> None:
    hook = register(client, receiver)
    stranger = signed_in(public, make_resident(engine, town.home, "stranger"))
    assert stranger.get("/v1/webhooks").json()["webhooks"] == []
    for method, path in (("DELETE", ""), ("POST", "/secret"), ("POST", "/ping"), ("GET", "/deliveries")):
        assert stranger.request(method, f"/v1/webhooks/{hook['id']}{path}").status_code == 404
    assert len(client.get("/v1/webhooks").json()["webhooks"]) == 1


def test_an_owner_registers_for_its_gates_and_nobody_for_another_owner(
    engine: Engine, public: TestClient, client: TestClient, receiver: Receiver
) -> None:
    account, other = make_owner(engine, "owner"), make_owner(engine, "other")
    [owner] = account.principal.owner_ids
    hook = register(signed_in(public, account), receiver, owner=owner, kinds=["allow_list"])
    assert signed_in(public, other).post("/v1/webhooks", json={"url": receiver.url, "owner": owner}).status_code == 403
    assert client.post("/v1/webhooks", json={"url": receiver.url, "owner": owner}).status_code == 403
    with engine.begin() as connection:
        open_as(connection, ANONYMOUS)
        [found] = webhooks_for(connection, KEYS, owner_id=owner, kind="allow_list", now=now())
        assert (found.url, found.secret) == (receiver.url, hook["secret"].encode())
        assert webhooks_for(connection, KEYS, owner_id=owner, kind="offer_made", now=now()) == []


def test_whoever_visits_a_household_listens_to_nothing(
    engine: Engine, public: TestClient, resident: SomeAccount, receiver: Receiver
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE homes SET estate = 'West'"))
    worker = signed_in(public, make_committee_worker(engine, "town", "West"))
    visit = worker.post("/v1/committee/visits", json={"log_in_name": resident.log_in_name}).json()["on_behalf_of"]
    answer = worker.post("/v1/webhooks", json={"url": receiver.url}, headers={"On-Behalf-Of": visit})
    assert answer.status_code == 403


def test_ten_webhooks_are_enough(client: TestClient, receiver: Receiver) -> None:
    for _ in range(10):
        register(client, receiver)
    assert client.post("/v1/webhooks", json={"url": receiver.url}).status_code == 409
