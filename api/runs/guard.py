"""
A command that does not outlive whoever started it: `python -m api.runs.guard COMMAND ...`.

The command is ended, with everything it started, when standard input is closed: a worker closes it to call a run off,
and the system does so when the worker is killed. A process of its own, since a thread beside the computation might
never get its turn. It knows nothing of the service, so that it starts in no time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

_FIRST_TO_GO = "800"
"""Of 1000. When memory runs out, the computation is ended, and not the worker or the database."""


def main() -> None:
    """Run the command and end as it ends: with its exit code, or 128 and the number of the signal that killed it."""
    # What asks the worker to end may reach all processes of its group; the worker decides what becomes of this one.
    for asked in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # not every system has it
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=_end_with_the_caller, args=(command.pid,), daemon=True).start()
    code = command.wait()
    os._exit(code if code >= 0 else 128 - code)  # at once: the other thread never stops reading


def _end_with_the_caller(group: int) -> None:
    while os.read(sys.stdin.fileno(), 64):
        pass
    with contextlib.suppress(ProcessLookupError):  # all of it has ended by itself
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
