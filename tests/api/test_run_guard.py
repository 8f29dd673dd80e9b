"""The guard: a command ends when its caller does, with everything it started, and else is left to itself."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from api.runs.child import read_note, run_command, words_of
from tests.api.processes import processes_with

STARTS_ANOTHER = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", sys.argv[1]])
print("begun", flush=True)
time.sleep(60)
"""


def guarded(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "api.runs.guard", *words]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_everything_ends_with_the_caller(tmp_path: Path) -> None:
    mark = str(tmp_path / "mark")
    with guarded(sys.executable, "-c", STARTS_ANOTHER, mark) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "begun\n"
        until = time.monotonic() + 5
        while len(processes_with(mark)) < 3:  # the guard, the command, and what that started
            assert time.monotonic() < until, processes_with(mark)
            time.sleep(0.02)
        process.stdin.close()
        assert process.wait(timeout=10) == 128 + signal.SIGKILL
    until = time.monotonic() + 5
    while processes_with(mark):
        assert time.monotonic() < until, processes_with(mark)
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("does", "code"), [("sys.exit(3)", 3), ("pass", 0), ("os.kill(os.getpid(), signal.SIGKILL)", 128 + signal.SIGKILL)]
)
def test_it_ends_as_the_command_ends(does: str, code: int) -> None:
    with guarded(sys.executable, "-c", f"import os, signal, sys; {does}") as process:
        assert process.wait(timeout=10) == code


def test_what_asks_the_worker_to_end_does_not_end_the_command() -> None:
    waits = "import sys, time; print('begun', flush=True); time.sleep(0.5); sys.exit(7)"
    with guarded(sys.executable, "-c", waits) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 7


def test_a_complaint_is_told_and_a_warning_is_not(tmp_path: Path) -> None:
    ended = run_command(
        ["check", str(tmp_path / "no"), "plan.json"], said=tmp_path / "said", while_waiting=lambda: None
    )
    assert ended.code == 2
    assert ended.crash is None
    assert "\n" not in words_of(ended)
    assert words_of(ended) == (tmp_path / "said").read_text("utf-8").splitlines()[0]


def test_whoever_waits_can_call_a_command_off(lane: Path, tmp_path: Path) -> None:
    def refuse() -> None:
        raise KeyError("enough")

    began = time.monotonic()
    with pytest.raises(KeyError):
        run_command(["allocate", str(lane)], said=tmp_path / "said", while_waiting=refuse)
    assert time.monotonic() - began < 5
    assert processes_with(str(lane)) == []


def test_nothing_is_noted_before_the_first_step(tmp_path: Path) -> None:
    assert read_note(tmp_path / "note.json") is None
    (tmp_path / "note.json").write_text('{"stage": "walk", "words": "3 of 9 facilities"}')
    assert read_note(tmp_path / "note.json") == {"stage": "walk", "words": "3 of 9 facilities"}
