"""One's household's car, and the decisions of planners on plates that two households name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from api.accounts.dependencies import Planner, Resident, Transaction, keys_of
from api.permits.cars import follow_cars, require_car_fits
from api.rounds.applications import follow_household
from api.vehicles import queries, service
from api.vehicles.plates import open_plate
from api.vehicles.schemas import Decision, DisputeOut, DisputePage, Received, VehicleIn, VehicleOut, needs_text

router = APIRouter(prefix="/v1", tags=["vehicles"])


@router.get("/vehicle", summary="The household's car")
def get_vehicle(request: Request, response: Response, transaction: Transaction, resident: Resident) -> VehicleOut:
    """Show the car; `received` also while its plate may be verified, `refused` when it stands for somebody else."""
    found = service.get_vehicle(transaction, keys_of(request), resident.household_id or 0)
    response.headers["Cache-Control"] = "no-store"
    return VehicleOut.model_validate(
        {
            "plate": found.plate,
            "height_m": found.height_m,
            "needs": found.needs.split(),
            "created_at": found.created_at,
            "status": found.status,
        }
    )


@router.put("/vehicle", summary="Register the household's car", status_code=202)
def put_vehicle(request: Request, transaction: Transaction, resident: Resident, wanted: VehicleIn) -> Received:
    """
    Register the car, or change its height and needs; the answer is the same whoever else has named the plate.

    A car that does not fit where the household has a permit, an offer or a booking is refused; that has to go first.
    """
    require_car_fits(
        transaction,
        resident.household_id or 0,
        height_m=wanted.height_m,
        needs=needs_text(wanted.needs),
        now=datetime.now(UTC),
    )
    service.register_vehicle(
        transaction,
        keys_of(request),
        resident.household_id or 0,
        plate=wanted.plate,
        height_m=wanted.height_m,
        needs=needs_text(wanted.needs),
    )
    follow_cars(transaction, household_ids=[resident.household_id or 0], now=datetime.now(UTC))
    follow_household(transaction, resident.household_id or 0, now=datetime.now(UTC))
    return Received()


@router.delete("/vehicle", summary="Withdraw the household's car", status_code=204, response_class=Response)
def delete_vehicle(transaction: Transaction, resident: Resident) -> None:
    """Let the household have no car; another can then be registered."""
    service.withdraw_vehicle(transaction, resident.household_id or 0)


@router.get("/plate-disputes", summary="Plates that two households name")
def get_disputes(
    request: Request,
    response: Response,
    transaction: Transaction,
    _planner: Planner,
    after: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> DisputePage:
    """List claims that wait for verification, the oldest first."""
    keys = keys_of(request)
    rows = queries.list_open_disputes(transaction, after=after, limit=limit)
    disputes = [
        DisputeOut(id=row.id, plate=open_plate(keys, bytes(row.plate_sealed)), claimed_at=row.created_at)
        for row in rows
    ]
    response.headers["Cache-Control"] = "no-store"
    return DisputePage(disputes=disputes, next=disputes[-1].id if len(disputes) == limit else None)


@router.post(
    "/plate-disputes/{dispute}/decision", summary="Decide on a plate", status_code=204, response_class=Response
)
def post_decision(
    transaction: Transaction,
    planner: Planner,
    dispute: Annotated[int, Path(ge=1, le=2**63 - 1)],
    decision: Decision,
) -> None:
    """Say whom a plate stands for after its papers were seen."""
    service.decide(transaction, dispute, outcome=decision.outcome, planner=planner.account_id or 0)
