"""What presolve may drop, by hand; that it keeps every optimum is among the properties."""

from __future__ import annotations

from collections.abc import Sequence

from allocator.instance import Instance
from allocator.presolve import presolve
from tests.allocator.building import Ask, Interval, build, one_night


def rows_of(covers: Sequence[Sequence[Interval]], steps: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """(minute, bays) of the rows left when two cars ask for each cover."""
    asks = [Ask({0: (cover, 10)}, count=2) for cover in range(len(covers))]
    problem = presolve(build(asks, covers=covers, capacity=[steps]))
    return list(zip(problem.row_at.tolist(), problem.row_capacity.tolist(), strict=True))


def test_a_common_pattern_is_one_row() -> None:
    assert rows_of([[(0, 9), (10, 19), (20, 29)]], [(0, 1)]) == [(0, 1)]


def test_the_tightest_of_equal_times_is_kept() -> None:
    assert rows_of([[(0, 9), (10, 19), (20, 29)]], [(0, 1), (9, 3), (19, 0), (29, 1)]) == [(20, 0)]


def test_times_with_fewer_cars_and_no_fewer_bays_are_dropped() -> None:
    # [0, 5) holds the first only, [5, 9) both, [9, 12) the second only.
    assert rows_of([[(0, 9)], [(5, 12)]], [(0, 1)]) == [(5, 1)]
    # Fewer bays at the start: both rows matter.
    assert rows_of([[(0, 9)], [(5, 12)]], [(0, 1), (5, 2)]) == [(0, 1), (5, 2)]


def test_times_that_all_cars_together_cannot_fill_are_dropped() -> None:
    assert rows_of([[(0, 9)], [(5, 12)]], [(0, 4)]) == []
    assert rows_of([[(0, 9)], [(5, 12)]], [(0, 3)]) == [(5, 3)]


def test_a_hundred_arrivals_are_one_row_once_all_have_come() -> None:
    assert rows_of([[(minute, 1000 + minute)] for minute in range(130)], [(0, 1)]) == [(129, 1)]


def test_a_hundred_nights_apart_are_a_hundred_rows() -> None:
    nights = [[(10 * night, 10 * night + 9)] for night in range(130)]
    assert rows_of([*nights, [interval for [interval] in nights]], [(0, 1)]) == [
        (10 * night, 1) for night in range(130)
    ]


def test_groups_with_the_same_choices_are_one() -> None:
    asks = [Ask({0: (0, 50)}), Ask({0: (0, 49)}), Ask({0: (0, 50)}, count=3), Ask({0: (0, 50)}, must_serve=True)]
    problem = presolve(one_night(asks, bays=[2]))
    assert problem.group_of.tolist() == [0, 1, 0, 2]
    assert problem.group_count.tolist() == [4, 1, 1]


def test_groups_that_differ_only_where_no_bay_is_short_are_one() -> None:
    # Arrivals at 0 and at 1 cover the same row.
    instance: Instance = build([Ask({0: (0, 50)}), Ask({0: (1, 50)})], covers=[[(0, 9)], [(1, 9)]], capacity=[[(0, 1)]])
    problem = presolve(instance)
    assert (problem.num_groups, problem.row_at.tolist()) == (1, [1])


def test_no_demands_leave_no_rows() -> None:
    problem = presolve(build([], covers=[], capacity=[[(0, 5)], []]))
    assert (problem.num_groups, problem.num_pairs, problem.num_rows) == (0, 0, 0)
