"""Accounts: making one, logging in by cookie and by token, and being refused alike whatever is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.accounts import passwords
from api.accounts.dependencies import COOKIE
from api.accounts.keys import KEY_FILE, Keys, read_or_make_key
from api.accounts.passwords import hash_password, is_password
from api.app import create_app
from api.errors import UnusablePlace
from api.settings import Settings
from tests.api.accounts import make_account, settings_of_tests, signed_in

HERE = "http://127.0.0.1"
PASSWORD = "correct horse battery"


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    app = create_app(settings_of_tests(), engine)
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as client:
        yield client


def register(client: TestClient, name: str = "wang", password: str = PASSWORD) -> str:
    answer = client.post("/v1/accounts", json={"name": name, "password": password})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["log_in_name"])


def log_in(client: TestClient, name: str, password: str = PASSWORD) -> str:
    """Log in by cookie and give the CSRF token."""
    answer = client.post("/v1/login-sessions", json={"log_in_name": name, "password": password})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["csrf_token"])


def token_of(client: TestClient, name: str, password: str = PASSWORD) -> str:
    answer = client.post("/v1/tokens", data={"grant_type": "password", "username": name, "password": password})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# -------------------------------------------------------------------------------------------------------- registration


def test_a_registered_account_logs_in_and_reads_itself(client: TestClient) -> None:
    name = register(client)
    assert re.fullmatch(r"wang-\d{6}", name)
    answer = client.get("/v1/account", headers=bearing(token_of(client, name)))
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["log_in_name"], shown["issuer"], shown["roles"], shown["household"]) == (name, "local", [], None)


def test_two_people_register_one_name_and_neither_learns_of_the_other(client: TestClient) -> None:
    first, second = register(client, "li"), register(client, "li")
    assert first != second
    assert {first[:3], second[:3]} == {"li-"}


@pytest.mark.parametrize(
    "name", ["13812345678", "138-1234-5678", "１３８１２３４５６７８", "wang@example.org", "-", " "]
)
def test_a_phone_number_or_address_is_no_log_in_name(client: TestClient, name: str) -> None:
    answer = client.post("/v1/accounts", json={"name": name, "password": PASSWORD})
    assert (answer.status_code, answer.json()["type"]) == (422, "name-cannot-be-used")
    assert name.strip("- ") not in answer.text or not name.strip("- ")


@pytest.mark.parametrize(
    "body", [{"name": "wang"}, {"name": "wang", "password": "short"}, {"name": "", "password": PASSWORD}, []]
)
def test_an_incomplete_registration_is_refused_and_repeats_nothing(client: TestClient, body: object) -> None:
    answer = client.post("/v1/accounts", json=body)
    assert answer.status_code == 422
    assert "short" not in answer.text.replace("too short", "")


def test_the_password_is_kept_as_an_argon2id_hash_only(client: TestClient, engine: Engine) -> None:
    register(client)
    with engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM accounts")).one()
    assert row.password_hash.startswith("$argon2id$")
    assert PASSWORD not in str(row)


def test_a_phone_and_a_keyboard_write_the_same_password() -> None:
    assert is_password("caf\u00e9 au lait", kept=hash_password("cafe\u0301 au lait"))
    assert not is_password("cafe au lait", kept=hash_password("cafe\u0301 au lait"))


# -------------------------------------------------------------------------------------------------------------- cookie


def test_a_login_session_is_a_cookie_out_of_reach_of_scripts(client: TestClient) -> None:
    answer = client.post("/v1/login-sessions", json={"log_in_name": register(client), "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie
    assert "; secure" not in cookie
    assert answer.headers["cache-control"] == "no-store"
    assert client.get("/v1/account").status_code == 200


def test_beyond_this_machine_the_cookie_travels_over_tls_only(engine: Engine) -> None:
    app = create_app(settings_of_tests().model_copy(update={"host": "0.0.0.0"}), engine)
    with TestClient(app, base_url="https://parking.example") as client:
        answer = client.post("/v1/login-sessions", json={"log_in_name": register(client), "password": PASSWORD})
    assert "; secure" in answer.headers["set-cookie"].lower()


def test_only_hashes_of_secrets_are_stored(client: TestClient, engine: Engine) -> None:
    name = register(client)
    log_in(client, name)
    token = token_of(client, name)
    with engine.connect() as connection:
        rows = [
            *connection.execute(text("SELECT * FROM login_sessions")),
            *connection.execute(text("SELECT * FROM bearer_tokens")),
        ]
    assert len(rows) == 2
    assert not [row for row in rows if client.cookies[COOKIE] in str(row) or token in str(row)]


def test_a_change_by_cookie_needs_the_token_of_its_login_session(client: TestClient) -> None:
    csrf = log_in(client, register(client))
    change = {"language": "en"}
    assert client.patch("/v1/account", json=change).status_code == 403
    wrong = client.patch("/v1/account", json=change, headers={"X-CSRF-Token": csrf[:-1] + "_"})
    assert (wrong.status_code, wrong.json()["type"]) == (403, "page-out-of-date")
    right = client.patch("/v1/account", json=change, headers={"X-CSRF-Token": csrf})
    assert (right.status_code, right.json()["language"]) == (200, "en")
    assert client.get("/v1/login-sessions/current").json() == {"csrf_token": csrf}


def test_the_token_of_another_login_session_does_not_do(client: TestClient) -> None:
    name = register(client)
    other = log_in(client, name)
    client.cookies.clear()
    log_in(client, name)
    assert client.delete("/v1/login-sessions/current", headers={"X-CSRF-Token": other}).status_code == 403


def test_a_plain_form_sends_the_token_as_a_field(client: TestClient) -> None:
    """A page's form has no headers of its own; a route without a body of its own takes it, too."""
    csrf = log_in(client, register(client))
    refused = client.request("DELETE", "/v1/login-sessions/current", data={"other": "field"})
    assert refused.status_code == 403
    done = client.request("DELETE", "/v1/login-sessions/current", data={"csrf_token": csrf})
    assert done.status_code == 204


