"""The plan of a round as rows: stored with the tree of its receipts, and read back as plan.json had it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import polars as pl
from sqlalchemy import Connection, Row, insert

from api.db import round_tables
from api.db.copying import copy_rows
from api.errors import Fault, FolderFaults
from api.plans.plan_file import PlanFiles
from api.rounds import allocation_queries as queries
from api.rounds.receipts import SALT, canonical, demand_of, draw_of, leaf_of, tree_of

Json = dict[str, Any]
ROWS = ("assignments", "unserved")
"""Parts of plan.json that become rows; the rest is the summary."""
_SCHEMA: dict[str, Any] = {
    "application_id": pl.Int64(),
    "position": pl.Int32(),
    "salt": pl.String(),
    "bay_group_id": pl.Int64(),
    "walk_m": pl.Int32(),
    "days_left_out": pl.String(),
    "reason": pl.String(),
    "options": pl.String(),
}


def store_round_plan(
    connection: Connection, run: Row[Any], files: PlanFiles, *, inputs: bytes, costs: Json | None, now: datetime
) -> int:
    """
    Store a plan that was made from a folder of the run's round, checked when it was written; return its id.

    Parameters
    ----------
    inputs
        Fingerprint of the folder.
    costs
        What locks and rejections cost, as `baytide report --costs` tells it; None where there were none.

    Raises
    ------
    FolderFaults
        The round has changed since: the plan names what is gone, or leaves somebody without an answer.
    """
    summary = {key: value for key, value in files.plan.items() if key not in ROWS}
    locked, rejected = queries.num_decisions(connection, run.round_id)
    row = {
        "round_id": run.round_id,
        "run_id": run.id,
        "base_id": run.parameters.get("base"),
        "summary": {**summary, "decisions_cost": costs},
        "certificate": files.certificate,
        "input_sha256": files.checked.input_sha256,
        "inputs": inputs,
        "parameters": dict(run.parameters),
        "version": files.checked.version,
        "value_m": files.checked.value_m,
        "bound_m": files.checked.bound_m,
        "demands": files.checked.demands,
        "served": files.checked.served,
        "locked": locked,
        "rejected": rejected,
        "decisions_cost_m": costs["high_m"] if costs else 0,
        "checked_at": now,
        "created_at": now,
    }
    t = round_tables.round_plans
    plan_id = int(connection.execute(insert(t).values(row).returning(t.c.id)).scalar_one())
    copy_rows(connection, round_tables.round_outcomes, _outcome_rows(connection, run.round_id, files, plan_id))
    store_tree(connection, plan_id)
    return plan_id


def _outcome_rows(connection: Connection, round_id: int, files: PlanFiles, plan_id: int) -> pl.DataFrame:
    """One row an application, in the order of their demands."""
    applications = queries.applications_by_demand(connection, round_id)
    groups = queries.bay_groups_by_code(connection, round_id)
    answers = [*_served(files, groups), *_refused(files)]
    answered = {demand for demand, *_ in answers}
    if len(answered) != len(answers) or answered != applications.keys() or any(row[1] == _GONE for row in answers):
        raise FolderFaults(
            [Fault(files.name, 1, "demand", "applications or facilities are not those it was made from")]
        )
    order = {demand: position for position, demand in enumerate(applications)}
    rows = [
        (applications[demand], order[demand], "\\x" + secrets.token_hex(SALT), *answer) for demand, *answer in answers
    ]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row").with_columns(plan_id=pl.lit(plan_id))


_GONE = -1


def _served(files: PlanFiles, groups: Mapping[tuple[str, str], int]) -> Iterator[tuple[Any, ...]]:
    for row in files.plan["assignments"]:
        days = "{" + ",".join(row["days_left_out"]) + "}"
        yield row["demand"], groups.get((row["facility"], row["bay_group"]), _GONE), row["walk_m"], days, None, None


def _refused(files: PlanFiles) -> Iterator[tuple[Any, ...]]:
    for row in files.plan["unserved"]:
        yield row["demand"], None, None, None, row["reason"], canonical(row["options"]).decode()


def store_tree(connection: Connection, plan_id: int) -> None:
    """Store the tree of a plan's receipts, made from its rows as they are."""
    rows = queries.load_outcomes(connection, plan_id)
    row = {"plan_id": plan_id, "leaves": len(rows), "tree": tree_of(leaves_of(rows))}
    connection.execute(insert(round_tables.round_receipts).values(row))


def leaves_of(rows: Sequence[Row[Any]]) -> list[bytes]:
    """Return the leaves of a plan's outcomes, in their order; options are stored as they are hashed."""
    nothing = "[]"
    return [
        leaf_of({**_said(row), "options": orjson.Fragment(row.options or nothing)}, salt=bytes(row.salt))
        for row in rows
    ]


def options_of(row: Row[Any]) -> list[Json]:
    """Return the options of an outcome; none for whoever is served."""
    found: list[Json] = orjson.loads(row.options) if row.options else []
    return found


def said_of(row: Row[Any]) -> Json:
    """Return what a receipt says of an outcome: everything that decides on the household's night."""
    return {**_said(row), "options": options_of(row)}


def _said(row: Row[Any]) -> Json:
    demand = demand_of(row.household_id)
    return {
        "demand": demand,
        "draw": draw_of(row.seed, demand).hex(),
        "facility": row.facility,
        "bay_group": row.bay_group,
        "walk_m": row.walk_m,
        "days_left_out": [day.isoformat() for day in row.days_left_out or ()],
        "reason": row.reason,
    }


def load_round_plan(connection: Connection, plan_id: int) -> Json:
    """Return a plan of a round as plan.json had it."""
    content: Json = dict(queries.get_plan(connection, plan_id).summary)
    content.pop("decisions_cost", None)
    rows = queries.load_outcomes(connection, plan_id)
    content["assignments"] = [_assignment(row) for row in rows if row.bay_group_id is not None]
    content["unserved"] = [
        {"demand": demand_of(row.household_id), "reason": row.reason, "options": options_of(row)}
        for row in rows
        if row.bay_group_id is None
    ]
    return content


def _assignment(row: Row[Any]) -> Json:
    said = said_of(row)
    return {key: said[key] for key in ("demand", "facility", "bay_group", "walk_m", "days_left_out")}
