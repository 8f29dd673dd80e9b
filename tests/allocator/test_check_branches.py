"""The checker against branches that leave a plan out, or prove less than they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from allocator.certificate import Fork, Leaf, Node
from allocator.check import branches_prove_the_value, every_node_is_one_case_of_one_fork
from tests.allocator.building import Ask, build

SCALE = 2
COVERS = [[(0, 1), (2, 3)], [(2, 3), (4, 5)], [(0, 1), (4, 5)]]
INSTANCE = build([Ask({0: (cover, 100)}) for cover in range(3)], covers=COVERS, capacity=[[(0, 1)]])
PRICES = [(0, 0, 100), (0, 2, 100), (0, 4, 100)]
"""One bay, three permits of two nights each: one is served, 100; 50 m a night prove 150."""


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def leaf(bound: int, fork_price: int, *nights: int, fork: int = 0) -> Leaf:
    """Price the fork, and the three nights anew."""
    at = range(0, 2 * len(nights), 2)
    return Leaf(bound, ints(fork), ints(fork_price), ints(*(0 for _ in nights)), ints(*at), ints(*nights))


FORK = Fork(ints(0, 1, 2), ints(1, 1, 1), at_most=1, below=1, above=2)
# n ≤ 1: at 100 m apiece and free nights nobody gains, 100. n ≥ 2: each earns 100 and pays 50 m more a night: 3 · 100
# for the nights less 2 · 100.
TREE: tuple[Node, ...] = (FORK, leaf(100, 200, 0, 0, 0), leaf(100, 200, 200, 200, 200))


def faults(tree: tuple[Node, ...], value_m: int = 100) -> list[str]:
    return branches_prove_the_value(INSTANCE, value_m, tree, PRICES, SCALE)


def test_branches_worked_out_by_hand_are_accepted() -> None:
    assert faults(TREE) == []


SPOILT: dict[str, tuple[str, Callable[[], tuple[Node, ...]]]] = {
    "a leaf is dropped": ("fork 0 goes on at 1 and 2", lambda: TREE[:2]),
    "both cases are one": ("node 1 is a case of 2 forks", lambda: (replace(FORK, above=1), *TREE[1:])),
    "a case goes back": ("fork 0 goes on at 0 and 2", lambda: (replace(FORK, below=0), *TREE[1:])),
    "a node hangs nowhere": ("node 3 is a case of 0 forks", lambda: (*TREE, TREE[1])),
    "a smaller limit": ("leaf 1 says 100, its prices prove 0", lambda: (replace(FORK, at_most=0), *TREE[1:])),
    "a larger limit": ("leaf 1 says 100, its prices prove 200", lambda: (replace(FORK, at_most=2), *TREE[1:])),
    "a demand left out": (
        "leaf 1 says 100, its prices prove 200",
        lambda: (replace(FORK, pair=ints(0, 1), weight=ints(1, 1)), *TREE[1:]),
    ),
    "a lower bound": ("leaf 2 says 99, its prices prove 100", lambda: (FORK, TREE[1], leaf(99, 200, 200, 200, 200))),
    "a price below zero": ("leaf 1 has a price below zero", lambda: (FORK, leaf(100, 200, 0, 0, -1), TREE[2])),
    "a fork's price below zero": ("leaf 1 has a price below zero", lambda: (FORK, leaf(100, -200, 0, 0, 0), TREE[2])),
    "a fork that is not there": ("not on its way", lambda: (FORK, leaf(100, 200, 0, 0, 0, fork=7), TREE[2])),
    "the sides swapped": ("leaf 2 says 100", lambda: (replace(FORK, below=2, above=1), *TREE[1:])),
}


@pytest.mark.parametrize("name", SPOILT)
def test_branches_spoilt_in_one_place_are_refused(name: str) -> None:
    words, spoil = SPOILT[name]
    assert any(words in fault for fault in faults(spoil()))


def test_a_bound_above_the_value_is_named() -> None:
    assert faults(TREE, value_m=99) == ["leaf 2 allows 100, above 99", "leaf 1 allows 100, above 99"]


def test_prices_that_a_leaf_does_not_name_are_the_plans_own() -> None:
    # At the plan's 50 m a night nobody gains; the fork's price is added for nothing: 150 + 100.
    assert faults((FORK, leaf(250, 200), TREE[2]), value_m=250) == []


def test_a_lone_leaf_counts_on_locks_and_nothing_else() -> None:
    # The lock is worth 10 and displaces 100: with the night at 100 m the locked permit is 90 m short, 100 − 90.
    locked = build([Ask({0: (0, 10)}, must_serve=True), Ask({0: (0, 100)})], covers=[[(0, 1)]], capacity=[[(0, 1)]])
    alone = (Leaf(10, ints(), ints(), ints(), ints(), ints()),)
    assert branches_prove_the_value(locked, 10, alone, [(0, 0, 200)], SCALE) == []
    unlocked = build([Ask({0: (0, 10)}), Ask({0: (0, 100)})], covers=[[(0, 1)]], capacity=[[(0, 1)]])
    assert branches_prove_the_value(unlocked, 10, alone, [(0, 0, 200)], SCALE) == [
        "leaf 0 says 10, its prices prove 100"
    ]


def test_a_chain_of_forks_needs_every_case_once() -> None:
    chain = (FORK, replace(FORK, at_most=0, below=3, above=4), TREE[2], TREE[1], TREE[1])
    assert every_node_is_one_case_of_one_fork(chain) == []
    assert every_node_is_one_case_of_one_fork((*chain[:4], FORK)) != []
