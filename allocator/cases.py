"""
One case of a branching: the bound that prices prove of it, and its linear programme.

A case is the plans that keep some counts: n at most a whole number, or above it. Prices on counts stand in the bound
beside those on rows: below, n is charged and the limit is added; above, n earns, and the limit and one are taken off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse

from allocator.engines import Programme
from allocator.instance import Ints
from allocator.presolve import Problem
from allocator.prices import SCALE, Floats, foot_prices
from allocator.programmes import Part, part_of


@dataclass(frozen=True, slots=True, eq=False)
class Count:
    """n = Σ weight · demands served at the pair, over `pair` and `weight` (N,), and a limit for it."""

    pair: Ints
    weight: Ints
    at_most: int

    def of(self, amount: Floats) -> float:
        """Count for amounts (J,) of all pairs."""
        return float((self.weight * amount[self.pair]).sum())


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One side of a count: n ≤ at_most (`below`) or n ≥ at_most + 1."""

    count: Count
    below: bool


Paid = Sequence[tuple[Side, int]]
"""Sides with the price of one more, in 1/SCALE metre."""


def reduced_values(problem: Problem, price: Ints, paid: Paid) -> Ints:
    """Worth of each pair (J,) less what it pays, in 1/SCALE metre."""
    reduced: Ints = SCALE * problem.pair_value_m - foot_prices(problem, price)[problem.pair_footprint]
    for side, number in paid:
        reduced[side.count.pair] -= (number if side.below else -number) * side.count.weight
    return reduced


def best_values(problem: Problem, reduced: Ints) -> Ints:
    """Best of each group (G,) by the reduced values of its pairs (J,); staying out is one unless it must be served."""
    best = np.zeros(problem.num_groups, dtype=np.int64)
    filled = np.diff(problem.pair_ptr) > 0
    if len(reduced):
        best[filled] = np.maximum.reduceat(reduced, problem.pair_ptr[:-1][filled])
    return np.where(problem.must_serve, best, np.maximum(best, 0))


def case_bound(problem: Problem, price: Ints, paid: Paid) -> int:
    """
    Bound of a case in 1/SCALE metre, exact.

    Σ_g count · max(0, max_j reduced) + Σ price · capacity + Σ_below price · at_most − Σ_above price · (at_most + 1),
    without the inner max(0, ·) for groups that must be served.
    """
    best = best_values(problem, reduced_values(problem, price, paid))
    total = _product(problem.group_count, best) + _product(price, problem.row_capacity)
    return total + sum(
        number * side.count.at_most if side.below else -number * (side.count.at_most + 1) for side, number in paid
    )


def _product(left: Ints, right: Ints) -> int:
    """Sum of products, exact also beyond 64 bits."""
    if float(np.abs(left.astype(np.float64) * right).sum()) < 2.0**62:
        return int((left * right).sum())
    return sum(a * b for a, b in zip(left.tolist(), right.tolist(), strict=True))


def case_programme(
    problem: Problem, pairs: Ints, sure: Ints, sides: Sequence[Side], *, penalty: float
) -> tuple[Programme, Part]:
    """
    Programme of a case over some pairs: the part's columns and rows, then one of each for every side.

    `sure` (J,) are demands that stand where they are. A side may be missed at a penalty a unit, so that there is
    always an answer and always prices.
    """
    part = part_of(problem, pairs, free=problem.group_count, residual=problem.row_capacity - problem.load_of(sure))
    if not sides:
        return part.programme, part
    column = np.full(problem.num_pairs, -1, dtype=np.int64)
    column[pairs] = np.arange(len(pairs))
    size = [len(side.count.pair) for side in sides]
    where = np.repeat(np.arange(len(sides)), size)
    counted = np.concatenate([side.count.pair for side in sides])
    which = column[counted]
    sign = np.repeat([1 if side.below else -1 for side in sides], size)
    weight = sign * np.concatenate([side.count.weight for side in sides])
    known = which >= 0
    counts = scipy.sparse.csr_matrix(
        (weight[known], (where[known], which[known])), shape=(len(sides), len(pairs)), dtype=np.float64
    )
    limit = np.array([side.count.at_most if side.below else -(side.count.at_most + 1) for side in sides])
    limit = limit - np.bincount(where, weights=weight * sure[counted], minlength=len(sides))
    plain, number = part.programme, len(sides)
    missed = -scipy.sparse.identity(number, dtype=np.float64, format="csr")
    nothing = scipy.sparse.csr_matrix((plain.rows.shape[0], number), dtype=np.float64)
    columns = scipy.sparse.vstack([plain.rows, counts]), scipy.sparse.vstack([nothing, missed])
    programme = replace(
        plain,
        value=np.concatenate((plain.value, np.full(number, -penalty))),
        high=np.concatenate((plain.high, np.full(number, np.inf))),
        rows=scipy.sparse.csr_matrix(scipy.sparse.hstack(columns)),
        limit=np.concatenate((plain.limit, limit)),
        at_least=np.concatenate((plain.at_least, np.full(number, -np.inf))),
    )
    return programme, part
