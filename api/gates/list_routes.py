"""A facility's allow-list for its gate, whole or what changed, as JSON and as files that gates in the field read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Header, Path, Query, Request, Response
from sqlalchemy import Connection

from api.accounts.dependencies import Anyone, SignedIn, Transaction, keys_of
from api.accounts.principal import Principal
from api.gates import list_queries
from api.gates.allow_list import read_allow_list, refresh_allow_list
from api.gates.entitled import place_of_gate_or_owner, place_of_owner
from api.gates.field_csv import Encoding, field_csv, field_list, not_sayable_csv
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


@router.get(
    "/{facility}/allow-list.csv",
    summary="Who may stand here when, as a file",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}, "description": "Rows of plate, dates, hours of a day and slot"}},
)
def get_allow_list_csv(
    request: Request,
    *,
    transaction: Transaction,
    principal: Anyone,
    facility: Id,
    encoding: Annotated[Encoding, Query(description="`utf-8-sig` begins with a byte order mark")] = "utf-8-sig",
    part: Annotated[
        Literal["sayable", "not_sayable"],
        Query(description="`not_sayable`: what such rows cannot say, as instants"),
    ] = "sayable",
) -> Response:
    """
    Give the list in the shape that gates in the field read; docs/gates.md says what a row means.

    How many intervals such rows cannot say stands in the header `X-Not-Sayable`.
    """
    place = place_of_gate_or_owner(transaction, principal, facility)
    now, zone = datetime.now(UTC), ZoneInfo(place.timezone)
    version = refresh_allow_list(transaction, facility, now=now)
    found = read_allow_list(transaction, keys_of(request), facility, version=version, since=None, now=now)
    said = field_list(found.added, zone)
    if part == "sayable":
        content = field_csv(said.rows, encoding=encoding)
    else:
        content = not_sayable_csv(said.not_sayable, zone, encoding=encoding)
    note_export(transaction, principal, facility, way="csv", version=version, num_rows=len(found.added), now=now)
    return Response(
        content,
        media_type=f"text/csv; charset={'gbk' if encoding == 'gbk' else 'utf-8'}",
        headers={
            "Content-Disposition": f'attachment; filename="allow-list-{facility}-{version}.csv"',
            "Cache-Control": "no-store",
            "X-Allow-List-Version": str(version),
            "X-Not-Sayable": str(len(said.not_sayable)),
        },
    )


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
