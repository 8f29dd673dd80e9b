"""Planners allocate a round and review its plans."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from api.accounts.dependencies import Planner, Transaction
from api.cursors import cursor_of, id_before
from api.rounds import allocation_queries as queries
from api.rounds import review
from api.rounds.allocating import ask_for_allocation
from api.rounds.allocation_schemas import (
    AllocationIn,
    ComparisonOut,
    DecisionId,
    DecisionIn,
    DecisionOut,
    OutcomePage,
    PlanId,
    RoundId,
    RoundPlanOut,
    RoundPlanSummary,
    decision_out,
    outcome_out,
    plan_out,
    plan_summary_out,
)
from api.rounds.comparing import compare_plans
from api.runs.queries import list_runs_of_round
from api.runs.schemas import RunOut, RunPage, run_out

router = APIRouter(prefix="/v1", tags=["rounds"])
Cursor = Annotated[str | None, Query(max_length=60, description="`next` of the page before")]
_RUNS, _OUTCOMES, _MOST_CHANGES = "allocations", "outcomes", 200


@router.post("/rounds/{round}/allocations", summary="Allocate a round", status_code=202)
def post_allocation(
    transaction: Transaction, planner: Planner, response: Response, round_id: RoundId, wanted: AllocationIn
) -> RunOut:
    """Let a worker make a plan of the closed round, or another one from the newest; nobody hears of it yet."""
    row = ask_for_allocation(transaction, round_id, asked_by=planner.account_id, base=wanted.base, cold=wanted.cold)
    response.headers["Location"] = f"/v1/runs/{row.id}"
    return run_out(row)


@router.get("/rounds/{round}/allocations", summary="Allocations of a round")
def get_allocations(
    transaction: Transaction,
    _planner: Planner,
    round_id: RoundId,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> RunPage:
    """List them, the newest first."""
    queries.get_round(transaction, round_id)
    rows = list_runs_of_round(transaction, round_id, before=id_before(cursor, of=_RUNS), limit=limit + 1)
    more = cursor_of(rows[limit - 1].id, of=_RUNS) if len(rows) > limit else None
    return RunPage(runs=[run_out(row) for row in rows[:limit]], next=more)


@router.get("/rounds/{round}/plans", summary="Plans of a round")
def get_round_plans(transaction: Transaction, _planner: Planner, round_id: RoundId) -> list[RoundPlanOut]:
    """List them, the newest first."""
    queries.get_round(transaction, round_id)
    return [plan_out(row) for row in queries.list_plans(transaction, round_id)]


@router.get("/rounds/{round}/plans/{plan}", summary="A plan of a round")
def get_round_plan(transaction: Transaction, _planner: Planner, round_id: RoundId, plan_id: PlanId) -> RoundPlanSummary:
    """Show a plan with its figures."""
    return plan_summary_out(queries.get_plan(transaction, plan_id, of=round_id))


@router.get("/rounds/{round}/plans/{plan}/certificate", summary="The certificate of a round's plan")
def get_round_certificate(
    transaction: Transaction, _planner: Planner, round_id: RoundId, plan_id: PlanId
) -> dict[str, Any]:
    """Show the prices that prove the bound, as certificate.json has them."""
    queries.get_plan(transaction, plan_id, of=round_id)
    certificate: dict[str, Any] = queries.load_certificate(transaction, plan_id)
    return certificate


@router.get("/rounds/{round}/plans/{plan}/outcomes", summary="What a plan says of each application")
def get_outcomes(  # noqa: PLR0917 -- each a parameter of the address
    transaction: Transaction,
    _planner: Planner,
    round_id: RoundId,
    plan_id: PlanId,
    served: Annotated[bool | None, Query(description="Only those with a bay, or only those without")] = None,
    reason: Annotated[str | None, Query(max_length=40, description="Only those refused for this reason")] = None,
    facility: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="Only those given a bay there")] = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> OutcomePage:
    """List outcomes, the newest applications first."""
    queries.get_plan(transaction, plan_id, of=round_id)
    rows = queries.list_outcomes(
        transaction,
        plan_id,
        served=served,
        reason=reason,
        facility=facility,
        before=id_before(cursor, of=_OUTCOMES),
        limit=limit + 1,
    )
    more = cursor_of(rows[limit - 1].application_id, of=_OUTCOMES) if len(rows) > limit else None
    return OutcomePage(outcomes=[outcome_out(row) for row in rows[:limit]], next=more)


@router.get("/rounds/{round}/comparison", summary="What has changed between two plans")
def get_comparison(
    transaction: Transaction,
    _planner: Planner,
    round_id: RoundId,
    before: Annotated[int, Query(ge=1, le=2**63 - 1, description="Id of the earlier plan")],
    after: Annotated[int, Query(ge=1, le=2**63 - 1, description="Id of the later plan")],
) -> ComparisonOut:
    """Compare any two plans of a round: households gained, lost and moved, walks and value."""
    figures = compare_plans(transaction, before, after, of=round_id)
    rows = queries.list_changes(transaction, before=before, after=after, limit=_MOST_CHANGES + 1)
    changes: list[dict[str, int | None]] = [
        {
            "application": row.application_id,
            "before": row.before,
            "after": row.after,
            "walk_before_m": row.walk_before_m,
            "walk_after_m": row.walk_after_m,
        }
        for row in rows[:_MOST_CHANGES]
    ]
    return ComparisonOut(figures=figures, changes=changes, more=len(rows) > _MOST_CHANGES)


@router.get("/rounds/{round}/decisions", summary="What reviewers decided")
def get_decisions(transaction: Transaction, _planner: Planner, round_id: RoundId) -> list[DecisionOut]:
    """List locks and rejections, the oldest first."""
    queries.get_round(transaction, round_id)
    return [decision_out(row) for row in queries.list_decisions(transaction, round_id)]


@router.post("/rounds/{round}/decisions", summary="Lock or reject an outcome", status_code=201)
def post_decision(transaction: Transaction, planner: Planner, round_id: RoundId, wanted: DecisionIn) -> DecisionOut:
    """Lock an application to a facility, or reject one, with a note; the next allocation keeps to it."""
    decision = review.Decision(wanted.application, wanted.decision, wanted.facility, wanted.note)
    decision_id = review.decide(transaction, round_id, decision, decided_by=planner.account_id, now=datetime.now(UTC))
    rows = queries.decisions_on(transaction, wanted.application)
    return decision_out(next(row for row in rows if row.id == decision_id))


@router.delete("/rounds/{round}/decisions/{decision}", summary="Take a decision back", status_code=204)
def delete_decision(transaction: Transaction, planner: Planner, round_id: RoundId, decision_id: DecisionId) -> None:
    """Undo a lock or a rejection; the next allocation is free of it."""
    review.undo(transaction, round_id, decision_id, account_id=planner.account_id)
