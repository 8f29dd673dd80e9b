"""Free bays near a home or an address."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from api.calendars.clock import minute_of, moment_of
from api.dependencies import in_thread, quick
from api.facilities.availability import instant_of
from api.finding.cursor import read_cursor
from api.finding.nights import NightHours, UsualNights
from api.finding.period import Period
from api.finding.queries import find_place
from api.finding.schemas import FreeBaysIn, FreeBaysOut, FreeBaysQuery, free_bays_out
from api.finding.service import Address, StoredHome, list_free_bays
from api.finding.wanted import Wanted
from api.households.queries import HomeNotFound
from api.neighbourhoods.loading import NeighbourhoodNotFound
from api.problems import BadRange

MOST_DAYS = 31
_FIRST_YEAR, _LAST_YEAR = 2000, 2199

router = APIRouter(prefix="/v1/neighbourhoods/{neighbourhood}/free-bays", tags=["finding"])


class GeoJson(JSONResponse):
    """GeoJSON says that it is (RFC 7946, section 12)."""

    media_type = "application/geo+json"


@router.get(
    "",
    summary="Free bays near a stored home or a place on the map, by walking distance",
    response_class=GeoJson,
    response_model=FreeBaysOut,
)
async def get_free_bays(request: Request, neighbourhood: str, search: Annotated[FreeBaysQuery, Query()]) -> Response:
    """Facilities within the walk that have a bay for the whole period, the nearest first."""
    if search.home is not None:
        return await _found(request, neighbourhood, search, origin=StoredHome(search.home))
    lon, lat = map(float, (search.near or "").split(","))
    return await _found(request, neighbourhood, search, origin=Address(lon, lat))


@router.post(
    "",
    summary="Free bays near an address, which appears in no URL and no log",
    response_class=GeoJson,
    response_model=FreeBaysOut,
)
async def post_free_bays(request: Request, neighbourhood: str, search: FreeBaysIn) -> Response:
    """As GET; nothing is stored."""
    if search.home is not None:
        return await _found(request, neighbourhood, search, origin=StoredHome(search.home))
    if search.place is None:  # the schema lets nothing through without either
        raise BadRange("Give one of `home` and `place`.")
    return await _found(request, neighbourhood, search, origin=Address(search.place.lon, search.place.lat))


async def _found(
    request: Request, neighbourhood: str, search: FreeBaysQuery | FreeBaysIn, *, origin: StoredHome | Address
) -> Response:
    def find(connection: Connection) -> FreeBaysOut:
        return _find(request, connection, neighbourhood, search, origin=origin)

    if isinstance(origin, StoredHome):
        async with quick(request) as connection:
            found = await connection.run_sync(find)
    else:
        # Measuring on the streets keeps a processor busy for a while: others are served meanwhile.
        found = await in_thread(request, find)
    return Response(found.model_dump_json(by_alias=True), media_type=GeoJson.media_type)


def _find(
    request: Request,
    connection: Connection,
    neighbourhood: str,
    search: FreeBaysQuery | FreeBaysIn,
    *,
    origin: StoredHome | Address,
) -> FreeBaysOut:
    row = find_place(connection, neighbourhood, home_id=origin.home_id if isinstance(origin, StoredHome) else None)
    if row is None:
        raise NeighbourhoodNotFound("no such neighbourhood")
    zone = ZoneInfo(row.timezone)
    nights: UsualNights = request.app.state.usual_nights
    after = None if search.cursor is None else read_cursor(search.cursor)
    if after is not None:
        period = after.period  # all pages of a search are about one period
    else:
        period = _period(search.start, search.end, zone=zone, hours=nights.of(connection, row.id))
    if isinstance(origin, StoredHome) and not row.has_home:
        raise HomeNotFound("no such home here")
    wanted = Wanted(period, tuple(search.needs), search.height_m, search.max_price_cents)
    max_walk_m = float(row.max_walk_m) if search.max_walk_m is None else search.max_walk_m
    page = list_free_bays(
        connection, row.id, origin=origin, wanted=wanted, max_walk_m=max_walk_m, limit=search.limit, after=after
    )
    return free_bays_out(page, period=period, zone=zone, max_walk_m=max_walk_m)


def _period(start: datetime | None, end: datetime | None, *, zone: ZoneInfo, hours: NightHours) -> Period:
    """Return the period that is meant: what is left out is now, and the usual leave-by."""
    begins = None if start is None else _instant(start, zone)
    night = hours.night_of(begins or datetime.now(UTC), zone=zone)
    if begins is None:
        begins = night.start if end is None else datetime.now(UTC).replace(second=0, microsecond=0)
    ends = night.end if end is None else _instant(end, zone)
    if not begins < ends:
        raise BadRange("`to` must lie after `from`, and after now where no `from` is given.")
    if (ends - begins).days >= MOST_DAYS:
        raise BadRange(f"`to` must lie less than {MOST_DAYS} days after `from`.")
    return Period(begins, ends)


def _instant(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return a time that is local, or has an offset of its own, to the minute."""
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise BadRange(f"`from` and `to` must lie between {_FIRST_YEAR} and {_LAST_YEAR}.")
    if moment.tzinfo is None:
        return instant_of(moment_of(minute_of(moment)), zone)
    return moment.astimezone(UTC).replace(second=0, microsecond=0)
