"""The unit of time: what it computes is fixed, and comes from the instance alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from loadtests.reference_sweep import DAY_MIN, nights_of_covers, reference_sweep_s, sweep
from tests.allocator.building import Ask, build

EVENING = 18 * 60
NIGHT = (EVENING, EVENING + 14 * 60)


def test_a_cover_is_there_on_the_nights_whose_two_o_clock_it_holds() -> None:
    second_week = 7 * DAY_MIN
    covers = [
        [NIGHT],  # over 02:00 of day 1
        [NIGHT, (NIGHT[0] + second_week, NIGHT[1] + second_week)],  # the same night of the week: once
        [(0, 3 * DAY_MIN)],  # days 0, 1 and 2
        [(0, 120)],  # ends as the clock strikes
        [(120, 121)],
    ]
    instance = build([Ask({0: (cover, 10)}) for cover in range(5)], covers=covers, capacity=[[(0, 1)]])
    night_ptr, nights = nights_of_covers(instance)
    assert [nights[a:b].tolist() for a, b in pairwise(night_ptr)] == [
        [1], [1], [0, 1, 2], [], [0],
    ]  # fmt: skip


def test_a_sweep_finds_the_best_pair_after_paying_each_night() -> None:
    # At 4 m a night of bay group 0 and 1 m of bay group 1: 10 − 4 = 6 against 8 − 1 = 7; 3 − 4 is not worth it.
    instance = build([Ask({0: (0, 10), 1: (0, 8)}), Ask({0: (0, 3)})], covers=[[NIGHT]], capacity=[[(0, 1)]] * 2)
    night_ptr, nights = nights_of_covers(instance)
    price_m = np.repeat([4.0, 1.0], 7)
    arrays = (instance.pair_ptr, instance.pair_value_m, instance.pair_bay_group, instance.pair_cover)
    assert sweep(*arrays, night_ptr, nights, price_m).tolist() == [7, 0]


def test_an_instance_without_anything_has_a_sweep_too() -> None:
    assert reference_sweep_s(build([], covers=[], capacity=[])) >= 0
