"""Plans: summaries, who walks where, who got none and why, and the certificate."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel
from sqlalchemy import Row

from api.dependencies import Connected
from api.neighbourhoods.queries import get_neighbourhood
from api.plans.queries import PlanNotFound, get_plan, list_assignments, list_plans, list_unserved

router = APIRouter(prefix="/v1", tags=["plans"])
PlanId = Annotated[int, Path(ge=1, le=2**63 - 1)]
After = Annotated[
    int, Query(ge=-1, le=2**31 - 1, description="Position behind which to go on; `next` of the last answer")
]
Limit = Annotated[int, Query(ge=1, le=10_000, description="Most rows of one answer")]


class PlanOut(BaseModel):
    """A plan in the list."""

    id: int
    value_m: int
    bound_m: int
    demands: int
    served: int
    version: str
    input_sha256: dict[str, str]
    has_certificate: bool
    imported_at: datetime
    published_at: datetime | None


class PlanSummary(PlanOut):
    """A plan with all its figures, as plan.json has them."""

    summary: dict[str, Any]


class WalkFeature(BaseModel):
    """A served demand as a GeoJSON line from its home to its facility."""

    type: Literal["Feature"] = "Feature"
    geometry: dict[str, Any]
    properties: dict[str, Any]


class WalkCollection(BaseModel):
    """A page of served demands."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[WalkFeature]
    next: int | None
    """Give it as `after` for the next page; null on the last."""


class UnservedOut(BaseModel):
    """A demand without a bay, the reason, and what there was in reach."""

    demand: str
    reason: str
    options: list[dict[str, Any]]


class UnservedPage(BaseModel):
    """A page of unserved demands."""

    unserved: list[UnservedOut]
    next: int | None


@router.get("/neighbourhoods/{neighbourhood}/plans", summary="Plans of a neighbourhood, the newest first")
def get_plans(connection: Connected, neighbourhood: str) -> list[PlanOut]:
    """List them."""
    owner = get_neighbourhood(connection, neighbourhood).id
    return [PlanOut(**_plan_fields(row)) for row in list_plans(connection, owner)]


@router.get("/plans/{plan}", summary="A plan's figures")
def get_plan_summary(connection: Connected, plan: PlanId) -> PlanSummary:
    """Show a plan without its rows."""
    row = get_plan(connection, plan)
    return PlanSummary(**_plan_fields(row), summary=row.summary)


@router.get("/plans/{plan}/assignments", summary="Who walks where, as GeoJSON lines")
def get_assignments(connection: Connected, plan: PlanId, after: After = -1, limit: Limit = 1000) -> WalkCollection:
    """Show served demands in the plan's order."""
    get_plan(connection, plan)
    rows = list_assignments(connection, plan, after=after, limit=limit + 1)
    return WalkCollection(features=[_walk(row) for row in rows[:limit]], next=_next(rows, limit))


@router.get("/plans/{plan}/unserved", summary="Who got none, and why")
def get_unserved(connection: Connected, plan: PlanId, after: After = -1, limit: Limit = 1000) -> UnservedPage:
    """Show unserved demands in the plan's order."""
    get_plan(connection, plan)
    rows = list_unserved(connection, plan, after=after, limit=limit + 1)
    unserved = [UnservedOut(demand=row.demand, reason=row.reason, options=row.options) for row in rows[:limit]]
    return UnservedPage(unserved=unserved, next=_next(rows, limit))


@router.get("/plans/{plan}/certificate", summary="The certificate, as certificate.json has it")
def get_certificate(connection: Connected, plan: PlanId) -> dict[str, Any]:
    """Show the prices that prove the bound."""
    certificate: dict[str, Any] | None = get_plan(connection, plan).certificate
    if certificate is None:
        raise PlanNotFound("no certificate")
    return certificate


def _plan_fields(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "value_m": row.value_m,
        "bound_m": row.bound_m,
        "demands": row.demands,
        "served": row.served,
        "version": row.version,
        "input_sha256": row.input_sha256,
        "has_certificate": row.certificate is not None,
        "imported_at": row.imported_at,
        "published_at": row.published_at,
    }


def _walk(row: Row[Any]) -> WalkFeature:
    line = [[row.home_lon, row.home_lat], [row.facility_lon, row.facility_lat]]
    return WalkFeature(
        geometry={"type": "LineString", "coordinates": line},
        properties={
            "demand": row.demand,
            "home": row.home,
            "facility": row.facility,
            "bay_group": row.bay_group,
            "walk_m": row.walk_m,
            "days_left_out": [day.isoformat() for day in row.days_left_out],
        },
    )


def _next(rows: list[Row[Any]], limit: int) -> int | None:
    return rows[limit - 1].position if len(rows) > limit else None
