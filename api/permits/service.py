"""Giving nights back: the household keeps its right, and others get the bay meanwhile."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row

from api.errors import ApiError
from api.notices.service import NewNotice, tell
from api.openings.permit_queries import rights_of_worker
from api.permits import ending_queries, queries
from api.permits.ending import end_permits

_AT_ONCE = 500
"""Permits that end in one transaction."""


class PermitNotFound(ApiError):
    """No permit of this id, or none of this household."""


class AbsenceImpossible(ApiError):
    """Nights that are over, outside the term, in the wrong order, or given back already."""


def get_permit(connection: Connection, permit_id: int, *, household_id: int) -> Row[Any]:
    """Return a permit of a household; raise PermitNotFound without one."""
    for permit in queries.list_permits(connection, household_id):
        if permit.id == permit_id:
            return permit
    raise PermitNotFound("no such permit")


def end_permit(connection: Connection, permit_id: int, *, reason: str, now: datetime) -> None:
    """
    End a permit from tomorrow's night on, tell its household, and let the next on the waitlist follow.

    A permit that has ended is left alone.
    """
    with rights_of_worker(connection):
        if not end_permits(connection, [permit_id], reason=reason, now=now):
            return
        tell(connection, [_ended(permit, reason) for permit in queries.list_ended(connection, [permit_id])], now=now)


def end_terms(connection: Connection, *, now: datetime) -> int:
    """End permits whose last night is over, at most some hundreds, and tell their households; return how many."""
    with rights_of_worker(connection):
        over = ending_queries.list_over(connection, most=_AT_ONCE, now=now)
        end_permits(connection, over, reason="term_over", now=now)
        tell(connection, [_ended(permit, "term_over") for permit in queries.list_ended(connection, over)], now=now)
    return len(over)


def _ended(permit: Row[Any], reason: str) -> NewNotice:
    facts = {
        "permit": permit.id,
        "facility": permit.facility_id,
        "reason": reason,
        "next_date": permit.last.isoformat(),
    }
    return NewNotice(household_id=permit.household_id, kind="permit_ended", facts=facts)


def give_back_nights(
    connection: Connection, permit_id: int, *, household_id: int, first: date, last: date
) -> tuple[Row[Any], int]:
    """
    Give the nights from one to another back, both included.

    Nights within the horizon are free at once; later ones are never given a bay.

    Returns
    -------
    tuple
        The permit, and how many nights were freed at once.

    Raises
    ------
    PermitNotFound
        When the household has no such permit.
    AbsenceImpossible
        When the nights are over, outside the term, in the wrong order, or given back already.
    """
    permit = get_permit(connection, permit_id, household_id=household_id)
    today = queries.local_today(connection, permit.timezone)
    if permit.state != "active" or not max(today, permit.first) <= first <= last <= permit.last:
        raise AbsenceImpossible("the nights must lie ahead, within the term, in order")
    if not queries.add_absence(connection, permit_id, first=first, last=last):
        raise AbsenceImpossible("some of these nights are given back already")
    freed = queries.give_back(connection, permit_id, first=first, last=last)
    return get_permit(connection, permit_id, household_id=household_id), freed
