"""Permits in force: nights given back and taken back, given up, or over with their term."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from api.errors import ApiError, TellsWhy
from api.notices.service import NewNotice, tell
from api.openings.permit_queries import rights_of_worker
from api.openings.service import place_nights_at
from api.permits import ending_queries, queries
from api.permits.ending import end_permits

_A_DAY = timedelta(days=1)
MOST_AT_ONCE = 500
"""Permits that end in one transaction."""


class PermitNotFound(ApiError):
    """No permit of this id, or none of this household."""


class AbsenceNotFound(ApiError):
    """No nights that begin on this one were given back."""


class PermitEnded(TellsWhy):
    """The permit has ended for another reason."""


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


def end_by_planner(connection: Connection, permit_id: int, *, reason: str, now: datetime) -> Row[Any]:
    """
    End a permit for a planner; one that has ended is returned as it is.

    Raises
    ------
    PermitNotFound
        There is no such permit.
    """
    end_permit(connection, permit_id, reason=reason, now=now)
    permit = queries.find_permit(connection, permit_id)
    if permit is None:
        raise PermitNotFound("no such permit")
    return permit


def end_terms(connection: Connection, *, now: datetime) -> int:
    """End permits whose last night is over, at most some hundreds, and tell their households; return how many."""
    with rights_of_worker(connection):
        over = ending_queries.list_over(connection, most=MOST_AT_ONCE, now=now)
        end_permits(connection, over, reason="term_over", now=now)
        # Whoever was moved for good was told then.
        ended = [permit for permit in queries.list_ended(connection, over) if permit.end_reason == "term_over"]
        tell(connection, [_ended(permit, "term_over") for permit in ended], now=now)
    return len(over)


def _ended(permit: Row[Any], reason: str) -> NewNotice:
    facts = {
        "permit": permit.id,
        "facility": permit.facility_id,
        "reason": reason,
        "next_date": permit.last.isoformat(),
    }
    return NewNotice(household_id=permit.household_id, kind="permit_ended", facts=facts)


def give_up(connection: Connection, permit_id: int, *, household_id: int, now: datetime) -> Row[Any]:
    """
    End a household's permit at its own wish, from tomorrow's night on; asked again, the answer is the same.

    Raises
    ------
    PermitNotFound, PermitEnded
        The household has no such permit; it ended for another reason.
    """
    permit = get_permit(connection, permit_id, household_id=household_id)
    if permit.state == "ended" and permit.end_reason != "given_up":
        raise PermitEnded(f"the permit ended at {permit.ended_at.isoformat()}")
    end_permit(connection, permit_id, reason="given_up", now=now)
    return get_permit(connection, permit_id, household_id=household_id)


def give_back_nights(
    connection: Connection, permit_id: int, *, household_id: int, first: date, last: date, now: datetime
) -> tuple[Row[Any], int]:
    """
    Give the nights from one to another back, both included; the permit stays.

    Nights within the horizon are free for bookings at once; later ones are never given a bay.

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
    today = now.astimezone(ZoneInfo(permit.timezone)).date()
    if permit.state != "active" or not max(today, permit.first) <= first <= last <= permit.last:
        raise AbsenceImpossible("the nights must lie ahead, within the term, in order")
    with rights_of_worker(connection):
        queries.lock_permit(connection, permit_id)
    if not queries.add_absence(connection, permit_id, first=first, last=last):
        raise AbsenceImpossible("some of these nights are given back already")
    freed = queries.give_back(connection, permit_id, first=first, last=last, now=now)
    facts = {
        "permit": permit_id,
        "facility": permit.facility_id,
        "first": first.isoformat(),
        "last": last.isoformat(),
        "freed": freed,
        "next_date": (last + _A_DAY).isoformat(),
    }
    tell(connection, [NewNotice(household_id=household_id, kind="nights_given_back", facts=facts)], now=now)
    return get_permit(connection, permit_id, household_id=household_id), freed


def take_back_nights(
    connection: Connection, permit_id: int, *, household_id: int, first: date, now: datetime
) -> tuple[Row[Any], list[date]]:
    """
    Take back the nights of an absence that begins on a night, as far as nobody has booked all bays meanwhile.

    Nights within the horizon get a bay at once, the same as before wherever it is still free; those that find none,
    those that are over, and tonight once it has begun, stay given back.

    Returns
    -------
    tuple
        The permit, and the nights to come for which there is no bay any more.

    Raises
    ------
    PermitNotFound, AbsenceNotFound
        The household has no such permit, or gave no nights back that begin then.
    """
    permit = get_permit(connection, permit_id, household_id=household_id)
    with rights_of_worker(connection):
        queries.lock_permit(connection, permit_id)
        last = queries.remove_absence(connection, permit_id, first=first) if permit.state == "active" else None
        if last is None:
            raise AbsenceNotFound("no absence begins on this night")
        local = now.astimezone(ZoneInfo(permit.timezone))
        today, has_begun = local.date(), local.hour * 60 + local.minute >= permit.arrive_min
        since = max(first, today + _A_DAY if has_begun else today)
        if first < since:  # what is over, or has begun, stays as it was
            queries.add_absence(connection, permit_id, first=first, last=min(last, since - _A_DAY))
        queries.forget_given_back(connection, permit_id, first=since, last=last, now=now)
        placed = place_nights_at(connection, [permit.facility_id], permit_ids=[permit_id], now=now)
        gone = sorted(night.night for night in placed.without_bay if since <= night.night <= last)
        for night in gone:
            queries.add_absence(connection, permit_id, first=night, last=night)
        if has_begun and first <= today <= last and queries.takes_night(connection, permit_id, today):
            gone = [today, *gone]
    return get_permit(connection, permit_id, household_id=household_id), gone
