"""From counts to households: the draw among those that no rule can tell apart, and the answer of every demand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from allocator.draw import draw_order
from allocator.instance import Instance
from allocator.solve import Solution
from api.planning.compiling import Compiled, Ints, Why

_CELLS = 4_000_000
"""Covers times bay groups whose prices are added up at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """`option` (D,) is the option each demand was given, −1 for none; `drawn` (D,) whether a draw decided on it."""

    option: Ints
    drawn: np.ndarray


def outcomes_of(compiled: Compiled, solution: Solution, *, seed: str) -> Outcomes:
    """
    Give the bays of each merged group to its demands in the order of the draw, shortest walk first.

    Parameters
    ----------
    seed
        The round seed that orders the draw; it decides nothing but who of equals comes first.
    """
    instance = compiled.instance
    option = np.full(len(compiled.class_of), -1, dtype=np.int64)
    drawn = np.zeros(len(compiled.class_of), dtype=np.bool_)
    demand = np.flatnonzero(compiled.group_of_class[compiled.class_of] >= 0)
    group = compiled.group_of_class[compiled.class_of[demand]]
    label = solution.merged[group]
    served = _served_by_merged(solution, instance)
    sure = _without_draw(served, members=np.bincount(label, minlength=len(served.ptr) - 1))
    alone = np.flatnonzero(sure[label])
    offset = served.offset[served.ptr[label[alone]]]
    option[demand[alone]] = compiled.pair_option[instance.pair_ptr[group[alone]] + offset]
    contested = (np.diff(served.ptr) > 0) & ~sure
    asked = np.flatnonzero(contested[label])
    for merged, members in _by_label(demand[asked], label[asked]):
        mine = slice(served.ptr[merged], served.ptr[merged + 1])
        order = _drawn(compiled, members, seed)
        drawn[members] = True
        _give(compiled, order, served.offset[mine], served.count[mine], option)
    return Outcomes(option, drawn)


@dataclass(frozen=True, slots=True, eq=False)
class _Served:
    """How many demands of each merged group are served where: `count` at pair `offset` of a group's list, by group."""

    ptr: Ints
    offset: Ints
    count: Ints


def _served_by_merged(solution: Solution, instance: Instance) -> _Served:
    pairs = np.flatnonzero(solution.taken)
    group = np.searchsorted(instance.pair_ptr, pairs, side="right") - 1
    offset = pairs - instance.pair_ptr[group]
    width = 1 + int(offset.max(initial=0))
    keys, which = np.unique(solution.merged[group] * width + offset, return_inverse=True)
    label, offset = np.divmod(keys, width)
    count = np.zeros(len(keys), dtype=np.int64)
    np.add.at(count, which, solution.taken[pairs])
    labels = 1 + int(solution.merged.max(initial=-1))
    return _Served(np.searchsorted(label, np.arange(labels + 1)), offset, count)


def _without_draw(served: _Served, *, members: Ints) -> np.ndarray:
    """Whether all members of a merged group are served at one and the same place."""
    total = np.concatenate(([0], np.cumsum(served.count)))[served.ptr]
    sure: np.ndarray = (np.diff(served.ptr) == 1) & (np.diff(total) == members)
    return sure


def _by_label(demand: Ints, label: Ints) -> Iterator[tuple[int, list[int]]]:
    """Demands of each label, by their position in demands.csv."""
    order = np.argsort(label, kind="stable")
    labels, begins = np.unique(label[order], return_index=True)
    parts = np.split(demand[order], begins)[1:]
    yield from zip(labels.tolist(), (part.tolist() for part in parts), strict=True)


def _drawn(compiled: Compiled, members: list[int], seed: str) -> list[int]:
    """Members in the order of the draw."""
    by_id = dict(zip(compiled.neighbourhood.demands["id"].gather(members), members, strict=True))
    return [by_id[name] for name in draw_order(seed, by_id)]


def _give(compiled: Compiled, drawn: list[int], offsets: Ints, counts: Ints, option: Ints) -> None:
    """Give the bays of a merged group to its demands as they were drawn, shortest walk first, in place."""
    pair_ptr, pair_option = compiled.instance.pair_ptr, compiled.pair_option
    first = compiled.group_of_class[compiled.class_of[drawn[0]]]
    walks = compiled.options.walk_m[pair_option[pair_ptr[first] + offsets]]
    order = np.argsort(walks, kind="stable")
    given = np.repeat(offsets[order], counts[order])
    lucky = drawn[: len(given)]
    option[lucky] = pair_option[pair_ptr[compiled.group_of_class[compiled.class_of[lucky]]] + given]
    if len(offsets) > 1:
        _give_shortest_walks_first(compiled, lucky, option)


