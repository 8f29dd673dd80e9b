"""
An instance made smaller without changing its answer: times that cannot matter dropped, equal demands grouped.

A *row* is a bay group at an instant, with the capacity there. Two instants with the same covering demands are one row
with the smaller capacity; a row whose covering demands are a subset of another's at no less capacity is dominated; a
row that all who might stand there together cannot fill never binds. A *footprint* is the set of rows that a stay at a
bay group covers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allocator.errors import AllocatorError
from allocator.instance import Instance, Ints

Flags = NDArray[np.bool_]

MOST_COMPARED_ROWS = 4000
"""Above so many rows of one bay group it is not looked for dominated ones: as exact, and sooner done."""
INSTANTS_AT_ONCE = 2048
"""Instants looked at together; more would take memory by the square of irregular hours."""


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


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Rows of one bay group: minutes, capacities, and which of its covers stand on them, (rows, covers)."""

    at: Ints
    capacity: Ints
    members: Flags


def presolve(instance: Instance) -> Problem:
    """Drop dominated times and group equal demands; exact: every plan keeps its value, every optimum stays one."""
    pair_group = instance.pair_group()
    order = np.lexsort((instance.pair_cover, instance.pair_bay_group))
    ordered_bay_group = instance.pair_bay_group[order]
    bounds = np.searchsorted(ordered_bay_group, np.arange(instance.num_bay_groups + 1))
    pair_footprint = np.zeros(instance.num_pairs, dtype=np.int64)
    foot_lengths: list[Ints] = []
    foot_rows: list[Ints] = []
    kept: list[_Rows] = []
    row_bay_group: list[Ints] = []
    num_rows = num_feet = 0
    for bay_group in range(instance.num_bay_groups):
        here = order[bounds[bay_group] : bounds[bay_group + 1]]
        if not len(here):
            continue
        covers, cover_of = np.unique(instance.pair_cover[here], return_inverse=True)
        counts = instance.group_count[pair_group[here]].astype(np.float64)
        weight = np.bincount(cover_of, weights=counts, minlength=len(covers)).astype(np.float64)
        rows = _without_dominated(_distinct(_candidates(instance, bay_group, covers)), weight)
        feet, foot_of_cover = _distinct_columns(rows.members)
        pair_footprint[here] = num_feet + foot_of_cover[cover_of]
        foot, row = np.nonzero(feet.T)
        foot_lengths.append(np.bincount(foot, minlength=feet.shape[1]))
        foot_rows.append(num_rows + row)
        kept.append(rows)
        row_bay_group.append(np.full(len(rows.at), bay_group, dtype=np.int64))
        num_rows += len(rows.at)
        num_feet += feet.shape[1]
    group_of, first = _equal_groups(instance, pair_footprint)
    pairs = _pairs_of(instance.pair_ptr, first)
    return Problem(
        group_count=np.bincount(group_of, weights=instance.group_count, minlength=len(first)).astype(np.int64),
        must_serve=instance.must_serve[first],
        pair_ptr=np.concatenate(([0], np.cumsum(np.diff(instance.pair_ptr)[first]))),
        pair_value_m=instance.pair_value_m[pairs],
        pair_bay_group=instance.pair_bay_group[pairs],
        pair_footprint=pair_footprint[pairs],
        foot_ptr=np.concatenate(([0], np.cumsum(_joined(foot_lengths)))),
        foot_rows=_joined(foot_rows),
        row_bay_group=_joined(row_bay_group),
        row_at=_joined([rows.at for rows in kept]),
        row_capacity=_joined([rows.capacity for rows in kept]),
        group_of=group_of,
    )


def _joined(parts: list[Ints]) -> Ints:
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, dtype=np.int64)


