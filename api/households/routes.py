"""One's household, visits of the neighbourhood committee, and what was done in a household's name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from api.accounts.dependencies import CommitteeWorker, Resident, SignedIn, Transaction, keys_of
from api.accounts.showing import address_of
from api.households import queries, service
from api.households.schemas import ActOut, ActPage, HouseholdIn, HouseholdOut, VisitIn, VisitOut
from api.rounds.applications import follow_household
from api.waitlist.moving import move_entries

router = APIRouter(prefix="/v1", tags=["households"])


@router.get("/household", summary="One's household")
def get_household(transaction: Transaction, resident: Resident) -> HouseholdOut:
    """Show where the household lives."""
    return _shown(transaction, resident.household_id or 0)


@router.put("/household", summary="Say where the household lives")
def put_household(transaction: Transaction, principal: SignedIn, wanted: HouseholdIn) -> HouseholdOut:
    """Found one's household in a home, or move it: whatever it has stays with it, its rank on a waitlist too."""
    settled = service.settle(transaction, principal, home_id=wanted.home)
    if principal.household_id is not None:
        follow_household(transaction, principal.household_id, now=datetime.now(UTC))
        move_entries(transaction, principal.household_id, now=datetime.now(UTC))
    return _shown(transaction, settled.household_id or 0)


@router.get("/household/acts", summary="What others did in the household's name")
def get_acts(
    transaction: Transaction,
    _resident: Resident,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ActPage:
    """List the acts of committee workers, the newest first."""
    rows = queries.list_acts(transaction, before=before, limit=limit)
    acts = [ActOut(id=r.id, worker=r.account_id, sub_district=r.sub_district, act=r.act, at=r.at) for r in rows]
    return ActPage(acts=acts, next=acts[-1].id if len(acts) == limit else None)


@router.post("/committee/visits", summary="Visit a household that wants help", status_code=201)
def post_visit(
    request: Request, response: Response, transaction: Transaction, worker: CommitteeWorker, wanted: VisitIn
) -> VisitOut:
    """Find a household of one's sub-district by something exact, and act for it for an hour; it is told."""
    keys = keys_of(request)
    service.count_look_up(request.app.state.engine, keys, worker, address=address_of(request))
    if wanted.plate is not None:
        visit = service.visit_by_plate(transaction, keys, worker, plate=wanted.plate)
    else:
        visit = service.visit_by_name(transaction, worker, name=wanted.log_in_name or "")
    response.headers["Cache-Control"] = "no-store"
    return _visit(transaction, visit)


@router.post("/committee/households", summary="Found a household for people without an account", status_code=201)
def post_household(
    response: Response, transaction: Transaction, worker: CommitteeWorker, wanted: HouseholdIn
) -> VisitOut:
    """Found a household in a home of one's sub-district, and visit it."""
    visit = service.found_on_behalf(transaction, worker, home_id=wanted.home)
    response.headers["Cache-Control"] = "no-store"
    return _visit(transaction, visit)


def _visit(connection: Connection, visit: service.Visit) -> VisitOut:
    household = _shown(connection, visit.household_id)
    return VisitOut(on_behalf_of=visit.secret, expires_at=visit.ends, household=household)


def _shown(connection: Connection, household_id: int) -> HouseholdOut:
    row = queries.get_household(connection, household_id)
    return HouseholdOut(
        id=row.id,
        home=row.home_id,
        home_name=row.home_name,
        estate=row.estate,
        neighbourhood=row.slug,
        timezone=row.timezone,
        members=queries.count_members(connection, household_id),
        created_at=row.created_at,
    )
