"""A year of a calendar as a notice has it: the days that are not as the week says, and holidays by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import chinese_calendar
import holidays

from api.calendars.day_kinds import REST_DAY, WORKDAY, official_kind, public_holidays

FIRST_YEAR, LAST_YEAR = 2000, 2199
_WEEKEND = frozenset({5, 6})


@dataclass(frozen=True, slots=True, order=True)
class Day:
    """A day, what it is, and the name of the holiday it belongs to, if any."""

    date: date
    kind: str
    holiday: str = ""


@dataclass(frozen=True, slots=True)
class Year:
    """
    What is said of a year; all other days follow the week of the country.

    `decided` is false while nobody has decided: then the year is an estimate.
    """

    country: str
    year: int
    decided: bool
    days: tuple[Day, ...]

    def document(self) -> dict[str, Any]:
        """Give the year as it is kept in the history of a calendar."""
        return {"decided": self.decided, "days": documents(self.days)}


def documents(days: tuple[Day, ...]) -> list[dict[str, str]]:
    """Give days as they are kept in the history of a calendar."""
    return [{"date": day.date.isoformat(), "kind": day.kind, "holiday": day.holiday} for day in days]


def dates_of(year: int) -> list[date]:
    """List the dates of a year."""
    first = date(year, 1, 1)
    return [first + timedelta(days=number) for number in range((date(year + 1, 1, 1) - first).days)]


@lru_cache(maxsize=256)
def official_year(country: str, year: int) -> Year:
    """
    Give a year as the official calendars have it, as far as they know it.

    China's decided years come with their make-up workdays; a year with a date that is estimated is not decided.
    """
    days, decided = [], True
    weekend = weekend_of(country)
    for day in dates_of(year):
        works, provisional = official_kind(country, day)
        decided = decided and not provisional
        name = _name_of(country, day)
        if name or works != (day.weekday() not in weekend):
            days.append(Day(day, WORKDAY if works else REST_DAY, name))
    return Year(country, year, decided, tuple(days))


@lru_cache(maxsize=64)
def weekend_of(country: str) -> frozenset[int]:
    """Return the weekdays on which a country rests, Monday is 0."""
    if country not in holidays.list_supported_countries():
        return _WEEKEND
    return frozenset(holidays.country_holidays(country).weekend)


@lru_cache(maxsize=256)
def overrides_of(year: Year) -> Mapping[date, str]:
    """
    Give the days of a year on which the table says something that the official calendars do not.

    Of a decided year that includes the days which they only estimate.
    """
    weekend, said = weekend_of(year.country), {day.date: day.kind for day in year.days}
    found = {}
    for day in dates_of(year.year):
        kind = said.get(day, REST_DAY if day.weekday() in weekend else WORKDAY)
        works, provisional = official_kind(year.country, day)
        if works != (kind == WORKDAY) or (provisional and year.decided):
            found[day] = kind
    return MappingProxyType(found)


def _name_of(country: str, day: date) -> str:
    """Name the holiday a date belongs to, its make-up workdays included."""
    if country == "CN":
        try:
            name = chinese_calendar.get_holiday_detail(day)[1]
        except NotImplementedError:
            pass
        else:
            return "" if name is None else str(chinese_calendar.Holiday(name).chinese)
    known = public_holidays(country, day.year)
    return "" if known is None else "; ".join(known.get_list(day))
