"""Strikes, appeals, the ladder and late cars as they come in and go out."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import Row

from api.accounts.schemas import NO_ZERO, Incoming
from api.overstays.late_cars import Figures, LateCar
from api.overstays.policy import Act, Policy

Words = Annotated[str, Field(min_length=1, max_length=2000, pattern=NO_ZERO)]


class RungModel(Incoming):
    """One consequence of the ladder."""

    act: Act
    amount_cents: Annotated[int, Field(ge=1, le=10_000_000)] | None = Field(default=None, description="Of a fee")
    nights: Annotated[int, Field(ge=1, le=366)] | None = Field(
        default=None, description="Of a suspension, or that the plate stays off every list after the permit's end"
    )


class PolicyModel(Incoming):
    """Rules for cars that leave late; whoever is struck more often than there are rungs stays on the last."""

    grace_min: Annotated[int, Field(ge=0, le=120, description="Minutes after the leave-by time that are allowed")]
    remind_min: Annotated[int, Field(ge=5, le=120, description="How long before it a car still there is reminded")]
    expires_days: Annotated[int, Field(ge=1, le=3660, description="After which a strike counts no more")]
    appeal_days: Annotated[int, Field(ge=1, le=60, description="In which a household may appeal")]
    wait_h: Annotated[int, Field(ge=0, le=720, description="Hours from a strike to its consequence")]
    ladder: Annotated[list[RungModel], Field(min_length=1, max_length=20)]


class AppealIn(Incoming):
    """Why a strike is wrong, in the household's words."""

    words: Words


class DecisionIn(Incoming):
    """What a planner decides on an appeal, and why: the household reads it."""

    decision: Literal["upheld", "lifted"]
    note: Words


class AppealOut(BaseModel):
    """An appeal and its decision; without one it waits."""

    words: str
    made_at: datetime
    decision: Literal["upheld", "lifted"] | None
    note: str | None
    decided_at: datetime | None


class StrikeOut(BaseModel):
    """A car of the household left late."""

    id: int
    facility: int
    name: str
    leave_by: datetime
    late_until: datetime
    late_min: int
    state: Literal["standing", "lifted"]
    place: int = Field(
        description="Which strike of the household it is, of those that count, as told or fewer; 0 of a lifted one"
    )
    act: Act
    amount_cents: int | None
    nights: int | None
    effective_at: datetime = Field(description="When the consequence follows, unless an appeal waits")
    effect: Literal["waiting", "done", "undone"]
    struck_at: datetime
    expires_at: datetime
    appeal_until: datetime
    appeal: AppealOut | None


class StrikeIn(Incoming):
    """The night of a car that stood there for more than a day too long."""

    stay: int = Field(ge=1, le=2**63 - 1, description="Id of the night, from the list of late cars to be reviewed")


class StrikePage(BaseModel):
    """Strikes, the newest first."""

    strikes: list[StrikeOut]
    next: str | None = Field(description="Cursor of the next page; null at the end")


class LateCarOut(BaseModel):
    """A car that is still there though its night and the grace are over."""

    stay: int = Field(description="Id of the night that is over")
    plate: str
    bay: str = Field(description="Bay group and number of the night that is over")
    leave_by: datetime
    late_min: int
    to_review: bool = Field(description="More than a day late by the gate's record, which may have missed something")


class StrikeCount(BaseModel):
    """Strikes of one consequence."""

    act: Act
    strikes: int
    lifted: int
    appeals: int


class FiguresOut(BaseModel):
    """How cars left over some mornings."""

    first: date
    last: date
    cars: int
    late: int = Field(description="Still there beyond the grace")
    overstay_rate: float | None
    mean_late_min: float | None = Field(description="Of all that left after their leave-by time")
    strikes: list[StrikeCount]


def strike_out(row: Row[Any]) -> StrikeOut:
    """Show a strike."""
    values = {name: value for name, value in row._mapping.items() if name in StrikeOut.model_fields}
    appeal = None
    if row.made_at is not None:
        appeal = AppealOut.model_validate({name: getattr(row, name) for name in AppealOut.model_fields})
    late_min = int((row.late_until - row.leave_by) / timedelta(minutes=1))
    return StrikeOut.model_validate({**values, "facility": row.facility_id, "late_min": late_min, "appeal": appeal})


def late_car_out(car: LateCar) -> LateCarOut:
    """Show a car that is still there."""
    return LateCarOut(
        stay=car.stay_id,
        plate=car.plate,
        bay=car.bay,
        leave_by=car.leave_by,
        late_min=car.late_min,
        to_review=car.to_review,
    )


def policy_out(policy: Policy) -> PolicyModel:
    """Show the rules."""
    return PolicyModel.model_validate(policy.document())


def figures_out(figures: Figures, *, first: date, last: date) -> FiguresOut:
    """Show how cars left."""
    counts = [
        StrikeCount.model_validate(dict(zip(("act", "strikes", "lifted", "appeals"), row, strict=True)))
        for row in figures.strikes
    ]
    return FiguresOut(
        first=first,
        last=last,
        cars=figures.cars,
        late=figures.late,
        overstay_rate=figures.overstay_rate,
        mean_late_min=figures.mean_late_min,
        strikes=counts,
    )
