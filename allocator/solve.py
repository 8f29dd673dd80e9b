"""The whole way from an instance to a certified plan; only wiring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from allocator.clock import Clock
from allocator.core import losses_of, settle_prices
from allocator.errors import LocksConflict
from allocator.flow import is_transport, solve_transport
from allocator.instance import Instance, Ints
from allocator.presolve import Problem, presolve
from allocator.prices import SCALE, Floats, ascend_prices, proven_bound, whole_prices
from allocator.rounding import Draft, empty_draft, fill, improve, re_solve, round_plan, serve_locked

SWEEPS = 800
TRIES = 200
"""Neighbourhoods re-solved at most."""
ENOUGH_M_PER_DEMAND = 0.05
"""Below this certified gap neighbourhoods stop being worth their time, unless the caller asks for less."""
EXACT_COLUMNS = 8000
EXACT_NODES = 5000

Progress = Callable[[str, int, int], None]
"""Hears the stage, and the value and bound so far in metres."""


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """
    A plan over an instance, and the prices that bound every plan.

    Attributes
    ----------
    taken
        (J,) demands served at each pair of the instance.
    value_m, bound_m
        Whole metres; no plan is worth more than `bound_m`.
    merged
        (G,) groups with the same number hold demands that no rule can tell apart; a draw among them decides who is served.
    price_bay_group, price_at, price
        (N,) whole prices above zero in 1/scale metre, for a bay group at a minute.
    scale
        Parts of a metre that prices count.
    bay_value_exact
        Whether the prices are exactly what one more bay would add, where a bay group has a single price.
    work
        What was done: sweeps, programmes, neighbourhoods.
    """

    taken: Ints
    value_m: int
    bound_m: int
    merged: Ints
    price_bay_group: Ints
    price_at: Ints
    price: Ints
    scale: int
    bay_value_exact: bool
    work: dict[str, int]

    @property
    def gap(self) -> float:
        """(bound − value) / max(1, value)."""
        return gap_of(self.value_m, self.bound_m)


def gap_of(value_m: int, bound_m: int) -> float:
    """Relative gap as NEIGHBOURHOOD.md defines it, not rounded."""
    return (bound_m - value_m) / max(1, value_m)


def solve(
    instance: Instance,
    *,
    gap: float = 0.0,
    time_limit_s: float | None = None,
    progress: Progress = lambda stage, value_m, bound_m: None,
) -> Solution:
    """
    Serve as much value as the bays allow, with a proof of how much is possible at most.

    Parameters
    ----------
    instance
        G groups, J pairs; values in metres.
    gap
        Stop when (bound − value) / max(1, value) is not above this.
    time_limit_s
        Stop refining after so many seconds; there is a plan whatever the limit. Without it, equal input gives equal output.
    progress
        Hears every step.

    Raises
    ------
    LocksConflict
        When the groups that must be served cannot all be served; it names groups of the instance.
    """
    clock = Clock(time_limit_s)
    problem = presolve(instance)
    try:
        if is_transport(problem):
            return _exact(instance, problem, progress)
        return _certified(instance, problem, gap=gap, clock=clock, progress=progress)
    except LocksConflict as conflict:
        groups = np.flatnonzero(np.isin(problem.group_of, conflict.groups))
        raise LocksConflict(tuple(groups.tolist())) from conflict


def _exact(instance: Instance, problem: Problem, progress: Progress) -> Solution:
    taken, price_m = solve_transport(problem)
    price = price_m * SCALE
    solution = _solution(instance, problem, taken, price, exact=True, work={"flows": 1})
    progress("flow", solution.value_m, solution.bound_m)
    return solution


def _certified(instance: Instance, problem: Problem, *, gap: float, clock: Clock, progress: Progress) -> Solution:
    draft = _first_draft(problem)
    value = problem.value_of(draft.taken)
    prices = ascend_prices(problem, sweeps=SWEEPS, clock=clock)
    progress("prices", value, int(prices.bound_m))
    core = settle_prices(problem, prices.lambda_m, clock=clock)
    progress("core", value, core.bound_m)
    work = {"sweeps": prices.sweeps, "linear_programmes": core.rounds, "neighbourhoods": 0}
    if not clock.is_over():
        rounded = round_plan(problem, price=core.lambda_m, amount=core.amount, clock=clock)
        draft = rounded if problem.value_of(rounded.taken) >= value else draft

    def enough(value_m: int) -> bool:
        per_demand = ENOUGH_M_PER_DEMAND * instance.num_demands
        return gap_of(value_m, core.bound_m) <= gap or core.bound_m - value_m <= (per_demand if instance.num_demands > EXACT_COLUMNS else 0)

    work["neighbourhoods"] = improve(
        problem,
        draft,
        price=core.lambda_m,
        bound_m=core.bound_m,
        enough=enough,
        tries=TRIES,
        clock=clock,
        progress=lambda value_m, _: progress("neighbourhoods", value_m, core.bound_m),
    )
    _finish(problem, draft, core.lambda_m, core.bound_m, enough=enough, clock=clock)
    return _solution(instance, problem, draft.taken, whole_prices(core.lambda_m), exact=False, work=work)


def _first_draft(problem: Problem) -> Draft:
    """Place everybody where bays are left, the highest value first: a plan from the first second."""
    draft = empty_draft(problem)
    serve_locked(problem, draft)
    fill(problem, draft, loss=-problem.pair_value_m.astype(np.float64))
    return draft


def _finish(
    problem: Problem, draft: Draft, price: Floats, bound_m: int, *, enough: Callable[[int], bool], clock: Clock
) -> None:
    """Re-solve all pairs that a better plan can use: none loses more than lies between value and bound."""
    value = problem.value_of(draft.taken)
    if enough(value) or clock.is_over():
        return
    loss, _ = losses_of(problem, price)
    pairs = np.flatnonzero((loss <= bound_m - value + 1) | (draft.taken > 0))
    if len(pairs) <= EXACT_COLUMNS:
        re_solve(problem, draft, pairs, nodes=EXACT_NODES, clock=clock)


def _solution(
    instance: Instance, problem: Problem, taken: Ints, price: Ints, *, exact: bool, work: dict[str, int]
) -> Solution:
    priced = np.flatnonzero(price)
    return Solution(
        taken=_split(instance, problem, taken),
        value_m=problem.value_of(taken),
        bound_m=proven_bound(problem, price),
        merged=problem.group_of,
        price_bay_group=problem.row_bay_group[priced],
        price_at=problem.row_at[priced],
        price=price[priced],
        scale=SCALE,
        bay_value_exact=exact,
        work=work,
    )


def _split(instance: Instance, problem: Problem, taken: Ints) -> Ints:
    """Share what merged groups got among the instance's groups, in their order; the draw decides within."""
    result = np.zeros(instance.num_pairs, dtype=np.int64)
    left = taken.copy()
    for group in range(instance.num_groups):
        mine = instance.pair_ptr[group]
        begin, end = problem.pair_ptr[problem.group_of[group]], problem.pair_ptr[problem.group_of[group] + 1]
        room = int(instance.group_count[group])
        for offset in np.flatnonzero(left[begin:end]).tolist():
            number = min(room, int(left[begin + offset]))
            result[mine + offset] = number
            left[begin + offset] -= number
            room -= number
    return result
