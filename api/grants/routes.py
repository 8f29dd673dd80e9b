"""Roles granted by planners; owners, entered by whoever speaks for them and verified by planners."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from api.accounts.dependencies import Planner, SignedIn, Transaction
from api.grants import queries, service
from api.grants.schemas import (
    GrantIn,
    GrantMade,
    GrantPage,
    OwnerIn,
    OwnerOut,
    OwnerPage,
    grant_out,
    owner_out,
)

router = APIRouter(prefix="/v1", tags=["grants"])
Id = Annotated[int, Path(ge=1, le=2**63 - 1)]
After = Annotated[int, Query(ge=0, le=2**63 - 1)]
Limit = Annotated[int, Query(ge=1, le=200)]


@router.post("/grants", summary="Grant a role", status_code=201)
def post_grant(transaction: Transaction, planner: Planner, wanted: GrantIn) -> GrantMade:
    """Let an account act as planner, for an owner, or for the committee of a sub-district until a day."""
    asked = service.Wanted(**wanted.model_dump())
    return GrantMade(id=service.grant(transaction, asked, granted_by=planner.account_id))


@router.get("/grants", summary="Roles that were granted")
def get_grants(transaction: Transaction, _principal: SignedIn, after: After = 0, limit: Limit = 50) -> GrantPage:
    """List one's own grants, or all for a planner; ended ones too."""
    found = [grant_out(row) for row in queries.list_grants(transaction, after=after, limit=limit)]
    return GrantPage(grants=found, next=found[-1].id if len(found) == limit else None)


@router.delete("/grants/{grant}", summary="Revoke a role", status_code=204, response_class=Response)
def delete_grant(transaction: Transaction, _planner: Planner, grant: Id) -> None:
    """End a grant; from this moment it opens nothing."""
    queries.revoke_grant(transaction, grant)


@router.post("/owners", summary="Enter an owner", status_code=201)
def post_owner(transaction: Transaction, principal: SignedIn, wanted: OwnerIn) -> OwnerOut:
    """Enter an owner and speak for it; it can draft at once, and publish when a planner has verified it."""
    return owner_out(service.enter_owner(transaction, principal, name=wanted.name))


@router.get("/owners", summary="Owners")
def get_owners(transaction: Transaction, principal: SignedIn, after: After = 0, limit: Limit = 50) -> OwnerPage:
    """List the owners one speaks for, or all for a planner."""
    among = None if principal.is_planner else principal.owner_ids
    found = [owner_out(row) for row in queries.list_owners(transaction, among=among, after=after, limit=limit)]
    return OwnerPage(owners=found, next=found[-1].id if len(found) == limit else None)


@router.post("/owners/{owner}/verification", summary="Verify an owner")
def post_verification(transaction: Transaction, planner: Planner, owner: Id) -> OwnerOut:
    """Note that its papers were seen."""
    return owner_out(queries.verify_owner(transaction, owner, verified_by=planner.account_id or 0))
