"""The figures of a neighbourhood, for planners."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.accounts.dependencies import Planner, Transaction
from api.kpis.service import season_kpis
from api.neighbourhoods.queries import get_neighbourhood
from api.problems import BadRange

router = APIRouter(prefix="/v1", tags=["kpis"])
_LONGEST_DAYS = 400


class KpisOut(BaseModel):
    """Figures of a period, counted from what happened; shares are null where there is nothing to share."""

    neighbourhood: str
    first: date
    last: date
    figures: dict[str, Any] = Field(
        description="Service rate, unserved by cause, walks, utilisation by hour, turnover, parking gap, fairness, "
        "stability, waiting, how right told dates were, overstays, nights given back, withdrawals; by the names of the "
        "documentation"
    )


@router.get("/neighbourhoods/{neighbourhood}/kpis", summary="Figures of a period")
def get_kpis(
    transaction: Transaction,
    _planner: Planner,
    neighbourhood: str,
    first: Annotated[date, Query(description="First day, local")],
    last: Annotated[date, Query(description="Last day, local")],
) -> KpisOut:
    """Count the figures of a neighbourhood from one day to another."""
    if not first <= last <= first + timedelta(days=_LONGEST_DAYS):
        raise BadRange(f"`last` must not lie before `first`, and at most {_LONGEST_DAYS} days after it.")
    place = get_neighbourhood(transaction, neighbourhood)
    zone = ZoneInfo(place.timezone)
    figures = season_kpis(
        transaction,
        place.id,
        zone=zone,
        since=datetime.combine(first, time(), tzinfo=zone),
        until=datetime.combine(last + timedelta(days=1), time(), tzinfo=zone),
    )
    return KpisOut(neighbourhood=neighbourhood, first=first, last=last, figures=figures)
