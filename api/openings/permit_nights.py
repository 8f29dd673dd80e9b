"""The nights of permits as stays on bays, placed before anybody can buy them."""

from __future__ import annotations

from collections import Counter
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
    days_left_out: frozenset[date] = frozenset()
    """Nights that the facility is closed on."""
    offered: bool = False
    """It waits for its household's word: tonight stays for bookings, and is lent from tomorrow on to nobody else."""

    detours: tuple[tuple[date, date, int | None], ...] = ()
    """Nights at another bay group, or (None) at none; first and last included."""

    @property
    def bay_group_ids(self) -> set[int]:
        """The bay groups of all its nights."""
        return {self.bay_group_id, *(group for _, _, group in self.detours if group is not None)}

    def group_on(self, night: date) -> int | None:
        """Return the bay group of a night, None where there is none."""
        return next((group for first, last, group in self.detours if first <= night <= last), self.bay_group_id)

    def is_away(self, night: date) -> bool:
        """Whether a night was given back, or is left out."""
        return night in self.days_left_out or any(first <= night <= last for first, last in self.absences)


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
    _had: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._had.update(self.last_bays.values())

    def find_bay(self, open_bays: OpenBays, night: Night, *, later: Sequence[Night]) -> int | None:
        """Find a free bay for a night: the permit's own, else the one that is free for most of its nights to come."""
        own = self.last_bays.get(night.permit_id)
        if own in open_bays.all and self._is_free(own, night):
            return own
        of_nobody = (bay for bay in open_bays.in_order if not self._had[bay])
        of_others = (bay for bay in open_bays.in_order if self._had[bay])
        # A bay that was somebody else's last is likely to be theirs again.
        for bays in (of_nobody, of_others):
            best = self._freest((bay for bay in bays if self._is_free(bay, night)), later)
            if best is not None:
                return best
        return None

    def _freest(self, bays: Iterable[int], nights: Sequence[Night]) -> int | None:
        """Return the bay that is free on most nights, the first of equals; the first that is free on all of them."""
        best, most = None, -1
        for bay in bays:
            num_free = sum(self._is_free(bay, night) for night in nights)
            if num_free == len(nights):
                return bay
            if num_free > most:
                best, most = bay, num_free
        return best

    def _is_free(self, bay: int, night: Night) -> bool:
        return not _overlaps(self.bays.get(bay, ()), night)

    def take(self, bay: int, household_id: int, night: Night) -> None:
        """Note that a night has its bay."""
        span = night.begin_min, night.end_min
        before = self.last_bays.get(night.permit_id)
        if before is not None:
            self._had[before] -= 1
        self._had[bay] += 1
        self.last_bays[night.permit_id] = bay
        self.bays.setdefault(bay, []).append(span)
        self.households.setdefault(household_id, []).append(span)


class OpenBays:
    """The bays of a group that are open for a stay, in the order of their numbers."""

    __slots__ = ("all", "in_order")

    def __init__(self, bays: Sequence[int]) -> None:
        self.in_order = bays
        self.all = frozenset(bays)


@dataclass(slots=True)
class Nights:
    """
    The nights of permits at one place that begin before a minute in UTC, from those that may still be going on.

    A stay that runs through rest days is one: the nights inside it have none of their own, and one that begins inside
    it and ends later begins where it ends. Equal permits are unrolled once.
    """

    kinds: DayKinds
    zone: ZoneInfo
    today: int
    until_min: int
    _unrolled: dict[tuple[object, ...], list[tuple[date, int, int]]] = field(default_factory=dict)
    _whole: dict[tuple[object, ...], list[tuple[date, int, int]]] = field(default_factory=dict)

    def of(self, permit: Permit) -> list[tuple[date, int, int]]:
        """List (evening, begin, end) of the nights of a permit, in minutes UTC; not to be changed."""
        first = max(day_number(permit.first), self.today - LONGEST_STAY_DAYS)
        last = min(day_number(permit.last), self.until_min // 1440 + 1)
        if last < first:
            return []
        key = permit.days, permit.arrive_min, permit.leave_min, permit.stay_through, permit.offered, first, last
        whole = not permit.absences and not permit.days_left_out
        if whole and key in self._whole:
            return self._whole[key]
        nights: list[tuple[date, int, int]] = []
        free_from = 0
        for night, begin_min, end_min in self._asked(permit, first, last):
            if permit.is_away(night):
                continue
            begin = max(begin_min, free_from)
            if begin < min(end_min, self.until_min):
                nights.append((night, begin, end_min))
                free_from = end_min
        if permit.offered:
            nights = [night for night in nights if day_number(night[0]) > self.today]
        if whole:
            self._whole[key] = nights
        return nights

    def _asked(self, permit: Permit, first: int, last: int) -> list[tuple[date, int, int]]:
        """Return (evening, begin, end) of the stays that a permit asks for from one day to another."""
        key = permit.days, permit.arrive_min, permit.leave_min, permit.stay_through, first, last
        if key not in self._unrolled:
            days, begins, ends = unroll_stays(
                permit.days,
                permit.arrive_min,
                permit.leave_min,
                self.kinds,
                first=first,
                last=last,
                stay_through=permit.stay_through,
            )
            self._unrolled[key] = [
                (date_of(day), utc_of(begin, self.zone)[0], utc_of(end, self.zone)[0])
                for day, begin, end in zip(days.tolist(), begins.tolist(), ends.tolist(), strict=True)
            ]
        return self._unrolled[key]


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
    open_for: dict[tuple[int, int, int], OpenBays] = {}
    for night in sorted(nights):
        permit = permits[night.permit_id]
        group = permit.group_on(night.night) or permit.bay_group_id
        when = group, night.begin_min, night.end_min
        if when not in open_for:
            numbers = _open_numbers(openings.get(group, ()), night, until_min[group])
            open_for[when] = OpenBays([bays[group][number] for number in numbers])
        bay = taken.find_bay(open_for[when], night, later=by_permit[night.permit_id])
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
    begin_min, end_min = night.begin_min, night.end_min
    return any(begin < end_min and begin_min < end for begin, end in taken)
