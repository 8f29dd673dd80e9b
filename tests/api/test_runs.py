"""Allocation runs: asked for, computed apart from the worker, stored once whatever happens to the worker."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from api.accounts.opening import open_as
from api.accounts.principal import ANONYMOUS, Principal
from api.app import create_app
from api.errors import FolderFaults
from api.jobs.queries import work
from api.jobs.worker import work_on
from api.neighbourhoods.importing import import_folder
from api.neighbourhoods.read import read_folder
from api.plans.plan_file import read_plan
from api.plans.storing import store_plan
from api.runs import computing, queries
from api.runs.computing import compute_run
from tests.api.accounts import make_planner, settings_of_tests
from tests.api.processes import processes_with
from tests.api.test_jobs import ROOT, emptied, waiting, worker

HERE = "http://127.0.0.1"
RUNS = "/v1/neighbourhoods/lane-9/runs"


@pytest.fixture
def database(engine: Engine, lane: Path) -> Iterator[Engine]:
    """Give a database with Lane 9 in it, without its streets, and a queue that is empty before and after."""
    emptied(engine)
    (lane / "streets.osm").unlink()
    import_folder(engine, read_folder(lane), lane)
    yield engine
    emptied(engine)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let runs of this test write where no other test's do, so that their processes are known by it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return f"{folder}/baytide-run-"


@pytest.fixture
def planner(database: Engine) -> Iterator[TestClient]:
    with TestClient(create_app(settings_of_tests(), database), base_url=HERE) as client:
        client.headers.update(make_planner(database).headers)
        yield client


def asked(planner: TestClient, **parameters: object) -> int:
    answer = planner.post(RUNS, json=parameters)
    assert answer.status_code == 202, answer.text
    return int(answer.json()["id"])


def shown(planner: TestClient, run: int) -> dict[str, Any]:
    found: dict[str, Any] = planner.get(f"/v1/runs/{run}").json()
    return found


def number(engine: Engine, question: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(question)).scalar_one())


# ------------------------------------------------------------------------------------------------------- asking for one


def test_a_run_waits_with_its_job(planner: TestClient, database: Engine) -> None:
    answer = planner.post(RUNS, json={"seed": -5, "time_limit_s": 2.5, "gap": 0.01})
    run = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/runs/{run['id']}"
    assert (run["state"], run["neighbourhood"], run["attempt"], run["plan"]) == ("queued", "lane-9", 0, None)
    assert run["parameters"] == {"seed": -5, "time_limit_s": 2.5, "gap": 0.01}
    with database.connect() as connection:
        assert waiting(connection) == ["compute_run"]
        assert connection.scalar(text("SELECT args FROM jobs.procrastinate_jobs")) == {"run": run["id"]}


@pytest.mark.parametrize(
    "wrong",
    [{"seed": 2**63}, {"seed": "x"}, {"time_limit_s": -1}, {"time_limit_s": "inf"}, {"gap": 2}, {"folder": "/etc"}, []],
)
def test_a_run_of_nonsense_is_refused(planner: TestClient, database: Engine, wrong: object) -> None:
    answer = planner.post(RUNS, json=wrong)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert number(database, "SELECT count(*) FROM allocation_runs") == 0


def test_nobody_computes_a_neighbourhood_that_is_not_there(planner: TestClient, database: Engine) -> None:
    assert planner.post("/v1/neighbourhoods/nowhere/runs", json={}).status_code == 404
    assert planner.get("/v1/runs/1").status_code == 404
    assert number(database, "SELECT count(*) FROM jobs.procrastinate_jobs") == 0


def test_runs_come_in_pages_the_newest_first(planner: TestClient) -> None:
    ids = [asked(planner, seed=seed) for seed in range(3)]
    first = planner.get(RUNS, params={"limit": 2}).json()
    rest = planner.get(RUNS, params={"limit": 2, "cursor": first["next"]}).json()
    assert [run["id"] for run in first["runs"] + rest["runs"]] == ids[::-1]
    assert rest["next"] is None
    assert planner.get(RUNS, params={"cursor": "x"}).status_code == 422


def test_the_database_itself_shows_runs_to_planners_only(planner: TestClient, database: Engine) -> None:
    asked(planner)
    resident = Principal(1, 1, frozenset(), frozenset(), "bearer_token")
    for who in (ANONYMOUS, resident):
        with database.connect() as connection:
            open_as(connection, who)
            assert connection.scalar(text("SELECT count(*) FROM allocation_runs")) == 0
            assert connection.execute(text("UPDATE allocation_runs SET said = 'x'")).rowcount == 0
    with database.connect() as connection:
        open_as(connection, Principal(1, None, frozenset({"planner"}), frozenset(), "bearer_token"))
        assert connection.scalar(text("SELECT count(*) FROM allocation_runs")) == 1
        with pytest.raises(DBAPIError, match="row-level security"):
            connection.execute(text("UPDATE allocation_runs SET state = 'failed', said = 'x', ended_at = now()"))


# ------------------------------------------------------------------------------------------------------------ computing


def test_a_run_becomes_a_plan_that_the_worker_computes_and_checks(planner: TestClient, database: Engine) -> None:
    run = asked(planner, seed=41)
    asyncio.run(work_on(database, wait=False))
    done = shown(planner, run)
    assert (done["state"], done["said"], done["attempt"]) == ("done", None, 1)
    assert done["progress"]["stage"] == "done"
    assert done["created_at"] < done["started_at"] < done["ended_at"]
    [plan] = planner.get("/v1/neighbourhoods/lane-9/plans").json()
    assert (plan["id"], plan["demands"], plan["published_at"]) == (done["plan"], 4, None)
    assert plan["has_certificate"]
    summary = planner.get(f"/v1/plans/{plan['id']}").json()["summary"]
    assert summary["seed"] == 41
    served = planner.get(f"/v1/plans/{plan['id']}/assignments").json()["features"]
    assert plan["served"] == len(served) > 0
    with database.connect() as connection:
        assert waiting(connection) == []
        assert connection.scalar(text("SELECT count(*) FROM jobs.procrastinate_jobs")) == 0
    # Once more, as after a kill between the plan and the job's end: nothing is done.
    compute_run(database, run)
    assert shown(planner, run) == done
    assert number(database, "SELECT count(*) FROM plans") == 1


def test_a_run_without_a_plan_says_why(planner: TestClient, database: Engine) -> None:
    """Both are locked into the park's group for accessible cars and everybody, where one bay is left."""
    with database.begin() as connection:
        connection.execute(text("UPDATE share_windows SET bays = 1"))
        connection.execute(text("UPDATE facilities SET buffer_bays = 0"))
        connection.execute(text("DELETE FROM decisions"))
        connection.execute(
            text(
                "INSERT INTO decisions (neighbourhood_id, position, demand_id, facility_id, decision) "
                "SELECT d.neighbourhood_id, d.position, d.id, f.id, 'lock' FROM demands d JOIN facilities f "
                "USING (neighbourhood_id) WHERE d.code IN ('d1', 'd2') AND f.code = 'park'"
            )
        )
    run = asked(planner)
    compute_run(database, run)
    failed = shown(planner, run)
    assert (failed["state"], failed["plan"]) == ("failed", None)
    assert failed["said"].startswith("no plan keeps every lock"), failed
    assert number(database, "SELECT count(*) FROM plans") == 0
    assert planner.post(f"/v1/runs/{run}/cancel").status_code == 409


