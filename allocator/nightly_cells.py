"""Time cut into cells, so that every car stands in a cell throughout or not at all, and only the crowded ones kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allocator.instance import Instance, Ints

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """
    E cells of time between the moments at which one of C covers begins or ends an interval.

    Attributes
    ----------
    ranks
        (C,) numbers of the covers that were cut, rising.
    cuts
        (E + 1,) minutes; cell e is `cuts[e]` to `cuts[e + 1]`.
    covered
        (C, E) whether a car of the cover stands there in the cell.
    column_covered
        (C, U) the same for the distinct columns of `covered`: one for all cells with the same cars.
    by_column, column_begin
        (E,), (U,) cells in order of their column, and where each column begins among them.
    """

    ranks: Ints
    cuts: Ints
    covered: Flags
    column_covered: Flags
    by_column: Ints
    column_begin: Ints


def cells_of(instance: Instance, covers: Ints, *, ranks: Ints) -> Cells:
    """Cut time for some covers of the instance (C,), which are known by rising numbers."""
    lengths = (instance.cover_ptr[1:] - instance.cover_ptr[:-1])[covers]
    row = np.repeat(np.arange(len(covers)), lengths)
    entry = np.arange(len(row)) + np.repeat(instance.cover_ptr[:-1][covers] - (np.cumsum(lengths) - lengths), lengths)
    starts, ends = instance.cover_start[entry], instance.cover_end[entry]
    cuts = np.unique(np.concatenate((starts, ends)))
    if not len(cuts):
        cuts = np.zeros(1, dtype=np.int64)
    change = np.zeros((len(covers), len(cuts)), dtype=np.int8)
    np.add.at(change, (row, np.searchsorted(cuts, starts)), 1)
    np.add.at(change, (row, np.searchsorted(cuts, ends)), -1)
    covered = np.cumsum(change[:, :-1], axis=1, dtype=np.int8).astype(np.bool_)
    column_covered, by_column, column_begin = _columns(covered)
    return Cells(ranks, cuts, covered, column_covered, by_column, column_begin)


def num_cells(instance: Instance, covers: Ints) -> int:
    """Count the entries of the table that some covers need, at most."""
    lengths = (instance.cover_ptr[1:] - instance.cover_ptr[:-1])[covers]
    return len(covers) * 2 * int(lengths.sum())


def bays_in(instance: Instance, cells: Cells, bay_group: int) -> Ints:
    """Return the fewest bays of a bay group during each cell, (E,)."""
    steps = slice(instance.capacity_ptr[bay_group], instance.capacity_ptr[bay_group + 1])
    at, bays = instance.capacity_at[steps], np.concatenate(([0], instance.capacity_bays[steps]))
    first = np.searchsorted(at, cells.cuts[:-1], side="right")
    last = np.searchsorted(at, cells.cuts[1:], side="left")
    fewest: Ints = bays[first]
    uneven = np.flatnonzero(last > first)
    if len(uneven):
        spans = np.column_stack((first[uneven], last[uneven] + 1)).ravel()
        fewest[uneven] = np.minimum.reduceat(np.append(bays, bays[-1]), spans)[::2]
    return fewest


def crowded(rows: Flags, bays: Ints) -> tuple[list[int], list[int]]:
    """
    Keep of some columns those that decide which cars may share a bay.

    A column whose cars all stand in another, which has no more bays, forbids nothing that the other does not: neither
    two cars in one bay nor a car in a bay that is closed.

    Parameters
    ----------
    rows
        (T, U) whether a car of each type stands there.
    bays
        (U,) bays there.

    Returns
    -------
    tuple
        Indices of the columns kept, and the bays of each.
    """
    packed = np.packbits(rows, axis=0).T
    sets = [int.from_bytes(column.tobytes()) for column in packed]
    fewest = bays.tolist()
    kept: list[int] = []
    for column in sorted(range(len(sets)), key=lambda at: (-sets[at].bit_count(), fewest[at], at)):
        cars, limit = sets[column], fewest[column]
        if cars and not any(cars & ~sets[other] == 0 and fewest[other] <= limit for other in kept):
            kept.append(column)
    return kept, [fewest[column] for column in kept]


def _columns(covered: Flags) -> tuple[Flags, Ints, Ints]:
    """Group the cells in which the same covers stand."""
    if not covered.size:
        return np.zeros((len(covered), 0), dtype=np.bool_), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    packed = np.ascontiguousarray(np.packbits(covered, axis=0).T)
    keys = packed.view([("", packed.dtype)] * packed.shape[1]).ravel() if packed.shape[1] < 256 else None
    if keys is None:
        names = [column.tobytes() for column in packed]
        known: dict[bytes, int] = {}
        label = np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)
    else:
        label = np.unique(keys, return_inverse=True)[1].reshape(-1).astype(np.int64)
    by_column = np.argsort(label, kind="stable")
    column_begin = np.flatnonzero(np.diff(label[by_column], prepend=-1))
    return covered[:, by_column[column_begin]], by_column, column_begin
