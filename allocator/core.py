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
from allocator.prices import Floats, foot_prices, proven_bound, whole_prices
from allocator.programmes import part_of, with_trade

FIRST_BOX_M = 2.0
LEAST_BOX_M = 0.5
MOST_BOX_M = 4096.0
BOX_GROWTH = 6.0
MOST_ROUNDS = 30
_DUST_M = 1e-6
MOST_CORE_PAIRS = 150_000
"""A larger linear programme takes minutes; the ascent's prices stay as they are."""
MOST_COLUMNS = 500_000
"""Work limit: columns of all linear programmes together."""
_SETTLED_M = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Core:
    """
    Prices `lambda_m` (R,) with the proven bound, and a fractional plan `amount` (J,) that goes with them.

    `settled` says that the prices are optimal for the whole relaxation, not only inside the last box.
    """

    lambda_m: Floats
    bound_m: int
    amount: Floats
    settled: bool
    rounds: int


def losses_of(problem: Problem, price: Floats) -> tuple[Floats, Floats]:
    """Metres by which each pair (J,) is worse than its group's best, staying out included; and each group's best (G,)."""
    reduced = problem.pair_value_m - foot_prices(problem, price)[problem.pair_footprint]
    best = np.full(problem.num_groups, -np.inf)
    filled = np.diff(problem.pair_ptr) > 0
    if len(reduced):
        best[filled] = np.maximum.reduceat(reduced, problem.pair_ptr[:-1][filled])
    best = np.where(problem.must_serve, best, np.maximum(best, 0.0))
    return np.repeat(best, np.diff(problem.pair_ptr)) - reduced, best


def settle_prices(
    problem: Problem, price: Floats, *, rounds: int = MOST_ROUNDS, clock: Clock | None = None
) -> Core:
    """
    Descend from the ascent's prices to the optimum of the relaxation by linear programmes inside a moving box.

    Each round lets every row's price move by at most its box, and takes the pairs whose loss can vanish inside: the programme is
    then exact for the box. The box moves with its answer; it grows for prices that lean on its walls and shrinks for the others.
    """
    clock = clock or Clock()
    price = np.maximum(price, 0.0)
    best_price, best_bound = price, proven_bound(problem, whole_prices(price))
    amount = np.zeros(problem.num_pairs)
    box = np.full(problem.num_rows, FIRST_BOX_M)
    settled, done, columns = False, 0, 0
    for done in range(1, rounds + 1):  # noqa: B007  (how many were done is told)
        pairs = np.flatnonzero(_can_matter(problem, price, box))
        if len(pairs) > MOST_CORE_PAIRS:
            break
        part = part_of(problem, pairs, free=problem.group_count, residual=problem.row_capacity)
        low, high = np.maximum(price - box, 0.0)[part.rows], (price + box)[part.rows]
        try:
            answer = solve_linear(with_trade(part, buy_m=high, sell_m=low), limit_s=clock.left_s())
        except EngineFailed:
            break
        assert answer.duals is not None  # noqa: S101  (a linear programme's answer has them)
        duals = np.clip(answer.duals[len(part.groups) :], low, high)
        price = np.maximum(price - box, 0.0)  # a row on which nobody in the core stands falls to its lower wall
        price[part.rows] = duals
        bound = proven_bound(problem, whole_prices(price))
        amount = np.zeros(problem.num_pairs)
        amount[pairs] = answer.x[: len(pairs)]
        traded = answer.x[len(pairs) :].max(initial=0.0) > _DUST_M
        leaning = np.zeros(problem.num_rows, dtype=np.bool_)
        leaning[part.rows] = (duals >= high - _DUST_M) | ((duals <= low + _DUST_M) & (low > 0))
        leaning |= ~np.isin(np.arange(problem.num_rows), part.rows) & (price > 0)
        if bound <= best_bound:  # of equal bounds the programme's prices are the rounder ones
            best_price, best_bound = price, bound
        # Without trade the amounts are a plan of the whole relaxation, so its value meeting the bound proves both.
        settled = not leaning.any() or (not traded and bound - answer.bound <= _SETTLED_M)
        columns += len(pairs)
        if settled or columns > MOST_COLUMNS or clock.is_over():
            break
        box = np.where(leaning, np.minimum(box * BOX_GROWTH, MOST_BOX_M), np.maximum(box / 2, LEAST_BOX_M))
    return Core(best_price, best_bound, amount, settled, done)


def _can_matter(problem: Problem, price: Floats, box: Floats) -> NDArray[np.bool_]:
    """Pairs (J,) whose loss can vanish when prices move inside the box: theirs fall, those of the group's best rise."""
    loss, best = losses_of(problem, price)
    reach = foot_prices(problem, box)[problem.pair_footprint]
    at_best = np.where(loss <= _DUST_M, reach, np.inf)
    least = np.full(problem.num_groups, np.inf)
    filled = np.diff(problem.pair_ptr) > 0
    if len(at_best):
        least[filled] = np.minimum.reduceat(at_best, problem.pair_ptr[:-1][filled])
    least = np.where(np.isfinite(least), least, 0.0)  # staying out is best, and its value does not move
    return loss <= reach + np.repeat(least, np.diff(problem.pair_ptr)) + _DUST_M


def whole_part(amount: NDArray[np.float64]) -> Ints:
    """Amounts rounded down, numerical dust aside."""
    return np.floor(amount + 1e-6).astype(np.int64)
