"""What a household does at the gate: ask for a code, check in and out, say that its bay is taken."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy import Connection

from api.accounts.dependencies import Transaction, keys_of
from api.accounts.residents import Acting, ActingResident
from api.gates import at_the_gate
from api.gates.at_the_gate import Direction
from api.gates.bay_taken import claim_bay_taken
from api.gates.stay_schemas import (
    BayTakenIn,
    BayTakenOut,
    CheckedInOut,
    ContactModel,
    GateCodeOut,
    NewBayOut,
)

router = APIRouter(prefix="/v1/stays", tags=["gates"])
StayId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.post("/{stay}/gate-code", summary="Ask for a code", status_code=201)
def post_gate_code(
    request: Request, response: Response, transaction: Transaction, resident: ActingResident, stay: StayId
) -> GateCodeOut:
    """Get eight digits that open the gate once each way for a quarter of an hour, where it does not know the plate."""
    made = at_the_gate.make_gate_code(
        transaction, keys_of(request), stay, household_id=resident.household_id, now=datetime.now(UTC)
    )
    response.headers["Cache-Control"] = "no-store"
    return GateCodeOut(code=made.code, expires_at=made.expires_at, facility=made.facility_id, name=made.name)


@router.post("/{stay}/check-in", summary="Say that the car is here")
def post_check_in(request: Request, transaction: Transaction, resident: ActingResident, stay: StayId) -> CheckedInOut:
    """Check in where no gate sees who comes; the first time stands."""
    return _checked(request, transaction, resident, stay, "entry")


@router.post("/{stay}/check-out", summary="Say that the car has gone")
def post_check_out(request: Request, transaction: Transaction, resident: ActingResident, stay: StayId) -> CheckedInOut:
    """Check out where no gate sees who leaves; the first time stands."""
    return _checked(request, transaction, resident, stay, "exit")


@router.post("/{stay}/bay-taken", summary="Say that somebody is on the bay")
def post_bay_taken(transaction: Transaction, resident: ActingResident, stay: StayId, seen: BayTakenIn) -> BayTakenOut:
    """
    Get another bay for the rest of the stay, at the same facility or the nearest, or the money back; and whom to call.

    The same again is answered the same. After two claims in a night, and for a second one of a car that the gate did
    not see come in, the answer is whom to call: nothing changes about the stay.
    """
    claim = claim_bay_taken(
        transaction,
        stay,
        household_id=resident.household_id,
        account_id=resident.account_id,
        evidence=seen.evidence,
        now=datetime.now(UTC),
    )
    new, contact = claim.new_bay, claim.contact
    return BayTakenOut(
        claim=claim.id,
        outcome=claim.outcome,  # type: ignore[arg-type]  # one of the three
        why=claim.why,
        new_bay=None
        if new is None
        else NewBayOut.model_validate(
            {
                "stay": new.stay_id,
                "facility": new.facility_id,
                "name": new.name,
                "bay": new.bay,
                "walk_m": new.walk_m,
                "to": new.ends_at,
            }
        ),
        due_cents=claim.due_cents,
        contact=None if contact is None else ContactModel(name=contact.name, phone=contact.phone),
    )


def _checked(
    request: Request, connection: Connection, resident: Acting, stay: int, direction: Direction
) -> CheckedInOut:
    found = at_the_gate.check_in(
        connection,
        keys_of(request),
        stay,
        household_id=resident.household_id,
        direction=direction,
        now=datetime.now(UTC),
    )
    return CheckedInOut(stay=found.stay_id, checked_in_at=found.checked_in_at, checked_out_at=found.checked_out_at)
