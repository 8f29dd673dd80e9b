"""Offers as they are shown."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import Row

from api.calendars.clock import hours_text


class OfferOut(BaseModel):
    """A permit that waits for the household's word, or what became of it."""

    id: int
    state: Literal["pending", "accepted", "declined", "lapsed", "withdrawn"]
    source: Literal["plan", "waitlist", "re_accommodation"]
    permit: int
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
    walk_m: int | None
    monthly_price_cents: int | None
    deposit_cents: int = Field(
        description="Charged when the permit begins; comes back after its end, less what a consequence keeps"
    )
    made_at: datetime
    delivered_at: datetime | None
    expires_at: datetime | None = Field(
        description="72 hours after delivery, with a whole working day in them; null before that"
    )
    decided_at: datetime | None


def offer_out(row: Row[Any]) -> OfferOut:
    """Show an offer."""
    return OfferOut(
        id=row.id,
        state=row.state,
        source=row.source,
        permit=row.permit_id,
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
        walk_m=row.walk_m,
        monthly_price_cents=row.monthly_price_cents,
        deposit_cents=row.deposit_cents,
        made_at=row.made_at,
        delivered_at=row.delivered_at,
        expires_at=row.expires_at,
        decided_at=row.decided_at,
    )
