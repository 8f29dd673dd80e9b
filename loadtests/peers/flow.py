"""Minimum-cost flow, which answers exactly where every stay takes one bay at one time and no more."""

from __future__ import annotations

import numpy as np
from ortools.graph.python import min_cost_flow

from allocator.presolve import presolve
from api.planning.compiling import Compiled
from loadtests.errors import BenchFailed
from loadtests.peers.answers import PeerAnswer, split


def flow(compiled: Compiled) -> PeerAnswer | None:
    """Solve a case of one pattern as a flow from groups through rows; None where it is no flow."""
    problem = presolve(compiled.instance)
    lengths = np.diff(problem.foot_ptr)
    if (lengths > 1).any():
        return None
    groups, rows = problem.num_groups, problem.num_rows
    sink = groups + rows
    row_of_foot = np.full(len(lengths), rows, dtype=np.int64)  # a stay that covers no row goes straight to the sink
    row_of_foot[lengths == 1] = problem.foot_rows
    group = problem.pair_group()
    solver = min_cost_flow.SimpleMinCostFlow()
    arcs = solver.add_arcs_with_capacity_and_unit_cost(
        np.concatenate((group, np.arange(sink))),
        np.concatenate((groups + row_of_foot[problem.pair_footprint], np.full(sink, sink))),
        np.concatenate((problem.group_count[group], problem.group_count, problem.row_capacity)),
        np.concatenate((-problem.pair_value_m, np.zeros(sink, dtype=np.int64))),
    )
    solver.set_nodes_supplies(np.arange(groups), problem.group_count)
    solver.set_nodes_supplies(np.array([sink]), np.array([-problem.group_count.sum()]))
    if solver.solve() != solver.OPTIMAL:
        raise BenchFailed("minimum-cost flow ended without an optimum")
    taken = np.asarray(solver.flows(arcs[: problem.num_pairs]), dtype=np.int64)
    return PeerAnswer(taken=split(compiled.instance, problem, taken), bound_m=-solver.optimal_cost(), ended="optimal")
