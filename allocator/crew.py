"""
Districts planned by child processes, so that all cores work and none that fails takes the plan with it.

A child reads pickled jobs from its standard input and writes pickled answers; it is started as a module of its own, so
the caller's main script is never imported again.
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import IO, Any

from allocator.clock import Clock
from allocator.planning import Job, Planned, plan_district

_LENGTH = struct.Struct("<Q")
_LOOK_S = 0.2
"""How often a waiting crew looks at the clock."""
_GRACE_S = 3.0
"""How long children that were told to stop may take to answer with the best they have."""
FEW_JOBS = 3
"""So few are done in this process before children are there."""
_AHEAD = 2
"""Jobs made for each child: one that it does, and one that lies ready."""
_TRIES = 2
"""Processes that may die over a job before its district stays as it is."""


class Crew:
    """
    So many workers; a single one works in this process. The answers do not depend on their number.

    Use as a context: children end with it.
    """

    def __init__(self, workers: int | None = None) -> None:
        self._count = workers or len(os.sched_getaffinity(0))
        self._children: list[_Child] = []

    def gather(self) -> None:
        """Start the children, which takes them a second: early where many jobs will come."""
        if self._count > 1 and not self._children:
            self._children = [_Child() for _ in range(self._count)]

    @property
    def processes(self) -> list[int]:
        """Ids of the children's processes."""
        return [child.process_id for child in self._children]

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.end()

    def plan(
        self,
        count: int,
        *,
        job_of: Callable[[int], Job],
        take: Callable[[int, Planned | None], None],
        after: Sequence[frozenset[int]] | None = None,
        clock: Clock,
    ) -> None:
        """
        Plan so many districts side by side, each as soon as those that it comes after have been taken.

        Parameters
        ----------
        job_of
            Makes the job of a district when its turn has come.
        take
            Hears of every district what was planned: None for one that failed twice or came too late.
        after
            Of each district lower numbers that it comes after; none without.
        """
        if count > FEW_JOBS:
            self.gather()
        if not self._children:
            for number in range(count):
                take(number, None if clock.is_over() else plan_district(job_of(number), clock=clock))
            return
        after = after or [frozenset()] * count
        waiting, taken, running = list(range(count)), set[int](), dict[Future[Planned | None], int]()
        with ThreadPoolExecutor(len(self._children)) as threads:
            idle = list(self._children)
            while waiting or running:
                if clock.is_over():
                    for number in waiting:
                        take(number, None)
                    waiting = []
                    self._call_in(running)
                ready = [number for number in waiting if after[number] <= taken]
                for number in ready[: max(0, _AHEAD * len(self._children) - len(running))]:
                    running[threads.submit(self._hand_over, idle, job_of(number), clock)] = number
                    waiting.remove(number)
                for future in wait(running, timeout=_LOOK_S, return_when=FIRST_COMPLETED).done:
                    number = running.pop(future)
                    take(number, future.result())
                    taken.add(number)

    def _call_in(self, running: Collection[Future[Planned | None]]) -> None:
        """Ask for the best so far; whoever does not answer is ended."""
        for child in self._children if running else ():
            child.stop()
        if running and wait(running, timeout=_GRACE_S).not_done:
            for child in list(self._children):
                child.end()

    def _hand_over(self, idle: list[_Child], job: Job, clock: Clock) -> Planned | None:
        child = idle.pop()
        try:
            for _ in range(_TRIES):
                if clock.is_over():
                    return None
                answer = child.plan(job, limit_s=clock.left_s())
                if answer is not None or clock.is_over():
                    return answer
                child = self._in_place_of(child)
            return None
        finally:
            idle.append(child)

    def _in_place_of(self, child: _Child) -> _Child:
        """Start a new process where one has died."""
        fresh = _Child()
        self._children[self._children.index(child)] = fresh
        return fresh


class _Child:
    """One worker process; once it has failed it answers None."""

    def __init__(self) -> None:
        single = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        path = os.pathsep.join(entry for entry in sys.path if entry)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "allocator.crew"],  # not what happens to lie in the working directory
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            process_group=0,  # the parent decides when to stop: Ctrl-C in a terminal reaches its group only
            env={**os.environ, **single, "PYTHONPATH": path},
        )

    @property
    def process_id(self) -> int:
        return self._process.pid

    def plan(self, job: Job, *, limit_s: float | None) -> Planned | None:
        try:
            _send(self._process.stdin, (job, limit_s))
            answer: Planned | None = _receive(self._process.stdout)
        except (OSError, EOFError, ValueError, pickle.UnpicklingError):
            self.end()
            return None
        return answer

    def stop(self) -> None:
        """Ask for the best so far."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGUSR1)

    def end(self) -> None:
        """Stop the process; nothing of it is left."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what it had not read yet is lost with it
                    continue


def _send(pipe: IO[bytes] | None, message: object) -> None:
    if pipe is None:
        raise EOFError
    content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.write(_LENGTH.pack(len(content)))
    pipe.write(content)
    pipe.flush()


def _receive(pipe: IO[bytes] | None) -> Any:  # noqa: ANN401  (whatever the other side sent)
    header = b"" if pipe is None else pipe.read(_LENGTH.size)
    if pipe is None or len(header) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(header)
    content = pipe.read(length)
    if len(content) < length:
        raise EOFError
    return pickle.loads(content)


def _work() -> None:
    """Plan what comes in until nothing more does; on SIGUSR1 answer with the best so far."""
    clock = Clock()
    signal.signal(signal.SIGUSR1, lambda *_: clock.stop())
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what an engine prints must not mix with answers
    while True:
        try:
            job, limit_s = _receive(sys.stdin.buffer)
        except EOFError:
            return
        clock = Clock(limit_s)
        _send(answers, plan_district(job, clock=clock))


if __name__ == "__main__":
    _work()
