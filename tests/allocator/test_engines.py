"""What the engines must leave to the program around them."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

import numpy as np
import scipy.sparse

from allocator.engines import Programme, solve_whole


def hard_programme() -> Programme:
    """Make a knapsack of many equal rows, which keeps a solver busy for as long as it may."""
    rng = np.random.default_rng(1)
    rows = rng.integers(1, 60, size=(30, 120)).astype(np.float64)
    return Programme(
        value=rng.integers(1, 60, size=120).astype(np.float64),
        high=np.ones(120),
        rows=scipy.sparse.csr_matrix(rows),
        limit=rows.sum(axis=1) / 3,
        at_least=np.full(30, -np.inf),
    )


def test_an_interruption_is_heard_by_the_program_although_a_programme_is_being_solved() -> None:
    heard: list[int] = []

    def hear(number: int, _frame: FrameType | None) -> None:
        heard.append(number)

    before = signal.signal(signal.SIGINT, hear)
    sender = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    try:
        sender.start()
        answer = solve_whole(hard_programme(), limit_s=1.0)
        sender.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert answer is not None
    assert not answer.optimal  # it was still at it when the signal came
    assert heard == [signal.SIGINT]
