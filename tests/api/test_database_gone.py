"""A database that goes away: the service says so, nothing is half done, and it goes on by itself when it is back."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import Engine, create_engine, text

from api.app import create_app
from api.db.cluster import PrivateCluster
from api.db.connection import make_engine
from api.db.migrating import migrate
from api.db.preparing import check_database
from tests.api.accounts import SomeAccount, make_owner, make_resident, settings_of_tests, signed_in
from tests.api.booking_town import Town, make_town
from tests.conftest import empty_database

HERE = "http://127.0.0.1"
LIMIT_S = 30.0
WAITING = """
SELECT min(pid) FROM pg_stat_activity
WHERE datname = 'baytide' AND (wait_event_type = 'Lock' OR wait_event = 'SyncRep')
"""
KEPT = "SELECT (SELECT count(*) FROM stays), (SELECT count(*) FROM bookings), (SELECT count(*) FROM booking_requests)"
AT_COMMIT = """
CREATE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER wait_at_commit AFTER INSERT ON stays
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_at_commit()
"""


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[PrivateCluster]:
    """Start a durable cluster that may be stopped without anybody else noticing."""
    with tempfile.TemporaryDirectory(prefix="baytide-test-") as place:
        Path(place).chmod(0o755)
        with PrivateCluster(Path(place) / "data") as cluster:
            engine = make_engine(cluster.url())
            check_database(engine)
            migrate(engine)
            engine.dispose()
            yield cluster


@pytest.fixture
def own_engine(own_cluster: PrivateCluster) -> Iterator[Engine]:
    engine = make_engine(own_cluster.url())
    empty_database(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def town(own_engine: Engine) -> Town:
    with own_engine.begin() as connection:
        return make_town(connection, bays=1)


@pytest.fixture
def resident(own_engine: Engine, town: Town) -> SomeAccount:
    return make_resident(own_engine, town.home)


@pytest.fixture
def client(own_engine: Engine) -> Iterator[TestClient]:
    app = create_app(settings_of_tests(), make_engine(str(own_engine.url)))
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as client:
        yield client
        app.state.engine.dispose()


@contextmanager
def administration(cluster: PrivateCluster) -> Iterator[psycopg.Connection]:
    """Give a connection to another database of the cluster, every statement for itself."""
    with psycopg.connect(
        host=str(cluster.socket_folder), user="baytide", dbname="postgres", autocommit=True
    ) as connection:
        yield connection


def wish() -> dict[str, Any]:
    begin = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(hours=1)
    return {"from": begin.isoformat(), "to": (begin + timedelta(hours=8)).isoformat(), "confirm": True}


def ask(client: TestClient, who: SomeAccount, wanted: dict[str, Any]) -> Response:
    return signed_in(client, who).post("/v1/bookings", json=wanted, headers={"Idempotency-Key": "k"})


def kept(engine: Engine) -> tuple[int, int, int]:
    """Count what is stored: stays, bookings, and answers to requests that come twice."""
    with engine.connect() as connection:
        stays, bookings, requests = connection.execute(text(KEPT)).one()
        return stays, bookings, requests


def pid_of_the_one_that_waits(cluster: PrivateCluster) -> int:
    deadline = time.monotonic() + LIMIT_S
    with administration(cluster) as connection:
        while time.monotonic() < deadline:
            row = connection.execute(WAITING).fetchone()
            if row is not None and row[0] is not None:
                return int(row[0])
            time.sleep(0.01)
    raise AssertionError("no request came to wait")


def terminate(cluster: PrivateCluster, pid: int) -> None:
    with administration(cluster) as connection:
        assert connection.execute("SELECT pg_terminate_backend(%s, 10000)", [pid]).fetchone() == (True,)


def end_server(cluster: PrivateCluster, how: signal.Signals) -> None:
    """Stop the server: orderly for SIGINT, as a crash would for SIGQUIT."""
    note = cluster.files / "postmaster.pid"
    os.kill(int(note.read_text().split()[0]), how)
    deadline = time.monotonic() + LIMIT_S
    while note.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def under_way(work: Callable[[], Response]) -> Iterator[Future[Response]]:
    with ThreadPoolExecutor(1) as threads:
        yield threads.submit(work)


def require_come_back_later(answer: Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "database-unavailable"
    assert int(answer.headers["Retry-After"]) > 0


def require_booked_once(client: TestClient, resident: SomeAccount, wanted: dict[str, Any], engine: Engine) -> None:
    """Ask again with the same key, as a program does after a 503, and once more."""
    answers = [ask(client, resident, wanted) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201], answers[0].text
    assert answers[0].json() == answers[1].json()
    assert kept(engine) == (1, 1, 1)
    listed = signed_in(client, resident).get("/v1/bookings").json()["bookings"]
    assert [booking["id"] for booking in listed] == [answers[0].json()["id"]]


def test_a_booking_whose_connection_dies_while_it_waits_is_not_made(
    own_cluster: PrivateCluster, own_engine: Engine, client: TestClient, resident: SomeAccount
) -> None:
    wanted = wish()
    with own_engine.begin() as other, under_way(lambda: ask(client, resident, wanted)) as answer:
        other.execute(text("LOCK TABLE stays IN ACCESS EXCLUSIVE MODE"))
        terminate(own_cluster, pid_of_the_one_that_waits(own_cluster))
        require_come_back_later(answer.result(LIMIT_S))
    assert kept(own_engine) == (0, 0, 0)
    require_booked_once(client, resident, wanted, own_engine)


@pytest.fixture
def waiting_at_commit(own_engine: Engine) -> Iterator[None]:
    """Let whoever stores a stay wait at its commit, when everything is written and nothing is kept."""
    with own_engine.begin() as connection:
        connection.execute(text(AT_COMMIT))
    yield
    with own_engine.begin() as connection:
        connection.execute(text("DROP TRIGGER wait_at_commit ON stays"))
        connection.execute(text("DROP FUNCTION wait_at_commit"))


@pytest.mark.usefixtures("waiting_at_commit")
def test_a_booking_whose_connection_dies_at_its_commit_is_not_made(
    own_cluster: PrivateCluster, own_engine: Engine, client: TestClient, resident: SomeAccount
) -> None:
    wanted = wish()
    with own_engine.begin() as other, under_way(lambda: ask(client, resident, wanted)) as answer:
        other.execute(text("SELECT pg_advisory_xact_lock(4711)"))
        terminate(own_cluster, pid_of_the_one_that_waits(own_cluster))
        require_come_back_later(answer.result(LIMIT_S))
    assert kept(own_engine) == (0, 0, 0)
    require_booked_once(client, resident, wanted, own_engine)


def test_a_booking_that_was_kept_but_not_answered_is_answered_when_asked_again(
    own_cluster: PrivateCluster, own_engine: Engine, client: TestClient, resident: SomeAccount
) -> None:
    """With a replica that never comes, a commit waits when it is done here already: there the connection is cut."""
    wanted = wish()
    with administration(own_cluster) as connection:
        connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        connection.execute("SELECT pg_reload_conf()")
    try:
        with under_way(lambda: ask(client, resident, wanted)) as answer:
            terminate(own_cluster, pid_of_the_one_that_waits(own_cluster))
            require_come_back_later(answer.result(LIMIT_S))
    finally:
        with administration(own_cluster) as connection:
            connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
            connection.execute("SELECT pg_reload_conf()")
    assert kept(own_engine) == (1, 1, 1)
    require_booked_once(client, resident, wanted, own_engine)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
def test_when_the_server_goes_away_everything_says_so_and_goes_on_when_it_is_back(
    own_cluster: PrivateCluster,
    own_engine: Engine,
    client: TestClient,
    town: Town,
    resident: SomeAccount,
    how: signal.Signals,
) -> None:
    wanted = wish()
    assert client.get("/readyz").status_code == 200
    with own_engine.connect() as other, under_way(lambda: ask(client, resident, wanted)) as answer:
        other.execute(text("LOCK TABLE stays IN ACCESS EXCLUSIVE MODE"))
        pid_of_the_one_that_waits(own_cluster)
        end_server(own_cluster, how)
        other.invalidate()
        try:
            require_come_back_later(answer.result(LIMIT_S))
            mine = signed_in(client, resident)
            for gone in (
                client.get("/readyz"),
                client.get("/v1/neighbourhoods"),
                client.get("/"),
                client.post("/v1/neighbourhoods/town/free-bays", json={"home": town.home}),
                client.post("/v1/neighbourhoods/town/free-bays", json={"place": {"lon": 121.5, "lat": 31.2}}),
                client.get("/v1/tiles/facilities/14/13721/6692.mvt"),
                mine.get("/v1/bookings"),
                mine.post("/v1/bookings/1/confirm"),
                mine.post("/v1/bookings/1/cancel"),
                ask(client, resident, wanted),
                client.post("/v1/tokens", data={"username": "somebody", "password": "something long"}),
            ):
                require_come_back_later(gone)
            assert client.get("/healthz").status_code == 200
        finally:
            own_cluster.start()
    assert client.get("/readyz").status_code == 200
    own_engine.dispose()
    assert kept(own_engine) == (0, 0, 0)
    require_booked_once(client, resident, wanted, own_engine)


def test_a_restart_that_nobody_saw_costs_at_most_one_request(
    own_cluster: PrivateCluster, own_engine: Engine, client: TestClient, town: Town, resident: SomeAccount
) -> None:
    """Connections that were used a moment ago are not asked whether they live; the first that does not replaces all."""

    def by_thread() -> Response:
        return client.get("/v1/neighbourhoods")

    def without_thread() -> Response:
        return client.post("/v1/neighbourhoods/town/free-bays", json={"home": town.home})

    assert [by_thread().status_code, without_thread().status_code] == [200, 200]
    end_server(own_cluster, signal.SIGINT)
    own_cluster.start()
    for search in (by_thread, without_thread):
        first, *others = [search() for _ in range(4)]
        if first.status_code != 200:
            require_come_back_later(first)
        assert [answer.status_code for answer in others] == [200, 200, 200]
    own_engine.dispose()
    require_booked_once(client, resident, wish(), own_engine)


def test_a_confirmed_booking_survives_a_crash(
    own_cluster: PrivateCluster, own_engine: Engine, client: TestClient, resident: SomeAccount
) -> None:
    wanted = wish()
    booking = ask(client, resident, wanted).json()
    end_server(own_cluster, signal.SIGQUIT)
    own_cluster.start()
    own_engine.dispose()
    assert kept(own_engine) == (1, 1, 1)
    assert {ask(client, resident, wanted).status_code for _ in range(2)} <= {201, 503}
    assert signed_in(client, resident).get(f"/v1/bookings/{booking['id']}").json() == booking


def test_an_import_whose_connection_dies_stores_nothing(
    own_cluster: PrivateCluster, own_engine: Engine, client: TestClient, town: Town
) -> None:
    owner = make_owner(own_engine)
    feature = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [121.5, 31.2]},
        "properties": {
            "id": "new",
            "kind": "park_garage",
            "bay_groups": [
                {
                    "id": "g",
                    "kind": "standard",
                    "windows": [{"days": "daily", "from": "18:00", "to": "31:30", "bays": 3}],
                }
            ],
        },
    }

    def draft() -> Response:
        return signed_in(client, owner).post("/v1/neighbourhoods/town/facilities/drafts", json=feature)

    assert town.neighbourhood
    with own_engine.begin() as other, under_way(draft) as answer:
        other.execute(text("LOCK TABLE facilities IN ACCESS EXCLUSIVE MODE"))
        terminate(own_cluster, pid_of_the_one_that_waits(own_cluster))
        require_come_back_later(answer.result(LIMIT_S))
    assert draft().status_code == 201


def test_who_waits_too_long_for_a_connection_is_told_to_come_back(own_cluster: PrivateCluster, town: Town) -> None:
    assert town.neighbourhood
    narrow = create_engine(own_cluster.url(), pool_size=1, max_overflow=0, pool_timeout=0.1)
    with (
        narrow.connect(),
        TestClient(create_app(settings_of_tests(), narrow), base_url=HERE, raise_server_exceptions=False) as client,
    ):
        require_come_back_later(client.get("/v1/neighbourhoods"))
    narrow.dispose()


def test_whatever_class_an_error_has_that_ended_its_connection_it_is_no_mistake_of_ours(own_engine: Engine) -> None:
    """A server that ends an idle transaction says so in another class than all others; the driver's own are bare."""
    app = create_app(settings_of_tests(), own_engine)

    @app.get("/dawdle")
    def dawdle() -> None:
        with own_engine.connect() as connection:
            connection.execute(text("SET idle_in_transaction_session_timeout = '50ms'"))
            time.sleep(0.3)
            connection.execute(text("SELECT 1"))

    @app.get("/bare")
    def bare() -> None:
        with own_engine.connect() as connection, connection.connection.cursor() as cursor:  # type: ignore[attr-defined]  # psycopg's cursors are contexts
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as client:
        for path in ("/dawdle", "/bare"):
            require_come_back_later(client.get(path))
            assert client.get("/readyz").status_code == 200


def test_a_statement_of_ours_that_is_wrong_is_not_blamed_on_the_database(own_engine: Engine) -> None:
    app = create_app(settings_of_tests(), own_engine)

    @app.get("/wrong")
    def wrong() -> None:
        with own_engine.connect() as connection:
            connection.execute(text("SELECT nonsense"))

    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as client:
        answer = client.get("/wrong")
    assert (answer.status_code, answer.json()["type"]) == (500, "unexpected-error")
