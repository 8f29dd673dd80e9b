"""The whole way from an instance to a certified plan; only wiring."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from allocator.base import Base
from allocator.branching import prove
from allocator.certificate import Node
from allocator.citywide import NEAR_LOSS_M, plan_citywide
from allocator.clock import Clock
from allocator.core import MOST_CORE_PAIRS, Core, losses_of, settle_prices
from allocator.crew import Crew
from allocator.descent import FINEST_M, Prices, descend_prices
from allocator.errors import EngineFailed, LocksConflict
from allocator.flow import is_transport, solve_transport
from allocator.instance import Instance, Ints
from allocator.planning import refine
from allocator.presolve import Problem, presolve
from allocator.prices import SCALE, Floats, bound_of, foot_prices, proven_bound
from allocator.rounding import Draft, draft_of, empty_draft, fill, re_solve, round_plan, serve_locked
from allocator.smoothing import choose
from allocator.ties import canonical
from allocator.trees import on_instance
from allocator.warm import WARM_SHARE, base_prices, base_taken, keep_households, kept_draft, mended_prices

ENOUGH_M_PER_DEMAND = ((300_000, 0.05), (None, 0.15))
"""Below this certified gap plans of cities up to so many demands are not improved, unless the caller asks for less."""
MOST_EXACT_DEMANDS = 12_000
"""Up to here the true optimum is looked for, whatever the gap per demand."""
MOST_PROVEN_AT_ONCE = 5000
"""Up to so many demands a proof is tried as soon as there is a rounded plan: it mostly closes, at the best plan."""
LARGE_PROOF_COLUMNS = 330_000
"""Work limit of the proof of a larger problem, which may not close: some ten to twenty seconds."""
FEW_CORE_PAIRS = 60_000
"""Where demands are few and have many places each, a larger core pays: it is nearly whole already."""
MOST_WHOLE_PAIRS = 15_000
"""Problems with more pairs near their group's best are planned district by district."""
MOST_ALONE_PAIRS = 60_000
"""Larger problems get their workers at once: they are ready when districts are."""
MOST_BASE_GAP_M = 0.1
"""A base's own gap is good enough for a plan made from it, up to so much a demand: the base may have been cut short."""
EDIT_M = 0.015
"""Of a large city so much more a demand than in the base is left, where an edit leaves it."""
COLUMNS = 120_000
"""Work limit: columns of neighbourhoods where there is one district."""
EXACT_COLUMNS = 1500
"""Columns of one last programme over everything that a better plan can use."""
SMALL_DEMANDS = 1000
SMALL_COLUMNS = 12_000
"""As many for a problem of so few demands, where completeness costs little."""
EXACT_WORK = 4_000_000
"""Columns times nodes of the last programme."""
_NO_NODES: tuple[Node, ...] = ()

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
    branches
        Cases that prove the plan optimal although value and bound differ; none where they do not or the work limit
        came first.
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
    branches: tuple[Node, ...] = ()

    @property
    def is_optimal(self) -> bool:
        """Whether no plan is worth more, by the prices or by the branches."""
        return self.value_m == self.bound_m or bool(self.branches)

    @property
    def gap(self) -> float:
        """(bound − value) / max(1, value)."""
        return gap_of(self.value_m, self.bound_m)


def gap_of(value_m: int, bound_m: int) -> float:
    """Relative gap as NEIGHBOURHOOD.md defines it, not rounded."""
    return (bound_m - value_m) / max(1, value_m)


@dataclass(frozen=True, slots=True)
class _Run:
    """How a solve is run; nothing in it changes the plan, unless the clock cuts in."""

    clock: Clock
    workers: int | None
    progress: Progress


@dataclass(frozen=True, slots=True, eq=False)
class _Start:
    """Prices of a base on rows (R,), metres, and its demands at pairs (J,); None for what there is none of."""

    price: Floats | None = None
    held: Ints | None = None
    gap_m: int = 0


