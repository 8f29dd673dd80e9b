"""How right the dates were that households on the waitlist had been told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from api.accounts.dependencies import Planner, Transaction
from api.waitlist.estimating import calibration_of

router = APIRouter(prefix="/v1", tags=["rounds"])
RoundId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class CalibrationOut(BaseModel):
    """Shares are null while no wait has been watched long enough."""

    estimates: int = Field(description="Pairs of dates told")
    censored: int = Field(description="Waits that ended otherwise, or go on, before their second date")
    reached_by_p50: float | None = Field(description="Share reached by the first date; 0.5 is right")
    reached_by_p90: float | None = Field(description="Share reached by the second date; 0.9 is right")
    median_width_days: float | None = Field(description="Days between the two dates")


@router.get("/rounds/{round}/waitlist/calibration", summary="How right told dates were")
def get_calibration(transaction: Transaction, _planner: Planner, round: RoundId) -> CalibrationOut:
    """Compare all dates told to those who waited in a published round with when they were reached."""
    found = calibration_of(transaction, round_id=round, now=datetime.now(UTC))
    return CalibrationOut(
        estimates=found.estimates,
        censored=found.censored,
        reached_by_p50=found.reached_by_p50,
        reached_by_p90=found.reached_by_p90,
        median_width_days=found.median_width_days,
    )
