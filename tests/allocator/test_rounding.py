"""Plans in the making: what is placed, what is left, and when to stop looking."""

from __future__ import annotations

import numpy as np
import pytest

from allocator.clock import Clock
from allocator.descent import descend_prices
from allocator.presolve import Problem, presolve
from allocator.rounding import AREAS, MOST_IDLE_TRIES, Draft, empty_draft, fill, improve, re_solve
from tests.allocator.building import Ask, one_night
from tests.allocator.cities import city


@pytest.fixture(scope="module")
def problem() -> Problem:
    return presolve(city(demands=600, bay_groups=100, seed=0))


def improved(problem: Problem, draft: Draft) -> int:
    """Improve without a bound that could be reached; returns the neighbourhoods re-solved."""
    price = descend_prices(problem, finest_m=20.0).lambda_m
    return improve(problem, draft, price=price, bound_m=2**60, spare_m=0.0, most_columns=10**9, clock=Clock())


def test_filling_places_the_least_loss_first_and_nobody_twice() -> None:
    problem = presolve(one_night([Ask({0: (0, 50), 1: (0, 40)}, count=2), Ask({0: (0, 45)})], bays=[1, 2]))
    draft = empty_draft(problem)
    fill(problem, draft, loss=-problem.pair_value_m.astype(np.float64))
    # The bay of A goes to a car worth 50, one of B's two to its equal; the third car knows only A.
    assert draft.taken.tolist() == [1, 1, 0]
    assert draft.free.tolist() == [0, 1]


def test_what_is_given_back_can_be_given_again(problem: Problem) -> None:
    draft = empty_draft(problem)
    fill(problem, draft, loss=-problem.pair_value_m.astype(np.float64))
    taken = draft.taken.copy()
    every = np.arange(problem.num_pairs)
    draft.give(problem, every, -taken)
    assert draft.residual.tolist() == problem.row_capacity.tolist()
    assert draft.free.tolist() == problem.group_count.tolist()


def test_re_solving_never_loses_value_and_keeps_the_books(problem: Problem) -> None:
    draft = empty_draft(problem)
    fill(problem, draft, loss=-problem.pair_value_m.astype(np.float64))
    before = problem.value_of(draft.taken)
    gained = re_solve(problem, draft, np.arange(0, problem.num_pairs, 3), nodes=50, clock=Clock())
    assert problem.value_of(draft.taken) == before + gained >= before
    assert draft.residual.tolist() == (problem.row_capacity - problem.load_of(draft.taken)).tolist()
    assert draft.residual.min() >= 0
    assert draft.free.min() >= 0


def test_neighbourhoods_are_given_up_when_nothing_more_is_gained(problem: Problem) -> None:
    draft = empty_draft(problem)
    fill(problem, draft, loss=-problem.pair_value_m.astype(np.float64))
    improved(problem, draft)
    # With a bound out of reach no gain is worth going on for: each size is tried so often in a row and no more.
    assert improved(problem, draft) == len(AREAS) * MOST_IDLE_TRIES
