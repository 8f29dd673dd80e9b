"""Each rule with a feasible and an infeasible twin; the optimum is worked out in a comment."""

from __future__ import annotations

import pytest

from allocator.errors import LocksConflict
from tests.allocator.building import Ask, build, one_night
from tests.allocator.verdicts import solved


def test_a_demand_gets_at_most_one_bay_group_though_two_have_bays() -> None:
    # One car, two empty bay groups: the better of 90 and 80, never 170.
    solution = solved(one_night([Ask({0: (0, 90), 1: (0, 80)})], bays=[1, 1]))
    assert solution.taken.tolist() == [1, 0]
    assert (solution.value_m, solution.bound_m) == (90, 90)


def test_equal_demands_each_get_a_bay_group_while_there_are_bays() -> None:
    # Two cars, one bay at each place: 90 + 80.
    assert solved(one_night([Ask({0: (0, 90), 1: (0, 80)}, count=2)], bays=[1, 1])).value_m == 170
    # A third car stays out.
    assert solved(one_night([Ask({0: (0, 90), 1: (0, 80)}, count=3)], bays=[1, 1])).value_m == 170


def test_two_stays_one_after_the_other_share_a_bay() -> None:
    # [0, 30) and [30, 60) touch and do not overlap: 50 + 40 in one bay.
    covers = [[(0, 30)], [(30, 60)]]
    asks = [Ask({0: (0, 50)}), Ask({0: (1, 40)})]
    assert solved(build(asks, covers=covers, capacity=[[(0, 1)]])).value_m == 90


def test_two_stays_that_overlap_by_a_minute_do_not_share_a_bay() -> None:
    # [0, 31) and [30, 60): only the better, 50.
    covers = [[(0, 31)], [(30, 60)]]
    asks = [Ask({0: (0, 50)}), Ask({0: (1, 40)})]
    assert solved(build(asks, covers=covers, capacity=[[(0, 1)]])).value_m == 50


def test_a_bay_closed_for_a_minute_of_a_stay_is_no_bay_for_it() -> None:
    covers = [[(0, 60)]]
    asks = [Ask({0: (0, 50)})]
    # Open throughout, from exactly its first minute to its last: 50.
    assert solved(build(asks, covers=covers, capacity=[[(0, 1), (60, 0)]])).value_m == 50
    # Opens a minute late, closes a minute early, closes for a minute between: 0.
    for steps in ([(1, 1)], [(0, 1), (59, 0)], [(0, 1), (30, 0), (31, 1)]):
        solution = solved(build(asks, covers=covers, capacity=[steps]))
        assert (solution.value_m, solution.bound_m) == (0, 0)


def test_steps_of_capacity_beyond_every_stay_change_nothing() -> None:
    steps = [(-500, 9), (-400, 0), (-10, 1), (700, 0), (900, 5)]
    asks = [Ask({0: (0, 50)}, count=2)]
    # One bay during the stay: 50, not 100.
    assert solved(build(asks, covers=[[(0, 60)]], capacity=[steps])).value_m == 50


def test_bays_that_differ_by_night_are_counted_night_by_night() -> None:
    # Night one has two bays, night two one. Both-night cars worth 50 each, one-night cars 30 (first) and 20 (second):
    # one both-night car and the first-night car: 80; 30 + 20 = 50 without it, 50 + 20 does not fit on night two.
    covers = [[(0, 9), (10, 19)], [(0, 9)], [(10, 19)]]
    asks = [Ask({0: (0, 50)}, count=2), Ask({0: (1, 30)}), Ask({0: (2, 20)})]
    assert solved(build(asks, covers=covers, capacity=[[(0, 2), (10, 1)]])).value_m == 80


def test_four_single_nights_displace_one_daily_car_worth_less_than_they() -> None:
    covers = [[(0, 1), (2, 3), (4, 5), (6, 7)], *([(at, at + 1)] for at in (0, 2, 4, 6))]
    singles = [Ask({0: (cover, 50)}) for cover in (1, 2, 3, 4)]
    # 4 · 50 = 200 above 150; and below 250.
    assert solved(build([Ask({0: (0, 150)}), *singles], covers=covers, capacity=[[(0, 1)]])).value_m == 200
    assert solved(build([Ask({0: (0, 250)}), *singles], covers=covers, capacity=[[(0, 1)]])).value_m == 250


