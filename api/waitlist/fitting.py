"""Whether stays fit the hours of a bay group, and which nights they would take of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row

from api.calendars.clock import date_of, day_number
from api.calendars.day_kinds import DayKinds
from api.calendars.unroll import unroll_facility
from api.neighbourhoods.loading import load_facilities
from api.openings.permit_nights import LONGEST_STAY_DAYS
from api.openings.unrolling import LOOK_BACK_DAYS
from api.permits.ledger import calendar_of
from api.permits.nights import ledger_nights_of
from api.planning.eligibility import Timetable, days_left_out, pattern_of, timetable_of


@dataclass(frozen=True, slots=True)
class Stays:
    """What one pattern of stays takes of a group: its nights, and the days that closures leave out."""

    nights: tuple[date, ...]
    left_out: tuple[date, ...]


@dataclass(slots=True)
class GroupStays:
    """The hours of a bay group from a night on, and what stays take of it; equal stays are unrolled once."""

    first: date
    kinds: DayKinds
    hours: Timetable
    _found: dict[tuple[Any, ...], Stays | None] = field(default_factory=dict)

    def of(self, entry: Row[Any]) -> Stays | None:
        """
        Return what an application's stays take from here to the end of its term; None where they do not fit.

        They fit as a demand's do: every stay within the open hours, but for at most half the days that closures hit.
        """
        key = entry.days, entry.arrive_min, entry.leave_min, entry.stay_through, entry.term_first, entry.last
        if key not in self._found:
            self._found[key] = self._unrolled(entry)
        return self._found[key]

    def _unrolled(self, entry: Row[Any]) -> Stays | None:
        first = max(self.first, entry.term_first)
        pattern = pattern_of(
            entry.days,
            entry.arrive_min,
            entry.leave_min,
            self.kinds,
            first=day_number(first),
            last=day_number(entry.last),
            through=entry.stay_through,
        )
        left_out = days_left_out(pattern, self.hours)
        if left_out is None:
            return None
        days = tuple(date_of(day) for day in pattern.days[left_out].tolist())
        nights = ledger_nights_of(
            days=entry.days,
            arrive_min=entry.arrive_min,
            leave_min=entry.leave_min,
            stay_through=entry.stay_through,
            first=first,
            last=entry.last,
            kinds=self.kinds,
            days_left_out=days,
        )
        return Stays(tuple(nights), days) if nights else None


def fits_under(height_m: float | None, limit_m: float | None) -> bool:
    """Whether a car is not too high for a place; what is not known is no hindrance."""
    return height_m is None or limit_m is None or height_m <= limit_m


def stays_at(connection: Connection, groups: Sequence[Row[Any]], *, first: date, last: date) -> dict[int, GroupStays]:
    """Read the hours of bay groups of one neighbourhood as they are now, from one night to another."""
    owner = groups[0].neighbourhood_id
    kinds = calendar_of(connection, owner, country=groups[0].country, first=first, last=last)
    loaded = load_facilities(connection, owner, ids=sorted({group.facility_id for group in groups}))
    until = min(day_number(last) + LONGEST_STAY_DAYS, kinds.last)
    timetables = {
        (facility.id, one.id): timetable_of(facility, hours)
        for facility in loaded
        for one, hours in zip(
            facility.bay_groups,
            unroll_facility(facility, kinds, first=day_number(first) - LOOK_BACK_DAYS, last=until),
            strict=True,
        )
    }
    return {group.id: GroupStays(first, kinds, timetables[group.facility, group.bay_group]) for group in groups}
