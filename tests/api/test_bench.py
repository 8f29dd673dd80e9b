"""The benchmark's seed: every run is a plan that checks, and repeats."""

from __future__ import annotations

import pytest

from api.planning import bench
from api.planning.bench import BenchFailed, bench_cities, table_of


def test_every_run_is_checked_and_says_its_gap_and_work() -> None:
    result = bench_cities(sizes=[400], seeds=2)
    runs = result["runs"]
    assert [(run["pattern"], run["seed"]) for run in runs] == [("mixed", 1), ("mixed", 2), ("single", 1), ("single", 2)]
    assert all(run["bound_m"] >= run["value_m"] > 0 for run in runs)
    assert all(run["status"] == "optimal" for run in runs if run["pattern"] == "single")
    assert all(0 < run["greedy_share"] <= 1 for run in runs)
    assert len(table_of(result).splitlines()) == 1 + len(runs)


def test_the_same_seed_gives_the_same_city_and_value() -> None:
    first, second = (bench_cities(sizes=[300], seeds=1)["runs"] for _ in range(2))
    assert [run["value_m"] for run in first] == [run["value_m"] for run in second]


def test_a_plan_that_does_not_check_fails_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.planning.allocate.faults_of_plan", lambda *_: ["capacity: a bay was sold twice"])
    monkeypatch.setattr(bench, "_warm_up", lambda: None)
    with pytest.raises(BenchFailed, match="a bay was sold twice"):
        bench_cities(sizes=[100], seeds=1)
