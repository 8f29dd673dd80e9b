"""The page of results: tables between markers, a picture, and nothing else touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loadtests.errors import BenchFailed
from loadtests.page import PAGE, RESULTS, fill_page, main, read_results
from loadtests.tables import growth, our_table, peer_table

STEPS_M = (1.0, 0.5, 0.25, 0.15, 0.1, 0.05, 0.02, 0.01, 0.0)


def record(
    demands: int, *, seed: int = 1, seconds: float, regime: str = "balanced", peers: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Write what a run of one case leaves: each gap a tenth of the whole time after the one before."""
    steps = [{"gap_m": gap, "seconds": seconds * (index + 1) / 10, "value_m": 100} for index, gap in enumerate(STEPS_M)]
    return {
        "case": {"regime": regime, "demands": demands, "seed": seed, "folder": None},
        "shape": {"demands": demands, "pairs": 4 * demands, "rows": 500, "sweep_s": 0.001},
        "ours": {
            "served": demands // 2, "gap_m": 0.01, "status": "optimal", "seconds": seconds, "sweeps": 1000 * seconds,
            "target_gap_m": 0.05, "target_s": seconds / 2, "target_sweeps": 500 * seconds, "peak_mb": 100,
            "bound_m": 1000, "steps": steps,
        },
        "peers": peers or {},
    }  # fmt: skip


def result(*records: dict[str, Any]) -> dict[str, Any]:
    machine = {"cores": 2, "processor": "x", "memory_gib": 24, "system": "Linux", "python": "3.11", "load": 0.1}
    return {"began": "2026-11-01T00:00", "machine": machine, "versions": {"numpy": "2"}, "records": list(records)}


def test_seeds_of_one_city_become_one_row_of_medians() -> None:
    runs = [record(1000, seed=seed, seconds=seconds) for seed, seconds in enumerate((1.0, 9.0, 2.0), start=1)]
    titles, row = our_table(runs)
    cells = dict(zip(titles, row, strict=True))
    assert (cells["city"], cells["demands"], cells["seeds"]) == ("balanced", "1,000", "3")
    assert (cells["solve, s"], cells["optimal"], cells["whole, s"]) == ("2.00", "3 of 3", "–")


def test_a_peer_that_was_ended_is_at_least_so_many_times_slower() -> None:
    reached = {"applies": True, "ended": "target", "reached": True, "times": 7.0, "seconds": 7.0, "value_m": 100}
    ended = {"applies": True, "ended": "limit", "reached": False, "times": 60.0, "seconds": 60.0, "value_m": 90}
    rest = {"bound_m": 1500.0, "behind_m": 0.5, "behind_share": 0.1, "served": 4, "peak_mb": 9}
    peers = {"SCIP": reached | rest, "HiGHS": ended | rest, "flow": {"applies": False}}
    titles, *rows = peer_table([record(1000, seconds=1.0, peers=peers)])
    times, above = titles.index("× our time"), titles.index("own bound above ours, m/demand")
    assert [(row[2], row[times], row[above]) for row in rows] == [
        ("SCIP", "7.0", "0.500"),
        ("HiGHS", "≥ 60.0", "0.500"),
    ]


def test_growth_compares_the_times_to_the_same_gap() -> None:
    small, large = record(100_000, seconds=10.0), record(1_000_000, seconds=80.0)
    assert growth([small, large]) == pytest.approx(8.0)
    assert growth([small]) is None
    assert growth([small | {"case": small["case"] | {"regime": "thin"}}, large]) is None


def test_tables_replace_what_stood_between_their_markers_and_nothing_else() -> None:
    page = "# By hand\n<!-- sizes ours -->\nold\n<!-- end -->\nkept\n<!-- edits edits -->\nnot yet\n<!-- end -->\n"
    filled = fill_page(page, {"sizes": result(record(1000, seconds=1.0))})
    assert "old" not in filled
    assert "| balanced | 1,000 | 1 |" in filled
    assert filled.startswith("# By hand\n<!-- sizes ours -->\n\n| city |")
    assert filled.endswith("kept\n<!-- edits edits -->\nnot yet\n<!-- end -->\n")
    assert fill_page(filled, {"sizes": result(record(1000, seconds=1.0))}) == filled


def test_a_marker_of_an_unknown_table_is_a_mistake() -> None:
    with pytest.raises(BenchFailed, match="'our', there are ours, peers"):
        fill_page("<!-- sizes our -->\n<!-- end -->", {})


def test_the_command_writes_page_and_picture(tmp_path: Path) -> None:
    results, page = tmp_path / "results", tmp_path / "benchmarks.md"
    results.mkdir()
    sizes = result(*(record(demands, seconds=demands / 1000) for demands in (1000, 10_000, 100_000)))
    (results / "sizes.json").write_text(json.dumps(sizes), encoding="utf-8")
    page.write_text("<!-- sizes machine -->\n<!-- end -->\n", encoding="utf-8")
    assert main(["--page", str(page), "--results", str(results)]) == 0
    assert "2 cores of x, 24 GiB" in page.read_text("utf-8")
    picture = (tmp_path / "benchmarks.svg").read_text("utf-8")
    assert "Time to a certified gap" in picture
    assert main(["--page", str(page), "--results", str(results)]) == 0
    assert (tmp_path / "benchmarks.svg").read_text("utf-8") == picture


def test_the_published_page_is_what_the_published_results_fill_in() -> None:
    page = PAGE.read_text("utf-8")
    assert fill_page(page, read_results(RESULTS)) == page, "run python -m loadtests.page"
