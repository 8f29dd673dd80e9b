"""Whole solves of synthetic cities: exact where promised, certified always, the same every time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from allocator.instance import Instance
from allocator.presolve import presolve
from allocator.solve import Solution, _split, solve
from tests.allocator.building import Ask, build, one_night, with_one_more_bay
from tests.allocator.cities import best_by_engine, city
from tests.allocator.verdicts import solved

BIG_M = 10**9


@pytest.mark.parametrize("demands", [50, 500, 5000])
def test_a_single_common_pattern_is_exactly_optimal_and_proven(demands: int) -> None:
    solution = solved(city(demands=demands, bay_groups=5 + demands // 40, seed=demands, patterns=1))
    assert solution.value_m == solution.bound_m > 0


def test_least_prices_of_a_common_pattern_are_what_one_more_bay_adds() -> None:
    instance = city(demands=400, bay_groups=12, seed=4, patterns=1)
    solution = solved(instance)
    assert solution.bay_value_exact
    for bay_group in range(instance.num_bay_groups):
        price = int(solution.price[solution.price_bay_group == bay_group].sum())
        gain = solved(with_one_more_bay(instance, bay_group)).value_m - solution.value_m
        assert price == gain * solution.scale


@pytest.mark.parametrize(("demands", "bay_groups", "seed"), [(60, 5, 0), (300, 40, 1), (300, 40, 2), (800, 60, 3)])
def test_a_small_city_with_mixed_patterns_ends_at_the_engines_optimum(demands: int, bay_groups: int, seed: int) -> None:
    instance = city(demands=demands, bay_groups=bay_groups, seed=seed)
    best = best_by_engine(instance)
    solution = solved(instance)
    assert solution.value_m == int(instance.pair_value_m @ np.rint(best.x).astype(np.int64))
    assert solution.bound_m >= solution.value_m


def test_a_city_that_stops_at_a_gap_has_that_gap() -> None:
    instance = city(demands=300, bay_groups=40, seed=1)
    solution = solve(instance, gap=0.01)
    assert 0 < solution.gap <= 0.01
    assert solution.work["neighbourhoods"] == 0


@pytest.mark.parametrize("patterns", [1, 9])
def test_out_of_time_at_once_there_is_still_a_plan_with_a_valid_bound(patterns: int) -> None:
    instance = city(demands=300, bay_groups=40, seed=1, patterns=patterns)
    hurried = solved(instance, time_limit_s=0.0)
    assert 0 < hurried.value_m <= solve(instance).value_m <= hurried.bound_m


def test_progress_tells_a_value_never_above_its_bound() -> None:
    heard: list[tuple[str, int, int]] = []
    solve(city(demands=300, bay_groups=40, seed=1), progress=lambda *words: heard.append(words))
    assert [stage for stage, _, _ in heard][:2] == ["prices", "core"]
    assert all(value <= bound for _, value, bound in heard)


def test_large_values_keep_exact_values_and_bounds() -> None:
    # A million cars, 100,000 bays at A and 20 at B.
    asks = [Ask({0: (0, BIG_M), 1: (0, BIG_M - 7)}, count=1000), Ask({0: (0, BIG_M - 3)}, count=10**6)]
    solution = solved(one_night(asks, bays=[10**5, 20]))
    # 20 at B (10⁹ − 7 each), 980 at A (10⁹), the other 99,020 bays of A to the others (10⁹ − 3).
    assert solution.value_m == solution.bound_m == 100_020 * BIG_M - 20 * 7 - 99_020 * 3


def test_bounds_beyond_64_bits_are_exact() -> None:
    # Nights {1, 2}, {2, 3}, {1, 3} in a million bays: half a million of each; in 1/2520 m that is 3.8 · 10¹⁸.
    covers = [[(0, 1), (2, 3)], [(2, 3), (4, 5)], [(0, 1), (4, 5)]]
    asks = [Ask({0: (cover, BIG_M)}, count=10**6) for cover in range(3)]
    solution = solved(build(asks, covers=covers, capacity=[[(0, 10**6)]]))
    assert solution.value_m == solution.bound_m == 1_500_000 * BIG_M


def test_values_too_large_for_the_flow_engine_are_still_solved() -> None:
    value = 2**39
    asks = [Ask({0: (0, value), 1: (0, value - 1)}, count=2, must_serve=True), Ask({0: (0, value - 5)})]
    assert solved(one_night(asks, bays=[2, 1])).value_m == 3 * value - 6  # (v − 1) + v + (v − 5)


def test_equal_input_gives_equal_output() -> None:
    instance = city(demands=300, bay_groups=40, seed=2)
    assert digest(solve(instance)) == digest(solve(instance))


def test_the_number_of_threads_changes_nothing() -> None:
    both = [_digesting(threads) for threads in ("1", "2")]
    digests = {process.communicate(timeout=120)[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(digests) == 1


def test_merged_groups_share_what_they_got_in_their_order() -> None:
    # Three groups alike, of 2, 1 and 2 cars; two bays at A (50) and one at B (40): A, A | B | nothing.
    asks = [Ask({0: (0, 50), 1: (0, 40)}, count=count) for count in (2, 1, 2)]
    solution = solved(one_night(asks, bays=[2, 1]))
    assert solution.merged.tolist() == [0, 0, 0]
    assert solution.taken.tolist() == [2, 0, 0, 1, 0, 0]


def test_sharing_among_merged_groups_is_what_taking_turns_gives() -> None:
    random = np.random.default_rng(7)
    asks = [
        Ask({0: (0, 50), 1: (0, 40), 2: (0, kind + 1)}, count=int(random.integers(1, 4)))
        for kind in random.integers(3, size=40)
    ]
    instance = one_night(asks, bays=[20, 9, 12])
    problem = presolve(instance)
    taken = random.integers(0, 9, problem.num_pairs)
    assert _split(instance, problem, taken).tolist() == _taking_turns(
        instance, problem.group_of, problem.pair_ptr, taken
    )


def digest(solution: Solution) -> str:
    """Hash everything a solution says."""
    arrays = (solution.taken, solution.merged, solution.price_bay_group, solution.price_at, solution.price)
    words = [array.tobytes() for array in arrays]
    numbers = f"{solution.value_m} {solution.bound_m} {sorted(solution.work.items())}"
    return hashlib.sha256(b"|".join([*words, numbers.encode()])).hexdigest()


def _digesting(threads: str) -> subprocess.Popen[str]:
    """Solve in a process of its own, every sweep shared among so many threads, and print the digest."""
    code = (
        "from allocator import prices; prices.FEWEST_SHARED_PAIRS = 0\n"
        "from allocator.solve import solve\n"
        "from tests.allocator.cities import city\n"
        "from tests.allocator.test_solve import digest\n"
        "print(digest(solve(city(demands=200, bay_groups=30, seed=5))))"
    )
    environment = {**os.environ, "NUMBA_NUM_THREADS": threads}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)


def _taking_turns(instance: Instance, group_of: np.ndarray, pair_ptr: np.ndarray, taken: np.ndarray) -> list[int]:
    """Let the groups take, one after the other, what is left of their merged group's places."""
    left, result = taken.copy(), [0] * instance.num_pairs
    for group in range(instance.num_groups):
        room = int(instance.group_count[group])
        mine, theirs = int(instance.pair_ptr[group]), int(pair_ptr[group_of[group]])
        for offset in range(int(instance.pair_ptr[group + 1]) - mine):
            number = min(room, int(left[theirs + offset]))
            result[mine + offset] += number
            left[theirs + offset] -= number
            room -= number
    return result
