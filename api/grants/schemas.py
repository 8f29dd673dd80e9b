"""Grants and owners as they come in and go out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, model_validator
from sqlalchemy import Row

from api.accounts.identities import LOCAL_ISSUER
from api.accounts.schemas import Incoming, LogInName, Word

Role = Literal["planner", "owner", "committee_worker"]
_BELONGS: dict[str, set[str]] = {
    "planner": set(),
    "owner": {"owner"},
    "committee_worker": {"neighbourhood", "sub_district"},
}


class GrantIn(Incoming):
    """A role for an account: `owner` with an owner, `committee_worker` with a sub-district and an end."""

    log_in_name: LogInName
    issuer: Word = LOCAL_ISSUER
    role: Role
    owner: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None
    neighbourhood: Word | None = None
    sub_district: Word | None = None
    expires_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _complete(self) -> GrantIn:
        given = {name for name in ("owner", "neighbourhood", "sub_district") if getattr(self, name) is not None}
        if given != _BELONGS[self.role]:
            raise ValueError("an owner's grant names the owner, a committee worker's neighbourhood and sub_district")
        return self


class GrantOut(BaseModel):
    """A role that was granted, to an account by its number."""

    id: int
    account: int
    role: Role
    owner: int | None
    sub_district: str | None
    granted_by: int | None
    granted_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class GrantPage(BaseModel):
    """Grants, the oldest first; ask for those `after` the last one."""

    grants: list[GrantOut]
    next: int | None


class GrantMade(BaseModel):
    """The grant's id."""

    id: int


class OwnerIn(Incoming):
    """Who has facilities to share."""

    name: Word


class OwnerOut(BaseModel):
    """An owner; what it drafts is published once it is verified."""

    id: int
    name: str
    created_at: datetime
    verified_at: datetime | None


class OwnerPage(BaseModel):
    """Owners, the oldest first; ask for those `after` the last one."""

    owners: list[OwnerOut]
    next: int | None


def grant_out(row: Row[Any]) -> GrantOut:
    """Show a grant."""
    return GrantOut(
        id=row.id,
        account=row.account_id,
        role=row.role,
        owner=row.owner_id,
        sub_district=row.sub_district,
        granted_by=row.granted_by,
        granted_at=row.granted_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


def owner_out(row: Row[Any]) -> OwnerOut:
    """Show an owner."""
    return OwnerOut(id=row.id, name=row.name, created_at=row.created_at, verified_at=row.verified_at)
