"""What can be wrong with a round or an application."""

from __future__ import annotations

from api.errors import ApiError, TellsWhy


class RoundNotFound(ApiError):
    """No round of this id, or a draft that is not one's to see."""


class RoundConflict(TellsWhy):
    """The round is in a state in which this cannot be done, or changed meanwhile."""


class ImpossibleRound(TellsWhy):
    """Dates, facilities or policy that make no round."""


class UnknownYear(ImpossibleRound):
    """The term reaches into days whose holidays nobody has decided, and nobody acknowledged that."""


class ApplicationNotFound(ApiError):
    """No application of this id, or none of one's own."""


class ApplicationsClosed(TellsWhy):
    """Applications are not accepted yet, or not any more."""


class ApplicationExists(TellsWhy):
    """The household, or its car, has an application in this round already."""


class NotEligible(TellsWhy):
    """The household cannot apply; the sentence says why."""
