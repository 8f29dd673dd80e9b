"""Owners' webhooks are told what changed in their facilities' lists, in order, signed, until they take it."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.accounts.opening import open_as
from api.accounts.sealing import seal
from api.app import create_app
from api.gates import pushing
from api.gates.list_schemas import AllowedOut
from api.gates.pushing import push_allow_lists
from api.jobs.queries import work
from api.openings.unrolling import NIGHTS
from api.settings import Settings
from api.webhooks.addresses import rules_of
from api.webhooks.jobs import deliver_webhooks
from api.webhooks.queries import claim_endpoint, queue_for_owner, remove_endpoint
from api.webhooks.sending import MOST_BODY_BYTES, SIGNATURE, is_signed
from api.webhooks.service import add_webhook, change_secret, ping
from tests.api.accounts import KEYS, SECRET, SomeAccount, make_owner, settings_of_tests, signed_in
from tests.api.estates import give_facility
from tests.api.gate_town import HOUR, MINUTE, GateTown, make_gate_town
from tests.api.receivers import Receiver, heard, listen, receiving

SETTINGS = Settings(secret=SECRET, webhook_http=True, webhook_loopback=True)  # type: ignore[arg-type]  # as in accounts


@pytest.fixture
def gates(engine: Engine) -> GateTown:
    return make_gate_town(engine)


@pytest.fixture
def owner(gates: GateTown, engine: Engine) -> SomeAccount:
    found = make_owner(engine)
    give_facility(engine, gates.town.near, *found.principal.owner_ids)
    return found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def register(gates: GateTown, owner: SomeAccount, url: str, *kinds: str) -> bytes:
    """Register a webhook of the owner; return its secret."""
    [owner_id] = owner.principal.owner_ids
    with gates.engine.begin() as connection:
        open_as(connection, owner.principal)
        _, secret = add_webhook(
            connection,
            KEYS,
            owner.principal,
            url=url,
            kinds=kinds,
            owner_id=owner_id,
            rules=rules_of(SETTINGS),
            now=gates.night,
        )
    return secret.encode()


def webhook_of(gates: GateTown) -> int:
    """Return the id of the only webhook there is."""
    [[found]] = gates.rows("SELECT id FROM webhook_endpoints")
    assert isinstance(found, int)
    return found


def shown(gates: GateTown, owner: SomeAccount) -> list[dict[str, Any]]:
    """List the owner's webhooks as the owner sees them."""
    with TestClient(create_app(settings_of_tests(), gates.engine), base_url="http://127.0.0.1") as client:
        return list(signed_in(client, owner).get("/v1/webhooks").json()["webhooks"])


def told(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(body) for _, _, body in receiver.got]


def test_a_webhook_is_told_the_list_and_then_what_changes(
    gates: GateTown, owner: SomeAccount, receiver: Receiver
) -> None:
    secret = register(gates, owner, receiver.url, "allow_list")
    wang, li = gates.resident("沪A12345"), gates.resident("沪A54321")
    stay = gates.add_stay(wang, gates.night, gates.night + 14 * HOUR)
    now = gates.night - HOUR
    assert push_allow_lists(gates.engine, settings=SETTINGS, now=now) == {"pushed": 1, "failed": 0}
    assert push_allow_lists(gates.engine, settings=SETTINGS, now=now) == {"pushed": 0, "failed": 0}
    gates.end_stay(stay, state="given_back", at=now)
    gates.add_stay(li, gates.night, gates.night + 14 * HOUR)
    assert push_allow_lists(gates.engine, settings=SETTINGS, now=now + MINUTE) == {"pushed": 1, "failed": 0}
    first, second = told(receiver)
    assert (first["kind"], first["facility"], first["version"], first["since"], first["whole"]) == (
        "allow_list",
        gates.town.near,
        1,
        None,
        True,
    )
    assert [row["plate"] for row in first["added"]] == ["沪A12345"]
    assert (second["version"], second["since"], second["whole"]) == (2, 1, False)
    assert [row["plate"] for row in second["added"]] == ["沪A54321"]
    assert second["removed"] == [first["added"][0]["id"]]
    _, headers, body = receiver.got[1]
    assert is_signed(body, headers[SIGNATURE], secret=secret, now=now + MINUTE)
    assert not is_signed(body, headers[SIGNATURE], secret=b"another", now=now + MINUTE)
    assert gates.rows("SELECT way, num_rows FROM allow_list_exports") == [("webhook", 1), ("webhook", 1)]


