"""Calendars are everybody's to read; planners change them, after seeing whom that hits."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy import Connection, Row

from api.accounts.dependencies import Planner, Transaction
from api.calendars import queries
from api.calendars.errors import ImpossibleNotice
from api.calendars.landing import Notice, confirm_notice, preview_notice
from api.calendars.reading import check_days, read_days
from api.calendars.schemas import (
    CalendarOut,
    ConfirmedNotice,
    HitsOut,
    LandedOut,
    MissedOut,
    NoticeIn,
    NoticeList,
    day_out,
    hits_out,
    landed_out,
)
from api.calendars.service import days_of
from api.dependencies import Connected
from api.neighbourhoods.queries import get_neighbourhood
from api.problems import BadRange

router = APIRouter(prefix="/v1/calendars", tags=["calendars"])
_PROBLEM = "application/problem+json"
_MOST_DAYS = 800
_MISSED: dict[int | str, dict[str, Any]] = {
    409: {"model": MissedOut, "description": "It would hit others than those shown"}
}


@router.get("/{neighbourhood}", summary="Workdays and rest days")
def get_calendar(
    connection: Connected,
    neighbourhood: str,
    first: Annotated[date | None, Query(alias="from", description="First day; today without")] = None,
    last: Annotated[date | None, Query(alias="to", description="Last day, at most 800 later; a year without")] = None,
) -> CalendarOut:
    """List days with their holidays; those that nobody has decided yet are provisional, and said to be."""
    place = get_neighbourhood(connection, neighbourhood)
    first = first or datetime.now(UTC).date()
    if not (date(1971, 1, 1) <= first <= date(2198, 12, 31)):
        raise BadRange("`from` and `to` must lie between 1971 and 2198, `from` first.")
    last = last or first + timedelta(days=365)
    if not 0 <= (last - first).days <= _MOST_DAYS:
        raise BadRange(f"`to` must not lie before `from`, nor more than {_MOST_DAYS} days after it.")
    days = days_of(connection, place.id, first=first, last=last)
    return CalendarOut(neighbourhood=place.slug, days=[day_out(day) for day in days])


@router.get("/{neighbourhood}/notices", summary="How a calendar came to be")
def get_notices(connection: Connected, neighbourhood: str) -> NoticeList:
    """List the notices a calendar was made by: what each said, what held before, and how many it hit."""
    place = get_neighbourhood(connection, neighbourhood)
    rows = queries.list_notices(connection, place.id)
    return NoticeList(neighbourhood=place.slug, notices=[landed_out(row, neighbourhood=place.slug) for row in rows])


@router.post("/{neighbourhood}/notices/preview", summary="Whom a notice would hit")
def post_preview(transaction: Transaction, planner: Planner, neighbourhood: str, wanted: NoticeIn) -> HitsOut:
    """Count permits, stays and households; nothing is changed."""
    notice = _meant(transaction, neighbourhood, wanted)
    return hits_out(preview_notice(transaction, notice, account_id=planner.account_id, now=datetime.now(UTC)))


@router.post(
    "/{neighbourhood}/notices", summary="Land a notice", status_code=201, response_model=LandedOut, responses=_MISSED
)
def post_notice(transaction: Transaction, planner: Planner, neighbourhood: str, wanted: ConfirmedNotice) -> Response:
    """
    Change the calendar exactly as the preview showed, and openings, stays, permits and the ledger with it.

    Those affected are told. 409 with new numbers where it would hit others by now. Landing `before` undoes a notice.
    """
    notice = _meant(transaction, neighbourhood, wanted.notice)
    landing = confirm_notice(
        transaction, notice, token=wanted.token, account_id=planner.account_id, now=datetime.now(UTC)
    )
    if landing.notice_id is not None:
        made: Row[Any] = queries.find_notice(transaction, landing.notice_id)
        shown = landed_out(made, neighbourhood=neighbourhood).model_dump_json()
        return Response(shown, status_code=201, media_type="application/json")
    missed = MissedOut(
        type="consequences-changed",
        title="Consequences changed",
        status=409,
        detail="Nothing was changed: it would hit others than those shown. Send the new token to go ahead.",
        hits=hits_out(landing.hits),
    )
    return Response(missed.model_dump_json(), status_code=409, media_type=_PROBLEM)


def _meant(transaction: Connection, neighbourhood: str, wanted: NoticeIn) -> Notice:
    place = get_neighbourhood(transaction, neighbourhood)
    if (wanted.days is None) == (wanted.csv is None):
        raise ImpossibleNotice("send `days` or `csv`, one of the two")
    if wanted.csv is not None:
        days = read_days(wanted.csv, year=wanted.year)
    else:
        lines = [(number, day.model_dump(mode="json")) for number, day in enumerate(wanted.days or (), 1)]
        days = check_days(lines, year=wanted.year)
    return Notice(
        year=wanted.year,
        days=days,
        source=wanted.source,
        country=place.country.upper() if wanted.whose == "country" else None,
        neighbourhood_id=place.id if wanted.whose == "neighbourhood" else None,
        decided=wanted.decided,
    )
