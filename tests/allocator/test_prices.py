"""Prices: always a bound, never senseless, and settled as low as a linear programme over everything goes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from allocator.clock import Clock
from allocator.core import settle_prices
from allocator.descent import Prices, descend_prices
from allocator.engines import solve_linear
from allocator.presolve import Problem, presolve
from allocator.prices import SCALE, bound_of, proven_bound, whole_prices
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


def at(problem: Problem, price_m: float) -> Prices:
    """The same price on every row."""
    return Prices(np.full(problem.num_rows, price_m), np.inf, np.zeros(problem.num_pairs), 0, 0)


def test_the_descent_comes_close_to_the_linear_optimum(problem: Problem) -> None:
    optimum = linear_optimum(problem)
    prices = descend_prices(problem, finest_m=0.1)
    assert optimum - 1e-6 <= prices.bound_m <= optimum + 0.05 * problem.group_count.sum()
    assert prices.bound_m == bound_of(problem, prices.lambda_m)
    assert prices.lambda_m.min() >= 0


def test_the_finer_the_last_temperature_the_lower_the_bound(problem: Problem) -> None:
    coarse, fine = (descend_prices(problem, finest_m=finest).bound_m for finest in (20.0, 0.2))
    assert fine < coarse


def test_the_fractional_plan_of_a_fine_descent_nearly_keeps_capacities_and_is_worth_the_bound(problem: Problem) -> None:
    prices = descend_prices(problem, finest_m=0.05)
    worth = float(problem.pair_value_m @ prices.amount)
    served = np.bincount(problem.pair_group(), weights=prices.amount, minlength=problem.num_groups)
    assert (served <= problem.group_count + 1e-6).all()
    assert worth == pytest.approx(prices.bound_m, rel=1e-3)


def test_a_descent_from_good_prices_needs_fewer_sweeps_and_ends_as_low(problem: Problem) -> None:
    cold = descend_prices(problem)
    warm = descend_prices(problem, start=cold.lambda_m, hottest_m=2.0)
    assert warm.sweeps < cold.sweeps / 2
    assert warm.bound_m <= cold.bound_m + 1


def test_a_stopped_descent_still_has_a_bound(problem: Problem) -> None:
    prices = descend_prices(problem, clock=Clock(0.0))
    assert prices.bound_m >= linear_optimum(problem) - 1e-6
    assert prices.sweeps <= 1


def test_settled_prices_prove_the_linear_optimum_in_whole_metres(problem: Problem) -> None:
    core = settle_prices(problem, descend_prices(problem))
    assert core.settled
    assert math.floor(linear_optimum(problem) - 1e-6) <= core.bound_m <= linear_optimum(problem) + 1
    assert core.bound_m == proven_bound(problem, core.price)


def test_the_settled_fractional_plan_keeps_capacities_and_counts(problem: Problem) -> None:
    core = settle_prices(problem, descend_prices(problem))
    served = np.bincount(problem.pair_group(), weights=core.amount, minlength=problem.num_groups)
    assert (served <= problem.group_count + 1e-6).all()
    load = np.zeros(problem.num_rows)
    for pair in np.flatnonzero(core.amount):
        foot = problem.pair_footprint[pair]
        load[problem.foot_rows[problem.foot_ptr[foot] : problem.foot_ptr[foot + 1]]] += core.amount[pair]
    assert (load <= problem.row_capacity + 1e-6).all()


def test_prices_settle_from_any_start(problem: Problem) -> None:
    core = settle_prices(problem, at(problem, 123.4))
    assert core.bound_m <= linear_optimum(problem) + 1


def test_out_of_time_the_start_is_the_answer(problem: Problem) -> None:
    core = settle_prices(problem, at(problem, 50.0), clock=Clock(0.0))
    assert not core.settled
    assert core.price.tolist() == [50 * SCALE] * problem.num_rows


def test_no_whole_price_is_negative_or_above_what_anybody_would_pay() -> None:
    problem = presolve(one_night([Ask({0: (0, 50), 1: (0, 40)}, count=9)], bays=[1, 2]))
    prices = whole_prices(problem, np.array([-3.0, 1e30]))
    assert prices.tolist() == [0, 50 * SCALE]
