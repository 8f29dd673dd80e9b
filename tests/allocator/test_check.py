"""The checker against plans and certificates that are wrong in one place."""

from __future__ import annotations

import pytest

from allocator.check import bound_of, capacity_never_exceeded, each_demand_at_most_once, faults_of
from tests.allocator.building import Ask, build, one_night

SCALE = 10
INSTANCE = one_night([Ask({0: (0, 50), 1: (0, 40)}, count=2), Ask({0: (0, 30)}, must_serve=True)], bays=[2, 1])
PRICES = [(0, 0, 100)]
# Best: 50 + 40 + 30 = 120. At 10 m a bay of A: 2 · max(40, 40) + 20 + 2 · 10 = 120.


def faults(
    taken: list[int], *, value: int = 120, bound: int = 120, prices: list[tuple[int, int, int]] = PRICES
) -> list[str]:
    return faults_of(INSTANCE, taken, value_m=value, bound_m=bound, prices=prices, scale=SCALE)


def test_the_optimal_plan_with_its_prices_is_accepted() -> None:
    assert faults([1, 1, 1]) == []


@pytest.mark.parametrize(
    ("taken", "words"),
    [
        ([2, 1, 1], "group 0 has 3 demands served of 2"),
        ([1, 1, 0], "group 1 must be served: 0 of 1 are"),
        ([2, 0, 1], "bay group 0 holds 3 cars in 2 bays at minute 0"),
        ([0, 2, 1], "bay group 1 holds 2 cars in 1 bays at minute 0"),
        ([2, -1, 1], "group 0 has a negative number of demands served"),
    ],
)
def test_a_broken_rule_is_named(taken: list[int], words: str) -> None:
    value = 50 * taken[0] + 40 * taken[1] + 30 * taken[2]
    assert words in faults(taken, value=value)


def test_a_value_that_is_not_the_sum_is_named() -> None:
    assert faults([1, 1, 1], value=119) == ["value is 119, the plan's is 120"]


def test_a_bound_that_its_prices_do_not_prove_is_named() -> None:
    assert faults([1, 1, 1], bound=121) == ["bound is 121, the prices prove 120"]
    # Free bays prove only 50 · 2 + 30.
    assert faults([1, 1, 1], prices=[]) == ["bound is 120, the prices prove 130"]


def test_a_price_at_a_minute_without_bays_costs_nothing_and_proves_nothing() -> None:
    assert bound_of(INSTANCE, [(0, 60, 10**6), (1, -1, 10**6)], SCALE) == 130


def test_bays_taken_away_during_a_stay_are_noticed_at_that_minute() -> None:
    instance = build([Ask({0: (0, 5)}, count=2)], covers=[[(0, 9)]], capacity=[[(-5, 3), (4, 1)]])
    assert capacity_never_exceeded(instance, [2]) == ["bay group 0 holds 2 cars in 1 bays at minute 4"]
    assert capacity_never_exceeded(instance, [1]) == []


def test_nobody_has_to_be_served_without_a_lock() -> None:
    instance = one_night([Ask({0: (0, 5)}), Ask({})], bays=[1])
    assert each_demand_at_most_once(instance, [0]) == []
