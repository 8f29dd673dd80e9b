"""Prices on crowded rows: a bound on every plan, and the guide to good ones."""

from __future__ import annotations

from typing import TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

from allocator.instance import Ints
from allocator.presolve import Problem

SCALE = 2520
"""Prices are kept in 1/2520 m in certificates: divisible by 1 … 10, as the duals of small programmes often need."""

FEWEST_SHARED_PAIRS = 150_000
"""Fewer pairs are swept sooner than threads, on a busy machine, have found each other; the result is the same."""
Floats = NDArray[np.float64]
Number = TypeVar("Number", np.int64, np.float64)


def foot_prices(problem: Problem, price: NDArray[Number]) -> NDArray[Number]:
    """Sum of row prices on each footprint, (F,), in the type of `price`; exact in whole numbers even if sums wrap."""
    total = np.concatenate((np.zeros(1, dtype=price.dtype), np.cumsum(price[problem.foot_rows], dtype=price.dtype)))
    sums: NDArray[Number] = total[problem.foot_ptr[1:]] - total[problem.foot_ptr[:-1]]
    return sums


def bound_of(problem: Problem, price: Floats) -> float:
    """Lagrangian bound in metres, as a float: one pass over the pairs. Groups that must be served have no way out."""
    foot = foot_prices(problem, price)
    best_of_all = _best_of_all_shared if problem.num_pairs >= FEWEST_SHARED_PAIRS else _best_of_all_alone
    best = best_of_all(problem.pair_ptr, problem.pair_value_m, problem.pair_footprint, foot, problem.must_serve)
    # Summed in a fixed order: a library's dot product may add up in another one on another number of cores.
    return float((problem.group_count * best).sum() + (price * problem.row_capacity).sum())


@numba.njit(cache=True, inline="always")
def _best_of(
    group: int, pair_ptr: Ints, pair_value: Ints, pair_foot: Ints, foot_price: Floats, must_serve: NDArray[np.bool_]
) -> float:
    """Metres of a group's best choice; staying out is one unless it must be served."""
    top = -np.inf if must_serve[group] and pair_ptr[group] < pair_ptr[group + 1] else 0.0
    for pair in range(pair_ptr[group], pair_ptr[group + 1]):
        top = max(top, pair_value[pair] - foot_price[pair_foot[pair]])
    return top


@numba.njit(cache=True)
def _best_of_all_alone(
    pair_ptr: Ints, pair_value: Ints, pair_foot: Ints, foot_price: Floats, must_serve: NDArray[np.bool_]
) -> Floats:
    best = np.empty(len(pair_ptr) - 1, dtype=np.float64)
    for group in range(len(best)):
        best[group] = _best_of(group, pair_ptr, pair_value, pair_foot, foot_price, must_serve)
    return best


@numba.njit(parallel=True, cache=True)
def _best_of_all_shared(
    pair_ptr: Ints, pair_value: Ints, pair_foot: Ints, foot_price: Floats, must_serve: NDArray[np.bool_]
) -> Floats:
    """Do the same in threads: no group reads what another writes, so their number changes nothing."""
    best = np.empty(len(pair_ptr) - 1, dtype=np.float64)
    for group in numba.prange(len(best)):
        best[group] = _best_of(group, pair_ptr, pair_value, pair_foot, foot_price, must_serve)
    return best


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
