"""A service report and bay values in words and tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from api.cli.tables import NOTHING, Cell, percent, table_of
from api.pages.words import REASON_WORDS, days_words

Json = Mapping[str, Any]
MOST_ESTATES_SHOWN = 40


def report_words(report: Json) -> str:
    """Tell a report as `service_report` gives it, with `costs` where they are known."""
    parts = [
        f"served {report['served']:,} of {report['demands']:,} demands ({percent(report['service_rate'])})",
        table_of(("tier", *_RATE), [(f"tier {row['tier']}", *_rate(row)) for row in report["by_tier"]]),
        _estates(report),
        table_of(("days", *_RATE), [(days_words(row["days"]), *_rate(row)) for row in report["by_days"]]),
        *_causes(report["unserved"]),
        "\n".join((*_figures(report), *_decision_words(report))),
        *_each(report.get("costs", {}).get("each")),
    ]
    return "\n\n".join(parts)


_RATE = ("demands", "served", "rate")


def _rate(row: Json) -> tuple[Cell, ...]:
    return row["demands"], row["served"], percent(row["service_rate"])


def _estates(report: Json) -> str:
    rows = report["by_estate"]
    shown = [(row["estate"] or "(no estate)", *_rate(row)) for row in rows[:MOST_ESTATES_SHOWN]]
    table = table_of(("estate", *_RATE), shown)
    if len(rows) > MOST_ESTATES_SHOWN:
        table += f"\n… and {len(rows) - MOST_ESTATES_SHOWN} more; --json tells all"
    return f"{table}\nlargest less smallest rate: {percent(report['fairness']['service_rate_spread'])}"


def _causes(unserved: Mapping[str, int]) -> Iterable[str]:
    if unserved:
        yield table_of(("unserved", "demands"), [(REASON_WORDS[why], count) for why, count in unserved.items()])


def _figures(report: Json) -> Iterable[str]:
    walk, fairness, stability = report["walk_m"], report["fairness"], report["stability"]
    if report["served"]:
        yield (
            f"walk: mean {walk['mean']} m, 95 in 100 within {walk['p95']} m, at most {walk['max']} m; "
            f"{percent(walk['share_within_300_m'])} within 300 m, {percent(walk['share_within_500_m'])} within 500 m"
        )
    full = [row for row in report["utilisation_by_hour"] if row["utilisation"] is not None]
    if full:
        most = max(full, key=lambda row: row["utilisation"])
        yield f"utilisation: {percent(most['utilisation'])} of the shared bays at {most['hour']}, the fullest hour"
    gap = report["parking_gap"]
    yield f"parking gap: {percent(gap['before'])} before, {percent(gap['after'])} after"
    yield f"fairness of walks: Gini {fairness['walk_gini']}, Jain {fairness['walk_jain']}"
    yield f"justified envies: {fairness['justified_envies']:,}"
    yield (
        f"holders: {stability['holders']:,}, of these {stability['kept']:,} keep their facility, "
        f"{stability['moved']:,} move, {stability['unserved']:,} go without"
    )


def _decision_words(report: Json) -> Iterable[str]:
    decisions = report["decisions"]
    yield f"decisions: locks {decisions['locks']:,}, rejections {decisions['rejections']:,}"
    if "costs" in report:
        yield f"the best plan without locks and rejections is worth {span_words(report['costs']['all'])} more"


def _each(costs: Sequence[Json] | None) -> Iterable[str]:
    if costs:
        head = ("demand", "decision", "facility", "without it alone")
        rows = [(row["demand"], row["decision"], row["facility"] or "(all)", f"+ {span_words(row)}") for row in costs]
        yield table_of(head, rows)


def span_words(span: Json | None) -> str:
    """`340 m`, or `12 to 15 m` where two solves do not say more."""
    if span is None:
        return NOTHING
    if span["exact_m"] is not None:
        return f"{span['exact_m']:,} m"
    return f"{span['low_m']:,} to {span['high_m']:,} m"


def bay_values_words(rows: Sequence[Json], *, exact: bool) -> str:
    """Tell what bays are worth, one bay group a line."""
    if not exact:
        prices = [(row["facility"], row["bay_group"], row["value_m"], row["exact_m"]) for row in rows]
        return table_of(("facility", "bay group", "price m", "exact m"), prices)
    gains = [
        (
            row["facility"],
            row["bay_group"],
            row["value_m"],
            span_words(row["one_more"]),
            span_words(row["one_fewer"]) if row["why"] is None else row["why"],
        )
        for row in rows
    ]
    return table_of(("facility", "bay group", "price m", "one more adds", "one fewer costs"), gains)