def solve(
    instance: Instance,
    *,
    gap: float = 0.0,
    time_limit_s: float | None = None,
    base: Base | None = None,
    clock: Clock | None = None,
    workers: int | None = None,
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
    base
        A solved neighbour to start from. Among plans of equal value that it leads to, the one that changes fewest
        households of the base is preferred.
    clock
        Counts in place of `time_limit_s`, and whoever holds it may stop it; there is a plan then too.
    workers
        Processes that plan districts of a large city; as many as there are cores without. The plan is the same.
    progress
        Hears every step.

    Raises
    ------
    LocksConflict
        When the groups that must be served cannot all be served; it names groups of the instance.
    """
    run = _Run(clock or Clock(time_limit_s), workers, progress)
    problem = presolve(instance)
    held = None if base is None else base_taken(instance, problem, base)
    try:
        if is_transport(problem):
            with suppress(EngineFailed):  # values too large for the flow engine's arithmetic
                return _exact(instance, problem, held, run)
        start = _Start() if base is None else _Start(base_prices(problem, base), held, base.gap_m)
        with Crew(run.workers if problem.num_pairs > MOST_ALONE_PAIRS else 1) as crew:
            return _certified(instance, problem, start, gap=gap, crew=crew, run=run)
    except LocksConflict as conflict:
        groups = np.flatnonzero(np.isin(problem.group_of, conflict.groups))
        raise LocksConflict(tuple(groups.tolist())) from conflict


def _exact(instance: Instance, problem: Problem, held: Ints | None, run: _Run) -> Solution:
    taken, price_m = solve_transport(problem)
    price = price_m * SCALE
    work, nodes = {"flows": 1}, _NO_NODES
    if problem.value_of(taken) < proven_bound(problem, price):  # locks that displace others
        taken, nodes = _branched(problem, taken, price, run.clock, work)
    taken = _settled(problem, taken, price, held, run.clock)
    solution = _solution(instance, problem, taken, price, exact=True, work=work, nodes=nodes)
    run.progress("flow", solution.value_m, solution.bound_m)
    return solution


def _certified(instance: Instance, problem: Problem, start: _Start, *, gap: float, crew: Crew, run: _Run) -> Solution:
    first = _first_draft(problem, start)
    value = problem.value_of(first.taken)
    few = instance.num_demands <= MOST_EXACT_DEMANDS
    base_gap_m = start.gap_m + (0 if few else EDIT_M * instance.num_demands)
    base_gap_m = min(base_gap_m, MOST_BASE_GAP_M * instance.num_demands)
    prices, local = _prices(problem, start, first, aim_m=base_gap_m, crew=crew, clock=run.clock)
    run.progress("prices", value, int(prices.bound_m))
    most_pairs = FEW_CORE_PAIRS if few else MOST_CORE_PAIRS
    core = settle_prices(problem, prices, most_pairs=most_pairs, clock=run.clock)
    run.progress("core", value, core.bound_m)
    work = {"sweeps": prices.sweeps, "linear_programmes": core.rounds}
    spare = max(core.bound_m * gap / (1 + gap), _enough_m(instance.num_demands))
    kept = first if local else None
    nodes = _NO_NODES
    if instance.num_demands <= MOST_PROVEN_AT_ONCE and spare == 0:
        rounded = kept or round_plan(problem, price=core.lambda_m, amount=core.amount, clock=run.clock)
        better = rounded if problem.value_of(rounded.taken) >= value else first
        taken, nodes = _branched(problem, better.taken, core.price, run.clock, work)
        kept = draft_of(problem, taken)
    if not nodes:
        aim = max(spare, 0.0 if start.held is None else base_gap_m)
        draft = _planned(problem, core, kept, spare_m=aim, crew=crew, run=run, work=work)
        draft = draft if problem.value_of(draft.taken) >= value else first
        if few:
            most_columns = SMALL_COLUMNS if instance.num_demands <= SMALL_DEMANDS else EXACT_COLUMNS
            _finish(problem, draft, core, spare_m=aim, most_columns=most_columns, clock=run.clock)
        taken = draft.taken
        if few and core.bound_m - problem.value_of(taken) > spare:
            run.progress("proof", problem.value_of(taken), core.bound_m)
            taken, nodes = _branched(problem, taken, core.price, run.clock, work)
    taken = _settled(problem, taken, core.price, start.held, run.clock)
    return _solution(instance, problem, taken, core.price, exact=False, work=work, nodes=nodes)


def _enough_m(demands: int) -> float:
    """Metres between value and bound that are not worth more work."""
    if demands <= MOST_EXACT_DEMANDS:
        return 0.0
    return demands * next(enough for most, enough in ENOUGH_M_PER_DEMAND if most is None or demands <= most)


def _settled(problem: Problem, taken: Ints, price: Ints, held: Ints | None, clock: Clock) -> Ints:
    """Break ties: for the households of the base, where there is one, else in the order of groups."""
    if held is not None:
        return keep_households(problem, draft_of(problem, taken), held, price=price, clock=clock).taken
    return canonical(problem, taken, price / SCALE, clock=clock)


def _prices(
    problem: Problem, start: _Start, first: Draft, *, aim_m: float, crew: Crew, clock: Clock
) -> tuple[Prices, bool]:
    """
    Find prices, and tell whether those of a base only had to be mended here and there.

    Where an edit is everywhere they are found all over, from those of the base, and so is the plan.
    """
    if start.price is not None:
        mended = mended_prices(problem, start.price, first, left_alone_m=aim_m, clock=clock)
        if mended is not None:
            amount = choose(problem, foot_prices(problem, mended), temperature_m=FINEST_M).amount
            return Prices(mended, bound_of(problem, mended), amount, 0, 0), True
    crew.gather()
    hottest_m = None if start.price is None else WARM_SHARE * float(problem.pair_value_m.max(initial=0))
    return descend_prices(problem, start=start.price, hottest_m=hottest_m, clock=clock), False


def _planned(
    problem: Problem, core: Core, kept: Draft | None, *, spare_m: float, crew: Crew, run: _Run, work: dict[str, int]
) -> Draft:
    """Plan in whole cars near the relaxation's, in one piece or district by district; improve a draft there is."""

    def progress(value_m: int) -> None:
        run.progress("neighbourhoods", value_m, core.bound_m)

    loss, _ = losses_of(problem, core.lambda_m)
    if core.rounds or int((loss <= NEAR_LOSS_M).sum()) <= MOST_WHOLE_PAIRS:
        planned = refine(problem, core, kept, spare_m=spare_m, columns=COLUMNS, clock=run.clock, progress=progress)
        work["neighbourhoods"] = planned.neighbourhoods
        return draft_of(problem, planned.taken)
    draft, done = plan_citywide(
        problem,
        price=core.lambda_m,
        bound_m=core.bound_m,
        start=kept,
        spare_m=spare_m,
        crew=crew,
        clock=run.clock,
        progress=progress,
    )
    for name, count in done.items():
        work[name] = work.get(name, 0) + count
    return draft


def _branched(
    problem: Problem, taken: Ints, price: Ints, clock: Clock, work: dict[str, int]
) -> tuple[Ints, tuple[Node, ...]]:
    """Prove the plan optimal by branching, or a better one that turns up; no nodes where the work limit came first."""
    most = None if int(problem.group_count.sum()) <= MOST_PROVEN_AT_ONCE else LARGE_PROOF_COLUMNS
    proof = prove(problem, taken, price, columns=most, clock=clock)
    work["branching_programmes"] = work.get("branching_programmes", 0) + proof.programmes
    return proof.taken, proof.nodes or ()


def _first_draft(problem: Problem, start: _Start) -> Draft:
    """Keep what the base had, or place the highest value first wherever bays are left: a plan from the first second."""
    if start.held is not None and start.price is not None:
        return kept_draft(problem, start.held, start.price)
    draft = empty_draft(problem)
    serve_locked(problem, draft)
    fill(problem, draft, loss=-problem.pair_value_m.astype(np.float64))
    return draft


def _finish(problem: Problem, draft: Draft, core: Core, *, spare_m: float, most_columns: int, clock: Clock) -> None:
    """
    Re-solve all pairs that a better plan can use: none loses more than lies between value and bound.

    Where these are too many, those that lose least come first; what they gain leaves fewer.
    """
    loss, _ = losses_of(problem, core.lambda_m)
    value, complete, gained = problem.value_of(draft.taken), False, 1
    while gained and not complete and core.bound_m - value > spare_m and not clock.is_over():
        used = loss <= core.bound_m - value + 1
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
    instance: Instance,
    problem: Problem,
    taken: Ints,
    price: Ints,
    *,
    exact: bool,
    work: dict[str, int],
    nodes: tuple[Node, ...] = (),
) -> Solution:
    priced = np.flatnonzero(price)
    value_m, bound_m = problem.value_of(taken), proven_bound(problem, price)
    return Solution(
        taken=_split(instance, problem, taken),
        value_m=value_m,
        bound_m=bound_m,
        merged=problem.group_of,
        price_bay_group=problem.row_bay_group[priced],
        price_at=problem.row_at[priced],
        price=price[priced],
        scale=SCALE,
        bay_value_exact=exact,
        work=work,
        branches=on_instance(instance, problem, nodes) if value_m < bound_m else (),
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
