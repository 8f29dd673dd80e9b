"""Prices taken to the optimum of the linear relaxation, on the core of pairs that can matter at those prices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allocator.clock import Clock
from allocator.engines import solve_linear
from allocator.errors import EngineFailed
from allocator.instance import Ints
from allocator.presolve import Problem
from allocator.prices import SCALE, Floats, foot_prices, proven_bound, whole_prices
from allocator.programmes import part_of

CORE_LOSS_M = 50.0
"""Pairs that lose less than this at the ascent's prices are the first core."""
MOST_CORE_PAIRS = 120_000
"""A larger linear programme takes minutes; the first core is cut to the smallest losses."""
MOST_COLUMNS = 300_000
"""Work limit: columns of all linear programmes together."""
SMOOTHING = 0.5
"""Also priced: this far from the best prices towards the programme's (Wentges 1997, Operations Research Letters)."""
_SETTLED_M = 1.0
_DUST_M = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Core:
    """
    Whole prices with the bound they prove, and a fractional plan beside them.

    `price` (R,) counts 1/SCALE metre, `amount` (J,) demands; `settled` says that the prices are optimal for the whole
    relaxation, not only for its core.
    """

    price: Ints
    bound_m: int
    amount: Floats
    settled: bool
    rounds: int

    @property
    def lambda_m(self) -> Floats:
        """The prices in metres, (R,)."""
        return self.price / SCALE


def losses_of(problem: Problem, price: Floats) -> tuple[Floats, Floats]:
    """Metres each pair (J,) is worse than its group's best, staying out included; and each group's best (G,)."""
    reduced = problem.pair_value_m - foot_prices(problem, price)[problem.pair_footprint]
    best = np.full(problem.num_groups, -np.inf)
    filled = np.diff(problem.pair_ptr) > 0
    if len(reduced):
        best[filled] = np.maximum.reduceat(reduced, problem.pair_ptr[:-1][filled])
    best = np.where(problem.must_serve, best, np.maximum(best, 0.0))
    return np.repeat(best, np.diff(problem.pair_ptr)) - reduced, best


def settle_prices(problem: Problem, price: Floats, *, clock: Clock | None = None) -> Core:
    """
    Descend from the ascent's prices to the optimum of the relaxation by pricing pairs into a growing core.

    Each round solves the linear programme of the core, takes its duals and those half-way from the best prices known,
    evaluates the bound of both over all pairs, and adds the pairs that beat their group's dual. When none does, the
    prices are optimal.
    """
    clock = clock or Clock()
    best_price = np.maximum(price, 0.0)
    best_bound = proven_bound(problem, whole_prices(problem, best_price))
    amount = np.zeros(problem.num_pairs)
    inside = _first_core(problem, best_price)
    settled, rounds, columns = False, 0, 0
    while not settled and not clock.is_over() and columns + int(inside.sum()) <= MOST_COLUMNS:
        pairs = np.flatnonzero(inside)
        part = part_of(problem, pairs, free=problem.group_count, residual=problem.row_capacity)
        try:
            answer = solve_linear(part.programme, limit_s=clock.left_s())
        except EngineFailed:  # out of time, or locks that contradict each other: both are told elsewhere
            break
        assert answer.duals is not None  # noqa: S101  (a linear programme's answer has them)
        rounds, columns = rounds + 1, columns + len(pairs)
        amount = np.zeros(problem.num_pairs)
        amount[pairs] = answer.x
        group_dual, duals = np.zeros(problem.num_groups), np.zeros(problem.num_rows)
        group_dual[part.groups] = answer.duals[: len(part.groups)]
        duals[part.rows] = np.maximum(answer.duals[len(part.groups) :], 0.0)
        middle = best_price + SMOOTHING * (duals - best_price)
        for candidate in (middle, duals):
            bound = proven_bound(problem, whole_prices(problem, candidate))
            if bound <= best_bound:  # of equal bounds the programme's prices are the rounder ones
                best_price, best_bound = candidate, bound
        loss, _ = losses_of(problem, middle)
        reduced = problem.pair_value_m - foot_prices(problem, duals)[problem.pair_footprint]
        better = reduced > group_dual[problem.pair_group()] + _DUST_M
        settled = best_bound - answer.bound < _SETTLED_M or not (better & ~inside).any()
        inside |= better | (loss <= _SETTLED_M)
    return Core(whole_prices(problem, best_price), best_bound, amount, settled, rounds)


def _first_core(problem: Problem, price: Floats) -> NDArray[np.bool_]:
    """Pairs near their group's best, and all pairs of groups that must be served."""
    loss, _ = losses_of(problem, price)
    near = loss <= CORE_LOSS_M
    if int(near.sum()) > MOST_CORE_PAIRS:
        near = loss <= np.partition(loss, MOST_CORE_PAIRS)[MOST_CORE_PAIRS]
    return near | problem.must_serve[problem.pair_group()]


def whole_part(amount: NDArray[np.float64]) -> Ints:
    """Amounts rounded down, numerical dust aside."""
    return np.floor(amount + 1e-6).astype(np.int64)
