"""
Prices at hours in which a bay group has windows but no bays left, so that its bay value is an upper estimate too.

Where windows have no bays, or the buffer takes them all, nobody is eligible and the solver has no reason for a price.
One more bay to share would open those hours. A price at an instant without capacity adds nothing to the bound and is
paid by no stay of the plan, so it may be as high as it takes for nobody to want the bay at it; the sum of a group's
prices then bounds what the bay would add.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from allocator.solve import Solution
from api.calendars.unroll import Minutes, inside_one, merged, window_spans
from api.planning.compiling import Compiled, Ints, Why
from api.planning.eligibility import cover_of, days_left_out, timetable_of
from api.planning.outcomes import paid_by_pair


@dataclass(frozen=True, slots=True, eq=False)
class _Wish:
    """What a class would gain from a closed bay: `need` in 1/scale metre, and where its stay meets closed hours."""

    need: int
    starts: Minutes
    ends: Minutes


def price_closed_bays(compiled: Compiled, solution: Solution) -> tuple[Solution, NDArray[np.bool_]]:
    """Solution with prices at closed hours added, and which bay groups (P,) have such hours."""
    closed = [_closed_hours(compiled, index) for index in range(len(compiled.bays.hours))]
    flags = np.array([len(starts) > 0 for starts, _ in closed], dtype=np.bool_)
    if not flags.any():
        return solution, flags
    utility = _utilities(compiled, solution)
    added: list[tuple[int, int, int]] = []
    for index in np.flatnonzero(flags).tolist():
        wishes = _wishes(compiled, solution, index, closed[index], utility)
        added += [(index, at, price) for at, price in _prices_for(wishes)]
    if not added:
        return solution, flags
    bay_group, at, price = np.array(added, dtype=np.int64).T
    return replace(
        solution,
        price_bay_group=np.concatenate((solution.price_bay_group, bay_group)),
        price_at=np.concatenate((solution.price_at, at)),
        price=np.concatenate((solution.price, price)),
    ), flags


def _closed_hours(compiled: Compiled, index: int) -> tuple[Minutes, Minutes]:
    """Hours (N,) inside a bay group's windows in which it has no capacity."""
    nothing = np.zeros(0, dtype=np.int64)
    facility = compiled.neighbourhood.facilities[int(compiled.bays.facility[index])]
    group = next(group for group in facility.bay_groups if group.id == compiled.bays.group_id[index])
    if not facility.buffer_bays and all(window.bays for window in group.windows):
        return nothing, nothing
    days = {"first": compiled.bays.first_day, "last": compiled.bays.last_day}
    spans = [window_spans(window, compiled.kinds, **days) for window in group.windows]
    if not spans:
        return nothing, nothing
    starts, stops = merged(np.concatenate([start for start, _ in spans]), np.concatenate([stop for _, stop in spans]))
    return _without(starts, stops, *compiled.bays.hours[index].capacity.open_intervals())


def _without(starts: Minutes, ends: Minutes, open_start: Minutes, open_end: Minutes) -> tuple[Minutes, Minutes]:
    """Intervals less other intervals, both sorted and disjoint."""
    cuts = np.unique(np.concatenate((starts, ends, open_start, open_end)))
    inside = np.searchsorted(starts, cuts, side="right") > np.searchsorted(ends, cuts, side="right")
    open_there = np.searchsorted(open_start, cuts, side="right") > np.searchsorted(open_end, cuts, side="right")
    left = np.flatnonzero(inside & ~open_there)
    return merged(cuts[left], cuts[left + 1])


def _utilities(compiled: Compiled, solution: Solution) -> Ints:
    """Find what each class (K,) gains at its best place at these prices, in 1/scale metre; never less than nothing."""
    gain = solution.scale * compiled.instance.pair_value_m - paid_by_pair(compiled.instance, solution)
    utility = np.zeros(len(compiled.representative), dtype=np.int64)
    np.maximum.at(utility, compiled.options.cls[compiled.pair_option], gain)
    return utility


def _paid(solution: Solution, index: int, starts: Minutes, ends: Minutes) -> int:
    """Sum of a bay group's prices at instants inside sorted, disjoint intervals."""
    mine = np.flatnonzero(solution.price_bay_group == index)
    at = solution.price_at[mine]
    return int(solution.price[mine][inside_one(at, at + 1, starts, ends)].sum())


def _wishes(
    compiled: Compiled, solution: Solution, index: int, closed: tuple[Minutes, Minutes], utility: Ints
) -> list[_Wish]:
    """Classes that would rather have one more bay of a group, were it open in all the group's windows."""
    options, hours = compiled.options, compiled.bays.hours[index]
    facility = compiled.neighbourhood.facilities[int(compiled.bays.facility[index])]
    timetable = timetable_of(facility, hours)
    starts, ends = (np.concatenate(pair) for pair in zip(closed, hours.capacity.open_intervals(), strict=True))
    open_start, open_end = merged(starts, ends)
    timetable = replace(timetable, open_start=open_start, open_end=open_end)
    wishes = []
    here = np.flatnonzero((options.bay_group == index) & (options.why == Why.no_window) & options.would_do)
    for option in here.tolist():
        cls = int(options.cls[option])
        pattern = compiled.patterns[int(compiled.pattern_of_class[cls])]
        left_out = days_left_out(pattern, timetable)
        if left_out is None:
            continue
        cover = cover_of(pattern, left_out)
        need = solution.scale * int(options.value_m[option]) - _paid(solution, index, *cover) - int(utility[cls])
        if need > 0:
            wishes.append(_Wish(need, *_common(*cover, *closed)))
    return wishes


def _common(starts: Minutes, ends: Minutes, other_start: Minutes, other_end: Minutes) -> tuple[Minutes, Minutes]:
    """Intervals common to two sets, both sorted and disjoint."""
    cuts = np.unique(np.concatenate((starts, ends, other_start, other_end)))
    both = np.flatnonzero(inside_one(cuts, cuts + 1, starts, ends) & inside_one(cuts, cuts + 1, other_start, other_end))
    return merged(cuts[both], cuts[both + 1])


def _prices_for(wishes: list[_Wish]) -> list[tuple[int, int]]:
    """(minute, price) at few instants, such that every wish meets one that takes all of its need."""
    chosen: dict[int, int] = {}
    for wish in sorted(wishes, key=lambda wish: int(wish.ends[0])):
        points = np.array(list(chosen), dtype=np.int64)
        met = points[inside_one(points, points + 1, wish.starts, wish.ends)]
        at = int(met[0]) if len(met) else int(wish.ends[0]) - 1
        chosen[at] = max(chosen.get(at, 0), wish.need)
    return sorted(chosen.items())
