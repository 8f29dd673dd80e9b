"""What the worker does for gates: lists kept up to date, cars that left unseen given up, movements forgotten."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Engine

from api.gates import event_queries, list_queries, stay_queries
from api.gates.allow_list import refresh_allow_list
from api.gates.events import KEPT, end_forgotten_gate_sessions
from api.jobs.queries import work

Counts = dict[str, int]


def refresh_allow_lists(engine: Engine, *, now: datetime | None = None) -> Counts:
    """
    Bring the lists of all facilities with a gate up to date, each in a transaction of its own.

    Gates that ask are answered with what is there at that moment anyhow; this keeps the record that late events are
    compared with, and makes versions for gates that wait to be told.

    Parameters
    ----------
    now
        Aware; this moment without.
    """
    moment = now or datetime.now(UTC)
    with work(engine) as connection:
        ids = list_queries.list_facilities_with_gates(connection)
    changed = 0
    for facility_id in ids:
        with work(engine) as connection:
            before = list_queries.lock_list(connection, facility_id)
            changed += refresh_allow_list(connection, facility_id, now=moment) > before
    return {"lists": changed}


def end_forgotten(engine: Engine, *, now: datetime | None = None) -> Counts:
    """Take cars that were not seen to leave for two weeks as gone."""
    with work(engine) as connection:
        return {"gate_sessions": end_forgotten_gate_sessions(connection, now=now or datetime.now(UTC))}


def forget_movements(engine: Engine, *, now: datetime | None = None) -> Counts:
    """Delete movements of ninety days ago but for those in dispute, and what was kept beside them."""
    before = (now or datetime.now(UTC)) - KEPT
    with work(engine) as connection:
        return {
            **event_queries.forget_movements(connection, before=before),
            **stay_queries.forget_codes_and_checks(connection, before=before),
        }
