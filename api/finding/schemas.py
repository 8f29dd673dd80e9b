"""Searches as they are asked, and free bays as they are shown."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.finding.period import Period
from api.finding.service import Page
from api.finding.walking import WalkBy, walk_min

_LON_LAT = r"^-?\d{1,3}(\.\d{1,12})?,-?\d{1,2}(\.\d{1,12})?$"


class _Search(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    home: int | None = Field(default=None, ge=1, le=2**63 - 1, description="Id of a stored home")
    start: datetime | None = Field(
        default=None,
        alias="from",
        description="Local time of the neighbourhood, or an instant with offset; now, or when bays open, without",
    )
    end: datetime | None = Field(
        default=None, alias="to", description="As `from`; without, the usual leave-by of the night of `from`"
    )
    needs: list[Literal["accessible", "ev"]] = Field(default_factory=list, max_length=2)
    height_m: float | None = Field(default=None, ge=0, le=10, allow_inf_nan=False, description="Height of the vehicle")
    max_price_cents: int | None = Field(default=None, ge=0, le=2**53, description="Most that a night may cost")
    max_walk_m: float | None = Field(
        default=None,
        ge=0,
        le=3000,
        allow_inf_nan=False,
        description="The neighbourhood's own limit without; from homes, walks are known up to 1,000 m",
    )
    limit: int = Field(default=20, ge=1, le=100)
    cursor: str | None = Field(default=None, max_length=200, description="`next` of the page before")


class FreeBaysQuery(_Search):
    """A search from a stored home, or from a place on the map that is nobody's home."""

    near: str | None = Field(default=None, pattern=_LON_LAT, description="`lon,lat` in WGS 84 degrees")

    @model_validator(mode="after")
    def _from_one_place(self) -> FreeBaysQuery:
        if (self.home is None) == (self.near is None):
            raise ValueError("give one of `home` and `near`")
        if self.near is not None:
            PlaceIn(**dict(zip(("lon", "lat"), map(float, self.near.split(",")), strict=True)))
        return self


class PlaceIn(BaseModel):
    """A place in WGS 84 degrees."""

    lon: float = Field(ge=-180, le=180, allow_inf_nan=False)
    lat: float = Field(ge=-85, le=85, allow_inf_nan=False)


class FreeBaysIn(_Search):
    """A search from a stored home or from an address, which is kept out of URLs and logs."""

    place: PlaceIn | None = None

    @model_validator(mode="after")
    def _from_one_place(self) -> FreeBaysIn:
        if (self.home is None) == (self.place is None):
            raise ValueError("give one of `home` and `place`")
        return self


class FreeBaysProperties(BaseModel):
    """A facility with a bay for the whole period."""

    id: int
    code: str
    name: str
    kind: str
    walk_m: int
    walk_min: int = Field(description="At 80 m a minute")
    free_bays: int = Field(description="Free for the whole period")
    leave_by: datetime = Field(description="When the window ends, as an instant")
    leave_by_local: datetime = Field(description="The same on the facility's clock")
    night_price_cents: int | None
    max_height_m: float | None


class FreeBaysFeature(BaseModel):
    """A GeoJSON feature (RFC 7946), WGS 84."""

    type: Literal["Feature"] = "Feature"
    id: int
    geometry: dict[str, Any]
    properties: FreeBaysProperties


class FreeBaysOut(BaseModel):
    """Facilities with free bays in walking order, and what was searched for."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    start: datetime = Field(alias="from")
    end: datetime = Field(alias="to")
    start_local: datetime = Field(alias="from_local")
    end_local: datetime = Field(alias="to_local")
    timezone: str
    max_walk_m: float
    walk_by: WalkBy = Field(
        description="`pairs`: stored for the home; `network`: measured on the streets; `straight`: straight line × 1.3"
    )
    next: str | None = Field(description="Cursor of the next page; null at the end")
    features: list[FreeBaysFeature]


def free_bays_out(page: Page, *, period: Period, zone: ZoneInfo, max_walk_m: float) -> FreeBaysOut:
    """Show a page."""
    return FreeBaysOut.model_validate(
        {
            "from": period.start,
            "to": period.end,
            "from_local": _local(period.start, zone),
            "to_local": _local(period.end, zone),
            "timezone": zone.key,
            "max_walk_m": max_walk_m,
            "walk_by": page.walk_by,
            "next": page.after.word() if page.after else None,
            "features": [_feature(row, zone) for row in page.rows],
        }
    )


def _feature(row: Any, zone: ZoneInfo) -> dict[str, object]:  # noqa: ANN401 -- a row
    properties = {
        "id": row.id,
        "code": row.code,
        "name": row.name,
        "kind": row.kind,
        "walk_m": row.walk_m,
        "walk_min": walk_min(row.walk_m),
        "free_bays": int(row.free_bays),
        "leave_by": row.leave_by,
        "leave_by_local": _local(row.leave_by, zone),
        "night_price_cents": row.night_price_cents,
        "max_height_m": row.max_height_m,
    }
    return {"id": row.id, "geometry": json.loads(row.geometry), "properties": properties}


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)
