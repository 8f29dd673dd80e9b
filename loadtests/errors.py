"""Why a benchmark stops."""

from __future__ import annotations


class BenchError(Exception):
    """Root of what benchmarks raise."""


class BadCity(BenchError):
    """A city, or something else asked for, that cannot be: with its name, its value and what was expected."""


class BenchFailed(BenchError):
    """A plan does not hold, or a run ended without one: what was measured is worth nothing."""


class LoadFailed(BenchError):
    """A load test cannot go on: a program is missing, a process died, or the database does not wait for its disk."""
