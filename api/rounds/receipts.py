"""
Receipts: everybody can check that the published plan holds exactly what they were told, and learns nothing of others.

Every outcome is a leaf, SHA-256(0x00 ‖ salt ‖ canonical JSON of what it says); two neighbours make
SHA-256(0x01 ‖ left ‖ right), and one that is left over at the end of a level moves up as it is. The last hash is the
root, which is published. A receipt holds its own leaf in full, with its salt, and the neighbours on the way up.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import orjson

Json = dict[str, Any]
HASH = 32
SALT = 16


def draw_of(seed: int, demand: str) -> bytes:
    """Return the draw number of a demand: HMAC-SHA256 of its id under the round's seed in decimals; the lower first."""
    return hmac.digest(str(seed).encode(), demand.encode(), "sha256")


def demand_of(household_id: int) -> str:
    """Return the id under which a household is planned; the same in every round."""
    return f"h{household_id}"


def leaf_of(outcome: Json, *, salt: bytes) -> bytes:
    """Return the hash of an outcome."""
    return hashlib.sha256(b"\x00" + salt + canonical(outcome)).digest()


def canonical(outcome: Json | list[Json]) -> bytes:
    """Write JSON with sorted keys, without blanks, in UTF-8; there are no fractions in it."""
    return orjson.dumps(outcome, option=orjson.OPT_SORT_KEYS)


def tree_of(leaves: Sequence[bytes]) -> bytes:
    """Return all hashes of a tree, level by level from the leaves to the root; without leaves, the hash of nothing."""
    if not leaves:
        return hashlib.sha256().digest()
    level, levels = list(leaves), list(leaves)
    while len(level) > 1:
        level = [_above(level[at : at + 2]) for at in range(0, len(level), 2)]
        levels += level
    return b"".join(levels)


def root_of(tree: bytes) -> bytes:
    """Return the last hash of a tree."""
    return tree[-HASH:]


def way_up(position: int, *, leaves: int) -> list[tuple[str, int]]:
    """Return, for each level on which a leaf meets a neighbour, its side and its place among all hashes of the tree."""
    steps, begin, width = [], 0, leaves
    while width > 1:
        neighbour = position ^ 1
        if neighbour < width:
            steps.append(("left" if neighbour < position else "right", begin + neighbour))
        begin, width, position = begin + width, (width + 1) // 2, position // 2
    return steps


def root_from(leaf: bytes, proof: Sequence[tuple[str, bytes]]) -> bytes:
    """Return the root that a leaf and its neighbours on the way up give; whoever has a receipt does the same."""
    node = leaf
    for side, neighbour in proof:
        node = _above([neighbour, node] if side == "left" else [node, neighbour])
    return node


def _above(pair: Sequence[bytes]) -> bytes:
    return pair[0] if len(pair) == 1 else hashlib.sha256(b"\x01" + pair[0] + pair[1]).digest()