def _give_shortest_walks_first(compiled: Compiled, drawn: list[int], option: Ints) -> None:
    """
    Order what demands of the same walks were given by these walks, in place.

    A merged group can hold demands whose equal values are made of other walks (one holds a permit, one has waited),
    so the order of its first member's walks need not be that of all. Its pairs stand in the same order for each.
    """
    pair_ptr, walk_m = compiled.instance.pair_ptr, compiled.options.walk_m
    begin_of: dict[int, int] = {}
    by_walks: dict[bytes, list[int]] = {}
    for demand in drawn:
        group = int(compiled.group_of_class[compiled.class_of[demand]])
        begin_of[demand] = int(pair_ptr[group])
        walks = walk_m[compiled.pair_option[pair_ptr[group] : pair_ptr[group + 1]]]
        by_walks.setdefault(walks.tobytes(), []).append(demand)
    for members in by_walks.values():
        # An option is found by its place in the member's own list, which holds each option once, in rising order.
        begins = np.array([begin_of[demand] for demand in members])
        offsets = np.searchsorted(compiled.pair_option, option[members]) - begins
        order = np.argsort(walk_m[option[members]], kind="stable")
        option[members] = compiled.pair_option[begins + offsets[order]]


@dataclass(frozen=True, slots=True, eq=False)
class Reasons:
    """Why classes got nothing: `why` (K,) the best of the options', `short` (O,) metres an option fell short."""

    why: np.ndarray
    option_why: np.ndarray
    short_m: Ints


def reasons_of(compiled: Compiled, solution: Solution) -> Reasons:
    """Why each class that was refused was refused, option by option; eligible options of refused demands were full."""
    options = compiled.options
    option_why = np.where(options.why == Why.eligible, np.int8(Why.full), options.why)
    why = np.full(len(compiled.representative), Why.no_home_access, dtype=np.int64)
    told = np.diff(options.ptr) > 0
    if told.any():
        why[told] = np.maximum.reduceat(option_why, options.ptr[:-1][told])
    why[(why == Why.no_home_access) & compiled.home_reaches] = Why.too_far
    why[~compiled.has_days & (why > Why.no_home_access)] = Why.no_day
    short = np.zeros(len(options.cls), dtype=np.int64)
    missing = paid_by_pair(compiled.instance, solution) - solution.scale * compiled.instance.pair_value_m
    short[compiled.pair_option] = -(-np.maximum(0, missing) // solution.scale)  # rounded up to whole metres
    return Reasons(why, option_why, short)


def paid_by_pair(instance: Instance, solution: Solution) -> Ints:
    """Sum of the prices that a stay would pay at each pair (J,), in 1/scale metre."""
    paid = np.zeros(instance.num_pairs, dtype=np.int64)
    num_covers = len(instance.cover_ptr) - 1
    at_once = max(1, _CELLS // max(1, instance.num_bay_groups))
    for first in range(0, num_covers, at_once):
        covers = range(first, min(first + at_once, num_covers))
        table = np.stack([_paid_everywhere(instance, solution, cover) for cover in covers])
        mine = np.flatnonzero((instance.pair_cover >= covers.start) & (instance.pair_cover < covers.stop))
        paid[mine] = table[instance.pair_cover[mine] - first, instance.pair_bay_group[mine]]
    return paid


def _paid_everywhere(instance: Instance, solution: Solution, cover: int) -> Ints:
    """Sum of the prices that one cover holds at each bay group, (P,)."""
    mine = slice(instance.cover_ptr[cover], instance.cover_ptr[cover + 1])
    index = np.searchsorted(instance.cover_start[mine], solution.price_at, side="right") - 1
    inside = (index >= 0) & (solution.price_at < instance.cover_end[mine][np.maximum(index, 0)])
    paid = np.zeros(instance.num_bay_groups, dtype=np.int64)
    np.add.at(paid, solution.price_bay_group[inside], solution.price[inside])
    return paid
