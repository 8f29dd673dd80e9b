"""Whatever is asked and goes wrong: no plate, name, phone number, address or secret is in a log or a figure."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Engine, text

from api.app import create_app
from api.db.cluster import PrivateCluster
from tests.api.accounts import make_committee_worker, make_gate_key, make_owner, make_planner, settings_of_tests
from tests.api.booking_town import Town, make_town

HERE = "http://127.0.0.1"
PLATE, OTHER_PLATE, NO_PLATE = "沪Q7Z942", "沪Q7Z943", "Q-7-Z-no-plate"
NAME, PASSWORD = "quentinzz", "quite a password of quentinzz"
PHONE = "13976540192"
LON, LAT = 121.50173919, 31.20084629
OWNER, ROAD, REASON, KEY = "Quagga Estates 7719", "Qingzhi Lane 7719", "reason 77190 of quagga", "key-of-quagga-7719"
TOKEN_OF_NOBODY = "btt_QuaggaQuaggaQuaggaQuaggaQuaggaQuaggaQuagga"
SECRETS = (
    PLATE,
    OTHER_PLATE,
    NO_PLATE,
    "Q7Z942",
    NAME,
    PASSWORD,
    PHONE,
    str(LON),
    str(LAT),
    "121.5017",
    "31.2008",
    OWNER,
    ROAD,
    REASON,
    KEY,
    TOKEN_OF_NOBODY,
    "testclient",
)


class Journey:
    """A client that notes what the service gave it to keep to itself."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.headers: dict[str, str] = {}
        self.kept: list[str] = []

    def ask(self, method: str, path: str, *, expect: int | tuple[int, ...], **more: Any) -> Any:  # noqa: ANN401 -- JSON
        headers = {**self.headers, **more.pop("headers", {})}
        answer: Response = self.client.request(method, path, headers=headers, **more)
        wanted = (expect,) if isinstance(expect, int) else expect
        assert answer.status_code in wanted, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content and "json" in answer.headers.get("content-type", "") else answer

    def sign_in(self, token: str) -> None:
        self.kept.append(token)
        self.headers = {"Authorization": f"Bearer {token}"}


@pytest.fixture
def town(engine: Engine) -> Town:
    with engine.begin() as connection:
        made = make_town(connection, bays=1)
        connection.execute(text("UPDATE homes SET name = :road, estate = 'Siping'"), {"road": ROAD})
        return made


@pytest.fixture
def journey(engine: Engine, town: Town, caplog: pytest.LogCaptureFixture) -> Iterator[Journey]:
    """Give a client of a service that logs whatever it can."""
    caplog.set_level(logging.DEBUG)
    for name in ("baytide", "baytide.access", "psycopg", "uvicorn", "fastapi"):
        caplog.set_level(logging.DEBUG, logger=name)
    assert town.home
    with TestClient(create_app(settings_of_tests(), engine), base_url=HERE) as client:
        yield Journey(client)


def said(caplog: pytest.LogCaptureFixture) -> str:
    """Give everything that was logged, with its errors; not what the tests' own client says of what it sends."""
    formatter = logging.Formatter("%(name)s %(message)s")
    records = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    return "\n".join(f"{formatter.format(record)} {record.args!r}" for record in records)


def require_silence(journey: Journey, caplog: pytest.LogCaptureFixture) -> None:
    figures = journey.client.get("/metrics").text
    log = said(caplog)
    assert "request_answered" in log, "something is logged"
    assert "http_route" in figures
    for secret in (*SECRETS, *journey.kept):
        for shape in {secret, json.dumps(secret).strip('"'), repr(secret.encode())[2:-1]}:
            assert shape not in log, shape
            assert shape not in figures, shape


def hours(after: int = 1) -> dict[str, str]:
    begin = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(hours=after)
    return {"from": begin.isoformat(), "to": (begin + timedelta(hours=8)).isoformat()}


def register(journey: Journey, name: str = NAME) -> str:
    """Make an account and sign in with a token."""
    made = journey.ask("POST", "/v1/accounts", expect=201, json={"name": name, "password": PASSWORD})
    log_in_name = str(made["log_in_name"])
    form = {"username": log_in_name, "password": PASSWORD, "label": PHONE}
    journey.sign_in(journey.ask("POST", "/v1/tokens", expect=200, data=form)["access_token"])
    journey.kept.append(log_in_name)
    return log_in_name


