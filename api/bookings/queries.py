"""What bookings ask the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from api.accounts.dependencies import Shown
from api.bookings.rules import BookingRules
from api.db.statement import Statement
from api.finding.period import Period

_BOOK = """
    SELECT problem, outcome FROM book(
        %(kind)s, %(secret)s, %(visit)s, %(act)s, %(key)s, %(request_sha256)s, tstzrange(%(start)s, %(end)s),
        %(facility)s, %(bay)s, %(vehicle)s, %(at_once)s, %(hold)s, %(cooldown)s, %(most_ahead)s, %(most_alternatives)s
    )
"""
_CONFIRM = "SELECT problem, outcome FROM confirm_booking(%(kind)s, %(secret)s, %(visit)s, %(act)s, %(booking)s)"
_CANCEL = "SELECT problem, outcome FROM cancel_booking(%(kind)s, %(secret)s, %(visit)s, %(act)s, %(booking)s)"
_ZONE = "SELECT zone_of_household(%(kind)s, %(secret)s, %(visit)s) AS zone"
_FIND = text("SELECT * FROM shown_bookings WHERE id = :booking AND household_id = :household")
_LIST = text("""
    SELECT * FROM shown_bookings
    WHERE household_id = :household AND id < :before
    ORDER BY id DESC LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking as the database shows it; instants are aware."""

    id: int
    state: str
    bay_id: int
    expires_at: datetime | None
    starts_at: datetime
    ends_at: datetime
    facility_id: int
    name: str
    bay_group: str
    number: int
    timezone: str
    vehicle_id: int
    walk_m: int | None
    price_cents: int | None

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Booking:
        """Read a row, or the JSON that was made of one."""
        values: dict[str, Any] = {name: found[name] for name in _FIELDS}
        for name in _INSTANTS:
            values[name] = _instant(values[name])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks, by which route, and under which name; `sha256` tells one request from another."""

    shown: Shown
    act: str
    key: str
    sha256: bytes


def booking_statement(
    request: Request,
    *,
    period: Period,
    facility: int | None,
    bay: int | None,
    vehicle: int | None,
    at_once: bool,
    rules: BookingRules,
) -> Statement:
    """
    Ask for a bay in one statement, which is a transaction of its own.

    It answers (problem, outcome) as `book` in the database explains: a problem that is none of `api.bookings.service`'s
    refusals, or what is kept with the request's key.
    """
    values = {
        **_who(request.shown),
        "act": request.act,
        "key": request.key,
        "request_sha256": request.sha256,
        "start": period.start,
        "end": period.end,
        "facility": facility,
        "bay": bay,
        "vehicle": vehicle,
        "at_once": at_once,
        "hold": rules.hold,
        "cooldown": rules.cooldown,
        "most_ahead": rules.most_ahead,
        "most_alternatives": rules.most_alternatives,
    }
    return Statement(_BOOK, values)


def confirming_statement(shown: Shown, booking_id: int, *, act: str) -> Statement:
    """Confirm a hold; answers as `booking_statement` does."""
    return Statement(_CONFIRM, {**_who(shown), "act": act, "booking": booking_id})


def cancelling_statement(shown: Shown, booking_id: int, *, act: str) -> Statement:
    """Cancel a booking or give the rest of a stay back; answers as `booking_statement` does."""
    return Statement(_CANCEL, {**_who(shown), "act": act, "booking": booking_id})


def zone_statement(shown: Shown) -> Statement:
    """Ask for the time zone of the household that is acted for."""
    return Statement(_ZONE, _who(shown))


def find_booking(connection: Connection, booking_id: int, household_id: int) -> Booking | None:
    """Return a booking of a household, None without one."""
    row = connection.execute(_FIND, {"booking": booking_id, "household": household_id}).mappings().one_or_none()
    return None if row is None else Booking.read(dict(row))


def list_bookings(connection: Connection, household_id: int, *, before: int, limit: int) -> Sequence[Booking]:
    """Return bookings of a household, the newest first, all before an id."""
    values = {"household": household_id, "before": before, "limit": limit}
    return [Booking.read(dict(row)) for row in connection.execute(_LIST, values).mappings()]


def _who(shown: Shown) -> dict[str, Any]:
    secret = shown.secret
    return {
        "kind": secret.kind if secret else None,
        "secret": secret.hashed if secret else None,
        "visit": shown.visit,
    }


_FIELDS = tuple(field.name for field in fields(Booking))
_INSTANTS = ("expires_at", "starts_at", "ends_at")


def _instant(value: datetime | str | None) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
