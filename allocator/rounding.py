"""From prices to whole cars: fill greedily, place the rest by small programmes, re-solve where value is still lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from allocator.clock import Clock
from allocator.core import losses_of, whole_part
from allocator.engines import solve_whole
from allocator.errors import LocksConflict
from allocator.instance import Ints
from allocator.presolve import Problem
from allocator.prices import Floats
from allocator.programmes import part_of

PLACE_LOSS_M = 60.0
"""Pairs that lose less than this are offered to the demands the linear programme left in parts."""
MOST_COLUMNS = 6000
"""Columns of one small programme; a larger one takes long and gains little."""
NODES = 400
AREA_BAY_GROUPS = 10


@dataclass(slots=True)
class Draft:
    """A plan in the making: `taken` (J,) demands of each pair, `residual` (R,) bays left, `free` (G,) demands not placed."""

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


def serve_locked(problem: Problem, draft: Draft) -> None:
    """
    Place the groups that must be served, at the best value among themselves.

    Raises
    ------
    LocksConflict
        When they cannot all be placed.
    """
    pairs = np.flatnonzero(problem.must_serve[problem.pair_group()])
    if not len(pairs):
        return
    part = part_of(problem, pairs, free=draft.free, residual=draft.residual)
    answer = solve_whole(part.programme)
    if answer is None:
        raise LocksConflict(tuple(np.flatnonzero(problem.must_serve).tolist()))
    draft.give(problem, pairs, np.rint(answer.x).astype(np.int64))


def fill(problem: Problem, draft: Draft, *, loss: Floats, amount: Ints | None = None) -> None:
    """Place demands pair by pair, the least loss first, up to `amount` (J,) of each, wherever bays are left."""
    order = np.lexsort((-problem.pair_value_m, loss))
    want = problem.group_count[problem.pair_group()] if amount is None else amount
    _fill(order, problem.pair_group(), want, problem.pair_footprint, problem.foot_ptr, problem.foot_rows,
          draft.taken, draft.residual, draft.free)  # fmt: skip


@numba.njit(cache=True)
def _fill(
    order: Ints, group: Ints, want: Ints, foot: Ints, foot_ptr: Ints, foot_rows: Ints, taken: Ints, residual: Ints, free: Ints
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

    What the linear programme gives whole stays; the demands it splits are placed by a programme in whole numbers where that is
    small enough; then everything that still fits is filled in, the least loss first.
    """
    draft = empty_draft(problem)
    serve_locked(problem, draft)
    loss, _ = losses_of(problem, price)
    locked = problem.must_serve[problem.pair_group()]
    fill(problem, draft, loss=np.where(locked, np.inf, loss), amount=np.where(locked, 0, whole_part(amount)))
    group_of_pair = problem.pair_group()
    near = np.flatnonzero((loss <= PLACE_LOSS_M) & (draft.free[group_of_pair] > 0) & ~locked)
    if 0 < len(near) <= MOST_COLUMNS:
        re_solve(problem, draft, near, nodes=NODES, clock=clock)
    fill(problem, draft, loss=loss)
    return draft


def re_solve(problem: Problem, draft: Draft, pairs: Ints, *, nodes: int, clock: Clock) -> int:
    """Choose anew among some pairs, everything else as it is; returns the metres gained, never below zero."""
    before = draft.taken[pairs]
    draft.give(problem, pairs, -before)
    part = part_of(problem, pairs, free=draft.free, residual=draft.residual)
    value = problem.pair_value_m[pairs]
    answer = solve_whole(part.programme, nodes=nodes, limit_s=clock.left_s(), hint=before.astype(np.float64))
    after = before if answer is None else np.rint(answer.x).astype(np.int64)
    gained = int(value @ after) - int(value @ before)
    if gained < 0:
        after, gained = before, 0
    draft.give(problem, pairs, after)
    return gained


