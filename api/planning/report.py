"""The plan and its certificate as NEIGHBOURHOOD.md writes them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allocator.solve import Solution, gap_of
from api.calendars.clock import date_of
from api.planning.branch_rows import branch_rows, price_rows
from api.planning.compiling import Compiled, Ints, Why
from api.planning.options import spread
from api.planning.outcomes import Outcomes, Reasons
from api.planning.rows import Rows

Json = dict[str, Any]


def plan_of(
    compiled: Compiled,
    solution: Solution,
    outcomes: Outcomes,
    reasons: Reasons,
    *,
    estimated: NDArray[np.bool_],
    seed: int,
    seconds: Mapping[str, float],
    warnings: tuple[str, ...],
) -> Json:
    """Make plan.json; demands in the order of demands.csv, their rows made as they are asked for."""
    demands = compiled.neighbourhood.demands
    served = np.flatnonzero(outcomes.option >= 0)
    walks = np.sort(compiled.options.walk_m[outcomes.option[served]])
    tiers = demands["tier"].to_numpy()[served]
    return {
        "status": "optimal" if solution.is_optimal else "feasible",
        "value_m": solution.value_m,
        "bound_m": solution.bound_m,
        **({"proven_bound_m": solution.value_m} if solution.branches else {}),
        "gap": gap_of(solution.value_m, solution.bound_m),
        "demands": len(demands),
        "served": len(served),
        "served_by_tier": {str(tier): int((tiers == tier).sum()) for tier in (1, 2, 3)},
        "walk_m": _walk_summary(walks),
        "assignments": _assignments(compiled, outcomes, served),
        "unserved": _unserved(compiled, outcomes, reasons),
        "bay_values": _bay_values(compiled, solution, estimated),
        "seed": seed,
        "input_sha256": dict(compiled.neighbourhood.input_sha256),
        "version": version("baytide"),
        "work": dict(solution.work),
        "warnings": list(warnings),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
    }


def _walk_summary(walks: NDArray[np.integer]) -> Json:
    if not len(walks):
        return {"total": 0, "mean": 0, "p95": 0, "max": 0}
    p95 = walks[-(-95 * len(walks) // 100) - 1]  # nearest rank
    return {"total": int(walks.sum()), "mean": round(float(walks.mean()), 1), "p95": int(p95), "max": int(walks[-1])}


def _assignments(compiled: Compiled, outcomes: Outcomes, served: Ints) -> Rows:
    """Rows of those served, made from columns that keep nothing else alive."""
    options, bays, ids = compiled.options, compiled.bays, compiled.neighbourhood.demands["id"]
    chosen = outcomes.option[served]
    bay_group, walk_m, cover = options.bay_group[chosen], options.walk_m[chosen], options.cover[chosen]
    facility_id, group_id = bays.facility_id, bays.group_id
    left_out = [
        [date_of(day).isoformat() for day in compiled.patterns[number].days[flags]]
        for number, flags in compiled.cover_days
    ]

    def rows(begin: int, end: int) -> list[Json]:
        mine = slice(begin, end)
        names = ids.gather(served[mine]).to_list()
        columns = bay_group[mine].tolist(), walk_m[mine].tolist(), cover[mine].tolist()
        return [
            {
                "demand": name,
                "facility": facility_id[place],
                "bay_group": group_id[place],
                "walk_m": metres,
                "days_left_out": left_out[days],
            }
            for name, place, metres, days in zip(names, *columns, strict=True)
        ]

    return Rows(len(served), make=rows)


def _unserved(compiled: Compiled, outcomes: Outcomes, reasons: Reasons) -> Rows:
    """Rows of those refused with the options of each, the nearest first."""
    options, bays, ids = compiled.options, compiled.bays, compiled.neighbourhood.demands["id"]
    refused = np.flatnonzero(outcomes.option < 0)
    cls, row_of = np.unique(compiled.class_of[refused], return_inverse=True)
    which, option = spread(options.ptr[cls], options.ptr[cls + 1] - options.ptr[cls])
    option = option[np.lexsort((options.walk_m[option], which))]
    ptr = np.searchsorted(which, np.arange(len(cls) + 1))
    bay_group, walk_m = options.bay_group[option], options.walk_m[option]
    why, short_m = reasons.option_why[option], reasons.short_m[option]
    reason, names = reasons.why[cls], [word.name for word in Why]
    facility_id, group_id = bays.facility_id, bays.group_id

    full = int(Why.full)

    def options_of(some: Ints) -> list[Json]:
        columns = bay_group[some].tolist(), walk_m[some].tolist(), why[some].tolist(), short_m[some].tolist()
        return [
            {
                "facility": facility_id[place],
                "bay_group": group_id[place],
                "walk_m": metres,
                "why": "full",
                "short_m": short,
            }
            if word == full
            else {
                "facility": facility_id[place],
                "bay_group": group_id[place],
                "walk_m": metres,
                "why": names[word],
            }
            for place, metres, word, short in zip(*columns, strict=True)
        ]

    def rows(begin: int, end: int) -> list[Json]:
        mine, equal = np.unique(row_of[begin:end], return_inverse=True)
        counts = ptr[mine + 1] - ptr[mine]
        told, ends = options_of(spread(ptr[mine], counts)[1]), np.cumsum(counts)
        cuts = [told[start:stop] for start, stop in zip((ends - counts).tolist(), ends.tolist(), strict=True)]
        demands, words = ids.gather(refused[begin:end]).to_list(), reason[row_of[begin:end]].tolist()
        return [
            {"demand": demand, "reason": names[word], "options": cuts[row]}
            for demand, word, row in zip(demands, words, equal.tolist(), strict=True)
        ]

    return Rows(len(refused), make=rows)


def _bay_values(compiled: Compiled, solution: Solution, estimated: NDArray[np.bool_]) -> list[Json]:
    """Tell what one more bay would add at most, by bay group; exactly where prices say exactly that."""
    bays, count = compiled.bays, len(compiled.bays.hours)
    total = np.zeros(count, dtype=np.int64)
    np.add.at(total, solution.price_bay_group, solution.price)
    prices = np.bincount(solution.price_bay_group, minlength=count)
    exact = ~estimated & (prices <= 1) & solution.bay_value_exact & (solution.value_m == solution.bound_m)
    value_m = -(-total // solution.scale)
    return [
        {
            "facility": bays.facility_id[index],
            "bay_group": bays.group_id[index],
            "value_m": int(value_m[index]),
            "exact_m": int(value_m[index]) if exact[index] else None,
        }
        for index in range(count)
    ]


def certificate_of(compiled: Compiled, solution: Solution) -> Json:
    """certificate.json: whole prices at local instants, the bound they prove, and branches where those prove more."""
    return {
        "scale": solution.scale,
        "bound_m": solution.bound_m,
        "prices": price_rows(compiled, solution.price_bay_group, solution.price_at, solution.price),
        **({"branches": branch_rows(compiled, solution)} if solution.branches else {}),
    }
