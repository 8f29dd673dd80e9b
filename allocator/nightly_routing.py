"""Bays for the permits that have to move: each led through what others leave free, with as few changes as possible."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from allocator.instance import Ints

Flags = NDArray[np.bool_]
Legs = tuple[Ints, Ints, Ints]
"""First cell, cell after the last, and bay of each time that a car stands in one bay."""


def lead(busy: Flags, *, first: Ints, end: Ints) -> Legs | None:
    """
    Lead a car through its stays, and mark its bays busy.

    It keeps a bay for as many stays as it can, then takes the one that is free for the most stays to come: no other way
    through the same free bays has fewer changes. Only where no bay is free for the whole of a stay does the car change
    during it, at the last moment, to the bay that is free longest.

    Parameters
    ----------
    busy
        (B, E) whether a bay is taken or closed in a cell; changed in place.
    first, end
        (J,) first cell of each stay and the cell after its last.

    Returns
    -------
    tuple or None
        Legs, one a stay and more where a stay is split; None where no bay at all is free in a cell.
    """
    begins, ends, bays, num = _lead(busy, first, end)
    return None if num < 0 else (begins[:num], ends[:num], bays[:num])


@numba.njit(cache=True)
def _lead(busy: Flags, first: Ints, end: Ints) -> tuple[Ints, Ints, Ints, int]:
    num_bays, num_stays = busy.shape[0], len(first)
    reach = _stays_ahead(busy, first, end)
    most = int((end - first).sum())
    begins, ends, bays = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    num, bay = 0, -1
    for stay in range(num_stays):
        if bay < 0 or reach[stay, bay] == 0:
            best = -1
            for other in range(num_bays):
                if reach[stay, other] > (0 if best < 0 else reach[stay, best]):
                    best = other
            bay = best if best >= 0 else bay
        cell = first[stay]
        while cell < end[stay]:
            if reach[stay, bay] > 0:
                until = end[stay]
            else:
                bay, until = _free_longest(busy, bay, cell, end[stay])
                if until == cell:
                    return begins, ends, bays, -1
            busy[bay, cell:until] = True
            begins[num], ends[num], bays[num] = cell, until, bay
            num += 1
            cell = until
    return begins, ends, bays, num


@numba.njit(cache=True)
def _stays_ahead(busy: Flags, first: Ints, end: Ints) -> Ints:
    """How many stays on end, from each stay on, a car could spend in each bay, (J, B)."""
    num_bays, num_stays = busy.shape[0], len(first)
    reach = np.zeros((num_stays + 1, num_bays), np.int64)
    for stay in range(num_stays - 1, -1, -1):
        for bay in range(num_bays):
            if not busy[bay, first[stay] : end[stay]].any():
                reach[stay, bay] = reach[stay + 1, bay] + 1
    return reach


@numba.njit(cache=True)
def _free_longest(busy: Flags, bay: int, begin: int, end: int) -> tuple[int, int]:
    """Bay that is free longest from a cell on, the present one where equal, and until when."""
    best, until = bay, begin
    for turn in range(-1, busy.shape[0]):
        other = bay if turn < 0 else turn
        if other < 0:
            continue
        cell = begin
        while cell < end and not busy[other, cell]:
            cell += 1
        if cell > until:
            best, until = other, cell
    return best, until
