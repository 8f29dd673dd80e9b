"""Permits as they come in and go out."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from api.calendars.clock import hours_text


class Nights(BaseModel):
    """Nights from one to another, both included, by the day they begin on."""

    model_config = ConfigDict(extra="forbid")

    first: date
    last: date


class PermitOut(BaseModel):
    """The right to a facility for a term."""

    id: int
    state: Literal["active", "ended"]
    facility: int
    name: str
    bay_group: str
    first: date
    last: date
    days: str
    arrive: str
    leave: str
    stay_through: bool
    days_left_out: list[date] = Field(description="Nights that the facility is closed or others had booked")
    vehicle: int
    walk_m: int | None
    monthly_price_cents: int | None
    absences: list[Nights] = Field(description="Nights given back")
    ended_at: datetime | None
    end_reason: str | None


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


class TakenBackOut(BaseModel):
    """A permit after nights were taken back, and those that somebody else has by now."""

    permit: PermitOut
    gone: list[date]


def permit_out(row: Row[Any]) -> PermitOut:
    """Show a permit."""
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
        stay_through=row.stay_through,
        days_left_out=row.days_left_out,
        vehicle=row.vehicle_id,
        walk_m=row.walk_m,
        monthly_price_cents=row.monthly_price_cents,
        absences=[Nights(first=first, last=last) for first, last in row.absences],
        ended_at=row.ended_at,
        end_reason=row.end_reason,
    )


def night_out(row: Row[Any]) -> NightOut:
    """Show a night of a permit."""
    return NightOut.model_validate(
        {"night": row.night, "state": row.state, "number": row.number, "from": row.starts_at, "to": row.ends_at}
    )
