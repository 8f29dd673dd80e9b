"""What can be refused while a round is allocated, reviewed and published."""

from __future__ import annotations

from api.errors import ApiError, TellsWhy


class DecisionNotFound(ApiError):
    """No decision of this id in the round."""


class ReportNotFound(ApiError):
    """The round is not published, so there is nothing to show yet."""


class PlanUnpublishable(TellsWhy):
    """The plan may not be published."""


class ImpossibleDecision(TellsWhy):
    """A decision that no plan could keep beside the others, or on a facility that is not the round's."""
