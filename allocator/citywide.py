"""Districts of a large city planned side by side at its prices, then others across their borders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from allocator.clock import Clock
from allocator.core import losses_of
from allocator.crew import Crew
from allocator.districts import Atlas, District
from allocator.instance import Ints
from allocator.planning import Job, Planned
from allocator.presolve import Problem
from allocator.prices import Floats
from allocator.rounding import Draft, draft_of, empty_draft, fill, lost_by_bay_group, serve_locked

NEAR_LOSS_M = 40.0
"""Pairs that lose less than this make bay groups neighbours, and districts heavy."""
KEPT_LOSS_M = 150.0
"""Pairs that lose more than this are not looked at."""
DISTRICT_PAIRS = 10_000
"""Near pairs of a district: about ten thousand demands, a second or two of work."""
LATER_PAIRS = 5000
"""As many where a plan is improved: half as wide, more of them, and where most is lost."""
FIRST_COLUMNS = 40_000
LATER_COLUMNS = 30_000
"""Work limits of a district: columns of its neighbourhoods, in the first round and in each later one."""
MOST_ROUNDS = 8
LEAST_GAIN = 0.1
"""Share of what is missing to the aim that a round must gain to be followed by another."""
LEFT_ALONE = 0.7
"""Districts are improved until no more than this share of what may stay lost is left outside them."""

Progress = Callable[[int], None]
"""Hears the value so far in metres."""


def plan_citywide(
    problem: Problem,
    *,
    price: Floats,
    amount: Floats,
    bound_m: int,
    start: Draft | None,
    spare_m: float,
    crew: Crew,
    clock: Clock,
    progress: Progress,
) -> tuple[Draft, dict[str, int]]:
    """
    Plan districts at the city's prices, then improve across their borders.

    Parameters
    ----------
    price
        (R,) metres.
    amount
        (J,) a fractional plan: it says which district a demand near several belongs to at first.
    bound_m
        Metres that no plan exceeds; work ends within `spare_m` of it.
    start
        A plan to improve instead of a first round.

    Returns
    -------
    tuple
        The plan, and what was done.
    """
    loss, best = losses_of(problem, price)
    taken = np.zeros(problem.num_pairs, dtype=np.int64) if start is None else start.taken
    locked = problem.must_serve[problem.pair_group()]
    near = (loss <= NEAR_LOSS_M) | (taken > 0)
    atlas = Atlas(problem, near=near, kept=(loss <= KEPT_LOSS_M) | (taken > 0) | locked)
    work = {"rounds": 0, "districts": 0, "linear_programmes": 0, "neighbourhoods": 0}

    def run(parts: Sequence[Ints], jobs: Sequence[tuple[District, Job]], draft: Draft) -> Draft:
        planned = crew.plan([job for _, job in jobs], clock=clock)
        work["rounds"] += 1
        work["districts"] += len(parts)
        return _with(problem, draft, [district for district, _ in jobs], planned, work)

    draft = start
    if draft is None:
        draft = empty_draft(problem)
        serve_locked(problem, draft)
        parts = atlas.parted(DISTRICT_PAIRS)
        spare = spare_m / len(parts) / 2
        draft = run(parts, _first_jobs(problem, atlas, parts, price, amount, draft, spare), draft)
        fill(problem, draft, loss=loss)
        progress(problem.value_of(draft.taken))
    value, gained = problem.value_of(draft.taken), bound_m
    while gained > LEAST_GAIN * (bound_m - spare_m - value) > 0 and work["rounds"] < MOST_ROUNDS:
        if clock.is_over():
            break
        lost = lost_by_bay_group(problem, draft, price, loss, best)
        parts = atlas.around(lost, most_weight=LATER_PAIRS, left_alone=LEFT_ALONE * spare_m)
        draft = run(parts, _later_jobs(atlas, parts, price, draft, spare_m / max(1, len(parts)) / 2), draft)
        fill(problem, draft, loss=loss)
        gained = problem.value_of(draft.taken) - value
        value += gained
        progress(value)
    return draft, work


def _first_jobs(  # noqa: PLR0917  (what one round knows)
    problem: Problem, atlas: Atlas, parts: Sequence[Ints], price: Floats, amount: Floats, draft: Draft, spare_m: float
) -> list[tuple[District, Job]]:
    """Every demand in one district: where the fractional plan has most of its group, in parts where it splits it."""
    part_of_bay_group = np.zeros(len(atlas.weight), dtype=np.int64)
    for number, members in enumerate(parts):
        part_of_bay_group[members] = number
    share = _shares(problem, draft.free, part_of_bay_group[problem.pair_bay_group], amount, len(parts))
    jobs = []
    for number, members in enumerate(parts):
        district = atlas.cut(members, free=share(number), residual=draft.residual)
        jobs.append((district, Job(district.problem, price[district.rows], None, spare_m, FIRST_COLUMNS)))
    return jobs


def _shares(
    problem: Problem, free: Ints, part_of_pair: Ints, amount: Floats, num_parts: int
) -> Callable[[int], NDArray[np.int64]]:
    """Demands (G,) of each group that a part gets: whole numbers in the proportion of the fractional plan."""
    key = problem.pair_group() * num_parts + part_of_pair
    keys, index = np.unique(key, return_inverse=True)
    group, part = keys // num_parts, keys % num_parts
    weight = np.bincount(index, weights=amount + 1e-9, minlength=len(keys))
    total = np.bincount(group, weights=weight, minlength=problem.num_groups)
    running = np.cumsum(weight / total[group])
    first = np.searchsorted(group, np.arange(problem.num_groups))
    before = np.concatenate(([0.0], running))[first[group]]
    upto = np.rint((running - before) * free[group]).astype(np.int64)
    number = np.diff(upto, prepend=0)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    number[starts] = upto[starts]
    order = np.argsort(part, kind="stable")
    bounds = np.searchsorted(part[order], np.arange(num_parts + 1))

    def share(number_of_part: int) -> NDArray[np.int64]:
        mine = order[bounds[number_of_part] : bounds[number_of_part + 1]]
        demands = np.zeros(problem.num_groups, dtype=np.int64)
        demands[group[mine]] = number[mine]
        return demands

    return share


def _later_jobs(
    atlas: Atlas, parts: Sequence[Ints], price: Floats, draft: Draft, spare_m: float
) -> list[tuple[District, Job]]:
    """Whoever is served in a district, and whoever is left out and near it; nobody is offered to two."""
    left = draft.free.copy()
    jobs = []
    for members in parts:
        everything = atlas.pairs_at(members)
        taken = draft.taken[everything]
        free = np.zeros(len(left), dtype=np.int64)
        nearby = atlas.groups_at(members)
        free[nearby] = left[nearby]
        left[nearby] = 0
        np.add.at(free, atlas.group_of(everything), taken)
        load = atlas.load_of(everything, taken)
        district = atlas.cut(members, free=free, residual=draft.residual + load)
        here = draft.taken[district.pairs]
        jobs.append((district, Job(district.problem, price[district.rows], here, spare_m, LATER_COLUMNS)))
    return jobs


def _with(
    problem: Problem,
    draft: Draft,
    districts: Sequence[District],
    planned: Iterable[Planned | None],
    work: dict[str, int],
) -> Draft:
    """Put the districts' plans in the place of what was there; one that failed stays as it was."""
    taken = draft.taken.copy()
    for district, answer in zip(districts, planned, strict=True):
        if answer is not None:
            taken[district.pairs] = answer.taken
            work["linear_programmes"] += answer.linear_programmes
            work["neighbourhoods"] += answer.neighbourhoods
    return draft_of(problem, taken)
