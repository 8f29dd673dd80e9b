"""A household stands before a bay that somebody else is on: another one at once, or its money back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from api.gates import claim_queries as queries
from api.gates import stay_queries
from api.gates.at_the_gate import StayNotNow, get_own_stay, may_enter
from api.notices.service import NewNotice, tell
from api.openings.permit_queries import rights_of_worker
from api.vehicles.service import VehicleNotFound


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
    """What became of a claim: another bay, or `due_cents` back; and whom to call."""

    id: int
    outcome: str
    new_bay: NewBay | None
    due_cents: int
    contact: Contact | None


def claim_bay_taken(
    connection: Connection, stay_id: int, *, household_id: int, account_id: int, evidence: str | None, now: datetime
) -> Claim:
    """
    Give a household another bay for the rest of its stay, at the same facility or the nearest, or note what is due.

    It pays no more for the other bay. Nobody else is sent to the one that is taken until the stay would have ended. The
    same claim again is answered the same.

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
        known = _claim(connection, stay, places, account_id=account_id, evidence=evidence, now=now)
    return _told(connection, known)


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
        claim = queries.add_claim(connection, stay, new_stay_id=found, evidence=evidence, now=now)
    facts = {"claim": claim.id, "facility": stay.facility_id, "outcome": claim.outcome, "due_cents": claim.due_cents}
    tell(connection, [NewNotice(stay.household_id, "bay_taken", facts, stay_id=stay.id)], now=now)
    return claim


def _told(connection: Connection, claim: Row[Any]) -> Claim:
    new = None if claim.new_stay_id is None else stay_queries.find_stay(connection, claim.new_stay_id)
    facility_id = claim.facility_id if new is None else new.facility_id
    with rights_of_worker(connection):
        contact = stay_queries.find_contact(connection, facility_id)
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
        contact=None if contact is None else Contact(contact.name, contact.phone),
    )
