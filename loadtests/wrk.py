"""`wrk` as a function: so fast a client that it is not what is measured."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from loadtests.errors import LoadFailed

_SCRIPT = Path(__file__).with_name("posting.lua")
_SPARE_S = 30


@dataclass(frozen=True, slots=True)
class Posted:
    """What wrk was answered: counts by kind of answer, and how long answers took."""

    seconds: float
    sent: int
    created: int
    refused: int
    failed: int
    other: int
    socket_errors: int
    p50_ms: float
    p95_ms: float
    p99_ms: float

    @property
    def created_per_s(self) -> float:
        """Answers 201 a second."""
        return self.created / self.seconds

    @property
    def unanswered(self) -> int:
        """Requests that were sent and whose answers were not heard: those on their way when time was up."""
        return self.sent - self.created - self.refused - self.failed - self.other


@dataclass(frozen=True, slots=True)
class Posting:
    """What wrk is to post: the body, and where tokens come from and answers go, see `posting.lua`."""

    body: str = "{}"
    tokens: Path | None = None
    answers: Path | None = None
    run: str = "0"


def require_wrk() -> str:
    """
    Find wrk.

    Raises
    ------
    LoadFailed
        It is not there; the sentence says what to install.
    """
    program = shutil.which("wrk")
    if program is None:
        raise LoadFailed("wrk is not on this machine: install it (Debian and Ubuntu: apt-get install wrk)")
    return program


def post(url: str, posting: Posting, *, seconds: int, connections: int, place: Path) -> Posted:
    """
    Post for so many seconds over so many connections, each sending its next request when it has its answer.

    Raises
    ------
    LoadFailed
        wrk is missing or fails.
    """
    body = place / "body.json"
    body.write_text(posting.body, encoding="utf-8")
    command = [require_wrk(), "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "10s"]
    command += ["-s", str(_SCRIPT), url, "--", str(body)]
    command += [str(file) if file else "-" for file in (posting.tokens, posting.answers)]
    done = subprocess.run(
        [*command, posting.run], capture_output=True, encoding="utf-8", timeout=seconds + _SPARE_S, check=False
    )
    if done.returncode:
        raise LoadFailed(f"wrk ended with exit status {done.returncode}: {(done.stderr or done.stdout)[-500:]}")
    return Posted(**json.loads(done.stdout.strip().splitlines()[-1]))
