"""The household a request acts for, with no doubt left about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from api.accounts.dependencies import Resident
from api.accounts.refusals import NoHousehold


@dataclass(frozen=True, slots=True)
class Acting:
    """An account that acts for a household: its own, or the one that a committee worker visits."""

    account_id: int
    household_id: int


async def _acting(resident: Resident) -> Acting:
    if resident.account_id is None or resident.household_id is None:
        raise NoHousehold("no household")
    return Acting(resident.account_id, resident.household_id)


ActingResident = Annotated[Acting, Depends(_acting)]
"""Whoever acts for a household; refused without one."""
