"""Free bays near a home or an address."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from api.calendars.clock import minute_of, moment_of
from api.db.statement import rows_of
from api.dependencies import in_thread, quick
from api.facilities.availability import instant_of
from api.finding.cursor import read_cursor
from api.finding.nights import NightHours, UsualNights
from api.finding.period import Period
from api.finding.queries import place_statement
from api.finding.schemas import FreeBaysIn, FreeBaysOut, FreeBaysQuery, free_bays_out
from api.finding.service import Address, Search, StoredHome
from api.finding.walking import WalkBy, walking_order_from
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
    request: Request, neighbourhood: str, asked: FreeBaysQuery | FreeBaysIn, *, origin: StoredHome | Address
) -> Response:
    place = await _place(request, neighbourhood, origin=origin)
    zone = ZoneInfo(place.timezone)
    after = None if asked.cursor is None else read_cursor(asked.cursor)
    if after is not None:
        period = after.period  # all pages of a search are about one period
    else:
        period = await _period(request, place.id, asked.start, asked.end, zone=zone)
    if isinstance(origin, StoredHome) and not place.has_home:
        raise HomeNotFound("no such home here")
    wanted = Wanted(period, tuple(asked.needs), asked.height_m, asked.max_price_cents)
    max_walk_m = float(place.max_walk_m) if asked.max_walk_m is None else asked.max_walk_m
    search = Search(wanted, max_walk_m, asked.limit, after)
    walk_by: WalkBy = "pairs"
    if isinstance(origin, StoredHome):
        statement = search.near_home(origin.home_id)
    else:
        # Measuring on the streets keeps a processor busy for a while: others are served meanwhile.
        measure = partial(
            walking_order_from, neighbourhood_id=place.id, lon=origin.lon, lat=origin.lat, max_walk_m=max_walk_m
        )
        walks, walk_by = await in_thread(request, measure)
        statement = search.along(walks)
    async with quick(request) as connection:
        rows = await rows_of(connection, statement)
    found = free_bays_out(search.page(rows, walk_by=walk_by), period=period, zone=zone, max_walk_m=max_walk_m)
    return Response(found.model_dump_json(by_alias=True), media_type=GeoJson.media_type)


async def _place(request: Request, slug: str, *, origin: StoredHome | Address) -> Any:  # noqa: ANN401 -- a row
    if "\0" in slug:  # in no slug, and PostgreSQL refuses to look for one
        raise NeighbourhoodNotFound("no such neighbourhood")
    home_id = origin.home_id if isinstance(origin, StoredHome) else None
    async with quick(request) as connection:
        rows = await rows_of(connection, place_statement(slug, home_id=home_id))
    if not rows:
        raise NeighbourhoodNotFound("no such neighbourhood")
    return rows[0]


async def _usual_hours(request: Request, neighbourhood_id: int) -> NightHours:
    nights: UsualNights = request.app.state.usual_nights
    known = nights.known(neighbourhood_id)
    if known is not None:
        return known
    return await in_thread(request, partial(nights.of, neighbourhood_id=neighbourhood_id))


async def _period(
    request: Request, neighbourhood_id: int, start: datetime | None, end: datetime | None, *, zone: ZoneInfo
) -> Period:
    """Return the period that is meant: what is left out is now, and the usual leave-by."""
    begins = None if start is None else _instant(start, zone)
    ends = None if end is None else _instant(end, zone)
    if begins is None or ends is None:
        now = datetime.now(UTC)
        night = (await _usual_hours(request, neighbourhood_id)).night_of(begins or now, zone=zone)
        begins = begins or (night.start if ends is None else now.replace(second=0, microsecond=0))
        ends = ends or night.end
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
