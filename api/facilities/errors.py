"""
What can be wrong with a change of supply, as a branch of ApiError.

SupplyError
├── DraftNotFound         no draft of this facility, or none that the account may see           404
├── VersionMissing        a change that does not say which version it begins from               428
├── VersionStale          somebody changed it in the meantime                                   412
├── OwnerUnclear          the account speaks for several owners, or for none                    422
├── UnusableFacilities    facilities with faults, each by line and field                        422
├── ImpossibleChange      a withdrawal that makes no sense, says why                            422
├── SupplyConflict        what was asked for does not fit the state things are in, says how     409
└── FileNotAccepted       an import of a kind (415) or size (413) that is not taken
"""

from __future__ import annotations

from collections.abc import Iterable

from api.errors import ApiError, Fault


class SupplyError(ApiError):
    """Root of everything that can be wrong with a change of supply."""


class DraftNotFound(SupplyError):
    """No draft of this facility, or none that the account may see."""


class VersionMissing(SupplyError):
    """A change that does not say which version it begins from."""


class VersionStale(SupplyError):
    """Somebody changed it since that version."""


class OwnerUnclear(SupplyError):
    """The account speaks for several owners, or for none, and did not name one."""


class UnusableFacilities(SupplyError):
    """Facilities that cannot be stored; `faults` lists everything found, in order of line."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.line, fault.field, fault.message)))
        super().__init__(f"{len(self.faults)} faults")


class ImpossibleChange(SupplyError):
    """A withdrawal that makes no sense; the message says why and repeats nothing that was sent."""


class SupplyConflict(SupplyError):
    """What was asked for does not fit the state things are in; the message says how."""


class FileNotAccepted(SupplyError):
    """A file of a kind or size that is not taken, with the HTTP status for it."""

    def __init__(self, said: str, *, status: int) -> None:
        self.status = status
        super().__init__(said)
