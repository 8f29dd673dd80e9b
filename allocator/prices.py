"""Prices on crowded rows: a bound on every plan, and the guide to good ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

from allocator.clock import Clock
from allocator.instance import Ints
from allocator.presolve import Problem

SCALE = 2520
"""Prices are kept in 1/2520 m in certificates: divisible by 1 … 10, as the duals of small programmes often need."""

MOMENTUM = 0.95
PATIENCE = 20
"""Sweeps without progress after which steps get shorter."""
SHORTEN = 0.7
SHORTEST = 1e-4
FEWEST_SHARED_PAIRS = 300_000
"""Fewer pairs are swept sooner than threads, on a busy machine, have found each other; the result is the same."""
_PROGRESS = 1e-6

Floats = NDArray[np.float64]
Number = TypeVar("Number", np.int64, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """`lambda_m` (R,) metres on rows, none negative, and the `bound_m` they prove, as a float."""

    lambda_m: Floats
    bound_m: float
    sweeps: int


def ascend_prices(
    problem: Problem,
    *,
    target_m: float,
    start: Floats | None = None,
    sweeps: int = 1000,
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
    target_m
        Value of a plan that is known: steps are as long as would reach it if L were linear.
    start
        Prices to begin from, (R,) metres; zero without. A solved neighbour's prices save most of the sweeps.
    sweeps
        Passes over the pairs; the work limit. Equal input gives equal output whatever the number of threads.
    clock
        When to stop early; never without.

    Returns
    -------
    Prices
        The best found; valid whatever they are.

    Notes
    -----
    Polyak's step (1969, USSR Comp. Math. and Math. Physics 9, 14–29) along a direction smoothed over sweeps and scaled
    by 1/√capacity, shortened whenever progress stalls. On the Monaco sample a thousand sweeps come within 7 m per
    demand of the linear optimum where steps decaying geometrically stay 180 m above it.
    """
    price = np.zeros(problem.num_rows) if start is None else np.maximum(start, 0.0)
    direction = np.zeros(problem.num_rows)
    scale = 1.0 / np.sqrt(np.maximum(problem.row_capacity, 1))
    best, best_bound = price, np.inf
    length, stalled, done = 1.0, 0, 0
    while done < sweeps and length > SHORTEST and best_bound >= target_m + 1:  # closer than a metre is optimal
        bound, load = _bound(problem, price)
        done += 1
        stalled = 0 if bound < best_bound * (1 - _PROGRESS) else stalled + 1
        if bound < best_bound:
            best, best_bound = price, float(bound)
        if stalled > PATIENCE:
            length, stalled = length * SHORTEN, 0
        over = load - problem.row_capacity
        slope = np.where((price <= 0) & (over < 0), 0.0, over)  # prices at zero do not fall
        steepness = float((slope * slope * scale).sum())
        if steepness <= 0 or (clock is not None and clock.is_over()):
            break
        direction = MOMENTUM * direction + (1 - MOMENTUM) * slope * scale
        price = np.maximum(price + length * max(bound - target_m, 1.0) / steepness * direction, 0.0)
    return Prices(best, best_bound, done)


def foot_prices(problem: Problem, price: NDArray[Number]) -> NDArray[Number]:
    """Sum of row prices on each footprint, (F,), in the type of `price`; exact in whole numbers even if sums wrap."""
    total = np.concatenate((np.zeros(1, dtype=price.dtype), np.cumsum(price[problem.foot_rows], dtype=price.dtype)))
    sums: NDArray[Number] = total[problem.foot_ptr[1:]] - total[problem.foot_ptr[:-1]]
    return sums


def _bound(problem: Problem, price: Floats) -> tuple[float, Ints]:
    """Lagrangian bound in metres and the load (R,) of everybody's best choice."""
    foot = foot_prices(problem, price)
    best_choices = _best_choices_shared if problem.num_pairs >= FEWEST_SHARED_PAIRS else _best_choices_alone
    best_foot, best_value = best_choices(
        problem.pair_ptr, problem.pair_value_m, problem.pair_footprint, foot, problem.must_serve
    )
    count = problem.group_count
    served = best_foot >= 0
    demand = np.bincount(best_foot[served], weights=count[served], minlength=len(foot))
    load = np.bincount(problem.foot_rows, weights=np.repeat(demand, np.diff(problem.foot_ptr)), minlength=len(price))
    # Summed in a fixed order: a library's dot product may add up in another one on another number of cores.
    return float((count * best_value).sum() + (price * problem.row_capacity).sum()), load


@numba.njit(cache=True, inline="always")
def _best_of(
    group: int, pair_ptr: Ints, pair_value: Ints, pair_foot: Ints, foot_price: Floats, must_serve: NDArray[np.bool_]
) -> tuple[int, float]:
    """Footprint (−1: none) and reduced value of a group's best pair; the first among equals."""
    top = -np.inf if must_serve[group] else 0.0
    foot = -1
    for pair in range(pair_ptr[group], pair_ptr[group + 1]):
        value = pair_value[pair] - foot_price[pair_foot[pair]]
        if value > top:
            top = value
            foot = pair_foot[pair]
    return foot, top


@numba.njit(cache=True)
def _best_choices_alone(
    pair_ptr: Ints, pair_value: Ints, pair_foot: Ints, foot_price: Floats, must_serve: NDArray[np.bool_]
) -> tuple[Ints, Floats]:
    """Footprint (−1: none) and reduced value (metres) of each group's best pair."""
    best_foot = np.empty(len(pair_ptr) - 1, dtype=np.int64)
    best_value = np.empty(len(pair_ptr) - 1, dtype=np.float64)
    for group in range(len(best_foot)):
        best_foot[group], best_value[group] = _best_of(group, pair_ptr, pair_value, pair_foot, foot_price, must_serve)
    return best_foot, best_value


@numba.njit(parallel=True, cache=True)
def _best_choices_shared(
    pair_ptr: Ints, pair_value: Ints, pair_foot: Ints, foot_price: Floats, must_serve: NDArray[np.bool_]
) -> tuple[Ints, Floats]:
    """Do the same in threads: no group reads what another writes, so their number changes nothing."""
    best_foot = np.empty(len(pair_ptr) - 1, dtype=np.int64)
    best_value = np.empty(len(pair_ptr) - 1, dtype=np.float64)
    for group in numba.prange(len(best_foot)):
        best_foot[group], best_value[group] = _best_of(group, pair_ptr, pair_value, pair_foot, foot_price, must_serve)
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
    return (_dot(problem.group_count, np.maximum(best, 0)) + _dot(price, problem.row_capacity)) // scale


def _dot(left: Ints, right: Ints) -> int:
    """Sum of products of numbers not below zero, exact also beyond 64 bits."""
    if float((left.astype(np.float64) * right).sum()) < 2.0**62:
        return int((left * right).sum())
    return sum(a * b for a, b in zip(left.tolist(), right.tolist(), strict=True))


def whole_prices(problem: Problem, price: Floats, *, scale: int = SCALE) -> Ints:
    """
    Prices in metres as whole multiples of 1/scale metre.

    None is above the highest value of a pair: nobody pays that much, so that more would only raise the bound.
    """
    highest = scale * int(problem.pair_value_m.max(initial=0))
    return np.minimum(np.rint(np.clip(price * scale, 0.0, float(highest))).astype(np.int64), highest)
