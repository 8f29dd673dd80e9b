"""
Limits that whole cars keep and parts of cars break: weighted sums of rows, rounded down.

Three permits for nights {1, 2}, {2, 3} and {1, 3} in one bay: half of each fits, one and a half in all. Half the sum of
the three nights' rows says n ≤ 3/2, so whole cars are one at most. In general: rows with multipliers u ≥ 0 say
Σ_j (uA)_j x_j ≤ ub, so Σ_j ⌊(uA)_j⌋ x_j ≤ ⌊ub⌋ for whole x (Chvátal 1973, Discrete Mathematics 4, 305–337). Multipliers
under which nothing is lost on the pairs in use solve the equations of the rows that the fractional plan fills, as in
Gomory (1958), Bulletin of the AMS 64, 275–278: one set for every pair that stands in parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numba
import numpy as np
from numpy.typing import NDArray

from allocator.cases import Count
from allocator.instance import Ints
from allocator.presolve import Problem
from allocator.prices import Floats, foot_prices

MOST_SHARES = 500
"""Multipliers are whole numbers of one of so many parts at most; finer ones cut off next to nothing."""
MOST_MULTIPLES = 12
"""Multiples of the same multipliers that are tried: each leaves other parts of the pairs to be rounded off."""
LEAST_EXCESS = 0.01
"""Of a demand: a count that is exceeded by less is of no use."""
MOST_ALIKE = 0.9
"""Cosine between two counts above which only the one exceeded by more is kept."""
_DUST = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """
    A count that no plan exceeds: (Σ row · capacity rows + Σ group · groups + Σ limit · limits) / shares, rounded down.

    Whole multipliers `row` (R,) and `group` (G,); `limit` by index.
    """

    count: Count
    shares: int
    row: Ints
    group: Ints
    limit: dict[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Filled:
    """
    Equations that a fractional plan keeps: N pairs whose groups it splits, M rows, groups and limits without slack.

    `matrix` (N, M); `rows` (M,) number rows, groups and limits in this order, `right` all of theirs; `amount` (N,);
    `whole` are pairs that hold all their group's demands, so that the group's own row makes up for any parts.
    """

    matrix: Floats
    rows: Ints
    right: Ints
    amount: Floats
    whole: Ints


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """Multipliers (K,) of some rows (K,), the count's weights on the split pairs (N,), and how far it is exceeded."""

    shares: int
    rows: Ints
    multiplier: Ints
    weight: Floats
    depth: float


def rounded_sums(
    problem: Problem, amount: Floats, limits: Sequence[Count], priced: NDArray[np.bool_], *, most: int
) -> list[Cut]:
    """
    Find counts that a fractional plan exceeds and whole cars cannot, those that cut deepest first.

    Parameters
    ----------
    amount
        (J,) demands of each pair in the fractional plan.
    limits
        L counts that are known to be kept, to be combined like rows.
    priced
        (R + G + L,) rows, groups and limits that carry a price; they are combined before others.
    most
        So many at most.
    """
    filled = _filled(problem, amount, limits)
    if not len(filled.matrix):
        return []
    order = np.lexsort((filled.rows, ~priced[filled.rows]))
    solution, pivot = _solve(filled.matrix, order)
    found = {}
    for pair in np.flatnonzero(np.abs(filled.amount - np.rint(filled.amount)) > _DUST).tolist():
        for candidate in _multiples(filled, solution[:, pair], pivot, pair):
            key = candidate.shares, candidate.rows.tobytes(), candidate.multiplier.tobytes()
            found[key] = candidate
    ranked = sorted(found.values(), key=lambda each: (-round(each.depth, 9), len(each.rows)))
    cuts = (_cut_of(problem, limits, filled, candidate) for candidate in _unlike(ranked, most))
    return [cut for cut in cuts if cut.count.of(amount) > cut.count.at_most + LEAST_EXCESS / 2]


def _filled(problem: Problem, amount: Floats, limits: Sequence[Count]) -> _Filled:
    used = np.flatnonzero(amount > _DUST)
    group = np.searchsorted(problem.pair_ptr, used, side="right") - 1
    foot = problem.pair_footprint[used]
    lengths = np.diff(problem.foot_ptr)[foot]
    begins = np.repeat(problem.foot_ptr[:-1][foot] - (np.cumsum(lengths) - lengths), lengths)
    columns = np.arange(len(used))
    place = np.full(problem.num_pairs, -1, dtype=np.int64)
    place[used] = columns
    row = [problem.foot_rows[begins + np.arange(int(lengths.sum()))], problem.num_rows + group]
    column, weight = [np.repeat(columns, lengths), columns], [np.ones(int(lengths.sum())), np.ones(len(used))]
    for index, limit in enumerate(limits):
        counted = place[limit.pair]
        column.append(counted[counted >= 0])
        row.append(np.full(len(column[-1]), problem.num_rows + problem.num_groups + index))
        weight.append(limit.weight[counted >= 0].astype(np.float64))
    rows, at, weights = np.concatenate(row), np.concatenate(column), np.concatenate(weight)
    at_most = np.array([limit.at_most for limit in limits], dtype=np.int64)
    right = np.concatenate((problem.row_capacity, problem.group_count, at_most))
    tight = right - np.bincount(rows, weights=weights * amount[used][at], minlength=len(right)) < _DUST
    alone = (np.bincount(group, minlength=problem.num_groups)[group] == 1) & tight[problem.num_rows + group]
    kept = ~alone[at] & tight[rows]
    names, number = np.unique(rows[kept], return_inverse=True)
    split = np.flatnonzero(~alone)
    matrix = np.zeros((len(split), len(names)))
    matrix[np.searchsorted(split, at[kept]), number] = weights[kept]
    return _Filled(matrix, names, right, amount[used][split], used[alone])


