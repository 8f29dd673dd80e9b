"""
Limits that whole cars keep and parts of cars break: half the sum of some rows, rounded down.

Three permits for nights {1, 2}, {2, 3} and {1, 3} in one bay: half of each fits, one and a half in all. Half the sum of
the three nights' rows says n ≤ 3/2, so whole cars are one at most (Caprara & Fischetti 1996, Math. Programming 74,
221–235). Rows that the fractional plan fills, with every pair it uses counted an even number of times and bays an odd
number of times, are found by elimination modulo two.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from allocator.cases import Count
from allocator.instance import Ints
from allocator.presolve import Problem
from allocator.prices import Floats, foot_prices

_DUST = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A count that no plan exceeds: half the sum of some `rows`, `groups` and `limits` (indices), rounded down."""

    count: Count
    rows: Ints
    groups: Ints
    limits: Ints


@dataclass(slots=True)
class _Row:
    """A sum of rows modulo two: the pairs it counts an odd number of times, whether its limit is odd, its rows."""

    columns: set[int]
    odd: bool
    members: set[int]

    def add(self, other: _Row) -> None:
        """Add another row, modulo two."""
        self.columns ^= other.columns
        self.odd ^= other.odd
        self.members ^= other.members


def odd_cuts(problem: Problem, amount: Floats, limits: Sequence[Count], *, most: int) -> list[Cut]:
    """
    Find counts that a fractional plan exceeds by a half and whole cars cannot, those of the fewest rows first.

    Parameters
    ----------
    amount
        (J,) demands of each pair in the fractional plan.
    limits
        Counts that are known to be kept, to be combined like rows.
    most
        So many at most.
    """
    found = {frozenset(members) for members in _odd_sums(_filled_rows(problem, amount, limits))}
    chosen = sorted(found, key=lambda members: (len(members), sorted(members)))
    return [_cut_of(problem, limits, members) for members in chosen[:most]]


def _filled_rows(problem: Problem, amount: Floats, limits: Sequence[Count]) -> dict[int, _Row]:
    """Rows, groups and limits (numbered in this order) that the plan leaves no slack, over the pairs it uses."""
    used = np.flatnonzero(amount > _DUST)
    foot = problem.pair_footprint[used]
    lengths = np.diff(problem.foot_ptr)[foot]
    begins = np.repeat(problem.foot_ptr[:-1][foot] - (np.cumsum(lengths) - lengths), lengths)
    row = [problem.foot_rows[begins + np.arange(int(lengths.sum()))]]
    pair = [np.repeat(used, lengths), used]
    row.append(problem.num_rows + np.searchsorted(problem.pair_ptr, used, side="right") - 1)
    for index, limit in enumerate(limits):
        row.append(np.full(len(limit.pair), problem.num_rows + problem.num_groups + index))
        pair.append(limit.pair)
    rows, pairs = np.concatenate(row), np.concatenate(pair)
    weight = np.concatenate((np.ones(len(row[0]) + len(used), dtype=np.int64), *(limit.weight for limit in limits)))
    right = np.concatenate(
        (problem.row_capacity, problem.group_count, np.array([limit.at_most for limit in limits], dtype=np.int64))
    )
    filled = right - np.bincount(rows, weights=weight * amount[pairs], minlength=len(right)) < _DUST
    odd = np.flatnonzero(filled[rows] & (weight % 2 == 1) & (amount[pairs] > _DUST))
    result: dict[int, _Row] = {}
    for at, column in zip(rows[odd].tolist(), pairs[odd].tolist(), strict=True):
        if at not in result:
            result[at] = _Row(set(), bool(right[at] % 2), {at})
        result[at].columns.add(column)
    return result


def _odd_sums(rows: dict[int, _Row]) -> Iterator[set[int]]:
    """Find sets of rows whose sum counts every pair evenly against an odd limit: eliminate pairs, rare ones first."""
    holders: dict[int, set[int]] = defaultdict(set)
    for key, row in rows.items():
        for column in row.columns:
            holders[column].add(key)
    queue = [(len(keys), column) for column, keys in holders.items()]
    heapq.heapify(queue)
    while queue:
        number, column = heapq.heappop(queue)
        if not number or number != len(holders[column]):  # it has changed since, and stands in the queue again
            continue
        first, *others = sorted(holders[column], key=lambda key: (len(rows[key].columns), len(rows[key].members), key))
        pivot = rows.pop(first)
        for each in pivot.columns:
            holders[each].discard(first)
            for other in others:
                holders[each] ^= {other}
            heapq.heappush(queue, (len(holders[each]), each))
        for other in others:
            rows[other].add(pivot)
            if not rows[other].columns:
                ended = rows.pop(other)
                if ended.odd:
                    yield ended.members


def _cut_of(problem: Problem, limits: Sequence[Count], members: frozenset[int]) -> Cut:
    """Half the sum of the rows, rounded down, over all pairs of the problem."""
    first, second = problem.num_rows, problem.num_rows + problem.num_groups
    chosen = np.array(sorted(members), dtype=np.int64)
    rows, groups = chosen[chosen < first], chosen[(chosen >= first) & (chosen < second)] - first
    kept = chosen[chosen >= second] - second
    flags = np.zeros(problem.num_rows, dtype=np.int64)
    flags[rows] = 1
    total = foot_prices(problem, flags)[problem.pair_footprint]
    chosen_groups = np.zeros(problem.num_groups, dtype=np.int64)
    chosen_groups[groups] = 1
    total = total + np.repeat(chosen_groups, np.diff(problem.pair_ptr))
    right = int(problem.row_capacity[rows].sum()) + int(problem.group_count[groups].sum())
    for index in kept.tolist():
        total[limits[index].pair] += limits[index].weight
        right += limits[index].at_most
    weight = total // 2
    pair = np.flatnonzero(weight)
    return Cut(Count(pair, weight[pair], right // 2), rows, groups, kept)
