"""The same work done by a few threads at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

Counts = dict[str, int]


def do_together(work: Callable[[int], Mapping[str, int]], *, threads: int) -> Counts:
    """
    Let threads do the same work, each told its number from 0; return what they did together.

    An error of one is raised when all have ended. Each may hold a connection to the database: a process has few.
    """
    done: Counter[str] = Counter()
    with ThreadPoolExecutor(threads) as crew:
        for part in [crew.submit(work, number) for number in range(threads)]:
            done.update(part.result())
    return dict(done)
