"""What a peer says of an instance, and how its plan is told in the instance's own pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allocator.instance import Instance
from allocator.presolve import Problem

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class PeerAnswer:
    """
    A peer's plan: `taken` (J,) demands at each pair of the instance, None where it found none; and its own bound.

    `ended` says in a word why it stopped: `optimal`, `target` (it reached the value asked for), `limit` or `done`.
    """

    taken: Ints | None
    bound_m: float | None
    ended: str


def feet_of_pairs(instance: Instance, problem: Problem) -> Ints:
    """Footprint of each pair of the instance, (J,): the pairs of a group stand as those of its group in the problem."""
    begins = problem.pair_ptr[problem.group_of] - instance.pair_ptr[:-1]
    return problem.pair_footprint[np.repeat(begins, np.diff(instance.pair_ptr)) + np.arange(instance.num_pairs)]


def split(instance: Instance, problem: Problem, taken: Ints) -> Ints:
    """Hand out what the problem's groups got, (J',), to the instance's groups that are merged in them, in order."""
    left = taken.copy()
    shares = np.zeros(instance.num_pairs, dtype=np.int64)
    served = np.add.reduceat(np.append(taken, 0), problem.pair_ptr[:-1]) * (np.diff(problem.pair_ptr) > 0)
    for group in np.flatnonzero(served[problem.group_of] > 0).tolist():
        begin = problem.pair_ptr[problem.group_of[group]]
        wanted = instance.group_count[group]
        for offset in range(instance.pair_ptr[group + 1] - instance.pair_ptr[group]):
            share = min(wanted, left[begin + offset])
            shares[instance.pair_ptr[group] + offset] = share
            left[begin + offset] -= share
            wanted -= share
    return shares
