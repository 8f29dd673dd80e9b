"""What jobs ask of the database."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, text

_LONGEST_WAIT = "20s"
"""For a lock that somebody else holds: a job that gives up is tried again, and a worker told to end does end."""
_ROLL = 0x726F6C6C
"""One roll of the horizon at a time in a database."""


@contextmanager
def work(engine: Engine) -> Iterator[Connection]:
    """
    Open a transaction with the rights of the worker, which belong to no account; committed at the end.

    Its queries use one processor at a time: the others are for those who wait for an answer.
    """
    with engine.begin() as connection:
        connection.execute(
            text(
                "SELECT set_config('role', 'baytide_service', true), set_config('baytide.roles', 'worker', true), "
                "set_config('lock_timeout', :wait, true), set_config('max_parallel_workers_per_gather', '0', true)"
            ),
            {"wait": _LONGEST_WAIT},
        )
        yield connection


def enqueue(
    connection: Connection,
    task: str,
    *,
    arguments: Mapping[str, int] | None = None,
    lock: str | None = None,
    queueing_lock: str | None = None,
    run_at: datetime | None = None,
) -> int | None:
    """
    Put a job into the queue in the transaction of a connection: it is there when that commits, and else never was.

    Parameters
    ----------
    task
        Name of the job.
    arguments
        Ids only: the queue is no place for plates, names, phones or addresses.
    lock
        At most one job with this lock is done at a time.
    queueing_lock
        At most one job with this lock waits at a time.
    run_at
        Not before this moment; at once without.

    Returns
    -------
    int or None
        The job's id; None where one with the same lock waits already.
    """
    query = text(
        "SELECT enqueue_job(:task, CAST(:arguments AS jsonb), :lock, :queueing_lock, CAST(:run_at AS timestamptz))"
    )
    values = {"task": task, "arguments": json.dumps(dict(arguments or {})), "lock": lock, "run_at": run_at}
    job: int | None = connection.scalar(query, {**values, "queueing_lock": queueing_lock})
    return job


def expire_holds(connection: Connection, *, most: int) -> int:
    """End holds whose time is over, at most so many; those that somebody confirms at this moment are left alone."""
    query = text(
        "UPDATE stays SET state = 'expired', ended_at = expires_at, expires_at = NULL WHERE id IN ("
        "SELECT id FROM stays WHERE state = 'held' AND expires_at <= clock_timestamp() "
        "ORDER BY expires_at LIMIT :most FOR UPDATE SKIP LOCKED)"
    )
    return connection.execute(query, {"most": most}).rowcount


def wait_for_other_rolls(connection: Connection) -> None:
    """Let one roll of the horizon after the other run."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ROLL})


_FORGOTTEN = {
    "booking_requests": ("created_at", timedelta(days=2)),
    "login_sessions": ("COALESCE(revoked_at, expires_at)", timedelta(days=1)),
    "bearer_tokens": ("COALESCE(revoked_at, expires_at)", timedelta(days=30)),
    "log_in_attempts": ("at", timedelta(days=2)),
    "notices": ("created_at", timedelta(days=90)),
    "deliveries": ("created_at", timedelta(days=90)),
    "facility_imports": ("ended_at", timedelta(days=90)),
}
"""Table → from when on and for how long its rows are kept."""


def forget_old_rows(connection: Connection, *, now: datetime) -> dict[str, int]:
    """
    Delete what has served its time; returns how many rows of each table.

    Sessions, tokens and kept answers that are not over by the database's own clock stay, whatever `now` is: the worker
    may not even see those.
    """
    return {
        table: connection.execute(text(f"DELETE FROM {table} WHERE {since} < :before"), {"before": now - kept}).rowcount
        for table, (since, kept) in _FORGOTTEN.items()
    }
