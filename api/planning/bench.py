"""Synthetic cities solved and checked: the seed of the benchmark. Work is counted beside seconds."""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from statistics import median
from typing import Any

import numpy as np

from allocator.presolve import presolve
from allocator.prices import ascend_prices
from allocator.rounding import empty_draft, fill
from allocator.solve import solve
from api.errors import ApiError
from api.planning.allocate import allocate
from api.planning.compiling import Compiled, compile_neighbourhood
from api.planning.walking import walks_of
from api.samples.city import synthetic_city

_COLUMNS = (
    ("demands", "demands", "{:,}"),
    ("pattern", "pattern", "{}"),
    ("seed", "seed", "{}"),
    ("served", "served", "{:,}"),
    ("gap m/demand", "gap_m_per_demand", "{:.4f}"),
    ("status", "status", "{}"),
    ("solve s", "solve_s", "{:.2f}"),
    ("whole s", "whole_s", "{:.2f}"),
    ("sweeps", "sweeps", "{}"),
    ("programmes", "linear_programmes", "{}"),
    ("greedy value", "greedy_share", "{:.3f}"),
    ("peak MB", "peak_mb", "{:.0f}"),
)


class BenchFailed(ApiError):
    """A plan of the benchmark does not hold."""


def bench_cities(
    *, sizes: Sequence[int], seeds: int, progress: Callable[[str, str], None] = lambda _stage, _words: None
) -> dict[str, Any]:
    """
    Solve cities of each size and seed, with mixed patterns and with a single one, and check every plan from scratch.

    Raises
    ------
    BenchFailed
        When a plan is refused by the checker; a benchmark of wrong plans is worth nothing.
    """
    _warm_up()
    runs = []
    for demands in sizes:
        for single in (False, True):
            for seed in range(1, seeds + 1):
                progress("bench", f"{demands:,} demands, seed {seed}, {_pattern(single=single)}")
                runs.append(_run(demands=demands, seed=seed, single=single))
    return {
        "machine": {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()},
        "versions": {name: version(name) for name in ("baytide", "ortools", "numba", "numpy")},
        "runs": runs,
    }


def _pattern(*, single: bool) -> str:
    return "single" if single else "mixed"


def _warm_up() -> None:
    """Compile the loops, so that no run pays for it."""
    allocate(synthetic_city(demands=200, seed=0))
    allocate(synthetic_city(demands=200, seed=0, single_pattern=True))


def _run(*, demands: int, seed: int, single: bool) -> dict[str, Any]:
    city = synthetic_city(demands=demands, seed=seed, single_pattern=single)
    begin = time.perf_counter()
    try:
        plan = allocate(city).plan  # raises when the checker refuses the plan
    except Exception as error:
        raise BenchFailed(f"{demands} demands, seed {seed}: {error}") from error
    whole = time.perf_counter() - begin
    compiled = compile_neighbourhood(city, walks_of(city))
    begin = time.perf_counter()
    solve(compiled.instance)
    solving = time.perf_counter() - begin
    return {
        "demands": demands,
        "pattern": _pattern(single=single),
        "seed": seed,
        "served": plan["served"],
        "value_m": plan["value_m"],
        "bound_m": plan["bound_m"],
        "gap_m_per_demand": (plan["bound_m"] - plan["value_m"]) / demands,
        "status": plan["status"],
        "solve_s": round(solving, 3),
        "whole_s": round(whole, 3),
        "sweeps": plan["work"].get("sweeps", 0),
        "linear_programmes": plan["work"].get("linear_programmes", 0),
        "neighbourhoods": plan["work"].get("neighbourhoods", 0),
        "sweep_ms": _sweep_ms(compiled),
        "greedy_share": _greedy_value(compiled) / max(1, plan["value_m"]),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _greedy_value(compiled: Compiled) -> int:
    """Value of serving the highest value first, wherever bays are left: what a sorted list does."""
    problem = presolve(compiled.instance)
    draft = empty_draft(problem)
    fill(problem, draft, loss=-problem.pair_value_m.astype(np.float64))
    return problem.value_of(draft.taken)


def _sweep_ms(compiled: Compiled) -> float:
    """Median milliseconds of one pass over the pairs, timed in the same run."""
    problem = presolve(compiled.instance)
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        ascend_prices(problem, target_m=0, sweeps=1)
        times.append(1000 * (time.perf_counter() - begin))
    return round(median(times), 3)


def table_of(result: dict[str, Any]) -> str:
    """Write runs as a table of text."""
    rows = [[form.format(run[key]) for _, key, form in _COLUMNS] for run in result["runs"]]
    titles = [title for title, _, _ in _COLUMNS]
    widths = [max(len(row[index]) for row in [titles, *rows]) for index in range(len(titles))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in [titles, *rows]]
    return "\n".join(lines)
