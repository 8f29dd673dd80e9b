"""Services started for a load test, each in a session of its own, and ended with everything they started."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from loadtests.errors import LoadFailed

ROOT = Path(__file__).parents[1]
_START_LIMIT_S = 90.0
_END_LIMIT_S = 20.0
_LAST_WORDS = 2000


@dataclass(frozen=True, slots=True)
class Service:
    """A service that answers at `address`, no slash at its end; `pid` is its first process."""

    address: str
    pid: int


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str], *, log: Path) -> Iterator[Service]:
    """
    Run a service that says its address on its first line, until the block is left, however it is left.

    Raises
    ------
    LoadFailed
        It ends, or is not ready in time; with its last words.
    """
    with log.open("wb") as words:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=words,
            cwd=ROOT,
            env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # the interrupt key is for us; we end it
        )
        try:
            yield Service(_ready_address(process, log), process.pid)
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and kill what is left of its session."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_END_LIMIT_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        pass
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def workers_of(service: Service) -> list[int]:
    """List the processes that a service has started and which hold its code: its workers."""
    children = Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text(encoding="ascii").split()
    named = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
    return [child for child, words in named.items() if b"spawn_main" in words]


def peak_mb(process: int) -> float:
    """Highest resident memory a process ever had, megabytes (MiB), pages shared with others included."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def _ready_address(process: subprocess.Popen[bytes], log: Path) -> str:
    assert process.stdout is not None  # noqa: S101 -- narrowing for the type checker
    first = process.stdout.readline().decode()
    found = re.search(r"http://127\.0\.0\.1:\d+", first)
    deadline = time.monotonic() + _START_LIMIT_S
    while found and process.poll() is None and time.monotonic() < deadline:
        with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{found[0]}/readyz", timeout=10):
            return found[0]
        time.sleep(0.1)
    said = log.read_text(encoding="utf-8", errors="replace")[-_LAST_WORDS:]
    raise LoadFailed(f"a service did not come up: {first.strip()}\n{said}")


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this checkout."""
    return [sys.executable, "-m", module, *arguments]
