"""Ties between plans of the same value, broken in a canonical order so that nobody can say they were chosen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from allocator.clock import Clock
from allocator.core import losses_of
from allocator.engines import solve_whole
from allocator.errors import EngineFailed
from allocator.instance import Ints
from allocator.presolve import Problem
from allocator.prices import Floats
from allocator.programmes import part_of

MOST_COLUMNS = 3000
NODES = 500
_SAME_M = 1e-6


def canonical(problem: Problem, taken: Ints, price: Floats, *, clock: Clock) -> Ints:
    """
    Of all plans that prices prove optimal, find the one that serves the earliest groups.

    At optimal prices a plan is optimal exactly when it uses only pairs that lose nothing, serves everybody who gains,
    and leaves no priced row with a free bay (complementary slackness); on that face the sum of the served groups'
    places in the order of groups, counted from the end, is maximised.

    Parameters
    ----------
    taken
        (J,) an optimal plan; returned as it is when prices do not prove it or the face is too large.
    price
        (R,) metres.
    """
    loss, best = losses_of(problem, price)
    pairs = np.flatnonzero(loss <= _SAME_M)
    lost = (loss * taken).sum() + (price * (problem.row_capacity - problem.load_of(taken))).sum()
    if len(pairs) > MOST_COLUMNS or lost > _SAME_M or (taken[loss > _SAME_M] > 0).any():
        return taken
    part = part_of(problem, pairs, free=problem.group_count, residual=problem.row_capacity)
    must = np.concatenate((best[part.groups] > _SAME_M, price[part.rows] > _SAME_M))
    group = np.searchsorted(problem.pair_ptr, pairs, side="right") - 1
    programme = replace(
        part.programme,
        value=(problem.num_groups - group).astype(np.float64),
        at_least=np.where(must, part.programme.limit, part.programme.at_least),
    )
    try:
        answer = solve_whole(programme, nodes=NODES, limit_s=clock.left_s(), hint=taken[pairs].astype(np.float64))
    except EngineFailed:
        answer = None
    if answer is None:
        return taken
    found = np.zeros_like(taken)
    found[pairs] = np.rint(answer.x).astype(np.int64)
    served = np.bincount(problem.pair_group(), weights=found, minlength=problem.num_groups)
    sound = (
        problem.value_of(found) == problem.value_of(taken)
        and (served <= problem.group_count).all()
        and (served[problem.must_serve] == problem.group_count[problem.must_serve]).all()
        and (problem.load_of(found) <= problem.row_capacity).all()
    )
    return found if sound else taken
