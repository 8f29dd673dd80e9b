"""What another calendar does to the right of a permit: nights that come, go and move, and days that cannot be had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from api.calendars.clock import DAY_MIN, date_of, day_number
from api.calendars.day_kinds import DayKinds
from api.calendars.unroll import Minutes, inside_one, merged, unroll_facility, unroll_stays
from api.facilities.availability import without_closures
from api.neighbourhoods.model import Facility
from api.openings.permit_nights import LONGEST_STAY_DAYS, Night, Nights, Permit
from api.openings.ticks import utc_minute
from api.openings.unrolling import LOOK_BACK_DAYS


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """The calendar of a neighbourhood before and after a notice; `changed` are the day numbers that it tells apart."""

    neighbourhood_id: int
    zone: ZoneInfo
    today: int
    before: DayKinds
    after: DayKinds
    changed: tuple[int, ...]

    @property
    def asked(self) -> tuple[int, int]:
        """First and last day on which a stay can begin that another kind of a changed day makes shorter or longer."""
        first = max(self.changed[0], self.today) - LONGEST_STAY_DAYS
        return max(first, self.before.first + LOOK_BACK_DAYS), self.changed[-1] + 1


@dataclass(frozen=True, slots=True)
class Held:
    """A permit or an offer, with what it takes of the ledger; the smallest `rank` is served first."""

    right: Permit
    facility_id: int
    nights: frozenset[date] | None
    rank: tuple[int, int, int]

    @property
    def elsewhere(self) -> frozenset[date]:
        """Evenings that it spends at another bay group, or at none, since its own was taken back for them."""
        return frozenset(
            date_of(day)
            for first, last, _ in self.right.detours
            for day in range(day_number(first), day_number(last) + 1)
        )

    def leaving_out(self, days: frozenset[date]) -> Held:
        """Return it with other days that it leaves out."""
        return replace(self, right=replace(self.right, days_left_out=days))


@dataclass(frozen=True, slots=True)
class Shift:
    """How the stays of a permit differ: evenings that go and come, and stays that begin or end at another moment."""

    gone: tuple[date, ...] = ()
    come: tuple[date, ...] = ()
    moved: tuple[tuple[date, int], ...] = ()
    """Evenings with the minute in UTC at which the stay ends now."""

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.gone or self.come or self.moved)

    @property
    def first(self) -> date:
        """The first evening that differs."""
        return min([*self.gone, *self.come, *(night for night, _ in self.moved)])

    def with_standing(self, ends: Mapping[date, datetime | None]) -> Shift:
        """Return it as it comes for nights that are under way: with their new end, or as before where that is None."""
        moved = {night: end_min for night, end_min in self.moved if night not in ends}
        moved |= {night: utc_minute(end) for night, end in ends.items() if end is not None}
        return replace(self, gone=tuple(n for n in self.gone if n not in ends), moved=tuple(sorted(moved.items())))


@dataclass(slots=True)
class Shifting:
    """Compares permits under two calendars; what many permits have in common is worked out once."""

    turn: Turn
    now_min: int
    _nights: dict[int, Nights] = field(default_factory=dict)
    _stays: dict[tuple[Any, ...], dict[date, Night]] = field(default_factory=dict)

    def stays(self, held: Held, kinds: DayKinds) -> Mapping[date, Night]:
        """Return the stays of a permit that are not over, by their evening."""
        right = replace(held.right, id=0, household_id=0, bay_group_id=0)
        key = (id(kinds), right)
        if key not in self._stays:
            nights = self._nights.setdefault(
                id(kinds), Nights(kinds, self.turn.zone, self.turn.today, until_min=kinds.last * DAY_MIN)
            )
            self._stays[key] = {
                night: Night(begin_min, end_min, right.id, night)
                for night, begin_min, end_min in nights.of(right)
                if end_min > self.now_min
            }
        return self._stays[key]

    def shift(self, old: Held, new: Held) -> Shift:
        """Compare the stays of a permit before and after."""
        before, after = self.stays(old, self.turn.before), self.stays(new, self.turn.after)
        if before == after:
            return Shift()
        return Shift(
            gone=tuple(night for night in before if night not in after),
            come=tuple(night for night in after if night not in before),
            moved=tuple(
                (night, stay.end_min) for night, stay in after.items() if night in before and stay != before[night]
            ),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Hours:
    """When a bay group is open, and when a stay may begin there, as sorted disjoint intervals."""

    open_start: Minutes
    open_end: Minutes
    entry_start: Minutes
    entry_end: Minutes


@dataclass(slots=True)
class Fitting:
    """Which asked days of permits the hours of their bay groups admit, before and after."""

    turn: Turn
    _hours: dict[tuple[int, bool], _Hours] = field(default_factory=dict)
    _no_movement: dict[int, tuple[int, int] | None] = field(default_factory=dict)
    _fits: dict[tuple[Any, ...], dict[date, bool]] = field(default_factory=dict)

    def learn(self, facility: Facility, group_ids: Sequence[int]) -> None:
        """Work out the hours of a facility's bay groups, whose ids are given in their order."""
        first, last = self.turn.asked
        for after, kinds in ((False, self.turn.before), (True, self.turn.after)):
            reach = min(last + LONGEST_STAY_DAYS, kinds.last)
            hours = unroll_facility(facility, kinds, first=first - LOOK_BACK_DAYS, last=reach)
            for group_id, found in zip(group_ids, hours, strict=True):
                starts, ends = without_closures(found.capacity, facility).open_intervals()
                self._hours[group_id, after] = _Hours(*merged(starts, ends), found.entry_start, found.entry_end)
                self._no_movement[group_id] = facility.no_movement

    def days_left_out(self, held: Held) -> frozenset[date]:
        """
        Return the days a permit leaves out from now on.

        A day that could be had and cannot any more is left out; one that could not is none of these any more when it
        can be had again, or is not asked for. The hours of its own bay group say nothing of a day spent elsewhere.
        """
        before, after = self._fit(held.right, after=False), self._fit(held.right, after=True)
        lost = {day for day, fits in after.items() if not fits and before.get(day, True)}
        found = {day for day, fits in before.items() if not fits and after.get(day, True)}
        return (held.right.days_left_out - found) | (lost - held.elsewhere)

    def _fit(self, right: Permit, *, after: bool) -> Mapping[date, bool]:
        """Say of every asked day that a changed day touches whether its stay fits the hours."""
        common = replace(right, id=0, household_id=0, absences=(), days_left_out=frozenset(), offered=False, detours=())
        key = (after, common)
        if key not in self._fits:
            self._fits[key] = self._looked_at(right, self._hours[right.bay_group_id, after], after=after)
        return self._fits[key]

    def _looked_at(self, right: Permit, hours: _Hours, *, after: bool) -> dict[date, bool]:
        first = max(day_number(right.first), self.turn.asked[0])
        last = min(day_number(right.last), self.turn.asked[1])
        if last < first:
            return {}
        kinds = self.turn.after if after else self.turn.before
        days, starts, ends = unroll_stays(
            right.days,
            right.arrive_min,
            right.leave_min,
            kinds,
            first=first,
            last=last,
            stay_through=right.stay_through,
        )
        fits = inside_one(starts, ends, hours.open_start, hours.open_end)
        fits &= inside_one(starts, starts + 1, hours.entry_start, hours.entry_end)
        still = self._no_movement[right.bay_group_id]
        if still is not None:
            for moments in (starts, ends):
                into = (moments - still[0]) % DAY_MIN
                fits &= ~((into > 0) & (into < still[1] - still[0]))
        reach = np.array(self.turn.changed, dtype=np.int64) * DAY_MIN
        # A window reaches two days beyond its own day, so what lies there may be another's doing as well.
        near = np.searchsorted(reach, ends + DAY_MIN) > np.searchsorted(reach, starts - (LOOK_BACK_DAYS + 1) * DAY_MIN)
        return {date_of(day): bool(fit) for day, fit in zip(days[near].tolist(), fits[near].tolist(), strict=True)}
