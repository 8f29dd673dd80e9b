"""Owners take capacity back, after seeing whom it hits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from api.accounts.dependencies import SignedIn, Transaction
from api.facilities import withdrawal_queries as queries
from api.facilities.calling_off import call_off
from api.facilities.queries import FacilityNotFound
from api.facilities.supply_queries import find_facility
from api.facilities.supply_schemas import (
    ConfirmedWithdrawal,
    ConsequencesOut,
    HitOut,
    WithdrawalForAWhile,
    WithdrawalIn,
    WithdrawalList,
    WithdrawalOfBays,
    WithdrawalOut,
    consequences_out,
    withdrawal_list,
    withdrawal_out,
)
from api.facilities.withdrawing import Withdrawal, withdraw

router = APIRouter(prefix="/v1", tags=["supply"])
FacilityId = Annotated[int, Path(ge=1, le=2**63 - 1)]
_PROBLEM = "application/problem+json"
_CHANGED: dict[int | str, dict[str, Any]] = {
    409: {"model": HitOut, "description": "It would hit others than those shown, or it has been withdrawn already"}
}


@router.post("/facilities/{facility}/withdrawals/preview", summary="Whom a withdrawal would hit")
def post_preview(
    transaction: Transaction, principal: SignedIn, facility: FacilityId, wanted: WithdrawalIn
) -> ConsequencesOut:
    """Count stays, permits and households; nothing is changed."""
    outcome = withdraw(transaction, facility, _meant(wanted), principal=principal, token=None, now=datetime.now(UTC))
    return consequences_out(outcome.consequences)


@router.post(
    "/facilities/{facility}/withdrawals",
    summary="Confirm a withdrawal",
    status_code=201,
    response_model=WithdrawalOut,
    responses=_CHANGED,
)
def post_withdrawal(
    transaction: Transaction, principal: SignedIn, facility: FacilityId, wanted: ConfirmedWithdrawal
) -> Response:
    """Take capacity back exactly as the preview showed; 409 with new numbers where it would hit others by now."""
    outcome = withdraw(
        transaction,
        facility,
        _meant(wanted.withdrawal),
        principal=principal,
        token=wanted.token,
        now=datetime.now(UTC),
    )
    if outcome.done:
        [made] = [row for row in queries.list_withdrawals(transaction, facility) if row.id == outcome.withdrawal_id]
        return Response(withdrawal_out(made).model_dump_json(), status_code=201, media_type="application/json")
    problem = HitOut(
        type="consequences-changed",
        title="Consequences changed",
        status=409,
        detail="Nothing was changed: it would hit others than those shown. Send the new token to go ahead.",
        consequences=consequences_out(outcome.consequences),
    )
    return Response(problem.model_dump_json(), status_code=409, media_type=_PROBLEM)


@router.post("/facilities/{facility}/withdrawals/{withdrawal}/calling-off", summary="Call a withdrawal off")
def post_calling_off(
    transaction: Transaction,
    principal: SignedIn,
    facility: FacilityId,
    withdrawal: Annotated[int, Path(ge=1, le=2**63 - 1)],
) -> WithdrawalOut:
    """
    Offer the bays again before a planned withdrawal takes effect.

    Permits for which no other place was found stay; whoever was moved keeps the new place, and what is free is offered
    to the next on the waitlist.
    """
    return withdrawal_out(call_off(transaction, facility, withdrawal, principal=principal, now=datetime.now(UTC)))


@router.get("/facilities/{facility}/withdrawals", summary="What was taken back")
def get_withdrawals(transaction: Transaction, facility: FacilityId) -> WithdrawalList:
    """List withdrawals with their reasons and numbers: owners who leave do so in public."""
    if find_facility(transaction, facility) is None:
        raise FacilityNotFound("no such facility")
    rows = queries.list_withdrawals(transaction, facility)
    return withdrawal_list(facility, rows)


def _meant(wanted: WithdrawalIn) -> Withdrawal:
    return Withdrawal(
        kind=wanted.kind,
        urgency=wanted.urgency,
        reason=wanted.reason,
        start=wanted.from_,
        end=wanted.to if isinstance(wanted, WithdrawalForAWhile) else None,
        bay_group=wanted.bay_group if isinstance(wanted, WithdrawalOfBays) else None,
        bays=wanted.bays if isinstance(wanted, WithdrawalOfBays) else None,
    )
