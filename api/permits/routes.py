"""A household's permits and the nights it gives back."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from api.accounts.dependencies import Transaction
from api.accounts.residents import ActingResident
from api.calendars.clock import hours_text
from api.permits import queries, service

router = APIRouter(prefix="/v1/permits", tags=["permits"])
PermitId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class Nights(BaseModel):
    """Nights from one to another, both included, by the day they begin on."""

    model_config = ConfigDict(extra="forbid")

    first: date
    last: date


class PermitOut(BaseModel):
    """The right to a facility for a term."""

    id: int
    state: str
    facility: int
    name: str
    bay_group: str
    first: date
    last: date
    days: str
    arrive: str
    leave: str
    vehicle: int
    absences: list[Nights]


class NightOut(BaseModel):
    """A night of a permit that has its bay."""

    night: date
    state: str
    number: int = Field(description="Number of the bay in its bay group")
    start: datetime = Field(alias="from")
    end: datetime = Field(alias="to")


class GivenBackOut(BaseModel):
    """A permit after nights were given back, and how many were freed at once."""

    permit: PermitOut
    freed: int


@router.get("", summary="The household's permits")
def get_permits(transaction: Transaction, resident: ActingResident) -> list[PermitOut]:
    """List permits, the newest first."""
    return [_permit(row) for row in queries.list_permits(transaction, resident.household_id)]


@router.get("/{permit}/nights", summary="Nights that have their bay")
def get_nights(transaction: Transaction, resident: ActingResident, permit: PermitId) -> list[NightOut]:
    """List the nights of the coming two weeks with the bay of each."""
    found = service.get_permit(transaction, permit, household_id=resident.household_id)
    return [
        NightOut.model_validate(
            {"night": r.night, "state": r.state, "number": r.number, "from": r.starts_at, "to": r.ends_at}
        )
        for r in queries.list_stays(transaction, found.id)
    ]


@router.post("/{permit}/absences", summary="Give nights back", status_code=201)
def post_absence(transaction: Transaction, resident: ActingResident, permit: PermitId, nights: Nights) -> GivenBackOut:
    """Free the bay for others on some nights; the permit stays."""
    row, freed = service.give_back_nights(
        transaction, permit, household_id=resident.household_id, first=nights.first, last=nights.last
    )
    return GivenBackOut(permit=_permit(row), freed=freed)


def _permit(row: Row[Any]) -> PermitOut:
    return PermitOut(
        id=row.id,
        state=row.state,
        facility=row.facility_id,
        name=row.name,
        bay_group=row.bay_group,
        first=row.first,
        last=row.last,
        days=row.days,
        arrive=hours_text(row.arrive_min),
        leave=hours_text(row.leave_min),
        vehicle=row.vehicle_id,
        absences=[Nights(first=first, last=last) for first, last in row.absences],
    )