def test_what_a_webhook_did_not_take_is_told_again_with_all_that_came_meanwhile(
    gates: GateTown, owner: SomeAccount, receiver: Receiver
) -> None:
    register(gates, owner, receiver.url)
    now = gates.night - 3 * HOUR
    receiver.status = 500
    gates.add_stay(gates.resident("沪A12345"), gates.night, gates.night + 14 * HOUR)
    assert push_allow_lists(gates.engine, settings=SETTINGS, now=now) == {"pushed": 0, "failed": 1}
    assert gates.rows("SELECT count(*) FROM allow_list_exports") == [(0,)]
    gates.add_stay(gates.resident("沪A54321"), gates.night, gates.night + 14 * HOUR, bay=2)
    receiver.status = 204
    assert push_allow_lists(gates.engine, settings=SETTINGS, now=now + MINUTE / 2) == {"pushed": 0, "failed": 0}, (
        "it waits"
    )
    assert push_allow_lists(gates.engine, settings=SETTINGS, now=now + MINUTE) == {"pushed": 1, "failed": 0}
    last = told(receiver)[-1]
    assert (last["whole"], last["version"], len(last["added"])) == (True, 2, 2)


def test_a_list_waits_for_the_call_that_is_under_way(gates: GateTown, owner: SomeAccount, receiver: Receiver) -> None:
    register(gates, owner, receiver.url)
    gates.add_stay(gates.resident("沪A12345"), gates.night, gates.night + 14 * HOUR)
    now = gates.night - HOUR
    done: list[dict[str, int]] = []
    pushing = threading.Thread(target=lambda: done.append(push_allow_lists(gates.engine, settings=SETTINGS, now=now)))
    with work(gates.engine) as connection:
        assert queue_for_owner(connection, gates.town.near, {"kind": "gate_review"}, now=now) == 1
        assert claim_endpoint(connection, now=now) is not None
        pushing.start()
        pushing.join(1.0)
        assert (receiver.got, done) == ([], []), "somebody calls it at this moment"
    pushing.join(10)
    assert done == [{"pushed": 1, "failed": 0}]


@contextlib.contextmanager
def written(gates: GateTown, *, now: datetime) -> Iterator[None]:
    """Inside, a list has been written, and waits while its webhook is called by somebody else; then it is sent."""
    pushing = threading.Thread(target=push_allow_lists, args=(gates.engine,), kwargs={"settings": SETTINGS, "now": now})
    with work(gates.engine) as connection:
        assert queue_for_owner(connection, gates.town.near, {"kind": "gate_review"}, now=now) == 1
    with work(gates.engine) as connection:
        assert claim_endpoint(connection, now=now) is not None
        pushing.start()
        pushing.join(1.0)
        yield
    pushing.join(10)


@pytest.mark.parametrize("what", ["removed", "sold"])
def test_a_webhook_that_is_nobodys_business_any_more_hears_nothing_that_was_written_before(
    gates: GateTown, owner: SomeAccount, receiver: Receiver, what: str
) -> None:
    register(gates, owner, receiver.url)
    gates.add_stay(gates.resident("沪A12345"), gates.night, gates.night + 14 * HOUR)
    with written(gates, now=gates.night - HOUR):
        if what == "sold":
            give_facility(gates.engine, gates.town.near, *make_owner(gates.engine, "next").principal.owner_ids)
        else:
            with work(gates.engine) as connection:
                remove_endpoint(connection, webhook_of(gates), now=gates.night - HOUR)
    assert receiver.got == []