def test_a_plan_of_what_has_changed_meanwhile_is_not_stored(database: Engine, lane: Path, lane_plan: Path) -> None:
    files = read_plan(lane_plan, folder=lane)
    owner = number(database, "SELECT id FROM neighbourhoods")
    with database.begin() as connection:
        assert store_plan(connection, owner, files) > 0
        connection.execute(text("UPDATE facilities SET status = 'withdrawn' WHERE code = 'park'"))
    with database.connect() as connection, pytest.raises(FolderFaults, match="'park/std' is not in the folder"):
        store_plan(connection, owner, files)


def test_whoever_lost_a_run_to_another_worker_stores_nothing(
    planner: TestClient, database: Engine, lane: Path, lane_plan: Path
) -> None:
    run = asked(planner)
    with work(database) as connection:
        first = queries.take_run(connection, run)
        second = queries.take_run(connection, run)
    assert first is not None
    assert second is not None
    with pytest.raises(computing._Lost):
        computing._store(database, first, lane_plan, folder=lane)
    with work(database) as connection:
        queries.fail_run(connection, run, attempt=first.attempt, said="too late")
    assert number(database, "SELECT count(*) FROM plans") == 0
    plan = computing._store(database, second, lane_plan, folder=lane)
    assert (shown(planner, run)["state"], shown(planner, run)["plan"]) == ("done", plan)


