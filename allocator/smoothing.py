"""
The relaxation made smooth: everybody chooses by chance, the better a place the likelier, and bounds get derivatives.

With temperature μ a demand of group g takes pair j with probability exp(r_j/μ) / (1 + Σ_k exp(r_k/μ)), where r is its
value less the prices it pays; the 1 is staying out. Expected cars and their covariance are first and second
derivatives of a smooth bound that falls to the Lagrangian bound as μ falls to zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from allocator.instance import Ints
from allocator.presolve import Problem
from allocator.prices import FEWEST_SHARED_PAIRS, foot_prices

Floats = NDArray[np.float64]

CHUNKS = 8
"""Groups are summed in so many stretches whatever the number of threads, so that sums are always the same."""
CERTAIN = 1e-7
"""Groups whose choice is surer than this have no covariance worth counting."""
NEVER = -40.0
"""A pair so many temperatures worse than the best is never chosen: less than a rounding error of the best's share."""
MOST_BLOCK_ROWS = 96
"""Rows of a bay group beyond so many are conditioned in several blocks."""


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Expected demands at each pair (J,), cars on each row (R,), and the smooth bound in metres without capacities."""

    amount: Floats
    load: Floats
    worth_m: float


def choose(problem: Problem, foot_price: Floats, *, temperature_m: float) -> Choice:
    """Let everybody choose at prices (F,) on footprints; one pass over the pairs."""
    amount = np.empty(problem.num_pairs)
    worth = np.zeros(CHUNKS)
    at_foot = np.zeros((CHUNKS, len(foot_price)))
    sweep = _choose_shared if problem.num_pairs >= FEWEST_SHARED_PAIRS else _choose_alone
    sweep(problem.pair_ptr, problem.pair_value_m, problem.pair_footprint, foot_price, problem.group_count,
          problem.must_serve, float(temperature_m), amount, at_foot, worth)  # fmt: skip
    return Choice(amount, spread(problem, at_foot.sum(axis=0)), float(worth.sum()))


def spread(problem: Problem, at_foot: Floats) -> Floats:
    """Sum what stands on footprints (F,) by row, (R,)."""
    weights = np.repeat(at_foot, np.diff(problem.foot_ptr))
    return np.bincount(problem.foot_rows, weights=weights, minlength=problem.num_rows).astype(np.float64)


@numba.njit(cache=True)
def _choose_chunk(  # noqa: PLR0913, PLR0917  (compiled: plain arrays by position)
    pair_ptr: Ints,
    value: Ints,
    foot: Ints,
    foot_price: Floats,
    count: Ints,
    must_serve: NDArray[np.bool_],
    temperature: float,
    amount: Floats,
    at_foot: Floats,
    worth: Floats,
    chunk: int,
) -> None:
    groups = len(pair_ptr) - 1
    total = 0.0
    for group in range(groups * chunk // CHUNKS, groups * (chunk + 1) // CHUNKS):
        begin, end = pair_ptr[group], pair_ptr[group + 1]
        if begin == end:
            continue
        top = -np.inf if must_serve[group] else 0.0
        for pair in range(begin, end):
            top = max(top, value[pair] - foot_price[foot[pair]])
        weight = 0.0 if must_serve[group] else np.exp(-top / temperature)
        for pair in range(begin, end):
            worse = (value[pair] - foot_price[foot[pair]] - top) / temperature
            amount[pair] = np.exp(worse) if worse > NEVER else 0.0
            weight += amount[pair]
        for pair in range(begin, end):
            amount[pair] *= count[group] / weight
            at_foot[chunk, foot[pair]] += amount[pair]
        total += count[group] * (top + temperature * np.log(weight))
    worth[chunk] = total


@numba.njit(cache=True)
def _choose_alone(  # noqa: PLR0917  (compiled: plain arrays by position)
    pair_ptr: Ints,
    value: Ints,
    foot: Ints,
    foot_price: Floats,
    count: Ints,
    must_serve: NDArray[np.bool_],
    temperature: float,
    amount: Floats,
    at_foot: Floats,
    worth: Floats,
) -> None:
    for chunk in range(CHUNKS):
        _choose_chunk(pair_ptr, value, foot, foot_price, count, must_serve, temperature, amount, at_foot, worth, chunk)


@numba.njit(cache=True, parallel=True)
def _choose_shared(  # noqa: PLR0917  (compiled: plain arrays by position)
    pair_ptr: Ints,
    value: Ints,
    foot: Ints,
    foot_price: Floats,
    count: Ints,
    must_serve: NDArray[np.bool_],
    temperature: float,
    amount: Floats,
    at_foot: Floats,
    worth: Floats,
) -> None:
    for chunk in numba.prange(CHUNKS):
        _choose_chunk(pair_ptr, value, foot, foot_price, count, must_serve, temperature, amount, at_foot, worth, chunk)


@dataclass(frozen=True, slots=True, eq=False)
class Undecided:
    """
    Groups whose choice is not sure: U of them with V pairs; all others have no covariance.

    `ptr` (U + 1,) bounds each group's `amount` and `foot` (V,); `count` (U,) are its demands.
    """

    ptr: Ints
    count: Floats
    amount: Floats
    foot: Ints


def undecided_of(problem: Problem, amount: Floats) -> Undecided:
    """Pick the groups that waver between pairs, or between a pair and staying out."""
    flags = np.zeros(problem.num_pairs, dtype=np.bool_)
    _flag_undecided(problem.pair_ptr, problem.group_count, amount, flags)
    pairs = np.flatnonzero(flags)
    group = np.searchsorted(problem.pair_ptr, pairs, side="right") - 1
    groups, first = np.unique(group, return_index=True)
    return Undecided(
        ptr=np.append(first, len(pairs)).astype(np.int64),
        count=problem.group_count[groups].astype(np.float64),
        amount=amount[pairs],
        foot=problem.pair_footprint[pairs],
    )


@numba.njit(cache=True)
def _flag_undecided(pair_ptr: Ints, count: Ints, amount: Floats, flags: NDArray[np.bool_]) -> None:
    for group in range(len(pair_ptr) - 1):
        most = 0.0
        for pair in range(pair_ptr[group], pair_ptr[group + 1]):
            most = max(most, amount[pair])
        if most < count[group] * (1 - CERTAIN):
            for pair in range(pair_ptr[group], pair_ptr[group + 1]):
                flags[pair] = amount[pair] > count[group] * CERTAIN


def covariance_times(problem: Problem, undecided: Undecided, vector: Floats) -> Floats:
    """Multiply the covariance of cars on rows by a vector (R,)."""
    at_foot = np.zeros((CHUNKS, len(problem.foot_ptr) - 1))
    sweep = _covary_shared if len(undecided.foot) >= FEWEST_SHARED_PAIRS else _covary_alone
    foot_vector = foot_prices(problem, vector)
    sweep(undecided.ptr, undecided.count, undecided.amount, undecided.foot, foot_vector, at_foot)
    return spread(problem, at_foot.sum(axis=0))


@numba.njit(cache=True)
def _covary_chunk(  # noqa: PLR0917  (compiled: plain arrays by position)
    ptr: Ints, count: Floats, amount: Floats, foot: Ints, foot_vector: Floats, at_foot: Floats, chunk: int
) -> None:
    groups = len(ptr) - 1
    for group in range(groups * chunk // CHUNKS, groups * (chunk + 1) // CHUNKS):
        mean = 0.0
        for pair in range(ptr[group], ptr[group + 1]):
            mean += amount[pair] * foot_vector[foot[pair]]
        mean /= count[group]
        for pair in range(ptr[group], ptr[group + 1]):
            at_foot[chunk, foot[pair]] += amount[pair] * (foot_vector[foot[pair]] - mean)


@numba.njit(cache=True)
def _covary_alone(ptr: Ints, count: Floats, amount: Floats, foot: Ints, foot_vector: Floats, at_foot: Floats) -> None:
    for chunk in range(CHUNKS):
        _covary_chunk(ptr, count, amount, foot, foot_vector, at_foot, chunk)


@numba.njit(cache=True, parallel=True)
def _covary_shared(ptr: Ints, count: Floats, amount: Floats, foot: Ints, foot_vector: Floats, at_foot: Floats) -> None:
    for chunk in numba.prange(CHUNKS):
        _covary_chunk(ptr, count, amount, foot, foot_vector, at_foot, chunk)


class Blocks:
    """The covariance within each bay group, factorised: what conditions the conjugate gradients."""

    def __init__(self, problem: Problem) -> None:
        rows = np.arange(problem.num_rows)
        fresh = np.diff(problem.row_bay_group, prepend=-1) != 0
        first = np.flatnonzero(fresh)
        within = rows - np.repeat(first, np.diff(np.append(first, len(rows))))
        self._begin = np.append(np.flatnonzero(within % MOST_BLOCK_ROWS == 0), len(rows)).astype(np.int64)
        size = np.diff(self._begin)
        self._offset = np.concatenate(([0], np.cumsum(size * size))).astype(np.int64)
        self._block_of = np.repeat(np.arange(len(size)), size)
        self._diagonal = self._offset[self._block_of] + (rows - self._begin[self._block_of]) * (
            size[self._block_of] + 1
        )
        self._entries = np.zeros(int(self._offset[-1]))

    def factorise(self, problem: Problem, undecided: Undecided, diagonal: Floats) -> None:
        """Take the blocks of the covariance with `diagonal` (R,) added."""
        count = np.repeat(undecided.count, np.diff(undecided.ptr))
        variance = np.bincount(
            undecided.foot,
            weights=undecided.amount * (1.0 - undecided.amount / count),
            minlength=len(problem.foot_ptr) - 1,
        ).astype(np.float64)
        self._entries[:] = 0.0
        _gather_blocks(variance, problem.foot_ptr, problem.foot_rows, self._begin, self._offset, self._block_of,
                       self._entries)  # fmt: skip
        self._entries[self._diagonal] += diagonal
        _factorise(self._begin, self._offset, self._entries)

    def solve(self, vector: Floats) -> Floats:
        """Divide a vector (R,) by the blocks."""
        result = np.empty(len(vector))
        _substitute(self._begin, self._offset, self._entries, vector, result)
        return result


@numba.njit(cache=True)
def _gather_blocks(  # noqa: PLR0917  (compiled: plain arrays by position)
    variance: Floats, foot_ptr: Ints, foot_rows: Ints, begin: Ints, offset: Ints, block_of: Ints, entries: Floats
) -> None:
    for foot in range(len(variance)):
        if variance[foot] == 0.0:
            continue
        for one in range(foot_ptr[foot], foot_ptr[foot + 1]):
            row = foot_rows[one]
            block = block_of[row]
            size = begin[block + 1] - begin[block]
            line = offset[block] + (row - begin[block]) * size - begin[block]
            for other in range(foot_ptr[foot], foot_ptr[foot + 1]):
                if block_of[foot_rows[other]] == block:
                    entries[line + foot_rows[other]] += variance[foot]


@numba.njit(cache=True)
def _factorise(begin: Ints, offset: Ints, entries: Floats) -> None:
    """Cholesky factors in place, block by block."""
    for block in range(len(begin) - 1):
        size, origin = begin[block + 1] - begin[block], offset[block]
        for row in range(size):
            for column in range(row + 1):
                rest = entries[origin + row * size + column]
                for inner in range(column):
                    rest -= entries[origin + row * size + inner] * entries[origin + column * size + inner]
                if row == column:
                    entries[origin + row * size + row] = np.sqrt(max(rest, 1e-12))
                else:
                    entries[origin + row * size + column] = rest / entries[origin + column * size + column]


@numba.njit(cache=True)
def _substitute(begin: Ints, offset: Ints, entries: Floats, vector: Floats, result: Floats) -> None:
    for block in range(len(begin) - 1):
        first, size, origin = begin[block], begin[block + 1] - begin[block], offset[block]
        for row in range(size):
            rest = vector[first + row]
            for inner in range(row):
                rest -= entries[origin + row * size + inner] * result[first + inner]
            result[first + row] = rest / entries[origin + row * size + row]
        for row in range(size - 1, -1, -1):
            rest = result[first + row]
            for inner in range(row + 1, size):
                rest -= entries[origin + inner * size + row] * result[first + inner]
            result[first + row] = rest / entries[origin + row * size + row]
