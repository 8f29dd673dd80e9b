"""Going on from a solved base: its prices and households on an edited problem, and no household moved for nothing."""

from __future__ import annotations

import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import connected_components

from allocator.base import Base
from allocator.clock import Clock
from allocator.core import losses_of
from allocator.descent import descend_prices
from allocator.districts import Atlas
from allocator.engines import Programme, solve_whole
from allocator.errors import EngineFailed
from allocator.instance import Instance, Ints
from allocator.planning import best_at, with_way_out
from allocator.presolve import Problem
from allocator.prices import SCALE, Floats, bound_of, proven_bound
from allocator.programmes import part_of
from allocator.rounding import Draft, empty_draft, fill, lost_by_bay_group, serve_locked

NEAR_LOSS_M = 40.0
MENDED_PAIRS = 6000
"""Near pairs around a bay group where a base's plan and prices lose, whose prices are found anew."""
LOCAL_SHARE = 0.3
"""Where more of a city than this loses its prices are found all over, not district by district."""
MOST_PASSES = 2
WARM_SHARE = 0.01
"""First temperature of prices that are found all over from those of a base, as a share of the highest value."""
MOST_CHANGE_COLUMNS = 3000
CHANGE_NODES = 200


def base_prices(problem: Problem, base: Base) -> Floats:
    """Prices of a base on the rows (R,), metres: each goes to the row of its bay group that is nearest in time."""
    price = np.zeros(problem.num_rows)
    if not problem.num_rows:
        return price
    first = np.searchsorted(problem.row_bay_group, base.price_bay_group, side="left")
    end = np.searchsorted(problem.row_bay_group, base.price_bay_group, side="right")
    known = first < end
    first, end, at = first[known], end[known], base.price_at[known]
    origin = min(int(problem.row_at.min()), int(base.price_at.min(initial=0)))
    stretch = max(int(problem.row_at.max()), int(base.price_at.max(initial=0))) - origin + 1
    line = problem.row_bay_group * stretch + (problem.row_at - origin)
    order = np.argsort(line, kind="stable")
    after = np.searchsorted(line[order], base.price_bay_group[known] * stretch + (at - origin))
    after, before = np.clip(after, first, end - 1), np.clip(after - 1, first, end - 1)
    later, earlier = order[after], order[before]
    nearest = np.where(np.abs(problem.row_at[later] - at) <= np.abs(problem.row_at[earlier] - at), later, earlier)
    np.add.at(price, nearest, base.price[known] / base.scale)
    return price


def base_taken(instance: Instance, problem: Problem, base: Base) -> Ints:
    """Demands of the base's plan at each pair (J,) of the presolved problem."""
    group = instance.pair_group()
    merged = problem.pair_ptr[problem.group_of[group]] + np.arange(instance.num_pairs) - instance.pair_ptr[group]
    taken = np.zeros(problem.num_pairs, dtype=np.int64)
    np.add.at(taken, merged, base.taken)
    return taken


def kept_draft(problem: Problem, held: Ints, price: Floats) -> Draft:
    """Everybody where the base had them as far as that is still allowed, the least loss first; then the others."""
    draft = empty_draft(problem)
    serve_locked(problem, draft)
    loss, _ = losses_of(problem, price)
    fill(problem, draft, loss=loss, amount=np.maximum(held, draft.taken))
    fill(problem, draft, loss=loss)
    return draft


def mended_prices(problem: Problem, price: Floats, draft: Draft, *, left_alone_m: float, clock: Clock) -> Floats | None:
    """
    Find prices of a base anew around the bay groups where its plan now loses, everything else at the prices it has.

    What lies between a plan and the bound of prices is lost at some bay group: an edit shows as such places. Everything
    outside them that loses no more than `left_alone_m` together is left alone; None where the edit is everywhere.
    """
    price = price.copy()
    for _ in range(MOST_PASSES):
        loss, best = losses_of(problem, price)
        lost = lost_by_bay_group(problem, draft, price, loss, best)
        near = (loss <= NEAR_LOSS_M) | (draft.taken > 0)  # those who would all go to a new place have had another
        atlas = Atlas(problem, near=near, kept=np.ones(problem.num_pairs, dtype=np.bool_))
        parts = atlas.around(lost, most_weight=MENDED_PAIRS, left_alone=left_alone_m)
        if sum(int(atlas.weight[members].sum()) for members in parts) > LOCAL_SHARE * atlas.weight.sum():
            return None
        before = bound_of(problem, price)
        for members in parts:
            district = atlas.cut(members, free=problem.group_count, residual=problem.row_capacity)
            outside = np.ones(len(atlas.weight), dtype=np.bool_)
            outside[members] = False
            wider, _ = with_way_out(district.problem, best_at(problem, price, outside)[district.groups])
            price[district.rows] = descend_prices(wider, clock=clock).lambda_m
        if clock.is_over() or before - bound_of(problem, price) <= left_alone_m:
            break
    return price


