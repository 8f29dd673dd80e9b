"""Instances written by hand: who asks, what a stay covers and how many bays there are, as plain lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from allocator.instance import Instance, Ints

Interval = tuple[int, int]
NIGHT: tuple[Interval, ...] = ((0, 60),)
"""One stay of an hour."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Equal demands: by bay group, the cover of the stay there and what it is worth."""

    pairs: Mapping[int, tuple[int, int]]
    count: int = 1
    must_serve: bool = False


def build(
    asks: Sequence[Ask], *, covers: Sequence[Sequence[Interval]], capacity: Sequence[Sequence[tuple[int, int]]]
) -> Instance:
    """Turn asks, covers and each bay group's capacity steps (minute, bays) into an instance."""
    pairs = [(bay_group, *ask.pairs[bay_group]) for ask in asks for bay_group in sorted(ask.pairs)]
    return Instance(
        group_count=_ints([ask.count for ask in asks]),
        must_serve=np.array([ask.must_serve for ask in asks], dtype=np.bool_),
        pair_ptr=_pointers([len(ask.pairs) for ask in asks]),
        pair_bay_group=_ints([bay_group for bay_group, _, _ in pairs]),
        pair_cover=_ints([cover for _, cover, _ in pairs]),
        pair_value_m=_ints([value for _, _, value in pairs]),
        cover_ptr=_pointers([len(cover) for cover in covers]),
        cover_start=_ints([start for cover in covers for start, _ in cover]),
        cover_end=_ints([end for cover in covers for _, end in cover]),
        capacity_ptr=_pointers([len(steps) for steps in capacity]),
        capacity_at=_ints([at for steps in capacity for at, _ in steps]),
        capacity_bays=_ints([bays for steps in capacity for _, bays in steps]),
    )


def one_night(asks: Sequence[Ask], *, bays: Sequence[int]) -> Instance:
    """Everybody asks for the same hour, and so many bays of each bay group are open then."""
    return build(asks, covers=[NIGHT], capacity=[[(0, number), (60, 0)] for number in bays])


def with_one_more_bay(instance: Instance, bay_group: int) -> Instance:
    """Add one bay to a bay group from its first step on."""
    bays = instance.capacity_bays.copy()
    bays[instance.capacity_ptr[bay_group] : instance.capacity_ptr[bay_group + 1]] += 1
    return replaced(instance, capacity_bays=bays)


def replaced(instance: Instance, **arrays: Ints) -> Instance:
    """Build the same instance with some arrays replaced."""
    names = Instance.__dataclass_fields__
    return Instance(**{name: arrays.get(name, getattr(instance, name)) for name in names})


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int64)


def _pointers(lengths: Sequence[int]) -> Ints:
    return _ints([0, *np.cumsum(lengths, dtype=np.int64).tolist()])
