"""Many facilities from one file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel

from api.accounts.dependencies import ONLY_SIGNED_IN, SignedIn, Transaction
from api.facilities import drafting, import_queries
from api.facilities.bulk_import import MEDIA_TYPES, MOST_BYTES, Import, import_offers, read_file
from api.facilities.draft_routes import Crs, OwnerId
from api.facilities.import_jobs import put_off
from api.facilities.supply_schemas import ImportOut, WaitingImportOut, import_out, waiting_import_out
from api.neighbourhoods.queries import get_neighbourhood

router = APIRouter(prefix="/v1", tags=["supply"])
Kind = Literal["park_garage", "office_tower", "public_car_park", "off_peak_road"]
_ASYNC = "respond-async"
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "CSV with one row a bay group and window, a GeoJSON feature collection as facilities.geojson, "
        "or OpenStreetMap XML",
        "content": {media_type: {"schema": {"type": "string"}} for media_type in MEDIA_TYPES},
    }
}


async def _file(
    *,
    request: Request,
    crs: Crs = "EPSG:4326",
    kind: Annotated[list[Kind] | None, Query(description="OpenStreetMap: what to take; car parks by default")] = None,
    days: Annotated[str, Query(max_length=40, description="OpenStreetMap: when all places open")] = "daily",
    start: Annotated[str, Query(alias="from", max_length=10)] = "18:00",
    end: Annotated[str, Query(alias="to", max_length=10)] = "32:00",
) -> Import:
    return Import(
        content=await request.body(),
        media_type=request.headers.get("content-type", "").partition(";")[0].strip().lower(),
        crs=crs,
        kinds=tuple(kind or ("public_car_park",)),
        window={"days": days, "from": start, "to": end},
    )


@router.post(
    "/neighbourhoods/{neighbourhood}/facilities/import",
    summary="Import facilities from CSV, GeoJSON or OpenStreetMap",
    max_body_size=MOST_BYTES,
    openapi_extra=_BODY,
    response_model=ImportOut,
    responses={
        202: {"model": WaitingImportOut, "description": "Looked at, and to be stored by a worker"},
        415: {"description": "A file of another kind"},
        422: {"description": "Every fault by line and field", "content": {"application/problem+json": {}}},
    },
)
def post_import(
    *,
    transaction: Transaction,
    principal: SignedIn,
    file: Annotated[Import, Depends(_file)],
    neighbourhood: str,
    owner: OwnerId = None,
    dry_run: Annotated[bool, Query(description="Only look at the file")] = False,
    publish: Annotated[bool, Query(description="At once; for planners")] = False,
    prefer: Annotated[str, Header(max_length=200, description="`respond-async`: do not wait until all is stored")] = "",
) -> Response:
    """
    Store everything a file holds as drafts, or nothing; a fault is named by its line and field, all at once.

    With `Prefer: respond-async` (RFC 7240) the file is looked at and the answer given, and a worker stores it.
    """
    owner_id = drafting.owner_for(transaction, principal, wanted=owner)
    neighbourhood_id = get_neighbourhood(transaction, neighbourhood).id
    later = not dry_run and _ASYNC in {word.strip().lower() for word in prefer.split(",")}
    imported = import_offers(
        transaction,
        neighbourhood_id,
        read_file(file),
        principal=principal,
        owner_id=owner_id,
        dry_run=dry_run or later,
        publish=publish,
    )
    if later:
        waiting = put_off(transaction, neighbourhood_id, file, principal=principal, owner_id=owner_id, publish=publish)
        headers = {"Location": f"/v1/imports/{waiting.id}", "Preference-Applied": _ASYNC}
        return _json(waiting_import_out(waiting), status=202, headers=headers)
    return _json(import_out(imported, dry_run=dry_run, published=publish and not dry_run), status=200, headers={})


@router.get(
    "/imports/{import}", summary="What came of an import that was not waited for", dependencies=[ONLY_SIGNED_IN]
)
def get_import(
    transaction: Transaction,
    import_id: Annotated[int, Path(alias="import", ge=1, le=2**63 - 1)],
) -> WaitingImportOut:
    """Show an import of one's own: whether it is done, what was made of it, or every fault."""
    return waiting_import_out(import_queries.get_import(transaction, import_id))


def _json(content: BaseModel, *, status: int, headers: dict[str, str]) -> Response:
    return Response(content.model_dump_json(), status_code=status, headers=headers, media_type="application/json")
