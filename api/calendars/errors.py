"""
What can be wrong with a calendar, as a branch of ApiError.

CalendarError
├── UnusableDays          days with faults, each by line and field                                       422
└── ImpossibleNotice      a year out of range, no source, a neighbourhood that says it is not decided    422
"""

from __future__ import annotations

from collections.abc import Iterable

from api.errors import ApiError, Fault, TellsWhy


class CalendarError(ApiError):
    """Root of everything that can be wrong with a calendar."""


class UnusableDays(CalendarError):
    """Days that cannot be used; `faults` lists everything found, in order of line."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(faults))
        super().__init__("\n".join(str(fault) for fault in self.faults))


class ImpossibleNotice(CalendarError, TellsWhy):
    """A notice that makes no sense; the message says why and repeats nothing that was sent."""