def test_a_list_is_signed_with_the_secret_that_holds_when_it_is_sent(
    gates: GateTown, owner: SomeAccount, receiver: Receiver
) -> None:
    register(gates, owner, receiver.url)
    gates.add_stay(gates.resident("沪A12345"), gates.night, gates.night + 14 * HOUR)
    with written(gates, now=gates.night - HOUR), work(gates.engine) as connection:
        _, secret = change_secret(connection, KEYS, webhook_of(gates), now=gates.night - HOUR)
    [(_, headers, body)] = receiver.got
    assert is_signed(body, headers[SIGNATURE], secret=secret.encode(), now=gates.night - HOUR)


def test_two_workers_that_push_at_once_tell_a_version_once(
    gates: GateTown, owner: SomeAccount, receiver: Receiver
) -> None:
    register(gates, owner, receiver.url)
    gates.add_stay(gates.resident("沪A12345"), gates.night, gates.night + 14 * HOUR)
    now = gates.night - HOUR
    done: list[dict[str, int]] = []
    both = [
        threading.Thread(target=lambda: done.append(push_allow_lists(gates.engine, settings=SETTINGS, now=now)))
        for _ in range(2)
    ]
    with work(gates.engine) as connection:
        assert queue_for_owner(connection, gates.town.near, {"kind": "gate_review"}, now=now) == 1
        assert claim_endpoint(connection, now=now) is not None
        for pushing in both:
            pushing.start()
        both[0].join(1.0)
    for pushing in both:
        pushing.join(10)
    assert sorted(found["pushed"] for found in done) == [0, 1]
    assert [body["version"] for body in told(receiver)] == [1]


def test_nobody_is_told_of_anothers_list_or_of_what_it_did_not_ask_for(
    gates: GateTown, owner: SomeAccount, receiver: Receiver, engine: Engine
) -> None:
    register(gates, make_owner(engine), receiver.url, "allow_list")
    register(gates, owner, receiver.url, "bay_taken")
    gates.add_stay(gates.resident("沪A12345"), gates.night, gates.night + 14 * HOUR)
    assert push_allow_lists(gates.engine, settings=SETTINGS, now=gates.night - HOUR) == {"pushed": 0, "failed": 0}
    assert receiver.got == []


def test_a_webhook_in_a_private_network_is_not_called(gates: GateTown, owner: SomeAccount, receiver: Receiver) -> None:
    register(gates, owner, receiver.url, "allow_list")
    gates.add_stay(gates.resident("沪A12345"), gates.night, gates.night + 14 * HOUR)
    strict = Settings(secret=SECRET)  # type: ignore[arg-type]  # pydantic makes it a SecretStr
    now = gates.night - timedelta(hours=1)
    assert push_allow_lists(gates.engine, settings=strict, now=now) == {"pushed": 0, "failed": 1}
    assert receiver.got == []


def test_whoever_says_gone_to_a_list_is_called_no_more(gates: GateTown, owner: SomeAccount, receiver: Receiver) -> None:
    register(gates, owner, receiver.url)
    gates.add_stay(gates.resident("沪A12345"), gates.night, gates.night + 14 * HOUR)
    now = gates.night - 12 * HOUR
    with work(gates.engine) as connection:
        queue_for_owner(connection, gates.town.near, {"kind": "gate_review"}, now=now)
    receiver.status = 410
    assert push_allow_lists(gates.engine, settings=SETTINGS, now=now) == {"pushed": 0, "failed": 1}
    assert push_allow_lists(gates.engine, settings=SETTINGS, now=now + 7 * HOUR) == {"pushed": 0, "failed": 0}
    assert (len(receiver.got), shown(gates, owner)) == (1, [])
    assert gates.rows("SELECT state, error FROM deliveries") == [("failed", "removed")], "and nothing waits for it"


