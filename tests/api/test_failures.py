"""A mistake of ours is answered, and logged by kind and place; what somebody sent is in neither."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from pydantic import TypeAdapter
from sqlalchemy import Engine, text

from api.app import create_app
from api.failures import AnswerCutOff
from api.neighbourhoods import routes
from tests.api.accounts import settings_of_tests

HERE = "http://127.0.0.1"
PLATE = "沪A8K123"


@pytest.fixture
def app(engine: Engine) -> FastAPI:
    return create_app(settings_of_tests(), engine)


@pytest.fixture
def client(app: FastAPI, caplog: pytest.LogCaptureFixture) -> Iterator[TestClient]:
    caplog.set_level(logging.DEBUG)
    with TestClient(app, base_url=HERE) as client:  # which raises whatever leaves the app
        yield client


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    formatter = logging.Formatter()
    return [formatter.format(record) for record in caplog.records if record.name == "baytide"]


def test_a_mistake_is_answered_and_logged_without_its_words(
    client: TestClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(_connection: object) -> None:
        try:
            TypeAdapter(int).validate_python(PLATE)
        except ValueError as error:
            raise RuntimeError(f"no number: {PLATE}") from error

    monkeypatch.setattr(routes, "list_neighbourhoods", mistaken)
    answer = client.get("/v1/neighbourhoods")
    assert (answer.status_code, answer.json()["type"]) == (500, "unexpected-error")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    [line] = lines(caplog)
    assert line.startswith("request_failed status=500 kind=RuntimeError<ValidationError at=")
    assert "neighbourhoods/routes.py:" in line
    assert line.endswith(":get_neighbourhoods")
    assert PLATE not in caplog.text


def test_a_broken_rule_of_the_database_is_named_and_the_row_is_not(
    app: FastAPI, client: TestClient, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/broken")
    def broken() -> None:
        with engine.begin() as connection:
            connection.execute(
                text(f"INSERT INTO accounts (issuer, subject, language) VALUES ('here', '{PLATE}', 'fr')")
            )

    @app.get("/unreadable")
    def unreadable() -> None:
        with engine.begin() as connection:
            connection.execute(text(f"SELECT CAST('{PLATE}' AS integer)"))

    assert [client.get(path).status_code for path in ("/broken", "/unreadable")] == [500, 500]
    rule, value = lines(caplog)
    assert "kind=IntegrityError<CheckViolation(23514,accounts_language_check)" in rule
    assert "kind=DataError<InvalidTextRepresentation(22P02)" in value
    assert PLATE not in caplog.text
    assert "Failing row" not in caplog.text


def test_an_answer_that_breaks_off_is_not_taken_for_whole(
    app: FastAPI, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"x" * 2000
        raise RuntimeError(PLATE)

    @app.get("/parts")
    async def stream() -> StreamingResponse:
        return StreamingResponse(parts())

    with pytest.raises(AnswerCutOff, match="broke off"):
        client.get("/parts")
    assert "kind=RuntimeError" in lines(caplog)[0]
    assert PLATE not in caplog.text
