"""The key figures of a plan, by the names planners use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from api.neighbourhoods.model import Neighbourhood
from api.pages.certificate import gap_m, metres_words
from api.pages.charts import Bars, Chart, lying_chart, upright_chart
from api.pages.hours import HourlyUse, hourly_use
from api.pages.words import number_words, reason_words, share_words

_BIN_M = 50


@dataclass(frozen=True, slots=True)
class Figure:
    """One key figure: what, how much, and a word on it."""

    name: str
    value: str
    note: str


def key_figures(neighbourhood: Neighbourhood, plan: Mapping[str, Any], *, num_bays: int) -> list[Figure]:
    """Return service rate, tiers, walks, supply and gap."""
    served, demands = int(plan["served"]), int(plan["demands"])
    walks = walks_of(plan)
    figures = [
        Figure("Households served", f"{number_words(served)} of {number_words(demands)}", share_words(served, demands)),
        *_tier_figures(neighbourhood, plan),
    ]
    if len(walks):
        near = share_words(float((walks <= 300).sum()), len(walks))
        figures.append(Figure("Mean walk", f"{walks.mean():,.0f} m", f"{near} walk at most 300 m"))
        p95, longest = float(plan["walk_m"]["p95"]), float(plan["walk_m"]["max"])
        figures.append(Figure("95 % walk up to", f"{p95:,.0f} m", f"longest walk {longest:,.0f} m"))
    figures.append(Figure("Shared bays", number_words(num_bays), f"for {number_words(demands)} asking households"))
    optimal = plan.get("status") == "optimal"
    figures.append(
        Figure("Proven gap", metres_words(gap_m(plan)), "nobody can do better" if optimal else "a household at most")
    )
    return figures


def _tier_figures(neighbourhood: Neighbourhood, plan: Mapping[str, Any]) -> list[Figure]:
    asked = dict(neighbourhood.demands.group_by("tier").agg(pl.len()).iter_rows())
    if len(asked) < 2:
        return []
    served = {int(tier): int(count) for tier, count in plan.get("served_by_tier", {}).items()}
    return [
        Figure(f"Tier {tier}", f"{number_words(served.get(tier, 0))} of {number_words(asked[tier])}",
               share_words(served.get(tier, 0), asked[tier]))
        for tier in sorted(asked)
    ]  # fmt: skip


def walks_of(plan: Mapping[str, Any]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the walks of the served in whole metres."""
    return np.array([row["walk_m"] for row in plan["assignments"]], dtype=np.int64)


def plan_charts(neighbourhood: Neighbourhood, plan: Mapping[str, Any]) -> list[Chart]:
    """Draw use by hour, walking distances and unmet demand by reason."""
    charts = [hours_chart(hourly_use(neighbourhood, plan["assignments"]))]
    if plan["assignments"]:
        charts.append(walks_chart(walks_of(plan)))
    if plan["unserved"]:
        charts.append(reasons_chart(plan["unserved"]))
    return charts


def hours_chart(use: HourlyUse) -> Chart:
    """Draw how many bays are shared and how many occupied, from noon to noon."""
    occupied, shared = float(use.occupied.sum()), float(use.shared.sum())
    return upright_chart(
        title="Use by hour",
        summary=f"{share_words(occupied, shared)} of the shared bay-hours are used, on an average day of the term",
        labels=[f"{hour:02d}" for hour in use.hours],
        series=[
            Bars("shared bays", tuple(float(v) for v in use.shared), "back"),
            Bars("occupied", tuple(float(v) for v in use.occupied), "front"),
        ],
        unit="bays",
        every=2,
    )


def walks_chart(walks: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Chart:
    """Draw how far the served walk."""
    width = _BIN_M * max(1, -(-int(walks.max()) // (_BIN_M * 30)))  # at most thirty bars, however far somebody walks
    counts = np.bincount(np.maximum(walks - 1, 0) // width)
    labels = [f"{(k + 1) * width}" for k in range(len(counts))]
    return upright_chart(
        title="Walking distance",
        summary=f"half walk at most {np.median(walks):,.0f} m",
        labels=labels,
        series=[Bars("households walking up to so many metres", tuple(float(v) for v in counts), "front")],
        unit="households, by metres up to",
        every=-(-len(labels) // 7),
    )


def reasons_chart(unserved: Sequence[Mapping[str, Any]]) -> Chart:
    """Draw why demands got no bay."""
    counts = Counter(str(row["reason"]) for row in unserved).most_common()
    return lying_chart(
        title="Unmet demand",
        summary=f"{number_words(len(unserved))} households without a bay, by reason",
        labels=[reason_words(reason) for reason, _ in counts],
        values=[count for _, count in counts],
        style="unmet",
    )
