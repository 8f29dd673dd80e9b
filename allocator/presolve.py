"""
An instance made smaller without changing its answer: times that cannot matter dropped, equal demands grouped.

A *row* is a bay group at an instant, with the capacity there. Two instants with the same covering demands are one row
with the smaller capacity; a row whose covering demands are a subset of another's at no less capacity is dominated; a
row that all who might stand there together cannot fill never binds. A *footprint* is the set of rows that a stay at a
bay group covers.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allocator.errors import AllocatorError
from allocator.instance import Instance, Ints
from allocator.rows import Rows, edges_of, rows_of

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """
    What the solver sees: G groups, J pairs, F footprints, R rows.

    `pair_footprint` (J,) indexes `foot_ptr` (F + 1,), whose slices of `foot_rows` are row indices; `row_bay_group`,
    `row_at` (minute) and `row_capacity` are (R,). `group_of` maps the instance's groups to these; the pairs of an
    instance group stand in the same order as those of its group here.
    """

    group_count: Ints
    must_serve: Flags
    pair_ptr: Ints
    pair_value_m: Ints
    pair_bay_group: Ints
    pair_footprint: Ints
    foot_ptr: Ints
    foot_rows: Ints
    row_bay_group: Ints
    row_at: Ints
    row_capacity: Ints
    group_of: Ints

    @property
    def num_groups(self) -> int:
        """Count groups."""
        return len(self.group_count)

    @property
    def num_pairs(self) -> int:
        """Count pairs."""
        return len(self.pair_value_m)

    @property
    def num_rows(self) -> int:
        """Count rows."""
        return len(self.row_capacity)

    @property
    def num_bay_groups(self) -> int:
        """Count bay groups up to the last that has a pair or a row; a district may have rows and nobody for them."""
        last = max(int(self.pair_bay_group.max(initial=-1)), int(self.row_bay_group.max(initial=-1)))
        return last + 1

    def pair_group(self) -> Ints:
        """Group of each pair, (J,)."""
        return np.repeat(np.arange(self.num_groups), np.diff(self.pair_ptr))

    def value_of(self, taken: Ints) -> int:
        """Total value in metres of taking so many demands of each pair, (J,)."""
        return int(self.pair_value_m @ taken)

    def load_of(self, taken: Ints) -> Ints:
        """Cars on each row, (R,), when so many demands of each pair are taken, (J,)."""
        by_foot = np.bincount(self.pair_footprint, weights=taken, minlength=len(self.foot_ptr) - 1)
        spread = np.repeat(by_foot, np.diff(self.foot_ptr))
        return np.bincount(self.foot_rows, weights=spread, minlength=self.num_rows).astype(np.int64)


def presolve(instance: Instance) -> Problem:
    """Drop dominated times and group equal demands; exact: every plan keeps its value, every optimum stays one."""
    order = np.lexsort((instance.pair_cover, instance.pair_bay_group))
    found = _rows_everywhere(instance, order)
    num_rows = _ahead([len(rows.minute) for _, _, rows in found])
    num_feet = _ahead([len(rows.foot_ptr) - 1 for _, _, rows in found])
    pair_footprint = np.zeros(instance.num_pairs, dtype=np.int64)
    for (_, here, rows), feet in zip(found, num_feet, strict=True):
        pair_footprint[here] = feet + rows.foot_of
    group_of, first = _equal_groups(instance, pair_footprint)
    pairs = _pairs_of(instance.pair_ptr, first)
    return Problem(
        group_count=np.bincount(group_of, weights=instance.group_count, minlength=len(first)).astype(np.int64),
        must_serve=instance.must_serve[first],
        pair_ptr=np.concatenate(([0], np.cumsum(np.diff(instance.pair_ptr)[first]))),
        pair_value_m=instance.pair_value_m[pairs],
        pair_bay_group=instance.pair_bay_group[pairs],
        pair_footprint=pair_footprint[pairs],
        foot_ptr=np.concatenate(([0], np.cumsum(_joined([np.diff(rows.foot_ptr) for _, _, rows in found])))),
        foot_rows=_joined([before + rows.foot_rows for (_, _, rows), before in zip(found, num_rows, strict=True)]),
        row_bay_group=_joined([np.full(len(rows.minute), bay_group) for bay_group, _, rows in found]),
        row_at=_joined([rows.minute for _, _, rows in found]),
        row_capacity=_joined([rows.capacity for _, _, rows in found]),
        group_of=group_of,
    )


def _rows_everywhere(instance: Instance, order: Ints) -> list[tuple[int, Ints, Rows]]:
    """Bay groups that anybody asks for, with their pairs in rising order of covers, and their rows."""
    bounds = np.searchsorted(instance.pair_bay_group[order], np.arange(instance.num_bay_groups + 1))
    covers, counts = instance.pair_cover[order], instance.group_count[instance.pair_group()[order]]
    edges = edges_of(instance)

    def look(bay_group: int) -> tuple[int, Ints, Rows]:
        here = slice(bounds[bay_group], bounds[bay_group + 1])
        return bay_group, order[here], rows_of(instance, edges, bay_group, covers=covers[here], counts=counts[here])

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        return list(threads.map(look, np.flatnonzero(np.diff(bounds)).tolist()))


def _ahead(counts: list[int]) -> list[int]:
    """Sum of the counts before each."""
    return np.concatenate(([0], np.cumsum(counts, dtype=np.int64)[:-1])).tolist() if counts else []


def _joined(parts: list[Ints]) -> Ints:
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, dtype=np.int64)


def _pairs_of(pointers: Ints, lists: Ints) -> Ints:
    """List the indices of all members of some lists, list after list."""
    lengths = np.diff(pointers)[lists]
    begins = np.repeat(pointers[:-1][lists] - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths)
    return begins + np.arange(int(lengths.sum()))


def _equal_groups(instance: Instance, pair_footprint: Ints) -> tuple[Ints, Ints]:
    """Instance group → group, and the first instance group of each group, in the instance's order."""
    lengths = np.diff(instance.pair_ptr)
    position = np.arange(instance.num_pairs) - np.repeat(instance.pair_ptr[:-1], lengths)
    hashes = []
    for salt in (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)):
        mixed = _mixed(pair_footprint.astype(np.uint64) * salt + instance.pair_value_m.astype(np.uint64))
        mixed = _mixed(mixed + (position.astype(np.uint64) + np.uint64(1)) * salt)
        total = np.concatenate((np.zeros(1, dtype=np.uint64), np.cumsum(mixed, dtype=np.uint64)))
        hashes.append(total[instance.pair_ptr[1:]] - total[instance.pair_ptr[:-1]])
    order = np.lexsort((np.arange(instance.num_groups), hashes[1], hashes[0], lengths, instance.must_serve))
    keys = (instance.must_serve, lengths, *hashes)
    fresh = np.zeros(instance.num_groups, dtype=np.bool_)
    if instance.num_groups:
        fresh[0] = True
    for key in keys:
        fresh[1:] |= key[order][1:] != key[order][:-1]
    first_sorted = order[fresh]
    label = np.empty(instance.num_groups, dtype=np.int64)
    label[order] = np.cumsum(fresh) - 1
    canonical = np.argsort(first_sorted, kind="stable")
    rank = np.empty(len(first_sorted), dtype=np.int64)
    rank[canonical] = np.arange(len(first_sorted))
    group_of, first = rank[label], first_sorted[canonical]
    mine, theirs = np.arange(instance.num_pairs), _pairs_of(instance.pair_ptr, first[group_of])
    if (pair_footprint[mine] != pair_footprint[theirs]).any() or (
        instance.pair_value_m[mine] != instance.pair_value_m[theirs]
    ).any():
        raise AllocatorError("two groups with different pairs have the same hash; report this instance")
    return group_of, first


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scatter 64-bit numbers (the finaliser of SplitMix64; Steele, Lea & Flood 2014)."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))
