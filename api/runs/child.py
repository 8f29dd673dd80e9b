"""A command of ours in a process of its own: its crashes and its memory are not the worker's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_LOOKED_EVERY_S = 1.0
_MOST_SAID = 300
_SIGNALLED = 128
UNEXPECTED = "the computation failed unexpectedly; the worker's log says where"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, the first thing that it complained of, and where it crashed if it did."""

    code: int
    complaint: str
    crash: str | None


def run_command(words: Sequence[str], *, said: Path, while_waiting: Callable[[], None]) -> Ended:
    """
    Run `baytide` with some words and wait for its end.

    Parameters
    ----------
    said
        Where what it says on stderr is kept.
    while_waiting
        Called about once a second; when it raises, the command is ended with all that it started.
    """
    command = [sys.executable, "-m", "api.runs.guard", sys.executable, "-m", "api.cli", *words]
    with (
        said.open("wb") as stderr,
        # It hangs on its standard input, which is closed on the way out of the block; then its end is waited for.
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr) as process,
    ):
        while (code := _wait(process)) is None:
            while_waiting()
    lines = said.read_text(encoding="utf-8", errors="replace").splitlines()
    return Ended(code, _complaint(lines), _crash(lines))


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(timeout=_LOOKED_EVERY_S)
    except subprocess.TimeoutExpired:
        return None


def _complaint(lines: Sequence[str]) -> str:
    heard = [line for line in lines if line.strip() and not line.startswith("warning: ")]
    return heard[0][:_MOST_SAID] if heard else ""


def _crash(lines: Sequence[str]) -> str | None:
    """Name the place and the kind of an error, without its words: they may be somebody's."""
    frames = [line.strip() for line in lines if line.startswith("  File ")]
    return f"{frames[-1]} {lines[-1].partition(':')[0]}" if frames else None


def words_of(ended: Ended) -> str:
    """Say in a sentence why a command that failed did so."""
    if ended.code > _SIGNALLED:
        return f"the computation was ended by signal {ended.code - _SIGNALLED}; did the machine run out of memory?"
    if ended.code < 0:
        return "the computation was ended from outside"
    if ended.crash is not None or not ended.complaint:
        return UNEXPECTED
    return ended.complaint


def read_note(path: Path) -> dict[str, str] | None:
    """Read the step that a command noted last; None before the first."""
    try:
        step = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return {"stage": str(step["stage"]), "words": str(step["words"])}
