"""Buffers as they come in and go out."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import Row

from api.accounts.schemas import Incoming


class BufferSettings(Incoming):
    """What an owner wants of its buffer."""

    confidence: Annotated[float, Field(ge=0.5, lt=1, description="Share of mornings on which it must be enough")] = 0.95
    automatic: bool = Field(default=False, description="Change the buffer every night, where nobody loses a bay by it")
    owner_from_min: Annotated[
        int, Field(ge=0, le=120, description="Minutes after the leave-by time at which the owner's own people come")
    ] = 0
    gate_sees_all: bool = Field(default=False, description="The gate records the owner's own cars too")
    places: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None, description="All bays of the place, those never shared too; those it shares without"
    )


class BufferEstimate(BaseModel):
    """How many bays to keep back, and what that rests on."""

    day: date
    buffer_bays: int
    buffer_before: int
    bays: int
    confidence: float
    basis: Literal["own_cars_seen", "every_bay_wanted"] = Field(
        description="`every_bay_wanted`: the owner's people are taken to want all bays at once"
    )
    mornings: int = Field(description="Of the facility's own record")
    cars: int = Field(description="Cars seen to leave on them")
    late_share: float = Field(description="Share of a coming morning's cars expected to be late")
    pool_cars: int = Field(description="Cars of the neighbourhood's other facilities, whose record helps a thin one")
    pool_late_share: float
    pool_weight: float = Field(description="How much of the share comes from the others")
    state: Literal["kept", "proposed", "applied", "at_term_change"] = Field(
        description="`at_term_change`: permits hold the bays, so it can be raised when their term ends"
    )
    made_at: datetime
    applied_at: datetime | None


class BufferOut(BaseModel):
    """A facility's buffer, its owner's settings, and the newest estimates first."""

    facility: int
    buffer_bays: int
    settings: BufferSettings
    estimates: list[BufferEstimate]


def buffer_out(place: Row[Any], estimates: list[Row[Any]]) -> BufferOut:
    """Show a buffer."""
    names = BufferSettings.model_fields
    return BufferOut(
        facility=place.id,
        buffer_bays=place.buffer_bays,
        settings=BufferSettings(**{name: getattr(place, name) for name in names}),
        estimates=[BufferEstimate.model_validate(dict(row._mapping)) for row in estimates],
    )
