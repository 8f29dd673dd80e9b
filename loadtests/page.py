"""
Results put into docs/benchmarks.md: `python -m loadtests.page`.

A table stands between `<!-- FILE TABLE -->` and `<!-- end -->`, and is written anew from `loadtests/results/FILE.json`;
all other words are by hand. The picture of time and gap by size is drawn from `sizes.json`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loadtests.errors import BenchError, BenchFailed
from loadtests.tables import as_markdown, by_kind, edit_table, growth, our_table, peer_table

Json = dict[str, Any]

ROOT = Path(__file__).parents[1]
PAGE, RESULTS = ROOT / "docs/benchmarks.md", ROOT / "loadtests/results"
PICTURE = "benchmarks.svg"
SIZES = "sizes"
DONE, BENCH_FAILED = 0, 1
_MARKED = re.compile(r"<!-- (\w+) (\w+) -->\n.*?<!-- end -->", re.DOTALL)
_LEVELS_M = {0.25: "#c8553d", 0.15: "#e0a458", 0.05: "#1f6f8b"}


def fill_page(page: str, results: Mapping[str, Json]) -> str:
    """
    Write every table of a page anew; what has no results yet stays as it is.

    Raises
    ------
    BenchFailed
        When a marker names no table.
    """

    def filled(found: re.Match[str]) -> str:
        file, table = found.groups()
        if table not in PARTS:
            raise BenchFailed(f"the page asks for a table {table!r}, there are {', '.join(PARTS)}")
        if file not in results:
            return found.group()
        return f"<!-- {file} {table} -->\n\n{PARTS[table](results[file])}\n\n<!-- end -->"

    return _MARKED.sub(filled, page)


def _measured_on(result: Json) -> str:
    machine, versions = result["machine"], result["versions"]
    named = ", ".join(f"{name} {number}" for name, number in versions.items())
    return (
        f"{machine['cores']} cores of {machine['processor']}, {machine['memory_gib']} GiB, {machine['system']}, "
        f"Python {machine['python']}; {named}; begun {result['began'][:10]}, load at the start {machine['load']}."
    )


def _growth_words(result: Json) -> str:
    times = growth(result["records"])
    if times is None:
        return "Not measured: the gap of 0.25 m was not reached at both sizes."
    return f"time(1,000,000) / time(100,000) = **{times:.1f}**, both to a certified gap of 0.25 m per demand."


PARTS: Mapping[str, Callable[[Json], str]] = MappingProxyType(
    {
        "ours": lambda result: as_markdown(our_table(result["records"])),
        "peers": lambda result: as_markdown(peer_table(result["records"])),
        "edits": lambda result: as_markdown(edit_table(result["records"])),
        "growth": _growth_words,
        "machine": _measured_on,
    }
)


def draw_sizes(result: Json, out: Path) -> None:
    """Draw time to several gaps, and the gap at the end, by size; one mark a run, lines through the medians."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    runs = sorted(by_kind(result["records"]).items(), key=lambda item: item[0][1])
    _draw_times(left, [(size, records) for (_, size), records in runs])
    _draw_gaps(right, [(size, records) for (_, size), records in runs])
    with mpl.rc_context({"svg.hashsalt": "baytide", "svg.fonttype": "none"}):
        figure.savefig(out, metadata={"Date": None})


Sized = Sequence[tuple[int, Sequence[Json]]]


def _draw_times(axes: Axes, sized: Sized) -> None:
    for level, colour in _LEVELS_M.items():
        times = [
            (size, [step["seconds"] for run in runs for step in run["ours"]["steps"] if step["gap_m"] == level])
            for size, runs in sized
        ]
        reached = [(size, [s for s in seconds if s is not None]) for size, seconds in times]
        lines = [(size, median(seconds)) for size, seconds in reached if seconds]
        if lines:
            axes.plot(*zip(*lines, strict=True), color=colour, label=f"to {level:g} m per demand")
        for size, seconds in reached:
            axes.plot([size] * len(seconds), seconds, ".", color=colour)
    ends = [(size, median(run["ours"]["seconds"] for run in runs)) for size, runs in sized]
    axes.plot(*zip(*ends, strict=True), color="#888888", linestyle=":", label="to the end")
    axes.set(xscale="log", yscale="log", xlabel="demands", ylabel="seconds", title="Time to a certified gap")
    axes.legend(frameon=False)
    axes.grid(visible=True, color="#e5e5e5")


def _draw_gaps(axes: Axes, sized: Sized) -> None:
    lines = [(size, median(run["ours"]["gap_m"] for run in runs)) for size, runs in sized]
    axes.plot(*zip(*lines, strict=True), color="#1f6f8b")
    for size, runs in sized:
        axes.plot([size] * len(runs), [run["ours"]["gap_m"] for run in runs], ".", color="#1f6f8b")
    axes.set(xscale="log", xlabel="demands", ylabel="metres per demand", title="Certified gap at the end")
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, color="#e5e5e5")


def read_results(folder: Path) -> dict[str, Json]:
    """Results by the name of their file."""
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))}


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill the page and draw its picture."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.page", description="Put results into docs/benchmarks.md."
    )
    parser.add_argument("--page", type=Path, default=PAGE, help="the page (docs/benchmarks.md)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the results lie (loadtests/results)")
    asked = parser.parse_args(arguments)
    try:
        results = read_results(asked.results)
        asked.page.write_text(fill_page(asked.page.read_text(encoding="utf-8"), results), encoding="utf-8")
        if SIZES in results:
            draw_sizes(results[SIZES], asked.page.with_name(PICTURE))
    except (BenchError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return BENCH_FAILED
    print(f"written: {asked.page}")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
