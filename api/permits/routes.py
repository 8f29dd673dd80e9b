"""A household's permits and the nights it gives back."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Path

from api.accounts.dependencies import Transaction
from api.accounts.residents import ActingResident
from api.permits import queries, service
from api.permits.schemas import GivenBackOut, NightOut, Nights, PermitOut, TakenBackOut, night_out, permit_out

router = APIRouter(prefix="/v1/permits", tags=["permits"])
PermitId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("", summary="The household's permits")
def get_permits(transaction: Transaction, resident: ActingResident) -> list[PermitOut]:
    """List permits, the newest first."""
    return [permit_out(row) for row in queries.list_permits(transaction, resident.household_id)]


@router.get("/{permit}/nights", summary="Nights that have their bay")
def get_nights(transaction: Transaction, resident: ActingResident, permit: PermitId) -> list[NightOut]:
    """List the nights of the coming two weeks with the bay of each."""
    found = service.get_permit(transaction, permit, household_id=resident.household_id)
    return [night_out(row) for row in queries.list_stays(transaction, found.id, now=datetime.now(UTC))]


@router.post("/{permit}/absences", summary="Give nights back", status_code=201)
def post_absence(transaction: Transaction, resident: ActingResident, permit: PermitId, nights: Nights) -> GivenBackOut:
    """Free the bay for others on some nights; the permit stays."""
    row, freed = service.give_back_nights(
        transaction,
        permit,
        household_id=resident.household_id,
        first=nights.first,
        last=nights.last,
        now=datetime.now(UTC),
    )
    return GivenBackOut(permit=permit_out(row), freed=freed)


@router.delete("/{permit}/absences/{night}", summary="Take nights back")
def delete_absence(transaction: Transaction, resident: ActingResident, permit: PermitId, night: date) -> TakenBackOut:
    """Take back nights that were given back from `night` on, as far as nobody has booked all bays meanwhile."""
    row, gone = service.take_back_nights(
        transaction, permit, household_id=resident.household_id, first=night, now=datetime.now(UTC)
    )
    return TakenBackOut(permit=permit_out(row), gone=gone)


@router.post("/{permit}/end", summary="Give a permit up")
def post_end(transaction: Transaction, resident: ActingResident, permit: PermitId) -> PermitOut:
    """End the permit from tomorrow's night on; the next on the waitlist follows at once."""
    return permit_out(service.give_up(transaction, permit, household_id=resident.household_id, now=datetime.now(UTC)))
