from __future__ import annotations

import numpy as np
import pytest

from allocator.errors import BadInstance
from allocator.instance import Instance
from tests.allocator.building import NIGHT, Ask, build, one_night, replaced


@pytest.fixture
def instance() -> Instance:
    return one_night([Ask({0: (0, 50), 1: (0, 40)}, count=2), Ask({1: (0, 30)})], bays=[1, 2])


def test_arrays_cannot_be_changed_once_checked(instance: Instance) -> None:
    with pytest.raises(ValueError, match="read-only"):
        instance.pair_value_m[0] = 1


@pytest.mark.parametrize(
    ("name", "numbers", "words"),
    [
        ("group_count", [0, 1], r"group_count\[0\] is 0, expected 1 or more"),
        ("pair_value_m", [5, 0, 3], r"pair_value_m\[1\] is 0"),
        ("pair_value_m", [5, 3], r"pair_value_m holds 2 numbers, expected 3"),
        ("pair_cover", [0, 1, 0], r"pair_cover\[1\] is 1, expected 0 or more, below 1"),
        ("pair_bay_group", [0, 2, 1], r"pair_bay_group\[1\] is 2"),
        ("pair_bay_group", [1, 1, 1], r"pair_bay_group\[1\] is 1, must be above"),
        ("pair_ptr", [0, 4, 3], r"pair_ptr must hold 3 rising numbers from 0 to 3"),
        ("cover_ptr", [], r"cover_ptr must hold 1 rising numbers from 0 to 1"),
        ("capacity_ptr", [], r"capacity_ptr must hold 1 rising numbers from 0 to 4"),
        ("cover_end", [0], r"cover_end\[0\] is 0, must be after cover_start\[0\] = 0"),
        ("cover_end", [1, 2], r"cover_end holds 2 numbers, expected 1"),
        ("capacity_bays", [1, 0, -1, 0], r"capacity_bays\[2\] is -1"),
        ("capacity_at", [0, 0, 0, 60], r"capacity_at\[1\] is 0, must be above"),
        ("group_count", [2**40, 1], r"group_count\[0\] is 1099511627776, expected 1 or more, below 1099511627776"),
    ],
)
def test_arrays_that_contradict_each_other_are_named(
    instance: Instance, name: str, numbers: list[int], words: str
) -> None:
    with pytest.raises(BadInstance, match=words):
        replaced(instance, **{name: np.array(numbers, dtype=np.int64)})


def test_arrays_of_another_kind_are_named(instance: Instance) -> None:
    with pytest.raises(BadInstance, match="pair_value_m is 1-dimensional float64, must be one row of int64"):
        replaced(instance, pair_value_m=np.array([1.5, 2.0, 3.0]))


def test_a_stay_may_not_stand_twice_at_one_minute() -> None:
    with pytest.raises(BadInstance, match=r"cover_start\[1\] is 9, before cover_end\[0\] = 10; join the two"):
        build([], covers=[[(0, 10), (9, 20)]], capacity=[])
    build([], covers=[[(0, 10), (10, 20)], [(5, 6)]], capacity=[])  # touching is fine, and covers are apart


def test_worth_beyond_exact_floats_is_refused() -> None:
    with pytest.raises(BadInstance, match="above 2\\^53 m together"):
        build([Ask({0: (0, 10**10)}, count=10**6)], covers=[NIGHT], capacity=[[]])
