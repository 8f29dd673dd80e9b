"""
The rules, the value and the bound in plain code. This page is the specification; it shares nothing with the solver.

A plan is given as the number of demands taken at each pair. Every function names what it ensures and returns what is
wrong, in words; nothing returned means that it holds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from allocator.certificate import Fork, Leaf, Node
from allocator.instance import Instance

Price = tuple[int, int, int]
"""(bay group, minute, whole price in 1/scale metre)."""


def faults_of(
    instance: Instance,
    taken: Sequence[int],
    *,
    value_m: int,
    bound_m: int,
    prices: Iterable[Price],
    scale: int,
    branches: Sequence[Node] = (),
) -> list[str]:
    """Everything that is wrong with a plan and its certificate; `branches`, where there are any, prove it optimal."""
    prices = list(prices)
    return [
        *each_demand_at_most_once(instance, taken),
        *capacity_never_exceeded(instance, taken),
        *value_is_the_sum(instance, taken, value_m),
        *bound_follows_from_prices(instance, bound_m, prices, scale),
        *([f"value {value_m} is above the bound {bound_m}"] if value_m > bound_m else []),
        *(branches_prove_the_value(instance, value_m, branches, prices, scale) if branches else []),
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
    return _worth(instance, prices, scale, paid={}, locks=False) // scale


def _worth(instance: Instance, prices: Iterable[Price], scale: int, *, paid: Mapping[int, int], locks: bool) -> int:
    """Sum inside `bound_of`, pairs paying extra; with `locks`, groups that must be served are, even below zero."""
    at: dict[int, list[tuple[int, int]]] = defaultdict(list)
    total = 0
    for bay_group, minute, price in prices:
        at[bay_group].append((minute, price))
        total += price * _capacity_at(instance, bay_group, minute)
    for group in range(instance.num_groups):
        gains = [] if locks and instance.must_serve[group] else [0]
        for pair in _pairs(instance, group):
            cover = _cover(instance, int(instance.pair_cover[pair]))
            charged = sum(
                price
                for minute, price in at[int(instance.pair_bay_group[pair])]
                if any(start <= minute < end for start, end in cover)
            )
            gains.append(scale * int(instance.pair_value_m[pair]) - charged - paid.get(pair, 0))
        total += int(instance.group_count[group]) * max(gains, default=0)
    return total


def branches_prove_the_value(
    instance: Instance, value_m: int, branches: Sequence[Node], prices: Iterable[Price], scale: int
) -> list[str]:
    """Every plan falls under one of the leaves, and no leaf allows more than the value."""
    faults = every_node_is_one_case_of_one_fork(branches)
    if faults:
        return faults
    plain: Counter[tuple[int, int]] = Counter()
    for bay_group, minute, price in prices:
        plain[bay_group, minute] += price
    for leaf, way in _leaves(branches):
        node = branches[leaf]
        if isinstance(node, Leaf):
            faults += leaf_bound_follows_from_prices(instance, leaf, node, way=way, plain=plain, scale=scale)
            faults += [f"leaf {leaf} allows {node.bound_m}, above {value_m}"] if node.bound_m > value_m else []
    return faults


def every_node_is_one_case_of_one_fork(branches: Sequence[Node]) -> list[str]:
    """Node 0 is the root; every other is `below` or `above` of exactly one fork, and stands after it."""
    faults = []
    cases: Counter[int] = Counter()
    for index, node in enumerate(branches):
        if isinstance(node, Fork):
            cases.update((node.below, node.above))
            if not (index < node.below < len(branches) and index < node.above < len(branches)):
                faults.append(f"fork {index} goes on at {node.below} and {node.above}, not at nodes after it")
    wrong = [index for index in range(len(branches)) if cases[index] != (index > 0)]
    return faults or [f"node {index} is a case of {cases[index]} forks" for index in wrong]


Way = dict[int, tuple[Fork, bool]]
"""Forks above a node by number, and whether it lies on the side `below`."""


def _leaves(branches: Sequence[Node]) -> Iterable[tuple[int, Way]]:
    waiting: list[tuple[int, Way]] = [(0, {})]
    while waiting:
        index, way = waiting.pop()
        node = branches[index]
        if isinstance(node, Fork):
            waiting += [(node.below, {**way, index: (node, True)}), (node.above, {**way, index: (node, False)})]
        else:
            yield index, way


def leaf_bound_follows_from_prices(
    instance: Instance, number: int, leaf: Leaf, *, way: Way, plain: Mapping[tuple[int, int], int], scale: int
) -> list[str]:
    """
    Say whether a leaf's bound is not what its prices give.

    It is the bound of the prices where each fork on the way has one too: what its number is worth is paid (`below`, and
    price · at_most is added) or earned (`above`, and price · (at_most + 1) is taken off).
    """
    rows = zip(leaf.price_bay_group.tolist(), leaf.price_at.tolist(), strict=True)
    prices = dict(plain) | dict(zip(rows, leaf.price.tolist(), strict=True))
    forks = list(zip(leaf.fork.tolist(), leaf.fork_price.tolist(), strict=True))
    if any(price < 0 for price in (*prices.values(), *(price for _, price in forks))):
        return [f"leaf {number} has a price below zero"]
    if any(fork not in way for fork, _ in forks) or len({fork for fork, _ in forks}) < len(forks):
        return [f"leaf {number} prices a fork that is not on its way, or one twice"]
    paid: Counter[int] = Counter()
    total = 0
    for index, price in forks:
        fork, below = way[index]
        total += price * fork.at_most if below else -price * (fork.at_most + 1)
        for pair, weight in zip(fork.pair.tolist(), fork.weight.tolist(), strict=True):
            paid[pair] += price * weight if below else -price * weight
    charged = [(bay_group, minute, price) for (bay_group, minute), price in prices.items()]
    bound = (total + _worth(instance, charged, scale, paid=paid, locks=True)) // scale
    return [] if bound == leaf.bound_m else [f"leaf {number} says {leaf.bound_m}, its prices prove {bound}"]


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
