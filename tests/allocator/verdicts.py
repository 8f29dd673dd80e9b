"""A solution put before the checker."""

from __future__ import annotations

from allocator.check import faults_of
from allocator.instance import Instance
from allocator.solve import Solution, solve


def solved(instance: Instance, *, time_limit_s: float | None = None) -> Solution:
    """Solve and let the checker have its say: no answer reaches a test that the checker does not accept."""
    solution = solve(instance, time_limit_s=time_limit_s)
    assert verdict(instance, solution) == []
    return solution


def verdict(instance: Instance, solution: Solution) -> list[str]:
    """What the checker finds wrong with a solution."""
    prices = zip(solution.price_bay_group.tolist(), solution.price_at.tolist(), solution.price.tolist(), strict=True)
    return faults_of(
        instance,
        solution.taken.tolist(),
        value_m=solution.value_m,
        bound_m=solution.bound_m,
        prices=prices,
        scale=solution.scale,
        branches=solution.branches,
    )
