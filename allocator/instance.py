"""The problem as frozen arrays: who asks, where they could go, what it is worth, and how many bays there are when."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from allocator.errors import BadInstance

Ints = NDArray[np.int64]

_TOO_MANY = 2**40
"""Demands in a group, bays and metres stay below this, so that products with small factors fit in 64 bits."""
_TOO_MUCH_M = 2**53
"""So does the worth of everybody together below this: engines count in floats, which are whole only up to here."""


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """
    G groups of equal demands, J eligible pairs (group, bay group), C covers, P bay groups.

    Attributes
    ----------
    group_count
        (G,) demands in each group, at least one.
    must_serve
        (G,) whether every demand of the group has to be served (a reviewer's lock).
    pair_ptr
        (G + 1,) pairs of group g are `pair_ptr[g]` to `pair_ptr[g + 1]`, in rising order of bay group.
    pair_bay_group
        (J,) bay group of a pair, 0 … P − 1.
    pair_cover
        (J,) cover of a pair: the minutes during which a demand of the group stands there.
    pair_value_m
        (J,) value of serving one demand so, whole metres, above zero.
    cover_ptr, cover_start, cover_end
        (C + 1,), (K,), (K,) each cover as sorted, disjoint, half-open intervals of whole minutes.
    capacity_ptr, capacity_at, capacity_bays
        (P + 1,), (S,), (S,) capacity of each bay group as steps: `capacity_bays[k]` bays from minute `capacity_at[k]`
        until the group's next step; none before its first.

    Raises
    ------
    BadInstance
        When built from arrays that contradict each other.
    """

    group_count: Ints
    must_serve: NDArray[np.bool_]
    pair_ptr: Ints
    pair_bay_group: Ints
    pair_cover: Ints
    pair_value_m: Ints
    cover_ptr: Ints
    cover_start: Ints
    cover_end: Ints
    capacity_ptr: Ints
    capacity_at: Ints
    capacity_bays: Ints

    def __post_init__(self) -> None:
        """Check shapes, ranges and order once, then freeze the arrays."""
        for field in fields(self):
            _require_kind(field.name, getattr(self, field.name), np.bool_ if field.name == "must_serve" else np.int64)
        _require_length("must_serve", self.must_serve, len(self.group_count))
        _require_length("pair_cover", self.pair_cover, self.num_pairs)
        _require_length("pair_value_m", self.pair_value_m, self.num_pairs)
        _require_length("cover_end", self.cover_end, len(self.cover_start))
        _require_length("capacity_bays", self.capacity_bays, len(self.capacity_at))
        _require_pointers("pair_ptr", self.pair_ptr, len(self.group_count), self.num_pairs)
        _require_pointers("cover_ptr", self.cover_ptr, max(0, len(self.cover_ptr) - 1), len(self.cover_start))
        _require_pointers("capacity_ptr", self.capacity_ptr, max(0, self.num_bay_groups), len(self.capacity_at))
        _require_range("pair_bay_group", self.pair_bay_group, 0, self.num_bay_groups)
        _require_range("pair_cover", self.pair_cover, 0, len(self.cover_ptr) - 1)
        _require_range("group_count", self.group_count, 1, _TOO_MANY)
        _require_range("pair_value_m", self.pair_value_m, 1, _TOO_MANY)
        _require_range("capacity_bays", self.capacity_bays, 0, _TOO_MANY)
        _require_rising("pair_bay_group", self.pair_bay_group, self.pair_ptr)
        _require_intervals(self.cover_ptr, self.cover_start, self.cover_end)
        _require_rising("capacity_at", self.capacity_at, self.capacity_ptr)
        _require_summable(self.group_count, self.pair_value_m)
        for field in fields(self):
            getattr(self, field.name).setflags(write=False)

    @property
    def num_groups(self) -> int:
        """Count groups of equal demands."""
        return len(self.group_count)

    @property
    def num_pairs(self) -> int:
        """Count eligible pairs of groups and bay groups."""
        return len(self.pair_bay_group)

    @property
    def num_bay_groups(self) -> int:
        """Count bay groups."""
        return len(self.capacity_ptr) - 1

    @property
    def num_demands(self) -> int:
        """Count demands over all groups."""
        return int(self.group_count.sum())

    def pair_group(self) -> Ints:
        """Group of each pair, (J,)."""
        return np.repeat(np.arange(self.num_groups), np.diff(self.pair_ptr))


def _require_kind(name: str, values: NDArray[np.generic], kind: type[np.generic]) -> None:
    if values.dtype != kind or values.ndim != 1:
        raise BadInstance(f"{name} is {values.ndim}-dimensional {values.dtype}, must be one row of {np.dtype(kind)}")


def _require_length(name: str, values: NDArray[np.generic], length: int) -> None:
    if len(values) != length:
        raise BadInstance(f"{name} holds {len(values)} numbers, expected {length}")


def _require_pointers(name: str, pointers: Ints, count: int, total: int) -> None:
    if len(pointers) != count + 1 or pointers[0] != 0 or pointers[-1] != total or (np.diff(pointers) < 0).any():
        raise BadInstance(f"{name} must hold {count + 1} rising numbers from 0 to {total}")


def _require_range(name: str, values: Ints, low: int, end: int | None) -> None:
    bad = (values < low) if end is None else (values < low) | (values >= end)
    if bad.any():
        at = int(np.argmax(bad))
        raise BadInstance(
            f"{name}[{at}] is {values[at]}, expected {low} or more" + ("" if end is None else f", below {end}")
        )


def _require_intervals(pointers: Ints, starts: Ints, ends: Ints) -> None:
    _require_rising("cover_start", starts, pointers)
    if (ends <= starts).any():
        at = int(np.argmax(ends <= starts))
        raise BadInstance(f"cover_end[{at}] is {ends[at]}, must be after cover_start[{at}] = {starts[at]}")
    overlap = starts[1:] < ends[:-1]
    overlap[pointers[(pointers > 0) & (pointers < len(starts))] - 1] = False  # another cover may begin anywhere
    if overlap.any():
        at = int(np.argmax(overlap)) + 1
        raise BadInstance(
            f"cover_start[{at}] is {starts[at]}, before cover_end[{at - 1}] = {ends[at - 1]}; join the two"
        )


def _require_summable(counts: Ints, values: Ints) -> None:
    worth = float(counts.astype(np.float64).sum()) * float(values.max(initial=0))
    if worth >= _TOO_MUCH_M:
        raise BadInstance(f"pair_value_m is up to {values.max()} for {counts.sum()} demands: above 2^53 m together")


def _require_rising(name: str, values: Ints, pointers: Ints) -> None:
    falls = np.diff(values) <= 0
    falls[pointers[(pointers > 0) & (pointers < len(values))] - 1] = False  # a new list may begin lower
    if falls.any():
        at = int(np.argmax(falls)) + 1
        raise BadInstance(f"{name}[{at}] is {values[at]}, must be above {name}[{at - 1}] = {values[at - 1]}")
