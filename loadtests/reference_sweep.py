"""
The unit in which the benchmark counts time: one reference sweep over an instance's pairs.

Frozen: a change here would make every figure that was ever published incomparable. It uses the `Instance` alone, so
that no better presolve or solver makes the unit shorter, and one core, so that a neighbour's load hardly makes it
longer. For every group it finds the best pair at given prices, where a pair pays at its bay group a price for each
night of the week on which its stay is there at 02:00.
"""

from __future__ import annotations

import time
from statistics import median

import numba
import numpy as np
from numpy.typing import NDArray

from allocator.instance import Instance

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

DAY_MIN = 1440
NIGHT_MIN = 120
"""Every overnight stay is there at 02:00."""
NIGHTS = 7
FEWEST_TIMED, MOST_TIMED, TIMED_S = 7, 101, 1.0


def reference_sweep_s(instance: Instance) -> float:
    """Median seconds of one sweep over an instance."""
    night_ptr, nights = nights_of_covers(instance)
    rows = np.arange(NIGHTS * instance.num_bay_groups, dtype=np.uint64)
    price_m = (rows * np.uint64(2654435761) % np.uint64(1 << 32)).astype(np.float64) * (1000 / (1 << 32))
    arguments = (instance.pair_ptr, instance.pair_value_m, instance.pair_bay_group, instance.pair_cover)
    sweep(*arguments, night_ptr, nights, price_m)  # compiles, or reads what was compiled
    times: list[float] = []
    while len(times) < FEWEST_TIMED or (sum(times) < TIMED_S and len(times) < MOST_TIMED):
        begin = time.perf_counter()
        sweep(*arguments, night_ptr, nights, price_m)
        times.append(time.perf_counter() - begin)
    return median(times)


def nights_of_covers(instance: Instance) -> tuple[Ints, Ints]:
    """Nights of the week, 0 to 6, on which each cover is there at 02:00: pointers (C + 1,) and nights."""
    num_covers = len(instance.cover_ptr) - 1
    first = -((NIGHT_MIN - instance.cover_start) // DAY_MIN)
    last = (instance.cover_end - 1 - NIGHT_MIN) // DAY_MIN
    count = np.clip(last - first + 1, 0, NIGHTS)
    owner = np.repeat(np.repeat(np.arange(num_covers), np.diff(instance.cover_ptr)), count)
    offset = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    distinct = np.unique(owner * NIGHTS + (np.repeat(first, count) + offset) % NIGHTS)
    ends = np.searchsorted(distinct, np.arange(num_covers + 1) * NIGHTS)
    return ends.astype(np.int64), (distinct % NIGHTS).astype(np.int64)


@numba.njit(cache=True)
def sweep(
    pair_ptr: Ints,
    pair_value_m: Ints,
    pair_bay_group: Ints,
    pair_cover: Ints,
    night_ptr: Ints,
    nights: Ints,
    price_m: Floats,
) -> Floats:
    """Reduced value of each group's best pair, (G,) metres, none below zero; prices by bay group and night (7 P,)."""
    best = np.zeros(len(pair_ptr) - 1)
    for group in range(len(best)):
        top = 0.0
        for pair in range(pair_ptr[group], pair_ptr[group + 1]):
            value = float(pair_value_m[pair])
            for index in range(night_ptr[pair_cover[pair]], night_ptr[pair_cover[pair] + 1]):
                value -= price_m[NIGHTS * pair_bay_group[pair] + nights[index]]
            top = max(top, value)
        best[group] = top
    return best
