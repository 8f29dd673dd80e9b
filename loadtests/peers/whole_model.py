"""The whole model as arrays: a column for every pair of the presolved problem, a row for every group and every row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from allocator.presolve import Problem
from loadtests.errors import BenchFailed
from loadtests.peers.greedy import fill_by_value

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class WholeModel:
    """
    Maximise value · x, rows · x ≤ limit, 0 ≤ x ≤ high, x whole.

    N columns and M rows, the groups' first: `value_m`, `high` and `hint` (N,), `rows` (M, N), `limit` (M,). The hint is
    the plan of a sorted list, so that every engine begins with an answer.
    """

    value_m: Ints
    high: Ints
    hint: Ints
    rows: scipy.sparse.csr_matrix
    limit: Ints
    num_groups: int


def whole_model(problem: Problem) -> WholeModel:
    """
    Write the model of a problem.

    Raises
    ------
    BenchFailed
        When a group must be served: the engines here are not told how.
    """
    if problem.must_serve.any():
        raise BenchFailed("the case has locked demands, which the peers do not know")
    lengths = np.diff(problem.foot_ptr)[problem.pair_footprint]
    begins = problem.foot_ptr[:-1][problem.pair_footprint] - (np.cumsum(lengths) - lengths)
    covered = problem.foot_rows[np.repeat(begins, lengths) + np.arange(int(lengths.sum()))]
    columns = np.arange(problem.num_pairs)
    row = np.concatenate((problem.pair_group(), problem.num_groups + covered))
    column = np.concatenate((columns, np.repeat(columns, lengths)))
    shape = (problem.num_groups + problem.num_rows, problem.num_pairs)
    return WholeModel(
        value_m=problem.pair_value_m,
        high=problem.group_count[problem.pair_group()],
        hint=fill_by_value(problem),
        rows=scipy.sparse.csr_matrix((np.ones(len(row)), (row, column)), shape=shape),
        limit=np.concatenate((problem.group_count, problem.row_capacity)),
        num_groups=problem.num_groups,
    )
