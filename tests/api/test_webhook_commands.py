"""`baytide webhooks` and `baytide owners`: programs of owners, and of nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from api.settings import Settings
from api.webhooks.jobs import deliver_webhooks
from tests.api.accounts import SECRET, make_owner, make_resident
from tests.api.booking_town import Town, make_town
from tests.api.receivers import Receiver, receiving
from tests.api.running import Run


@pytest.fixture
def town(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Town:
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("BAYTIDE_SECRET", SECRET)
    monkeypatch.setenv("BAYTIDE_WEBHOOK_HTTP", "true")
    monkeypatch.setenv("BAYTIDE_WEBHOOK_LOOPBACK", "true")
    with engine.begin() as connection:
        return make_town(connection)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.mark.usefixtures("town")
def test_a_webhook_of_an_owner_is_added_tried_and_taken_away(engine: Engine, run: Run, receiver: Receiver) -> None:
    [owner] = make_owner(engine, "owner").principal.owner_ids
    [other] = make_owner(engine, "other").principal.owner_ids
    code, out, err = run("webhooks", "add", receiver.url, "--owner", owner, "--kind", "gate_review")
    assert code == 0, err
    added, secret = out.splitlines()
    webhook = int(added.removeprefix("added: webhook "))
    assert secret.startswith("secret: btw_")
    code, out, _ = run("webhooks", "list", "--owner", owner, "--json")
    [listed] = json.loads(out)
    assert (listed["id"], listed["url"], listed["kinds"], listed["owner"]) == (
        webhook,
        receiver.url,
        ["gate_review"],
        owner,
    )
    assert secret.split()[1] not in out
    assert "gate_review" in run("webhooks", "list", "--owner", owner)[1]
    code, out, _ = run("webhooks", "ping", webhook, "--owner", owner)
    assert (code, out.startswith("waits to be sent: delivery ")) == (0, True)
    deliver_webhooks(engine, settings=Settings())
    assert len(receiver.got) == 1
    [sent] = json.loads(run("webhooks", "deliveries", webhook, "--owner", owner, "--json")[1])
    assert (sent["kind"], sent["state"], sent["attempts"]) == ("ping", "sent", 1)
    code, out, _ = run("webhooks", "secret", webhook, "--owner", owner)
    assert (code, out.startswith("secret: btw_"), out.strip() != secret) == (0, True, True)
    for words in (("ping",), ("deliveries",), ("secret",), ("remove",)):
        assert run("webhooks", *words, webhook, "--owner", other)[::2] == (2, "no such webhook\n"), "another owner's"
    assert run("webhooks", "remove", webhook, "--owner", owner)[:2] == (0, f"removed: webhook {webhook}\n")
    assert run("webhooks", "list", "--owner", owner, "--json")[1] == "[]\n"


def test_webhooks_of_households_are_neither_seen_nor_touched(engine: Engine, town: Town, run: Run) -> None:
    [owner] = make_owner(engine, "owner").principal.owner_ids
    household = make_resident(engine, town.home).household_id
    with engine.begin() as connection:
        webhook = connection.execute(
            text(
                "INSERT INTO webhook_endpoints (household_id, url_sealed, kinds, secret_sealed, created_at) "
                "VALUES (:household, '', '{}', '', now()) RETURNING id"
            ),
            {"household": household},
        ).scalar_one()
    assert run("webhooks", "list", "--owner", owner, "--json")[1] == "[]\n"
    for words in ("ping", "deliveries", "secret", "remove"):
        assert run("webhooks", words, webhook, "--owner", owner)[::2] == (2, "no such webhook\n")


@pytest.mark.usefixtures("town")
def test_what_cannot_be_called_is_said_in_a_sentence(engine: Engine, run: Run) -> None:
    [owner] = make_owner(engine, "owner").principal.owner_ids
    for url, more, why in (
        ("ftp://gates.example/x", (), "http"),
        ("https://gates.example/x", ("--kind", "weather"), "not a kind of notice"),
        ("", (), "url: "),
    ):
        code, out, said = run("webhooks", "add", url, "--owner", owner, *more)
        assert (code, out) == (2, "")
        assert why in said
    assert run("webhooks", "list", "--owner", owner + 1000)[::2] == (2, "no such owner\n")


@pytest.mark.usefixtures("town")
def test_owners_are_listed_with_their_numbers(engine: Engine, run: Run) -> None:
    [owner] = make_owner(engine, "owner").principal.owner_ids
    assert [one["id"] for one in json.loads(run("owners", "--json")[1])] == [owner]
    assert run("owners")[1].splitlines()[1].split()[0] == str(owner)
