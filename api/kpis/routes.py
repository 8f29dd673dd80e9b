"""The figures of a neighbourhood, for planners."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from api.accounts.dependencies import Planner, Transaction
from api.kpis.schemas import LONGEST_DAYS, KpisOut, shown_kpis
from api.neighbourhoods.queries import get_neighbourhood
from api.problems import BadRange

router = APIRouter(prefix="/v1", tags=["kpis"])


@router.get("/neighbourhoods/{neighbourhood}/kpis", summary="Figures of a period")
def get_kpis(
    transaction: Transaction,
    _planner: Planner,
    neighbourhood: str,
    first: Annotated[date, Query(description="First day, local")],
    last: Annotated[date, Query(description="Last day, local")],
) -> KpisOut:
    """Count the figures of a neighbourhood from one day to another."""
    if not first <= last <= first + timedelta(days=LONGEST_DAYS):
        raise BadRange(f"`last` must not lie before `first`, and at most {LONGEST_DAYS} days after it.")
    return shown_kpis(transaction, get_neighbourhood(transaction, neighbourhood), first=first, last=last)
