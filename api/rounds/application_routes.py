"""Applications: a household's own, and what committee workers and planners note of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from api.accounts.dependencies import Planner, Resident, SignedIn, Transaction
from api.accounts.principal import COMMITTEE_WORKER, Principal
from api.accounts.refusals import NotAllowed
from api.rounds import application_queries as queries
from api.rounds import applications
from api.rounds.application_schemas import (
    ApplicationEdit,
    ApplicationIn,
    ApplicationList,
    ApplicationOut,
    ApplicationPage,
    DocumentIn,
    DocumentKind,
    application_out,
)
from api.rounds.applications import Applicant
from api.rounds.queries import get_round
from api.rounds.routes import RoundId

router = APIRouter(prefix="/v1", tags=["applications"])
ApplicationId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.post("/rounds/{round}/applications", summary="Apply", status_code=201)
def post_application(
    response: Response,
    transaction: Transaction,
    resident: Resident,
    round: RoundId,
    wanted: ApplicationIn,
) -> ApplicationOut:
    """Apply for the household; one application a household and a car, editable until closing."""
    row = applications.apply(transaction, round, wanted.wish(), applicant=_applicant(resident), now=datetime.now(UTC))
    response.headers["Location"] = f"/v1/applications/{row.id}"
    return application_out(row)


@router.get("/rounds/{round}/applications", summary="Applications of a round")
def get_applications_of_round(
    transaction: Transaction,
    _planner: Planner,
    round: RoundId,
    after: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ApplicationPage:
    """List them for planners, in the order they came."""
    get_round(transaction, round)
    rows = queries.list_of_round(transaction, round, after=after, limit=limit + 1)
    more = rows[limit - 1].id if len(rows) > limit else None
    return ApplicationPage(applications=[application_out(row) for row in rows[:limit]], next=more)


@router.get("/applications", summary="The household's applications")
def get_applications(transaction: Transaction, resident: Resident) -> ApplicationList:
    """List them, the newest first."""
    rows = queries.list_own(transaction, resident.household_id or 0)
    return ApplicationList(applications=[application_out(row) for row in rows])


@router.get("/applications/{application}", summary="One application")
def get_application(transaction: Transaction, resident: Resident, application: ApplicationId) -> ApplicationOut:
    """Show an application of the household."""
    return application_out(queries.get_application(transaction, application, household_id=resident.household_id))


@router.put("/applications/{application}", summary="Change an application")
def put_application(
    transaction: Transaction, resident: Resident, application: ApplicationId, wanted: ApplicationEdit
) -> ApplicationOut:
    """Change it until closing; send the `version` that was read."""
    row = applications.change(
        transaction,
        application,
        wanted.wish(),
        version=wanted.version,
        applicant=_applicant(resident),
        now=datetime.now(UTC),
    )
    return application_out(row)


@router.post("/applications/{application}/withdrawal", summary="Withdraw an application")
def post_withdrawal(transaction: Transaction, resident: Resident, application: ApplicationId) -> ApplicationOut:
    """Withdraw it until closing; applying again takes it up with the draw it had."""
    row = applications.withdraw(transaction, application, applicant=_applicant(resident), now=datetime.now(UTC))
    return application_out(row)


@router.post("/applications/{application}/documents", summary="Note that a document was seen")
def post_document(
    transaction: Transaction, principal: SignedIn, application: ApplicationId, seen: DocumentIn
) -> ApplicationOut:
    """Note it as a planner, or as a committee worker on a visit; the document itself is not kept."""
    _require_office(principal)
    row = applications.note_document(
        transaction,
        application,
        kind=seen.kind,
        version=seen.version,
        account_id=principal.account_id or 0,
        now=datetime.now(UTC),
    )
    return application_out(row)


@router.delete("/applications/{application}/documents/{kind}", summary="Take back that a document was seen")
def delete_document(
    transaction: Transaction, principal: SignedIn, application: ApplicationId, kind: DocumentKind
) -> ApplicationOut:
    """Mend a slip until closing."""
    _require_office(principal)
    row = applications.forget_document(transaction, application, kind=kind, now=datetime.now(UTC))
    return application_out(row)


def _applicant(resident: Principal) -> Applicant:
    return Applicant(resident.household_id or 0, resident.account_id or 0, on_behalf=resident.on_behalf)


def _require_office(principal: Principal) -> None:
    """Refuse whoever is neither a planner nor a committee worker on a visit: nobody sees documents for oneself."""
    if not (principal.is_planner or (COMMITTEE_WORKER in principal.roles and principal.on_behalf)):
        raise NotAllowed("needs a planner, or a committee worker on a visit")
