"""Records of many runs as medians over seeds, and those as tables of text or Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

Json = dict[str, Any]
Rows = list[list[str]]

CUT_SHORT = ("limit", "killed")
_GROWTH_LEVEL_M = 0.25
_GROWTH_FROM, _GROWTH_TO = 100_000, 1_000_000


def by_kind(records: Sequence[Json]) -> dict[tuple[str, int], list[Json]]:
    """Gather records of the same regime and size, or of the same folder, in the order of their first run."""
    kinds: dict[tuple[str, int], list[Json]] = {}
    for record in records:
        case = record["case"]
        name = case["regime"] if case["folder"] is None else Path(case["folder"]).name
        kinds.setdefault((name, record["shape"]["demands"]), []).append(record)
    return kinds


def middle(runs: Sequence[Mapping[str, Any]], *path: str) -> float | None:
    """Median of a figure over runs; None where not every run has it."""
    values = []
    for run in runs:
        value: Any = run
        for key in path:
            value = None if value is None else value.get(key)
        if value is None:
            return None
        values.append(float(value))
    return median(values) if values else None


def written(value: float | None, form: str) -> str:
    """Write a figure, a dash where there is none."""
    return "–" if value is None else form.format(value)


def our_table(records: Sequence[Json]) -> Rows:
    """Ours by regime and size, the titles first."""
    rows = [
        [
            "city", "demands", "seeds", "pairs", "rows", "served", "gap, m/demand", "optimal", "solve, s", "sweeps",
            "gap asked", "reached in, s", "sweeps to it", "solve, MB", "whole, s", "whole, MB", "check, s",
        ]
    ]  # fmt: skip
    for (name, demands), runs in by_kind(records).items():
        optimal = sum(run["ours"]["status"] == "optimal" for run in runs)
        rows.append(
            [
                name,
                f"{demands:,}",
                str(len(runs)),
                written(middle(runs, "shape", "pairs"), "{:,.0f}"),
                written(middle(runs, "shape", "rows"), "{:,.0f}"),
                written(middle(runs, "ours", "served"), "{:,.0f}"),
                written(middle(runs, "ours", "gap_m"), "{:.4f}"),
                f"{optimal} of {len(runs)}",
                written(middle(runs, "ours", "seconds"), "{:,.2f}"),
                written(middle(runs, "ours", "sweeps"), "{:,.0f}"),
                written(middle(runs, "ours", "target_gap_m"), "{:g}"),
                written(middle(runs, "ours", "target_s"), "{:,.2f}"),
                written(middle(runs, "ours", "target_sweeps"), "{:,.0f}"),
                written(middle(runs, "ours", "peak_mb"), "{:,.0f}"),
                written(middle(runs, "whole", "seconds"), "{:,.1f}"),
                written(middle(runs, "whole", "peak_mb"), "{:,.0f}"),
                written(middle(runs, "whole", "check_s"), "{:,.1f}"),
            ]
        )
    return rows


def peer_table(records: Sequence[Json]) -> Rows:
    """Peers by regime and size: how many times our time, and what was missing then."""
    rows = [
        ["city", "demands", "peer", "reached our value", "× our time", "s", "behind, m/demand", "behind, %", "served",
         "own bound above ours, m/demand", "MB"]
    ]  # fmt: skip
    for (name, demands), runs in by_kind(records).items():
        for peer in runs[0].get("peers", {}):
            answers = [run["peers"][peer] for run in runs if run["peers"][peer]["applies"]]
            if not answers:
                continue
            reached = sum(answer["reached"] for answer in answers)
            above = [_bound_above_m(run, peer) for run in runs]
            share = middle(answers, "behind_share")
            rows.append(
                [
                    name,
                    f"{demands:,}",
                    peer,
                    f"{reached} of {len(answers)}",
                    _times(answers),
                    written(middle(answers, "seconds"), "{:,.2f}"),
                    written(middle(answers, "behind_m"), "{:,.3f}"),
                    written(None if share is None else 100 * share, "{:.2f}"),
                    written(middle(answers, "served"), "{:,.0f}"),
                    written(
                        None if None in above else median(value for value in above if value is not None), "{:,.3f}"
                    ),
                    written(middle(answers, "peak_mb"), "{:,.0f}"),
                ]
            )
    return rows


def _times(answers: Sequence[Json]) -> str:
    """Median of our times, with ≥ where that run was ended before it had our value."""
    known = sorted((answer["times"], answer["ended"] in CUT_SHORT) for answer in answers)
    times, cut_short = known[len(known) // 2]
    return f"{'≥ ' if cut_short else ''}{times:,.1f}"


def _bound_above_m(run: Json, peer: str) -> float | None:
    bound_m = run["peers"][peer].get("bound_m")
    return None if bound_m is None else (bound_m - run["ours"]["bound_m"]) / max(1, run["shape"]["demands"])


def edit_table(records: Sequence[Json]) -> Rows:
    """Edits by regime and size: a warm solve's time over a cold one's, to the same gap."""
    rows = [["city", "demands", "edit", "same gap, m/demand", "cold, s", "warm, s", "warm / cold", "first answer, s"]]
    for (name, demands), runs in by_kind(records).items():
        for edit in runs[0].get("edits", {}):
            answers = [run["edits"][edit] for run in runs]
            figures = [("gap_m", "{:.3f}"), ("cold_s", "{:,.2f}"), ("warm_s", "{:,.2f}"), ("ratio", "{:.3f}")]
            cells = [written(middle(answers, key), form) for key, form in figures]
            rows.append([name, f"{demands:,}", edit, *cells, written(middle(answers, "warm", "first_s"), "{:,.2f}")])
    return rows


def growth(records: Sequence[Json]) -> float | None:
    """Time to 0.25 m at a million demands over that at a hundred thousand, in medians; None where either is missing."""
    times: dict[int, list[float | None]] = {}
    for record in records:
        if record["case"]["folder"] is None and record["case"]["regime"] == "balanced":
            steps = {step["gap_m"]: step["seconds"] for step in record["ours"]["steps"]}
            times.setdefault(record["case"]["demands"], []).append(steps[_GROWTH_LEVEL_M])
    small, large = times.get(_GROWTH_FROM, [None]), times.get(_GROWTH_TO, [None])
    if None in small or None in large:
        return None
    return median(value for value in large if value) / median(value for value in small if value)


TABLES: Mapping[str, Callable[[Sequence[Json]], Rows]] = {"ours": our_table, "peers": peer_table, "edits": edit_table}


def as_text(rows: Rows) -> str:
    """Columns side by side for a terminal."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def as_markdown(rows: Rows) -> str:
    """Write a table of Markdown, figures to the right."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---:|" * len(rows[0]), *lines[1:]])
