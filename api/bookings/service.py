"""Booking a bay: held, confirmed, cancelled; every no has a reason and, where one exists, an alternative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, cast
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection
from psycopg.errors import DeadlockDetected, InsufficientPrivilege
from sqlalchemy import Connection

from api.accounts.dependencies import Shown
from api.accounts.refusals import NoHousehold, NotAllowed, NotSignedIn
from api.bookings import queries
from api.bookings.errors import (
    BookingNotFound,
    HouseholdSuspended,
    ImpossiblePeriod,
    KeyReused,
    NoSuchPlace,
    NotBookableYet,
    RequestInFlight,
    VehicleUnclear,
)
from api.bookings.queries import Booking, Request
from api.bookings.rules import BookingRules
from api.db.statement import Statement, rows_of
from api.facilities.availability import instant_of
from api.finding.period import Period

_FIRST_YEAR, _LAST_YEAR = 2000, 2199
_ANYWHERE = ZoneInfo("UTC")  # where every time says its own offset, no zone is asked for


@dataclass(frozen=True, slots=True)
class Wish:
    """What a household asks for; times without a zone are the neighbourhood's local ones, no start means now."""

    facility: int | None
    bay: int | None
    start: datetime | None
    end: datetime
    vehicle: int | None
    confirm: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """
    Why a household gets no bay for a period, and what it could have instead.

    `reason` is one of `full`, `overlapping`, `held`, `too_many`, `cooldown`, `hold_expired`; `booking_id` is the one in
    the way, `again_at` when to ask again. Alternatives are as `alternatives` in the database makes them.
    """

    reason: str
    alternatives: Sequence[Mapping[str, Any]] = ()
    booking_id: int | None = None
    again_at: datetime | None = None


Outcome = Booking | Refused


async def book(connection: AsyncConnection[Any], request: Request, wish: Wish, *, rules: BookingRules) -> Outcome:
    """
    Hold or book a bay for a household; the same request under the same key has the same outcome and is done once.

    Raises
    ------
    BookingError, AccountError
        When the request makes no sense, whatever is free, or is not its sender's to make.
    """
    zone = _ANYWHERE
    if needs_zone(wish):
        (found,) = await _answered(connection, queries.zone_statement(request.shown))
        zone = _ANYWHERE if found is None else ZoneInfo(found)  # without one the booking itself is refused
    try:
        return outcome_of(*await _answered(connection, booking_statement(request, wish, zone=zone, rules=rules)))
    except InsufficientPrivilege as error:
        if "bookings_not_suspended" not in str(error):
            raise
        raise HouseholdSuspended("the household's plate is on no list then") from None


async def confirm(connection: AsyncConnection[Any], shown: Shown, booking_id: int, *, act: str) -> Outcome:
    """
    Confirm a hold; confirming twice is the same as once.

    Raises
    ------
    BookingNotFound
        When the household has no such booking.
    """
    return outcome_of(*await _answered(connection, queries.confirming_statement(shown, booking_id, act=act)))


async def cancel(connection: AsyncConnection[Any], shown: Shown, booking_id: int, *, act: str) -> Outcome:
    """
    Cancel a booking or a hold, or give the rest of a stay back; cancelling twice is the same as once.

    Raises
    ------
    BookingNotFound
        When the household has no such booking.
    """
    return outcome_of(*await _answered(connection, queries.cancelling_statement(shown, booking_id, act=act)))


async def _answered(connection: AsyncConnection[Any], statement: Statement) -> tuple[Any, ...]:
    """Ask for one row; once more where the database has ended one of several that waited for each other in a circle."""
    try:
        (row,) = await rows_of(connection, statement)
    except DeadlockDetected:
        (row,) = await rows_of(connection, statement)
    return cast("tuple[Any, ...]", row)


def get_booking(connection: Connection, booking_id: int, *, household_id: int) -> Booking:
    """Return a booking of a household; raise BookingNotFound without one."""
    booking = queries.find_booking(connection, booking_id, household_id)
    if booking is None:
        raise BookingNotFound("no such booking")
    return booking


def needs_zone(wish: Wish) -> bool:
    """Tell whether a wish names a local time."""
    return wish.end.tzinfo is None or (wish.start is not None and wish.start.tzinfo is None)


def booking_statement(
    request: Request, wish: Wish, *, zone: ZoneInfo, rules: BookingRules, now: datetime | None = None
) -> Statement:
    """Write a wish, made `now`, as what the database is asked; ImpossiblePeriod where its times make no sense."""
    return queries.booking_statement(
        request,
        period=_period(wish, zone=zone, rules=rules, now=now or datetime.now(UTC)),
        facility=wish.facility,
        bay=wish.bay,
        vehicle=wish.vehicle,
        at_once=wish.confirm,
        rules=rules,
    )


def outcome_of(problem: str | None, outcome: Mapping[str, Any]) -> Outcome:
    """Read what the database answers."""
    if problem is not None:
        _raise(problem, outcome)
    if "reason" not in outcome:
        return Booking.read(outcome)
    again_at = outcome.get("again_at")
    return Refused(
        outcome["reason"],
        alternatives=outcome.get("alternatives", ()),
        booking_id=outcome.get("booking"),
        again_at=None if again_at is None else datetime.fromisoformat(again_at),
    )


_PROBLEMS: dict[str, tuple[type[Exception], str]] = {
    "not_signed_in": (NotSignedIn, "what was shown opens nothing"),
    "not_allowed": (NotAllowed, "no such visit"),
    "no_household": (NoHousehold, "no household"),
    "in_flight": (RequestInFlight, "this request is being answered"),
    "key_reused": (KeyReused, "this key came with another request"),
    "no_home": (NoSuchPlace, "the household has no home"),
    "no_place": (NoSuchPlace, "no such facility or bay in this neighbourhood"),
    "vehicle_unclear": (VehicleUnclear, "name one vehicle of the household"),
    "not_found": (BookingNotFound, "no such booking"),
}


def _raise(problem: str, outcome: Mapping[str, Any] | None) -> NoReturn:
    if problem == "not_bookable_yet" and outcome is not None:
        raise NotBookableYet(datetime.fromisoformat(outcome["until"]))
    kind, words = _PROBLEMS[problem]
    raise kind(words)


def _period(wish: Wish, *, zone: ZoneInfo, rules: BookingRules, now: datetime) -> Period:
    """Return the instants of a wish, to the minute."""
    now = now.replace(second=0, microsecond=0)
    start = now if wish.start is None else _instant(wish.start, zone)
    end = _instant(wish.end, zone)
    if start < now - rules.late:
        raise ImpossiblePeriod("`from` lies in the past")
    start = max(start, now)
    if end <= start:
        raise ImpossiblePeriod("`to` must lie after `from`, and after now")
    if end - start > rules.longest:
        raise ImpossiblePeriod(f"one booking lasts {rules.longest.days} days at most")
    return Period(start, end)


def _instant(moment: datetime, zone: ZoneInfo) -> datetime:
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ImpossiblePeriod(f"years lie between {_FIRST_YEAR} and {_LAST_YEAR}")
    moment = moment.replace(second=0, microsecond=0)
    return instant_of(moment, zone) if moment.tzinfo is None else moment.astimezone(UTC)


def seconds_until(moment: datetime) -> int:
    """Count whole seconds until a moment, one at least."""
    return max(1, -((datetime.now(UTC) - moment) // timedelta(seconds=1)))
