"""The nights of permits as stays on bays, placed before anybody can buy them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from zoneinfo import ZoneInfo

from api.calendars.clock import date_of, day_number
from api.calendars.day_kinds import DayKinds
from api.calendars.unroll import unroll_stays
from api.openings.ticks import Ticks, utc_of
from api.openings.unrolling import Opening

LONGEST_STAY_DAYS = 31
"""No stay through rest days is longer: what begins that long ago may still be going on."""


@dataclass(frozen=True, slots=True)
class Permit:
    """The right to a bay of a group on some nights of a term; hours count from the start of a night's own day."""

    id: int
    household_id: int
    bay_group_id: int
    first: date
    last: date
    days: str
    arrive_min: int
    leave_min: int
    stay_through: bool
    absences: tuple[tuple[date, date], ...] = ()
    """Nights given back, first and last included."""


@dataclass(frozen=True, slots=True, order=True)
class Night:
    """One stay of a permit, [begin_min, end_min) in minutes UTC; `night` is the date its evening is on."""

    begin_min: int
    end_min: int
    permit_id: int
    night: date


@dataclass(frozen=True, slots=True)
class PlacedNight:
    """A night with its bay."""

    night: Night
    bay_id: int


@dataclass(slots=True)
class Occupancy:
    """What is taken: (begin, end) in minutes UTC by bay and by household, and the bay each permit had last."""

    bays: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    households: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    last_bays: dict[int, int] = field(default_factory=dict)

    def find_bay(self, open_bays: Sequence[int], night: Night, *, later: Sequence[Night]) -> int | None:
        """Find a free bay for a night: the permit's own, else the one that is free for most of its nights to come."""
        free = [bay for bay in open_bays if not _overlaps(self.bays.get(bay, ()), night)]
        own = self.last_bays.get(night.permit_id)
        if not free or own in free:
            return own if free else None
        others = set(self.last_bays.values())
        return max(free, key=lambda bay: (bay not in others, self._num_free(bay, later)))

    def _num_free(self, bay: int, nights: Sequence[Night]) -> int:
        taken = self.bays.get(bay, ())
        return sum(not _overlaps(taken, night) for night in nights)

    def take(self, bay: int, household_id: int, night: Night) -> None:
        """Note that a night has its bay."""
        span = night.begin_min, night.end_min
        self.last_bays[night.permit_id] = bay
        self.bays.setdefault(bay, []).append(span)
        self.households.setdefault(household_id, []).append(span)


def nights_of(permit: Permit, kinds: DayKinds, zone: ZoneInfo, *, today: int, until_min: int) -> list[Night]:
    """
    List the stays of a permit that begin before a minute in UTC, from those that may still be going on.

    A stay that runs through rest days is one: the nights inside it have none of their own, and one that begins inside
    it and ends later begins where it ends.
    """
    first = max(day_number(permit.first), today - LONGEST_STAY_DAYS)
    last = min(day_number(permit.last), until_min // 1440 + 1)
    if last < first:
        return []
    days, begins, ends = unroll_stays(
        permit.days,
        permit.arrive_min,
        permit.leave_min,
        kinds,
        first=first,
        last=last,
        stay_through=permit.stay_through,
    )
    nights: list[Night] = []
    for day, begin, end in zip(days.tolist(), begins.tolist(), ends.tolist(), strict=True):
        night = date_of(day)
        if any(away_first <= night <= away_last for away_first, away_last in permit.absences):
            continue
        begin_min, end_min = utc_of(begin, zone)[0], utc_of(end, zone)[0]
        if nights:
            begin_min = max(begin_min, nights[-1].end_min)
        if begin_min < min(end_min, until_min):
            nights.append(Night(begin_min, end_min, permit.id, night))
    return nights


def place_nights(
    nights: Sequence[Night],
    permits: Mapping[int, Permit],
    openings: Mapping[int, Sequence[Opening]],
    bays: Mapping[int, Mapping[int, int]],
    taken: Occupancy,
    *,
    until_min: Mapping[int, int],
) -> tuple[list[PlacedNight], list[Night]]:
    """
    Give every night a bay that is open and free, the permit's last one wherever possible.

    Parameters
    ----------
    openings
        By bay group.
    bays
        Bay ids by bay group and number.
    taken
        What is taken before; what is placed is added.
    until_min
        Minute in UTC up to which openings are known, by bay group; a night may run beyond it.

    Returns
    -------
    tuple
        Nights placed, and those for which there is no bay or whose household stands elsewhere.
    """
    placed: list[PlacedNight] = []
    left: list[Night] = []
    by_permit: dict[int, list[Night]] = {}
    for night in nights:
        by_permit.setdefault(night.permit_id, []).append(night)
    for night in sorted(nights):
        permit = permits[night.permit_id]
        group = permit.bay_group_id
        numbers = _open_numbers(openings.get(group, ()), night, until_min[group])
        open_bays = [bays[group][number] for number in numbers]
        bay = taken.find_bay(open_bays, night, later=by_permit[night.permit_id])
        if bay is None or _overlaps(taken.households.get(permit.household_id, ()), night):
            left.append(night)
        else:
            placed.append(PlacedNight(night, bay))
            taken.take(bay, permit.household_id, night)
    return placed, left


def _open_numbers(openings: Sequence[Opening], night: Night, until_min: int) -> list[int]:
    """List the bay numbers that are open for a night, as far as openings are known."""
    end_min = min(night.end_min, until_min)
    return [
        number
        for opening in openings
        if opening.begin_min <= night.begin_min
        and end_min <= opening.end_min
        and _has(opening.starts, night.begin_min)
        and (night.end_min > until_min or _has(opening.ends, night.end_min))
        for number in range(opening.first_number, opening.last_number + 1)
    ]


def _has(ticks: Ticks, minute: int) -> bool:
    return any(first <= 2 * minute < past for first, past in ticks)


def _overlaps(taken: Iterable[tuple[int, int]], night: Night) -> bool:
    return any(begin < night.end_min and night.begin_min < end for begin, end in taken)
