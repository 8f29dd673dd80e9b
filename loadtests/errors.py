"""Why a benchmark stops."""

from __future__ import annotations


class BenchError(Exception):
    """Root of what benchmarks raise."""


class BadCity(BenchError):
    """A city, or something else asked for, that cannot be: with its name, its value and what was expected."""


class BenchFailed(BenchError):
    """A plan does not hold, or a run ended without one: what was measured is worth nothing."""
