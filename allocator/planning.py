"""One district planned: the linear relaxation, whole cars near it, and neighbourhoods re-solved where value is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allocator.clock import Clock
from allocator.core import Core, settle_prices
from allocator.descent import Prices
from allocator.instance import Ints
from allocator.presolve import Problem
from allocator.prices import Floats, foot_prices
from allocator.rounding import Draft, draft_of, improve, round_plan

Progress = Callable[[int], None]
"""Hears the value so far in metres."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """
    A district to be planned, or planned better.

    `price` (R,) metres are prices to begin from, `taken` (J,) is the plan so far, None without one; work stops when no
    more than `spare_m` lies between plan and bound, or after so many `columns` of neighbourhoods. `elsewhere` (G,) is
    what staying out of the district is worth to a demand of each group, metres.
    """

    problem: Problem
    price: Floats
    taken: Ints | None
    spare_m: float
    columns: int
    elsewhere: Ints | None


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """Demands `taken` (J,) at each pair, and the work it took."""

    taken: Ints
    linear_programmes: int
    neighbourhoods: int


def plan_district(job: Job, *, clock: Clock) -> Planned:
    """Plan a district by itself; what was taken before is kept unless something better is found."""
    if job.elsewhere is not None:
        return _planned_with_way_out(job, job.elsewhere, clock)
    nothing = np.zeros(job.problem.num_pairs)
    core = settle_prices(job.problem, Prices(job.price, np.inf, nothing, 0, 0), clock=clock)
    draft = None if job.taken is None else draft_of(job.problem, job.taken)
    planned = refine(job.problem, core, draft, spare_m=job.spare_m, columns=job.columns, clock=clock)
    return Planned(planned.taken, core.rounds, planned.neighbourhoods)


def _planned_with_way_out(job: Job, elsewhere: Ints, clock: Clock) -> Planned:
    problem, own = with_way_out(job.problem, elsewhere)
    planned = plan_district(Job(problem, job.price, None, job.spare_m, job.columns, None), clock=clock)
    return Planned(planned.taken[own], planned.linear_programmes, planned.neighbourhoods)


def best_at(problem: Problem, price: Floats, bay_groups: NDArray[np.bool_]) -> Ints:
    """Whole metres of each group's (G,) best choice among some bay groups (P,); 0 where there is none."""
    reduced = problem.pair_value_m - foot_prices(problem, price)[problem.pair_footprint]
    there = np.where(bay_groups[problem.pair_bay_group], np.maximum(reduced, 0.0), 0.0)
    best = np.zeros(problem.num_groups)
    filled = np.diff(problem.pair_ptr) > 0
    if len(there):
        best[filled] = np.maximum.reduceat(there, problem.pair_ptr[:-1][filled])
    return np.rint(best).astype(np.int64)


def with_way_out(problem: Problem, elsewhere: Ints) -> tuple[Problem, Ints]:
    """
    Give groups (G,) that would get something elsewhere a pair of their own that stands nowhere and is worth that.

    Returns
    -------
    tuple
        The problem, and the places of the given problem's pairs (J,) among its pairs.
    """
    gains = elsewhere > 0
    ends = problem.pair_ptr[1:][gains]
    count = np.diff(problem.pair_ptr) + gains
    outside = np.insert(np.zeros(problem.num_pairs, dtype=np.bool_), ends, values=True)
    wider = Problem(
        group_count=problem.group_count,
        must_serve=problem.must_serve,
        pair_ptr=np.concatenate(([0], np.cumsum(count))),
        pair_value_m=np.insert(problem.pair_value_m, ends, elsewhere[gains]),
        pair_bay_group=np.insert(problem.pair_bay_group, ends, problem.num_bay_groups),
        pair_footprint=np.insert(problem.pair_footprint, ends, len(problem.foot_ptr) - 1),
        foot_ptr=np.append(problem.foot_ptr, problem.foot_ptr[-1]),
        foot_rows=problem.foot_rows,
        row_bay_group=problem.row_bay_group,
        row_at=problem.row_at,
        row_capacity=problem.row_capacity,
        group_of=problem.group_of,
    )
    return wider, np.flatnonzero(~outside)


def refine(
    problem: Problem,
    core: Core,
    draft: Draft | None,
    *,
    spare_m: float,
    columns: int,
    clock: Clock,
    progress: Progress = lambda _value_m: None,
) -> Planned:
    """Round the relaxation's plan where there is no draft yet, then improve; see `Job` for the limits."""
    value = None if draft is None else problem.value_of(draft.taken)
    if draft is None or value is None or core.bound_m - value > 4 * spare_m:
        rounded = round_plan(problem, price=core.lambda_m, amount=core.amount, clock=clock)
        if draft is None or value is None or problem.value_of(rounded.taken) > value:
            draft = rounded
    tries = improve(
        problem,
        draft,
        price=core.lambda_m,
        bound_m=core.bound_m,
        spare_m=spare_m,
        most_columns=columns,
        clock=clock,
        progress=progress,
    )
    return Planned(draft.taken, core.rounds, tries)
