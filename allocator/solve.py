"""The whole way from an instance to a certified plan; only wiring."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from allocator.clock import Clock
from allocator.core import losses_of, settle_prices
from allocator.errors import EngineFailed, LocksConflict
from allocator.flow import is_transport, solve_transport
from allocator.instance import Instance, Ints
from allocator.presolve import Problem, presolve
from allocator.prices import SCALE, Floats, ascend_prices, proven_bound
from allocator.rounding import Draft, empty_draft, fill, improve, re_solve, round_plan, serve_locked

SWEEPS = 1000
ENOUGH_M_PER_DEMAND = 0.05
"""Below this certified gap neighbourhoods stop being worth their time, unless the caller asks for less."""
MOST_EXACT_DEMANDS = 8000
"""Up to here the true optimum is looked for, whatever the gap per demand."""
EXACT_COLUMNS = 1500
"""Columns of one last programme over everything that a better plan can use."""
SMALL_DEMANDS = 1000
SMALL_COLUMNS = 12_000
"""As many for a problem of so few demands, where completeness costs little."""
EXACT_WORK = 4_000_000
"""Columns times nodes of the last programme."""

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
        (G,) groups with the same number hold demands that no rule can tell apart; a draw among them decides who is
        served.
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
    progress: Progress = lambda _stage, _value_m, _bound_m: None,
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
        Stop refining after so many seconds; there is a plan whatever the limit. Without it, equal input gives equal
        output.
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
            with suppress(EngineFailed):  # values too large for the flow engine's arithmetic
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
    prices = ascend_prices(problem, target_m=value, sweeps=SWEEPS, clock=clock)
    progress("prices", value, int(prices.bound_m))
    core = settle_prices(problem, prices.lambda_m, clock=clock)
    progress("core", value, core.bound_m)
    work = {"sweeps": prices.sweeps, "linear_programmes": core.rounds, "neighbourhoods": 0}
    rounded = round_plan(problem, price=core.lambda_m, amount=core.amount, clock=clock)
    draft = rounded if problem.value_of(rounded.taken) >= value else draft

    spare = ENOUGH_M_PER_DEMAND * instance.num_demands if instance.num_demands > MOST_EXACT_DEMANDS else 0.0

    def enough(value_m: int) -> bool:
        return gap_of(value_m, core.bound_m) <= gap or core.bound_m - value_m <= spare

    work["neighbourhoods"] = improve(
        problem,
        draft,
        price=core.lambda_m,
        bound_m=core.bound_m,
        enough=enough,
        clock=clock,
        progress=lambda value_m, _: progress("neighbourhoods", value_m, core.bound_m),
    )
    most_columns = SMALL_COLUMNS if instance.num_demands <= SMALL_DEMANDS else EXACT_COLUMNS
    _finish(problem, draft, core.lambda_m, core.bound_m, most_columns=most_columns, enough=enough, clock=clock)
    return _solution(instance, problem, draft.taken, core.price, exact=False, work=work)


def _first_draft(problem: Problem) -> Draft:
    """Place everybody where bays are left, the highest value first: a plan from the first second."""
    draft = empty_draft(problem)
    serve_locked(problem, draft)
    fill(problem, draft, loss=-problem.pair_value_m.astype(np.float64))
    return draft


def _finish(
    problem: Problem,
    draft: Draft,
    price: Floats,
    bound_m: int,
    *,
    most_columns: int,
    enough: Callable[[int], bool],
    clock: Clock,
) -> None:
    """
    Re-solve all pairs that a better plan can use: none loses more than lies between value and bound.

    Where these are too many, those that lose least come first; what they gain leaves fewer.
    """
    loss, _ = losses_of(problem, price)
    value, complete, gained = problem.value_of(draft.taken), False, 1
    while gained and not complete and not enough(value) and not clock.is_over():
        used = loss <= bound_m - value + 1
        complete = int(used.sum()) <= most_columns
        if not complete and most_columns < SMALL_COLUMNS:
            break
        near = used if complete else loss <= np.partition(loss, most_columns)[most_columns]
        pairs = np.flatnonzero(near | (draft.taken > 0))
        if len(pairs) > 2 * most_columns:
            break
        gained = re_solve(problem, draft, pairs, nodes=EXACT_WORK // len(pairs), clock=clock)
        value += gained


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
    """
    Share what merged groups got among the instance's groups, in their order; the draw decides within.

    The demands of a merged group stand in one line, group after group, and take its served places in the order of its
    pairs: a group gets of a pair what their stretches of that line have in common.
    """
    order = np.argsort(problem.group_of, kind="stable")
    ahead = np.zeros(instance.num_groups, dtype=np.int64)
    ahead[order] = _ahead(instance.group_count[order], problem.group_of[order])
    served = _ahead(taken, problem.pair_group())
    group = instance.pair_group()
    pair = problem.pair_ptr[problem.group_of[group]] + np.arange(instance.num_pairs) - instance.pair_ptr[group]
    begin = np.maximum(ahead[group], served[pair])
    end = np.minimum(ahead[group] + instance.group_count[group], served[pair] + taken[pair])
    shares: Ints = np.maximum(end - begin, 0)
    return shares


def _ahead(numbers: Ints, lists: Ints) -> Ints:
    """Sum of the numbers before each in its list; equal lists stand together."""
    before = np.cumsum(numbers) - numbers
    first = np.flatnonzero(np.diff(lists, prepend=-1))
    return before - np.repeat(before[first], np.diff(first, append=len(lists)))