def test_planners_see_how_far_a_run_is(planner: TestClient, database: Engine) -> None:
    run = asked(planner)
    step = {"stage": "solve", "words": "core: value 20,670 m of at most 20,680 m"}
    with work(database) as connection:
        taken = queries.take_run(connection, run)
        assert taken is not None
        assert queries.note_progress(connection, run, attempt=taken.attempt, progress=step)
        assert queries.note_progress(connection, run, attempt=taken.attempt, progress=None)
    assert (shown(planner, run)["state"], shown(planner, run)["progress"]) == ("running", step)


def test_a_run_that_ends_every_worker_is_given_up(planner: TestClient, database: Engine) -> None:
    run = asked(planner)
    for _ in range(computing.MOST_ATTEMPTS):
        with work(database) as connection:
            assert queries.take_run(connection, run) is not None
    compute_run(database, run)
    assert shown(planner, run)["state"] == "failed"
    assert "the worker was lost" in shown(planner, run)["said"]


# ------------------------------------------------------------------------------------------------------- calling it off


def test_a_run_that_waits_is_called_off_for_good(planner: TestClient, database: Engine) -> None:
    run = asked(planner)
    first = planner.post(f"/v1/runs/{run}/cancel").json()
    assert (first["state"], planner.post(f"/v1/runs/{run}/cancel").json()) == ("cancelled", first)
    compute_run(database, run)
    assert shown(planner, run) == first
    assert number(database, "SELECT count(*) FROM plans") == 0


def test_a_run_under_way_ends_soon_after_it_is_called_off(planner: TestClient, database: Engine, place: str) -> None:
    run = asked(planner)
    computed = threading.Thread(target=compute_run, args=(database, run))
    computed.start()
    wait_until(lambda: bool(processes_with(place)))
    assert planner.post(f"/v1/runs/{run}/cancel").json()["state"] == "cancelled"
    computed.join(timeout=10)
    assert not computed.is_alive()
    assert processes_with(place) == []
    assert (shown(planner, run)["state"], number(database, "SELECT count(*) FROM plans")) == ("cancelled", 0)


# ------------------------------------------------------------------------------------------------- workers that go away


def test_a_run_makes_way_when_its_worker_has_to_end(planner: TestClient, database: Engine, place: str) -> None:
    run = asked(planner)
    with worker(database) as ending:
        wait_until(lambda: bool(processes_with(place)))
        ending.send_signal(signal.SIGTERM)
        said, _ = ending.communicate(timeout=20)
    assert ending.returncode == 0, said
    assert "run_put_back" in said
    assert said.splitlines()[-1].endswith("worker_stopped")
    waits = shown(planner, run)
    assert (waits["state"], waits["attempt"], waits["started_at"]) == ("queued", 0, None)
    assert processes_with(place) == []
    with database.connect() as connection:
        assert "compute_run" in waiting(connection)


