"""What holds for every instance, tried on random small ones against brute force."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocator.branching import prove
from allocator.check import bound_of, branches_prove_the_value
from allocator.clock import Clock
from allocator.errors import LocksConflict
from allocator.instance import Instance
from allocator.presolve import Problem, presolve
from allocator.prices import SCALE, proven_bound
from allocator.trees import on_instance
from tests.allocator.brute_force import best_value, greedy_value
from tests.allocator.building import replaced, with_one_more_bay
from tests.allocator.knots import knotted
from tests.allocator.verdicts import solved
from tests.properties.instances import crowded_instances, permuted, small_instances

INSTANCES = st.one_of(small_instances(), crowded_instances())
KNOTTED = st.integers(0, 10**6).map(knotted)
"""Odd cycles, which drawing nights one by one seldom hits."""
LOCKED = st.one_of(small_instances(locks=True), crowded_instances(locks=True))
THOROUGH = settings(max_examples=60, deadline=None, derandomize=True, database=None)
BRIEF = settings(THOROUGH, max_examples=30)


@THOROUGH
@given(INSTANCES)
def test_every_plan_is_the_best_there_is_and_its_bound_holds(instance: Instance) -> None:
    best = best_value(instance)
    solution = solved(instance)  # accepted by the checker: rules, value, bound
    assert best is not None
    assert greedy_value(instance) <= best <= solution.bound_m
    assert solution.value_m == best


@THOROUGH
@given(LOCKED)
def test_up_to_six_demands_every_plan_ends_proven(instance: Instance) -> None:
    if best_value(instance) is not None:
        assert solved(instance).is_optimal


@BRIEF
@given(KNOTTED, st.data())
def test_cases_hold_for_any_prices_and_any_plan_to_start_from(instance: Instance, data: st.DataObject) -> None:
    problem, best = presolve(instance), best_value(instance)
    rows = problem.num_rows
    price = np.array(data.draw(st.lists(st.integers(0, 9 * SCALE), min_size=rows, max_size=rows)), dtype=np.int64)
    proof = prove(problem, np.zeros(problem.num_pairs, dtype=np.int64), price, clock=Clock())
    assert problem.value_of(proof.taken) == best
    assert proof.nodes is not None
    own = list(zip(problem.row_bay_group.tolist(), problem.row_at.tolist(), price.tolist(), strict=True))
    nodes = on_instance(instance, problem, proof.nodes)
    assert branches_prove_the_value(instance, problem.value_of(proof.taken), nodes, own, SCALE) == []


@BRIEF
@given(INSTANCES)
def test_out_of_time_at_once_the_plan_and_its_bound_still_hold(instance: Instance) -> None:
    best = best_value(instance)
    solution = solved(instance, time_limit_s=0.0)
    assert best is not None
    assert solution.value_m <= best <= solution.bound_m


@THOROUGH
@given(LOCKED)
def test_locks_are_kept_exactly_when_they_can_be(instance: Instance) -> None:
    best = best_value(instance)
    if best is None:
        with pytest.raises(LocksConflict) as conflict:
            solved(instance)
        assert instance.must_serve[list(conflict.value.groups)].all()
    else:
        solution = solved(instance)
        assert solution.value_m == best
        assert solution.bound_m >= best


@BRIEF
@given(INSTANCES, st.randoms(use_true_random=False))
def test_the_order_of_groups_and_bay_groups_does_not_change_the_value(instance: Instance, random: Random) -> None:
    assert solved(permuted(instance, random)).value_m == solved(instance).value_m


@BRIEF
@given(INSTANCES, st.integers(-(10**6), 10**8))
def test_a_shift_of_all_times_changes_nothing_else(instance: Instance, by_min: int) -> None:
    shifted = replaced(
        instance,
        cover_start=instance.cover_start + by_min,
        cover_end=instance.cover_end + by_min,
        capacity_at=instance.capacity_at + by_min,
    )
    before, after = solved(instance), solved(shifted)
    assert after.taken.tolist() == before.taken.tolist()
    assert (after.price_at - by_min).tolist() == before.price_at.tolist()
    assert (after.value_m, after.bound_m) == (before.value_m, before.bound_m)


@BRIEF
@given(INSTANCES, st.data())
def test_one_more_bay_never_lowers_the_value(instance: Instance, data: st.DataObject) -> None:
    bay_group = data.draw(st.integers(0, instance.num_bay_groups - 1))
    more = solved(with_one_more_bay(instance, bay_group))
    before = solved(instance)
    assert more.value_m >= before.value_m
    if before.bay_value_exact and before.value_m == before.bound_m:
        prices = before.price[before.price_bay_group == bay_group]
        gain = (more.value_m - before.value_m) * before.scale
        assert gain <= prices.sum()
        assert gain == prices.sum() or len(prices) > 1


@THOROUGH
@given(LOCKED)
def test_presolve_keeps_exactly_the_plans_that_the_rules_allow(instance: Instance) -> None:
    assert best_value(_as_instance(presolve(instance))) == best_value(instance)


@BRIEF
@given(INSTANCES, st.data())
def test_any_prices_prove_the_same_bound_to_solver_and_checker(instance: Instance, data: st.DataObject) -> None:
    problem = presolve(instance)
    rows = problem.num_rows
    price = np.array(data.draw(st.lists(st.integers(0, 50), min_size=rows, max_size=rows)), dtype=np.int64)
    rows_priced = zip(problem.row_bay_group.tolist(), problem.row_at.tolist(), price.tolist(), strict=True)
    bound = bound_of(instance, rows_priced, 3)
    assert proven_bound(problem, price, scale=3) == bound
    assert bound >= (best_value(instance) or 0)


def _as_instance(problem: Problem) -> Instance:
    """Read a presolved problem as an instance: its rows are minutes, each its own bay group's, in their order."""
    lengths = np.diff(problem.foot_ptr)
    bay_groups = int(problem.pair_bay_group.max(initial=-1)) + 1
    order = np.lexsort((np.arange(problem.num_rows), problem.row_bay_group))
    minute = np.empty(problem.num_rows, dtype=np.int64)
    minute[order] = np.arange(problem.num_rows)
    starts = minute[problem.foot_rows]
    by_foot = np.lexsort((starts, np.repeat(np.arange(len(lengths)), lengths)))
    return Instance(
        group_count=problem.group_count,
        must_serve=problem.must_serve,
        pair_ptr=problem.pair_ptr,
        pair_bay_group=problem.pair_bay_group,
        pair_cover=problem.pair_footprint,
        pair_value_m=problem.pair_value_m,
        cover_ptr=problem.foot_ptr,
        cover_start=starts[by_foot],
        cover_end=starts[by_foot] + 1,
        capacity_ptr=np.searchsorted(problem.row_bay_group[order], np.arange(bay_groups + 1)).astype(np.int64),
        capacity_at=np.sort(minute),
        capacity_bays=problem.row_capacity[order],
    )
