"""A plan into the database, beside the neighbourhood it belongs to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date

import polars as pl
from sqlalchemy import Connection, insert

from api.db import tables
from api.db.copying import copy_rows
from api.errors import Fault, FolderFaults
from api.plans.plan_file import PlanFiles

_ROWS = ("assignments", "unserved", "bay_values")
"""Parts of plan.json that become rows; the rest is the summary."""


def copy_plan(
    connection: Connection, owner: int, files: PlanFiles, *, demands: pl.DataFrame, groups: pl.DataFrame
) -> int:
    """
    Store a plan of the neighbourhood `owner`; return its id.

    Parameters
    ----------
    demands
        Ids by `code`.
    groups
        Ids of bay groups by `facility` and `bay_group`.

    Raises
    ------
    FolderFaults
        The plan names a demand or bay group that is not there, or leaves a demand without an answer or with two.
    """
    faults = _UnknownIds(files.name)
    assignments = faults.resolve("assignments", _assignments(files), demands=demands, groups=groups)
    unserved = faults.resolve("unserved", _unserved(files), demands=demands)
    values = faults.resolve("bay_values", _bay_values(files), groups=groups)
    faults.require_one_answer_each(assignments, unserved, demands)
    faults.raise_any()
    plan_id = _insert_plan(connection, owner, files)
    for table, frame in (
        (tables.assignments, assignments),
        (tables.unserved, unserved),
        (tables.bay_values, values),
    ):
        copy_rows(connection, table, frame.with_columns(pl.lit(plan_id).alias("plan_id")))
    return plan_id


def _insert_plan(connection: Connection, owner: int, files: PlanFiles) -> int:
    row = {
        "neighbourhood_id": owner,
        "summary": {key: value for key, value in files.plan.items() if key not in _ROWS},
        "certificate": files.certificate,
        "input_sha256": files.checked.input_sha256,
        "version": files.checked.version,
        "value_m": files.checked.value_m,
        "bound_m": files.checked.bound_m,
        "demands": files.checked.demands,
        "served": files.checked.served,
    }
    return int(connection.execute(insert(tables.plans).values(row).returning(tables.plans.c.id)).scalar_one())


def _assignments(files: PlanFiles) -> pl.DataFrame:
    rows = [
        (row.demand, row.facility, row.bay_group, row.walk_m, _date_array(row.days_left_out))
        for row in files.checked.assignments
    ]
    columns = ("demand", "facility", "bay_group", "walk_m", "days_left_out")
    texts = [pl.String(), pl.String(), pl.String(), pl.Int64(), pl.String()]
    return pl.DataFrame(rows, schema=dict(zip(columns, texts, strict=True)), orient="row")


def _unserved(files: PlanFiles) -> pl.DataFrame:
    rows = [
        (row.demand, row.reason, json.dumps([option.model_dump() for option in row.options], ensure_ascii=False))
        for row in files.checked.unserved
    ]
    return pl.DataFrame(
        rows, schema={"demand": pl.String(), "reason": pl.String(), "options": pl.String()}, orient="row"
    )


def _bay_values(files: PlanFiles) -> pl.DataFrame:
    rows = [(row.facility, row.bay_group, row.value_m, row.exact_m) for row in files.checked.bay_values]
    schema = {"facility": pl.String(), "bay_group": pl.String(), "value_m": pl.Int64(), "exact_m": pl.Int64()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _date_array(days: Sequence[date]) -> str:
    return "{" + ",".join(day.isoformat() for day in days) + "}"


class _UnknownIds:
    """Ids looked up, with those that are not known noted as faults of the plan."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[Fault] = []

    def resolve(
        self, part: str, frame: pl.DataFrame, *, demands: pl.DataFrame | None = None, groups: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        """Put ids in the place of codes, and the position of each row beside."""
        frame = frame.with_row_index("position")
        if demands is not None:
            known = demands.rename({"code": "demand", "id": "demand_id"})
            frame = frame.join(known, on="demand", how="left", maintain_order="left")
            self._note(part, "demand", frame.filter(pl.col("demand_id").is_null())["demand"])
            frame = frame.drop("demand")
        if groups is not None:
            known = groups.rename({"id": "bay_group_id"})
            frame = frame.join(known, on=["facility", "bay_group"], how="left", maintain_order="left")
            missing = frame.filter(pl.col("bay_group_id").is_null())
            self._note(part, "bay_group", missing["facility"] + "/" + missing["bay_group"])
            frame = frame.drop("facility", "bay_group")
        return frame

    def require_one_answer_each(self, assignments: pl.DataFrame, unserved: pl.DataFrame, demands: pl.DataFrame) -> None:
        """Note demands that are answered twice or not at all."""
        answered = pl.concat([assignments["demand_id"], unserved["demand_id"]]).drop_nulls()
        twice = answered.filter(answered.is_duplicated()).unique()
        for row in demands.filter(pl.col("id").is_in(twice.implode()))["code"]:
            self.faults.append(Fault(self.file, 1, "demand", f"{row!r} is answered more than once"))
        for row in demands.filter(~pl.col("id").is_in(answered.implode()))["code"]:
            self.faults.append(Fault(self.file, 1, "demand", f"{row!r} of demands.csv has no answer in the plan"))

    def raise_any(self) -> None:
        """Raise what has been noted."""
        if self.faults:
            raise FolderFaults(self.faults)

    def _note(self, part: str, field: str, codes: pl.Series) -> None:
        self.faults += [Fault(self.file, 1, f"{part}.{field}", f"{code!r} is not in the folder") for code in codes]
