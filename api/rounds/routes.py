"""Rounds: what everybody sees of them, and what planners do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy import Row

from api.accounts.dependencies import Planner, Transaction, keys_of
from api.neighbourhoods.queries import get_neighbourhood
from api.rounds import queries, service
from api.rounds.schemas import (
    CancellationIn,
    DelayIn,
    PublicNumberIn,
    RoundEdit,
    RoundIn,
    RoundList,
    RoundOut,
    shown_round,
)

router = APIRouter(prefix="/v1", tags=["rounds"])
RoundId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/neighbourhoods/{neighbourhood}/rounds", summary="Rounds of a neighbourhood")
def get_rounds(request: Request, transaction: Transaction, neighbourhood: str) -> RoundList:
    """List rounds with their dates, the newest first; drafts are planners' own."""
    place = get_neighbourhood(transaction, neighbourhood)
    return RoundList(rounds=[_shown(request, row) for row in queries.list_rounds(transaction, place.id)])


@router.post("/neighbourhoods/{neighbourhood}/rounds", summary="Draft a round", status_code=201)
def post_round(
    request: Request,
    response: Response,
    transaction: Transaction,
    planner: Planner,
    neighbourhood: str,
    wanted: RoundIn,
) -> RoundOut:
    """Draft a round: dates, term, facilities, and the public number that its draw will come from."""
    row = service.create_round(
        transaction, neighbourhood, wanted.draft(), account_id=planner.account_id, now=datetime.now(UTC)
    )
    response.headers["Location"] = f"/v1/rounds/{row.id}"
    return _shown(request, row)


@router.get("/rounds/{round}", summary="One round")
def get_round(request: Request, transaction: Transaction, round: RoundId) -> RoundOut:
    """Show a round: what happens when, what is given away, and how the draw can be repeated."""
    return _shown(request, queries.get_round(transaction, round))


@router.put("/rounds/{round}", summary="Change a draft")
def put_round(
    request: Request,
    transaction: Transaction,
    _planner: Planner,
    round: RoundId,
    wanted: RoundEdit,
) -> RoundOut:
    """Change a round that is not open yet; the dates of open ones are kept."""
    row = service.edit_round(transaction, round, wanted.draft(), version=wanted.version, now=datetime.now(UTC))
    return _shown(request, row)


@router.post("/rounds/{round}/opening", summary="Open a round")
def post_opening(
    request: Request,
    transaction: Transaction,
    _planner: Planner,
    round: RoundId,
) -> RoundOut:
    """Make its dates public for good, commit to a secret, and reserve its bays for its term."""
    return _shown(request, service.open_round(transaction, keys_of(request), round, now=datetime.now(UTC)))


@router.post("/rounds/{round}/public-number", summary="Enter the public number")
def post_number(
    request: Request,
    transaction: Transaction,
    _planner: Planner,
    round: RoundId,
    drawn: PublicNumberIn,
) -> RoundOut:
    """Note, once, the number that was drawn after closing; the seed of the draw follows from it and the secret."""
    row = service.enter_number(transaction, keys_of(request), round, number=drawn.number, now=datetime.now(UTC))
    return _shown(request, row)


@router.post("/rounds/{round}/delay", summary="Give a late round another day")
def post_delay(
    request: Request,
    transaction: Transaction,
    planner: Planner,
    round: RoundId,
    wanted: DelayIn,
) -> RoundOut:
    """Put publication off, with a reason that is public; applicants are told both."""
    row = service.delay_round(
        transaction,
        round,
        until=wanted.publishes_at,
        reason=wanted.reason,
        account_id=planner.account_id,
        now=datetime.now(UTC),
    )
    return _shown(request, row)


@router.post("/rounds/{round}/cancellation", summary="Call a round off")
def post_cancellation(
    request: Request,
    transaction: Transaction,
    _planner: Planner,
    round: RoundId,
    wanted: CancellationIn,
) -> RoundOut:
    """End a round before it is published; its applicants are told the reason."""
    row = service.cancel_round(transaction, round, reason=wanted.reason, now=datetime.now(UTC))
    return _shown(request, row)


def _shown(request: Request, row: Row[Any]) -> RoundOut:
    return shown_round(keys_of(request), row)