def keep_households(problem: Problem, draft: Draft, held: Ints, *, price: Ints, clock: Clock) -> Draft:
    """
    Among plans of the same value, take one that leaves most demands where the base had them.

    No plan of the same value uses a pair that loses more than lies between value and bound. Where the others are few
    all such plans are looked at; else only what differs from the base: the places that either plan uses there. Both
    part by part where the parts share neither group nor row.

    Parameters
    ----------
    held
        (J,) demands of the base at each pair.
    price
        (R,) whole prices, 1/SCALE metre.
    """
    differs = draft.taken != held
    if not differs.any():
        return draft
    loss, _ = losses_of(problem, price / SCALE)
    usable = loss <= proven_bound(problem, price) - problem.value_of(draft.taken) + 1
    looked_at = usable | (draft.taken > 0)
    if int(looked_at.sum()) > MOST_CHANGE_COLUMNS:
        looked_at = differs
    draft = Draft(draft.taken.copy(), draft.residual.copy(), draft.free.copy())
    for pairs in _parts(problem, np.flatnonzero(looked_at)):
        if differs[pairs].any() and len(pairs) <= MOST_CHANGE_COLUMNS and not clock.is_over():
            _keep(problem, draft, held, pairs, clock)
    return draft


def _parts(problem: Problem, pairs: Ints) -> list[Ints]:
    """Part some pairs so that no two parts share a group or a row."""
    group = np.searchsorted(problem.pair_ptr, pairs, side="right") - 1
    feet = problem.pair_footprint[pairs]
    lengths = np.diff(problem.foot_ptr)[feet]
    begins = np.repeat(problem.foot_ptr[:-1][feet] - (np.cumsum(lengths) - lengths), lengths)
    rows = problem.foot_rows[begins + np.arange(int(lengths.sum()))]
    size = problem.num_groups + problem.num_rows
    graph = scipy.sparse.coo_matrix(
        (np.ones(len(rows), dtype=np.int8), (np.repeat(group, lengths), problem.num_groups + rows)), shape=(size, size)
    )
    _, label = connected_components(graph, directed=False)
    order = np.argsort(label[group], kind="stable")
    cuts = np.flatnonzero(np.diff(label[group][order])) + 1
    return [np.sort(pairs[part]) for part in np.split(order, cuts)]


def _keep(problem: Problem, draft: Draft, held: Ints, pairs: Ints, clock: Clock) -> None:
    """Choose anew among some pairs: the most value, and then the most that stay; columns are stayers, then others."""
    before = draft.taken[pairs]
    stay = np.minimum(held[pairs], problem.group_count[np.searchsorted(problem.pair_ptr, pairs, side="right") - 1])
    kept_before = int(np.minimum(before, stay).sum())
    draft.give(problem, pairs, -before)
    part = part_of(problem, pairs, free=draft.free, residual=draft.residual).programme
    worth = int(stay.sum()) + 1
    value = problem.pair_value_m[pairs].astype(np.float64) * worth
    programme = Programme(
        value=np.concatenate((value + 1, value)),
        high=np.concatenate((stay, problem.group_count.max(initial=1) * np.ones(len(pairs)))).astype(np.float64),
        rows=scipy.sparse.csr_matrix(scipy.sparse.hstack((part.rows, part.rows))),
        limit=part.limit,
        at_least=part.at_least,
    )
    hint = np.concatenate((np.minimum(before, stay), before - np.minimum(before, stay))).astype(np.float64)
    try:
        answer = solve_whole(programme, nodes=CHANGE_NODES, limit_s=clock.left_s(), hint=hint)
    except EngineFailed:
        answer = None
    after = before if answer is None else np.rint(answer.x).astype(np.int64).reshape(2, -1).sum(axis=0)
    draft.give(problem, pairs, after)
    worse = problem.pair_value_m[pairs] @ (after - before) < 0 or int(np.minimum(after, stay).sum()) < kept_before
    if worse or draft.residual.min(initial=0) < 0 or draft.free.min(initial=0) < 0:
        draft.give(problem, pairs, before - after)
