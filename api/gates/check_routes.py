"""What an attendant or a warden asks, and whom residents may call."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from api.accounts.dependencies import Gate, SignedIn, Transaction, keys_of
from api.facilities.queries import FacilityNotFound
from api.gates import at_the_gate, claim_queries, stay_queries
from api.gates.entitled import get_device, place_of_owner
from api.gates.stay_schemas import (
    ClaimOut,
    ContactModel,
    GateCodeChecked,
    GateCodeIn,
    PlateChecked,
    PlateIn,
    claim_out,
)

router = APIRouter(prefix="/v1", tags=["gates"])
Id = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.post("/gate/codes", summary="Check a code")
def post_code(request: Request, transaction: Transaction, _gate: Gate, shown: GateCodeIn) -> GateCodeChecked:
    """Say whether to open for a code; it is used up for this direction, and the car counts as seen."""
    device = get_device(transaction, kind="gate")
    found = at_the_gate.check_gate_code(
        transaction, keys_of(request), device, code=shown.code, direction=shown.direction, now=datetime.now(UTC)
    )
    return GateCodeChecked(valid=found.valid, until=found.until, bay=found.bay)


@router.post("/facilities/{facility}/plate-checks", summary="Check one plate")
def post_plate_check(
    request: Request, transaction: Transaction, _gate: Gate, facility: Id, shown: PlateIn
) -> PlateChecked:
    """Tell a warden until when a car may stand on a road without a gate; every question is counted and written down."""
    device = get_device(transaction, kind="warden")
    if device.facility_id != facility:
        raise FacilityNotFound("not the warden's")
    until = at_the_gate.check_plate(transaction, keys_of(request), device, plate=shown.plate, now=datetime.now(UTC))
    return PlateChecked(allowed=until is not None, until=until)


@router.get("/facilities/{facility}/contact", summary="Whom residents may call")
def get_contact(transaction: Transaction, principal: SignedIn, facility: Id) -> ContactModel | None:
    """Show the owner whom residents are told to call when they cannot park; null where nobody is named."""
    place_of_owner(transaction, principal, facility)
    row = stay_queries.find_contact(transaction, facility)
    return None if row is None else ContactModel(name=row.name, phone=row.phone)


@router.put("/facilities/{facility}/contact", summary="Name whom residents may call")
def put_contact(transaction: Transaction, principal: SignedIn, facility: Id, contact: ContactModel) -> ContactModel:
    """Name somebody who answers at night; only those who cannot park there are told."""
    place_of_owner(transaction, principal, facility)
    stay_queries.set_contact(transaction, facility, name=contact.name, phone=contact.phone)
    return contact


@router.get("/facilities/{facility}/bay-claims", summary="Bays that somebody else was on")
def get_claims(
    transaction: Transaction,
    principal: SignedIn,
    facility: Id,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[ClaimOut]:
    """List what households reported, and what became of it, the newest first; not who they are."""
    place_of_owner(transaction, principal, facility)
    return [claim_out(row) for row in claim_queries.list_claims(transaction, facility, limit=limit)]
