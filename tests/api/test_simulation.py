"""A season is lived through the service itself, and what must hold is looked for where it could break."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.simulation.clock import SimulatedClock
from api.simulation.running import Lived, simulate
from tests.api.running import Run

DAYS, DEMANDS = 2, 70
FIGURES = {"estimates", "censored", "reached_by_p50", "reached_by_p90", "median_width_days"}


@pytest.fixture(scope="module")
def lived() -> Lived:
    """Live through the first days of a small term."""
    return simulate(days=DAYS, seed=5, demands=DEMANDS)


def test_a_season_ends_with_every_invariant_whole(lived: Lived) -> None:
    assert lived.broken == {}
    assert lived.report["invariants_broken"] == 0
    assert set(lived.report["dates"]) == FIGURES
    happened = lived.tally
    assert happened["rounds_published"] == 1
    assert min(happened[name] for name in ("applications", "offers_accepted", "nights_placed", "gate_events")) > 10


def test_figures_count_what_happened(lived: Lived) -> None:
    kpis = lived.report["kpis"]
    assert kpis["applications"] == lived.tally["applications"]
    assert kpis["served"] + sum(kpis["unserved"].values()) == kpis["applications"]
    assert sum(row["served"] for row in kpis["by_tier"]) == kpis["served"]
    nightly = {row["hour"]: row["utilisation"] for row in kpis["utilisation_by_hour"]}
    assert 0 < nightly["02:00"] <= 1
    assert kpis["nights"]["booked_once"] == lived.tally["booked_for_a_night"]


def test_the_command_writes_for_machines_and_the_same_seed_lives_the_same_season(
    lived: Lived, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "season.json"
    code, out, _ = run("simulate", "--days", DAYS, "--seed", 5, "--demands", DEMANDS, "--json", file)
    assert code == 0
    assert out.startswith("every invariant holds")
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written.keys() == {"invariants_broken", "kpis", "dates"}
    assert written == json.loads(json.dumps(lived.report))


def test_time_only_goes_forward() -> None:
    clock = SimulatedClock(datetime(2026, 1, 1, tzinfo=UTC))
    clock.move_to(datetime(2026, 1, 2, tzinfo=UTC))
    clock.move_to(datetime(2025, 1, 1, tzinfo=UTC))
    assert clock.now == datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that the database server's account can get into."""
    with tempfile.TemporaryDirectory(prefix="baytide-tests-") as place:
        Path(place).chmod(0o755)
        yield Path(place)


def test_a_season_that_is_ended_leaves_no_database_behind(open_place: Path) -> None:
    season = subprocess.Popen(
        [sys.executable, "-m", "api.cli", "simulate", "--days", "3"], env={**os.environ, "TMPDIR": str(open_place)}
    )
    deadline = time.monotonic() + 60
    while not (found := list(open_place.glob("*/database/postgres/postmaster.pid"))):
        assert season.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.1)
    server = int(found[0].read_text().split()[0])
    season.terminate()
    assert season.wait(60) != 0
    while Path(f"/proc/{server}").exists():  # ended, until the first process of the machine takes note
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert list(open_place.iterdir()) == []
