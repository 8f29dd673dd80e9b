"""Sorted lists: who comes first, or who ranks highest, takes the nearest free bay."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from allocator.presolve import Problem, presolve
from api.planning.compiling import Compiled
from loadtests.peers.answers import PeerAnswer, feet_of_pairs

Ints = NDArray[np.int64]


def first_come(compiled: Compiled) -> PeerAnswer:
    """Serve demands in the order of demands.csv."""
    return _nearest_free(compiled, np.arange(len(compiled.class_of)))


def by_priority(compiled: Compiled) -> PeerAnswer:
    """Serve demands by the worth of their tier and rounds waited; equals in the order of demands.csv."""
    policy, demands = compiled.neighbourhood.policy, compiled.neighbourhood.demands
    tier_value_m = np.array(policy.tier_value_m)[demands["tier"].to_numpy() - 1]
    worth_m = tier_value_m + policy.waiting_value_m * demands["rounds_waited"].to_numpy().astype(np.int64)
    return _nearest_free(compiled, np.argsort(-worth_m, kind="stable"))


def _nearest_free(compiled: Compiled, order: Ints) -> PeerAnswer:
    instance = compiled.instance
    problem = presolve(instance)
    queue = compiled.group_of_class[compiled.class_of[order]]
    walk_m = compiled.options.walk_m[compiled.pair_option]
    nearest = np.lexsort((walk_m, instance.pair_group()))
    feet, free = feet_of_pairs(instance, problem), problem.row_capacity.copy()
    taken = _place(
        queue[queue >= 0],
        instance.pair_ptr,
        nearest,
        feet,
        instance.group_count,
        problem.foot_ptr,
        problem.foot_rows,
        free,
    )
    return PeerAnswer(taken=taken, bound_m=None, ended="done")


def fill_by_value(problem: Problem) -> Ints:
    """Serve groups by the worth of their best pair wherever bays are left, (J,) of the problem: a hint for engines."""
    best_m = np.zeros(problem.num_groups, dtype=np.int64)
    filled = np.diff(problem.pair_ptr) > 0
    if problem.num_pairs:
        best_m[filled] = np.maximum.reduceat(problem.pair_value_m, problem.pair_ptr[:-1][filled])
    groups = np.argsort(-best_m, kind="stable")
    return _place(
        np.repeat(groups, problem.group_count[groups]),
        problem.pair_ptr,
        np.lexsort((-problem.pair_value_m, problem.pair_group())),
        problem.pair_footprint,
        problem.group_count,
        problem.foot_ptr,
        problem.foot_rows,
        problem.row_capacity.copy(),
    )


@numba.njit(cache=True)
def _place(
    queue: Ints,
    pair_ptr: Ints,
    ranked: Ints,
    feet: Ints,
    group_count: Ints,
    foot_ptr: Ints,
    foot_rows: Ints,
    free: Ints,
) -> Ints:
    """Give each in the queue of groups the first of the group's ranked pairs that has a bay free on all its rows."""
    taken = np.zeros(len(ranked), dtype=np.int64)
    left = group_count.copy()
    for group in queue:
        for index in range(pair_ptr[group], pair_ptr[group + 1]):
            pair = ranked[index]
            fits = left[group] > 0
            for entry in range(foot_ptr[feet[pair]], foot_ptr[feet[pair] + 1]):
                fits = fits and free[foot_rows[entry]] > 0
            if fits:
                for entry in range(foot_ptr[feet[pair]], foot_ptr[feet[pair] + 1]):
                    free[foot_rows[entry]] -= 1
                taken[pair] += 1
                left[group] -= 1
                break
    return taken