def test_logging_out_ends_the_login_session_at_once(client: TestClient) -> None:
    csrf = log_in(client, register(client))
    kept = client.cookies[COOKIE]
    assert client.delete("/v1/login-sessions/current", headers={"X-CSRF-Token": csrf}).status_code == 204
    assert COOKIE not in client.cookies
    client.cookies.set(COOKIE, kept)
    assert client.get("/v1/account").status_code == 401


def test_logging_out_everywhere_ends_sessions_and_tokens(client: TestClient) -> None:
    name = register(client)
    token = token_of(client, name)
    log_in(client, name)
    elsewhere = client.cookies[COOKIE]
    client.cookies.clear()
    csrf = log_in(client, name)
    assert len(client.get("/v1/login-sessions").json()) == 2
    assert [row["current"] for row in client.get("/v1/login-sessions").json()] == [True, False]
    assert client.delete("/v1/login-sessions", headers={"X-CSRF-Token": csrf}).status_code == 204
    client.cookies.clear()
    assert client.get("/v1/account", headers={"Cookie": f"{COOKIE}={elsewhere}"}).status_code == 401
    assert client.get("/v1/account", headers=bearing(token)).status_code == 401


def test_a_login_session_ends_by_itself(client: TestClient, engine: Engine) -> None:
    log_in(client, register(client))
    with engine.begin() as connection:
        connection.execute(text("UPDATE login_sessions SET expires_at = now()"))
    assert client.get("/v1/account").status_code == 401


def test_a_browser_without_scripts_logs_in_and_out_by_forms(client: TestClient) -> None:
    name = register(client)
    assert "form-action 'self'" in client.get("/log-in").headers["content-security-policy"]
    wrong = client.post("/log-in", data={"log_in_name": name, "password": "not it at all"})
    assert (wrong.status_code, name in wrong.text, COOKIE in client.cookies) == (401, False, False)
    done = client.post("/log-in", data={"log_in_name": name, "password": PASSWORD}, follow_redirects=False)
    assert (done.status_code, done.headers["location"]) == (303, "/")
    page = client.get("/log-in").text
    [token] = re.findall(r'name="csrf_token" value="([^"]+)"', page)
    assert client.post("/log-out", data={"csrf_token": "x" * len(token)}).status_code == 403
    assert client.get("/v1/account").status_code == 200
    assert client.post("/log-out", data={"csrf_token": token}, follow_redirects=False).status_code == 303
    assert client.get("/v1/account").status_code == 401


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
def test_another_site_logs_nobody_in(client: TestClient, headers: dict[str, str]) -> None:
    form = {"log_in_name": register(client), "password": PASSWORD}
    assert client.post("/log-in", data=form, headers=headers).status_code == 403
    assert client.post("/log-in", data=form, headers={"Origin": HERE}, follow_redirects=False).status_code == 303