@numba.njit(cache=True)
def _solve(matrix: Floats, order: Ints) -> tuple[Floats, Ints]:
    """
    Solve matrix · u = e for every unit vector e, with few rows in use, the first in `order` before the others.

    Returns (N, N) and the row (N,) that each line of it belongs to, −1 where the pairs depend on each other. Plain
    elimination in a fixed order: the same on every machine, as a library's need not be.
    """
    number, width = matrix.shape
    work = np.zeros((number, width + number))
    work[:, :width] = matrix
    for line in range(number):
        work[line, width + line] = 1.0
    pivot = np.full(number, -1, dtype=np.int64)
    for row in order:
        best, size = -1, 1e-7
        for line in range(number):
            if pivot[line] < 0 and abs(work[line, row]) > size:
                best, size = line, abs(work[line, row])
        if best < 0:
            continue
        pivot[best] = row
        work[best] /= work[best, row]
        used = np.flatnonzero(work[best])
        for line in range(number):
            factor = work[line, row]
            if line != best and abs(factor) > 1e-9:
                for entry in used:
                    work[line, entry] -= factor * work[best, entry]
    return work[:, width:].copy(), pivot


def _multiples(filled: _Filled, solution: Floats, pivot: Ints, pair: int) -> list[_Candidate]:
    """Multipliers that give a pair weight one and all others none, and their multiples, whole parts left out."""
    chosen = np.flatnonzero((np.abs(solution) > 1e-9) & (pivot >= 0))
    rows, exact = pivot[chosen], solution[chosen]
    shares = _shares_of(exact)
    if shares is None:
        return []
    matrix = filled.matrix[:, rows]
    whole = np.rint(exact * shares).astype(np.int64)
    unit = np.zeros(len(filled.matrix))
    unit[pair] = shares
    if (matrix @ whole != unit).any():  # the elimination lost its way, or the pairs depend on each other
        return []
    times = np.arange(1, min(shares - 1, MOST_MULTIPLES) + 1)
    multiplier = (whole[:, None] * times) % shares
    weight = (matrix @ multiplier) // shares
    excess = filled.amount[pair] * times
    excess -= np.floor(excess + _DUST)
    size = np.sqrt((weight * weight).sum(axis=0))
    return [
        _Candidate(
            shares=shares,
            rows=filled.rows[rows][multiplier[:, at] > 0],
            multiplier=multiplier[:, at][multiplier[:, at] > 0],
            weight=weight[:, at],
            depth=float(excess[at] / size[at]),
        )
        for at in range(len(times))
        if excess[at] > LEAST_EXCESS and size[at] > 0
    ]


def _shares_of(multipliers: Floats) -> int | None:
    """Find how many parts a whole is to be cut into so that the multipliers are whole numbers of parts."""
    shares = 1
    for number in multipliers.tolist():
        if abs(number * shares - round(number * shares)) > _DUST * shares:
            shares = lcm(shares, Fraction(number).limit_denominator(MOST_SHARES).denominator)
            if shares > MOST_SHARES:
                return None
    return shares if shares > 1 and np.abs(multipliers * shares - np.rint(multipliers * shares)).max() < 1e-4 else None


def _unlike(ranked: list[_Candidate], most: int) -> list[_Candidate]:
    """Take the deepest, and of those that are alike only one."""
    chosen: list[_Candidate] = []
    directions: list[Floats] = []
    for candidate in ranked:
        direction = candidate.weight / np.sqrt((candidate.weight * candidate.weight).sum())
        if len(chosen) < most and all(float((direction * other).sum()) <= MOST_ALIKE for other in directions):
            chosen.append(candidate)
            directions.append(direction)
    return chosen


def _cut_of(problem: Problem, limits: Sequence[Count], filled: _Filled, candidate: _Candidate) -> Cut:
    """Sum the rows over all pairs of the problem; groups that stand whole at one pair make up for its parts."""
    first, second = problem.num_rows, problem.num_rows + problem.num_groups
    everything = np.zeros(len(filled.right), dtype=np.int64)
    everything[candidate.rows] = candidate.multiplier
    row, group, rest = everything[:first], everything[first:second], everything[second:]
    limit = {index: int(rest[index]) for index in np.flatnonzero(rest).tolist()}
    total: Ints = foot_prices(problem, row)[problem.pair_footprint]
    for index, multiplier in limit.items():
        total[limits[index].pair] += multiplier * limits[index].weight
    group[np.searchsorted(problem.pair_ptr, filled.whole, side="right") - 1] += -total[filled.whole] % candidate.shares
    total += np.repeat(group, np.diff(problem.pair_ptr))
    weight = total // candidate.shares
    pair = np.flatnonzero(weight)
    at_most = int((everything * filled.right).sum()) // candidate.shares
    return Cut(Count(pair, weight[pair], at_most), candidate.shares, row, group, limit)
