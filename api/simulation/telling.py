"""A season in lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.simulation.running import Lived


def lines_of(lived: Lived) -> Iterator[str]:
    """Tell what came of a season, the invariants first."""
    if lived.broken:
        yield "BROKEN " + ", ".join(f"{name}: {number}" for name, number in lived.broken.items())
    else:
        yield "every invariant holds"
    kpis = lived.report["kpis"]
    yield ""
    yield from _served(kpis)
    yield from _nights(kpis)
    yield from _dates(lived.report["dates"])
    yield ""
    yield "what happened: " + ", ".join(f"{name} {number:,}" for name, number in lived.tally.items())


def _served(kpis: dict[str, Any]) -> Iterator[str]:
    yield _line("service rate", kpis["service_rate"], f"{kpis['served']:,} of {kpis['applications']:,} applications")
    for row in kpis["by_tier"]:
        yield _line(f"  tier {row['tier']}", row["service_rate"], f"{row['served']:,} of {row['applications']:,}")
    causes = ", ".join(f"{reason} {number}" for reason, number in kpis["unserved"].items()) or "nobody"
    yield f"{'unserved':<22}{causes}"
    walk = kpis["walk_m"]
    yield f"{'walk':<22}mean {walk['mean']} m, p95 {walk['p95']} m, longest {walk['max']} m"
    yield _line("  within 300 m", walk["share_within_300_m"])
    gap = kpis["parking_gap"]
    yield f"{'parking gap':<22}{_percent(gap['before'])} before, {_percent(gap['after'])} after"
    fair = kpis["fairness"]
    yield (
        f"{'fairness':<22}Gini of walks {fair['walk_gini']}, Jain {fair['walk_jain']}, "
        f"estates apart by {_percent(fair['service_rate_spread'])}"
    )
    stability = kpis["stability"]
    yield _line("holders unchanged", stability["unchanged"], f"{stability['kept']} of {stability['holders']}")


def _nights(kpis: dict[str, Any]) -> Iterator[str]:
    use = {row["hour"]: row["utilisation"] for row in kpis["utilisation_by_hour"]}
    yield f"{'utilisation':<22}" + ", ".join(f"{hour} {_percent(use[hour])}" for hour in ("20:00", "02:00", "06:00"))
    yield f"{'turnover':<22}{kpis['turnover']} cars a bay and night"
    late, nights = kpis["overstays"], kpis["nights"]
    minutes = f"{late['minutes_mean']} min on average"
    yield _line("overstays", late["rate"], f"{late['late']} of {late['stays']} stays, {minutes}")
    yield _line("nights given back", nights["release_rate"])
    yield _line("nobody came", nights["no_show_rate"])
    yield f"{'booked for a night':<22}{nights['booked_once']:,}"
    waiting = kpis["waiting_days"]
    yield (
        f"{'waiting':<22}{waiting['reached']} of {waiting['joined']} reached, "
        f"median {waiting['median']} days, nine in ten within {waiting['p90']}"
    )
    gone = kpis["withdrawals"]
    yield f"{'withdrawals':<22}{gone['planned']} planned, {gone['emergency']} at once"


def _dates(dates: dict[str, Any]) -> Iterator[str]:
    first, second = _percent(dates["reached_by_p50"]), _percent(dates["reached_by_p90"])
    told = f"{dates['estimates']} ({dates['censored']} cut off)"
    yield f"{'dates told':<22}{told}: {first} by the first, {second} by the second"
    yield f"{'  apart':<22}{dates['median_width_days']} days"


def _line(name: str, value: float | None, more: str = "") -> str:
    return f"{name:<22}{_percent(value)}" + (f" ({more})" if more else "")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"
