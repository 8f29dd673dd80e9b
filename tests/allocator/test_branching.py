"""Plans that no prices prove optimal, proved by cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from allocator import relaxing
from allocator.branching import prove
from allocator.certificate import Fork, Leaf
from allocator.check import branches_prove_the_value
from allocator.clock import Clock
from allocator.cuts import Cut, rounded_sums
from allocator.engines import solve_linear
from allocator.instance import Instance
from allocator.presolve import Problem, presolve
from allocator.prices import SCALE
from allocator.programmes import part_of
from allocator.solve import solve
from allocator.trees import on_instance
from tests.allocator.brute_force import best_value
from tests.allocator.building import Ask, build, one_night
from tests.allocator.cities import best_by_engine, city
from tests.allocator.knots import knotted
from tests.allocator.verdicts import solved

PAIRS_OF_NIGHTS = [[(0, 1), (2, 3)], [(2, 3), (4, 5)], [(0, 1), (4, 5)]]
"""Nights {1, 2}, {2, 3} and {1, 3}: any two of them share a night."""


def odd_cycle(*, bays: int = 1, values: tuple[int, int, int] = (100, 100, 100), count: int = 1) -> Instance:
    asks = [Ask({0: (cover, value)}, count=count) for cover, value in enumerate(values)]
    return build(asks, covers=PAIRS_OF_NIGHTS, capacity=[[(0, bays)]])


def test_an_odd_cycle_is_proved_by_one_fork() -> None:
    # One bay: any two permits share a night, so one is served: 100. Half of each fits, so prices prove no less than
    # 150: at 50 m a night each permit pays its 100, and three nights cost 150. Fork on n, all three permits:
    # n ≤ 1 at 100 m apiece proves 100 · 1; n ≥ 2 at 2p earned and p more for each night proves 150 + 3p − 4p = 150 − p.
    solution = solved(odd_cycle())
    assert (solution.value_m, solution.bound_m) == (100, 150)
    assert solution.is_optimal
    fork, *leaves = solution.branches
    assert isinstance(fork, Fork)
    assert (fork.pair.tolist(), fork.weight.tolist(), fork.at_most) == ([0, 1, 2], [1, 1, 1], 1)
    assert all(isinstance(leaf, Leaf) and leaf.bound_m <= 100 for leaf in leaves)


def test_an_even_number_of_bays_needs_no_fork() -> None:
    # Two bays and two permits of each kind: one of each is served, 300, and prices prove that.
    solution = solved(odd_cycle(bays=2, count=2))
    assert solution.value_m == solution.bound_m == 300
    assert solution.branches == ()


def test_three_bays_serve_four_of_an_odd_cycle() -> None:
    # Three nights of three bays hold 9 / 2 permits of two nights, so four whole ones: 110 + 110 + 100 + 90 leave one
    # bay of night 3. One and a half of each would be worth 450.
    solution = solved(odd_cycle(bays=3, count=3, values=(110, 100, 90)))
    assert (solution.value_m, solution.bound_m) == (410, 450)
    assert solution.is_optimal


def test_what_locks_cost_is_counted_in_a_case() -> None:
    # One bay for one night, locked to a permit worth 10 where another is worth 100: prices prove 100, the lock 10.
    solution = solved(one_night([Ask({0: (0, 10)}, must_serve=True), Ask({0: (0, 100)})], bays=[1]))
    assert (solution.value_m, solution.bound_m) == (10, 100)
    assert [node.bound_m for node in solution.branches if isinstance(node, Leaf)] == [10]


def test_locks_among_mixed_nights_are_proved_too() -> None:
    asks = [Ask({0: (0, 10)}, must_serve=True), Ask({0: (1, 100)}), Ask({0: (2, 90)})]
    solution = solved(build(asks, covers=PAIRS_OF_NIGHTS, capacity=[[(0, 1)]]))
    assert solution.value_m == 10
    assert solution.is_optimal


def test_the_count_that_an_odd_cycle_exceeds_is_found() -> None:
    # Half the sum of three nights' rows, one bay each: n ≤ 3/2, rounded down to 1.
    problem = presolve(odd_cycle())
    (cut,) = counts_exceeded(problem, [0.5, 0.5, 0.5])
    assert (cut.count.pair.tolist(), cut.count.weight.tolist(), cut.count.at_most) == ([0, 1, 2], [1, 1, 1], 1)
    assert (cut.shares, cut.row.tolist()) == (2, [1, 1, 1])
    assert counts_exceeded(problem, [1.0, 0.0, 0.0]) == []


def test_thirds_of_cars_are_cut_off_too() -> None:
    # One bay and four nights; permits leave out one night each, and any two share two. A third of each fills every
    # night: 4/3. A third of the four rows says n ≤ 4/3, rounded down to 1.
    nights = [(0, 1), (2, 3), (4, 5), (6, 7)]
    covers = [[night for night in nights if night != left_out] for left_out in nights]
    instance = build([Ask({0: (cover, 100)}) for cover in range(4)], covers=covers, capacity=[[(0, 1)]])
    problem = presolve(instance)
    cut = counts_exceeded(problem, [1 / 3] * 4)[0]
    assert (cut.shares, cut.count.weight.tolist(), cut.count.at_most) == (3, [1, 1, 1, 1], 1)
    solution = solved(instance)
    assert (solution.value_m, solution.bound_m) == (100, 133)
    assert solution.is_optimal


@pytest.mark.parametrize("seed", range(20))
def test_no_plan_exceeds_a_count_that_cuts(seed: int) -> None:
    # The best plan keeps every count cut off from the relaxation's parts of cars, which exceed them all.
    problem = presolve(knotted(seed))
    best = prove(problem, *nothing(problem), clock=Clock()).taken
    everything = part_of(problem, np.arange(problem.num_pairs), free=problem.group_count, residual=problem.row_capacity)
    amount = solve_linear(everything.programme).x
    for cut in counts_exceeded(problem, amount.tolist()):
        assert cut.count.of(amount) > cut.count.at_most
        assert cut.count.of(best.astype(float)) <= cut.count.at_most


@pytest.mark.parametrize("seed", range(40))
def test_any_plan_and_any_prices_end_at_the_proven_optimum(seed: int) -> None:
    instance = knotted(seed)
    problem = presolve(instance)
    best = best_value(instance)
    assert best is not None
    proof = prove(problem, *nothing(problem), clock=Clock())
    assert problem.value_of(proof.taken) == best
    assert proof.nodes is not None
    assert branches_prove_the_value(instance, best, on_instance(instance, problem, proof.nodes), [], SCALE) == []


@pytest.mark.parametrize("seed", range(40))
def test_programmes_that_begin_too_small_prove_no_less(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Only the best pair of each group at no prices at all is in the first programme: what it proves is not yet a bound.
    monkeypatch.setattr(relaxing, "FIRST_PAIRS", 0)
    monkeypatch.setattr(relaxing, "FIRST_LOSS_M", 0.0)
    instance = knotted(seed)
    problem = presolve(instance)
    best = best_value(instance)
    assert best is not None
    proof = prove(problem, *nothing(problem), clock=Clock())
    assert problem.value_of(proof.taken) == best
    assert proof.nodes is not None
    assert branches_prove_the_value(instance, best, on_instance(instance, problem, proof.nodes), [], SCALE) == []


@pytest.mark.parametrize("seed", range(40))
def test_every_knot_is_solved_to_a_proven_optimum(seed: int) -> None:
    instance = knotted(seed)
    solution = solved(instance)
    assert solution.is_optimal
    assert solution.value_m == best_value(instance)


def test_a_city_ends_proven_at_the_engines_optimum() -> None:
    instance = city(demands=300, bay_groups=40, seed=2)
    solution = solved(instance)
    assert solution.is_optimal
    assert solution.value_m == round(best_by_engine(instance).bound)


def test_a_work_limit_that_comes_first_claims_nothing() -> None:
    problem = presolve(odd_cycle())
    taken, price = nothing(problem)
    proof = prove(problem, taken, price, clock=Clock(), columns=2)
    assert proof.nodes is None
    assert proof.taken.tolist() == taken.tolist()
    assert prove(problem, taken, price, clock=Clock(0.0)).nodes is None


def test_a_gap_that_is_good_enough_is_not_branched_on() -> None:
    assert solve(odd_cycle(), gap=0.5).branches == ()
    assert solve(odd_cycle(), gap=0.49).is_optimal


def test_values_too_large_for_exact_forks_are_left_unproved() -> None:
    solution = solved(odd_cycle(count=10**6, bays=999_999, values=(10**9, 10**9, 10**9)))
    assert solution.value_m <= solution.bound_m


def test_merged_groups_are_counted_as_one() -> None:
    instance = build([Ask({0: (cover, 100)}) for cover in (0, 1, 2, 2)], covers=PAIRS_OF_NIGHTS, capacity=[[(0, 1)]])
    solution = solved(instance)
    fork = solution.branches[0]
    assert isinstance(fork, Fork)
    assert fork.pair.tolist() == [0, 1, 2, 3]


def test_equal_input_gives_equal_branches() -> None:
    instance = city(demands=300, bay_groups=40, seed=1)
    first, second = solve(instance).branches, solve(instance).branches
    assert [told(node) for node in first] == [told(node) for node in second]


def told(node: Fork | Leaf) -> list[object]:
    parts = [getattr(node, name) for name in type(node).__dataclass_fields__]
    return [part.tolist() if isinstance(part, np.ndarray) else part for part in parts]


def counts_exceeded(problem: Problem, amount: list[float]) -> list[Cut]:
    priced = np.zeros(problem.num_rows + problem.num_groups, dtype=np.bool_)
    return rounded_sums(problem, np.array(amount), [], priced, most=9)


def nothing(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Nobody served, and every bay for nothing."""
    return np.zeros(problem.num_pairs, dtype=np.int64), np.zeros(problem.num_rows, dtype=np.int64)


def test_the_sides_of_a_fork_are_what_leaves_say() -> None:
    # Swapped sides: what proved n ≤ 1 does not prove n ≥ 2.
    instance = odd_cycle()
    solution = solved(instance)
    fork = solution.branches[0]
    assert isinstance(fork, Fork)
    swapped = (replace(fork, below=fork.above, above=fork.below), *solution.branches[1:])
    prices = list(
        zip(solution.price_bay_group.tolist(), solution.price_at.tolist(), solution.price.tolist(), strict=True)
    )
    assert branches_prove_the_value(instance, 100, swapped, prices, solution.scale) != []