def test_the_owner_sees_which_list_its_webhook_does_not_take_and_why(
    gates: GateTown, owner: SomeAccount, receiver: Receiver
) -> None:
    register(gates, owner, receiver.url, "allow_list")
    gates.add_stay(gates.resident("沪A12345"), gates.night, gates.night + 14 * HOUR)
    now = gates.night - 3 * HOUR
    receiver.status = 400
    push_allow_lists(gates.engine, settings=SETTINGS, now=now)
    push_allow_lists(gates.engine, settings=SETTINGS, now=now + MINUTE)
    [hook] = shown(gates, owner)
    [of_list] = hook["lists"]
    assert {**of_list, **{of: datetime.fromisoformat(of_list[of]) for of in ("failing_since", "next_at")}} == {
        "facility": gates.town.near,
        "version": None,
        "failures": 2,
        "error": "status",
        "failing_since": now,
        "next_at": now + 3 * MINUTE,
    }
    assert hook["paused_until"] is None, "it answers, so that what else it hears need not wait"
    receiver.status = 200
    push_allow_lists(gates.engine, settings=SETTINGS, now=now + 3 * MINUTE)
    assert shown(gates, owner)[0]["lists"] == [
        {
            "facility": gates.town.near,
            "version": 1,
            "failures": 0,
            "error": None,
            "failing_since": None,
            "next_at": None,
        }
    ]
    give_facility(gates.engine, gates.town.near, *make_owner(gates.engine, "next").principal.owner_ids)
    assert shown(gates, owner)[0]["lists"] == []


def test_a_webhook_that_does_not_answer_a_list_is_left_alone_with_all_that_waits_for_it(
    gates: GateTown, owner: SomeAccount, receiver: Receiver
) -> None:
    register(gates, owner, receiver.url)
    gates.add_stay(gates.resident("沪A12345"), gates.night, gates.night + 14 * HOUR)
    now = gates.night - 3 * HOUR
    with work(gates.engine) as connection:
        queue_for_owner(connection, gates.town.near, {"kind": "gate_review"}, now=now)
    receiver.status = 503
    push_allow_lists(gates.engine, settings=SETTINGS, now=now)
    assert deliver_webhooks(gates.engine, settings=SETTINGS, now=now)["again"] == 0
    [hook] = shown(gates, owner)
    assert (hook["failures"], datetime.fromisoformat(hook["paused_until"])) == (1, now + MINUTE)
    assert deliver_webhooks(gates.engine, settings=SETTINGS, now=now + MINUTE)["again"] == 1
    assert push_allow_lists(gates.engine, settings=SETTINGS, now=now + 2 * MINUTE) == {"pushed": 0, "failed": 0}
    assert len(receiver.got) == 2
    receiver.status = 200
    assert push_allow_lists(gates.engine, settings=SETTINGS, now=now + 3 * MINUTE)["pushed"] == 1
    assert (shown(gates, owner)[0]["failures"], shown(gates, owner)[0]["paused_until"]) == (0, None)


def test_a_list_does_not_wait_because_its_webhook_stumbled_over_something_else(
    gates: GateTown, owner: SomeAccount, receiver: Receiver
) -> None:
    register(gates, owner, receiver.url)
    gates.add_stay(gates.resident("沪A12345"), gates.night, gates.night + 14 * HOUR)
    now = gates.night - 3 * HOUR
    with work(gates.engine) as connection:
        queue_for_owner(connection, gates.town.near, {"kind": "gate_review"}, now=now)
    receiver.status = 500
    assert deliver_webhooks(gates.engine, settings=SETTINGS, now=now)["again"] == 1
    receiver.status = 200
    assert push_allow_lists(gates.engine, settings=SETTINGS, now=now)["pushed"] == 1
    assert deliver_webhooks(gates.engine, settings=SETTINGS, now=now)["calls"] == 1, "it answers again"


def test_the_whole_list_of_a_very_large_garage_can_be_sent() -> None:
    night = datetime(2026, 11, 24, tzinfo=UTC)
    row = {"id": 10**9, "plate": "沪AD12345", "from": night, "to": night, "bay": "standard 5000"}
    shown = AllowedOut.model_validate({**row, "kind": "permit"}).model_dump_json(by_alias=True)
    assert 5000 * NIGHTS * len(f"{shown},".encode()) < MOST_BODY_BYTES


