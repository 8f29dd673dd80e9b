"""
Another place for those who lose theirs, all of them at once: the allocator on the nights that are still free.

Nobody who keeps a place is asked to move: what the others take is taken off the bays before. Value is that of a round,
tier and rounds waited less the walk, so that of two who want the last bay the higher tier gets it; equal value goes to
whoever stands first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allocator.check import faults_of
from allocator.draw import draw_key
from allocator.errors import PlanRejected
from allocator.instance import Instance
from api.calendars.day_kinds import DayKinds
from api.calendars.unroll import Minutes, unroll_facility
from api.neighbourhoods.model import Facility
from api.planning.eligibility import Pattern, Timetable, admitted, days_left_out, timetable_of

if TYPE_CHECKING:
    from allocator.solve import Solution

_MOST_RANKED = 2000
"""Beyond so many, ties are left to the allocator: values that carry the order as well would be too large for it."""
_NIGHT_AT_MIN = 1440 + 120
"""A night stands for two o'clock of the morning after its evening."""


@dataclass(frozen=True, slots=True)
class Mover:
    """Whoever loses stays: what they are worth, what the car needs, how far the home is, and the stays."""

    value_m: int
    limit_m: float
    needs: str
    height_m: float | None
    walks: Mapping[int, int]
    """Metres by facility id."""
    pattern: Pattern
    last: int
    """Day number of the last night of the right: what a stay runs beyond it takes no bay."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A bay group that may be had: where it belongs, its hours, and how many bays are free in which night."""

    bay_group_id: int
    facility_id: int
    facility: Facility
    number: int
    """Which of the facility's bay groups."""
    free: Mapping[int, int]
    """Bays by day number of the evening; none in a night that is not named."""


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """A place for a mover's stays, but for the days left out since the place is closed then."""

    place: Place
    walk_m: int
    left_out: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Moves:
    """What was found for everybody, None for nothing, and what no plan can be worth more than, in metres."""

    moves: tuple[Move | None, ...]
    value_m: int
    bound_m: int


def draw_of(seed: int, household_id: int) -> bytes:
    """Return what a household drew in a round: the same whatever it applies for, and however often."""
    return draw_key(str(seed), f"h{household_id}")


def stays_admitted(pattern: Pattern, timetable: Timetable) -> NDArray[np.bool_]:
    """Whether each stay fits the hours of a place and falls into no closure, (N,)."""
    return admitted(pattern, timetable)


