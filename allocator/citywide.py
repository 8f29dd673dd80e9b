"""Districts of a large city planned side by side at its prices, then others across their borders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from allocator.clock import Clock
from allocator.core import losses_of
from allocator.crew import Crew
from allocator.districts import Atlas, District
from allocator.instance import Ints
from allocator.planning import Job, Planned, best_at
from allocator.presolve import Problem
from allocator.prices import Floats
from allocator.rounding import Draft, draft_of, empty_draft, fill, lost_by_bay_group, serve_locked

NEAR_LOSS_M = 40.0
"""Pairs that lose less than this make bay groups neighbours, and districts heavy."""
KEPT_LOSS_M = 150.0
"""Pairs that lose more than this are not looked at."""
DISTRICT_PAIRS = 10_000
"""Near pairs of a district: some five thousand demands, less than a second of work."""
FIRST_COLUMNS = 10_000
"""Work limit of a district in the first round: columns of its neighbourhoods."""
LATER = ((5000, 10_000), (12_000, 20_000))
"""Near pairs and columns of districts that improve a plan where most is lost; then wider ones."""
MOST_ROUNDS = 6
"""Work limit: rounds with districts of one size."""
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

    def run(jobs: Sequence[tuple[District, Job]], draft: Draft) -> Draft:
        planned = crew.plan([job for _, job in jobs], clock=clock)
        work["rounds"] += 1
        work["districts"] += len(jobs)
        return _with(problem, draft, [district for district, _ in jobs], planned, work)

    draft = start
    if draft is None:
        draft = empty_draft(problem)
        serve_locked(problem, draft)
        parts = atlas.parted(DISTRICT_PAIRS)
        waiting = np.ones(len(atlas.weight), dtype=np.bool_)
        for batch in atlas.batches(parts):
            waiting[np.concatenate(batch)] = False
            elsewhere = best_at(problem, price, waiting)
            draft = run(_first_jobs(atlas, batch, price, elsewhere, draft, spare_m / len(parts) / 2), draft)
        fill(problem, draft, loss=loss)
        progress(problem.value_of(draft.taken))
    value = problem.value_of(draft.taken)
    for most_pairs, columns in LATER:
        gained, rounds = bound_m, 0
        while gained > LEAST_GAIN * (bound_m - spare_m - value) > 0 and rounds < MOST_ROUNDS and not clock.is_over():
            rounds += 1
            lost = lost_by_bay_group(problem, draft, price, loss, best)
            parts = atlas.around(lost, most_weight=most_pairs, left_alone=LEFT_ALONE * spare_m)
            spare = spare_m / max(1, len(parts)) / 2
            draft = run(_later_jobs(atlas, parts, price, draft, spare, columns), draft)
            fill(problem, draft, loss=loss)
            gained = problem.value_of(draft.taken) - value
            value += gained
            progress(value)
    return draft, work


def _first_jobs(
    atlas: Atlas, batch: Sequence[Ints], price: Floats, elsewhere: Ints, draft: Draft, spare_m: float
) -> list[tuple[District, Job]]:
    """Whoever is left and near a district, with what the districts that are planned later would be worth to them."""
    jobs = []
    for members in batch:
        district = atlas.cut(members, free=draft.free, residual=draft.residual)
        job = Job(district.problem, price[district.rows], None, spare_m, FIRST_COLUMNS, elsewhere[district.groups])
        jobs.append((district, job))
    return jobs


def _later_jobs(
    atlas: Atlas, parts: Sequence[Ints], price: Floats, draft: Draft, spare_m: float, columns: int
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
        jobs.append((district, Job(district.problem, price[district.rows], here, spare_m, columns, None)))
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
        else:
            work["unplanned_districts"] = work.get("unplanned_districts", 0) + 1
    return draft_of(problem, taken)
