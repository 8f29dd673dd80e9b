"""Prices on crowded rows: a bound on every plan, and the guide to good ones."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from allocator.clock import Clock
from allocator.instance import Ints
from allocator.presolve import Problem

SCALE = 2520
"""Prices are kept in 1/2520 m in certificates: divisible by 1 … 10, as the duals of small programmes often need."""

FIRST_STEP_M = 600.0
LAST_STEP_M = 0.3
MOMENTUM = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """`lambda_m` (R,) metres on rows, none negative, and the `bound_m` they prove (as a float; certificates use integers)."""

    lambda_m: Floats
    bound_m: float
    sweeps: int


def ascend_prices(
    problem: Problem,
    *,
    start: Floats | None = None,
    sweeps: int = 1000,
    first_step_m: float = FIRST_STEP_M,
    clock: Clock | None = None,
) -> Prices:
    """
    Raise prices on crowded rows until the Lagrangian bound stops falling.

    Minimises  L(λ) = Σ_g count[g] · max(0, max_j value[j] − Σ_r∈rows(j) λ[r]) + Σ_r λ[r] · capacity[r],   λ ≥ 0,
    without the inner max(0, ·) for groups that must be served.

    Parameters
    ----------
    problem
        G groups, J pairs, R rows; values in metres.
    start
        Prices to begin from, (R,) metres; zero without. A solved neighbour's prices save most of the sweeps.
    sweeps
        Passes over the pairs; the work limit. Equal input gives equal output whatever the number of threads.
    first_step_m
        Step for a row loaded to twice its capacity; it decays geometrically to `LAST_STEP_M`.
    clock
        When to stop early; never without.

    Returns
    -------
    Prices
        The best found; valid whatever they are.

    Notes
    -----
    Subgradient steps scaled per row by the root of its relative overload (a row that is over by a tenth may still have to rise by
    a whole tier), with momentum; see Held, Wolfe & Crowder (1974), Math. Programming 6, 62–88.
    """
    price = np.zeros(problem.num_rows) if start is None else np.maximum(start, 0.0)
    if not problem.num_rows:
        return Prices(price, float(_bound(problem, price)[0]), 1)
    velocity = np.zeros(problem.num_rows)
    best, best_bound = price.copy(), np.inf
    decay = (LAST_STEP_M / first_step_m) ** (1.0 / max(1, sweeps - 1))
    scale = 1.0 / np.maximum(problem.row_capacity, 1)
    step, done = first_step_m, 0
    for done in range(1, sweeps + 1):  # noqa: B007  (how many were done is told)
        bound, load = _bound(problem, price)
        if bound < best_bound:
            best, best_bound = price.copy(), float(bound)
        if clock is not None and clock.is_over():
            break
        over = (load - problem.row_capacity) * scale
        pull = np.sign(over) * np.sqrt(np.minimum(np.abs(over), 1.0))
        velocity = MOMENTUM * velocity + (1 - MOMENTUM) * step * pull
        price = np.maximum(price + velocity, 0.0)
        velocity[price == 0.0] = 0.0
        step *= decay
    return Prices(best, best_bound, done)


def foot_prices(problem: Problem, price: NDArray[np.generic]) -> NDArray[np.generic]:
    """Sum of row prices on each footprint, (F,), in the type of `price`."""
    total = np.concatenate((np.zeros(1, dtype=price.dtype), np.cumsum(price[problem.foot_rows])))
    return total[problem.foot_ptr[1:]] - total[problem.foot_ptr[:-1]]


def _bound(problem: Problem, price: Floats) -> tuple[float, Ints]:
    """Lagrangian bound in metres and the load (R,) of everybody's best choice."""
    foot = foot_prices(problem, price)
    best_foot, best_value = _best_choices(
        problem.pair_ptr, problem.pair_value_m, problem.pair_footprint, foot, problem.must_serve
    )
    count = problem.group_count
    served = best_foot >= 0
    demand = np.bincount(best_foot[served], weights=count[served], minlength=len(foot))
    load = np.bincount(problem.foot_rows, weights=np.repeat(demand, np.diff(problem.foot_ptr)), minlength=len(price))
    return float(count @ best_value + price @ problem.row_capacity), load


@numba.njit(parallel=True, cache=True, fastmath=False)
def _best_choices(
    pair_ptr: Ints, pair_value: Ints, pair_foot: Ints, foot_price: Floats, must_serve: NDArray[np.bool_]
) -> tuple[Ints, Floats]:
    """Footprint (−1: none) and reduced value (metres) of each group's best pair; the first among equals."""
    groups = len(pair_ptr) - 1
    best_foot = np.full(groups, -1, dtype=np.int64)
    best_value = np.zeros(groups, dtype=np.float64)
    for group in numba.prange(groups):
        top = -np.inf if must_serve[group] else 0.0
        foot = -1
        for pair in range(pair_ptr[group], pair_ptr[group + 1]):
            value = pair_value[pair] - foot_price[pair_foot[pair]]
            if value > top:
                top = value
                foot = pair_foot[pair]
        best_foot[group] = foot
        best_value[group] = top
    return best_foot, best_value


def proven_bound(problem: Problem, price: Ints, *, scale: int = SCALE) -> int:
    """
    Bound in whole metres from whole prices in 1/scale metre, by the formula of NEIGHBOURHOOD.md.

    Groups that must be served count max(0, ·) like all others: still a bound, and the one that a checker recomputes.
    """
    foot = foot_prices(problem, price)
    reduced = scale * problem.pair_value_m - foot[problem.pair_footprint]
    best = np.zeros(problem.num_groups, dtype=np.int64)
    filled = np.diff(problem.pair_ptr) > 0
    if len(reduced):
        best[filled] = np.maximum.reduceat(reduced, problem.pair_ptr[:-1][filled])
    total = int(problem.group_count @ np.maximum(best, 0)) + int(price @ problem.row_capacity)
    return total // scale


def whole_prices(price: Floats, *, scale: int = SCALE) -> Ints:
    """Prices in metres as whole multiples of 1/scale metre."""
    return np.rint(np.maximum(price, 0.0) * scale).astype(np.int64)
