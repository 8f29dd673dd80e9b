"""Owners write facilities; planners look at them and publish."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Header, Path, Query, Response

from api.accounts.dependencies import ONLY_SIGNED_IN, Planner, SignedIn, Transaction
from api.accounts.principal import Principal
from api.facilities import drafting, publishing
from api.facilities import supply_queries as queries
from api.facilities.errors import DraftNotFound
from api.facilities.offers import read_offer
from api.facilities.supply_schemas import (
    DraftOut,
    DraftPage,
    HistoryPage,
    HitOut,
    PublicationIn,
    PublicationOut,
    ReturnIn,
    consequences_out,
    draft_out,
    history_entry,
)
from api.neighbourhoods.queries import get_neighbourhood

router = APIRouter(prefix="/v1", tags=["supply"])
MOST_DRAFT_BYTES = 2 * 1024 * 1024
"""A facility with some thousand bays drawn one by one."""
_PROBLEM = "application/problem+json"
FacilityId = Annotated[int, Path(ge=1, le=2**63 - 1)]
OwnerId = Annotated[
    int | None,
    Query(ge=1, le=2**63 - 1, description="Whose it is; not needed for an account that speaks for one owner"),
]
Crs = Annotated[Literal["EPSG:4326", "GCJ-02", "BD-09"], Query(description="Of the coordinates in the body")]
Feature = Annotated[
    dict[str, Any],
    Body(
        description="A GeoJSON feature as in facilities.geojson. Besides: `night_price_cents`, `notice_days` (7), and "
        "in a bay group `drawn` (a list of Points or Polygons, one a bay) or `kerb` (`line`, `side`, `bay_length_m`, "
        "`bay_width_m`, `junctions`, `crossings`): its windows then open all of them where they say no `bays`."
    ),
]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", max_length=100, description="The ETag of the version that was read")
]
_HIT: dict[int | str, dict[str, Any]] = {409: {"model": HitOut, "description": "Whom it would hit, or why not now"}}
_VERSIONED: dict[int | str, dict[str, Any]] = {
    412: {"description": "Somebody changed it in the meantime"},
    428: {"description": "If-Match is missing"},
}


@router.post(
    "/neighbourhoods/{neighbourhood}/facilities/drafts",
    summary="Draft a new facility",
    status_code=201,
    max_body_size=MOST_DRAFT_BYTES,
)
def post_draft(
    *,
    transaction: Transaction,
    principal: SignedIn,
    neighbourhood: str,
    feature: Feature,
    response: Response,
    owner: OwnerId = None,
    crs: Crs = "EPSG:4326",
) -> DraftOut:
    """Store a facility that nobody sees but its owner and the planners."""
    owner_id = drafting.owner_for(transaction, principal, wanted=owner)
    neighbourhood_id = get_neighbourhood(transaction, neighbourhood).id
    offer = read_offer(feature, crs=crs)
    draft = drafting.create_draft(transaction, neighbourhood_id, offer, principal=principal, owner_id=owner_id)
    response.headers["Location"] = f"/v1/facilities/{draft.facility_id}/draft"
    return _tagged(draft, response)


@router.get(
    "/neighbourhoods/{neighbourhood}/facilities/drafts", summary="Drafts one may see", dependencies=[ONLY_SIGNED_IN]
)
def get_drafts(
    transaction: Transaction,
    neighbourhood: str,
    after: Annotated[int, Query(ge=0, le=2**63 - 1, description="`next` of the page before")] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> DraftPage:
    """List the drafts of the owners one speaks for, for planners all."""
    neighbourhood_id = get_neighbourhood(transaction, neighbourhood).id
    rows = queries.list_drafts(transaction, neighbourhood_id, after=after, limit=limit + 1)
    more = rows[limit - 1].facility_id if len(rows) > limit else None
    return DraftPage(drafts=[draft_out(row) for row in rows[:limit]], next=more)


@router.get("/facilities/{facility}/draft", summary="The draft of a facility", dependencies=[ONLY_SIGNED_IN])
def get_draft(
    transaction: Transaction,
    facility: FacilityId,
    response: Response,
) -> DraftOut:
    """Show a draft."""
    return _tagged(drafting.get_draft(transaction, facility), response)


@router.put(
    "/facilities/{facility}/draft",
    summary="Write a draft anew, or begin one of what is published",
    max_body_size=MOST_DRAFT_BYTES,
    responses=_VERSIONED,
)
def put_draft(
    *,
    transaction: Transaction,
    principal: SignedIn,
    facility: FacilityId,
    feature: Feature,
    response: Response,
    if_match: IfMatch = None,
    crs: Crs = "EPSG:4326",
) -> DraftOut:
    """Change what is drafted; what is published stays until the draft is."""
    seen = drafting.seen_version(if_match)
    offer = read_offer(feature, crs=crs)
    return _tagged(drafting.edit_draft(transaction, facility, offer, principal=principal, seen=seen), response)


@router.delete("/facilities/{facility}/draft", summary="Throw a draft away", status_code=204, responses=_VERSIONED)
def delete_draft(transaction: Transaction, principal: SignedIn, facility: FacilityId, if_match: IfMatch = None) -> None:
    """Forget a draft; the history keeps it."""
    drafting.discard_draft(transaction, facility, principal=principal, seen=drafting.seen_version(if_match))


@router.post("/facilities/{facility}/draft/submission", summary="Hand a draft to the planners", responses=_VERSIONED)
def post_submission(
    transaction: Transaction, principal: SignedIn, facility: FacilityId, response: Response, if_match: IfMatch = None
) -> DraftOut:
    """Ask for publication."""
    seen = drafting.seen_version(if_match)
    return _tagged(drafting.submit_draft(transaction, facility, principal=principal, seen=seen), response)


@router.post("/facilities/{facility}/draft/return", summary="Give a draft back to its owner", responses=_VERSIONED)
def post_return(
    transaction: Transaction,
    planner: Planner,
    facility: FacilityId,
    wanted: ReturnIn,
    response: Response,
    if_match: IfMatch = None,
) -> DraftOut:
    """Say what has to change before it is published."""
    seen = drafting.seen_version(if_match)
    draft = drafting.return_draft(transaction, facility, principal=planner, seen=seen, reason=wanted.reason)
    return _tagged(draft, response)


@router.post(
    "/facilities/{facility}/draft/publication",
    summary="Verify a draft and publish it",
    response_model=PublicationOut,
    responses={**_VERSIONED, **_HIT},
)
def post_publication(
    transaction: Transaction,
    planner: Planner,
    facility: FacilityId,
    wanted: PublicationIn,
    if_match: IfMatch = None,
) -> Response:
    """Make a draft what everybody sees and books; 409 with a token where confirmed stays would lose their bay."""
    seen = drafting.seen_version(if_match)
    outcome = publishing.publish_draft(
        transaction, facility, principal=planner, seen=seen, token=wanted.token, reason=wanted.reason
    )
    if outcome.done:
        made = PublicationOut(facility=facility, version=seen, withdrawal=outcome.withdrawal_id)
        return Response(made.model_dump_json(), media_type="application/json", headers={"ETag": f'"{seen}"'})
    problem = HitOut(
        type="stays-hit",
        title="Stays would lose their bay",
        status=409,
        detail="Nothing was changed. Send the token of these numbers to go ahead.",
        consequences=consequences_out(outcome.consequences),
    )
    return Response(problem.model_dump_json(), status_code=409, media_type=_PROBLEM)


@router.get("/facilities/{facility}/history", summary="Every change of a facility")
def get_history(
    transaction: Transaction,
    principal: SignedIn,
    facility: FacilityId,
    before: Annotated[int, Query(ge=1, le=2**63 - 1, description="`next` of the page before")] = 2**63 - 1,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> HistoryPage:
    """List what was drafted, published and withdrawn, for its owner and planners."""
    _require_reader(transaction, facility, principal)
    rows = queries.list_history(transaction, facility, before=before, limit=limit + 1)
    more = rows[limit - 1].id if len(rows) > limit else None
    return HistoryPage(facility=facility, history=[history_entry(row) for row in rows[:limit]], next=more)


def _require_reader(transaction: Transaction, facility_id: int, principal: Principal) -> None:
    """Let pass whoever may read the history; who may not learns nothing of a draft."""
    facility = queries.find_facility(transaction, facility_id)
    if facility is not None:
        drafting.require_control(principal, owner_id=facility.owner_id)
    elif not queries.list_history(transaction, facility_id, before=2**63 - 1, limit=1):
        raise DraftNotFound("no such draft")


def _tagged(draft: Any, response: Response) -> DraftOut:  # noqa: ANN401 -- a row
    response.headers["ETag"] = f'"{draft.version}"'
    return draft_out(draft)