def nights_covered(starts: Minutes, ends: Minutes) -> Minutes:
    """Day numbers of the nights, sorted, whose two o'clock some stay covers."""
    if not len(starts):
        return np.zeros(0, dtype=np.int64)
    first = -((_NIGHT_AT_MIN - starts) // 1440)  # the first night whose moment is not before the start
    after = -((_NIGHT_AT_MIN - ends) // 1440)
    return np.unique(np.concatenate([np.arange(a, b) for a, b in zip(first.tolist(), after.tolist(), strict=True)]))


def find_moves(movers: Sequence[Mover], places: Sequence[Place], kinds: DayKinds) -> Moves:
    """
    Give as much value as the free bays allow.

    Parameters
    ----------
    movers
        The first of two of equal value goes first.
    places
        Candidates; the walk limit, the car and the hours decide who may have which.
    kinds
        The calendar around all the stays.

    Raises
    ------
    PlanRejected
        The checker, which shares nothing with the solver, does not accept what was found.
    """
    options = _Options(places, kinds)
    pairs = [options.of(mover) for mover in movers]
    asked = [number for number, found in enumerate(pairs) if found]
    if not asked:
        return Moves((None,) * len(movers), 0, 0)
    scale = len(movers) ** 2 + 1 if len(movers) <= _MOST_RANKED else 1
    instance = _instance([pairs[number] for number in asked], places, options.covers, movers=len(movers), scale=scale)
    from allocator.solve import solve  # noqa: PLC0415 -- the engines take seconds and much memory to load

    solution = solve(instance)
    _require_accepted(instance, solution)
    taken = solution.taken.tolist()
    moves: list[Move | None] = [None] * len(movers)
    pair = 0
    for number in asked:
        for option in pairs[number]:
            if taken[pair]:
                moves[number] = Move(places[option.place], option.walk_m, option.left_out)
            pair += 1
    return Moves(tuple(moves), solution.value_m // scale, solution.bound_m // scale)


def what_would_do(
    movers: Sequence[Mover], places: Sequence[Place], kinds: DayKinds
) -> list[tuple[tuple[int, int], ...]]:
    """List for each mover the (bay group, walk) that would do, free or not."""
    options = _Options(places, kinds)
    return [
        tuple((places[option.place].bay_group_id, option.walk_m) for option in options.of(mover)) for mover in movers
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Option:
    place: int
    walk_m: int
    value_m: int
    cover: int
    left_out: NDArray[np.bool_]


class _Options:
    """Where a mover may go; hours that several keep and stays that several ask for are compared once."""

    def __init__(self, places: Sequence[Place], kinds: DayKinds) -> None:
        self.covers: list[tuple[Minutes, Minutes]] = []
        self._places = places
        self._timetables = self._distinct(places, kinds)
        self._known: dict[tuple[int, int, int], tuple[int, NDArray[np.bool_]] | None] = {}
        self._cover_numbers: dict[bytes, int] = {}

    def _distinct(self, places: Sequence[Place], kinds: DayKinds) -> list[Timetable]:
        known: dict[object, Timetable] = {}
        unrolled: dict[int, list[Timetable]] = {}
        for place in places:
            if place.facility_id not in unrolled:
                hours = unroll_facility(place.facility, kinds, first=kinds.first, last=kinds.last)
                unrolled[place.facility_id] = [timetable_of(place.facility, each) for each in hours]
        tables = [unrolled[place.facility_id][place.number] for place in places]
        return [known.setdefault(table.key(), table) for table in tables]

    def of(self, mover: Mover) -> list[_Option]:
        """List the places a mover may have, in their order."""
        found = []
        for number, place in enumerate(self._places):
            walk_m = mover.walks.get(place.facility_id)
            if walk_m is None or walk_m > mover.limit_m or mover.value_m <= walk_m or not _suits(mover, place):
                continue
            fit = self._fit(mover.pattern, mover.last, self._timetables[number])
            if fit is not None:
                found.append(_Option(number, walk_m, mover.value_m - walk_m, *fit))
        return found

    def _fit(self, pattern: Pattern, last: int, timetable: Timetable) -> tuple[int, NDArray[np.bool_]] | None:
        key = id(pattern), last, id(timetable)
        if key not in self._known:
            left_out = days_left_out(pattern, timetable)
            cover = None if left_out is None else self._cover(pattern, left_out, last)
            self._known[key] = None if left_out is None or cover is None else (cover, left_out)
        return self._known[key]

    def _cover(self, pattern: Pattern, left_out: NDArray[np.bool_], last: int) -> int | None:
        """Return the number of a set of nights; None where stays take none, so that no bay could be said to be free."""
        nights = nights_covered(pattern.starts[~left_out], pattern.ends[~left_out])
        nights = nights[nights <= last]
        if not len(nights):
            return None
        number = self._cover_numbers.setdefault(nights.tobytes(), len(self.covers))
        if number == len(self.covers):
            self.covers.append(_runs(nights))
        return number


def _suits(mover: Mover, place: Place) -> bool:
    kinds = place.facility.bay_groups[place.number].kinds
    height_m = place.facility.max_height_m
    fits = mover.height_m is None or height_m is None or mover.height_m <= height_m
    needs = mover.needs.split()
    return fits and (set(needs) <= set(kinds) if needs else "standard" in kinds or "large" in kinds)


def _runs(nights: Minutes) -> tuple[Minutes, Minutes]:
    """Return starts and ends of runs of nights in a row."""
    if not len(nights):
        return nights, nights
    fresh = np.flatnonzero(np.diff(nights, prepend=nights[0] - 2) != 1)
    return nights[fresh], nights[np.append(fresh[1:] - 1, len(nights) - 1)] + 1


def _instance(
    pairs: Sequence[Sequence[_Option]],
    places: Sequence[Place],
    covers: Sequence[tuple[Minutes, Minutes]],
    *,
    movers: int,
    scale: int,
) -> Instance:
    """Make the instance whose minutes are nights."""
    steps = [_steps(place.free) for place in places]
    ranked = movers if scale > 1 else 0
    return Instance(
        group_count=np.ones(len(pairs), dtype=np.int64),
        must_serve=np.zeros(len(pairs), dtype=np.bool_),
        pair_ptr=_pointers([len(found) for found in pairs]),
        pair_bay_group=_whole([option.place for found in pairs for option in found]),
        pair_cover=_whole([option.cover for found in pairs for option in found]),
        pair_value_m=_whole(
            [option.value_m * scale + max(0, ranked - number) for number, found in enumerate(pairs) for option in found]
        ),
        cover_ptr=_pointers([len(starts) for starts, _ in covers]),
        cover_start=np.concatenate([starts for starts, _ in covers]),
        cover_end=np.concatenate([ends for _, ends in covers]),
        capacity_ptr=_pointers([len(at) for at, _ in steps]),
        capacity_at=_whole([night for at, _ in steps for night in at]),
        capacity_bays=_whole([number for _, bays in steps for number in bays]),
    )


def _steps(free: Mapping[int, int]) -> tuple[list[int], list[int]]:
    """Return nights at which the number of free bays changes, and the number from then on."""
    at: list[int] = []
    bays: list[int] = []
    for night in sorted({*free, *(night + 1 for night in free)}):
        number = free.get(night, 0)
        if number != (bays[-1] if bays else 0):
            at.append(night)
            bays.append(number)
    return at, bays


def _require_accepted(instance: Instance, solution: Solution) -> None:
    prices = zip(solution.price_bay_group.tolist(), solution.price_at.tolist(), solution.price.tolist(), strict=True)
    faults = faults_of(
        instance,
        solution.taken.tolist(),
        value_m=solution.value_m,
        bound_m=solution.bound_m,
        prices=prices,
        scale=solution.scale,
        branches=solution.branches,
    )
    if faults:
        raise PlanRejected("the checker does not accept the moves: " + "; ".join(faults[:5]))


def _pointers(lengths: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(_whole(lengths))))


def _whole(values: Sequence[int]) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)