def test_three_pairs_of_nights_leave_a_gap_that_no_price_closes() -> None:
    # Nights {1, 2}, {2, 3}, {1, 3}, one bay: whole cars give 10, half of each gives 15, and prices can prove no less.
    covers = [[(0, 1), (2, 3)], [(2, 3), (4, 5)], [(0, 1), (4, 5)]]
    solution = solved(build([Ask({0: (cover, 10)}) for cover in range(3)], covers=covers, capacity=[[(0, 1)]]))
    assert (solution.value_m, solution.bound_m) == (10, 15)


def test_a_group_that_must_be_served_is_served_though_others_are_worth_more() -> None:
    # One bay; the locked car is worth 10, the other 90.
    asks = [Ask({0: (0, 10)}, must_serve=True), Ask({0: (0, 90)})]
    solution = solved(one_night(asks, bays=[1]))
    assert (solution.value_m, solution.bound_m) == (10, 90)
    assert solution.taken.tolist() == [1, 0]


def test_locked_groups_are_moved_where_that_serves_the_others_best() -> None:
    # Locked car: 10 at A or 9 at B; the other only A, 90. Best: 9 + 90.
    asks = [Ask({0: (0, 10), 1: (0, 9)}, must_serve=True), Ask({0: (0, 90)})]
    assert solved(one_night(asks, bays=[1, 1])).value_m == 99


def test_locks_that_cannot_all_hold_are_named() -> None:
    asks = [Ask({0: (0, 90)}), Ask({0: (0, 10)}, count=2, must_serve=True)]
    with pytest.raises(LocksConflict) as conflict:
        solved(one_night(asks, bays=[1]))
    assert conflict.value.groups == (1,)


def test_locks_that_cannot_all_hold_are_named_with_mixed_nights_too() -> None:
    covers = [[(0, 1), (2, 3)], [(2, 3), (4, 5)], [(0, 1), (4, 5)]]
    asks = [Ask({0: (cover, 10)}, must_serve=cover < 2) for cover in range(3)]
    with pytest.raises(LocksConflict) as conflict:
        solved(build(asks, covers=covers, capacity=[[(0, 1)]]))
    assert conflict.value.groups == (0, 1)


@pytest.mark.parametrize("nights", [1, 3])
def test_a_locked_group_that_can_go_nowhere_is_a_conflict(nights: int) -> None:
    covers = [[(0, 1), (2, 3)], [(2, 3), (4, 5)], [(0, 1), (4, 5)]]
    asks = [Ask({0: (cover, 10)}) for cover in range(nights)]
    with pytest.raises(LocksConflict) as conflict:
        solved(build([*asks, Ask({}, must_serve=True)], covers=covers, capacity=[[(0, 1)]]))
    assert conflict.value.groups == (nights,)


def test_an_instance_without_demands_has_an_empty_plan() -> None:
    solution = solved(build([], covers=[], capacity=[]))
    assert (solution.value_m, solution.bound_m, len(solution.taken)) == (0, 0, 0)
    assert solved(one_night([], bays=[3])).bound_m == 0


def test_a_group_without_pairs_is_not_served() -> None:
    solution = solved(one_night([Ask({}, count=4), Ask({0: (0, 5)}), Ask({})], bays=[1]))
    assert (solution.value_m, solution.taken.tolist()) == (5, [1])


def test_bay_groups_without_bays_serve_nobody_and_cost_nothing() -> None:
    asks = [Ask({0: (0, 50), 1: (0, 40), 2: (0, 30)}, count=2)]
    # Nothing at the first, no steps at all at the second, one bay at the third: 30.
    instance = build(asks, covers=[[(0, 60)]], capacity=[[(0, 0)], [], [(0, 1)]])
    solution = solved(instance)
    assert (solution.value_m, solution.bound_m) == (30, 30)
