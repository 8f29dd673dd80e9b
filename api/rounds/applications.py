"""Applications of households: made, changed and withdrawn until closing, with the documents that were seen for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from api.accounts.refusals import OwnHousehold
from api.notices.service import NewNotice, tell
from api.openings.permit_queries import rights_of_worker
from api.permits.nights import stands_at_night
from api.rounds import application_queries as queries
from api.rounds.errors import ApplicationsClosed, NotEligible, RoundConflict
from api.rounds.queries import get_round, lock_round


@dataclass(frozen=True, slots=True)
class Wish:
    """
    What a household asks for: nights by their days, hours in minutes from the start of a day, as a demand has them.

    `no_bay_of_its_own` is the household's word that it has none; `consent` that it agreed to
    a committee worker's applying.
    """

    days: str
    arrive_min: int
    leave_min: int
    stay_through: bool = False
    max_walk_m: int | None = None
    needs: str | None = None
    claimed_tier: int = 3
    no_bay_of_its_own: bool = False
    consent: bool = False


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who applies: the household, and the account that does it, perhaps on its behalf."""

    household_id: int
    account_id: int
    on_behalf: bool = False


def apply(connection: Connection, round_id: int, wish: Wish, *, applicant: Applicant, now: datetime) -> Row[Any]:
    """
    Apply for a household; an application that it withdrew is taken up again, with the draw it had.

    Raises
    ------
    RoundNotFound, ApplicationsClosed
        There is no such round, or it takes no applications at this moment.
    NotEligible
        No car, a bay of its own, a permit for the whole term, a home elsewhere, no consent noted, or stays that are
        not at night.
    ApplicationExists
        The household or its car has one in this round.
    """
    there = _open_round(connection, round_id, now=now)
    values = _values(connection, there, wish, applicant=applicant, now=now)
    application_id = queries.submit(connection, values)
    queries.rate(connection, application_id)
    return _told(connection, application_id, kind="application_received", now=now)


def change(
    connection: Connection, application_id: int, wish: Wish, *, version: int, applicant: Applicant, now: datetime
) -> Row[Any]:
    """
    Change an application until closing.

    Raises
    ------
    ApplicationNotFound, ApplicationsClosed, NotEligible, ApplicationExists
        As for a new one.
    RoundConflict
        Somebody changed it meanwhile, or it was withdrawn.
    """
    before = queries.get_application(connection, application_id, household_id=applicant.household_id)
    there = _open_round(connection, before.round_id, now=now)
    values = _values(connection, there, wish, applicant=applicant, now=now)
    if not queries.edit(connection, values | {"application": application_id, "version": version}):
        words = "it was withdrawn" if before.state == "withdrawn" else "somebody changed it meanwhile"
        raise RoundConflict(f"{words}: read it again")
    if wish.claimed_tier != before.claimed_tier:  # what was seen was seen for another claim
        for kind in queries.TIER_DOCUMENTS:
            queries.forget_document(connection, application_id, kind=kind)
    queries.rate(connection, application_id)
    return _told(connection, application_id, kind="application_changed", now=now)


def withdraw(connection: Connection, application_id: int, *, applicant: Applicant, now: datetime) -> Row[Any]:
    """
    Withdraw an application until closing; the same again changes nothing.

    Raises
    ------
    ApplicationNotFound, ApplicationsClosed
        The household has none of this id; the round is closed.
    """
    before = queries.get_application(connection, application_id, household_id=applicant.household_id)
    _open_round(connection, before.round_id, now=now)
    if not queries.withdraw(connection, application_id, now=now):
        return before
    return _told(connection, application_id, kind="application_withdrawn", now=now)


def follow_household(connection: Connection, household_id: int, *, now: datetime) -> None:
    """
    Let applications be for another home in the neighbourhood, or another car, of their household until closing.

    Nobody is given a bay near a home it has left, or one that its car is too high for, since it forgot to say it twice.
    """
    for application_id in queries.follow(connection, household_id, now=now):
        _told(connection, application_id, kind="application_changed", now=now)


