"""Planners publish a plan; afterwards everybody sees the round's report, and each applicant a receipt."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request

from api.accounts.dependencies import Planner, Transaction, keys_of
from api.accounts.residents import ActingResident
from api.dependencies import Connected
from api.rounds import allocation_queries as queries
from api.rounds.allocation_errors import ReportNotFound
from api.rounds.allocation_schemas import ApplicationId, PublicationIn, PublicationOut, ReceiptOut, RoundId
from api.rounds.publishing import publish_plan
from api.rounds.queries import get_round
from api.rounds.receipt_service import receipt_of
from api.rounds.service import secret_of

router = APIRouter(prefix="/v1", tags=["rounds"])


@router.post("/rounds/{round}/publication", summary="Publish a plan")
def post_publication(
    request: Request, transaction: Transaction, _planner: Planner, round_id: RoundId, wanted: PublicationIn
) -> PublicationOut:
    """Offer bays to those served, put the others on the waitlist, and show the report: all of it or nothing."""
    secret = secret_of(keys_of(request), get_round(transaction, round_id))
    done = publish_plan(transaction, round_id, wanted.plan, secret=secret, now=datetime.now(UTC))
    return PublicationOut(plan=done.plan_id, offers=done.offers, waiting=done.waiting, refused=done.refused)


@router.get("/rounds/{round}/report", summary="The public report of a round")
def get_report(connection: Connected, round_id: RoundId) -> dict[str, Any]:
    """Show sums, the draw and the hashes of a published round; nobody's home, plate or household is in it."""
    report = queries.find_report(connection, round_id)
    if report is None:
        raise ReportNotFound("nothing is published")
    return report


@router.get("/applications/{application}/receipt", summary="The receipt of an application")
def get_receipt(transaction: Transaction, _resident: ActingResident, application_id: ApplicationId) -> ReceiptOut:
    """Show one's own outcome with the proof that it is in the published plan."""
    return ReceiptOut(**receipt_of(transaction, application_id))
