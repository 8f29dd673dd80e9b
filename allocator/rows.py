"""
Rows of one bay group: the instants at which its capacity can bind, compiled, since every solve begins with them.

Who stands at an instant is a set of covers, kept as words of 64 bits; so is the set of rows that a cover stands on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from allocator.instance import Instance, Ints

MOST_COMPARED_ROWS = 4000
"""Above so many rows of one bay group it is not looked for dominated ones: as exact, and sooner done."""
_TIGHTER, _LOOSER = 1, 2

Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """
    All minutes at which a stay begins or ends or a capacity changes, and where those of an instance are among them.

    `minute` (E,) rises; `start`, `end` (K,) and `step` (S,) index it for the intervals of covers and the capacities.
    """

    minute: Ints
    start: Ints
    end: Ints
    step: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """
    Rows of a bay group, R of them, and the F different sets of rows that its pairs, N of them, stand on.

    `minute` and `capacity` are (R,), `foot_of` (N,) indexes `foot_ptr` (F + 1,), whose slices of `foot_rows` are rows.
    """

    minute: Ints
    capacity: Ints
    foot_of: Ints
    foot_ptr: Ints
    foot_rows: Ints


def edges_of(instance: Instance) -> Edges:
    """Give the minutes at which anything changes their numbers."""
    minute = np.unique(np.concatenate((instance.cover_start, instance.cover_end, instance.capacity_at)))
    return Edges(
        minute=minute,
        start=np.searchsorted(minute, instance.cover_start),
        end=np.searchsorted(minute, instance.cover_end),
        step=np.searchsorted(minute, instance.capacity_at),
    )


def rows_of(instance: Instance, edges: Edges, bay_group: int, *, covers: Ints, counts: Ints) -> Rows:
    """
    Find the rows of a bay group.

    Parameters
    ----------
    covers, counts
        (N,) cover and demands of each pair of the bay group, in rising order of covers.
    """
    steps = slice(instance.capacity_ptr[bay_group], instance.capacity_ptr[bay_group + 1])
    edge, capacity, foot_of, foot_ptr, foot_rows = _rows(
        covers, counts, instance.cover_ptr, edges.start, edges.end, edges.step[steps], instance.capacity_bays[steps],
        len(edges.minute), MOST_COMPARED_ROWS,
    )  # fmt: skip
    return Rows(edges.minute[edge], capacity, foot_of, foot_ptr, foot_rows)


@numba.njit(cache=True, nogil=True)
def _rows(  # noqa: PLR0917  (compiled: plain arrays by position)
    pair_cover: Ints,
    pair_count: Ints,
    cover_ptr: Ints,
    start: Ints,
    end: Ints,
    step: Ints,
    bays: Ints,
    num_edges: int,
    most_compared: int,
) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    covers, weight, cover_of = _different(pair_cover, pair_count)
    instants, place = _instants(covers, cover_ptr, start, end, step, bays, num_edges)
    capacity = _capacity_at(instants, step, bays)
    members = np.zeros((len(instants), (len(covers) + 63) // 64), dtype=np.uint64)
    for cover in range(len(covers)):
        for interval in range(cover_ptr[covers[cover]], cover_ptr[covers[cover] + 1]):
            for instant in range(place[start[interval]], place[end[interval]]):
                members[instant, cover >> 6] |= np.uint64(1) << np.uint64(cover & 63)
    first, like = _alike(members)
    tightest = first.copy()  # of the instants at which the same covers stand, the earliest of the tightest
    for instant in range(len(instants)):
        if capacity[instant] < capacity[tightest[like[instant]]]:
            tightest[like[instant]] = instant
    kept = _binding(np.sort(tightest), members, capacity, weight)
    if len(kept) <= most_compared:
        kept = _not_implied(kept, members, capacity)
    stands = np.zeros((len(covers), (len(kept) + 63) // 64), dtype=np.uint64)
    for row in range(len(kept)):
        for cover in range(len(covers)):
            if members[kept[row], cover >> 6] >> np.uint64(cover & 63) & np.uint64(1):
                stands[cover, row >> 6] |= np.uint64(1) << np.uint64(row & 63)
    first, like = _alike(stands)
    foot_ptr, foot_rows = _listed(stands, first, len(kept))
    return instants[kept], capacity[kept], like[cover_of], foot_ptr, foot_rows


@numba.njit(cache=True, nogil=True)
def _different(pair_cover: Ints, pair_count: Ints) -> tuple[Ints, Ints, Ints]:
    """Different covers of a rising list, the demands of each, and the place of each pair's cover among them."""
    covers, weight = np.empty_like(pair_cover), np.zeros_like(pair_count)
    cover_of = np.empty_like(pair_cover)
    number = 0
    for pair in range(len(pair_cover)):
        if pair == 0 or pair_cover[pair] != pair_cover[pair - 1]:
            covers[number] = pair_cover[pair]
            number += 1
        cover_of[pair] = number - 1
        weight[number - 1] += pair_count[pair]
    return covers[:number], weight[:number], cover_of


