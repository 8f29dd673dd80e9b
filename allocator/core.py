"""Prices taken to the optimum of the linear relaxation, on the core of pairs that can matter at those prices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allocator.clock import Clock
from allocator.descent import Prices
from allocator.engines import solve_linear
from allocator.errors import EngineFailed
from allocator.instance import Ints
from allocator.presolve import Problem
from allocator.prices import SCALE, Floats, foot_prices, proven_bound, whole_prices
from allocator.programmes import part_of

CORE_LOSS_M = 20.0
"""Pairs that lose less than this at the descent's prices are the first core."""
MOST_CORE_PAIRS = 12_000
"""A larger linear programme takes longer than the descent takes to come as close."""
MOST_COLUMNS = 150_000
"""Work limit: columns of all linear programmes together."""
Flags = NDArray[np.bool_]

SMOOTHING = 0.5
"""Also priced: so far from the best prices to the programme's (Wentges 1997, Int. Trans. Operational Research 4)."""
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


def settle_prices(
    problem: Problem, prices: Prices, *, most_pairs: int = MOST_CORE_PAIRS, clock: Clock | None = None
) -> Core:
    """
    Take the descent's prices to the optimum of the relaxation by pricing pairs into a growing core.

    Each round solves the linear programme of the core, takes its duals and those half-way from the best prices known,
    evaluates the bound of both over all pairs, and adds the pairs that beat their group's dual. When none does, the
    prices are optimal. Where the core has more than `most_pairs` to decide on, the
    descent's prices and fractional plan stay.
    """
    clock = clock or Clock()
    best_price = np.maximum(prices.lambda_m, 0.0)
    best_bound = proven_bound(problem, whole_prices(problem, best_price))
    amount = prices.amount
    group = problem.pair_group()
    inside, wavering = _first_core(problem, best_price)
    settled, rounds, columns = False, 0, 0
    while not settled and not clock.is_over() and columns < MOST_COLUMNS:
        pairs, sure = undecided(problem, inside, wavering)
        if len(pairs) > most_pairs:
            break
        part = part_of(problem, pairs, free=problem.group_count, residual=problem.row_capacity - problem.load_of(sure))
        try:
            answer = solve_linear(part.programme, limit_s=clock.left_s())
        except EngineFailed:  # out of time, or locks that contradict each other: both are told elsewhere
            break
        assert answer.duals is not None  # noqa: S101  (a linear programme's answer has them)
        rounds, columns = rounds + 1, columns + len(pairs)
        amount = sure.astype(np.float64)
        amount[pairs] = answer.x
        duals = np.zeros(problem.num_rows)
        duals[part.rows] = np.maximum(answer.duals[len(part.groups) :], 0.0)
        reduced = problem.pair_value_m - foot_prices(problem, duals)[problem.pair_footprint]
        group_dual = np.bincount(group, weights=np.where(sure > 0, reduced, 0.0), minlength=problem.num_groups)
        group_dual[part.groups] = answer.duals[: len(part.groups)]
        middle = best_price + SMOOTHING * (duals - best_price)
        for candidate in (middle, duals):
            bound = proven_bound(problem, whole_prices(problem, candidate))
            if bound <= best_bound:  # of equal bounds the programme's prices are the rounder ones
                best_price, best_bound = candidate, bound
        loss, _ = losses_of(problem, middle)
        better = ~inside & (reduced > group_dual[group] + _DUST_M)
        doubted = better | ((sure > 0) & (reduced < -_DUST_M) & ~problem.must_serve[group])
        settled = best_bound - answer.bound - problem.value_of(sure) < _SETTLED_M or not doubted.any()
        inside |= better | (loss <= _SETTLED_M)
        wavering[group[doubted]] = True
    return Core(whole_prices(problem, best_price), best_bound, amount, settled, rounds)


def _first_core(problem: Problem, price: Floats) -> tuple[Flags, Flags]:
    """Pairs (J,) near their group's best, and groups (G,) that have more than one such choice, staying out included."""
    loss, best = losses_of(problem, price)
    near = (loss <= CORE_LOSS_M) | problem.must_serve[problem.pair_group()]
    return near, (best <= CORE_LOSS_M) & ~problem.must_serve


def undecided(problem: Problem, inside: Flags, wavering: Flags) -> tuple[Ints, Ints]:
    """
    Pairs that the programme decides on, and the demands (J,) of pairs that it need not: the only ones of their group.

    Where the sure ones alone would not fit on a row, all that stand there are left to the programme.
    """
    group = problem.pair_group()
    alone = np.bincount(group[inside], minlength=problem.num_groups) == 1
    sure = np.where(inside & (alone & ~wavering)[group], problem.group_count[group], 0)
    over = problem.load_of(sure) > problem.row_capacity
    crowded = np.bincount(
        np.repeat(np.arange(len(problem.foot_ptr) - 1), np.diff(problem.foot_ptr)),
        weights=over[problem.foot_rows],
        minlength=len(problem.foot_ptr) - 1,
    )
    sure[crowded[problem.pair_footprint] > 0] = 0
    return np.flatnonzero(inside & (np.bincount(group, weights=sure, minlength=problem.num_groups) == 0)[group]), sure


def whole_part(amount: NDArray[np.float64]) -> Ints:
    """Amounts rounded down, numerical dust aside."""
    return np.floor(amount + 1e-6).astype(np.int64)