def note_document(
    connection: Connection, application_id: int, *, kind: str, version: int, account_id: int, now: datetime
) -> Row[Any]:
    """
    Note that a document was seen for an application, until closing; its tier holds from then on.

    Parameters
    ----------
    version
        Of the application that the document was seen for.

    Raises
    ------
    ApplicationNotFound, ApplicationsClosed
        There is none that whoever asks may see; the round is closed.
    OwnHousehold
        It is of one's own household.
    RoundConflict
        The application was changed or withdrawn since that version was read.
    """
    before = queries.get_application(connection, application_id)
    if queries.is_own(connection, application_id, account_id=account_id):
        raise OwnHousehold("somebody else must see the documents of one's own household")
    _open_round(connection, before.round_id, now=now)
    if queries.lock_application(connection, application_id) != version:
        raise RoundConflict("the application was changed meanwhile: read what it claims now, then note the document")
    queries.note_document(connection, application_id, kind=kind, account_id=account_id, now=now)
    return queries.get_application(connection, application_id)


def forget_document(connection: Connection, application_id: int, *, kind: str, now: datetime) -> Row[Any]:
    """Take back that a document was seen; errors as in `note_document`."""
    before = queries.get_application(connection, application_id)
    _open_round(connection, before.round_id, now=now)
    queries.lock_application(connection, application_id)
    queries.forget_document(connection, application_id, kind=kind)
    return queries.get_application(connection, application_id)


def _open_round(connection: Connection, round_id: int, *, now: datetime) -> Row[Any]:
    """Return a round that takes applications at this moment, and keep it from being closed meanwhile."""
    lock_round(connection, round_id, shared=True)
    there = get_round(connection, round_id)
    if there.state == "open" and now < there.opens_at:
        raise ApplicationsClosed(f"applications open at {there.opens_at.isoformat()}")
    if there.state != "open" or now >= there.closes_at:
        raise ApplicationsClosed(f"applications closed at {there.closes_at.isoformat()}")
    return there


def _values(
    connection: Connection, there: Row[Any], wish: Wish, *, applicant: Applicant, now: datetime
) -> dict[str, Any]:
    """Return what is stored of a wish, if the household may apply."""
    household = queries.describe_household(connection, applicant.household_id)
    if household.neighbourhood_id != there.neighbourhood_id:
        raise NotEligible("the household lives in another neighbourhood")
    if household.vehicle_id is None:
        raise NotEligible("the household has no car: register it first, one household, one car")
    with rights_of_worker(connection):  # a committee worker does not see the household's permits
        until = queries.find_permit_throughout(connection, applicant.household_id, first=there.first, last=there.last)
    if until is not None:
        raise NotEligible(
            f"the household has a permit until {until}, and so for the whole term: one household, one car, one permit"
        )
    if not stands_at_night(wish.arrive_min, wish.leave_min):
        raise NotEligible(
            "permits are for nights: arrive by 26:00 and leave after it, that is two o'clock of the morning after; "
            "bays at other hours can be booked one by one"
        )
    if not wish.no_bay_of_its_own:
        raise NotEligible("permits are for households without a bay of their own: say `no_bay_of_its_own`")
    if applicant.on_behalf and not wish.consent:
        raise NotEligible("note that the household agreed: say `consent`")
    return {
        "round": there.id,
        "household": applicant.household_id,
        "vehicle": household.vehicle_id,
        "plate_hash": household.plate_hash,
        "home": household.home_id,
        "days": wish.days,
        "arrive_min": wish.arrive_min,
        "leave_min": wish.leave_min,
        "stay_through": wish.stay_through,
        "max_walk_m": wish.max_walk_m,
        "needs": household.needs if wish.needs is None else wish.needs,
        "height_m": household.height_m,
        "claimed_tier": wish.claimed_tier,
        "now": now,
        "account": applicant.account_id,
        "consent": wish.consent,
    }


def _told(connection: Connection, application_id: int, *, kind: str, now: datetime) -> Row[Any]:
    """Tell the household what became of its application and when it hears more; return the application."""
    row = queries.get_application(connection, application_id)
    facts = {
        "round": row.round_id,
        "application": row.id,
        "next_date": (row.publishes_at if kind != "application_withdrawn" else row.closes_at).isoformat(),
    }
    tell(connection, [NewNotice(row.household_id, kind, facts)], now=now)
    return row