# -------------------------------------------------------------------------------------------------------------- tokens


def test_a_token_needs_no_csrf_token_and_is_revoked_at_once(client: TestClient) -> None:
    name = register(client)
    token = token_of(client, name)
    assert client.patch("/v1/account", json={"language": "en"}, headers=bearing(token)).status_code == 200
    [listed] = client.get("/v1/tokens", headers=bearing(token)).json()
    assert "btt_" not in str(listed)
    assert client.delete(f"/v1/tokens/{listed['id']}", headers=bearing(token)).status_code == 204
    answer = client.get("/v1/account", headers=bearing(token))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_a_token_ends_by_itself(client: TestClient, engine: Engine) -> None:
    account = make_account(engine)
    mine = signed_in(client, account)
    assert mine.get("/v1/account").status_code == 200
    with engine.begin() as connection:
        connection.execute(text("UPDATE bearer_tokens SET expires_at = now()"))
    assert mine.get("/v1/account").status_code == 401


def test_a_disabled_account_is_nobody(client: TestClient, engine: Engine) -> None:
    name = register(client)
    token = token_of(client, name)
    with engine.begin() as connection:
        connection.execute(text("UPDATE accounts SET disabled_at = now()"))
    assert client.get("/v1/account", headers=bearing(token)).status_code == 401
    again = client.post("/v1/login-sessions", json={"log_in_name": name, "password": PASSWORD})
    assert (again.status_code, again.json()["type"]) == (401, "log-in-refused")


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer nonsense", "Bearer btt_nonsense", "Basic d2FuZzp4", "btt_x", "Bearer bts_x"]
)
def test_what_is_no_token_of_ours_opens_nothing(client: TestClient, header: str) -> None:
    for path in ("/v1/account", "/v1/owners"):
        assert client.get(path, headers={"Authorization": header}).status_code == 401


def test_a_login_sessions_secret_is_no_bearer_token(client: TestClient) -> None:
    log_in(client, register(client))
    stolen = client.cookies[COOKIE]
    client.cookies.clear()
    assert client.get("/v1/account", headers=bearing(stolen)).status_code == 401


def test_a_token_and_a_session_of_somebody_else_cannot_be_ended(client: TestClient, engine: Engine) -> None:
    victim, attacker = make_account(engine, "victim"), make_account(engine, "attacker")
    [listed] = signed_in(client, victim).get("/v1/tokens").json()
    signed_in(client, attacker).delete(f"/v1/tokens/{listed['id']}")
    signed_in(client, attacker).delete("/v1/login-sessions")
    assert signed_in(client, victim).get("/v1/account").status_code == 200


def test_a_new_password_ends_everything_the_old_one_opened(client: TestClient) -> None:
    name = register(client)
    token = token_of(client, name)
    change = {"log_in_name": name, "old": PASSWORD, "new": "another horse entirely"}
    assert client.post("/v1/account/password", json={**change, "old": "wrong password"}).status_code == 401
    assert client.post("/v1/account/password", json=change).status_code == 204
    assert client.get("/v1/account", headers=bearing(token)).status_code == 401
    refused = client.post("/v1/login-sessions", json={"log_in_name": name, "password": PASSWORD})
    assert refused.status_code == 401
    log_in(client, name, "another horse entirely")


# ------------------------------------------------------------------------------------------------------------- refusal


def test_a_wrong_password_and_an_unknown_name_are_answered_alike(client: TestClient) -> None:
    name = register(client)
    wrong = client.post("/v1/login-sessions", json={"log_in_name": name, "password": "not it at all"})
    unknown = client.post("/v1/login-sessions", json={"log_in_name": "nobody-123456", "password": "not it at all"})
    assert (wrong.status_code, wrong.json(), wrong.headers.keys()) == (401, unknown.json(), unknown.headers.keys())
    assert name not in wrong.text
    one = client.post("/v1/tokens", data={"grant_type": "password", "username": name, "password": "no"})
    other = client.post("/v1/tokens", data={"grant_type": "password", "username": "nobody", "password": "no"})
    assert (one.status_code, one.json()) == (other.status_code, other.json())


