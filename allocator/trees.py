"""Trees of cases made smaller, and told in the pairs of the instance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from allocator.certificate import Fork, Leaf, Node
from allocator.instance import Instance
from allocator.presolve import Problem


def trimmed(nodes: Sequence[Node | None]) -> tuple[Node, ...]:
    """Leave out forks whose count no leaf of one side prices: that side alone proves as much."""
    priced: dict[int, set[int]] = {}
    stands_for = list(range(len(nodes)))
    for index in range(len(nodes) - 1, -1, -1):  # cases stand after their fork
        node = nodes[index]
        if isinstance(node, Leaf):
            priced[index] = set(node.fork.tolist())
        elif isinstance(node, Fork):
            free = next((side for side in (node.below, node.above) if index not in priced[side]), None)
            priced[index] = priced[node.below] | priced[node.above] if free is None else priced[free]
            stands_for[index] = index if free is None else stands_for[free]
    return _renumbered(nodes, stands_for)


def _renumbered(nodes: Sequence[Node | None], stands_for: list[int]) -> tuple[Node, ...]:
    """Return the nodes that are left, from the root down, every fork before its cases."""
    order = [stands_for[0]]
    for index in order:
        node = nodes[index]
        if isinstance(node, Fork):
            order += [stands_for[node.below], stands_for[node.above]]
    number = {index: place for place, index in enumerate(order)}
    result: list[Node] = []
    for index in order:
        node = nodes[index]
        if isinstance(node, Fork):
            result.append(replace(node, below=number[stands_for[node.below]], above=number[stands_for[node.above]]))
        elif isinstance(node, Leaf):
            result.append(replace(node, fork=np.array([number[fork] for fork in node.fork.tolist()], dtype=np.int64)))
    return tuple(result)


def on_instance(instance: Instance, problem: Problem, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Return the same nodes with forks that count pairs of the instance instead of its presolved problem."""
    group = instance.pair_group()
    merged = problem.pair_ptr[problem.group_of[group]] + np.arange(instance.num_pairs) - instance.pair_ptr[group]
    result: list[Node] = []
    for node in nodes:
        if isinstance(node, Fork):
            weight = np.zeros(problem.num_pairs, dtype=np.int64)
            weight[node.pair] = node.weight
            pair = np.flatnonzero(weight[merged])
            result.append(replace(node, pair=pair, weight=weight[merged][pair]))
        else:
            result.append(node)
    return tuple(result)
