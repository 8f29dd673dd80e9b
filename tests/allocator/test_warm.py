"""Solving from a base: as good as from scratch, and nobody moved for nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from allocator import solve as solve_module
from allocator import warm as warm_module
from allocator.base import Base
from allocator.clock import Clock
from allocator.descent import descend_prices
from allocator.instance import Instance
from allocator.presolve import presolve
from allocator.prices import bound_of
from allocator.solve import Solution, solve
from allocator.warm import base_prices, base_taken, kept_draft, mended_prices
from tests.allocator.building import Ask, build, one_night, replaced
from tests.allocator.cities import city
from tests.allocator.verdicts import verdict


def base_from(solution: Solution) -> Base:
    """The base that a solution of the same pairs is."""
    return Base(solution.price_bay_group, solution.price_at, solution.price, solution.scale, solution.taken)


def without_bays(instance: Instance, bay_group: int) -> Instance:
    """Close a bay group."""
    bays = instance.capacity_bays.copy()
    bays[instance.capacity_ptr[bay_group] : instance.capacity_ptr[bay_group + 1]] = 0
    return replaced(instance, capacity_bays=bays)


@pytest.fixture(scope="module")
def town() -> Instance:
    return city(demands=800, bay_groups=40, seed=7)


def test_the_same_instance_from_its_own_solution_changes_nobody(town: Instance) -> None:
    cold = solve(town)
    warm = solve(town, base=base_from(cold))
    assert warm.value_m >= cold.value_m
    assert warm.value_m > cold.value_m or warm.taken.tolist() == cold.taken.tolist()


def test_a_base_that_was_cut_short_does_not_excuse_a_poor_plan(town: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve_module, "MOST_EXACT_DEMANDS", 0)
    monkeypatch.setattr(solve_module, "MOST_PROVEN_AT_ONCE", 0)
    base = base_from(solve(town, time_limit_s=0.0))
    cold, warm = solve(town), solve(town, base=replace(base, gap_m=10**9))
    assert warm.bound_m - warm.value_m <= max(cold.bound_m - cold.value_m, 0.1 * town.num_demands) + 1


def test_prices_that_are_off_all_over_are_found_from_scratch(town: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve_module, "FEW_CORE_PAIRS", 0)  # no linear programme mends them
    base = base_from(solve(town))
    edited = replaced(town, pair_value_m=town.pair_value_m * (1 + np.arange(town.num_pairs) % 3))
    cold, warm = solve(edited), solve(edited, base=base)
    assert warm.bound_m <= cold.bound_m + 0.5 * town.num_demands


def test_after_a_bay_group_closes_prices_are_mended_around_it_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_module, "MENDED_PAIRS", 800)
    instance = city(demands=3000, bay_groups=200, seed=3)
    solution = solve(instance)
    base, left_alone_m = base_from(solution), 1.5 * (solution.bound_m - solution.value_m)
    edited = without_bays(instance, 77)
    problem = presolve(edited)
    before = base_prices(problem, base)
    draft = kept_draft(problem, base_taken(edited, problem, base), before)
    mended = mended_prices(problem, before, draft, left_alone_m=left_alone_m, clock=Clock())
    assert mended is not None
    assert 0 < (mended != before).mean() < 0.4
    assert bound_of(problem, mended) < bound_of(problem, before)
    assert bound_of(problem, mended) <= descend_prices(problem).bound_m + 0.02 * 3000


def test_an_edit_that_is_everywhere_is_not_mended_place_by_place(town: Instance) -> None:
    edited = replaced(town, pair_value_m=town.pair_value_m * (1 + np.arange(town.num_pairs) % 3))
    problem, base = presolve(edited), base_from(solve(town))
    price = base_prices(problem, base)
    draft = kept_draft(problem, base_taken(edited, problem, base), price)
    assert mended_prices(problem, price, draft, left_alone_m=0.0, clock=Clock()) is None


@pytest.mark.parametrize("closed", [0, 13, 39])
def test_after_a_bay_group_closes_the_warm_plan_is_as_good_as_a_cold_one(town: Instance, closed: int) -> None:
    cold_base = solve(town)
    edited = without_bays(town, closed)
    cold, warm = solve(edited), solve(edited, base=base_from(cold_base))
    assert verdict(edited, warm) == []
    assert warm.value_m >= cold.value_m - 0.001 * cold.value_m
    changed_warm = int(np.abs(warm.taken - cold_base.taken).sum())
    changed_cold = int(np.abs(cold.taken - cold_base.taken).sum())
    assert changed_warm <= changed_cold


def test_of_plans_of_equal_value_the_one_that_changes_fewest_is_taken() -> None:
    # Two cars, two bay groups with one bay each, every place worth 50 to both: all plans that serve both are worth 100.
    # The base has car 0 at bay group 1 and car 1 at bay group 0.
    instance = one_night([Ask({0: (0, 50), 1: (0, 50)}), Ask({0: (0, 50), 1: (0, 49), 2: (0, 1)})], bays=[1, 1, 1])
    nothing = np.zeros(0, dtype=np.int64)
    for held in ([0, 1, 1, 0, 0],):
        warm = solve(instance, base=Base(nothing, nothing, nothing, 1, np.array(held)))
        assert warm.value_m == 100
        assert warm.taken.tolist() == held


def test_a_kept_household_never_costs_value() -> None:
    # The base has the car where it is worth 10; a place worth 50 is free.
    instance = one_night([Ask({0: (0, 10), 1: (0, 50)})], bays=[1, 1])
    nothing = np.zeros(0, dtype=np.int64)
    warm = solve(instance, base=Base(nothing, nothing, nothing, 1, np.array([1, 0])))
    assert warm.taken.tolist() == [0, 1]


def test_base_prices_go_to_the_nearest_row_of_their_bay_group() -> None:
    # Bay group 0 has two nights that bind one by one; 1 has none that binds.
    asks = [Ask({0: (0, 10)}), Ask({0: (1, 10)}), Ask({0: (2, 10), 1: (2, 10)})]
    covers = [[(0, 60)], [(1440, 1500)], [(0, 60), (1440, 1500)]]
    problem = presolve(build(asks, covers=covers, capacity=[[(0, 1)], [(0, 5)]]))
    assert problem.row_at.tolist() == [0, 1440]
    columns = (np.array([0, 0, 1]), np.array([30, 1400, 30]), np.array([8, 6, 4]))
    base = Base(*columns, 2, np.zeros(0, dtype=np.int64))
    assert base_prices(problem, base).tolist() == [4.0, 3.0]
