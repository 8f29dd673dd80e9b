"""Mail: confirmed by a code, sent once, tried again as the server says, and lost by nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from api.accounts.opening import open_as
from api.accounts.principal import Principal
from api.app import create_app
from api.jobs.queries import work
from api.notices import carrying, mail
from api.notices.carrying import PAUSES, deliver_notices
from api.notices.contacts import CODE_LASTS, MOST_TRIES, UnusableAddress, read_email
from api.notices.rendering import Text, Told, render
from api.notices.service import NewNotice, tell
from api.notices.words import Language
from api.settings import Settings
from tests.api.accounts import SomeAccount, make_resident, settings_of_tests, signed_in
from tests.api.booking_town import Town, make_town
from tests.api.mailboxes import Mailbox, receiving_mail
from tests.api.receivers import make_certificate

ADDRESS = "wang.li@example.com"
MINUTE = timedelta(minutes=1)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def town(engine: Engine) -> Town:
    with engine.begin() as connection:
        return make_town(connection)


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with receiving_mail() as running:
        yield running


def settings_with(box: Mailbox, **more: Any) -> Settings:  # noqa: ANN401 -- any setting
    wanted = {
        "smtp_host": "127.0.0.1",
        "smtp_port": box.port,
        "smtp_security": "none",
        "mail_from": "夜泊 <notices@baytide.example>",
        **more,
    }
    return settings_of_tests().model_copy(update=wanted)


@pytest.fixture
def settings(box: Mailbox) -> Settings:
    return settings_with(box)


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


def code_in(box: Mailbox) -> str:
    return str(box.got[-1][1]["Subject"]).split()[0]


def confirm(engine: Engine, client: TestClient, box: Mailbox, settings: Settings, email: str = ADDRESS) -> None:
    """Give an address, and the code that came there."""
    answer = client.put("/v1/household/contact", json={"email": email, "language": "en"})
    assert answer.status_code == 200, answer.text
    deliver_notices(engine, settings=settings)
    answer = client.post("/v1/household/contact/verification", json={"code": code_in(box)})
    assert answer.json()["state"] == "confirmed", answer.text
    box.got.clear()


def say(engine: Engine, *households: int, kind: str = "waitlisted", **facts: object) -> None:
    with work(engine) as connection:
        tell(connection, [NewNotice(household, kind, facts) for household in households], now=now())


def rows(engine: Engine, query: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text(query)))


def states(engine: Engine) -> list[tuple[str, int, str | None]]:
    return [tuple(row) for row in rows(engine, "SELECT state, attempts, error FROM deliveries WHERE channel = 'mail'")]


def test_an_address_is_confirmed_by_the_code_that_came_there(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings
) -> None:
    shown = client.put("/v1/household/contact", json={"email": "Wang.Li@EXAMPLE.com", "language": "en"}).json()
    assert (shown["state"], shown["email"]) == ("unconfirmed", "Wang.Li@example.com")
    assert deliver_notices(engine, settings=settings)["mails"] == 1
    [(to, message)] = box.got
    assert to == message["To"] == "Wang.Li@example.com"
    code = code_in(box)
    assert code in message.get_content()
    assert "http" not in message.get_content()
    wrong = f"{(int(code) + 1) % 100_000_000:08d}"
    assert client.post("/v1/household/contact/verification", json={"code": wrong}).status_code == 422
    assert client.get("/v1/household/contact").json()["state"] == "unconfirmed"
    assert client.post("/v1/household/contact/verification", json={"code": code}).json()["state"] == "confirmed"
    assert client.post("/v1/household/contact/verification", json={"code": code}).status_code == 422


def test_a_code_can_be_tried_five_times_and_for_two_hours(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings
) -> None:
    client.put("/v1/household/contact", json={"email": ADDRESS, "language": "en"})
    deliver_notices(engine, settings=settings)
    code = code_in(box)
    wrong = f"{(int(code) + 1) % 100_000_000:08d}"
    for _ in range(MOST_TRIES):
        assert client.post("/v1/household/contact/verification", json={"code": wrong}).status_code == 422
    assert client.post("/v1/household/contact/verification", json={"code": code}).status_code == 422
    client.put("/v1/household/contact", json={"email": ADDRESS, "language": "en"})
    deliver_notices(engine, settings=settings)
    fresh = code_in(box)
    assert fresh != code
    with engine.begin() as connection:
        connection.execute(text("UPDATE household_contacts SET code_until = :then"), {"then": now() - MINUTE})
    assert client.post("/v1/household/contact/verification", json={"code": fresh}).status_code == 422


def test_nobody_is_flooded_with_codes(client: TestClient) -> None:
    for number in range(5):
        assert client.put("/v1/household/contact", json={"email": f"a{number}@example.com"}).status_code == 200
    client.delete("/v1/household/contact")
    answer = client.put("/v1/household/contact", json={"email": ADDRESS})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 3600


def test_a_code_that_came_too_late_is_not_sent(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings
) -> None:
    client.put("/v1/household/contact", json={"email": ADDRESS})
    assert deliver_notices(engine, settings=settings, now=now() + CODE_LASTS + MINUTE)["failed"] == 1
    assert box.got == []


def test_nothing_is_written_to_an_address_that_is_not_confirmed(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount
) -> None:
    client.put("/v1/household/contact", json={"email": ADDRESS})
    deliver_notices(engine, settings=settings)
    box.got.clear()
    say(engine, resident.household_id)
    assert deliver_notices(engine, settings=settings)["told"] == 1
    assert box.got == []


def test_a_notice_reaches_the_confirmed_address_once_with_reason_and_date(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount, town: Town
) -> None:
    confirm(engine, client, box, settings)
    facts = {"facility": town.near, "reason": "strikes", "next_date": "2026-12-31", "permit": 3}
    say(engine, resident.household_id, kind="permit_ended", **facts)
    counts = deliver_notices(engine, settings=settings)
    assert (counts["routed"], counts["mails"], counts["told"]) == (1, 1, 1)
    assert deliver_notices(engine, settings=settings)["mails"] == 0
    [(to, message)] = box.got
    assert to == ADDRESS
    assert str(message["Subject"]) == "Your permit at near ends"
    assert str(message["From"]) == "夜泊 <notices@baytide.example>"
    for words in ("Your permit at near ends.", "Reason: too many strikes.", "Thu 31 Dec 2026"):
        assert words in message.get_content()
    assert message["Message-ID"].endswith("@baytide.example>")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "text/plain"


def test_a_mail_is_in_the_language_of_the_contact_and_links_to_the_front_page_only(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount
) -> None:
    confirm(engine, client, box, settings)
    changed = client.put("/v1/household/contact", json={"email": ADDRESS, "language": "zh"}).json()
    assert changed["state"] == "confirmed", "the same address needs no new code"
    say(engine, resident.household_id, position=12)
    deliver_notices(engine, settings=settings.model_copy(update={"public_url": "https://baytide.example/"}))
    [(_, message)] = box.got
    assert str(message["Subject"]) == "您已进入轮候"
    assert "轮候序号：12。" in message.get_content()
    assert [word for word in message.get_content().split() if "http" in word] == [
        "全部通知请见收件箱：https://baytide.example/"
    ]


def test_another_address_has_to_be_confirmed_anew(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount
) -> None:
    confirm(engine, client, box, settings)
    assert client.put("/v1/household/contact", json={"email": "new@example.com"}).json()["state"] == "unconfirmed"
    say(engine, resident.household_id)
    deliver_notices(engine, settings=settings)
    assert [to for to, _ in box.got] == ["new@example.com"], "the code, and nothing else"


def test_whoever_wants_no_mail_gets_none(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount
) -> None:
    confirm(engine, client, box, settings)
    client.put("/v1/household/contact", json={"email": ADDRESS, "by_mail": False})
    say(engine, resident.household_id)
    assert deliver_notices(engine, settings=settings)["told"] == 1
    assert box.got == []


def test_an_erased_address_is_gone_and_gets_nothing_that_waited(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount
) -> None:
    confirm(engine, client, box, settings)
    box.answers[ADDRESS] = "451 later"
    say(engine, resident.household_id)
    deliver_notices(engine, settings=settings)
    assert client.delete("/v1/household/contact").status_code == 204
    assert rows(engine, "SELECT * FROM household_contacts") == []
    assert client.get("/v1/household/contact").status_code == 404
    box.answers.clear()
    assert deliver_notices(engine, settings=settings, now=now() + MINUTE)["mails"] == 0
    assert states(engine) == [("failed", 1, "no_address")]


def test_a_mail_that_is_put_off_is_tried_again_later_and_given_up_in_the_end(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount
) -> None:
    confirm(engine, client, box, settings)
    box.answers[ADDRESS] = "451 later"
    say(engine, resident.household_id)
    moment = now()
    for pause in PAUSES:
        assert deliver_notices(engine, settings=settings, now=moment)["again"] == 1
        assert deliver_notices(engine, settings=settings, now=moment + pause - timedelta(seconds=1))["again"] == 0
        moment += pause
    assert rows(engine, "SELECT told_at FROM notices") == [(None,)]
    assert deliver_notices(engine, settings=settings, now=moment)["failed"] == 1
    assert states(engine) == [("failed", len(PAUSES) + 1, "gave_up")]
    assert rows(engine, "SELECT told_at FROM notices") == [(moment,)], "the inbox has it"


def test_a_mail_that_is_put_off_once_arrives(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount
) -> None:
    confirm(engine, client, box, settings)
    box.answers["DATA"] = "452 full"
    say(engine, resident.household_id)
    deliver_notices(engine, settings=settings)
    box.answers.clear()
    assert deliver_notices(engine, settings=settings, now=now() + PAUSES[0] + MINUTE)["mails"] == 1
    assert states(engine) == [("sent", 2, None)]


def test_an_address_that_takes_no_mail_is_written_to_no_more(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount
) -> None:
    confirm(engine, client, box, settings)
    box.answers[ADDRESS] = "550 no such user"
    say(engine, resident.household_id)
    say(engine, resident.household_id)
    counts = deliver_notices(engine, settings=settings)
    assert (counts["failed"], counts["told"]) == (2, 2)
    assert sorted(state[2] or "" for state in states(engine)) == ["bounced", "no_address"]
    assert client.get("/v1/household/contact").json()["state"] == "bounced"
    box.answers.clear()
    confirm(engine, client, box, settings)
    say(engine, resident.household_id)
    assert deliver_notices(engine, settings=settings)["mails"] == 1


def test_a_message_nobody_wants_is_not_sent_again_but_the_address_stays(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount
) -> None:
    confirm(engine, client, box, settings)
    box.answers["DATA"] = "554 spam"
    say(engine, resident.household_id)
    assert deliver_notices(engine, settings=settings)["failed"] == 1
    assert states(engine) == [("failed", 1, "refused")]
    assert client.get("/v1/household/contact").json()["state"] == "confirmed"


@pytest.mark.parametrize("answers", [{"CONNECT": "554 go away"}, {"MAIL": "550 not you"}, {ADDRESS: "421 closing"}])
def test_a_server_that_takes_nothing_loses_nothing(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount, answers: dict[str, str]
) -> None:
    confirm(engine, client, box, settings)
    box.answers.update(answers)
    say(engine, resident.household_id)
    for day in range(5):  # of seven
        counts = deliver_notices(engine, settings=settings, now=now() + timedelta(days=day))
        assert (counts["away"], counts["failed"]) == (1, 0)
    assert states(engine) == [("waiting", 0, "away")]
    box.answers.clear()
    assert deliver_notices(engine, settings=settings, now=now() + timedelta(days=6))["mails"] == 1


def test_a_server_that_is_not_there_costs_one_attempt_a_minute_and_blocks_no_inbox(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount, town: Town
) -> None:
    confirm(engine, client, box, settings)
    other = make_resident(engine, town.home, "inbox-only").household_id
    say(engine, *[resident.household_id] * 20, other)
    dead = settings.model_copy(update={"smtp_port": 1})
    counts = deliver_notices(engine, settings=dead)
    assert (counts["away"], counts["mails"], counts["told"]) == (1, 0, 1)
    assert rows(engine, "SELECT count(*) FROM notices WHERE told_at IS NULL") == [(20,)]
    assert deliver_notices(engine, settings=settings, now=now() + 3 * MINUTE)["mails"] == 20
    assert box.connections <= 5, "one for the code, one for each thread that sends the others"


@pytest.mark.parametrize("dead", [{"smtp_port": 1}, {"smtp_host": None}])
def test_mail_that_no_server_took_for_a_week_is_given_up_and_the_inbox_has_it(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount, dead: dict[str, Any]
) -> None:
    confirm(engine, client, box, settings)
    say(engine, *[resident.household_id] * 3)
    assert deliver_notices(engine, settings=settings.model_copy(update={"smtp_port": 1}))["told"] == 0
    off = settings.model_copy(update=dead)
    assert deliver_notices(engine, settings=off, now=now() + timedelta(days=6, hours=23))["failed"] == 0
    done = deliver_notices(engine, settings=off, now=now() + timedelta(days=7, minutes=1))
    assert (done["failed"], done["told"], done["away"]) == (3, 3, 0)
    assert {(state, error) for state, _, error in states(engine)} == {("failed", "gave_up")}
    assert len(client.get("/v1/notices").json()["notices"]) == 3
    assert box.got == []


def test_several_mails_are_sent_at_once_over_connections_that_are_kept(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount
) -> None:
    confirm(engine, client, box, settings)
    box.connections, box.pause_s = 0, 0.05
    say(engine, *[resident.household_id] * 24)
    assert deliver_notices(engine, settings=settings)["mails"] == len(box.got) == 24
    assert box.connections == box.most_at_once == 4
    assert len({message["Message-ID"] for _, message in box.got}) == 24


def test_a_server_that_takes_one_connection_gets_every_mail_over_it(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount
) -> None:
    confirm(engine, client, box, settings)
    box.connections, box.most_connections, box.pause_s = 0, 1, 0.02
    say(engine, *[resident.household_id] * 24)
    counts = deliver_notices(engine, settings=settings)
    assert (counts["mails"], counts["away"], len(box.got)) == (24, 0, 24)
    assert box.connections == 4, "each of the others tried once"
    assert set(states(engine)) == {("sent", 1, None)}


def test_a_server_that_hangs_is_left(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    confirm(engine, client, box, settings)
    monkeypatch.setattr(mail, "_LIMIT_S", 0.3)
    box.answers["MAIL"] = "hang"
    say(engine, resident.household_id)
    assert deliver_notices(engine, settings=settings)["away"] == 1
    assert states(engine) == [("waiting", 0, "away")]


def test_two_workers_send_every_mail_once(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount
) -> None:
    confirm(engine, client, box, settings)
    say(engine, *[resident.household_id] * 60)
    results: list[dict[str, int]] = []
    workers = [
        threading.Thread(target=lambda: results.append(deliver_notices(engine, settings=settings))) for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(result["mails"] for result in results) == len(box.got) == 60
    assert len({message["Message-ID"] for _, message in box.got}) == 60


def test_a_mail_whose_worker_died_in_between_comes_again_under_the_same_name(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    confirm(engine, client, box, settings)
    say(engine, resident.household_id)

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(carrying, "_note", die)
        with pytest.raises(KeyboardInterrupt):
            deliver_notices(engine, settings=settings)
    assert deliver_notices(engine, settings=settings)["mails"] == 1
    assert len({message["Message-ID"] for _, message in box.got}) == 1


def test_nobody_is_reminded_by_mail_to_leave_when_it_is_too_late(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount, town: Town
) -> None:
    confirm(engine, client, box, settings)
    with engine.begin() as connection:
        stay = connection.execute(
            text(
                "INSERT INTO stays (bay_id, household_id, during, kind, state) SELECT id, :household, "
                "tstzrange(:start, :end), 'booking', 'confirmed' FROM bays WHERE bay_group_id = :group AND number = 1 "
                "RETURNING id"
            ),
            {"household": resident.household_id, "start": now(), "end": now() + MINUTE, "group": town.near_group},
        ).scalar_one()
    until = now() + MINUTE
    facts = {"facility": town.near, "from": now().isoformat(), "to": until.isoformat()}
    with work(engine) as connection:
        tell(connection, [NewNotice(resident.household_id, "leave_soon", facts, stay_id=stay)], now=now())
    assert deliver_notices(engine, settings=settings, now=until)["failed"] == 1
    assert box.got == []


def test_a_mail_that_nobody_can_write_keeps_no_other_waiting(
    engine: Engine,
    client: TestClient,
    box: Mailbox,
    settings: Settings,
    resident: SomeAccount,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    confirm(engine, client, box, settings)
    say(engine, resident.household_id, kind="permit_moved")
    say(engine, resident.household_id)

    def broken(told: Told, language: Language) -> Text:
        if told.kind == "permit_moved":
            raise OverflowError("date value out of range")
        return render(told, language)

    monkeypatch.setattr(carrying, "render", broken)
    assert deliver_notices(engine, settings=settings)["mails"] == 1
    assert sorted(states(engine)) == [("failed", 1, "unwritable"), ("sent", 1, None)]


@pytest.mark.parametrize("security", ["starttls", "offered"])
def test_mail_goes_over_tls_where_the_server_has_it(
    engine: Engine, resident: SomeAccount, tmp_path: Path, security: str
) -> None:
    trusted, context = make_certificate(tmp_path)
    with receiving_mail(context) as box:
        settings = settings_with(
            box, smtp_security=security, smtp_trusted=trusted, smtp_user="me", smtp_password=SecretStr("secret")
        )
        with TestClient(create_app(settings, engine), base_url="http://127.0.0.1") as public:
            confirm(engine, signed_in(public, resident), box, settings)
        assert box.secured == len(box.log_ins) == 1
        # The twin: a certificate nobody trusts.
        say(engine, resident.household_id)
        untrusted = settings.model_copy(update={"smtp_trusted": None})
        assert deliver_notices(engine, settings=untrusted)["away"] == 1


def test_no_mail_goes_out_in_the_clear_where_tls_is_required(engine: Engine, client: TestClient, box: Mailbox) -> None:
    client.put("/v1/household/contact", json={"email": ADDRESS})
    assert deliver_notices(engine, settings=settings_with(box, smtp_security="starttls"))["away"] == 1
    assert box.got == []
    assert deliver_notices(engine, settings=settings_with(box, smtp_security="offered"), now=now() + 3 * MINUTE)[
        "mails"
    ]


def test_without_a_mail_server_there_is_the_inbox(engine: Engine, resident: SomeAccount) -> None:
    with TestClient(create_app(settings_of_tests(), engine), base_url="http://127.0.0.1") as public:
        answer = signed_in(public, resident).put("/v1/household/contact", json={"email": ADDRESS})
    assert answer.status_code == 409
    say(engine, resident.household_id)
    assert deliver_notices(engine, settings=settings_of_tests())["told"] == 1


def test_an_address_is_kept_sealed_and_is_in_no_log(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    confirm(engine, client, box, settings)
    box.answers[ADDRESS] = f"550 {ADDRESS} unknown"
    say(engine, resident.household_id)
    deliver_notices(engine, settings=settings)
    assert "wang.li" not in caplog.text.lower()
    with engine.connect() as connection:
        tables = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        for table in tables:
            assert "wang.li" not in str(connection.execute(text(f'SELECT t::text FROM "{table}" t')).all()).lower()


def test_nobody_sees_or_changes_where_another_household_is_written_to(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, public: TestClient, town: Town
) -> None:
    confirm(engine, client, box, settings)
    stranger = signed_in(public, make_resident(engine, town.home, "stranger"))
    assert stranger.get("/v1/household/contact").status_code == 404
    stranger.delete("/v1/household/contact")
    assert stranger.get("/v1/household/deliveries").json()["deliveries"] == []
    assert client.get("/v1/household/contact").json()["email"] == ADDRESS
    assert [one["channel"] for one in client.get("/v1/household/deliveries").json()["deliveries"]] == ["code"]


def test_the_database_itself_keeps_addresses_and_deliveries_from_everybody_else(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount
) -> None:
    confirm(engine, client, box, settings)
    for household, roles, seen in (
        (resident.household_id, frozenset[str](), 1),
        (resident.household_id + 1, frozenset[str](), 0),
        (None, frozenset({"planner", "owner", "committee_worker"}), 0),
    ):
        with engine.connect() as connection:
            open_as(connection, Principal(None, household, roles, frozenset(), "anonymous"))
            for table in ("household_contacts", "deliveries"):
                assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == seen, (table, household)
            change = text("UPDATE household_contacts SET by_mail = false")
            assert connection.execute(change).rowcount == seen
    forged = text(
        "INSERT INTO deliveries (channel, household_id, next_at, created_at) VALUES ('code', :id, now(), now())"
    )
    with engine.connect() as connection:
        open_as(connection, Principal(None, resident.household_id, frozenset(), frozenset(), "anonymous"))
        with pytest.raises(DBAPIError, match="row-level security"):
            connection.execute(forged, {"id": resident.household_id})


def test_the_log_of_deliveries_says_what_became_of_each(
    engine: Engine, client: TestClient, box: Mailbox, settings: Settings, resident: SomeAccount
) -> None:
    confirm(engine, client, box, settings)
    box.answers["DATA"] = "452 full"
    say(engine, resident.household_id)
    deliver_notices(engine, settings=settings)
    page = client.get("/v1/household/deliveries", params={"limit": 1}).json()
    [first] = page["deliveries"]
    assert (first["channel"], first["state"], first["attempts"], first["error"]) == ("mail", "waiting", 1, "not_now")
    rest = client.get("/v1/household/deliveries", params={"cursor": page["next"]}).json()
    assert [one["state"] for one in rest["deliveries"]] == ["sent"]
    assert rest["next"] is None


@pytest.mark.parametrize(
    "address",
    ["a@b", "a b@example.com", "a@example", "@example.com", "a@", "a@-x.com", "a..b@example.com", "a@exam_ple.com",
     "a@example.com\r\nBcc: b@example.com", "a@example.com,b@example.com", "<a@example.com>", "王@example.com",
     "a" * 65 + "@example.com", "a@" + "b" * 64 + ".com", "=?utf-8?q??=@example.com", "=?utf-8?q?=0A?=@example.com",
     "=?utf-8?b?YUBiLmNvbT4s?=@example.com"],
)  # fmt: skip
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UnusableAddress):
        read_email(address)


def test_a_refused_address_is_not_repeated(client: TestClient) -> None:
    answer = client.put("/v1/household/contact", json={"email": "plate 沪A8K123@home"})
    assert answer.status_code == 422
    assert "8K123" not in answer.text
