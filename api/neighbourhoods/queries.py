"""What the service asks the database about neighbourhoods."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, func, select

from api.db import tables
from api.neighbourhoods.loading import PUBLISHED, NeighbourhoodNotFound

_n = tables.neighbourhoods


def list_neighbourhoods(connection: Connection) -> list[Row[Any]]:
    """List all, the newest first, with how much each holds."""

    def count(table: Any) -> Any:  # noqa: ANN401 -- a table, a scalar subquery
        return select(func.count()).select_from(table).where(table.c.neighbourhood_id == _n.c.id)

    query = select(
        _n,
        count(tables.facilities).where(tables.facilities.c.status == PUBLISHED).scalar_subquery().label("facilities"),
        count(tables.homes).scalar_subquery().label("homes"),
        count(tables.demands).scalar_subquery().label("demands"),
        count(tables.base_maps).scalar_subquery().label("base_maps"),
    )
    return list(connection.execute(query.order_by(_n.c.imported_at.desc(), _n.c.id.desc())))


def get_neighbourhood(connection: Connection, slug: str) -> Row[Any]:
    """Return a neighbourhood by its slug; raise NeighbourhoodNotFound without one."""
    # A zero character is in no slug, and PostgreSQL refuses to look for one.
    known = None if "\0" in slug else connection.execute(select(_n).where(_n.c.slug == slug)).one_or_none()
    if known is None:
        raise NeighbourhoodNotFound("no such neighbourhood")
    return known


def find_base_map_size(connection: Connection, owner: int) -> int | None:
    """Return how many bytes a neighbourhood's base map has, None without one."""
    t = tables.base_maps
    return connection.scalar(select(func.octet_length(t.c.archive)).where(t.c.neighbourhood_id == owner))


def read_base_map(connection: Connection, owner: int, *, start: int, count: int) -> bytes:
    """Read `count` bytes of a base map from byte `start` on, counted from zero."""
    t = tables.base_maps
    part = func.substring(t.c.archive, start + 1, count)
    return bytes(connection.execute(select(part).where(t.c.neighbourhood_id == owner)).scalar_one())
