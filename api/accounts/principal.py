"""Who makes a request, as the rest of the service sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Way = Literal["anonymous", "login_session", "bearer_token", "gate_device"]
PLANNER, OWNER, COMMITTEE_WORKER = "planner", "owner", "committee_worker"


@dataclass(frozen=True, slots=True)
class Principal:
    """
    Who asks, what they may do, and how they showed it.

    Parameters
    ----------
    household_id
        The household acted for: one's own, or the one a committee worker visits.
    roles
        Those granted, neither expired nor revoked: planner, owner, committee_worker.
    owner_ids
        The owners an account with the role `owner` speaks for.
    facility_id
        The facility of a gate device.
    on_behalf
        A committee worker acts for the household.
    """

    account_id: int | None
    household_id: int | None
    roles: frozenset[str]
    owner_ids: frozenset[int]
    way: Way
    facility_id: int | None = None
    on_behalf: bool = False

    @property
    def is_planner(self) -> bool:
        """Whether a planner asks."""
        return PLANNER in self.roles


ANONYMOUS = Principal(None, None, frozenset(), frozenset(), "anonymous")
