"""From prices to whole cars: fill greedily, place the rest by small programmes, re-solve where value is still lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from allocator.clock import Clock
from allocator.core import losses_of, whole_part
from allocator.engines import solve_linear, solve_whole
from allocator.errors import EngineFailed, LocksConflict
from allocator.instance import Ints
from allocator.presolve import Problem
from allocator.prices import Floats
from allocator.programmes import part_of

PLACE_LOSS_M = 60.0
"""Pairs that lose less than this are offered to the demands the linear programme left in parts."""
AREAS = ((8, 1500, 20, 40.0), (8, 1500, 20, 120.0), (10, 2000, 200, 120.0))
"""Kinds of neighbourhoods, tried in turn: bay groups, columns at most, nodes, and the loss in metres of the pairs."""
MOST_IDLE_TRIES = 10
"""Neighbourhoods of one size in a row with next to no gain after which the next size is tried."""
LEAST_GAIN = 0.005
"""Share of what is missing to the bound that counts as a gain."""
LEAST_LOST_M = 0.5
"""A bay group at which less is lost is as good as its best."""
DIVE_SHARE = 0.1
"""Share of the split pairs that a dive rounds up between two linear programmes."""
MOST_SPLIT_COLUMNS = 6000
SPLIT_NODES = 20
"""Size and nodes of the one programme that places the split demands anew after the dive."""
_DUST = 1e-6


@dataclass(slots=True)
class Draft:
    """A plan in the making: `taken` (J,) of each pair, `residual` (R,) bays left, `free` (G,) demands not placed."""

    taken: Ints
    residual: Ints
    free: Ints

    def give(self, problem: Problem, pairs: Ints, counts: Ints) -> None:
        """Place (or, negative, take back) so many demands of some pairs."""
        change = np.zeros(problem.num_pairs, dtype=np.int64)
        change[pairs] = counts
        self.taken += change
        self.residual -= problem.load_of(change)
        self.free -= np.bincount(problem.pair_group(), weights=change, minlength=problem.num_groups).astype(np.int64)


def empty_draft(problem: Problem) -> Draft:
    """Nobody placed yet."""
    return Draft(np.zeros(problem.num_pairs, dtype=np.int64), problem.row_capacity.copy(), problem.group_count.copy())


def draft_of(problem: Problem, taken: Ints) -> Draft:
    """Go on from a plan that keeps every rule."""
    draft = empty_draft(problem)
    pairs = np.flatnonzero(taken)
    draft.give(problem, pairs, taken[pairs])
    return draft


def serve_locked(problem: Problem, draft: Draft) -> None:
    """
    Place the groups that must be served, at the best value among themselves.

    Raises
    ------
    LocksConflict
        When they cannot all be placed.
    """
    if not problem.must_serve.any():
        return
    pairs = np.flatnonzero(problem.must_serve[problem.pair_group()])
    part = part_of(problem, pairs, free=draft.free, residual=draft.residual)
    answer = None if len(part.groups) < int(problem.must_serve.sum()) else solve_whole(part.programme)
    if answer is None:
        raise LocksConflict(tuple(np.flatnonzero(problem.must_serve).tolist()))
    draft.give(problem, pairs, np.rint(answer.x).astype(np.int64))


def fill(problem: Problem, draft: Draft, *, loss: Floats, amount: Ints | None = None) -> None:
    """Place demands pair by pair, the least loss first, up to `amount` (J,) of each, wherever bays are left."""
    want = problem.group_count[problem.pair_group()] if amount is None else amount
    open_ = np.flatnonzero((want > draft.taken) & (draft.free > 0)[problem.pair_group()])
    order = open_[np.lexsort((-problem.pair_value_m[open_], loss[open_]))]
    _fill(order, problem.pair_group(), want, problem.pair_footprint, problem.foot_ptr, problem.foot_rows,
          draft.taken, draft.residual, draft.free)  # fmt: skip


@numba.njit(cache=True)
def _fill(  # noqa: PLR0917  (compiled: plain arrays by position)
    order: Ints,
    group: Ints,
    want: Ints,
    foot: Ints,
    foot_ptr: Ints,
    foot_rows: Ints,
    taken: Ints,
    residual: Ints,
    free: Ints,
) -> None:
    for pair in order:
        number = min(want[pair] - taken[pair], free[group[pair]])
        for entry in range(foot_ptr[foot[pair]], foot_ptr[foot[pair] + 1]):
            number = min(number, residual[foot_rows[entry]])
        if number > 0:
            taken[pair] += number
            free[group[pair]] -= number
            for entry in range(foot_ptr[foot[pair]], foot_ptr[foot[pair] + 1]):
                residual[foot_rows[entry]] -= number


def round_plan(problem: Problem, *, price: Floats, amount: Floats, clock: Clock) -> Draft:
    """
    Whole plan near a fractional one.

    What the linear programme gives whole stays. A dive then places the demands it splits: round the largest parts up
    where they fit, solve what is left again, and so on. Everything that still fits is filled in, the least loss first,
    and where the demands that were split are few they are placed anew by a programme in whole numbers.
    """
    draft = empty_draft(problem)
    serve_locked(problem, draft)
    loss, _ = losses_of(problem, price)
    locked = problem.must_serve[problem.pair_group()]
    fill(problem, draft, loss=np.where(locked, np.inf, loss), amount=np.where(locked, 0, whole_part(amount)))
    split = np.flatnonzero((loss <= PLACE_LOSS_M) & (draft.free[problem.pair_group()] > 0))
    _dive(problem, draft, loss, clock)
    fill(problem, draft, loss=loss)
    if 0 < len(split) <= MOST_SPLIT_COLUMNS and not clock.is_over():
        re_solve(problem, draft, split, nodes=SPLIT_NODES, clock=clock)
        fill(problem, draft, loss=loss)
    return draft


def _dive(problem: Problem, draft: Draft, loss: Floats, clock: Clock) -> None:
    """Place demands by linear programmes over what is left, each followed by rounding its largest parts up."""
    group_of_pair = problem.pair_group()
    placed = True
    while placed and not clock.is_over():
        near = np.flatnonzero((loss <= PLACE_LOSS_M) & (draft.free[group_of_pair] > 0))
        if not len(near):
            return
        part = part_of(problem, near, free=draft.free, residual=draft.residual)
        try:
            amount = solve_linear(part.programme, limit_s=clock.left_s()).x
        except EngineFailed:  # out of time: what is left is filled in without it
            return
        whole = whole_part(amount)
        split = amount - whole
        parts = np.flatnonzero(split > _DUST)
        largest = parts[np.argsort(-split[parts], kind="stable")][: -(-len(parts) // round(1 / DIVE_SHARE))]
        before = int(draft.free.sum())
        _place(problem, draft, near, whole, order=loss[near])
        _place(problem, draft, near[largest], np.ones(len(largest), dtype=np.int64), order=-split[largest])
        placed = int(draft.free.sum()) < before


def _place(problem: Problem, draft: Draft, pairs: Ints, counts: Ints, *, order: Floats) -> None:
    """Place so many more demands of some pairs where they fit, the lowest order first."""
    amount = draft.taken.copy()
    amount[pairs] += counts
    loss = np.full(problem.num_pairs, np.inf)
    loss[pairs] = order
    fill(problem, draft, loss=loss, amount=amount)


def re_solve(problem: Problem, draft: Draft, pairs: Ints, *, nodes: int, clock: Clock) -> int:
    """Choose anew among some pairs, everything else as it is; returns the metres gained, never below zero."""
    before = draft.taken[pairs]
    draft.give(problem, pairs, -before)
    part = part_of(problem, pairs, free=draft.free, residual=draft.residual)
    value = problem.pair_value_m[pairs]
    try:
        answer = solve_whole(part.programme, nodes=nodes, limit_s=clock.left_s(), hint=before.astype(np.float64))
    except EngineFailed:  # what was there before still stands
        answer = None
    after = before if answer is None else np.rint(answer.x).astype(np.int64)
    gained = int(value @ after) - int(value @ before)
    draft.give(problem, pairs, after)
    overfull = draft.residual.min(initial=0) < 0 or draft.free.min(initial=0) < 0  # within an engine's tolerance only
    if gained < 0 or overfull:
        draft.give(problem, pairs, before - after)
        gained = 0
    return gained


def improve(
    problem: Problem,
    draft: Draft,
    *,
    price: Floats,
    bound_m: int,
    spare_m: float,
    most_columns: int,
    clock: Clock,
    progress: Callable[[int], None] = lambda _value_m: None,
) -> int:
    """
    Re-solve neighbourhoods of bay groups where value is lost, until nothing more is gained.

    Stops when no more than `spare_m` lies between value and bound, or after so many columns of neighbourhoods; returns
    how many were re-solved. `progress` hears the value.
    """
    loss, best = losses_of(problem, price)
    value = problem.value_of(draft.taken)
    done = columns = 0
    for bay_groups, area_columns, nodes, most_loss_m in AREAS:
        neighbours = _Neighbours(problem, loss, best, most_loss_m)
        failed: set[int] = set()
        idle = 0
        while idle < MOST_IDLE_TRIES and columns < most_columns and not clock.is_over():
            if bound_m - value <= spare_m:
                return done
            lost = lost_by_bay_group(problem, draft, price, loss, best)
            open_ = lost.copy()
            open_[list(failed)] = 0.0
            seed = int(np.argmax(open_))
            if open_[seed] <= LEAST_LOST_M:
                break
            pairs = neighbours.pairs_around(seed, lost, draft, bay_groups=bay_groups, most_columns=area_columns)
            gained = re_solve(problem, draft, pairs, nodes=nodes, clock=clock)
            value, done, columns = value + gained, done + 1, columns + len(pairs)
            idle = 0 if gained > LEAST_GAIN * (bound_m - value) else idle + 1
            failed = failed | {seed} if gained == 0 else {seed}
            progress(value)
    return done


def lost_by_bay_group(problem: Problem, draft: Draft, price: Floats, loss: Floats, best: Floats) -> NDArray[np.float64]:
    """Metres between plan and bound by the bay group they are lost at: detours, demands left out, bays left empty."""
    size = problem.num_bay_groups
    detours = draft.taken * np.minimum(loss, 1e9)
    lost = np.bincount(problem.pair_bay_group, weights=detours, minlength=size).astype(np.float64)
    lost += np.bincount(problem.row_bay_group, weights=draft.residual * price, minlength=size)
    group_of_pair = problem.pair_group()
    at_best = loss <= 1e-6
    count = np.bincount(group_of_pair[at_best], minlength=problem.num_groups)
    share = np.where(count > 0, draft.free * best / np.maximum(count, 1), 0.0)
    lost += np.bincount(problem.pair_bay_group[at_best], weights=share[group_of_pair[at_best]], minlength=size)
    return lost


class _Neighbours:
    """Which bay groups share demands, and the pairs of a bay group with its neighbours."""

    def __init__(self, problem: Problem, loss: Floats, best: Floats, most_loss_m: float) -> None:
        self._problem = problem
        self._group = problem.pair_group()
        self._near = loss <= most_loss_m
        self._loss = loss
        self._best = best
        group = self._group[self._near]
        stands = scipy.sparse.csr_matrix(
            (np.sqrt(problem.group_count[group]), (group, problem.pair_bay_group[self._near])),
            shape=(problem.num_groups, problem.num_bay_groups),
        )
        self._shared = scipy.sparse.csr_matrix(stands.T @ stands)

    def pairs_around(self, seed: int, lost: Floats, draft: Draft, *, bay_groups: int, most_columns: int) -> Ints:
        """Pairs that may matter at a bay group and those that share most demands with it, the most value lost first."""
        chosen = self._chosen(seed, lost, bay_groups)
        here = chosen[self._problem.pair_bay_group]
        candidates = np.flatnonzero(here & (self._near | (draft.taken > 0)))
        asking = np.unique(self._group[candidates])
        most_gain = lost[chosen].sum() + (draft.free[asking] * self._best[asking]).sum() + 1
        useful = (self._loss[candidates] <= most_gain) | (draft.taken[candidates] > 0)  # no better plan uses others
        candidates = candidates[useful]
        if len(candidates) > most_columns:
            candidates = np.sort(candidates[np.argsort(self._loss[candidates], kind="stable")[:most_columns]])
        return candidates

    def _chosen(self, seed: int, lost: Floats, bay_groups: int) -> NDArray[np.bool_]:
        shared = self._shared[[seed]].toarray().reshape(-1)
        shared[seed] = np.inf
        ranked = np.lexsort((-lost, -shared))[:bay_groups]
        chosen = np.zeros(len(lost), dtype=np.bool_)
        chosen[ranked[shared[ranked] > 0]] = True
        return chosen
