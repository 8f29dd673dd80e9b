"""
What can go wrong at the edge, as one tree.

ApiError
├── FolderFaults          a neighbourhood folder (or a plan) with faults, each by file, line and field   exit 2
├── UnusablePlace         a place where what was asked for cannot be written                             exit 2
├── TellsWhy              refused for a reason that whoever asked may read; nouns have kinds of it      exit 2
├── NoPlan                no plan keeps every rule: a reviewer's locks contradict the folder              exit 3
└── DatabaseUnavailable   no database that can be used: down, too old, without PostGIS                    exit 3
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class ApiError(Exception):
    """Root of every error the service and the command line raise on purpose."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing wrong in one place of a folder."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.message}"


class FolderFaults(ApiError):
    """A folder that cannot be used; `faults` lists everything found, in order of file and line."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(faults))
        super().__init__("\n".join(str(fault) for fault in self.faults))


class UnusablePlace(ApiError):
    """A place where what was asked for cannot be written; the message says what is in the way."""


class TellsWhy(ApiError):
    """Refused; the message is written here, names nothing of anybody, and is shown to whoever asked."""


class NoPlan(ApiError):
    """No plan can keep every lock of the reviewer; the message names the locks."""


class DatabaseUnavailable(ApiError):
    """The database cannot be used; the message is one sentence that says why and what to do."""