@numba.njit(cache=True, nogil=True)
def _instants(  # noqa: PLR0917  (compiled: plain arrays by position)
    covers: Ints, cover_ptr: Ints, start: Ints, end: Ints, step: Ints, bays: Ints, num_edges: int
) -> tuple[Ints, Ints]:
    """
    Edges at which a row can be tightest, and how many of them lie before each edge.

    Between two edges nothing changes. Such a cell can be tightest only when it begins where somebody comes or bays go,
    and ends where somebody goes or bays come.
    """
    marks = np.zeros(num_edges + 1, dtype=np.int8)
    for cover in covers:
        for interval in range(cover_ptr[cover], cover_ptr[cover + 1]):
            marks[start[interval]] |= _TIGHTER
            marks[end[interval]] |= _LOOSER
    before = 0
    for index in range(len(step)):
        if bays[index] != before:
            marks[step[index]] |= _TIGHTER if bays[index] < before else _LOOSER
        before = bays[index]
    instants = np.empty(num_edges, dtype=np.int64)
    place = np.zeros(num_edges + 1, dtype=np.int64)
    number, last = 0, -1
    for edge in range(num_edges + 1):
        closes = edge == num_edges or marks[edge] & _LOOSER != 0
        if closes and last >= 0 and marks[last] & _TIGHTER != 0:
            instants[number] = last
            number += 1
        if edge < num_edges and marks[edge] != 0:
            last = edge
        place[edge] = number
    return instants[:number], place


@numba.njit(cache=True, nogil=True)
def _capacity_at(instants: Ints, step: Ints, bays: Ints) -> Ints:
    capacity = np.zeros(len(instants), dtype=np.int64)
    index = 0
    for instant in range(len(instants)):
        while index < len(step) and step[index] <= instants[instant]:
            index += 1
        if index:
            capacity[instant] = bays[index - 1]
    return capacity


@numba.njit(cache=True, nogil=True)
def _alike(sets: Words) -> tuple[Ints, Ints]:
    """First of each kind of equal sets, and the kind of each set; by open addressing, all words compared."""
    count, words = sets.shape
    size = 2
    while size < 2 * count:
        size *= 2
    slots = np.full(size, -1, dtype=np.int64)
    first, like = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    kinds = 0
    for one in range(count):
        mixed = np.uint64(0x9E3779B97F4A7C15)
        for word in range(words):
            mixed = (mixed ^ sets[one, word]) * np.uint64(0xBF58476D1CE4E5B9)
            mixed ^= mixed >> np.uint64(29)
        slot = np.int64(mixed & np.uint64(size - 1))
        while slots[slot] >= 0 and not _equal(sets, one, first[slots[slot]]):
            slot = (slot + 1) & (size - 1)
        if slots[slot] < 0:
            slots[slot] = kinds
            first[kinds] = one
            kinds += 1
        like[one] = slots[slot]
    return first[:kinds], like


@numba.njit(cache=True, nogil=True)
def _equal(sets: Words, one: int, other: int) -> bool:
    for word in range(sets.shape[1]):  # noqa: SIM110  (compiled as a loop)
        if sets[one, word] != sets[other, word]:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _within(sets: Words, one: int, other: int) -> bool:
    for word in range(sets.shape[1]):  # noqa: SIM110  (compiled as a loop)
        if sets[one, word] & ~sets[other, word]:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _binding(instants: Ints, members: Words, capacity: Ints, weight: Ints) -> Ints:
    """Leave out instants that all who might stand there together cannot fill."""
    kept = np.empty_like(instants)
    number = 0
    for instant in instants:
        load = 0
        for cover in range(len(weight)):
            if members[instant, cover >> 6] >> np.uint64(cover & 63) & np.uint64(1):
                load += weight[cover]
        if load > capacity[instant]:
            kept[number] = instant
            number += 1
    return kept[:number]


@numba.njit(cache=True, nogil=True)
def _not_implied(instants: Ints, members: Words, capacity: Ints) -> Ints:
    """Leave out instants at which only some of those stand who stand at another, at no fewer bays."""
    kept = np.empty_like(instants)
    number = 0
    for one in instants:
        implied = False
        for other in instants:  # all differ, so no two are within each other
            if one != other and capacity[one] >= capacity[other] and _within(members, one, other):
                implied = True
                break
        if not implied:
            kept[number] = one
            number += 1
    return kept[:number]


@numba.njit(cache=True, nogil=True)
def _listed(sets: Words, chosen: Ints, size: int) -> tuple[Ints, Ints]:
    """Members of some sets of numbers below `size`, list after list."""
    ptr = np.zeros(len(chosen) + 1, dtype=np.int64)
    for index in range(len(chosen)):
        ptr[index + 1] = ptr[index]
        for number in range(size):
            if sets[chosen[index], number >> 6] >> np.uint64(number & 63) & np.uint64(1):
                ptr[index + 1] += 1
    members = np.empty(ptr[-1], dtype=np.int64)
    filled = 0
    for index in range(len(chosen)):
        for number in range(size):
            if sets[chosen[index], number >> 6] >> np.uint64(number & 63) & np.uint64(1):
                members[filled] = number
                filled += 1
    return ptr, members
