"""Runs as they are asked for and shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

RunId = Annotated[int, Path(ge=1, le=2**63 - 1)]
_A_DAY_S = 86_400
_BASE = "base"


class RunIn(BaseModel):
    """What is to be computed; the neighbourhood is taken as it is when the run begins."""

    model_config = ConfigDict(extra="forbid")

    seed: int | None = Field(
        default=None, ge=-(2**63), lt=2**63, description="Seed of the public draw; the neighbourhood's own without"
    )
    time_limit_s: float | None = Field(
        default=None,
        ge=0,
        le=_A_DAY_S,
        allow_inf_nan=False,
        description="Stop refining after so many seconds; there is a plan whatever the limit",
    )
    gap: float | None = Field(
        default=None, ge=0, le=1, allow_inf_nan=False, description="Stop refining at this (bound - value) / value"
    )


class ProgressOut(BaseModel):
    """How far a run is."""

    stage: str
    words: str


class RunOut(BaseModel):
    """A run and what came of it."""

    id: int
    neighbourhood: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    parameters: RunIn
    base: int | None = Field(description="The plan of the round that it starts from")
    round: int | None = Field(description="The round that is allocated; null for a plan of the neighbourhood itself")
    attempt: int = Field(description="How often it was begun; more than once where a worker died of it")
    progress: ProgressOut | None
    plan: int | None = Field(description="The plan that was made, not published; of the round, where it names one")
    said: str | None = Field(description="Why it failed, in one sentence")
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class RunPage(BaseModel):
    """Runs of a neighbourhood, the newest first."""

    runs: list[RunOut]
    next: str | None = Field(description="Cursor of the next page; null at the end")


def run_out(row: Row[Any]) -> RunOut:
    """Show a run."""
    return RunOut(
        id=row.id,
        neighbourhood=row.neighbourhood,
        state=row.state,
        parameters=RunIn(**{name: value for name, value in row.parameters.items() if name != _BASE}),
        base=row.parameters.get(_BASE),
        round=row.round_id,
        attempt=row.attempt,
        progress=None if row.progress is None else ProgressOut(**row.progress),
        plan=row.plan_id,
        said=row.said,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
