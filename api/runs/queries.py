"""What runs ask of the database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, text

from api.errors import ApiError


class RunNotFound(ApiError):
    """No run of this id."""


_SHOWN = """
    SELECT r.id, n.slug AS neighbourhood, r.state, r.parameters, r.attempt, r.progress, r.said, r.created_at,
           r.started_at, r.ended_at, r.round_id,
           COALESCE(r.plan_id, (SELECT p.id FROM round_plans p WHERE p.run_id = r.id)) AS plan_id
    FROM allocation_runs r JOIN neighbourhoods n ON n.id = r.neighbourhood_id
"""
_PAGE = text(f"{_SHOWN} WHERE r.neighbourhood_id = :owner AND r.id < :before ORDER BY r.id DESC LIMIT :limit")
_ROUND_PAGE = text(f"{_SHOWN} WHERE r.round_id = :owner AND r.id < :before ORDER BY r.id DESC LIMIT :limit")
_ONE = text(f"{_SHOWN} WHERE r.id = :run")
_ADD = text(
    "INSERT INTO allocation_runs (neighbourhood_id, asked_by, parameters, round_id)"
    " VALUES (:owner, :asked_by, CAST(:parameters AS json), :round) RETURNING id"
)
_CANCEL = text(
    "UPDATE allocation_runs SET state = 'cancelled', ended_at = clock_timestamp()"
    " WHERE id = :run AND state IN ('queued', 'running')"
)
_TAKE = text(
    "UPDATE allocation_runs r SET state = 'running', attempt = attempt + 1, progress = NULL,"
    " started_at = clock_timestamp()"
    " FROM neighbourhoods n WHERE r.id = :run AND r.state IN ('queued', 'running') AND n.id = r.neighbourhood_id"
    " RETURNING r.id, r.attempt, r.parameters, r.round_id, n.id AS neighbourhood_id, n.slug"
)
_MINE = "id = :run AND attempt = :attempt AND state = 'running'"
"""Still under way, and not begun anew by another worker."""
_NOTE = text(f"UPDATE allocation_runs SET progress = COALESCE(CAST(:progress AS json), progress) WHERE {_MINE}")
_PUT_BACK = text(
    "UPDATE allocation_runs SET state = 'queued', attempt = attempt - 1, progress = NULL, started_at = NULL"
    f" WHERE {_MINE}"
)
_FAIL = text(f"UPDATE allocation_runs SET state = 'failed', said = :said, ended_at = clock_timestamp() WHERE {_MINE}")
_LOCK = text(f"SELECT true FROM allocation_runs WHERE {_MINE} FOR UPDATE")
_FINISH = text(
    "UPDATE allocation_runs SET state = 'done', plan_id = :plan, progress = CAST(:progress AS json),"
    f" ended_at = clock_timestamp() WHERE {_MINE}"
)
_GIVE_BACK = text(
    "UPDATE rounds r SET state = CASE WHEN EXISTS (SELECT FROM round_plans p WHERE p.round_id = r.id)"
    " THEN 'in_review' ELSE 'closed' END, version = version + 1"
    " FROM allocation_runs u WHERE u.id = :run AND r.id = u.round_id AND r.state = 'allocating'"
)
"""A round whose run ends without a plan stands where it stood before."""


def add_run(
    connection: Connection,
    owner: int,
    *,
    asked_by: int | None,
    parameters: Mapping[str, Any],
    round_id: int | None = None,
) -> int:
    """Store a run of the neighbourhood `owner`, or of a round in it, that waits; return its id."""
    values = {"owner": owner, "asked_by": asked_by, "parameters": json.dumps(dict(parameters)), "round": round_id}
    return int(connection.execute(_ADD, values).scalar_one())


def list_runs(connection: Connection, owner: int, *, before: int, limit: int) -> list[Row[Any]]:
    """List the runs of a neighbourhood with an id below `before`, the newest first."""
    return list(connection.execute(_PAGE, {"owner": owner, "before": before, "limit": limit}))


def list_runs_of_round(connection: Connection, round_id: int, *, before: int, limit: int) -> list[Row[Any]]:
    """List the runs of a round with an id below `before`, the newest first."""
    return list(connection.execute(_ROUND_PAGE, {"owner": round_id, "before": before, "limit": limit}))


def get_run(connection: Connection, run_id: int) -> Row[Any]:
    """Return a run; raise RunNotFound without one."""
    row = connection.execute(_ONE, {"run": run_id}).one_or_none()
    if row is None:
        raise RunNotFound("no such run")
    return row


def cancel_run(connection: Connection, run_id: int) -> None:
    """Cancel a run that waits or is under way; others are left alone."""
    if connection.execute(_CANCEL, {"run": run_id}).rowcount:
        connection.execute(_GIVE_BACK, {"run": run_id})


def take_run(connection: Connection, run_id: int) -> Row[Any] | None:
    """
    Begin a run, or begin it anew where a worker died of it; None where nothing is to be done any more.

    Whoever began it before has lost it: `attempt` of the row is a new one.
    """
    return connection.execute(_TAKE, {"run": run_id}).one_or_none()


def note_progress(connection: Connection, run_id: int, *, attempt: int, progress: Mapping[str, str] | None) -> bool:
    """Keep how far a run is, if anything is known; False where it was cancelled or begun anew by somebody else."""
    said = None if progress is None else json.dumps(dict(progress), ensure_ascii=False)
    values = {"run": run_id, "attempt": attempt, "progress": said}
    return connection.execute(_NOTE, values).rowcount == 1


def put_back(connection: Connection, run_id: int, *, attempt: int) -> None:
    """Let a run wait again that was begun by a worker which has to end."""
    connection.execute(_PUT_BACK, {"run": run_id, "attempt": attempt})


def fail_run(connection: Connection, run_id: int, *, attempt: int, said: str) -> None:
    """End a run without a plan."""
    if connection.execute(_FAIL, {"run": run_id, "attempt": attempt, "said": said}).rowcount:
        connection.execute(_GIVE_BACK, {"run": run_id})


def lock_run(connection: Connection, run_id: int, *, attempt: int) -> bool:
    """Keep everybody else from changing a run until the transaction ends; False where it is not ours any more."""
    return connection.execute(_LOCK, {"run": run_id, "attempt": attempt}).one_or_none() is not None


def finish_run(
    connection: Connection, run_id: int, *, attempt: int, plan_id: int | None, progress: Mapping[str, str]
) -> None:
    """End a run with its plan; the plan of a round names its run, and not the other way round."""
    said = json.dumps(dict(progress), ensure_ascii=False)
    connection.execute(_FINISH, {"run": run_id, "attempt": attempt, "plan": plan_id, "progress": said})
