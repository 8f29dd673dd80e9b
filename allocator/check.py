"""
The rules, the value and the bound in plain code. This page is the specification; it shares nothing with the solver.

A plan is given as the number of demands taken at each pair. Every function names what it ensures and returns what is
wrong, in words; nothing returned means that it holds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from allocator.instance import Instance

Price = tuple[int, int, int]
"""(bay group, minute, whole price in 1/scale metre)."""


def faults_of(
    instance: Instance, taken: Sequence[int], *, value_m: int, bound_m: int, prices: Iterable[Price], scale: int
) -> list[str]:
    """Everything that is wrong with a plan and its certificate."""
    prices = list(prices)
    return [
        *each_demand_at_most_once(instance, taken),
        *capacity_never_exceeded(instance, taken),
        *value_is_the_sum(instance, taken, value_m),
        *bound_follows_from_prices(instance, bound_m, prices, scale),
        *([f"value {value_m} is above the bound {bound_m}"] if value_m > bound_m else []),
    ]


def each_demand_at_most_once(instance: Instance, taken: Sequence[int]) -> list[str]:
    """Say which groups have more demands served than they have, or fewer where all must be."""
    faults = []
    for group in range(instance.num_groups):
        served = [int(taken[pair]) for pair in _pairs(instance, group)]
        if min(served, default=0) < 0:
            faults.append(f"group {group} has a negative number of demands served")
        if sum(served) > instance.group_count[group]:
            faults.append(f"group {group} has {sum(served)} demands served of {instance.group_count[group]}")
        if instance.must_serve[group] and sum(served) != instance.group_count[group]:
            faults.append(f"group {group} must be served: {sum(served)} of {instance.group_count[group]} are")
    return faults


def capacity_never_exceeded(instance: Instance, taken: Sequence[int]) -> list[str]:
    """At every minute no more cars stand in a bay group than it has bays."""
    changes: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for pair in range(instance.num_pairs):
        if taken[pair]:
            for start, end in _cover(instance, int(instance.pair_cover[pair])):
                changes[int(instance.pair_bay_group[pair])][start] += int(taken[pair])
                changes[int(instance.pair_bay_group[pair])][end] -= int(taken[pair])
    faults = []
    for bay_group, change in changes.items():
        steps = range(int(instance.capacity_ptr[bay_group]), int(instance.capacity_ptr[bay_group + 1]))
        capacity = {int(instance.capacity_at[step]): int(instance.capacity_bays[step]) for step in steps}
        cars = bays = 0
        for minute in sorted(change.keys() | capacity.keys()):
            cars += change.get(minute, 0)
            bays = capacity.get(minute, bays)
            if cars > bays:
                faults.append(f"bay group {bay_group} holds {cars} cars in {bays} bays at minute {minute}")
                break
    return faults


def value_is_the_sum(instance: Instance, taken: Sequence[int], value_m: int) -> list[str]:
    """Say whether the value is not the sum over the demands served."""
    total = sum(int(taken[pair]) * int(instance.pair_value_m[pair]) for pair in range(instance.num_pairs))
    return [] if total == value_m else [f"value is {value_m}, the plan's is {total}"]


def bound_follows_from_prices(instance: Instance, bound_m: int, prices: Iterable[Price], scale: int) -> list[str]:
    """Say whether the bound is not what the formula of NEIGHBOURHOOD.md gives for the prices."""
    total = bound_of(instance, prices, scale)
    return [] if total == bound_m else [f"bound is {bound_m}, the prices prove {total}"]


def bound_of(instance: Instance, prices: Iterable[Price], scale: int) -> int:
    """⌊(Σ_d max(0, max_p (scale · value − Σ prices at covered minutes)) + Σ price · capacity) / scale⌋."""
    at: dict[int, list[tuple[int, int]]] = defaultdict(list)
    total = 0
    for bay_group, minute, price in prices:
        at[bay_group].append((minute, price))
        total += price * _capacity_at(instance, bay_group, minute)
    for group in range(instance.num_groups):
        best = 0
        for pair in _pairs(instance, group):
            cover = _cover(instance, int(instance.pair_cover[pair]))
            paid = sum(
                price
                for minute, price in at[int(instance.pair_bay_group[pair])]
                if any(start <= minute < end for start, end in cover)
            )
            best = max(best, scale * int(instance.pair_value_m[pair]) - paid)
        total += int(instance.group_count[group]) * best
    return total // scale


def _pairs(instance: Instance, group: int) -> range:
    return range(int(instance.pair_ptr[group]), int(instance.pair_ptr[group + 1]))


def _cover(instance: Instance, cover: int) -> list[tuple[int, int]]:
    entries = range(int(instance.cover_ptr[cover]), int(instance.cover_ptr[cover + 1]))
    return [(int(instance.cover_start[entry]), int(instance.cover_end[entry])) for entry in entries]


def _capacity_at(instance: Instance, bay_group: int, minute: int) -> int:
    bays = 0
    for step in range(int(instance.capacity_ptr[bay_group]), int(instance.capacity_ptr[bay_group + 1])):
        if instance.capacity_at[step] <= minute:
            bays = int(instance.capacity_bays[step])
    return bays
