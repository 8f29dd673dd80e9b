"""Imports that are not waited for: looked at with the request, stored once by a worker, with its sender's rights."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import Engine, text

from api.facilities.import_jobs import store_import
from api.jobs.service import forget
from api.jobs.worker import work_on
from tests.api.supply import DRAFTS, Lane, ok, open_lane, problem
from tests.api.test_jobs import emptied, wait_for, waiting, worker
from tests.api.test_supply_import import FAULTS, IMPORT, ROWS, sheet


@pytest.fixture
def town(engine: Engine, lane: Path) -> Iterator[Lane]:
    emptied(engine)
    with open_lane(engine, lane) as town:
        yield town
    emptied(engine)


def send(client: TestClient, content: str, **query: bool) -> Response:
    headers = {"Content-Type": "text/csv", "Prefer": "respond-async, wait=5"}
    return client.post(IMPORT, content=content, params=query, headers=headers)


def drafts(town: Lane) -> list[str]:
    return [draft["feature"]["properties"]["id"] for draft in ok(town.owner.get(DRAFTS))["drafts"]]


def test_a_file_is_looked_at_with_the_request_and_stored_by_a_worker(town: Lane) -> None:
    answer = send(town.owner, sheet(*ROWS))
    waits = ok(answer, 202)
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.headers["location"] == f"/v1/imports/{waits['id']}"
    assert (waits["state"], waits["ids"], drafts(town)) == ("queued", [], [])
    asyncio.run(work_on(town.engine, wait=False))
    done = ok(town.owner.get(answer.headers["location"]))
    assert (done["state"], len(done["ids"]), done["said"], done["published"]) == ("done", 2, None, False)
    assert drafts(town) == ["mall", "office"]
    assert town.count("SELECT count(*) FROM facility_imports WHERE file IS NOT NULL") == 0
    # Once more, as after a kill between the drafts and the job's end: nothing is done.
    store_import(town.engine, done["id"])
    assert ok(town.owner.get(answer.headers["location"])) == done
    assert drafts(town) == ["mall", "office"]


def test_a_planners_facilities_are_published_by_the_worker(town: Lane) -> None:
    waits = ok(send(town.planner, sheet(*ROWS), publish=True), 202)
    store_import(town.engine, waits["id"])
    done = ok(town.planner.get(f"/v1/imports/{waits['id']}"))
    assert (done["state"], done["published"]) == ("done", True)
    assert len(ok(town.public.get("/v1/neighbourhoods/lane-9/facilities"))["features"]) == 4


def test_a_faulty_file_is_refused_at_once(town: Lane) -> None:
    assert len(problem(send(town.owner, sheet(*(row for row, _ in FAULTS))), 422)["errors"]) == len(FAULTS)
    problem(send(town.owner, sheet(*ROWS), publish=True), 403)
    assert town.count("SELECT count(*) FROM facility_imports") == 0
    with town.engine.connect() as connection:
        assert waiting(connection) == []


def test_a_dry_run_is_answered_at_once(town: Lane) -> None:
    assert ok(send(town.owner, sheet(*ROWS), dry_run=True))["facilities"] == 2
    assert town.count("SELECT count(*) FROM facility_imports") == 0


def test_of_two_files_with_the_same_ids_one_is_stored_and_the_other_told_why(town: Lane) -> None:
    first, second = (ok(send(town.owner, sheet(*ROWS)), 202)["id"] for _ in range(2))
    for number in (first, second):
        store_import(town.engine, number)
    assert ok(town.owner.get(f"/v1/imports/{first}"))["state"] == "done"
    failed = ok(town.owner.get(f"/v1/imports/{second}"))
    assert (failed["state"], [fault["field"] for fault in failed["errors"]]) == ("failed", ["id", "id"])
    assert drafts(town) == ["mall", "office"]


def test_nothing_is_stored_for_whoever_has_lost_the_right_meanwhile(town: Lane) -> None:
    waits = ok(send(town.owner, sheet(*ROWS)), 202)
    with town.engine.begin() as connection:
        connection.execute(
            text("UPDATE grants SET revoked_at = now() WHERE owner_id = :owner"), {"owner": town.owner_id}
        )
    store_import(town.engine, waits["id"])
    failed = ok(town.owner.get(f"/v1/imports/{waits['id']}"))
    assert (failed["state"], failed["said"]) == ("failed", "nothing was stored: speaks for others")
    assert town.count("SELECT count(*) FROM facility_drafts") == 0


def test_nobody_sees_what_another_account_has_sent(town: Lane) -> None:
    waits = ok(send(town.owner, sheet(*ROWS)), 202)
    for somebody in (town.other, town.planner):
        problem(somebody.get(f"/v1/imports/{waits['id']}"), 404)
    problem(town.public.get(f"/v1/imports/{waits['id']}"), 401)


def test_imports_are_forgotten_after_ninety_days(town: Lane) -> None:
    for age, rows in ((89, ROWS[3:]), (91, ROWS[:3])):
        number = ok(send(town.owner, sheet(*rows)), 202)["id"]
        store_import(town.engine, number)
        with town.engine.begin() as connection:
            connection.execute(
                text("UPDATE facility_imports SET ended_at = now() - :age * interval '1 day' WHERE id = :id"),
                {"age": age, "id": number},
            )
    assert forget(town.engine)["facility_imports"] == 1


STORING = """
    SELECT true FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%facility_drafts%'
"""


def test_a_worker_killed_in_an_import_leaves_none_of_it_and_the_next_one_stores_all(town: Lane) -> None:
    waits = ok(send(town.owner, sheet(*ROWS)), 202)
    with town.engine.begin() as holding, worker(town.engine) as killed:
        holding.execute(text("LOCK TABLE facility_drafts IN SHARE MODE"))
        wait_for(town.engine, STORING)
        killed.send_signal(signal.SIGKILL)
        assert killed.wait(timeout=20) == -signal.SIGKILL
    wait_for(town.engine, f"SELECT NOT EXISTS ({STORING})")
    assert (ok(town.owner.get(f"/v1/imports/{waits['id']}"))["state"], drafts(town)) == ("queued", [])
    with town.engine.begin() as connection:
        connection.execute(text("UPDATE jobs.procrastinate_workers SET last_heartbeat = now() - interval '1 minute'"))
    for _ in range(2):  # it is taken over by the first at the latest, and then done by the second
        asyncio.run(work_on(town.engine, wait=False))
    assert ok(town.owner.get(f"/v1/imports/{waits['id']}"))["state"] == "done"
    assert drafts(town) == ["mall", "office"]
