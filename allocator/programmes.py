"""Parts of a problem as programmes for the engines: some pairs free, everything else as it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from allocator.engines import Programme
from allocator.instance import Ints
from allocator.presolve import Problem

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """
    Some pairs of a problem as columns, under what the rest leaves: K pairs, their groups and rows renumbered.

    `pairs` (K,), `groups` (N,) and `rows` (M,) index the problem; the programme's rows are the groups first, then the
    rows.
    """

    pairs: Ints
    groups: Ints
    rows: Ints
    programme: Programme


def part_of(problem: Problem, pairs: Ints, *, free: Ints, residual: Ints) -> Part:
    """
    Build the programme of choosing among some pairs.

    Parameters
    ----------
    pairs
        (K,) columns, in rising order.
    free
        (G,) demands of each group that are to be placed, or left out unless the group must be served.
    residual
        (R,) bays that are left on each row.
    """
    group_of_pair = np.searchsorted(problem.pair_ptr, pairs, side="right") - 1
    groups, group_index = np.unique(group_of_pair, return_inverse=True)
    foot = problem.pair_footprint[pairs]
    lengths = (problem.foot_ptr[1:] - problem.foot_ptr[:-1])[foot]
    begins = np.repeat(problem.foot_ptr[:-1][foot] - (np.cumsum(lengths) - lengths), lengths)
    entries = problem.foot_rows[begins + np.arange(int(lengths.sum()))]
    rows, row_index = np.unique(entries, return_inverse=True)
    columns = np.arange(len(pairs))
    matrix = scipy.sparse.csr_matrix(
        (
            np.ones(len(pairs) + len(entries)),
            (
                np.concatenate((group_index, len(groups) + row_index)),
                np.concatenate((columns, np.repeat(columns, lengths))),
            ),
        ),
        shape=(len(groups) + len(rows), len(pairs)),
    )
    limit = np.concatenate((free[groups], residual[rows])).astype(np.float64)
    at_least = np.full(len(limit), -np.inf)
    forced = np.flatnonzero(problem.must_serve[groups])
    at_least[forced] = limit[forced]
    programme = Programme(
        value=problem.pair_value_m[pairs].astype(np.float64),
        high=free[group_of_pair].astype(np.float64),
        rows=matrix,
        limit=limit,
        at_least=at_least,
    )
    return Part(pairs=pairs, groups=groups, rows=rows, programme=programme)
