"""Neighbourhoods and their base maps."""

from __future__ import annotations

import re
from datetime import date, datetime

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel

from api.dependencies import Connected
from api.neighbourhoods.loading import NeighbourhoodNotFound
from api.neighbourhoods.queries import find_base_map_size, get_neighbourhood, list_neighbourhoods, read_base_map
from api.problems import BadRange

router = APIRouter(prefix="/v1/neighbourhoods", tags=["neighbourhoods"])


class NeighbourhoodOut(BaseModel):
    """A neighbourhood in the list."""

    id: str
    name: str
    timezone: str
    country: str
    term_from: date
    term_to: date
    facilities: int
    homes: int
    demands: int
    has_base_map: bool
    imported_at: datetime


@router.get("", summary="All neighbourhoods, the newest first")
def get_neighbourhoods(connection: Connected) -> list[NeighbourhoodOut]:
    """List them."""
    return [
        NeighbourhoodOut(
            id=row.slug,
            name=row.name,
            timezone=row.timezone,
            country=row.country,
            term_from=row.term_from,
            term_to=row.term_to,
            facilities=row.facilities,
            homes=row.homes,
            demands=row.demands,
            has_base_map=row.base_maps > 0,
            imported_at=row.imported_at,
        )
        for row in list_neighbourhoods(connection)
    ]


@router.head("/{neighbourhood}/base-map.pmtiles", include_in_schema=False)
@router.get(
    "/{neighbourhood}/base-map.pmtiles",
    summary="The base map as a PMTiles archive, whole or by byte range",
    response_class=Response,
    responses={
        200: {"content": {"application/vnd.pmtiles": {}}},
        206: {"description": "The asked bytes"},
        416: {"description": "The range lies outside the archive"},
    },
)
def get_base_map(
    connection: Connected, neighbourhood: str, asked: str | None = Header(default=None, alias="Range")
) -> Response:
    """Serve the archive made from the imported streets; a browser reads the few tiles it needs by range."""
    row = get_neighbourhood(connection, neighbourhood)
    size = find_base_map_size(connection, row.id)
    if size is None:
        raise NeighbourhoodNotFound("no base map")
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": f'"{row.id}-{row.imported_at.timestamp():.6f}"',
        "Cache-Control": "no-cache",
        "Content-Encoding": "identity",  # tiles are compressed inside; a range must be of these very bytes
    }
    span = parse_range(asked, size=size)
    if span is None:
        body = read_base_map(connection, row.id, start=0, count=size)
        return Response(body, headers=headers, media_type="application/vnd.pmtiles")
    start, end = span
    body = read_base_map(connection, row.id, start=start, count=end - start)
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return Response(body, status_code=206, headers=headers, media_type="application/vnd.pmtiles")


def parse_range(asked: str | None, *, size: int) -> tuple[int, int] | None:
    """
    Read a Range header (RFC 9110, section 14.1.2) as [start, end) within `size` bytes.

    Returns
    -------
    tuple of int, or None
        None asks for the whole: no header, or one of a kind that may be ignored (several ranges, other units).

    Raises
    ------
    BadRange
        The range begins beyond the end.
    """
    match = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", (asked or "").strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first == "":
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return None
    if start >= end:
        raise BadRange("The range lies outside the archive.", status=416)
    return start, end
