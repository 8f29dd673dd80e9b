"""Bookings as they are asked for and shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from api.bookings.queries import Booking
from api.finding.walking import walk_min

Why = Literal["other_facility", "part_of_period", "later_night"]


class BookingIn(BaseModel):
    """A bay for a period: at a facility, on one bay, or at the nearest facility that has one."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    facility: int | None = Field(default=None, ge=1, le=2**63 - 1, description="Only there; the nearest without")
    bay: int | None = Field(default=None, ge=1, le=2**63 - 1, description="Only this one; any that is free without")
    start: datetime | None = Field(
        default=None,
        alias="from",
        description="Local time, or an instant with offset; now without",
    )
    end: datetime = Field(alias="to", description="As `from`")
    vehicle: int | None = Field(default=None, ge=1, le=2**63 - 1, description="The household's only one without")
    confirm: bool = Field(default=False, description="Book at once instead of holding the bay for ten minutes")


class PlaceOut(BaseModel):
    """A facility and a bay of it."""

    facility: int
    name: str
    bay: int
    bay_group: str
    number: int


class BookingOut(BaseModel):
    """A booking: instants in UTC, and the same as the facility's clock shows them."""

    id: int
    state: str
    place: PlaceOut
    start: datetime = Field(alias="from")
    end: datetime = Field(alias="to")
    start_local: datetime = Field(alias="from_local")
    end_local: datetime = Field(alias="to_local")
    timezone: str
    expires_at: datetime | None = Field(description="Until when a hold can be confirmed")
    vehicle: int
    walk_m: int | None
    price_cents: int | None


class BookingPage(BaseModel):
    """Bookings of a household, the newest first."""

    bookings: list[BookingOut]
    next: str | None = Field(description="Cursor of the next page; null at the end")


class AlternativeOut(BaseModel):
    """Another bay that could be had a moment ago; nothing is held."""

    why: Why
    facility: int
    name: str
    walk_m: int
    walk_min: int
    start: datetime = Field(alias="from")
    end: datetime = Field(alias="to")
    free_bays: int
    price_cents: int | None


def booking_out(row: Booking) -> BookingOut:
    """Show a booking."""
    zone = ZoneInfo(row.timezone)
    return BookingOut.model_validate(
        {
            "id": row.id,
            "state": row.state,
            "place": {
                "facility": row.facility_id,
                "name": row.name,
                "bay": row.bay_id,
                "bay_group": row.bay_group,
                "number": row.number,
            },
            "from": row.starts_at,
            "to": row.ends_at,
            "from_local": row.starts_at.astimezone(zone).replace(tzinfo=None),
            "to_local": row.ends_at.astimezone(zone).replace(tzinfo=None),
            "timezone": row.timezone,
            "expires_at": row.expires_at,
            "vehicle": row.vehicle_id,
            "walk_m": row.walk_m,
            "price_cents": row.price_cents,
        }
    )


def alternative_out(found: Mapping[str, Any]) -> AlternativeOut:
    """Show an alternative."""
    return AlternativeOut.model_validate({**found, "walk_min": walk_min(found["walk_m"])})
