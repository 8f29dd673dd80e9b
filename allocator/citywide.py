"""Districts of a large city planned side by side at its prices, then others across their borders."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
LEFT_ALONE = 0.8
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

    draft = start
    if draft is None:
        draft = empty_draft(problem)
        serve_locked(problem, draft)
        _first_round(problem, atlas, draft, price=price, spare_m=spare_m, crew=crew, clock=clock, work=work)
        fill(problem, draft, loss=loss)
        progress(problem.value_of(draft.taken))
    value = problem.value_of(draft.taken)
    for most_pairs, columns in LATER:
        gained, rounds = bound_m, 0
        while gained > LEAST_GAIN * (bound_m - spare_m - value) > 0 and rounds < MOST_ROUNDS and not clock.is_over():
            rounds += 1
            lost = lost_by_bay_group(problem, draft, price, loss, best)
            parts = atlas.around(lost, most_weight=most_pairs, left_alone=LEFT_ALONE * spare_m)
            outside = float(lost.sum()) - sum(float(lost[members].sum()) for members in parts)
            spare = max(0.0, spare_m - outside) / max(1, len(parts))
            jobs = _later_jobs(atlas, parts, price, draft, spare, columns)
            draft = _later_round(problem, draft, jobs, crew=crew, clock=clock, work=work)
            fill(problem, draft, loss=loss)
            gained = problem.value_of(draft.taken) - value
            value += gained
            progress(value)
    return draft, work


def _first_round(
    problem: Problem,
    atlas: Atlas,
    draft: Draft,
    *,
    price: Floats,
    spare_m: float,
    crew: Crew,
    clock: Clock,
    work: dict[str, int],
) -> None:
    """
    Plan districts, each when its neighbours of earlier turns have taken what they take.

    A district gets whoever is left and near it, with what the districts of later turns would be worth to them.
    """
    parts, turn, after = atlas.in_turn(atlas.parted(DISTRICT_PAIRS))
    elsewhere: dict[int, Ints] = {}
    districts: dict[int, District] = {}

    def job_of(number: int) -> Job:
        now = int(turn[number])
        if now not in elsewhere:
            later = np.zeros(len(atlas.weight), dtype=np.bool_)
            for members, theirs in zip(parts, turn.tolist(), strict=True):
                later[members] = theirs > now
            elsewhere[now] = best_at(problem, price, later)
        district = districts[number] = atlas.cut(parts[number], free=draft.free, residual=draft.residual)
        away, spare = elsewhere[now][district.groups], spare_m / len(parts) / 2
        return Job(district.problem, price[district.rows], None, spare, FIRST_COLUMNS, away)

    def take(number: int, planned: Planned | None) -> None:
        district = districts.pop(number, None)
        if district is not None and planned is not None:
            draft.taken[district.pairs] += planned.taken
            draft.residual[:] -= atlas.load_of(district.pairs, planned.taken)
            np.subtract.at(draft.free, atlas.group_of(district.pairs), planned.taken)
        _count(work, planned)

    work["rounds"] += 1
    crew.plan(len(parts), job_of=job_of, take=take, after=after, clock=clock)


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


def _later_round(
    problem: Problem,
    draft: Draft,
    jobs: Sequence[tuple[District, Job]],
    *,
    crew: Crew,
    clock: Clock,
    work: dict[str, int],
) -> Draft:
    """Put districts' plans in the place of what was there; one that failed stays as it was."""
    taken = draft.taken.copy()

    def take(number: int, planned: Planned | None) -> None:
        if planned is not None:
            taken[jobs[number][0].pairs] = planned.taken
        _count(work, planned)

    work["rounds"] += 1
    crew.plan(len(jobs), job_of=lambda number: jobs[number][1], take=take, clock=clock)
    return draft_of(problem, taken)


def _count(work: dict[str, int], planned: Planned | None) -> None:
    work["districts"] += 1
    if planned is None:
        work["unplanned_districts"] = work.get("unplanned_districts", 0) + 1
    else:
        work["linear_programmes"] += planned.linear_programmes
        work["neighbourhoods"] += planned.neighbourhoods
