"""A time limit for answers that may be cut short; without one only work counts and equal input gives equal output."""

from __future__ import annotations

import time


class Clock:
    """Counts down from `limit_s` seconds; without a limit never over, unless it is stopped."""

    __slots__ = ("_end",)

    def __init__(self, limit_s: float | None = None) -> None:
        self._end = None if limit_s is None else time.monotonic() + limit_s

    def left_s(self) -> float | None:
        """Seconds left, not below zero; None without a limit."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def is_over(self) -> bool:
        """Whether the limit has passed."""
        return self._end is not None and time.monotonic() >= self._end

    def stop(self) -> None:
        """Let the limit pass now; a signal handler may call this."""
        self._end = time.monotonic()