def _candidates(instance: Instance, bay_group: int, covers: Ints) -> _Rows:
    """
    Instants at which a row of a bay group can be tightest.

    Between two edges (a stay begins or ends, the capacity changes) nothing changes. Such a cell can be tightest only
    when it begins where somebody comes or bays go, and ends where somebody goes or bays come.
    """
    steps = slice(instance.capacity_ptr[bay_group], instance.capacity_ptr[bay_group + 1])
    at, bays = instance.capacity_at[steps], instance.capacity_bays[steps]
    change = np.diff(bays, prepend=0)
    interval = _pairs_of(instance.cover_ptr, covers)
    owner = np.repeat(np.arange(len(covers)), np.diff(instance.cover_ptr)[covers])
    starts, ends = instance.cover_start[interval], instance.cover_end[interval]
    tighter = np.unique(np.concatenate((starts, at[change < 0])))
    looser = np.unique(np.concatenate((ends, at[change > 0])))
    edges = np.unique(np.concatenate((tighter, looser)))
    begins = np.isin(edges, tighter, assume_unique=True)
    closes = np.concatenate((np.isin(edges, looser, assume_unique=True)[1:], [True]))
    instants = edges[begins & closes]
    # Which interval of each cover holds an instant: intervals of all covers on one line, one stretch of it a cover.
    origin = int(edges[0]) if len(edges) else 0
    stretch = int(edges[-1]) - origin + 2 if len(edges) else 1
    line = owner * stretch + (starts - origin)
    cover = np.arange(len(covers))[:, None]
    members = np.zeros((len(covers), len(instants)), dtype=np.bool_)
    for first in range(0, len(instants), INSTANTS_AT_ONCE):
        now = instants[None, first : first + INSTANTS_AT_ONCE]
        index = np.searchsorted(line, cover * stretch + (now - origin), side="right") - 1
        found = np.maximum(index, 0)
        members[:, first : first + INSTANTS_AT_ONCE] = (index >= 0) & (owner[found] == cover) & (now < ends[found])
    step = np.searchsorted(at, instants, side="right") - 1
    capacity = (
        np.where(step >= 0, bays[np.maximum(step, 0)], 0) if len(bays) else np.zeros(len(instants), dtype=np.int64)
    )
    standing = members.any(axis=0)
    return _Rows(at=instants[standing], capacity=capacity[standing], members=members.T[standing])


def _distinct(rows: _Rows) -> _Rows:
    """One row for all instants with the same covers: the tightest, the earliest of those."""
    _, same = _distinct_columns(rows.members.T)
    order = np.lexsort((rows.at, rows.capacity, same))
    fresh = np.diff(same[order], prepend=-1) > 0
    first = np.sort(order[fresh])
    return _Rows(at=rows.at[first], capacity=rows.capacity[first], members=rows.members[first])


def _distinct_columns(flags: Flags) -> tuple[Flags, Ints]:
    """Distinct columns of a matrix of flags (N, M), and for each column the index of its like."""
    packed = np.ascontiguousarray(np.packbits(flags, axis=0).T)
    if not packed.size:
        like = np.zeros(flags.shape[1], dtype=np.int64)
        return flags[:, : min(1, flags.shape[1])], like
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).reshape(-1)
    _, first, like = np.unique(keys, return_index=True, return_inverse=True)
    return flags[:, first], like.reshape(-1).astype(np.int64)


def _without_dominated(rows: _Rows, weight: NDArray[np.float64]) -> _Rows:
    """Rows that can bind: not filled even by all who might stand there, or implied by another row, are left out."""
    parts = range(0, len(rows.at), INSTANTS_AT_ONCE)
    most = [rows.members[first : first + INSTANTS_AT_ONCE] @ weight for first in parts]  # in parts: each becomes floats
    binding = np.concatenate([np.zeros(0), *most]) > rows.capacity
    at, capacity, members = rows.at[binding], rows.capacity[binding], rows.members[binding]
    if 1 < len(at) <= MOST_COMPARED_ROWS:
        size = members.sum(axis=1)
        common = members.astype(np.float32) @ members.T.astype(np.float32)
        subset = (common == size[:, None]) & (capacity[:, None] >= capacity[None, :])
        np.fill_diagonal(subset, val=False)  # rows are distinct, so no two are subsets of each other
        alive = ~subset.any(axis=1)
        at, capacity, members = at[alive], capacity[alive], members[alive]
    return _Rows(at=at, capacity=capacity, members=members)


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
