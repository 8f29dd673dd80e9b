"""Codes, checks and claims as they come in and go out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import Row

from api.accounts.schemas import NO_ZERO, Incoming


class GateCodeOut(BaseModel):
    """A code for the barrier; it cannot be seen again."""

    code: str = Field(description="Eight digits, good for one entry and one exit")
    expires_at: datetime
    facility: int
    name: str


class GateCodeIn(Incoming):
    """A code that somebody has typed in, or told the attendant."""

    code: Annotated[str, Field(min_length=1, max_length=20, pattern=NO_ZERO, examples=["04318827"])]
    direction: Literal["entry", "exit"]


class GateCodeChecked(BaseModel):
    """Whether to open; one answer to every code that does not."""

    valid: bool
    until: datetime | None = Field(description="When the stay ends")
    bay: str | None


class PlateIn(Incoming):
    """One plate."""

    plate: Annotated[str, Field(min_length=2, max_length=20, pattern=NO_ZERO, examples=["沪A8K123"])]


class PlateChecked(BaseModel):
    """Whether a car may stand here now."""

    allowed: bool
    until: datetime | None


class CheckedInOut(BaseModel):
    """When a household said that it came and went; its first word stands."""

    stay: int
    checked_in_at: datetime | None
    checked_out_at: datetime | None


class BayTakenIn(Incoming):
    """What a household sees on its bay."""

    evidence: Annotated[str | None, Field(max_length=2000, pattern=NO_ZERO)] = None


class ContactModel(Incoming):
    """Whom to call at a facility."""

    name: Annotated[str, Field(min_length=1, max_length=80, pattern=NO_ZERO, examples=["night porter"])]
    phone: Annotated[str, Field(pattern=r"^\+?[0-9][0-9 ()\-]{2,29}$", examples=["+86 21 5555 0100"])]


class NewBayOut(BaseModel):
    """Another bay for the rest of the stay."""

    stay: int
    facility: int
    name: str
    bay: str
    walk_m: int | None
    end: datetime = Field(alias="to")


class BayTakenOut(BaseModel):
    """Another bay, or what is due back; and whom to call, which is all there is for `call`: the stay goes on."""

    claim: int | None
    outcome: Literal["moved", "money_back", "call"]
    why: Literal["most_claims", "not_seen"] | None = Field(
        description="Of `call`: two claims were made this night, or the gate did not see the car come in"
    )
    new_bay: NewBayOut | None
    due_cents: int = Field(
        description="What the household gets back, or is not charged: a booking's price, a permit's share of a day"
    )
    contact: ContactModel | None


class ClaimOut(BaseModel):
    """A bay that somebody else was on, as the owner sees it."""

    id: int
    at: datetime
    bay: str
    outcome: Literal["moved", "money_back"]
    due_cents: int
    evidence: str | None


def claim_out(row: Row[Any]) -> ClaimOut:
    """Show a bay that somebody else was on."""
    return ClaimOut(
        id=row.id,
        at=row.claimed_at,
        bay=f"{row.bay_group} {row.number}",
        outcome=row.outcome,
        due_cents=row.due_cents,
        evidence=row.evidence,
    )
