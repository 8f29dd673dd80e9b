from __future__ import annotations

import hashlib
import hmac
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from allocator.draw import draw_key, draw_order

HOUSEHOLDS = st.lists(st.text(max_size=6), unique=True, max_size=8)


def test_the_key_is_an_hmac_that_anybody_can_compute() -> None:
    expected = hmac.new("种子".encode(), "d1".encode(), hashlib.sha256).digest()  # noqa: UP012  (as a reader would)
    assert draw_key("种子", "d1") == expected


def test_the_draw_of_a_known_seed_never_changes() -> None:
    assert draw_order("0", ["d1", "d2", "d3", "d4"]) == ["d3", "d1", "d2", "d4"]


@given(HOUSEHOLDS, st.text(max_size=4), st.randoms(use_true_random=False))
def test_the_draw_does_not_depend_on_the_order_of_entry(households: list[str], seed: str, random: Random) -> None:
    shuffled = list(households)
    random.shuffle(shuffled)
    assert draw_order(seed, shuffled) == draw_order(seed, households)
    assert sorted(draw_order(seed, households)) == sorted(households)


@given(HOUSEHOLDS, st.text(max_size=4), st.text(max_size=6))
def test_one_more_household_leaves_the_others_in_their_order(households: list[str], seed: str, late: str) -> None:
    with_late = draw_order(seed, {*households, late})
    assert [name for name in with_late if name != late] == [
        name for name in draw_order(seed, households) if name != late
    ]