def test_an_unknown_name_costs_as_much_hashing_as_a_known_one(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[int] = []
    verify = passwords._hasher.verify

    class Counting:
        def verify(self, kept: str, given: bytes) -> bool:
            hashed.append(len(kept))
            return verify(kept, given)

    name = register(client)
    passwords._of_nobody()
    monkeypatch.setattr(passwords, "_hasher", Counting())
    for tried in (name, "nobody-123456"):
        client.post("/v1/login-sessions", json={"log_in_name": tried, "password": "not it at all"})
    assert len(hashed) == 2
    assert hashed[0] == hashed[1]


def test_guessing_a_password_is_stopped_even_with_the_right_one(client: TestClient) -> None:
    name = register(client)
    guess = {"log_in_name": name, "password": "not it at all"}
    assert [client.post("/v1/login-sessions", json=guess).status_code for _ in range(10)] == [401] * 10
    stopped = client.post("/v1/login-sessions", json={**guess, "password": PASSWORD})
    assert stopped.status_code == 429
    assert 0 < int(stopped.headers["retry-after"]) <= 15 * 60
    assert (
        client.post("/v1/tokens", data={"grant_type": "password", "username": name, "password": PASSWORD}).status_code
        == 429
    )


def test_an_unknown_name_is_stopped_after_as_many_guesses(client: TestClient) -> None:
    guess = {"log_in_name": "nobody-123456", "password": "not it at all"}
    assert [client.post("/v1/login-sessions", json=guess).status_code for _ in range(11)] == [401] * 10 + [429]


def test_guesses_at_once_are_all_counted(client: TestClient, engine: Engine) -> None:
    name = register(client)
    guess = {"log_in_name": name, "password": "not it at all"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/login-sessions", json=guess).status_code, range(24)))
    assert sorted(answers) == [401] * 10 + [429] * 14
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM log_in_attempts WHERE kind = 'log_in'")) == 10


def test_logging_in_forgets_the_failed_tries_before(client: TestClient) -> None:
    name = register(client)
    for _ in range(3):
        for _ in range(8):
            client.post("/v1/login-sessions", json={"log_in_name": name, "password": "not it at all"})
        log_in(client, name)


def test_attempts_hold_neither_name_nor_address(client: TestClient, engine: Engine) -> None:
    name = register(client)
    client.post("/v1/login-sessions", json={"log_in_name": name, "password": "not it at all"})
    with engine.connect() as connection:
        columns = connection.execute(text("SELECT * FROM log_in_attempts")).all()
    assert name not in str(columns)
    assert "testclient" not in str(columns)


def test_accounts_from_one_address_are_limited(client: TestClient, engine: Engine) -> None:
    register(client)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO log_in_attempts (kind, address_hash) "
                "SELECT kind, address_hash FROM log_in_attempts, generate_series(1, 49)"
            )
        )
    answer = client.post("/v1/accounts", json={"name": "one-more", "password": PASSWORD})
    assert (answer.status_code, "retry-after" in answer.headers) == (429, True)


# ----------------------------------------------------------------------------------------------------------------- key


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / "data" / KEY_FILE
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: read_or_make_key(file), range(16)))
    assert len(keys) == 1
    assert file.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in file.parent.iterdir()] == [KEY_FILE]


def test_a_key_cut_short_is_refused_rather_than_used(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("short")
    with pytest.raises(UnusablePlace, match="too short"):
        read_or_make_key(tmp_path / KEY_FILE)


def test_keys_of_different_purposes_differ_and_are_never_shown(tmp_path: Path) -> None:
    keys = Keys(Settings(data=tmp_path))
    derived = {keys.csrf, keys.plate_hash, keys.plate_seal, keys.attempts}
    assert len(derived) == 4
    assert {len(key) for key in derived} == {32}
    assert "secret" not in repr(keys).lower()
