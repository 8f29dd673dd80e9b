"""Households see their strikes and appeal, planners decide and set the rules, owners see who is still there."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from api.accounts.dependencies import Planner, SignedIn, Transaction, keys_of
from api.accounts.residents import ActingResident
from api.cursors import cursor_of, id_before
from api.neighbourhoods.queries import get_neighbourhood
from api.overstays import strike_queries as queries
from api.overstays.appeals import appeal, decide
from api.overstays.buffers import own_place
from api.overstays.late_cars import list_late_cars, overstay_figures, policy_of
from api.overstays.policy import policy_from
from api.overstays.schemas import (
    AppealIn,
    DecisionIn,
    FiguresOut,
    LateCarOut,
    PolicyModel,
    StrikeIn,
    StrikeOut,
    StrikePage,
    figures_out,
    late_car_out,
    policy_out,
    strike_out,
)
from api.overstays.striking import strike_after_review

router = APIRouter(prefix="/v1", tags=["overstays"])
StrikeId = Annotated[int, Path(ge=1, le=2**63 - 1)]
_LIST = "strikes"


@router.get("/strikes", summary="The household's strikes")
def get_strikes(transaction: Transaction, resident: ActingResident) -> list[StrikeOut]:
    """List strikes with what follows from each and until when one may appeal, the newest first."""
    return [strike_out(row) for row in reversed(queries.list_of_household(transaction, resident.household_id))]


@router.post("/strikes", summary="Strike a car that was reviewed", status_code=201)
def post_strike(transaction: Transaction, planner: Planner, wanted: StrikeIn) -> StrikeOut:
    """Strike a car that stood there for more than a day too long, once it has left and somebody has looked into it."""
    return strike_out(
        strike_after_review(transaction, wanted.stay, account_id=planner.account_id, now=datetime.now(UTC))
    )


@router.post("/strikes/{strike}/appeal", summary="Appeal against a strike", status_code=201)
def post_appeal(transaction: Transaction, resident: ActingResident, strike: StrikeId, wanted: AppealIn) -> StrikeOut:
    """Say why it is wrong; its consequence waits until a planner has decided."""
    row = appeal(
        transaction,
        strike,
        household_id=resident.household_id,
        account_id=resident.account_id,
        words=wanted.words,
        now=datetime.now(UTC),
    )
    return strike_out(row)


@router.post("/strikes/{strike}/decision", summary="Decide on an appeal")
def post_decision(transaction: Transaction, planner: Planner, strike: StrikeId, wanted: DecisionIn) -> StrikeOut:
    """Uphold the strike or lift it, with a note that the household reads; lifting undoes what followed."""
    row = decide(
        transaction,
        strike,
        decision=wanted.decision,
        note=wanted.note,
        account_id=planner.account_id,
        now=datetime.now(UTC),
    )
    return strike_out(row)


@router.get("/neighbourhoods/{neighbourhood}/strikes", summary="Strikes of a neighbourhood")
def get_neighbourhood_strikes(
    transaction: Transaction,
    _planner: Planner,
    neighbourhood: str,
    *,
    appealed: Annotated[bool, Query(description="Only those whose appeal waits for a decision")] = False,
    cursor: Annotated[str | None, Query(max_length=60, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> StrikePage:
    """List strikes with their appeals, the newest first; of whom is not said."""
    found = get_neighbourhood(transaction, neighbourhood)
    before = id_before(cursor, of=_LIST)
    rows = queries.list_of_neighbourhood(transaction, found.id, appealed=appealed, before=before, limit=limit + 1)
    more = cursor_of(rows[limit - 1].id, of=_LIST) if len(rows) > limit else None
    return StrikePage(strikes=[strike_out(row) for row in rows[:limit]], next=more)


@router.get("/neighbourhoods/{neighbourhood}/overstay-policy", summary="What follows when a car leaves late")
def get_policy(transaction: Transaction, neighbourhood: str) -> PolicyModel:
    """Show the grace, the ladder and when a strike expires: it is public."""
    return policy_out(policy_of(transaction, get_neighbourhood(transaction, neighbourhood).id))


@router.put("/neighbourhoods/{neighbourhood}/overstay-policy", summary="Change what follows when a car leaves late")
def put_policy(transaction: Transaction, planner: Planner, neighbourhood: str, wanted: PolicyModel) -> PolicyModel:
    """Set the rules for strikes from now on; those given keep their consequence."""
    found = get_neighbourhood(transaction, neighbourhood)
    policy = policy_from(wanted.model_dump())
    queries.put_policy(transaction, found.id, policy.document(), account_id=planner.account_id, now=datetime.now(UTC))
    return policy_out(policy)


@router.get("/neighbourhoods/{neighbourhood}/overstays", summary="How many cars leave late")
def get_figures(
    transaction: Transaction,
    _planner: Planner,
    neighbourhood: str,
    *,
    first: Annotated[date, Query(description="First morning")],
    last: Annotated[date, Query(description="Last morning, included")],
) -> FiguresOut:
    """Tell the overstay rate and minutes of some mornings, and the strikes that came of them."""
    found = get_neighbourhood(transaction, neighbourhood)
    return figures_out(overstay_figures(transaction, found.id, first=first, last=last), first=first, last=last)


@router.get("/facilities/{facility}/late-cars", summary="Who is still there")
def get_late_cars(
    request: Request,
    *,
    response: Response,
    transaction: Transaction,
    principal: SignedIn,
    facility: Annotated[int, Path(ge=1, le=2**63 - 1)],
) -> list[LateCarOut]:
    """List the plates of cars that are still there after the grace, or to be reviewed, to its owner and planners."""
    own_place(transaction, facility, principal=principal)
    response.headers["Cache-Control"] = "no-store"
    cars = list_late_cars(transaction, keys_of(request), facility, now=datetime.now(UTC))
    return [late_car_out(car) for car in cars]