def test_registering_and_signing_in_leave_no_trace_of_anybody(
    journey: Journey, caplog: pytest.LogCaptureFixture
) -> None:
    for bad in ({"name": PHONE, "password": PASSWORD}, {"name": NAME, "password": "short"}, {"name": NAME, "x": PHONE}):
        journey.ask("POST", "/v1/accounts", expect=422, json=bad)
    journey.ask("POST", "/v1/accounts", expect=422, content=f'{{"name": "{NAME}", '.encode())
    log_in_name = register(journey)
    journey.ask("GET", "/v1/account", expect=200)
    journey.ask("GET", "/v1/account", expect=401, headers={"Authorization": f"Bearer {TOKEN_OF_NOBODY}"})
    journey.ask("POST", "/v1/tokens", expect=401, data={"username": log_in_name, "password": f"not {PASSWORD}"})
    given = {"log_in_name": log_in_name, "password": PASSWORD}
    journey.ask("POST", "/v1/login-sessions", expect=401, json={**given, "password": f"not {PASSWORD}"})
    opened = journey.ask("POST", "/v1/login-sessions", expect=201, json=given)
    journey.kept += [opened["csrf_token"], journey.client.cookies["baytide_login"]]
    journey.headers = {}
    journey.ask("PATCH", "/v1/account", expect=403, json={"language": "en"}, headers={"X-CSRF-Token": KEY})
    journey.ask("POST", "/log-in", expect=401, data={"log_in_name": log_in_name, "password": f"not {PASSWORD}"})
    require_silence(journey, caplog)


def test_a_car_is_registered_without_its_plate_being_told(journey: Journey, caplog: pytest.LogCaptureFixture) -> None:
    register(journey)
    journey.ask("PUT", "/v1/vehicle", expect=403, json={"plate": PLATE})
    home = _home_of(journey)
    journey.ask("PUT", "/v1/household", expect=200, json={"home": home})
    journey.ask("PUT", "/v1/vehicle", expect=202, json={"plate": PLATE, "height_m": 1.5})
    for bad in ({"plate": NO_PLATE}, {"plate": [PLATE]}, {"plate": PLATE, "needs": [PHONE]}, {"phone": PHONE}):
        journey.ask("PUT", "/v1/vehicle", expect=422, json=bad)
    journey.ask("PUT", "/v1/vehicle", expect=(202, 409), json={"plate": OTHER_PLATE})
    assert journey.ask("GET", "/v1/vehicle", expect=200)["plate"] == PLATE
    journey.ask("GET", f"/v1/vehicle/{PLATE}", expect=404)
    journey.ask("GET", "/v1/vehicle", expect=200, params={"plate": PLATE})
    register(journey, f"{NAME}2")
    journey.ask("PUT", "/v1/household", expect=200, json={"home": home})
    journey.ask("PUT", "/v1/vehicle", expect=202, json={"plate": PLATE})  # somebody else's
    journey.ask("DELETE", "/v1/vehicle", expect=(204, 404))
    require_silence(journey, caplog)


