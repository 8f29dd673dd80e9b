"""Giving nights back: the household keeps its right, and others get the bay meanwhile."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import Connection, Row

from api.errors import ApiError
from api.permits import queries


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