def test_a_list_that_is_not_taken_for_three_days_is_told_to_the_owners_other_webhooks_once(
    gates: GateTown, owner: SomeAccount, receiver: Receiver
) -> None:
    register(gates, owner, receiver.url, "allow_list")
    [owner_id] = owner.principal.owner_ids
    listen(gates.engine, owner_id, "list_not_taken")
    now, receiver.status = gates.night - 96 * HOUR, 500
    gates.add_stay(gates.resident("沪A12345"), gates.night, gates.night + 14 * HOUR)
    for hours in (0, 24, 71):
        assert push_allow_lists(gates.engine, settings=SETTINGS, now=now + hours * HOUR)["failed"] == 1
    assert heard(gates.engine) == []
    for hours in (72, 78):
        assert push_allow_lists(gates.engine, settings=SETTINGS, now=now + hours * HOUR)["failed"] == 1
    [webhook] = gates.rows("SELECT endpoint_id FROM allow_list_pushes")[0]
    facts = {"facility": gates.town.near, "webhook": webhook, "failing_since": now.isoformat()}
    assert heard(gates.engine) == [{"kind": "list_not_taken", **facts}]
    receiver.status = 200
    assert push_allow_lists(gates.engine, settings=SETTINGS, now=now + 84 * HOUR)["pushed"] == 1, "it is never given up"


def test_a_row_that_a_webhook_may_have_taken_though_it_failed_is_taken_back(
    gates: GateTown, owner: SomeAccount, receiver: Receiver
) -> None:
    """It kept version 2 and answered too late; the night is given back before it is told again."""
    register(gates, owner, receiver.url)
    gates.add_stay(gates.resident("沪A12345"), gates.night, gates.night + 14 * HOUR)
    now = gates.night - 3 * HOUR
    push_allow_lists(gates.engine, settings=SETTINGS, now=now)
    stay = gates.add_stay(gates.resident("沪A54321"), gates.night, gates.night + 14 * HOUR, bay=2)
    receiver.status = 504
    push_allow_lists(gates.engine, settings=SETTINGS, now=now + MINUTE)
    gates.end_stay(stay, state="given_back", at=now + MINUTE)
    receiver.status = 200
    push_allow_lists(gates.engine, settings=SETTINGS, now=now + 2 * MINUTE)
    _, second, third = told(receiver)
    assert (third["since"], third["version"], third["added"]) == (1, 3, [])
    assert third["removed"] == [second["added"][0]["id"]]


def test_a_list_whose_plates_cannot_be_opened_keeps_nobody_waiting(
    gates: GateTown, owner: SomeAccount, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "_CALLERS", 1)
    other = make_owner(gates.engine, "other")
    give_facility(gates.engine, gates.town.far, *other.principal.owner_ids)
    now = gates.night - HOUR
    gates.add_stay(gates.resident("沪A12345"), gates.night, gates.night + 14 * HOUR)
    gates.refresh(now)
    with gates.engine.begin() as connection:
        broken = seal(bytes(32), b"x", what="plate")
        connection.execute(text("UPDATE allow_list_rows SET plate_sealed = :broken"), {"broken": broken})
    gates.add_stay(gates.resident("沪A54321"), gates.night, gates.night + 14 * HOUR, far=True)
    for each in (owner, other):
        register(gates, each, receiver.url)
    assert push_allow_lists(gates.engine, settings=SETTINGS, now=now) == {"pushed": 1, "failed": 1}
    assert [(one["error"], one["failures"]) for one in shown(gates, owner)[0]["lists"]] == [("sealed", 1)]


@pytest.mark.parametrize("status", [404, 503])
def test_a_list_that_was_not_taken_comes_at_once_when_its_webhook_is_tried(
    gates: GateTown, owner: SomeAccount, receiver: Receiver, status: int
) -> None:
    register(gates, owner, receiver.url)
    gates.add_stay(gates.resident("沪A12345"), gates.night, gates.night + 14 * HOUR)
    now, receiver.status = gates.night - 3 * HOUR, status
    push_allow_lists(gates.engine, settings=SETTINGS, now=now)
    receiver.status = 200
    assert push_allow_lists(gates.engine, settings=SETTINGS, now=now) == {"pushed": 0, "failed": 0}, "it waits"
    with work(gates.engine) as connection:
        ping(connection, webhook_of(gates), now=now)
    deliver_webhooks(gates.engine, settings=SETTINGS, now=now)
    assert push_allow_lists(gates.engine, settings=SETTINGS, now=now) == {"pushed": 1, "failed": 0}