def improve(
    problem: Problem,
    draft: Draft,
    *,
    price: Floats,
    bound_m: int,
    enough: Callable[[int], bool],
    tries: int,
    clock: Clock,
    progress: Callable[[int, int], None],
) -> int:
    """
    Re-solve neighbourhoods of bay groups where value is still lost, until it is enough or every place has been tried.

    Returns the number of neighbourhoods re-solved. `enough` judges the value, `progress` hears (value, tries done).
    """
    loss, best = losses_of(problem, price)
    neighbours = _Neighbours(problem, loss)
    value = problem.value_of(draft.taken)
    failed: set[int] = set()
    done = 0
    while done < tries and value < bound_m and not enough(value) and not clock.is_over():
        lost = _lost_by_bay_group(problem, draft, price, loss, best)
        lost[list(failed)] = 0.0
        seed = int(np.argmax(lost))
        if lost[seed] <= 0.5:
            break
        pairs = neighbours.pairs_around(seed, lost)
        gained = re_solve(problem, draft, pairs, nodes=NODES, clock=clock)
        value += gained
        done += 1
        failed = failed | {seed} if gained == 0 else {seed}
        progress(value, done)
    return done


def _lost_by_bay_group(problem: Problem, draft: Draft, price: Floats, loss: Floats, best: Floats) -> NDArray[np.float64]:
    """Metres between plan and bound by the bay group they are lost at: detours, demands left out, bays left empty."""
    size = int(problem.pair_bay_group.max(initial=-1)) + 1
    lost = np.bincount(problem.pair_bay_group, weights=draft.taken * np.minimum(loss, 1e9), minlength=size)
    lost += np.bincount(problem.row_bay_group, weights=draft.residual * price, minlength=size)
    group_of_pair = problem.pair_group()
    at_best = loss <= 1e-6
    count = np.bincount(group_of_pair[at_best], minlength=problem.num_groups)
    share = np.where(count > 0, draft.free * best / np.maximum(count, 1), 0.0)
    lost += np.bincount(problem.pair_bay_group[at_best], weights=share[group_of_pair[at_best]], minlength=size)
    return lost


class _Neighbours:
    """Which bay groups share demands, and the pairs of a bay group with its neighbours."""

    def __init__(self, problem: Problem, loss: Floats) -> None:
        self._problem = problem
        self._near = loss <= 4 * PLACE_LOSS_M
        self._order = np.argsort(problem.pair_bay_group, kind="stable")
        size = int(problem.pair_bay_group.max(initial=-1)) + 1
        self._begin = np.searchsorted(problem.pair_bay_group[self._order], np.arange(size + 1))
        self._loss = loss

    def pairs_around(self, seed: int, lost: NDArray[np.float64]) -> Ints:
        """Pairs that may matter at a bay group and those that share most demands with it, the most value lost first."""
        problem = self._problem
        groups = self._groups_at(seed)
        shared = np.zeros(len(self._begin) - 1)
        for group in groups:
            mine = slice(problem.pair_ptr[group], problem.pair_ptr[group + 1])
            near = self._near[mine]
            shared[problem.pair_bay_group[mine][near]] += problem.group_count[group]
        shared[seed] = np.inf
        ranked = np.lexsort((-lost, -shared))[:AREA_BAY_GROUPS]
        chosen = np.zeros(len(shared), dtype=np.bool_)
        chosen[ranked[shared[ranked] > 0]] = True
        candidates = np.flatnonzero(chosen[problem.pair_bay_group] & self._near)
        if len(candidates) > MOST_COLUMNS:
            candidates = np.sort(candidates[np.argsort(self._loss[candidates], kind="stable")[:MOST_COLUMNS]])
        return candidates

    def _groups_at(self, bay_group: int) -> Ints:
        here = self._order[self._begin[bay_group] : self._begin[bay_group + 1]]
        here = here[self._near[here]]
        return np.unique(np.searchsorted(self._problem.pair_ptr, here, side="right") - 1)
