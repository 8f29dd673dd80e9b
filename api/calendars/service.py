"""Calendars as they are shown and seeded; landing a notice is `api.calendars.landing`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from api.calendars import queries
from api.calendars.clock import date_of
from api.calendars.day_kinds import REST_DAY, WORKDAY, day_kinds
from api.calendars.landing import Notice, write_down
from api.calendars.years import official_year
from api.neighbourhoods.loading import NeighbourhoodNotFound

OFFICIAL = "official calendars (chinesecalendar, holidays)"
"""Who says so, where nobody has landed a notice."""
FOLDER = "the neighbourhood's folder"


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """
    A day as a neighbourhood's calendar has it.

    `provisional` says that nobody has decided it yet; `own` that the neighbourhood itself says so, not its country.
    """

    date: date
    kind: str
    provisional: bool
    holiday: str
    source: str
    notice_id: int | None
    own: bool


def days_of(connection: Connection, neighbourhood_id: int, *, first: date, last: date) -> list[CalendarDay]:
    """List the days of a neighbourhood's calendar from one to another, both included."""
    places = queries.list_places(connection, country=None, neighbourhood_id=neighbourhood_id)
    if not places:
        raise NeighbourhoodNotFound("no such neighbourhood")
    place = places[0]
    kinds = day_kinds(
        place.country, first=first, last=last, overrides=queries.calendar_overrides(connection, neighbourhood_id)
    )
    years = queries.list_years(connection, place.country, first=first.year, last=last.year)
    said = {row.date: row for row in queries.list_said(connection, neighbourhood_id, first=first, last=last)}
    names = {
        day.date: day.holiday
        for year in range(first.year, last.year + 1)
        for day in official_year(place.country, year).days
    }
    found = []
    for index, works in enumerate(kinds.workday.tolist()):
        day = date_of(kinds.first + index)
        word, year = said.get(day), years.get(day.year)
        own = word is not None and word.own
        provisional = bool(kinds.provisional[index]) if year is None else not year.decided
        source = (word.source or FOLDER) if word else year.source if year else OFFICIAL
        notice = word.notice_id if word else year.notice_id if year else None
        holiday = word.holiday if word else "" if year else names.get(day, "")
        found.append(
            CalendarDay(day, WORKDAY if works else REST_DAY, provisional and not own, holiday, source, notice, own)
        )
    return found


def provisional_dates(connection: Connection, neighbourhood_id: int, first: date, last: date) -> list[date]:
    """List the dates from one to another, both included, that nobody has decided yet."""
    return [day.date for day in days_of(connection, neighbourhood_id, first=first, last=last) if day.provisional]


@dataclass(frozen=True, slots=True)
class Seeded:
    """Years written down, those of them that are provisional, and those that have been decided since they were."""

    added: tuple[int, ...]
    provisional: tuple[int, ...]
    to_land: tuple[int, ...]


def seed(
    connection: Connection, *, country: str, first: int, last: int, account_id: int | None, now: datetime
) -> Seeded:
    """
    Write the years of a country down as the official calendars have them, where they are not yet; that hits nobody.

    A year that is written down as provisional and has been decided since is named, not touched: to land it may hit
    households.
    """
    country = country.upper()
    there = queries.list_years(connection, country, first=first, last=last)
    missing = [year for year in range(first, last + 1) if year not in there]
    for number in missing:
        year = official_year(country, number)
        notice = Notice(number, year.days, OFFICIAL, country=country, decided=year.decided)
        write_down(connection, notice, account_id=account_id, now=now)  # what it says is what holds without it
    return Seeded(
        added=tuple(missing),
        provisional=tuple(year for year in missing if not official_year(country, year).decided),
        to_land=tuple(year for year, row in there.items() if not row.decided and official_year(country, year).decided),
    )
