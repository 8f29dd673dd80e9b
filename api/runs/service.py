"""Asking for a run, and calling it off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row

from api.errors import ApiError
from api.jobs.queries import enqueue
from api.neighbourhoods.queries import get_neighbourhood
from api.runs import queries

JOB = "compute_run"
"""Name of the job, and the lock that lets one run be computed at a time: it takes the memory of a machine."""


class RunEnded(ApiError):
    """The run has ended, so it cannot be cancelled any more."""


def ask_for_run(
    connection: Connection, neighbourhood: str, *, parameters: Mapping[str, Any], asked_by: int | None
) -> Row[Any]:
    """
    Store a run and put its job into the queue, both or neither.

    Parameters
    ----------
    parameters
        `seed`, `time_limit_s` and `gap` as `baytide allocate` has them, each only where it is wanted.

    Raises
    ------
    NeighbourhoodNotFound
        There is none of this slug.
    """
    owner = get_neighbourhood(connection, neighbourhood).id
    run_id = queries.add_run(connection, owner, asked_by=asked_by, parameters=parameters)
    enqueue(connection, JOB, arguments={"run": run_id}, lock=JOB)
    return queries.get_run(connection, run_id)


def cancel(connection: Connection, run_id: int) -> Row[Any]:
    """
    Call a run off; one that is under way ends within seconds, and no plan of it is stored.

    Raises
    ------
    RunNotFound, RunEnded
        There is none; it has a plan or failed.
    """
    queries.cancel_run(connection, run_id)
    row = queries.get_run(connection, run_id)
    if row.state != "cancelled":
        raise RunEnded("the run has ended")
    return row
