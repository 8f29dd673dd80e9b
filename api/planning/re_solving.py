"""An edited neighbourhood solved again from a plan of the one before: what one edit is worth, as an interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from allocator.base import Base
from allocator.errors import LocksConflict
from allocator.solve import Solution, solve
from api.errors import NoPlan
from api.planning.compiling import Compiled

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """Where a number of metres lies, both ends included; proven from the values and bounds of two solves."""

    low_m: int
    high_m: int

    @property
    def exact_m(self) -> int | None:
        """The number itself, where both ends meet."""
        return self.low_m if self.low_m == self.high_m else None

    def as_json(self) -> Json:
        """Tell both ends, and the number where it is known."""
        return {"low_m": self.low_m, "high_m": self.high_m, "exact_m": self.exact_m}


def best_m_of(plan: Mapping[str, Any]) -> Span:
    """Where the best value lies that a plan, as JSON, proves: its own where it is optimal, by prices or by branches."""
    return Span(plan["value_m"], plan["value_m"] if plan["status"] == "optimal" else plan["bound_m"])


def best_m_found(solution: Solution) -> Span:
    """Where the best value lies that a solution proves."""
    return Span(solution.value_m, solution.value_m if solution.is_optimal else solution.bound_m)


def re_solve(compiled: Compiled, base: Base, *, time_limit_s: float | None = None) -> Solution:
    """
    Solve from a base until value and bound meet, or the work or time limit is reached.

    Raises
    ------
    NoPlan
        When the reviewer's locks cannot all be kept any more.
    """
    try:
        return solve(compiled.instance, base=base, time_limit_s=time_limit_s)
    except LocksConflict as conflict:
        stuck = np.isin(compiled.group_of_class[compiled.class_of], conflict.groups)
        names = compiled.neighbourhood.demands["id"].filter(stuck).sort().to_list()
        raise NoPlan(f"no plan keeps every lock: lift one of {', '.join(names[:20])}") from conflict
