"""Districts: bay groups close enough to share demands, cut out of a problem to be solved by themselves."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order

from allocator.instance import Ints
from allocator.presolve import Problem

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class District:
    """A part of a problem as a problem of its own; `pairs`, `rows` and `groups` index the problem it was cut from."""

    pairs: Ints
    rows: Ints
    groups: Ints
    problem: Problem


class Atlas:
    """Which bay groups share demands, how much there is to decide at each, and districts cut out of them."""

    def __init__(self, problem: Problem, *, near: Flags, kept: Flags) -> None:
        """Make bay groups neighbours by `near` pairs (J,); districts have only the `kept` ones (J,)."""
        self._problem = problem
        self._group = problem.pair_group()
        size = problem.num_bay_groups
        stands = scipy.sparse.csr_matrix(
            (np.ones(int(near.sum()), dtype=np.int32), (self._group[near], problem.pair_bay_group[near])),
            shape=(problem.num_groups, size),
        )
        self._shared = scipy.sparse.csr_matrix(stands.T @ stands)
        self._shared.sort_indices()
        self.weight: Ints = np.bincount(problem.pair_bay_group[near], minlength=size).astype(np.int64)
        pairs = np.flatnonzero(kept)
        self._pairs = pairs[np.argsort(problem.pair_bay_group[pairs], kind="stable")]
        self._pairs_at = np.searchsorted(problem.pair_bay_group[self._pairs], np.arange(size + 1))
        self._rows_at = np.searchsorted(problem.row_bay_group, np.arange(size + 1))

    def pairs_at(self, members: Ints) -> Ints:
        """Kept pairs of some bay groups, in rising order."""
        return np.sort(_slices(self._pairs, self._pairs_at, members))

    def group_of(self, pairs: Ints) -> Ints:
        """Tell the group of each of some pairs."""
        return self._group[pairs]

    def load_of(self, pairs: Ints, taken: Ints) -> Ints:
        """Cars on each row (R,) when so many demands of some pairs are taken."""
        problem = self._problem
        served = np.flatnonzero(taken)
        feet = problem.pair_footprint[pairs[served]]
        lengths = np.diff(problem.foot_ptr)[feet]
        rows = _slices(problem.foot_rows, problem.foot_ptr, feet)
        return np.bincount(rows, weights=np.repeat(taken[served], lengths), minlength=problem.num_rows).astype(np.int64)

    def groups_at(self, members: Ints) -> Ints:
        """List groups that have kept pairs at some bay groups, in rising order."""
        return np.unique(self._group[self.pairs_at(members)])

    def cut(self, members: Ints, *, free: Ints, residual: Ints) -> District:
        """
        Cut out some bay groups, with what the rest leaves them.

        Parameters
        ----------
        members
            Bay groups, in rising order.
        free
            (G,) demands that may be served there.
        residual
            (R,) bays left for them.
        """
        problem = self._problem
        pairs = self.pairs_at(members)
        pairs = pairs[free[self._group[pairs]] > 0]
        rows = _slices(np.arange(problem.num_rows), self._rows_at, members)
        groups, group_index = np.unique(self._group[pairs], return_inverse=True)
        feet, foot_index = np.unique(problem.pair_footprint[pairs], return_inverse=True)
        lengths = np.diff(problem.foot_ptr)[feet]
        return District(
            pairs=pairs,
            rows=rows,
            groups=groups,
            problem=Problem(
                group_count=free[groups],
                must_serve=problem.must_serve[groups],
                pair_ptr=np.searchsorted(group_index, np.arange(len(groups) + 1)),
                pair_value_m=problem.pair_value_m[pairs],
                pair_bay_group=np.searchsorted(members, problem.pair_bay_group[pairs]),
                pair_footprint=foot_index.astype(np.int64),
                foot_ptr=np.concatenate(([0], np.cumsum(lengths))),
                foot_rows=np.searchsorted(rows, _slices(problem.foot_rows, problem.foot_ptr, feet)),
                row_bay_group=np.searchsorted(members, problem.row_bay_group[rows]),
                row_at=problem.row_at[rows],
                row_capacity=residual[rows],
                group_of=np.arange(len(groups)),
            ),
        )

    def parted(self, most_weight: int) -> list[Ints]:
        """Part all bay groups into districts of about equal weight, halving along shortest ways until none is above."""
        done: list[Ints] = []
        waiting = [np.arange(len(self.weight))]
        while waiting:
            members = waiting.pop()
            if self.weight[members].sum() <= most_weight or len(members) == 1:
                done.append(members)
                continue
            order = members[self._from_end_to_end(members)]
            half = np.searchsorted(np.cumsum(self.weight[order]), self.weight[order].sum() / 2, side="right")
            half = min(max(1, int(half)), len(order) - 1)
            waiting += [np.sort(order[half:]), np.sort(order[:half])]
        return done

    def in_turn(self, parts: list[Ints]) -> tuple[list[Ints], Ints, list[frozenset[int]]]:
        """
        Give districts turns, so that no two of a turn have a demand in common, those with most neighbours first.

        Returns
        -------
        tuple
            The districts in the order of their turns, the turn of each, and the neighbours of each in earlier turns.
        """
        part_of = np.zeros(len(self.weight), dtype=np.int64)
        for number, members in enumerate(parts):
            part_of[members] = number
        at = scipy.sparse.csr_matrix(
            (
                np.ones(len(self._pairs), dtype=np.int32),
                (part_of[self._problem.pair_bay_group[self._pairs]], self._group[self._pairs]),
            ),
            shape=(len(parts), self._problem.num_groups),
        )
        common = scipy.sparse.csr_matrix(at @ at.T)
        neighbours = [common.indices[common.indptr[n] : common.indptr[n + 1]] for n in range(len(parts))]
        turn = np.full(len(parts), -1, dtype=np.int64)
        for number in np.argsort(-np.diff(common.indptr), kind="stable").tolist():
            used = set(turn[neighbours[number]].tolist())
            turn[number] = next(free for free in range(len(parts)) if free not in used)
        order = np.argsort(turn, kind="stable")
        place = np.argsort(order)
        earlier = [
            frozenset(place[[other for other in neighbours[n] if turn[other] < turn[n]]].tolist())
            for n in order.tolist()
        ]
        return [parts[n] for n in order.tolist()], turn[order], earlier

    def _from_end_to_end(self, members: Ints) -> Ints:
        """Order of some bay groups from one that is far out, part after part where they do not hang together."""
        graph = self._shared[members][:, members]
        left = np.ones(len(members), dtype=np.bool_)
        parts: list[Ints] = []
        while left.any():
            start = int(np.argmax(left))
            for _ in range(2):  # the farthest from the farthest is nearly at the end of a longest way
                reached = breadth_first_order(graph, start, directed=False, return_predecessors=False)
                start = int(reached[-1])
            reached = breadth_first_order(graph, start, directed=False, return_predecessors=False)
            parts.append(reached.astype(np.int64))
            left[reached] = False
        return np.concatenate(parts)

    def around(self, lost: NDArray[np.float64], *, most_weight: int, left_alone: float = 0.0) -> list[Ints]:
        """
        Grow disjoint districts around the bay groups (P,) where most is lost, the worst first.

        No more are grown when what is lost outside them is not above `left_alone`.
        """
        free = np.ones(len(self.weight), dtype=np.bool_)
        outside = float(lost.sum())
        parts: list[Ints] = []
        for seed in np.argsort(-lost, kind="stable").tolist():
            if lost[seed] <= 0 or outside <= left_alone:
                break
            if free[seed]:
                members = self._grown(seed, free, most_weight)
                free[members] = False
                outside -= float(lost[members].sum())
                parts.append(np.sort(members))
        return parts

    def _grown(self, seed: int, free: Flags, most_weight: int) -> Ints:
        members, seen, queue, weight = [], {seed}, deque([seed]), 0
        while queue and weight < most_weight:
            member = queue.popleft()
            members.append(member)
            weight += int(self.weight[member])
            nearby = slice(self._shared.indptr[member], self._shared.indptr[member + 1])
            ranked = self._shared.indices[nearby][np.argsort(-self._shared.data[nearby], kind="stable")]
            for other in ranked.tolist():
                if free[other] and other not in seen:
                    seen.add(other)
                    queue.append(other)
        return np.array(members, dtype=np.int64)


def _slices(values: Ints, pointers: Ints, lists: Ints) -> Ints:
    """Join the slices that pointers bound, list after list."""
    lengths = np.diff(pointers)[lists]
    begins = np.repeat(pointers[:-1][lists] - (np.cumsum(lengths) - lengths), lengths)
    return values[begins + np.arange(int(lengths.sum()))]
