"""How right the dates were that households on the waitlist had been told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path

from api.accounts.dependencies import Planner, Transaction
from api.waitlist.estimating import calibration_of
from api.waitlist.schemas import CalibrationOut, calibration_out

router = APIRouter(prefix="/v1", tags=["rounds"])
RoundId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/rounds/{round}/waitlist/calibration", summary="How right told dates were")
def get_calibration(transaction: Transaction, _planner: Planner, round: RoundId) -> CalibrationOut:
    """Compare all dates told to those who waited in a published round with when they were reached."""
    return calibration_out(calibration_of(transaction, round_id=round, now=datetime.now(UTC)))
