"""Allocations, plans under review, decisions and receipts as they are asked for and shown."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Row

from api.rounds.outcomes import options_of

_HIGHEST = 2**63 - 1
RoundId = Annotated[int, Path(alias="round", ge=1, le=_HIGHEST)]
PlanId = Annotated[int, Path(alias="plan", ge=1, le=_HIGHEST)]
DecisionId = Annotated[int, Path(alias="decision", ge=1, le=_HIGHEST)]
ApplicationId = Annotated[int, Path(alias="application", ge=1, le=_HIGHEST)]
Id = Annotated[int, Field(ge=1, le=_HIGHEST)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AllocationIn(_Asked):
    """How a round is to be allocated; it stops at the round's own gap or when its work is done."""

    base: Id | None = Field(default=None, description="Plan of the round to start from; the newest without")
    cold: bool = Field(default=False, description="Start from none, whatever there is")


class RoundPlanOut(BaseModel):
    """A plan of a round; private until it is published."""

    id: int
    round: int
    run: int | None
    base: int | None = Field(description="The plan that it was started from")
    status: Literal["optimal", "feasible"]
    value_m: int
    bound_m: int
    demands: int
    served: int
    locked: int = Field(description="Applications that reviewers had locked to a facility")
    rejected: int
    decisions_cost: dict[str, Any] | None = Field(description="What these cost in metres, between two numbers")
    comparison: dict[str, Any] | None = Field(description="What has changed against its base")
    input_sha256: dict[str, str]
    version: str
    checked_at: datetime | None
    created_at: datetime


class RoundPlanSummary(RoundPlanOut):
    """A plan with all its figures, as plan.json has them."""

    summary: dict[str, Any]


class OutcomeOut(BaseModel):
    """What a plan says of an application."""

    application: int
    tier: int
    facility: int | None
    bay_group: str | None
    walk_m: int | None
    days_left_out: list[date]
    reason: str | None = Field(description="Why there is no bay")
    options: list[dict[str, Any]] = Field(description="What was in reach, and why it was not given")


class OutcomePage(BaseModel):
    """Outcomes of a plan, the newest applications first."""

    outcomes: list[OutcomeOut]
    next: str | None = Field(description="Cursor of the next page; null at the end")


class ComparisonOut(BaseModel):
    """What has changed between two plans of a round, in sums and, for the first few, one by one."""

    figures: dict[str, Any]
    changes: list[dict[str, int | None]]
    more: bool = Field(description="Whether there are more changes than are listed")


class DecisionIn(_Asked):
    """A reviewer's word on an application."""

    application: Id
    decision: Literal["lock", "reject"]
    facility: Id | None = Field(default=None, description="Where; a rejection without one is none at all")
    note: Note


class DecisionOut(BaseModel):
    """A decision, as planners see it."""

    id: int
    application: int
    decision: Literal["lock", "reject"]
    facility: int | None
    note: str
    decided_by: int | None
    decided_at: datetime
    in_force: bool = Field(description="False where the facility is not offered any more: no plan has to keep to it")


class PublicationIn(_Asked):
    """Which plan becomes the round's."""

    plan: Id


class PublicationOut(BaseModel):
    """How many households were told what."""

    plan: int
    offers: int
    waiting: int
    refused: int


class ProofStep(BaseModel):
    """A neighbour on the way up, and the side it stands on."""

    side: Literal["left", "right"]
    hash: str


class ReceiptOut(BaseModel):
    """An outcome with all that is needed to find it in the published plan."""

    round: int
    plan: int
    application: int
    outcome: dict[str, Any] = Field(description="What the plan says, exactly as it was hashed")
    salt: str = Field(description="Hexadecimal; keep it: it keeps others from guessing the outcome")
    leaf: str
    proof: list[ProofStep] = Field(description="From the leaf to the root")
    root: str = Field(description="`hashes.receipts` of the round's public report")


def plan_out(row: Row[Any]) -> RoundPlanOut:
    """Show a plan in a list."""
    return RoundPlanOut(**_plan_fields(row))


def plan_summary_out(row: Row[Any]) -> RoundPlanSummary:
    """Show a plan with its figures."""
    return RoundPlanSummary(**_plan_fields(row), summary=row.summary)


def _plan_fields(row: Row[Any]) -> dict[str, Any]:
    names = ("id", "value_m", "bound_m", "demands", "served", "locked", "rejected", "comparison", "input_sha256")
    return {
        **{name: getattr(row, name) for name in names},
        "round": row.round_id,
        "run": row.run_id,
        "base": row.base_id,
        "status": row.summary["status"],
        "decisions_cost": row.summary.get("decisions_cost"),
        "version": row.version,
        "checked_at": row.checked_at,
        "created_at": row.created_at,
    }


def outcome_out(row: Row[Any]) -> OutcomeOut:
    """Show an outcome."""
    return OutcomeOut(
        application=row.application_id,
        tier=row.tier,
        facility=row.facility_id,
        bay_group=row.bay_group,
        walk_m=row.walk_m,
        days_left_out=list(row.days_left_out or ()),
        reason=row.reason,
        options=options_of(row),
    )


def decision_out(row: Row[Any]) -> DecisionOut:
    """Show a decision."""
    return DecisionOut(
        id=row.id,
        application=row.application_id,
        decision=row.decision,
        facility=row.facility_id,
        note=row.note,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        in_force=row.in_force,
    )
