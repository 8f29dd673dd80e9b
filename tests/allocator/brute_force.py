"""Every plan of a tiny instance tried, minute by minute: no rows, no prices, no presolve."""

from __future__ import annotations

from collections.abc import Iterator

from allocator.instance import Instance


def best_value(instance: Instance) -> int | None:
    """Value of the best plan in metres; None when the groups that must be served cannot all be served."""
    return _best(instance, _bays_at(instance), 0)


def greedy_value(instance: Instance) -> int:
    """Place demands one by one in the order given, each where it is worth most and a bay is left; no locks."""
    left = _bays_at(instance)
    value = 0
    for group in range(instance.num_groups):
        pairs = sorted(_pairs(instance, group), key=lambda pair: -int(instance.pair_value_m[pair]))
        for _ in range(int(instance.group_count[group])):
            pair = next((pair for pair in pairs if all(left[minute] > 0 for minute in _minutes(instance, pair))), None)
            if pair is not None:
                value += int(instance.pair_value_m[pair])
                for minute in _minutes(instance, pair):
                    left[minute] -= 1
    return value


Left = dict[tuple[int, int], int]
"""Bays left by bay group and minute."""


def _best(instance: Instance, left: Left, group: int) -> int | None:
    if group == instance.num_groups:
        return 0
    best = None
    for served, value in _placings(instance, left, list(_pairs(instance, group)), int(instance.group_count[group])):
        if instance.must_serve[group] and served < instance.group_count[group]:
            continue
        rest = _best(instance, left, group + 1)
        if rest is not None and (best is None or value + rest > best):
            best = value + rest
    return best


def _placings(instance: Instance, left: Left, pairs: list[int], free: int) -> Iterator[tuple[int, int]]:
    """Place up to `free` demands among some pairs in every way, `left` changed meanwhile; yields (served, value)."""
    if not pairs:
        yield 0, 0
        return
    minutes, value = _minutes(instance, pairs[0]), int(instance.pair_value_m[pairs[0]])
    placed = 0
    while True:
        for served, more in _placings(instance, left, pairs[1:], free - placed):
            yield placed + served, placed * value + more
        if placed == free or any(left[minute] == 0 for minute in minutes):
            break
        for minute in minutes:
            left[minute] -= 1
        placed += 1
    for minute in minutes:
        left[minute] += placed


def _bays_at(instance: Instance) -> Left:
    last = int(instance.cover_end.max(initial=0))
    first = int(instance.cover_start.min(initial=0))
    left: Left = {}
    for bay_group in range(instance.num_bay_groups):
        steps = range(int(instance.capacity_ptr[bay_group]), int(instance.capacity_ptr[bay_group + 1]))
        for minute in range(first, last):
            known = [step for step in steps if instance.capacity_at[step] <= minute]
            left[bay_group, minute] = int(instance.capacity_bays[known[-1]]) if known else 0
    return left


def _minutes(instance: Instance, pair: int) -> list[tuple[int, int]]:
    cover, bay_group = int(instance.pair_cover[pair]), int(instance.pair_bay_group[pair])
    entries = range(int(instance.cover_ptr[cover]), int(instance.cover_ptr[cover + 1]))
    return [
        (bay_group, minute)
        for entry in entries
        for minute in range(int(instance.cover_start[entry]), int(instance.cover_end[entry]))
    ]


def _pairs(instance: Instance, group: int) -> range:
    return range(int(instance.pair_ptr[group]), int(instance.pair_ptr[group + 1]))
