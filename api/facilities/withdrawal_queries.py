"""What withdrawals ask the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, Row, text, update

from api.db import tables
from api.openings.permit_queries import rights_of_worker

_f = tables.facilities


def set_version(connection: Connection, facility_id: int, version: int) -> None:
    """Count a change of what is published."""
    connection.execute(update(_f).where(_f.c.id == facility_id).values(version=version))


def close_facility(
    connection: Connection, facility_id: int, *, closed_from: datetime, closed_to: datetime, reason: str
) -> None:
    """Add a closure, in local time."""
    connection.execute(
        text(
            "INSERT INTO closures (facility_id, position, closed_from, closed_to, reason)"
            " SELECT :facility, COALESCE(max(position) + 1, 0), :start, :end, :reason"
            " FROM closures WHERE facility_id = :facility"
        ),
        {"facility": facility_id, "start": closed_from, "end": closed_to, "reason": reason},
    )


def limit_bays(connection: Connection, group_id: int, bays: int) -> None:
    """Let no window of a bay group open more than so many bays."""
    w = tables.share_windows
    connection.execute(update(w).where(w.c.bay_group_id == group_id, w.c.bays > bays).values(bays=bays))


def sold_until(connection: Connection, facility_id: int) -> datetime | None:
    """Return up to when a facility's nights are sold, None where they are not."""
    found: datetime | None = connection.scalar(
        text("SELECT materialised_until FROM facilities WHERE id = :id"), {"id": facility_id}
    )
    return found


def set_status(connection: Connection, facility_id: int, status: str) -> None:
    """Say that a facility is published or withdrawn."""
    connection.execute(update(_f).where(_f.c.id == facility_id).values(status=status))


def stays_of(connection: Connection, ids: Sequence[int], *, after: datetime) -> list[Row[Any]]:
    """Return `id`, `household_id`, `permit_id`, `night` and `kind` of stays that end after a moment, in one order."""
    query = text(
        "SELECT id, household_id, permit_id, night, kind FROM stays"
        " WHERE id = ANY(:ids) AND upper(during) > :after ORDER BY permit_id, night, id"
    )
    return list(connection.execute(query, {"ids": list(ids), "after": after}))


def add_withdrawal(connection: Connection, values: Mapping[str, Any]) -> int:
    """Store a withdrawal; return its id."""
    statement = text(
        "INSERT INTO withdrawals (facility_id, version, change, urgency, reason, effective_from, stays, permits,"
        " households, moved, not_moved, by_tier, extra_walk_m, confirmed_at, confirmed_by)"
        " VALUES (:facility_id, :version, CAST(:change AS json), :urgency, :reason, :effective_from, :stays, :permits,"
        " :households, :moved, :not_moved, CAST(:by_tier AS json), :extra_walk_m, :confirmed_at, :confirmed_by)"
        " RETURNING id"
    )
    return int(connection.execute(statement, values).scalar_one())


def note_stays_moved(connection: Connection, withdrawal_id: int, number: int) -> None:
    """Say how many stays were moved one by one."""
    connection.execute(
        text("UPDATE withdrawals SET stays_moved = :number WHERE id = :id"), {"id": withdrawal_id, "number": number}
    )


def list_withdrawals(connection: Connection, facility_id: int) -> list[Row[Any]]:
    """List the withdrawals of a facility, the newest first."""
    query = text("SELECT * FROM withdrawals WHERE facility_id = :id ORDER BY id DESC LIMIT 1000")
    return list(connection.execute(query, {"id": facility_id}))


def find_withdrawal(connection: Connection, facility_id: int, withdrawal_id: int) -> Row[Any] | None:
    """Return a withdrawal of a facility, None without one."""
    query = text("SELECT * FROM withdrawals WHERE facility_id = :facility AND id = :id")
    found: Row[Any] | None = connection.execute(query, {"facility": facility_id, "id": withdrawal_id}).one_or_none()
    return found


def offer_before(connection: Connection, facility_id: int, *, version: int) -> dict[str, Any]:
    """Return what a facility offered before the change that made a version of it."""
    query = text("SELECT before FROM facility_history WHERE facility_id = :facility AND version = :version")
    found: dict[str, Any] = connection.execute(query, {"facility": facility_id, "version": version}).scalar_one()
    return found


def note_called_off(connection: Connection, withdrawal_id: int, *, by: int | None, now: datetime) -> None:
    """Say that a withdrawal will not happen."""
    connection.execute(
        text("UPDATE withdrawals SET called_off_at = :now, called_off_by = :by WHERE id = :id"),
        {"id": withdrawal_id, "by": by, "now": now},
    )


def withdraw_those_due(connection: Connection, *, forever: datetime, now: datetime) -> list[int]:
    """Take off the list the published facilities whose closure for good has begun; return their ids."""
    query = text(
        "UPDATE facilities f SET status = 'withdrawn' FROM neighbourhoods n"
        " WHERE n.id = f.neighbourhood_id AND f.status = 'published' AND EXISTS ("
        "   SELECT FROM closures c WHERE c.facility_id = f.id AND c.closed_to = :forever"
        "   AND c.closed_from <= :now AT TIME ZONE n.timezone)"
        " RETURNING f.id"
    )
    return [cast("int", found) for found in connection.scalars(query, {"forever": forever, "now": now})]


def makes_cars_leave(connection: Connection, withdrawal_id: int, *, now: datetime) -> bool:
    """Tell whether cars stand on bays that they were told to leave because of a withdrawal."""
    query = text(
        "SELECT EXISTS (SELECT FROM withdrawal_stays w JOIN stays s ON s.id = w.stay_id"
        " WHERE w.withdrawal_id = :withdrawal AND s.state = 'leaving' AND upper(s.during) > :now)"
    )
    with rights_of_worker(connection):
        return bool(connection.scalar(query, {"withdrawal": withdrawal_id, "now": now}))