def test_a_run_is_put_back_however_often_without_being_given_up(planner: TestClient, database: Engine) -> None:
    run = asked(planner)
    for _ in range(computing.MOST_ATTEMPTS + 1):
        with work(database) as connection:
            taken = queries.take_run(connection, run)
            assert taken is not None
            assert taken.attempt == 1
            queries.put_back(connection, run, attempt=taken.attempt)


def test_a_worker_killed_in_a_run_takes_the_computation_along_and_the_next_one_makes_one_plan(
    planner: TestClient, database: Engine, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = asked(planner)
    with worker(database) as killed:
        wait_until(lambda: bool(processes_with(place)))
        killed.send_signal(signal.SIGKILL)
        assert killed.wait(timeout=20) == -signal.SIGKILL
    wait_until(lambda: not processes_with(place))
    half = shown(planner, run)
    assert (half["state"], half["attempt"], half["plan"]) == ("running", 1, None)
    with database.begin() as connection:
        # The dead worker is not heard of for a minute.
        connection.execute(text("UPDATE jobs.procrastinate_workers SET last_heartbeat = now() - interval '1 minute'"))
    with caplog.at_level(logging.INFO, logger="baytide"):
        for _ in range(2):  # it is taken over by the first at the latest, and then done by the second
            asyncio.run(work_on(database, wait=False))
    said = [record.getMessage() for record in caplog.records]
    assert "job_taken_over job=compute_run attempts=1" in said
    assert len([line for line in said if line.startswith(f"run_done run={run} ")]) == 1
    assert (shown(planner, run)["attempt"], number(database, "SELECT count(*) FROM plans")) == (2, 1)


def wait_until(happens: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < until
        time.sleep(0.02)


STORES = """
import sys
from pathlib import Path
from api.db.connection import make_engine
from api.jobs.queries import work
from api.runs import computing, queries
engine = make_engine(sys.argv[1])
with work(engine) as connection:
    run = queries.take_run(connection, int(sys.argv[2]))
computing._store(engine, run, Path(sys.argv[3]), folder=Path(sys.argv[4]))
"""
STORING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'COPY "assignments"%'
"""


def test_a_worker_killed_while_it_stores_a_plan_leaves_nothing_of_it(
    planner: TestClient, database: Engine, lane: Path, lane_plan: Path
) -> None:
    run = asked(planner)
    words = [database.url.render_as_string(hide_password=False), str(run), str(lane_plan), str(lane)]
    with database.begin() as holding:
        holding.execute(text("LOCK TABLE assignments IN SHARE MODE"))  # reached after the plan's own row
        with subprocess.Popen([sys.executable, "-c", STORES, *words], cwd=ROOT) as killed:
            wait_until(lambda: number(database, STORING) == 1)
            killed.send_signal(signal.SIGKILL)
    wait_until(lambda: number(database, STORING) == 0)
    assert (shown(planner, run)["state"], number(database, "SELECT count(*) FROM plans")) == ("running", 0)
    with work(database) as connection:
        again = queries.take_run(connection, run)
    assert again is not None
    plan = computing._store(database, again, lane_plan, folder=lane)
    assert (shown(planner, run)["state"], shown(planner, run)["plan"]) == ("done", plan)
    assert number(database, "SELECT count(*) FROM plans") == 1


# -------------------------------------------------------------------------------------------------- what can be watched


def test_a_command_notes_its_newest_step(lane: Path, run: Any, tmp_path: Path) -> None:  # noqa: ANN401 -- see running
    (lane / "streets.osm").unlink()
    note = tmp_path / "note.json"
    code, _, said = run("allocate", lane, "--out", tmp_path / "plan.json", "--note", note)
    assert code == 0, said
    assert json.loads(note.read_text("utf-8")) == {"stage": "write", "words": "writing the plan"}
    assert [path.name for path in tmp_path.iterdir() if "note" in path.name] == ["note.json"]
