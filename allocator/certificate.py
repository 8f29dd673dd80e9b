"""
The proof of a plan that prices alone do not prove: a tree of cases, each closed by prices of its own.

Both sides know these records: the solver writes them, the checker reads them.
"""

from __future__ import annotations

from dataclasses import dataclass

from allocator.instance import Ints


@dataclass(frozen=True, slots=True, eq=False)
class Fork:
    """
    Two cases that leave nothing out: a weighted number of demands served is at most a whole number, or above it.

    The number is n = Σ weight · demands served at the pair, over `pair` and `weight` (N,), weights above zero. The case
    n ≤ `at_most` goes on at node `below`, the case n ≥ `at_most` + 1 at node `above`.
    """

    pair: Ints
    weight: Ints
    at_most: int
    below: int
    above: int


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """
    A case closed by prices: no plan in it is worth more than `bound_m`.

    Attributes
    ----------
    fork, fork_price
        (K,) nodes of forks on the way here, and what a unit of their number costs (on the side `below`) or earns (on
        the side `above`) in 1/scale metre; forks that are not named cost nothing.
    price_bay_group, price_at, price
        (N,) prices for a bay group at a minute that take the place of the plan's own, zero included.
    """

    bound_m: int
    fork: Ints
    fork_price: Ints
    price_bay_group: Ints
    price_at: Ints
    price: Ints


Node = Fork | Leaf
"""Node 0 is the root; every other node is a case of exactly one fork, which stands before it."""
