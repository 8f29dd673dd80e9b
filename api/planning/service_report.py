"""What a plan does for whom, in the figures planners use: rates, walks, fairness and stability."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from api.calendars.clock import hours_text
from api.errors import Fault, FolderFaults
from api.neighbourhoods.model import Neighbourhood
from api.neighbourhoods.read import read_folder
from api.pages.hours import hourly_use
from api.planning.decision_costs import decision_costs
from api.planning.envy import justified_envies
from api.planning.fairness import gini, jain
from api.planning.held_plan import read_held_plan, require_same_files
from api.planning.walking import walks_of
from api.plans.plan_file import read_plan
from geo.pairs import WalkPairs

Json = dict[str, Any]
NEAR_M = (300, 500)
"""Walks in metres that schemes promise; the share within each is told."""
_PLACES = 4
"""Decimals of shares and indices."""


def report_of_files(
    folder: Path,
    plan_path: Path,
    *,
    costs: bool = False,
    each: bool = False,
    time_limit_s: float | None = None,
    progress: Callable[[str, str], None] = lambda _stage, _words: None,
) -> Json:
    """
    Read a folder and its plan, and report; see `service_report`.

    Parameters
    ----------
    costs
        Also find what locks and rejections cost, as `costs`; the plan has to pass its checker then.
    each
        With `costs`, also decision by decision.
    time_limit_s
        For each solve that costs take.

    Raises
    ------
    FolderFaults
        When folder or plan cannot be read, the plan is of other files, or, with `costs`, does not hold.
    """
    if not costs:
        progress("read", "reading the folder")
        neighbourhood = read_folder(folder)
        files = read_plan(plan_path)
        require_same_files(plan_path.name, files.checked.input_sha256, neighbourhood)
        progress("walk", "measuring walks")
        walks = walks_of(neighbourhood)
        progress("report", "counting")
        return service_report(neighbourhood, walks=walks, plan=files.plan, plan_name=plan_path.name)
    held = read_held_plan(folder, plan_path, progress=progress)
    progress("report", "counting")
    report = service_report(held.neighbourhood, walks=held.walks, plan=held.plan, plan_name=plan_path.name)
    report["costs"] = decision_costs(
        held.neighbourhood,
        walks=held.walks,
        base=held.base,
        plan=held.plan,
        each=each,
        time_limit_s=time_limit_s,
        progress=progress,
    )
    return report


def service_report(
    neighbourhood: Neighbourhood, *, walks: WalkPairs, plan: Mapping[str, Any], plan_name: str = "plan.json"
) -> Json:
    """
    Work out the figures of a plan that is made from a neighbourhood.

    Service rate is served / demands; null where nobody asks. The parking gap is (D − S) / D with D demands and S those
    with a bay: holders before the plan, served after. Everything but the justified envies takes the plan at its word;
    `baytide check` tells whether it may be taken so.

    Raises
    ------
    FolderFaults
        When the plan answers a demand twice or not at all.
    """
    answers = _answers(neighbourhood, plan, plan_name)
    walk_m = answers["walk_m"].drop_nulls().to_numpy().astype(np.int64)
    by_estate = _rates(answers, "estate")
    served = len(walk_m)
    return {
        "demands": len(answers),
        "served": served,
        "service_rate": _share(served, len(answers)),
        "by_tier": [{"tier": tier, **_rate(answers.filter(pl.col("tier") == tier))} for tier in (1, 2, 3)],
        "by_estate": by_estate,
        "by_days": _rates(answers, "days"),
        "unserved": _causes(answers),
        "walk_m": _walk_figures(walk_m),
        "utilisation_by_hour": _utilisation(neighbourhood, plan),
        "parking_gap": _parking_gap(answers),
        "fairness": {
            "walk_gini": gini(walk_m),
            "walk_jain": jain(walk_m),
            "service_rate_spread": _spread(by_estate),
            "justified_envies": justified_envies(neighbourhood, walks=walks, plan=plan),
        },
        "stability": _stability(answers),
        "decisions": _decisions(neighbourhood),
    }


def _answers(neighbourhood: Neighbourhood, plan: Mapping[str, Any], name: str) -> pl.DataFrame:
    """One row a demand: what it asked, and `facility` and `walk_m`, or `reason` where it got none."""
    rows = [(row["demand"], row["facility"], row["walk_m"], None) for row in plan["assignments"]]
    rows += [(row["demand"], None, None, row["reason"]) for row in plan["unserved"]]
    schema = {"id": pl.String(), "facility": pl.String(), "walk_m": pl.Int64(), "reason": pl.String()}
    answers = pl.DataFrame(rows, schema=schema, orient="row")
    known = neighbourhood.demands["id"]
    faults = [
        *(f"{demand!r} is answered more than once" for demand in _repeated(answers["id"])),
        *(f"{demand!r} has no answer" for demand in known.filter(~known.is_in(answers["id"].implode()))),
        *(f"{demand!r} is not in the folder" for demand in answers["id"].filter(~answers["id"].is_in(known.implode()))),
    ]
    if faults:
        raise FolderFaults(Fault(name, 1, "demand", fault) for fault in faults)
    homes = neighbourhood.homes.select(pl.col("id").alias("home"), "estate")
    asked = neighbourhood.demands.select("id", "home", "days", "tier", "holds")
    return asked.join(homes, on="home", how="left", maintain_order="left").join(
        answers, on="id", how="left", maintain_order="left"
    )


def _repeated(names: pl.Series) -> pl.Series:
    return names.filter(names.is_duplicated()).unique().sort()


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, _PLACES) if whole else None


def _rate(answers: pl.DataFrame) -> Json:
    served = answers["facility"].count()
    return {"demands": len(answers), "served": served, "service_rate": _share(served, len(answers))}


def _rates(answers: pl.DataFrame, column: str) -> list[Json]:
    """Service rate by what a column says, in its order; null, where nothing is said, comes last."""
    counts = answers.group_by(column).agg(pl.len().alias("demands"), pl.col("facility").count().alias("served"))
    return [
        {**row, "service_rate": _share(row["served"], row["demands"])}
        for row in counts.sort(column, nulls_last=True).iter_rows(named=True)
    ]


def _spread(by_estate: list[Json]) -> float | None:
    """Largest less smallest service rate of the estates that have a name; null without any."""
    rates = [row["service_rate"] for row in by_estate if row["estate"] is not None]
    return round(max(rates) - min(rates), _PLACES) if rates else None


def _causes(answers: pl.DataFrame) -> dict[str, int]:
    counts = answers["reason"].drop_nulls().value_counts(sort=True, name="count")
    return dict(sorted(counts.iter_rows(), key=lambda row: (-row[1], row[0])))


def _walk_figures(walk_m: NDArray[np.int64]) -> Json:
    count = len(walk_m)
    shares = {f"share_within_{limit}_m": _share(int((walk_m <= limit).sum()), count) for limit in NEAR_M}
    if not count:
        return {"mean": None, "p95": None, "max": None, **shares}
    p95 = np.sort(walk_m)[-(-95 * count // 100) - 1]  # nearest rank
    return {"mean": round(float(walk_m.mean()), 1), "p95": int(p95), "max": int(walk_m.max()), **shares}


def _utilisation(neighbourhood: Neighbourhood, plan: Mapping[str, Any]) -> list[Json]:
    """Occupied of shared bay-hours by hour of an average day of the term, from noon to noon."""
    use = hourly_use(neighbourhood, plan["assignments"])
    return [
        {
            "hour": hours_text(60 * hour),
            "shared_bays": round(float(shared), 1),
            "occupied_bays": round(float(occupied), 1),
            "utilisation": round(float(occupied / shared), _PLACES) if shared else None,
        }
        for hour, shared, occupied in zip(use.hours, use.shared, use.occupied, strict=True)
    ]


def _parking_gap(answers: pl.DataFrame) -> Json:
    demands = len(answers)
    return {
        "before": _share(demands - answers["holds"].count(), demands),
        "after": _share(demands - answers["facility"].count(), demands),
    }


def _stability(answers: pl.DataFrame) -> Json:
    """Count those who hold a facility now by what becomes of them."""
    holders = answers.filter(pl.col("holds").is_not_null())
    kept = int((holders["facility"] == holders["holds"]).sum())
    served = holders["facility"].count()
    return {"holders": len(holders), "kept": kept, "moved": served - kept, "unserved": len(holders) - served}


def _decisions(neighbourhood: Neighbourhood) -> Json:
    words = neighbourhood.decisions["decision"]
    locks = int((words == "lock").sum())
    return {"locks": locks, "rejections": len(words) - locks, "demands": neighbourhood.decisions["demand"].n_unique()}
