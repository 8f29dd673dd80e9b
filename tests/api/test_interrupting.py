"""A plan that is interrupted while it is being made: once keeps the best so far, twice keeps nothing."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from allocator.clock import Clock
from api.neighbourhoods.exporting import write_folder
from api.planning.check import check_folder
from api.planning.interrupting import ABORTED, WARNING, Interruption, interruptible
from loadtests.cities import City, make_city

PATIENCE_S = 60


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a city that takes far longer to refine than to give a first plan of."""
    folder = tmp_path_factory.mktemp("city")
    write_folder(make_city(City(demands=15_000, seed=5)), folder)
    return folder


class Child:
    """`baytide allocate` on a terminal of its own, where it says what it is doing."""

    def __init__(self, folder: Path, out: Path) -> None:
        self._terminal, theirs = pty.openpty()
        command = [sys.executable, "-m", "api.cli", "allocate", str(folder), "--out", str(out)]
        self.process = subprocess.Popen(
            command, stderr=theirs, stdout=subprocess.DEVNULL, env=os.environ | {"COLUMNS": "200"}
        )
        os.close(theirs)
        self.said = ""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        with suppress(OSError):  # how a terminal says that nobody is left on the other side
            while some := os.read(self._terminal, 4096):
                self.said += some.decode(errors="replace")

    def wait_for(self, *words: str) -> None:
        """Wait until one of some words has been said."""
        end = time.monotonic() + PATIENCE_S
        while not any(word in self.said for word in words):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < end, self.said
            time.sleep(0.01)

    def end(self) -> int:
        """Wait for the end; the exit code."""
        code = self.process.wait(PATIENCE_S)
        self._listener.join(PATIENCE_S)
        return code


@contextmanager
def allocating(folder: Path, out: Path) -> Iterator[Child]:
    child = Child(folder, out)
    try:
        yield child
    finally:
        if child.process.poll() is None:
            child.process.kill()
            child.process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_once_the_best_plan_so_far_is_written_and_says_so(city: Path, tmp_path: Path, number: int) -> None:
    out = tmp_path / "plan.json"
    with allocating(city, out) as child:
        child.wait_for("value")
        child.process.send_signal(number)
        assert child.end() == 0, child.said
    plan = json.loads(out.read_text())
    assert WARNING in plan["warnings"]
    assert plan["value_m"] <= plan["bound_m"]
    assert plan["served"] > 0
    assert WARNING[:11] in child.said
    assert check_folder(city, out) == []


def test_interrupted_twice_nothing_is_written(city: Path, tmp_path: Path) -> None:
    with allocating(city, tmp_path / "plan.json") as child:
        child.wait_for("value")
        child.process.send_signal(signal.SIGINT)
        child.wait_for("drawing among", "giving every", "checking")  # it has heard the first
        child.process.send_signal(signal.SIGINT)
        assert child.end() == ABORTED, child.said
    assert list(tmp_path.iterdir()) == []


def test_an_end_that_was_swallowed_is_found_before_anything_is_written() -> None:
    with interruptible() as interruption:
        interruption.stops(Clock())
        signal.raise_signal(signal.SIGINT)
        interruption.require_wanted()
        with suppress(SystemExit):  # as a callback of compiled code does
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(SystemExit) as ended:
            interruption.require_wanted()
        assert ended.value.code == ABORTED


def test_before_there_is_anything_to_keep_the_first_signal_ends_the_program() -> None:
    with interruptible(), pytest.raises(SystemExit) as ended:
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == ABORTED


def test_the_first_signal_stops_the_clock_and_the_second_ends_the_program() -> None:
    clock = Clock()
    with interruptible() as interruption:
        interruption.stops(clock)
        assert (clock.is_over(), clock.left_s()) == (False, None)
        signal.raise_signal(signal.SIGINT)
        assert interruption.heard
        assert (clock.is_over(), clock.left_s()) == (True, 0.0)
        with pytest.raises(SystemExit):
            signal.raise_signal(signal.SIGINT)


def test_afterwards_signals_are_heard_by_whom_they_were_before() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with interruptible() as interruption:
        assert signal.getsignal(signal.SIGINT) == interruption.hear
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_signal_that_the_program_was_started_to_ignore_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_outside_the_main_thread_nothing_is_changed() -> None:
    found: list[Interruption] = []

    def work() -> None:
        with interruptible() as interruption:
            found.append(interruption)

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not found[0].heard
    assert signal.getsignal(signal.SIGINT) is before
