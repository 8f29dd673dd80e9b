"""Facilities and their availability."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query, Response

from api.calendars.queries import calendar_overrides
from api.dependencies import Connected
from api.facilities.availability import MOST_DAYS, Place, PlannedStay, availability, days_between
from api.facilities.queries import (
    facility_marks,
    find_newest_plan_id,
    get_facility_row,
    planned_stays,
)
from api.facilities.schemas import (
    AvailabilityOut,
    FacilityCollection,
    FacilityFeature,
    GroupAvailability,
    IntervalOut,
    facility_feature,
)
from api.neighbourhoods.loading import load_extra_properties, load_facilities
from api.neighbourhoods.queries import get_neighbourhood
from api.problems import BadRange

router = APIRouter(prefix="/v1", tags=["facilities"])
_FIRST_AND_LAST_YEAR = "`from` and `to` must lie between 1971 and 2199, `from` first."
FacilityId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/neighbourhoods/{neighbourhood}/facilities", summary="All facilities as GeoJSON")
def get_facilities(connection: Connected, neighbourhood: str) -> FacilityCollection:
    """Show what a neighbourhood shares: geometry, bay groups, windows, bays."""
    owner = get_neighbourhood(connection, neighbourhood).id
    marks, extra = facility_marks(connection, owner), load_extra_properties(connection, owner)
    facilities = load_facilities(connection, owner)
    return FacilityCollection(features=[facility_feature(marks[f.id], f, dict(extra[f.id])) for f in facilities])


@router.get("/facilities/{facility}", summary="One facility as GeoJSON")
def get_facility(connection: Connected, facility: FacilityId, response: Response) -> FacilityFeature:
    """Show a facility; its ETag is what a change of it begins from."""
    row = get_facility_row(connection, facility)
    [found] = load_facilities(connection, row.neighbourhood_id, code=row.code)
    response.headers["ETag"] = f'"{row.version}"'
    return facility_feature(row, found, dict(row.extra))


@router.get("/facilities/{facility}/availability", summary="Free bays over time")
def get_availability(
    connection: Connected,
    facility: FacilityId,
    start: Annotated[
        datetime, Query(alias="from", description="Local time of the facility, or an instant with offset")
    ],
    end: Annotated[datetime, Query(alias="to", description="As `from`, at most 92 days later")],
) -> AvailabilityOut:
    """Count bays shared, taken by the newest plan, and free, in intervals without change."""
    row = get_facility_row(connection, facility)
    zone = ZoneInfo(row.timezone)
    place = Place(zone, row.country, row.term_from, row.term_to, calendar_overrides(connection, row.neighbourhood_id))
    span = _local(start, zone), _local(end, zone)
    _require_sensible(*span)
    [found] = load_facilities(connection, row.neighbourhood_id, code=row.code)
    plan_id = find_newest_plan_id(connection, row.neighbourhood_id)
    rows = planned_stays(connection, plan_id=plan_id, facility_id=facility) if plan_id else []
    stays = [
        PlannedStay(r.code, r.days, r.arrive_min, r.leave_min, r.stay_through, tuple(r.days_left_out), r.cars)
        for r in rows
    ]
    by_group, provisional = availability(found, place, stays, start=span[0], end=span[1])
    return AvailabilityOut(
        facility=facility,
        timezone=row.timezone,
        plan=plan_id,
        provisional=provisional,
        bay_groups=[
            GroupAvailability(
                bay_group=name,
                intervals=[
                    IntervalOut(start=i.start, end=i.end, capacity=i.capacity, taken=i.taken, free=i.free)
                    for i in intervals
                ],
            )
            for name, intervals in by_group.items()
        ],
    )


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return a time as the facility's wall clock shows it, to the minute."""
    try:
        local = moment if moment.tzinfo is None else moment.astimezone(zone).replace(tzinfo=None)
    except OverflowError:
        raise BadRange(_FIRST_AND_LAST_YEAR) from None
    return local.replace(second=0, microsecond=0)


def _require_sensible(start: datetime, end: datetime) -> None:
    if not 1971 <= start.year <= end.year <= 2199:
        raise BadRange(_FIRST_AND_LAST_YEAR)
    if not 0 < days_between(start, end) <= MOST_DAYS:
        raise BadRange(f"`to` must lie after `from`, at most {MOST_DAYS} days.")
