"""Allocating a round: from its rows to a checked plan that nobody hears of, once, whatever happens on the way."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from api.accounts.opening import open_as
from api.app import create_app
from api.jobs.queries import work
from api.jobs.worker import work_on
from api.neighbourhoods.read import read_folder
from api.planning.base_plan import plan_hash
from api.planning.check import check_folder
from api.rounds import allocation_queries
from api.rounds.allocating import allocate_round
from api.rounds.folder import fingerprint_now, write_round_folder
from api.rounds.outcomes import load_round_plan
from api.runs import events
from tests.api.accounts import make_planner, settings_of_tests
from tests.api.closed_round import BAYS, NOW, SEED, RoundTown, in_this_process, town
from tests.api.test_runs import HERE

__all__ = ["in_this_process", "town"]


@pytest.fixture
def planner(town: RoundTown) -> Iterator[TestClient]:
    with TestClient(create_app(settings_of_tests(), town.engine), base_url=HERE) as client:
        client.headers.update(make_planner(town.engine).headers)
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "again" / "folder"
    place.mkdir(parents=True)
    return place


def allocated(planner: TestClient, town: RoundTown, **wanted: object) -> int:
    """Allocate the round; return the new plan."""
    answer = planner.post(f"/v1/rounds/{town.round}/allocations", json=wanted)
    assert answer.status_code == 202, answer.text
    allocate_round(town.engine, answer.json()["id"], now=NOW)
    run = planner.get(f"/v1/runs/{answer.json()['id']}").json()
    assert run["state"] == "done", run
    return int(run["plan"])


def outcomes(planner: TestClient, town: RoundTown, plan: int, **wanted: object) -> list[dict[str, Any]]:
    answer = planner.get(f"/v1/rounds/{town.round}/plans/{plan}/outcomes", params=wanted)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["outcomes"]
    return rows


# --------------------------------------------------------------------------------------------------------- the folder


def test_the_folder_of_a_round_says_who_applies_by_numbers_only(town: RoundTown, folder: Path) -> None:
    first, _ = town.apply(tier=1, waited=2, holds=town.facilities["park"], max_walk_m=300)
    second, gone = town.apply("h3")
    town.one("UPDATE applications SET state = 'withdrawn' WHERE id = :id", id=gone)
    with work(town.engine) as connection:
        write_round_folder(connection, town.round, folder)
    found = read_folder(folder)
    assert (found.seed, str(found.term_from), str(found.term_to)) == (SEED, "2026-09-14", "2026-10-11")
    assert found.policy.waiting_value_m == 400
    assert [facility.id for facility in found.facilities] == ["park", "road"]
    assert found.demands.rows(named=True) == [
        {
            "id": f"h{first.household_id}",
            "home": "h1",
            "days": "daily",
            "arrive_min": 1140,
            "leave_min": 1860,
            "tier": 1,
            "max_walk_m": 300.0,
            "needs": "",
            "height_m": None,
            "stay_through": False,
            "rounds_waited": 2,
            "holds": "park",
        }
    ]
    assert found.walks is not None
    assert found.walks.rows() == [("h1", "park", 120)]
    assert {str(day): kind for day, kind in found.calendar_overrides.items()} == {
        "2026-09-18": "rest_day",
        "2026-09-19": "workday",
    }
    assert f"h{second.household_id}" not in (folder / "demands.csv").read_text()


def test_a_facility_that_was_withdrawn_is_not_given_away_and_decisions_on_it_are_void(
    town: RoundTown, folder: Path
) -> None:
    _, application = town.apply(holds=town.facilities["park"])
    town.one(
        "INSERT INTO round_decisions (round_id, application_id, facility_id, decision, note, decided_at) "
        "VALUES (:round, :application, :park, 'lock', 'x', :now) RETURNING id",
        round=town.round,
        application=application,
        park=town.facilities["park"],
        now=NOW,
    )
    town.one("UPDATE facilities SET status = 'withdrawn' WHERE code = 'park' RETURNING id")
    with work(town.engine) as connection:
        write_round_folder(connection, town.round, folder)
    found = read_folder(folder)
    assert [facility.id for facility in found.facilities] == ["road"]
    assert found.demands["holds"].to_list() == [None]
    assert found.decisions.is_empty()
    with work(town.engine) as connection:
        assert allocation_queries.num_decisions(connection, town.round) == (0, 0)
        [decision] = allocation_queries.list_decisions(connection, town.round)
    assert not decision.in_force


_AS_THEY_ARE = {
    "homes.csv": (
        "SELECT code AS id, ST_X(geometry) AS lon, ST_Y(geometry) AS lat, estate FROM homes"
        ' ORDER BY code COLLATE "C"'
    ),
    "demands.csv": (
        "SELECT 'h' || a.household_id AS id, h.code AS home, a.days,"
        " to_char(make_interval(mins => a.arrive_min), 'HH24:MI') AS arrive,"
        " to_char(make_interval(mins => a.leave_min), 'HH24:MI') AS leave, a.tier, a.max_walk_m,"
        " NULLIF(a.needs, '') AS needs, a.height_m, NULL AS stay_through, a.rounds_waited, f.code AS holds"
        " FROM applications a JOIN homes h ON h.id = a.home_id LEFT JOIN facilities f ON f.id = a.holds_facility_id"
        " ORDER BY a.household_id"
    ),
    "decisions.csv": (
        "SELECT 'h' || a.household_id AS demand, f.code AS facility, d.decision FROM round_decisions d"
        " JOIN applications a ON a.id = d.application_id LEFT JOIN facilities f ON f.id = d.facility_id"
        " ORDER BY a.household_id, d.decision DESC"
    ),
    "walks.csv": (
        "SELECT h.code AS home, f.code AS facility, w.walk_m FROM walk_pairs w JOIN homes h ON h.id = w.home_id"
        " JOIN facilities f ON f.id = w.facility_id WHERE w.walk_m <= 300 AND h.code LIKE 'h1%'"
        " OR w.walk_m = 8990 AND h.code LIKE 'h3%' ORDER BY w.home_id, w.walk_m, w.facility_id"
    ),
}  # fmt: skip
"""File → what it holds of the town below, in its order, for COPY to write."""


def test_files_are_written_as_copy_writes_csv_with_the_nearest_facility_of_homes_that_are_near_none(
    town: RoundTown, folder: Path
) -> None:
    """One home within a walk of both facilities, one of none but not without any; every text needs quotes."""
    _, application = town.apply("h1", holds=town.facilities["park"])
    town.apply("h3")
    town.one("UPDATE applications SET needs = 'accessible ev', height_m = 1.55, max_walk_m = 300 RETURNING id")
    town.one(
        "UPDATE homes SET code = code || E' \"x\", 1\\n2', estate = CASE WHEN code LIKE 'h1%' THEN '' END RETURNING id"
    )
    town.one("DELETE FROM homes WHERE NOT EXISTS (SELECT FROM applications a WHERE a.home_id = homes.id) RETURNING id")
    town.one("UPDATE facilities SET code = E',' || code || E'\\r\\n' RETURNING id")
    for facility, decision in ((town.facilities["park"], "lock"), (None, "reject")):
        town.one(
            "INSERT INTO round_decisions (round_id, application_id, facility_id, decision, note, decided_at) "
            "VALUES (:round, :application, :facility, :decision, 'x', :now) RETURNING id",
            round=town.round,
            application=application,
            facility=facility,
            decision=decision,
            now=NOW,
        )
    town.one("DELETE FROM walk_pairs RETURNING home_id")
    town.one(
        "INSERT INTO walk_pairs (home_id, facility_id, walk_m) SELECT h.id, f.id, CASE WHEN h.code LIKE 'h1%' THEN 300 "
        "ELSE 9000 END - CASE WHEN f.code LIKE ',road%' THEN 10 ELSE 0 END FROM homes h, facilities f RETURNING home_id"
    )
    with work(town.engine) as connection:
        write_round_folder(connection, town.round, folder)
        for name, question in _AS_THEY_ARE.items():
            by_copy = io.BytesIO()
            with connection.connection.cursor().copy(f"COPY ({question}) TO STDOUT (FORMAT csv, HEADER)") as rows:
                for part in rows:
                    by_copy.write(part)
            assert (folder / name).read_bytes() == by_copy.getvalue()
            assert by_copy.getvalue().count(b"\n") > 2


def test_the_fingerprint_is_of_everything_that_the_plan_is_made_from_and_of_nothing_else(town: RoundTown) -> None:
    town.apply()

    def now() -> bytes:
        with work(town.engine) as connection:
            return fingerprint_now(connection, town.round)

    seen = [now()]
    assert now() == seen[0]
    town.one("UPDATE rounds SET name = 'Another', version = 9 RETURNING id")
    assert now() == seen[0]
    for change in (
        "UPDATE applications SET arrive_min = 1150 RETURNING id",
        "UPDATE share_windows SET bays = 4 WHERE bays = 3 RETURNING bays",
        "UPDATE walk_pairs SET walk_m = walk_m + 1 RETURNING walk_m",
        "UPDATE calendar_days SET kind = 'workday' RETURNING kind",
        "UPDATE rounds SET seed = 5 RETURNING id",
        """INSERT INTO round_decisions (round_id, application_id, decision, note, decided_at)
           SELECT round_id, id, 'reject', 'x', submitted_at FROM applications RETURNING id""",
    ):
        assert town.one(change) is not None
        seen.append(now())
    assert len(set(seen)) == len(seen) == 7


# ------------------------------------------------------------------------------------------------------------ the job


def test_a_closed_round_becomes_a_checked_plan_that_nobody_hears_of(
    town: RoundTown, planner: TestClient, folder: Path
) -> None:
    """Two bays for three households of one home; the one of the first tier is among those served."""
    _, first = town.apply(tier=1)
    others = {town.apply()[1] for _ in range(2)}
    _, far = town.apply("h3")
    answer = planner.post(f"/v1/rounds/{town.round}/allocations", json={})
    run = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/runs/{run['id']}")
    assert (run["round"], run["parameters"], run["base"]) == (town.round, {**run["parameters"], "gap": 0.001}, None)
    assert run["parameters"]["time_limit_s"] is None
    assert town.state() == "allocating"
    asyncio.run(work_on(town.engine, wait=False))
    assert town.state() == "in_review"
    [plan] = planner.get(f"/v1/rounds/{town.round}/plans").json()
    assert (plan["demands"], plan["served"], plan["locked"], plan["rejected"]) == (4, BAYS, 0, 0)
    assert plan["checked_at"] is not None
    assert planner.get(f"/v1/runs/{run['id']}").json()["plan"] == plan["id"]
    served = outcomes(planner, town, plan["id"], served=True)
    assert first in {row["application"] for row in served}
    assert {row["walk_m"] for row in served} == {120}
    refused = {row["application"]: row for row in outcomes(planner, town, plan["id"], served=False)}
    assert refused.pop(far)["reason"] == "no_window"
    assert set(refused) < others
    assert {row["reason"] for row in refused.values()} == {"full"}
    for table in ("permits", "offers", "waitlist_entries", "notices"):
        assert town.one(f"SELECT count(*) FROM {table}") == 0
    # What is stored is, word for word, what the checker accepted.
    with work(town.engine) as connection:
        write_round_folder(connection, town.round, folder)
        content = load_round_plan(connection, plan["id"])
        certificate = allocation_queries.load_certificate(connection, plan["id"])
    out = folder.parent
    (out / "plan.json").write_text(json.dumps(content))
    (out / "certificate.json").write_text(json.dumps(certificate))
    assert [fault for fault in check_folder(folder, out / "plan.json") if "nights.csv" not in str(fault)] == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE rounds SET state = 'open'", "is not closed yet"),
        ("UPDATE rounds SET seed = NULL, public_number = NULL", "public number is not entered"),
        ("UPDATE rounds SET state = 'allocating'", "being allocated already"),
        ("UPDATE rounds SET state = 'cancelled'", "is cancelled"),
    ],
)
def test_a_round_is_allocated_after_closing_with_its_number_and_once_at_a_time(
    town: RoundTown, planner: TestClient, change: str, words: str
) -> None:
    town.one(f"{change} RETURNING id")
    before = town.state()
    answer = planner.post(f"/v1/rounds/{town.round}/allocations", json={})
    assert (answer.status_code, answer.json()["type"]) == (409, "round-not-in-that-state")
    assert words in answer.json()["detail"]
    assert (town.state(), town.one("SELECT count(*) FROM allocation_runs")) == (before, 0)
    assert planner.post("/v1/rounds/999/allocations", json={}).status_code == 404


@pytest.mark.usefixtures("in_this_process")
def test_a_run_called_off_gives_the_round_back_and_only_its_own(town: RoundTown, planner: TestClient) -> None:
    run = planner.post(f"/v1/rounds/{town.round}/allocations", json={}).json()["id"]
    assert planner.post(f"/v1/runs/{run}/cancel").json()["state"] == "cancelled"
    assert town.state() == "closed"
    again = planner.post(f"/v1/rounds/{town.round}/allocations", json={}).json()["id"]
    planner.post(f"/v1/runs/{run}/cancel")  # once more; the other one goes on
    assert town.state() == "allocating"
    allocate_round(town.engine, run)  # its job is still in the queue
    assert town.state() == "allocating"
    allocate_round(town.engine, again)
    assert town.state() == "in_review"


@pytest.mark.usefixtures("in_this_process")
def test_an_allocation_that_fails_says_why_and_gives_the_round_back(town: RoundTown, planner: TestClient) -> None:
    """Three are locked to two bays."""
    for _ in range(3):
        _, application = town.apply()
        decision = {"application": application, "decision": "lock", "facility": town.facilities["park"], "note": "x"}
        assert planner.post(f"/v1/rounds/{town.round}/decisions", json=decision).status_code == 201
    run = planner.post(f"/v1/rounds/{town.round}/allocations", json={}).json()["id"]
    allocate_round(town.engine, run)
    failed = planner.get(f"/v1/runs/{run}").json()
    assert (failed["state"], failed["plan"]) == ("failed", None)
    assert failed["said"].startswith("no plan keeps every lock"), failed
    assert town.state() == "closed"


@pytest.mark.usefixtures("in_this_process")
def test_whoever_watches_a_run_is_told_until_it_ends(
    town: RoundTown, planner: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "LOOKED_EVERY_S", 0.02)
    town.apply()
    run = planner.post(f"/v1/rounds/{town.round}/allocations", json={}).json()["id"]
    told: list[dict[str, Any]] = []
    with planner.stream("GET", f"/v1/runs/{run}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if line.startswith("data: "):
                told.append(json.loads(line.removeprefix("data: ")))
                if len(told) == 1:
                    allocate_round(town.engine, run)
    assert (told[0]["state"], told[-1]["state"]) == ("queued", "done")
    assert told[-1]["plan"] is not None
    assert planner.get("/v1/runs/999/events").status_code == 404


# --------------------------------------------------------------------------------------------------------- the review


def test_nobody_decides_on_the_application_of_their_own_household(town: RoundTown) -> None:
    resident, application = town.apply()
    own, other = make_planner(town.engine, "own"), make_planner(town.engine, "other")
    town.one(
        "INSERT INTO household_members (account_id, household_id) VALUES (:account, :household) RETURNING household_id",
        account=own.account_id,
        household=resident.household_id,
    )
    wanted = {"application": application, "decision": "lock", "facility": town.facilities["park"], "note": "x"}
    path = f"/v1/rounds/{town.round}/decisions"
    with TestClient(create_app(settings_of_tests(), town.engine), base_url=HERE) as client:
        answer = client.post(path, json=wanted, headers=own.headers)
        assert (answer.status_code, "Somebody else" in answer.json()["detail"]) == (403, True)
        made = client.post(path, json=wanted, headers=other.headers)
        assert made.status_code == 201
        assert client.delete(f"{path}/{made.json()['id']}", headers=own.headers).status_code == 403
        assert len(client.get(path, headers=own.headers).json()) == 1
        assert client.delete(f"{path}/{made.json()['id']}", headers=other.headers).status_code == 204


@pytest.mark.usefixtures("in_this_process")
def test_decisions_bind_the_next_plan_and_their_cost_is_told(town: RoundTown, planner: TestClient) -> None:
    """Of three households in one home the one with the highest tier is refused, worth 10,000 m more than another."""
    _, first = town.apply(tier=1)
    _, second = town.apply()
    _, third = town.apply()
    before = allocated(planner, town)
    rejected = {"application": first, "decision": "reject", "note": "moves away before the term"}
    made = planner.post(f"/v1/rounds/{town.round}/decisions", json=rejected)
    assert (made.status_code, made.json()["facility"], made.json()["note"]) == (201, None, rejected["note"])
    after = allocated(planner, town)
    plan = planner.get(f"/v1/rounds/{town.round}/plans/{after}").json()
    assert (plan["base"], plan["locked"], plan["rejected"]) == (before, 0, 1)
    assert plan["decisions_cost"] == {"low_m": 10_000, "high_m": 10_000, "exact_m": 10_000}
    assert plan["comparison"] == {**plan["comparison"], "gained": 1, "lost": 1, "moved": 0, "value_change_m": -10_000}
    assert {row["application"] for row in outcomes(planner, town, after, served=True)} == {second, third}
    [refused] = outcomes(planner, town, after, reason="rejected")
    assert refused["application"] == first
    compared = planner.get(f"/v1/rounds/{town.round}/comparison", params={"before": before, "after": after}).json()
    assert compared["figures"] == plan["comparison"]
    assert {row["application"] for row in compared["changes"]} >= {first}
    assert [row["tier"] for row in compared["figures"]["by_tier"]] == [1, 3]
    # Undone, the plan comes back.
    planner.delete(f"/v1/rounds/{town.round}/decisions/{made.json()['id']}").raise_for_status()
    assert planner.get(f"/v1/rounds/{town.round}/decisions").json() == []
    back = allocated(planner, town, cold=True)
    assert planner.get(f"/v1/rounds/{town.round}/plans/{back}").json()["value_m"] == plan["value_m"] + 10_000
    with work(town.engine) as connection:
        plans = [load_round_plan(connection, each) for each in (before, back)]
    assert plan_hash({**plans[0], "base": None}) == plan_hash({**plans[1], "base": None})


def test_a_decision_that_no_plan_could_keep_is_refused(town: RoundTown, planner: TestClient) -> None:
    _, application = town.apply()
    _, elsewhere = town.apply()
    town.one("UPDATE applications SET round_id = :other WHERE id = :id", other=other_round(town), id=elsewhere)
    park, road = town.facilities["park"], town.facilities["road"]
    where = f"/v1/rounds/{town.round}/decisions"

    def asked(**wanted: object) -> tuple[int, str]:
        answer = planner.post(where, json={"application": application, "note": "x", **wanted})
        return answer.status_code, str(answer.json().get("detail"))

    assert asked(decision="lock") == (422, "a lock names a facility.")
    assert asked(decision="lock", facility=999)[0] == 422
    assert asked(decision="lock", facility=park, note="  ")[0] == 422
    assert asked(decision="lock", facility=park, application=elsewhere)[0] == 404
    assert asked(decision="lock", facility=park)[0] == 201
    assert asked(decision="lock", facility=park) == (422, "that has been decided already.")
    assert asked(decision="lock", facility=road) == (422, "the application is locked to another facility.")
    for facility in (park, None):
        assert "both locked and rejected" in asked(decision="reject", facility=facility)[1]
    assert asked(decision="reject", facility=road)[0] == 201
    assert len(planner.get(where).json()) == 2
    assert planner.delete(f"{where}/999").status_code == 404
    town.one("UPDATE rounds SET state = 'allocating' WHERE id = :round RETURNING id", round=town.round)
    assert asked(decision="reject", facility=road)[0] == 409
    assert planner.delete(f"{where}/1").status_code == 409


def other_round(town: RoundTown) -> int:
    return int(
        town.one(
            "INSERT INTO rounds (neighbourhood_id, name, opens_at, closes_at, publishes_at, term, policy, work, "
            "number_source) SELECT neighbourhood_id, 'Other', opens_at, closes_at, publishes_at, term, policy, work, "
            "number_source FROM rounds LIMIT 1 RETURNING id"
        )
    )


@pytest.mark.usefixtures("in_this_process")
def test_plans_of_another_round_are_none_of_this_one(town: RoundTown, planner: TestClient) -> None:
    town.apply()
    plan = allocated(planner, town)
    other = other_round(town)
    for path in (f"plans/{plan}", f"plans/{plan}/outcomes", f"comparison?before={plan}&after={plan}"):
        assert planner.get(f"/v1/rounds/{other}/{path}").status_code == 404
    town.one(
        "UPDATE rounds SET state = 'in_review', public_number = '1', commitment = 'x', secret_sealed = 'x', "
        "opened_at = opens_at, seed = 1 WHERE id = :id RETURNING id",
        id=other,
    )
    town.one(
        "INSERT INTO round_facilities (round_id, facility_id, term) SELECT :id, facility_id, term "
        "FROM round_facilities WHERE round_id = :round LIMIT 1 RETURNING facility_id",
        id=other,
        round=town.round,
    )
    assert planner.post(f"/v1/rounds/{other}/allocations", json={"base": plan}).status_code == 404


@pytest.mark.usefixtures("in_this_process")
def test_outcomes_come_in_pages(town: RoundTown, planner: TestClient) -> None:
    ids = [town.apply()[1] for _ in range(3)]
    plan = allocated(planner, town)
    where = f"/v1/rounds/{town.round}/plans/{plan}/outcomes"
    first = planner.get(where, params={"limit": 2}).json()
    rest = planner.get(where, params={"limit": 2, "cursor": first["next"]}).json()
    assert [row["application"] for row in first["outcomes"] + rest["outcomes"]] == ids[::-1]
    assert rest["next"] is None
    park = town.facilities["park"]
    assert len(outcomes(planner, town, plan, facility=park)) == BAYS
    assert outcomes(planner, town, plan, facility=town.facilities["road"]) == []


@pytest.mark.usefixtures("in_this_process")
def test_the_database_itself_shows_plans_under_review_to_planners_only(town: RoundTown, planner: TestClient) -> None:
    account, _ = town.apply()
    allocated(planner, town)
    with TestClient(create_app(settings_of_tests(), town.engine), base_url=HERE) as resident:
        resident.headers.update(account.headers)
        assert resident.get(f"/v1/rounds/{town.round}/plans").status_code == 403
    with town.engine.connect() as connection:
        open_as(connection, account.principal)
        for table in ("round_plans", "round_outcomes", "round_receipts", "round_decisions"):
            assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0
