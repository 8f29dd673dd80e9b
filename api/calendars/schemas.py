"""Calendars as they are asked for and shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from api.calendars.landing import Hits
from api.calendars.service import CalendarDay

_LONGEST_SHEET = 60_000
Kind = Literal["workday", "rest_day"]


class DayOut(BaseModel):
    """A day of a calendar."""

    date: date
    kind: Kind
    provisional: bool = Field(description="Nobody has decided it yet: weekends and statutory holidays are assumed")
    holiday: str = Field(description="The holiday it belongs to, make-up workdays too; empty without")
    source: str = Field(description="Who says so")
    notice: int | None = Field(description="Id of the notice that says so")
    own: bool = Field(description="The neighbourhood itself says so, not its country")


class CalendarOut(BaseModel):
    """Workdays and rest days of a neighbourhood."""

    neighbourhood: str
    days: list[DayOut]


class DayIn(BaseModel):
    """A day that is not as the week says, or a holiday by name."""

    model_config = ConfigDict(extra="forbid")

    date: date
    kind: Kind
    holiday: str = Field("", max_length=100)


class NoticeIn(BaseModel):
    """What is said of a year: all its days that are not as the week (or the country) says, in place of those before."""

    model_config = ConfigDict(extra="forbid")

    whose: Literal["country", "neighbourhood"] = Field(
        description="The calendar of the whole country, or this neighbourhood's own word on top of it"
    )
    year: int = Field(ge=2000, le=2199)
    source: str = Field(min_length=1, max_length=200, description="Which notice says so")
    decided: bool = Field(True, description="False leaves the year of a country provisional")
    days: list[DayIn] | None = Field(None, max_length=366)
    csv: str | None = Field(
        None, max_length=_LONGEST_SHEET, description="Instead of `days`: a sheet with `date,kind,holiday`"
    )


class ConfirmedNotice(BaseModel):
    """A notice, with the token of what was shown."""

    model_config = ConfigDict(extra="forbid")

    notice: NoticeIn
    token: str = Field(max_length=64)


class HitsOut(BaseModel):
    """Whom a notice hits: numbers, never names."""

    changed_days: int = Field(description="Days of another kind from now on, of every neighbourhood that goes by it")
    stays: int
    bookings: int
    permits: int
    households: int
    token: str = Field(description="Confirms exactly this")


class LandedOut(BaseModel):
    """A notice that has landed."""

    id: int
    country: str | None
    neighbourhood: str | None = Field(description="Whose own word it is; null of a country's")
    year: int
    decided: bool
    source: str
    days: list[dict[str, str]]
    before: list[dict[str, str]] = Field(description="The days that held before: landing them undoes it")
    before_decided: bool
    stays: int
    permits: int
    households: int
    landed_at: datetime


class NoticeList(BaseModel):
    """How a calendar came to be, the newest notice first."""

    neighbourhood: str
    notices: list[LandedOut]


class MissedOut(BaseModel):
    """Why a notice has not landed, as a problem (RFC 9457), and whom it would hit as things are now."""

    type: str
    title: str
    status: int
    detail: str
    hits: HitsOut


def day_out(day: CalendarDay) -> DayOut:
    """Show a day."""
    return DayOut(
        date=day.date,
        kind=day.kind,  # type: ignore[arg-type]  # the database knows these two
        provisional=day.provisional,
        holiday=day.holiday,
        source=day.source,
        notice=day.notice_id,
        own=day.own,
    )


def hits_out(hits: Hits) -> HitsOut:
    """Show whom a notice hits."""
    return HitsOut(
        changed_days=hits.changed_days,
        stays=hits.stays,
        bookings=hits.bookings,
        permits=hits.permits,
        households=hits.households,
        token=hits.token,
    )


def landed_out(row: Row[Any], *, neighbourhood: str) -> LandedOut:
    """Show a notice that has landed, without who landed it."""
    before: Mapping[str, Any] = row.before
    return LandedOut(
        id=row.id,
        country=row.country,
        neighbourhood=None if row.neighbourhood_id is None else neighbourhood,
        year=row.year,
        decided=row.decided,
        source=row.source,
        days=row.days,
        before=before["days"],
        before_decided=before["decided"],
        stays=row.stays,
        permits=row.permits,
        households=row.households,
        landed_at=row.landed_at,
    )
