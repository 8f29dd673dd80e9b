"""The plan and its certificate as NEIGHBOURHOOD.md writes them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allocator.solve import Solution, gap_of
from api.calendars.clock import date_of, instant_text
from api.planning.compiling import Compiled, Ints, Why
from api.planning.outcomes import Outcomes, Reasons

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
    """plan.json; demands in the order of demands.csv."""
    demands = compiled.neighbourhood.demands
    served = np.flatnonzero(outcomes.option >= 0)
    walks = np.sort(compiled.options.walk_m[outcomes.option[served]])
    tiers = demands["tier"].to_numpy()[served]
    return {
        "status": "optimal" if solution.bound_m == solution.value_m else "feasible",
        "value_m": solution.value_m,
        "bound_m": solution.bound_m,
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


def _walk_summary(walks: Ints) -> Json:
    if not len(walks):
        return {"total": 0, "mean": 0, "p95": 0, "max": 0}
    p95 = walks[-(-95 * len(walks) // 100) - 1]  # nearest rank
    return {"total": int(walks.sum()), "mean": round(float(walks.mean()), 1), "p95": int(p95), "max": int(walks[-1])}


def _assignments(compiled: Compiled, outcomes: Outcomes, served: Ints) -> list[Json]:
    ids = compiled.neighbourhood.demands["id"].to_list()
    options, bays = compiled.options, compiled.bays
    left_out = [
        [date_of(day).isoformat() for day in compiled.patterns[number].days[flags]]
        for number, flags in compiled.cover_days
    ]
    chosen = outcomes.option[served]
    rows = zip(
        served.tolist(),
        options.bay_group[chosen].tolist(),
        options.walk_m[chosen].tolist(),
        options.cover[chosen].tolist(),
        strict=True,
    )
    return [
        {
            "demand": ids[demand],
            "facility": bays.facility_id[bay_group],
            "bay_group": bays.group_id[bay_group],
            "walk_m": walk_m,
            "days_left_out": left_out[cover],
        }
        for demand, bay_group, walk_m, cover in rows
    ]


def _unserved(compiled: Compiled, outcomes: Outcomes, reasons: Reasons) -> list[Json]:
    ids = compiled.neighbourhood.demands["id"].to_list()
    refused = np.flatnonzero(outcomes.option < 0)
    by_class: dict[int, list[Json]] = {}
    result = []
    for demand, cls in zip(refused.tolist(), compiled.class_of[refused].tolist(), strict=True):
        if cls not in by_class:
            by_class[cls] = _option_rows(compiled, reasons, cls)
        result.append({"demand": ids[demand], "reason": Why(int(reasons.why[cls])).name, "options": by_class[cls]})
    return result


def _option_rows(compiled: Compiled, reasons: Reasons, cls: int) -> list[Json]:
    """Options of a refused class, the nearest first."""
    options, bays = compiled.options, compiled.bays
    mine = np.arange(options.ptr[cls], options.ptr[cls + 1])
    rows = []
    for option in mine[np.argsort(options.walk_m[mine], kind="stable")].tolist():
        why = Why(int(reasons.option_why[option]))
        row: Json = {
            "facility": bays.facility_id[options.bay_group[option]],
            "bay_group": bays.group_id[options.bay_group[option]],
            "walk_m": int(options.walk_m[option]),
            "why": why.name,
        }
        if why == Why.full:
            row["short_m"] = int(reasons.short_m[option])
        rows.append(row)
    return rows


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
    """certificate.json: whole prices at local instants, and the bound they prove."""
    bays = compiled.bays
    return {
        "scale": solution.scale,
        "bound_m": solution.bound_m,
        "prices": [
            {
                "facility": bays.facility_id[bay_group],
                "bay_group": bays.group_id[bay_group],
                "at": instant_text(minute),
                "price": price,
            }
            for bay_group, minute, price in zip(
                solution.price_bay_group.tolist(), solution.price_at.tolist(), solution.price.tolist(), strict=True
            )
        ],
    }
