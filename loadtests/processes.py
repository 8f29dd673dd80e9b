"""
A job in a fresh process of its own, its time and memory watched from outside.

Memory is the proportional set size (PSS) of the process and all its descendants, summed every tenth of a second: pages
shared between worker processes count once. A sampled peak can miss a short spike; `largest_mb` beside it is the exact
peak that the system kept of the largest single process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.errors import BenchFailed

SAMPLE_S = 0.1
LAST_WORDS = 2000
"""Characters of a failed job's error output that are told."""
COMMAND = (sys.executable, "-m", "loadtests.jobs")
_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Memory:
    """`at_s` on the system's monotonic clock, `mb` of the whole process tree."""

    at_s: float
    mb: float


@dataclass(frozen=True, slots=True, eq=False)
class JobEnd:
    """What a job answered, None when it was ended at its limit; its memory over time, and of its largest process."""

    answer: dict[str, Any] | None
    seconds: float
    samples: tuple[Memory, ...]
    largest_mb: float

    def peak_mb(self, *, begin_s: float = 0.0, end_s: float = float("inf")) -> float:
        """Highest sample between two moments of the monotonic clock; of all samples, if between them there is none."""
        inside = [sample.mb for sample in self.samples if begin_s <= sample.at_s <= end_s]
        return max(inside or [sample.mb for sample in self.samples], default=self.largest_mb)


def run_job(job: Mapping[str, Any], *, limit_s: float | None = None) -> JobEnd:
    """
    Run a job in a process of its own and wait for its end; beyond `limit_s` seconds it is killed, workers included.

    Raises
    ------
    BenchFailed
        When the job dies without an answer: with the last words it said.
    """
    with tempfile.TemporaryDirectory() as place:
        asked, answered, words = Path(place) / "job.json", Path(place) / "answer.json", Path(place) / "words.txt"
        asked.write_text(json.dumps(job), encoding="utf-8")
        begin = time.monotonic()
        with words.open("wb") as stream:
            process = subprocess.Popen(
                [*COMMAND, str(asked), str(answered)],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                cwd=_ROOT,
                start_new_session=True,
            )
            samples, largest_mb, code, ended = _watch(process, begin, limit_s)
        seconds = time.monotonic() - begin
        if ended:
            return JobEnd(None, seconds, samples, largest_mb)
        if code != 0 or not answered.is_file():
            said = words.read_text(encoding="utf-8", errors="replace")[-LAST_WORDS:]
            raise BenchFailed(f"{_name_of(job)} ended with exit status {code}:\n{said}")
        return JobEnd(json.loads(answered.read_text(encoding="utf-8")), seconds, samples, largest_mb)


def _name_of(job: Mapping[str, Any]) -> str:
    return " ".join(str(job[key]) for key in ("kind", "peer", "edit") if key in job)


def _watch(
    process: subprocess.Popen[bytes], begin_s: float, limit_s: float | None
) -> tuple[tuple[Memory, ...], float, int, bool]:
    """Sample until the end: samples, megabytes of the largest process, exit status, and whether the limit ended it."""
    samples: list[Memory] = []
    ended = False
    try:
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            samples.append(Memory(time.monotonic(), tree_mb(process.pid)))
            if limit_s is not None and not ended and time.monotonic() - begin_s > limit_s:
                ended = True
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(SAMPLE_S)
    except BaseException:  # an interrupt must not leave workers behind
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)  # so that nobody waits for it again
    return tuple(samples), usage.ru_maxrss / 1024, process.returncode, ended


def tree_mb(root: int) -> float:
    """Proportional set size of a process and its descendants, megabytes (MiB)."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            parent = _parent_of(entry.path)
            if parent is not None:
                children[parent].append(int(entry.name))
    total_kb, waiting = 0, [root]
    while waiting:
        process = waiting.pop()
        total_kb += _pss_kb(process)
        waiting += children[process]
    return total_kb / 1024


def _parent_of(place: str) -> int | None:
    try:
        stat = Path(place, "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it ended meanwhile
        return None
    return int(stat.rpartition(")")[2].split()[1])


def _pss_kb(process: int) -> int:
    try:
        with Path(f"/proc/{process}/smaps_rollup").open(encoding="ascii") as lines:
            return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
    except OSError:  # it ended meanwhile
        return 0
