"""One district planned: the linear relaxation, whole cars near it, and neighbourhoods re-solved where value is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from allocator.clock import Clock
from allocator.core import Core, settle_prices
from allocator.descent import Prices
from allocator.instance import Ints
from allocator.presolve import Problem
from allocator.prices import Floats
from allocator.rounding import Draft, draft_of, improve, round_plan

Progress = Callable[[int], None]
"""Hears the value so far in metres."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """
    A district to be planned, or planned better.

    `price` (R,) metres are prices to begin from, `taken` (J,) is the plan so far, None without one; work stops when no
    more than `spare_m` lies between plan and bound, or after so many `columns` of neighbourhoods.
    """

    problem: Problem
    price: Floats
    taken: Ints | None
    spare_m: float
    columns: int


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """Demands `taken` (J,) at each pair, and the work it took."""

    taken: Ints
    linear_programmes: int
    neighbourhoods: int


def plan_district(job: Job, *, clock: Clock) -> Planned:
    """Plan a district by itself; what was taken before is kept unless something better is found."""
    nothing = np.zeros(job.problem.num_pairs)
    core = settle_prices(job.problem, Prices(job.price, np.inf, nothing, 0, 0), clock=clock)
    draft = None if job.taken is None else draft_of(job.problem, job.taken)
    planned = refine(job.problem, core, draft, spare_m=job.spare_m, columns=job.columns, clock=clock)
    return Planned(planned.taken, core.rounds, planned.neighbourhoods)


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
    if draft is None:
        draft = round_plan(problem, price=core.lambda_m, amount=core.amount, clock=clock)
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
