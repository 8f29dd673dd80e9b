"""Every permit has a bay on every night, the fewest have to move, and no two cars hold one bay at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocator.errors import BadInstance
from allocator.nightly import NightlyBays, number_bays
from allocator.nightly_packing import Kind, pack
from tests.allocator.building import Interval, build

Steps = Sequence[tuple[int, int]]
Cover = Sequence[Interval]
HOUR = 60


def nights(*days: int) -> Cover:
    """19:00 to 07:00 on each of some days."""
    return [(day * 1440 + 19 * HOUR, day * 1440 + 31 * HOUR) for day in days]


def numbered(covers: Sequence[Cover], *, bays: Steps) -> NightlyBays:
    """Number one bay group with a permit a cover, and hold the answer against the rules."""
    places = np.zeros(len(covers), dtype=np.int64)
    result = number_bays(build([], covers=covers, capacity=[bays]), bay_group=places, cover=np.arange(len(covers)))
    assert faults_of(result, covers, bays) == []
    return result


def faults_of(result: NightlyBays, covers: Sequence[Cover], steps: Steps) -> list[str]:
    """Look at every minute at which anything changes, in plain code."""
    where: list[list[tuple[int, int, int]]] = []
    for permit, cover in enumerate(covers):
        mine = np.flatnonzero(result.leg_permit == permit)
        legs = [(int(result.leg_start[at]), int(result.leg_end[at]), int(result.leg_bay[at])) for at in mine]
        kept = int(result.bay[permit])
        where.append([(begin, end, kept) for begin, end in cover] if kept else legs)
    faults = []
    for minute in sorted({edge for cover in covers for span in cover for edge in span} | {at for at, _ in steps}):
        open_bays = [bays for at, bays in steps if at <= minute][-1:] or [0]
        taken: list[int] = []
        for permit, cover in enumerate(covers):
            here = [bay for begin, end, bay in where[permit] if begin <= minute < end]
            if len(here) != any(begin <= minute < end for begin, end in cover):
                faults.append(f"permit {permit} has {len(here)} bays at {minute}")
            taken += here
        if len(set(taken)) < len(taken) or max(taken, default=0) > open_bays[0]:
            faults.append(f"bays {taken} of {open_bays[0]} at {minute}")
    for permit, legs in enumerate(where):
        if sum(one[2] != other[2] for one, other in pairwise(legs)) != result.moves[permit]:
            faults.append(f"permit {permit} does not move {result.moves[permit]} times")
    return faults


def fewest_by_trying(covers: Sequence[Cover], steps: Steps) -> int:
    """Try every bay, or none, for every permit: how many permits are without one at least."""
    edges = sorted({edge for cover in covers for span in cover for edge in span} | {at for at, _ in steps})
    standing = [{minute for minute in edges if any(begin <= minute < end for begin, end in cover)} for cover in covers]
    bays_at = {minute: next((bays for at, bays in reversed(steps) if at <= minute), 0) for minute in edges}
    fewest = len(covers)
    for choice in product(range(max(bays_at.values()) + 1), repeat=len(covers)):
        if choice.count(0) < fewest:
            held = [(bay, minute) for bay, minutes in zip(choice, standing, strict=True) if bay for minute in minutes]
            if len(set(held)) == len(held) and all(bay <= bays_at[minute] for bay, minute in held):
                fewest = choice.count(0)
    return fewest


def test_three_permits_on_two_nights_each_need_three_bays_so_one_of_them_moves() -> None:
    # Any two of {1, 2}, {2, 3}, {1, 3} meet on a night, so two bays are kept by two of them; the third has a free bay
    # on each of its nights, not the same.
    result = numbered([nights(1, 2), nights(2, 3), nights(1, 3)], bays=[(0, 2)])
    assert (result.moving.tolist(), result.fewest.tolist(), result.moves.sum()) == ([1], [1], 1)


def test_a_third_bay_lets_all_three_stay() -> None:
    result = numbered([nights(1, 2), nights(2, 3), nights(1, 3)], bays=[(0, 3)])
    assert sorted(result.bay.tolist()) == [1, 2, 3]


def test_permits_on_different_nights_share_a_bay_and_the_lowest_number_comes_first() -> None:
    # Daily, working nights and weekend in two bays.
    result = numbered([nights(5, 6), nights(*range(5)), nights(*range(7))], bays=[(0, 2)])
    assert result.bay.tolist() == [2, 2, 1]


def test_of_equal_permits_the_first_keep_their_bays_and_get_the_lower_numbers() -> None:
    covers = [nights(1, 2), nights(2, 3), nights(1, 3)]
    which = np.array([2, 0, 1, 0, 1, 2, 0, 1, 2])  # three of each, six bays: nine permits that meet in pairs
    instance = build([], covers=covers, capacity=[[(0, 6)]])
    result = number_bays(instance, bay_group=np.zeros(9, dtype=np.int64), cover=which)
    assert (result.moving.tolist(), result.fewest.tolist()) == ([3], [3])
    for cover in range(3):
        mine = result.bay[which == cover]
        assert mine[mine > 0].tolist() == sorted(mine[mine > 0].tolist())
        assert not (mine[:-1] == 0).any() or not mine[-1]


def test_a_permit_for_the_weekend_is_put_where_bays_are_open_only_then() -> None:
    # Two bays on nights 0 to 4, three on 5 and 6. Two daily permits and a weekend permit: nobody moves.
    steps = [(0, 2), (5 * 1440, 3), (7 * 1440 + 12 * HOUR, 2)]
    result = numbered([nights(5, 6), nights(*range(7)), nights(*range(7))], bays=steps)
    assert result.bay.tolist() == [3, 1, 2]


def test_bays_that_close_first_are_kept_by_nobody_who_comes_when_they_are_closed() -> None:
    # Night 0 has two bays, night 1 one: {0} and {0, 1}. The second keeps bay 1 though the first asked first.
    assert numbered([nights(0), nights(0, 1)], bays=[(0, 2), (1440 + 12 * HOUR, 1)]).bay.tolist() == [2, 1]


def test_a_stay_through_the_weekend_holds_its_bay_all_the_time() -> None:
    # Friday to Monday in one stay meets Saturday night, so two bays are needed, and nobody moves.
    weekend = [(4 * 1440 + 19 * HOUR, 7 * 1440 + 8 * HOUR)]
    assert sorted(numbered([weekend, nights(5)], bays=[(0, 2)]).bay.tolist()) == [1, 2]


def test_a_stay_is_split_only_where_no_bay_is_free_for_all_of_it() -> None:
    # [0, 20) and [10, 30) with one bay, but two from 10 to 20: bay 2 is there for ten minutes, so one of the two cars
    # has to leave bay 1 to the other within its stay.
    result = numbered([[(0, 20)], [(10, 30)]], bays=[(0, 1), (10, 2), (20, 1)])
    assert (result.split_stays, result.moves.sum(), result.moving.tolist(), result.fewest.tolist()) == (1, 1, [1], [1])


def test_the_permit_of_fewest_stays_moves_and_keeps_each_bay_as_long_as_it_can() -> None:
    # Each two of {0 … 5}, {0, 1, 2, 6} and {3, 4, 5, 6} meet, in two bays: one moves, and not the one of six nights.
    # On nights 3, 4 and 5 the bay of {0, 1, 2, 6} is free, on 6 the other: one move is enough.
    result = numbered([nights(0, 1, 2, 6), nights(*range(6)), nights(3, 4, 5, 6)], bays=[(0, 2)])
    assert (result.moving.tolist(), int(result.moves.sum()), int(result.bay[1])) == ([1], 1, 1)


def test_permits_that_complete_each_other_share_a_bay() -> None:
    # {0, 1, 2} with {3, 4, 5} and {0, 1, 4, 5} with {2, 3}: two full bays.
    result = numbered([nights(0, 1, 2), nights(2, 3), nights(3, 4, 5), nights(0, 1, 4, 5)], bays=[(0, 2)])
    assert (result.bay[0], result.bay[1]) == (result.bay[2], result.bay[3])


def test_no_permit_needs_no_bay() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    result = number_bays(build([], covers=[], capacity=[[(0, 2)]]), bay_group=nothing, cover=nothing)
    assert (len(result.bay), len(result.leg_bay), bool(result.proven.all())) == (0, 0, True)


def test_more_cars_than_bays_are_refused_by_bay_group_and_minute() -> None:
    with pytest.raises(BadInstance, match="bay group 0 holds 2 cars in 1 bays near minute 5"):
        numbered([[(0, 10)], [(5, 15)]], bays=[(0, 1)])


def test_a_permit_without_a_stay_is_refused() -> None:
    with pytest.raises(BadInstance, match=r"cover\[0\] is 0, which has no interval"):
        numbered([[]], bays=[(0, 1)])


def test_the_programme_finds_what_the_largest_first_misses() -> None:
    # Four columns of five bays; ab fits beside cd, ac beside bd: two bays of the one pair, three of the other.
    kinds = [Kind(0b0011, 2, 4), Kind(0b1100, 2, 4), Kind(0b0101, 3, 6), Kind(0b1010, 3, 6)]
    assert pack(kinds, [5, 5, 5, 5]).moving == 0
    # Five nights in a ring, ten cars on each, twelve bays: at most two permits share a bay, so 24 of 25 stay.
    pentagon = [Kind(1 << at | 1 << (at + 1) % 5, 5, 10) for at in range(5)]
    packing = pack(pentagon, [12] * 5)
    assert (packing.moving, packing.fewest) == (1, 1)
    # Without the programme nothing proves so, and more may move.
    assert pack(pentagon, [12] * 5, exact=False).fewest == 0


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[Cover], Steps]:
    """Draw a few covers and as many bays at each moment as they need, or a few more."""
    covers: list[Cover] = []
    for _ in range(draw(st.integers(1, 5))):
        edges = sorted(draw(st.sets(st.integers(0, 11), min_size=2, max_size=6)))
        covers.append([(edges[index], edges[index + 1]) for index in range(0, len(edges) - 1, 2)])
    spare = draw(st.lists(st.sampled_from([0, 0, 0, 1]), min_size=12, max_size=12))
    cars = [sum(begin <= minute < end for cover in covers for begin, end in cover) for minute in range(12)]
    steps = [(minute, number + more) for minute, (number, more) in enumerate(zip(cars, spare, strict=True))]
    return covers, [step for at, step in enumerate(steps) if at == 0 or step[1] != steps[at - 1][1]]


@given(plans())
@settings(max_examples=300, deadline=None)
def test_every_numbering_holds_and_as_few_move_as_trying_all_bays_finds(plan: tuple[list[Cover], Steps]) -> None:
    covers, steps = plan
    result = numbered(covers, bays=steps)
    assert int(result.moving[0]) == int(result.fewest[0]) == fewest_by_trying(covers, steps)
    assert int((result.bay == 0).sum()) == int(result.moving[0])