def test_a_search_near_home_tells_nobody_where_that_is(
    journey: Journey, town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    path = "/v1/neighbourhoods/town/free-bays"
    place = {"place": {"lon": LON, "lat": LAT}}
    journey.ask("POST", path, expect=200, json={**place, **hours()})
    journey.ask("POST", path, expect=200, json={"home": town.home})
    for bad in (
        {"place": {"lon": LON, "lat": str(PHONE)}},
        {"address": ROAD},
        {**place, "from": ROAD},
        {"place": ROAD},
    ):
        journey.ask("POST", path, expect=422, json=bad)
    journey.ask("POST", path, expect=422, content=f'{{"place": {{"lon": {LON}, "lat": '.encode())
    journey.ask("GET", path, expect=200, params={"near": f"{LON},{LAT}"})
    journey.ask("GET", path, expect=422, params={"near": ROAD})
    journey.ask("POST", f"/v1/neighbourhoods/{ROAD}/free-bays", expect=404, json=place)
    require_silence(journey, caplog)


def test_a_booking_from_hold_to_cancellation_names_nobody(
    journey: Journey, town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    register(journey)
    journey.ask("PUT", "/v1/household", expect=200, json={"home": town.home})
    journey.ask("PUT", "/v1/vehicle", expect=202, json={"plate": PLATE})
    once = {"Idempotency-Key": KEY}
    hold = journey.ask("POST", "/v1/bookings", expect=201, json={**hours(), "facility": town.near}, headers=once)
    journey.ask("POST", "/v1/bookings", expect=422, json=hours(20), headers=once)
    journey.ask("POST", "/v1/bookings", expect=409, json=hours(), headers={"Idempotency-Key": f"{KEY}-2"})
    for bad in ({"to": ROAD}, {**hours(), "plate": PLATE}, {**hours(), "from": "2020-01-01T00:00Z"}):
        journey.ask("POST", "/v1/bookings", expect=422, json=bad, headers={"Idempotency-Key": f"{KEY}-3"})
    journey.ask("POST", f"/v1/bookings/{hold['id']}/confirm", expect=200)
    journey.ask("GET", "/v1/bookings", expect=200)
    journey.ask("GET", "/v1/bookings", expect=422, params={"cursor": PHONE})
    journey.ask("POST", f"/v1/bookings/{hold['id']}/cancel", expect=200)
    journey.ask("POST", "/v1/bookings/999999/cancel", expect=404)
    require_silence(journey, caplog)


def test_owners_planners_and_gates_are_not_named_either(
    journey: Journey, engine: Engine, town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    owner, planner = make_owner(engine), make_planner(engine)
    journey.sign_in(owner.token)
    journey.ask("POST", "/v1/owners", expect=(201, 409), json={"name": OWNER})
    journey.ask("POST", "/v1/neighbourhoods/town/facilities/drafts", expect=422, json={"type": ROAD, "name": OWNER})
    sheet = f"id,name\n{KEY},{ROAD}\n".encode()
    path = "/v1/neighbourhoods/town/facilities/import"
    journey.ask("POST", path, expect=422, content=sheet, headers={"Content-Type": "text/csv"})
    journey.sign_in(planner.token)
    journey.ask("POST", "/v1/grants", expect=404, json={"log_in_name": NAME, "role": "planner"})
    withdrawal = {"kind": "facility", "urgency": "planned", "reason": REASON, "from": "2020-01-01T00:00:00Z"}
    journey.ask("POST", f"/v1/facilities/{town.near}/withdrawals/preview", expect=(200, 422), json=withdrawal)
    journey.ask("POST", f"/v1/facilities/{town.near}/gate-devices", expect=201, json={"label": REASON})
    worker = make_committee_worker(engine, "town", "Siping")
    journey.sign_in(worker.token)
    journey.ask("POST", "/v1/committee/visits", expect=404, json={"plate": PLATE})
    journey.ask("POST", "/v1/committee/visits", expect=404, json={"log_in_name": NAME})
    journey.sign_in(make_gate_key(engine, town.near))
    journey.ask("GET", "/v1/gate", expect=200)
    require_silence(journey, caplog)


def test_the_databases_own_log_does_not_repeat_rows_either(
    journey: Journey, engine: Engine, cluster: PrivateCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """A row that breaks a rule is part of what PostgreSQL says of it, unless told otherwise."""
    register(journey)
    statement = text("INSERT INTO accounts (issuer, subject, language) VALUES ('here', :name, 'fr')")
    with pytest.raises(Exception, match="accounts_language_check"), engine.begin() as connection:
        connection.execute(statement, {"name": PHONE})
    log = (Path(cluster.folder) / "log" / "postgres.log").read_text(errors="replace")
    assert "accounts_language_check" in log
    for secret in (PLATE, NAME, PHONE, PASSWORD, TOKEN_OF_NOBODY):
        assert secret not in log
    require_silence(journey, caplog)


def _home_of(journey: Journey) -> int:
    with journey.client.app.state.engine.connect() as connection:  # type: ignore[attr-defined]  # TestClient says only ASGI
        return int(connection.scalar(text("SELECT id FROM homes")))


def test_spans_say_which_route_was_asked_for_and_not_what(
    engine: Engine, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    with TestClient(create_app(settings_of_tests(), engine), base_url=HERE) as client:
        near = {"near": f"{LON},{LAT}", "x": PHONE}
        assert client.get("/v1/neighbourhoods/town/free-bays", params=near).status_code == 422
        assert client.get(f"/v1/neighbourhoods/town/free-bays?home={town.home}").status_code == 200
        assert client.get(f"/v1/bookings/{PLATE}").status_code in (401, 422)
        assert client.request(f"X{NAME}", f"/{TOKEN_OF_NOBODY}").status_code in (404, 405)
    made = [span.to_json() for span in spans.get_finished_spans()]
    assert len(made) == 4
    assert sum('"http.route": "/v1/neighbourhoods/{neighbourhood}/free-bays"' in span for span in made) == 2
    for secret in (*SECRETS, NAME.upper(), f"home={town.home}"):
        assert all(secret not in span for span in made), secret
