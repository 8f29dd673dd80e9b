"""From counts to households: the draw among those that no rule can tell apart, and the answer of every demand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allocator.draw import draw_order
from allocator.instance import Instance
from allocator.solve import Solution
from api.planning.compiling import Compiled, Ints, Why


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
    ids = compiled.neighbourhood.demands["id"].to_list()
    members = _by_group(compiled, solution.merged)
    served = _served_by_merged(solution, instance.pair_ptr)
    for merged, offsets in served.items():
        demands = members[merged]
        total = sum(count for _, count in offsets)
        contested = total < len(demands) or len(offsets) > 1
        if contested:
            by_id = {ids[demand]: demand for demand in demands}
            demands = [by_id[name] for name in draw_order(seed, by_id)]
            drawn[demands] = True
        first = compiled.group_of_class[compiled.class_of[demands[0]]]
        begin = instance.pair_ptr[first]
        walks = compiled.options.walk_m[compiled.pair_option[[begin + offset for offset, _ in offsets]]]
        queue = iter(demands)
        for index in np.argsort(walks, kind="stable").tolist():
            offset, count = offsets[index]
            for _ in range(count):
                demand = next(queue)
                group = compiled.group_of_class[compiled.class_of[demand]]
                option[demand] = compiled.pair_option[instance.pair_ptr[group] + offset]
        if len(offsets) > 1:
            _give_shortest_walks_first(compiled, demands[:total], option)
    return Outcomes(option, drawn)


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


def _by_group(compiled: Compiled, merged: Ints) -> dict[int, list[int]]:
    """Demands of each merged group, by their position in demands.csv."""
    group = compiled.group_of_class[compiled.class_of]
    asked = np.flatnonzero(group >= 0)
    label = merged[group[asked]]
    order = np.argsort(label, kind="stable")
    label, asked = label[order], asked[order]
    cuts = np.flatnonzero(np.diff(label)) + 1
    heads = label[np.concatenate(([0], cuts))].tolist() if len(label) else []
    return dict(zip(heads, (part.tolist() for part in np.split(asked, cuts)), strict=False))


def _served_by_merged(solution: Solution, pair_ptr: Ints) -> dict[int, list[tuple[int, int]]]:
    """For each merged group with somebody served: (offset of the pair in a group's list, how many)."""
    pairs = np.flatnonzero(solution.taken)
    group = np.searchsorted(pair_ptr, pairs, side="right") - 1
    totals: dict[int, dict[int, int]] = {}
    rows = zip(
        solution.merged[group].tolist(), (pairs - pair_ptr[group]).tolist(), solution.taken[pairs].tolist(), strict=True
    )
    for merged, offset, count in rows:
        mine = totals.setdefault(merged, {})
        mine[offset] = mine.get(offset, 0) + count
    return {merged: sorted(mine.items()) for merged, mine in totals.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Reasons:
    """Why classes got nothing: `why` (K,) the best of the options', `short` (O,) metres an option fell short."""

    why: np.ndarray
    option_why: np.ndarray
    short_m: Ints


def reasons_of(compiled: Compiled, solution: Solution) -> Reasons:
    """Why each class that was refused was refused, option by option; eligible options of refused demands were full."""
    options = compiled.options
    option_why = np.where(options.why == Why.eligible, Why.full, options.why)
    why = np.full(len(compiled.representative), Why.no_home_access, dtype=np.int64)
    np.maximum.at(why, options.cls, option_why)
    why[(why == Why.no_home_access) & compiled.home_reaches] = Why.too_far
    why[~compiled.has_days & (why > Why.no_home_access)] = Why.no_day
    short = np.zeros(len(options.cls), dtype=np.int64)
    missing = paid_by_pair(compiled.instance, solution) - solution.scale * compiled.instance.pair_value_m
    short[compiled.pair_option] = -(-np.maximum(0, missing) // solution.scale)  # rounded up to whole metres
    return Reasons(why, option_why, short)


def paid_by_pair(instance: Instance, solution: Solution) -> Ints:
    """Sum of the prices that a stay would pay at each pair (J,), in 1/scale metre."""
    paid = np.zeros(instance.num_pairs, dtype=np.int64)
    order = np.argsort(solution.price_bay_group, kind="stable")
    bay_groups = solution.price_bay_group[order]
    by_bay_group = np.argsort(instance.pair_bay_group, kind="stable")
    begins = np.searchsorted(instance.pair_bay_group[by_bay_group], np.arange(instance.num_bay_groups + 1))
    for bay_group in np.unique(bay_groups).tolist():
        mine = order[np.searchsorted(bay_groups, bay_group) : np.searchsorted(bay_groups, bay_group, side="right")]
        pairs = by_bay_group[begins[bay_group] : begins[bay_group + 1]]
        covers, which = np.unique(instance.pair_cover[pairs], return_inverse=True)
        sums = np.array(
            [
                _paid(instance.cover_ptr, instance.cover_start, instance.cover_end, cover, solution, mine)
                for cover in covers
            ]
        )
        paid[pairs] = sums[which] if len(covers) else 0
    return paid


def _paid(ptr: Ints, starts: Ints, ends: Ints, cover: int, solution: Solution, prices: Ints) -> int:
    """Sum of some prices at minutes that a cover holds."""
    mine = slice(ptr[cover], ptr[cover + 1])
    at = solution.price_at[prices]
    index = np.searchsorted(starts[mine], at, side="right") - 1
    inside = (index >= 0) & (at < ends[mine][np.maximum(index, 0)])
    return int(solution.price[prices][inside].sum())
