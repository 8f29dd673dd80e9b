"""Households, visits and acts as they come in and go out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, model_validator

from api.accounts.schemas import Incoming, LogInName

HomeId = Annotated[int, Field(ge=1, le=2**63 - 1)]


class HouseholdIn(Incoming):
    """Where a household lives."""

    home: HomeId


class HouseholdOut(BaseModel):
    """One's own household."""

    id: int
    home: int
    home_name: str | None
    estate: str | None
    neighbourhood: str
    timezone: str
    members: int
    created_at: datetime


class VisitIn(Incoming):
    """What a household is known by: an exact plate, or the exact log-in name of a member."""

    plate: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    log_in_name: LogInName | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> VisitIn:
        if (self.plate is None) == (self.log_in_name is None):
            raise ValueError("give either plate or log_in_name")
        return self


class VisitOut(BaseModel):
    """A visit: send `on_behalf_of` as header On-Behalf-Of, and a request is made in the household's name."""

    on_behalf_of: str
    expires_at: datetime
    household: HouseholdOut


class ActOut(BaseModel):
    """One thing that a committee worker did in the household's name."""

    id: int
    worker: int
    sub_district: str
    act: str
    at: datetime


class ActPage(BaseModel):
    """Acts, the newest first; ask for those `before` the last one."""

    acts: list[ActOut]
    next: int | None
