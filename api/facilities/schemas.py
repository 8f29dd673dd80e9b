"""Facilities as the service shows them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal

import shapely
from pydantic import BaseModel, Field
from sqlalchemy import Row

from api.calendars.clock import hours_text
from api.neighbourhoods.model import BayGroup, Facility, Window
from api.neighbourhoods.supply_rows import num_bays
from api.pages.words import window_words


class WindowOut(BaseModel):
    """A share window; hours count from the start of its own day, up to 48:00."""

    days: str
    from_: str = Field(alias="from")
    to: str
    bays: int
    last_entry: str | None
    season: list[str] | None
    words: str


class BayGroupOut(BaseModel):
    """Bays that are interchangeable."""

    id: str
    kind: list[str]
    bays: int
    windows: list[WindowOut]


class FacilityProperties(BaseModel):
    """What a facility shares, under which rules."""

    id: int
    version: int
    """Counts every change that was published."""
    code: str
    name: str
    kind: str
    bays: int
    buffer_bays: int
    max_height_m: float | None
    monthly_price_cents: int | None
    night_price_cents: int | None
    entrances: list[tuple[float, float]]
    no_movement: dict[str, str] | None
    closures: list[dict[str, str]]
    bay_groups: list[BayGroupOut]
    extra: dict[str, Any]


class FacilityFeature(BaseModel):
    """A GeoJSON feature (RFC 7946), WGS 84."""

    type: Literal["Feature"] = "Feature"
    id: int
    geometry: dict[str, Any]
    properties: FacilityProperties


class FacilityCollection(BaseModel):
    """A GeoJSON feature collection."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[FacilityFeature]


class IntervalOut(BaseModel):
    """A time without change, as instants."""

    start: datetime
    end: datetime
    capacity: int
    taken: int
    free: int


class GroupAvailability(BaseModel):
    """When a bay group is open, and how full the plan makes it."""

    bay_group: str
    intervals: list[IntervalOut]


class AvailabilityOut(BaseModel):
    """Bays of a facility over time."""

    facility: int
    timezone: str
    plan: int | None
    provisional: bool
    """Some of the days are not decided yet as workdays or holidays."""
    bay_groups: list[GroupAvailability]


def facility_feature(mark: Row[Any], facility: Facility, extra: dict[str, Any]) -> FacilityFeature:
    """Show a facility; `mark` has its id, version and price of a night."""
    properties = FacilityProperties(
        id=mark.id,
        version=mark.version,
        code=facility.id,
        name=facility.name,
        kind=facility.kind,
        bays=sum(num_bays(group) for group in facility.bay_groups),
        buffer_bays=facility.buffer_bays,
        max_height_m=facility.max_height_m,
        monthly_price_cents=facility.monthly_price_cents,
        night_price_cents=mark.night_price_cents,
        entrances=list(facility.entrances),
        no_movement=_no_movement(facility),
        closures=[
            {"from": c.start.isoformat(), "to": c.end.isoformat(), "reason": c.reason} for c in facility.closures
        ],
        bay_groups=[_group(group) for group in facility.bay_groups],
        extra=extra,
    )
    geometry = json.loads(shapely.to_geojson(facility.geometry))
    return FacilityFeature(id=mark.id, geometry=geometry, properties=properties)


def _no_movement(facility: Facility) -> dict[str, str] | None:
    if facility.no_movement is None:
        return None
    start, end = facility.no_movement
    return {"from": hours_text(start), "to": hours_text(end)}


def _group(group: BayGroup) -> BayGroupOut:
    return BayGroupOut(
        id=group.id, kind=list(group.kinds), bays=num_bays(group), windows=[_window(window) for window in group.windows]
    )


def _window(window: Window) -> WindowOut:
    return WindowOut.model_validate(
        {
            "days": window.days,
            "from": hours_text(window.from_min),
            "to": hours_text(window.to_min),
            "bays": window.bays,
            "last_entry": None if window.last_entry_min is None else hours_text(window.last_entry_min),
            "season": [f"{month:02d}-{day:02d}" for month, day in window.season] if window.season else None,
            "words": window_words(window),
        }
    )
