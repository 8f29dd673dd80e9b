"""A facility's allow-list for its gate, whole or what changed, as JSON and as files that gates in the field read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from sqlalchemy import Connection

from api.accounts.dependencies import Anyone, SignedIn, Transaction, keys_of
from api.accounts.principal import Principal
from api.gates import list_queries
from api.gates.allow_list import read_allow_list, refresh_allow_list
from api.gates.entitled import place_of_gate_or_owner, place_of_owner
from api.gates.list_schemas import AllowListOut, ExportOut, allow_list_out
from api.gates.queries import find_acting_device
from api.openings.permit_queries import rights_of_worker

router = APIRouter(prefix="/v1/facilities", tags=["gates"])
Id = Annotated[int, Path(ge=1, le=2**63 - 1)]
Since = Annotated[
    int | None, Query(ge=0, le=2**63 - 1, description="The version that is known; the whole list without")
]
Seen = Annotated[
    str | None, Header(alias="If-None-Match", max_length=400, description="The ETag of what was read before")
]
_UNCHANGED = {304: {"description": "Nothing has changed since"}}


@router.get(
    "/{facility}/allow-list",
    summary="Who may stand here when",
    response_model=AllowListOut,
    responses=_UNCHANGED,  # type: ignore[arg-type]  # FastAPI takes int keys
)
def get_allow_list(
    request: Request,
    *,
    response: Response,
    transaction: Transaction,
    principal: Anyone,
    facility: Id,
    since: Since = None,
    seen: Seen = None,
) -> object:
    """
    Give the list to the facility's own gate, to its owner, or to a planner: all of it, or what changed since a version.

    The ETag is the version: whoever sends it back is answered 304 while nothing has changed.
    """
    place_of_gate_or_owner(transaction, principal, facility)
    now = datetime.now(UTC)
    version = refresh_allow_list(transaction, facility, now=now)
    tag = f'"{version}"'
    if seen is not None and tag in (one.strip().removeprefix("W/") for one in seen.split(",")):
        return Response(status_code=304, headers={"ETag": tag, "Cache-Control": "no-store"})
    found = read_allow_list(transaction, keys_of(request), facility, version=version, since=since, now=now)
    response.headers.update({"ETag": tag, "Cache-Control": "no-store"})
    if found.whole or found.added:
        note_export(transaction, principal, facility, way="json", version=version, num_rows=len(found.added), now=now)
    return allow_list_out(facility, found)


@router.get("/{facility}/allow-list/exports", summary="Who took the list away")
def get_exports(
    transaction: Transaction,
    principal: SignedIn,
    facility: Id,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[ExportOut]:
    """List who read plates from the list, when, and how many rows, the newest first."""
    place_of_owner(transaction, principal, facility)
    return [
        ExportOut(
            at=row.at, way=row.way, device=row.device, account=row.account_id, version=row.version, rows=row.num_rows
        )
        for row in list_queries.list_exports(transaction, facility, limit=limit)
    ]


def note_export(
    connection: Connection,
    principal: Principal,
    facility_id: int,
    *,
    way: str,
    version: int,
    num_rows: int,
    now: datetime,
) -> None:
    """Write down that a gate or an account took a list away."""
    device = find_acting_device(connection) if principal.way == "gate_device" else None
    with rights_of_worker(connection):
        list_queries.note_export(
            connection,
            facility_id,
            way=way,
            version=version,
            num_rows=num_rows,
            now=now,
            device_id=None if device is None else device.id,
            account_id=principal.account_id,
        )
