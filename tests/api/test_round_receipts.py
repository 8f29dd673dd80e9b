"""Receipts: whatever is in the tree is found from its leaf, and nothing else is."""

from __future__ import annotations

import hashlib

import pytest

from allocator.draw import draw_key
from api.rounds.receipts import HASH, canonical, draw_of, leaf_of, root_from, root_of, tree_of, way_up


def leaves(count: int) -> list[bytes]:
    return [leaf_of({"demand": f"h{number}"}, salt=bytes([number] * 16)) for number in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 33])
def test_every_leaf_proves_the_root_and_no_other_leaf_does(count: int) -> None:
    mine = leaves(count)
    tree = tree_of(mine)
    for position, leaf in enumerate(mine):
        proof = [(side, tree[at * HASH : (at + 1) * HASH]) for side, at in way_up(position, leaves=count)]
        assert root_from(leaf, proof) == root_of(tree)
        assert root_from(leaf_of({"demand": "another"}, salt=b""), proof) != root_of(tree)
        assert 2 ** len(proof) < 4 * count


def test_a_tree_of_three_is_as_the_documentation_says() -> None:
    first, second, third = leaves(3)
    pair = hashlib.sha256(b"\x01" + first + second).digest()
    assert root_of(tree_of([first, second, third])) == hashlib.sha256(b"\x01" + pair + third).digest()
    assert tree_of([]) == hashlib.sha256(b"").digest()


def test_a_leaf_is_salted_canonical_json() -> None:
    said = {"walk_m": 120, "demand": "h7", "reason": None, "options": [{"facility": "四平", "walk_m": 1}]}
    text = '{"demand":"h7","options":[{"facility":"四平","walk_m":1}],"reason":null,"walk_m":120}'
    assert canonical(said) == text.encode()
    assert leaf_of(said, salt=b"s") == hashlib.sha256(b"\x00s" + text.encode()).digest()
    assert leaf_of(said, salt=b"t") != leaf_of(said, salt=b"s")


def test_the_draw_is_the_one_that_the_allocator_makes() -> None:
    assert draw_of(7, "h1") == draw_key("7", "h1")
