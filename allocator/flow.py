"""One common pattern: every stay covers at most one row, a transportation problem, and its answer is exact."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray
from ortools.graph.python import min_cost_flow

from allocator.errors import EngineFailed, LocksConflict
from allocator.instance import Ints
from allocator.presolve import Problem


def is_transport(problem: Problem) -> bool:
    """Whether every stay covers at most one row, so that whole cars come for free."""
    return bool((np.diff(problem.foot_ptr) <= 1).all())


def solve_transport(problem: Problem) -> tuple[Ints, Ints]:
    """
    Optimal plan and optimal prices of a transportation problem.

    Returns
    -------
    tuple
        Demands taken of each pair (J,), and the smallest optimal prices of the rows (R,) in whole metres: what exactly
        one more bay on that row would add.

    Raises
    ------
    LocksConflict
        When not all groups that must be served fit.
    EngineFailed
        When the flow engine stops without an optimum.
    """
    row = _row_of_pair(problem)
    taken = _flow(problem, row)
    return taken, _least_prices(problem, row, taken)


def _row_of_pair(problem: Problem) -> Ints:
    """Row each pair covers, −1 for pairs that cover none."""
    lengths = np.diff(problem.foot_ptr)
    row_of_foot = np.full(len(lengths), -1, dtype=np.int64)
    row_of_foot[lengths == 1] = problem.foot_rows
    return row_of_foot[problem.pair_footprint]


def _flow(problem: Problem, row: Ints) -> Ints:
    groups, rows, pairs = problem.num_groups, problem.num_rows, problem.num_pairs
    sink = groups + rows
    group_of_pair = problem.pair_group()
    # Staying out costs a group that must be served more than any chain of moves through all rows that lets it in.
    penalty = min((rows + 2) * int(problem.pair_value_m.max(initial=0)), 2**62) if problem.must_serve.any() else 0
    tails = np.concatenate((group_of_pair, np.arange(groups), groups + np.arange(rows)))
    heads = np.concatenate((np.where(row >= 0, groups + row, sink), np.full(groups + rows, sink)))
    capacity = np.concatenate((problem.group_count[group_of_pair], problem.group_count, problem.row_capacity))
    cost = np.concatenate((-problem.pair_value_m, problem.must_serve * penalty, np.zeros(rows, dtype=np.int64)))
    solver = min_cost_flow.SimpleMinCostFlow()
    solver.add_arcs_with_capacity_and_unit_cost(tails, heads, capacity, cost)
    supply = np.concatenate((problem.group_count, np.zeros(rows, dtype=np.int64), [-problem.group_count.sum()]))
    solver.set_nodes_supplies(np.arange(sink + 1), supply)
    status = solver.solve()
    if status != solver.OPTIMAL:
        raise EngineFailed(f"minimum-cost flow stopped with {status.name} on {pairs} pairs")
    flows = solver.flows(np.arange(pairs + groups))
    left_out = np.flatnonzero(problem.must_serve & (flows[pairs:] > 0))
    if len(left_out):
        raise LocksConflict(tuple(left_out.tolist()))
    return np.asarray(flows[:pairs], dtype=np.int64)


def _least_prices(problem: Problem, row: Ints, taken: Ints) -> Ints:
    """Least prices at which nobody would rather be elsewhere: a longest-path fixpoint over the plan's moves."""
    served = np.bincount(problem.pair_group(), weights=taken, minlength=problem.num_groups).astype(np.int64)
    someone_out = served < problem.group_count
    price = np.zeros(problem.num_rows, dtype=np.int64)
    _raise_to_fixpoint(problem.pair_ptr, problem.pair_value_m, row, taken, someone_out, price)
    return price


@numba.njit(cache=True)
def _raise_to_fixpoint(
    pair_ptr: Ints, pair_value: Ints, row: Ints, taken: Ints, someone_out: NDArray[np.bool_], price: Ints
) -> None:
    changed = True
    while changed:
        changed = False
        for group in range(len(pair_ptr) - 1):
            known = someone_out[group]
            # The least that a member of the group gets, negated: nowhere may it get more.
            worst = 0
            for pair in range(pair_ptr[group], pair_ptr[group + 1]):
                if taken[pair] > 0:
                    here = (price[row[pair]] if row[pair] >= 0 else 0) - pair_value[pair]
                    if not known or here > worst:
                        worst = here
                        known = True
            if known:
                for pair in range(pair_ptr[group], pair_ptr[group + 1]):
                    if row[pair] >= 0 and pair_value[pair] + worst > price[row[pair]]:
                        price[row[pair]] = pair_value[pair] + worst
                        changed = True
