"""A household stands before a bay that somebody else is on: another one at once, or its money back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row

from api.gates import claim_queries as queries
from api.gates import stay_queries
from api.gates.at_the_gate import StayNotNow, get_own_stay, may_enter
from api.money.rules import share_of_day
from api.notices.service import NewNotice, tell
from api.openings.permit_queries import rights_of_worker
from api.vehicles.service import VehicleNotFound

Why = Literal["most_claims", "not_seen"]
MOST_CLAIMS, CLAIMS_WITHIN = 2, timedelta(hours=12)
"""Two bays a night that others are on are bad luck; whoever finds a third one taken is helped by a person."""


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to call at a facility."""

    name: str
    phone: str


@dataclass(frozen=True, slots=True)
class NewBay:
    """Another bay for the rest of a stay."""

    stay_id: int
    facility_id: int
    name: str
    bay: str
    walk_m: int | None
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """
    What became of a claim: another bay (`moved`), `due_cents` back (`money_back`); and whom to call.

    `call`: nothing but that, and the stay goes on. `why` says whether the household has had its claims of this night,
    or the gate has not seen its car come in.
    """

    id: int | None
    outcome: str
    new_bay: NewBay | None
    due_cents: int
    contact: Contact | None
    why: Why | None = None


def claim_bay_taken(
    connection: Connection, stay_id: int, *, household_id: int, account_id: int, evidence: str | None, now: datetime
) -> Claim:
    """
    Give a household another bay for the rest of its stay, at the same facility or the nearest, or note what is due.

    It pays no more for the other bay. Nobody else is sent to the one that is taken until the stay would have ended. The
    same claim again is answered the same. Where there is a gate it has to have seen whoever claims a second time in a
    night; after `MOST_CLAIMS` in `CLAIMS_WITHIN`, or while their stays would go on, a household is told whom to call.

    Raises
    ------
    StayNotFound, StayNotNow
        The household has no such stay; it is neither under way nor about to begin.
    VehicleNotFound
        The household has no car.
    """
    stay = get_own_stay(connection, stay_id, household_id=household_id)
    places = queries.places_near(connection, household_id, stay.facility_id)
    queries.lock_places(connection, places)
    stay_queries.lock_household(connection, household_id)
    known = queries.find_claim(connection, stay_id)
    if known is None:
        stay = get_own_stay(connection, stay_id, household_id=household_id)
        if not may_enter(stay, now=now):
            raise StayNotNow("neither under way nor about to begin")
        why = _why_to_call(connection, stay, now=now)
        if why is not None:
            return Claim(None, "call", None, 0, _contact(connection, stay.facility_id), why)
        known = _claim(connection, stay, places, account_id=account_id, evidence=evidence, now=now)
    return _told(connection, known)


def _why_to_call(connection: Connection, stay: Row[Any], *, now: datetime) -> Why | None:
    """Tell what speaks against a claim: each closes a bay, so that one household must not close all that are near."""
    with rights_of_worker(connection):
        made = queries.count_claims(connection, stay.household_id, since=now - CLAIMS_WITHIN, now=now)
        if made >= MOST_CLAIMS:
            return "most_claims"
        if not made or not stay_queries.has_gate(connection, stay.facility_id):
            return None
        return None if queries.is_seen(connection, stay.household_id, stay.facility_id) else "not_seen"


def _claim(
    connection: Connection, stay: Row[Any], places: list[int], *, account_id: int, evidence: str | None, now: datetime
) -> Row[Any]:
    car = stay_queries.find_car(connection, stay.household_id)
    if car is None:
        raise VehicleNotFound("no car")
    minute = now.replace(second=0, microsecond=0)
    starts_at = max(stay.starts_at, minute)
    with rights_of_worker(connection):
        queries.put_out_of_use(connection, stay.bay_id, until=stay.ends_at, now=now)
    queries.end_stay(connection, stay.id, state="given_back" if stay.kind == "permit" else "cancelled", now=now)
    found = queries.take_other_bay(connection, stay, car, places, starts_at=starts_at, account_id=account_id, now=now)
    with rights_of_worker(connection):
        due = 0 if found is not None else _due_cents(queries.what_was_paid(connection, stay.id))
        claim = queries.add_claim(connection, stay, new_stay_id=found, due_cents=due, evidence=evidence, now=now)
    facts = {"claim": claim.id, "facility": stay.facility_id, "outcome": claim.outcome, "due_cents": claim.due_cents}
    tell(connection, [NewNotice(stay.household_id, "bay_taken", facts, stay_id=stay.id)], now=now)
    return claim


def _due_cents(paid: Row[Any]) -> int:
    """Return what a household gets back: the price of a booking, or the day's share of a month."""
    if paid.night is not None:
        return share_of_day(paid.monthly_price_cents or 0, paid.night)
    return int(paid.price_cents or 0)


def _contact(connection: Connection, facility_id: int) -> Contact | None:
    with rights_of_worker(connection):
        contact = stay_queries.find_contact(connection, facility_id)
    return None if contact is None else Contact(contact.name, contact.phone)


def _told(connection: Connection, claim: Row[Any]) -> Claim:
    new = None if claim.new_stay_id is None else stay_queries.find_stay(connection, claim.new_stay_id)
    return Claim(
        id=claim.id,
        outcome=claim.outcome,
        new_bay=None
        if new is None
        else NewBay(
            stay_id=new.id,
            facility_id=new.facility_id,
            name=new.name,
            bay=f"{new.bay_group} {new.number}",
            walk_m=queries.walk_of(connection, new.id),
            ends_at=new.ends_at,
        ),
        due_cents=claim.due_cents,
        contact=_contact(connection, claim.facility_id if new is None else new.facility_id),
    )
