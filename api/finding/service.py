"""Free bays in walking order, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from api.finding.cursor import Cursor
from api.finding.queries import list_free_in_order, list_free_near_home
from api.finding.walking import WalkBy, walking_order_from
from api.finding.wanted import Wanted

_NOWHERE = (-1, 0)
"""(metres, facility) before every facility."""


@dataclass(frozen=True, slots=True)
class StoredHome:
    """Somebody looks from a home that the service knows."""

    home_id: int


@dataclass(frozen=True, slots=True)
class Address:
    """Somebody looks from a place in WGS 84 degrees."""

    lon: float
    lat: float


@dataclass(frozen=True, slots=True)
class Page:
    """Facilities with free bays, the nearest first, and where the next page begins."""

    rows: list[Row[Any]]
    walk_by: WalkBy
    after: Cursor | None


def list_free_bays(
    connection: Connection,
    neighbourhood_id: int,
    *,
    origin: StoredHome | Address,
    wanted: Wanted,
    max_walk_m: float,
    limit: int,
    after: Cursor | None = None,
) -> Page:
    """
    List facilities within a walk that have a bay as wanted, free for the whole period.

    Parameters
    ----------
    origin
        A home must be one of this neighbourhood.
    after
        Where the page before ended; only what is farther is listed.
    """
    beyond = _NOWHERE if after is None else (after.walk_m, after.facility_id)
    walk_by: WalkBy
    if isinstance(origin, StoredHome):
        walk_by = "pairs"
        rows = list_free_near_home(
            connection, origin.home_id, max_walk_m=max_walk_m, after=beyond, wanted=wanted, limit=limit + 1
        )
    else:
        walks, walk_by = walking_order_from(
            connection, neighbourhood_id, lon=origin.lon, lat=origin.lat, max_walk_m=max_walk_m
        )
        rest = [walk for walk in walks if (walk[1], walk[0]) > beyond]
        rows = list_free_in_order(connection, rest, wanted=wanted, limit=limit + 1)
    shown = rows[:limit]
    more = Cursor(shown[-1].walk_m, shown[-1].id, wanted.period) if len(rows) > limit else None
    return Page(rows=shown, walk_by=walk_by, after=more)
