"""Which dates are workdays and which are rest days, by the calendar of a country and the folder's own word."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import chinese_calendar
import holidays
import numpy as np
from numpy.typing import NDArray

from api.calendars.clock import date_of, day_number
from geo.countries import country_box

WORKDAY = "workday"
REST_DAY = "rest_day"
_WEEKDAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True, eq=False)
class DayKinds:
    """
    Workdays and rest days over a run of dates.

    `first` is the day number of the first date; `workday` and `provisional` are (N,) flags by date. A provisional
    date is one whose holidays nobody has decided yet: weekends and statutory holidays are assumed, make-up workdays
    are not known.
    """

    first: int
    workday: NDArray[np.bool_]
    provisional: NDArray[np.bool_]

    @property
    def last(self) -> int:
        """Day number of the last date."""
        return self.first + len(self.workday) - 1

    def is_workday(self, day: int) -> bool:
        """Whether a day number is a workday; IndexError outside the run."""
        if not self.first <= day <= self.last:
            raise IndexError(f"{date_of(day)} lies outside the calendar {date_of(self.first)} to {date_of(self.last)}")
        return bool(self.workday[day - self.first])

    def next_workday(self, day: int) -> int:
        """Day number of the first workday after a day."""
        later = np.flatnonzero(self.workday[day + 1 - self.first :])
        if not len(later):
            raise IndexError(f"no workday after {date_of(day)} until {date_of(self.last)}")
        return day + 1 + int(later[0])

    def matching(self, days: str, *, first: int, last: int) -> NDArray[np.int64]:
        """
        Day numbers from `first` to `last` that match `daily`, `workdays`, `rest_days` or weekdays (`mon tue`).

        Named weekdays ignore holidays; workdays and rest days follow the calendar, make-up workdays included.
        """
        numbers = np.arange(first, last + 1, dtype=np.int64)
        if days == "daily":
            return numbers
        if days in ("workdays", "rest_days"):
            flags = self.workday[first - self.first : last + 1 - self.first]
            return numbers[flags if days == "workdays" else ~flags]
        wanted = [_WEEKDAY_NAMES.index(name) for name in days.split()]
        # 1970-01-01 was a Thursday, weekday 3 where Monday is 0.
        return numbers[np.isin((numbers + 3) % 7, wanted)]


def day_kinds(country: str, *, first: date, last: date, overrides: Mapping[date, str] | None = None) -> DayKinds:
    """
    Workdays and rest days of a country from `first` to `last`, both inclusive.

    China follows the State Council's notices as `chinesecalendar` carries them, make-up workdays included; years it
    does not know yet, and other countries, follow `holidays`: rest days are the country's weekend and its public
    holidays. A date is provisional in a Chinese year without a notice, where a holiday's date is an estimate, and in
    years or countries that the library does not know (weekends only). `overrides` are the last word and never
    provisional.
    """
    start, end = day_number(first), day_number(last)
    dates = [date_of(number) for number in range(start, end + 1)]
    kinds = [official_kind(country.upper(), day) for day in dates]
    workday = np.array([kind[0] for kind in kinds], dtype=np.bool_)
    provisional = np.array([kind[1] for kind in kinds], dtype=np.bool_)
    for day, word in (overrides or {}).items():
        index = day_number(day) - start
        if 0 <= index < len(workday):
            workday[index] = word == WORKDAY
            provisional[index] = False
    return DayKinds(first=start, workday=workday, provisional=provisional)


@lru_cache(maxsize=1 << 14)  # the holidays of a country are the same for every facility, permit and list
def official_kind(country: str, day: date) -> tuple[bool, bool]:
    """Whether a date is a workday by the official calendars, and whether that is provisional; `country` in capitals."""
    if country == "CN":
        try:
            return chinese_calendar.is_workday(day), False
        except NotImplementedError:
            return _library_kind(country, day)[0], True
    return _library_kind(country, day)


@lru_cache(maxsize=1)
def known_countries() -> tuple[str, ...]:
    """Return the countries whose holidays are known, by their ISO 3166 codes of two letters."""
    return tuple(sorted(code for code in holidays.list_supported_countries() if len(code) == 2))


def why_unknown(country: str) -> str | None:
    """Say that a country is not known, and which are; None where it is."""
    code = country.upper()
    if code in known_countries() or (len(code) == 2 and country_box(code) is not None):
        return None
    return f"no such country is known; write its ISO 3166 code: {' '.join(known_countries())}"


_Holidays = holidays.HolidayBase
_LOADED: dict[tuple[str, int], _Holidays | None] = {}


def _library_kind(country: str, day: date) -> tuple[bool, bool]:
    known = public_holidays(country, day.year)
    if known is None:
        return day.weekday() < 5, True
    names = known.get_list(day)
    estimated = any("estimated" in name for name in names)
    return known.is_working_day(day), estimated


def public_holidays(country: str, year: int) -> _Holidays | None:
    """Public holidays of a country in a year; None where the library knows neither."""
    key = (country, year)
    if key not in _LOADED:
        if country not in holidays.list_supported_countries():
            _LOADED[key] = None
        else:
            loaded = holidays.country_holidays(country, years=year, language="en_US")
            known = loaded.start_year <= year <= loaded.end_year
            _LOADED[key] = loaded if known else None
    return _LOADED[key]


def today() -> date:
    """Return today's local date, for warnings only."""
    return datetime.datetime.now().astimezone().date()
