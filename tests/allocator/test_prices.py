"""Prices: always a bound, never senseless, and settled as low as a linear programme over everything goes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from allocator.clock import Clock
from allocator.core import settle_prices
from allocator.engines import solve_linear
from allocator.presolve import Problem, presolve
from allocator.prices import SCALE, ascend_prices, proven_bound, whole_prices
from allocator.programmes import part_of
from tests.allocator.building import Ask, one_night
from tests.allocator.cities import city


@pytest.fixture(scope="module")
def problem() -> Problem:
    return presolve(city(demands=300, bay_groups=40, seed=2))


def linear_optimum(problem: Problem) -> float:
    """Bound of the linear relaxation over all pairs, from an engine alone."""
    every = np.arange(problem.num_pairs)
    part = part_of(problem, every, free=problem.group_count, residual=problem.row_capacity)
    return solve_linear(part.programme).bound


def test_the_ascent_comes_close_to_the_linear_optimum(problem: Problem) -> None:
    optimum = linear_optimum(problem)
    prices = ascend_prices(problem, target_m=0.9 * optimum)
    assert optimum - 1e-6 <= prices.bound_m <= 1.001 * optimum
    assert prices.bound_m < ascend_prices(problem, target_m=0.9 * optimum, sweeps=1).bound_m


def test_settled_prices_prove_the_linear_optimum_in_whole_metres(problem: Problem) -> None:
    core = settle_prices(problem, ascend_prices(problem, target_m=0.0).lambda_m)
    assert core.settled
    assert math.floor(linear_optimum(problem) - 1e-6) <= core.bound_m <= linear_optimum(problem) + 1
    assert core.bound_m == proven_bound(problem, core.price)


def test_prices_settle_from_any_start(problem: Problem) -> None:
    core = settle_prices(problem, np.full(problem.num_rows, 123.4))
    assert core.bound_m <= linear_optimum(problem) + 1


def test_out_of_time_the_start_is_the_answer(problem: Problem) -> None:
    start = np.full(problem.num_rows, 50.0)
    core = settle_prices(problem, start, clock=Clock(0.0))
    assert not core.settled
    assert core.price.tolist() == [50 * SCALE] * problem.num_rows


def test_a_warm_start_needs_fewer_sweeps(problem: Problem) -> None:
    target = 0.99 * linear_optimum(problem)
    cold = ascend_prices(problem, target_m=target, sweeps=300)
    warm = ascend_prices(problem, target_m=target, sweeps=50, start=cold.lambda_m)
    assert warm.bound_m <= cold.bound_m


def test_no_whole_price_is_negative_or_above_what_anybody_would_pay() -> None:
    problem = presolve(one_night([Ask({0: (0, 50), 1: (0, 40)}, count=9)], bays=[1, 2]))
    prices = whole_prices(problem, np.array([-3.0, 1e30]))
    assert prices.tolist() == [0, 50 * SCALE]
