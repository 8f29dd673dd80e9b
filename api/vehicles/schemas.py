"""Vehicles and disputes as they come in and go out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from api.accounts.schemas import Incoming
from api.vehicles.service import Status

Needs = Literal["accessible", "ev"]


class VehicleIn(Incoming):
    """The household's car."""

    plate: Annotated[str, Field(min_length=2, max_length=20)]
    height_m: Annotated[float, Field(gt=0, lt=10, allow_inf_nan=False)] | None = None
    needs: Annotated[list[Needs], Field(max_length=2, default_factory=list)]


class Received(BaseModel):
    """The same answer to every plate: who else has it is nobody's business."""

    status: Literal["received"] = "received"
    detail: str = (
        "Noted. Where a plate needs verification, the planning office decides before the car can be booked for."
    )


class VehicleOut(BaseModel):
    """One's household's car."""

    plate: str
    height_m: float | None
    needs: list[Needs]
    created_at: datetime
    status: Status


class DisputeOut(BaseModel):
    """A claim on a plate that stands for another household."""

    id: int
    plate: str
    claimed_at: datetime


class DisputePage(BaseModel):
    """Claims that wait, the oldest first; ask for those `after` the last one."""

    disputes: list[DisputeOut]
    next: int | None


class Decision(Incoming):
    """Whom the plate stands for from now on."""

    outcome: Literal["claimant", "holder"]


def needs_text(needs: list[Needs]) -> str:
    """Write needs as the folder does: in alphabetical order, one space between."""
    return " ".join(sorted(set(needs)))
