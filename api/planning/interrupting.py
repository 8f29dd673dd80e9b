"""Signals while a plan is made: the first ends the search and keeps the best plan so far, the second ends all."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from allocator.clock import Clock

ABORTED = 130
"""Exit code of a program that was interrupted: 128 + SIGINT, as shells have it."""
WARNING = "interrupted: this is the best plan found until then; value and bound say how far it may be from the best"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Hears the signals: before there is anything to keep they end the program, then the first only stops a clock."""

    __slots__ = ("_clock", "aborted", "heard")

    def __init__(self) -> None:
        self.heard = self.aborted = False
        self._clock: Clock | None = None

    def stops(self, clock: Clock) -> None:
        """Stop this clock at the first signal from now on."""
        self._clock = clock

    def hear(self, _number: int, _frame: FrameType | None) -> None:
        """
        Take a signal.

        Raises
        ------
        SystemExit
            With `ABORTED`, when nothing is to be kept or this is the second time.
        """
        if self.heard or self._clock is None:
            self.aborted = True
            raise SystemExit(ABORTED)
        self.heard = True
        self._clock.stop()

    def require_wanted(self) -> None:
        """
        Look before something is written whether it was wanted to the end.

        A signal may be taken where Python lets no exception out, as in a callback of compiled code.

        Raises
        ------
        SystemExit
            With `ABORTED`, when everything was to end.
        """
        if self.aborted:
            raise SystemExit(ABORTED)


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """
    Hear SIGINT and SIGTERM until the end of the block; then whoever heard them before does so again.

    Signals that the program was started to ignore stay ignored, and outside the main thread, where Python hears none,
    nothing changes.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    heard = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    for number in heard:
        signal.signal(number, interruption.hear)
    try:
        yield interruption
    finally:
        for number in heard:
            signal.signal(number, before[number])
