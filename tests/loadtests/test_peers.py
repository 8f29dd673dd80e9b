"""Peers get the same instance and are held to the same rules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from allocator.presolve import presolve
from allocator.solve import solve
from api.planning.compiling import Compiled
from loadtests.cases import compile_case
from loadtests.cities import City, make_city
from loadtests.jobs import faults_of_plan
from loadtests.peers import ENGINES
from loadtests.peers.answers import PeerAnswer, split
from loadtests.peers.engines import solve_whole
from loadtests.peers.flow import flow
from loadtests.peers.greedy import by_priority, first_come


@pytest.fixture(scope="module")
def mixed() -> Compiled:
    return compile_case(make_city(City(demands=300, seed=4, facilities_per_km2=60, supply=0.4)))


@pytest.fixture(scope="module")
def crowded() -> Compiled:
    """Few homes, so that demands are equal and groups have counts above one."""
    return compile_case(make_city(City(demands=200, seed=4, patterns="single", ties=True, homes_per_km2=150)))


def value_of(compiled: Compiled, answer: PeerAnswer | None) -> int:
    """Value of a plan that the plain checker accepts."""
    assert answer is not None
    assert answer.taken is not None
    value_m = int(answer.taken @ compiled.instance.pair_value_m)
    assert faults_of_plan(compiled.instance, answer.taken, value_m) == []
    return value_m


def test_whoever_ranks_highest_first_is_worth_more_than_first_come_and_less_than_the_optimum(mixed: Compiled) -> None:
    best = solve(mixed.instance).value_m
    assert 0 < value_of(mixed, first_come(mixed)) < value_of(mixed, by_priority(mixed)) < best


def test_first_come_depends_on_the_order_of_the_file_and_priority_on_rank_alone() -> None:
    # One bay and two households of one home: the first in the file is of tier 3, the second of tier 1.
    city = make_city(City(demands=2, seed=1, patterns="single", supply=0.5, facilities_per_km2=1500, ties=True))
    city = replace(city, demands=city.demands.with_columns(home=pl.lit(city.homes["id"][0]), tier=pl.Series([3, 1])))
    compiled = compile_case(city)
    plans = [answer.taken for answer in (first_come(compiled), by_priority(compiled)) if answer.taken is not None]
    winners = [compiled.instance.pair_group()[np.flatnonzero(taken)].tolist() for taken in plans]
    assert winners == [[group] for group in compiled.group_of_class[compiled.class_of].tolist()]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", ["mixed", "crowded"])
def test_every_engine_reaches_the_optimum(engine: str, case: str, request: pytest.FixtureRequest) -> None:
    compiled: Compiled = request.getfixturevalue(case)
    best = solve(compiled.instance)
    assert best.is_optimal
    answer = solve_whole(compiled, engine=engine, target_m=best.value_m, limit_s=20)
    assert value_of(compiled, answer) == best.value_m
    assert answer.ended in ("target", "optimal")
    assert answer.bound_m is not None
    assert answer.bound_m >= best.value_m - 1e-3


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_stops_at_its_target(engine: str, mixed: Compiled) -> None:
    answer = solve_whole(mixed, engine=engine, target_m=1, limit_s=20)
    assert value_of(mixed, answer) >= 1
    assert answer.ended == "target"


def test_a_flow_is_optimal_where_there_is_one_pattern_and_declines_elsewhere(
    mixed: Compiled, crowded: Compiled
) -> None:
    assert value_of(crowded, flow(crowded)) == solve(crowded.instance).value_m
    assert flow(mixed) is None


def test_what_merged_groups_got_is_handed_out_without_a_remainder(crowded: Compiled) -> None:
    problem = presolve(crowded.instance)
    assert problem.num_groups < crowded.instance.num_groups or problem.group_count.max() > 1
    taken = np.zeros(problem.num_pairs, dtype=np.int64)
    taken[problem.pair_ptr[:-1]] = problem.group_count
    shares = split(crowded.instance, problem, taken)
    assert shares.sum() == crowded.instance.num_demands


def test_a_peers_plan_with_a_car_too_many_does_not_hold(mixed: Compiled) -> None:
    answer = by_priority(mixed)
    assert answer.taken is not None
    spoilt = answer.taken + 1
    assert faults_of_plan(mixed.instance, spoilt, int(spoilt @ mixed.instance.pair_value_m))
