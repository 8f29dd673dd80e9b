"""The allocation of a round: asked for after closing, computed by the worker, looked at before anybody hears of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row

from api.jobs.queries import enqueue, work
from api.plans.plan_file import PlanFiles
from api.rounds import allocation_queries as queries
from api.rounds.comparing import compare_plans
from api.rounds.errors import RoundConflict
from api.rounds.folder import fingerprint, hashes_of, require_facilities, write_round_folder
from api.rounds.outcomes import load_round_plan, store_round_plan
from api.runs import queries as run_queries
from api.runs.computing import Recipe, compute_run, options_of
from api.runs.service import JOB as ONE_AT_A_TIME

JOB = "allocate_round"
_BASE, _COSTS = "base", "costs.json"


def ask_for_allocation(
    connection: Connection, round_id: int, *, asked_by: int | None, base: int | None = None, cold: bool = False
) -> Row[Any]:
    """
    Put the allocation of a round into the queue; the round is allocating until it ends, one way or another.

    A published plan must come out the same wherever it is computed again: runs of rounds stop at the round's gap or
    when their work is done, and never by the clock.

    Parameters
    ----------
    base
        The plan of the round to start from; the newest without, where there is one.
    cold
        Start from none.

    Raises
    ------
    RoundNotFound, PlanNotFound
        There is no such round, or no such plan of it.
    RoundConflict
        It is not closed, its public number is not entered, it is being allocated or published already, or all of its
        facilities were withdrawn.
    """
    row = queries.lock_round(connection, round_id)
    _require_ready(row)
    require_facilities(connection, round_id)
    if base is not None:
        queries.get_plan(connection, base, of=round_id)
    elif not cold:
        base = queries.find_newest_plan(connection, round_id)
    parameters = {"gap": row.work.get("gap", 0.0), **({} if base is None else {_BASE: base})}
    run_id = run_queries.add_run(
        connection, row.neighbourhood_id, asked_by=asked_by, parameters=parameters, round_id=round_id
    )
    queries.set_state(connection, round_id, "allocating")
    enqueue(connection, JOB, arguments={"run": run_id}, lock=ONE_AT_A_TIME)
    return run_queries.get_run(connection, run_id)


def _require_ready(row: Row[Any]) -> None:
    if row.state in ("draft", "open"):
        raise RoundConflict("the round is not closed yet")
    if row.state == "allocating":
        raise RoundConflict("the round is being allocated already")
    if row.state not in ("closed", "in_review"):
        raise RoundConflict(f"the round is {row.state}")
    if row.seed is None:
        raise RoundConflict("the public number is not entered yet, so there is no seed")


def allocate_round(
    engine: Engine, run_id: int, *, now: datetime | None = None, asked_to_end: Callable[[], bool] = lambda: False
) -> None:
    """
    Compute an allocation that waits, or that a worker died of; do nothing where it has ended.

    Parameters
    ----------
    now
        When the plan is said to be made; this moment without.
    asked_to_end
        Whether the worker has to end.

    Raises
    ------
    RunPutBack
        It had to end; the run waits again.
    """

    def store(connection: Connection, run: Row[Any], files: PlanFiles, folder: Path) -> tuple[int, bool]:
        return _store(connection, run, files, folder, now=now or datetime.now(UTC)), False

    compute_run(engine, run_id, recipe=Recipe(_commands, store), asked_to_end=asked_to_end)


def _commands(engine: Engine, run: Row[Any], folder: Path) -> list[list[str]]:
    """Write the round and the plan to start from; where reviewers decided, find out what that costs too."""
    folder.mkdir()
    plan, options = folder.with_name("plan.json"), options_of(run)
    with work(engine) as connection:
        write_round_folder(connection, run.round_id, folder)
        decided = any(queries.num_decisions(connection, run.round_id))
        if _BASE in run.parameters:
            options += ["--base", str(_write_base(connection, run.parameters[_BASE], folder))]
    commands = [["allocate", str(folder), "--out", str(plan), *options]]
    if decided:
        commands.append(["report", str(folder), str(plan), "--costs", "--out", str(folder.with_name(_COSTS))])
    return commands


def _write_base(connection: Connection, plan_id: int, folder: Path) -> Path:
    place = folder.with_name("base")
    place.mkdir()
    files: Mapping[str, Any] = {
        "plan.json": load_round_plan(connection, plan_id),
        "certificate.json": queries.load_certificate(connection, plan_id),
    }
    for name, content in files.items():
        (place / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return place / "plan.json"


def _store(connection: Connection, run: Row[Any], files: PlanFiles, folder: Path, *, now: datetime) -> int:
    said = folder.with_name(_COSTS)
    costs = json.loads(said.read_text(encoding="utf-8"))["costs"]["all"] if said.exists() else None
    inputs = fingerprint(hashes_of(folder))
    plan_id = store_round_plan(connection, run, files, inputs=inputs, costs=costs, now=now)
    base = run.parameters.get(_BASE)
    if base is not None:
        queries.keep_comparison(connection, plan_id, compare_plans(connection, base, plan_id, of=run.round_id))
    queries.set_state(connection, run.round_id, "in_review")
    return plan_id
