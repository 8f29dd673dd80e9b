"""Locust as a child process: headless, on this machine only, bounded in time, its answers read back from a file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from loadtests.answers import Answers
from loadtests.errors import LoadFailed
from loadtests.journey_plan import PLAN_VARIABLE, JourneyPlan, RushPlan
from loadtests.service_processes import ROOT, end

_JOURNEYS = Path(__file__).with_name("booking_journeys.py")
_RUSH = Path(__file__).with_name("rush.py")
_SPARE_S = 60.0
_RUSH_LIMIT_S = 60.0
_LAST_WORDS = 2000


def run_journeys(plan: JourneyPlan, *, address: str, place: Path) -> Answers:
    """
    Let arrivals come as planned; returns what they were answered.

    Raises
    ------
    LoadFailed
        Locust dies, or does not come to its end in time.
    """
    plan.write(place / "journeys.json")
    seconds = sum(seconds for _, seconds in plan.steps) + plan.steady_s + _SPARE_S
    _run(_JOURNEYS, [], place / "journeys.json", address=address, limit_s=seconds)
    return Answers.read(Path(plan.answers))


def run_rush(plan: RushPlan, *, address: str, place: Path) -> Answers:
    """Let everybody ask at once; returns what they were answered. Raises LoadFailed as `run_journeys`."""
    plan.write(place / "rush.json")
    number = str(len(plan.tokens))
    _run(_RUSH, ["-u", number, "-r", number], place / "rush.json", address=address, limit_s=_RUSH_LIMIT_S)
    return Answers.read(Path(plan.answers))


def _run(script: Path, options: Sequence[str], plan: Path, *, address: str, limit_s: float) -> None:
    command = [sys.executable, "-m", "locust", "-f", str(script), "--headless", "--only-summary", "--host", address]
    command += ["--exit-code-on-error", "0", "--loglevel", "WARNING", "--run-time", f"{limit_s:.0f}s", *options]
    words = plan.with_suffix(".log")
    with words.open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            env={**os.environ, PLAN_VARIABLE: str(plan)},
            start_new_session=True,
        )
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(limit_s + _SPARE_S)
        finally:
            end(process)
    if process.returncode:
        said = words.read_text(encoding="utf-8", errors="replace")[-_LAST_WORDS:]
        raise LoadFailed(f"locust ended with exit status {process.returncode}:\n{said}")
