"""Synthetic cities for the solver: bay groups on a square, weekly patterns, fewer bays than cars."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from allocator.engines import Answer, Programme, solve_whole
from allocator.instance import Instance
from tests.allocator.building import Ask, Interval, build

DAY_MIN = 1440
NIGHTS = (range(7), range(5), (5, 6), (0, 1), (1, 2), (0, 2), (4, 5), (0, 2, 4), (6,))
"""Daily, working nights, weekends and named nights, three of them the odd cycle that makes the problem hard."""


def city(*, demands: int, bay_groups: int, seed: int, patterns: int = 9, per_bay: float = 1.6) -> Instance:
    """Draw so many demands with a walk of up to 500 m, and `per_bay` cars a bay; one pattern is a transport problem."""
    random = np.random.default_rng(seed)
    side = 500 * np.sqrt(bay_groups / 4)
    places = random.uniform(0, side, (bay_groups, 2))
    bays = random.multinomial(round(demands / per_bay), random.dirichlet(np.full(bay_groups, 2.0)))
    capacity = [_steps(int(number), weekend=bool(random.integers(3) == 0)) for number in bays]
    asks = []
    for home, pattern, tier in zip(
        random.uniform(0, side, (demands, 2)),
        random.integers(patterns, size=demands),
        random.choice([15000, 10000, 5000], p=[0.1, 0.2, 0.7], size=demands),
        strict=True,
    ):
        walks = np.rint(np.hypot(*(places - home).T)).astype(int)
        near = np.flatnonzero(walks <= 500)
        asks.append(Ask({int(at): (int(pattern), int(tier - walks[at])) for at in near}))
    return build(asks, covers=[_stays(NIGHTS[pattern]) for pattern in range(patterns)], capacity=capacity)


def best_by_engine(instance: Instance) -> Answer:
    """Solve the whole model, a row for every bay group and minute at which anything changes, with an engine alone."""
    group = instance.pair_group()
    minutes = np.unique(np.concatenate((instance.cover_start, instance.cover_end, instance.capacity_at)))
    rows, columns, limit = [group], [np.arange(instance.num_pairs)], [instance.group_count]
    for bay_group in range(instance.num_bay_groups):
        here = np.flatnonzero(instance.pair_bay_group == bay_group)
        for minute in minutes:
            inside = (instance.cover_start <= minute) & (minute < instance.cover_end)
            covering = np.add.reduceat(inside, instance.cover_ptr[:-1]) > 0
            standing = here[covering[instance.pair_cover[here]]]
            rows.append(np.full(len(standing), sum(map(len, limit))))
            columns.append(standing)
            limit.append(np.array([_bays_at(instance, bay_group, minute)]))
    total = np.concatenate(limit).astype(np.float64)
    row, column = np.concatenate(rows), np.concatenate(columns)
    least = np.full(len(total), -np.inf)
    least[: instance.num_groups][instance.must_serve] = instance.group_count[instance.must_serve]
    answer = solve_whole(
        Programme(
            value=instance.pair_value_m.astype(np.float64),
            high=instance.group_count[group].astype(np.float64),
            rows=scipy.sparse.csr_matrix((np.ones(len(row)), (row, column)), shape=(len(total), instance.num_pairs)),
            limit=total,
            at_least=least,
        )
    )
    assert answer is not None
    assert answer.optimal
    return answer


def _bays_at(instance: Instance, bay_group: int, minute: int) -> int:
    steps = slice(instance.capacity_ptr[bay_group], instance.capacity_ptr[bay_group + 1])
    known = instance.capacity_at[steps] <= minute
    return int(instance.capacity_bays[steps][known][-1]) if known.any() else 0


def _stays(nights: range | tuple[int, ...]) -> list[Interval]:
    return [(night * DAY_MIN + 1140, night * DAY_MIN + 1860) for night in nights]


def _steps(bays: int, *, weekend: bool) -> list[tuple[int, int]]:
    """So many bays every night, half as many again from Friday evening where the weekend is quiet."""
    return [(0, bays), (4 * DAY_MIN + 1080, bays + bays // 2), (8 * DAY_MIN, 0)] if weekend else [(0, bays)]
