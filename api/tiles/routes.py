"""Live layers of the map as vector tiles."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy import Connection

from api.dependencies import Connected
from api.finding.nights import UsualNights
from api.problems import BadRange
from api.tiles.queries import FIRST_ZOOM_APART, facilities_tile, zones_in_tile
from api.tiles.recent import KEPT_S, RecentTiles

MOST_ZOOM = 22
MEDIA_TYPE = "application/vnd.mapbox-vector-tile"

router = APIRouter(prefix="/v1/tiles", tags=["tiles"])
Number = Annotated[int, Path(ge=0, lt=2**MOST_ZOOM)]


@router.get(
    "/facilities/{z}/{x}/{y}.mvt",
    summary="Facilities with the bays free tonight, as a vector tile",
    response_class=Response,
    responses={
        200: {
            "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
            "description": "Layer `facilities`: `name`, `kind`, `free_bays` and `night_price_cents`; up to zoom 11 "
            "`facilities` and `free_bays` of those that lie together",
        },
        204: {"description": "Nothing is published in this tile"},
    },
)
def get_facilities_tile(
    request: Request, connection: Connected, z: Annotated[int, Path(ge=0, le=MOST_ZOOM)], x: Number, y: Number
) -> Response:
    """Show what any car may have tonight; a quarter of a minute old at most."""
    if x >= 2**z or y >= 2**z:
        raise BadRange(f"At zoom {z}, x and y must lie between 0 and {2**z - 1}.")
    recent: RecentTiles = request.app.state.recent_tiles
    usual: UsualNights = request.app.state.usual_nights
    if z < FIRST_ZOOM_APART:
        tile = recent.get((z, x, y), lambda: _make_tile(connection, usual, z, x, y))
    else:
        tile = _make_tile(connection, usual, z, x, y)
    headers = {"Cache-Control": f"public, max-age={KEPT_S:.0f}"}
    if not tile:
        return Response(status_code=204, headers=headers)
    return Response(tile, headers=headers, media_type=MEDIA_TYPE)


def _make_tile(connection: Connection, usual: UsualNights, z: int, x: int, y: int) -> bytes:
    """Count from now, or from when bays open, until the usual leave-by, by each neighbourhood's own clock."""
    now = datetime.now(UTC)
    nights = {
        neighbourhood_id: usual.of(connection, neighbourhood_id).night_of(now, zone=ZoneInfo(zone))
        for neighbourhood_id, zone in zones_in_tile(connection, z, x, y).items()
    }
    return facilities_tile(connection, z, x, y, nights=nights) if nights else b""
