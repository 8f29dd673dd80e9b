"""What the service asks the database about facilities."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import Connection, Row, func, select

from api.calendars.queries import calendar_overrides
from api.db import tables
from api.errors import ApiError

__all__ = [
    "FacilityNotFound",
    "calendar_overrides",
    "facility_marks",
    "find_newest_plan_id",
    "get_facility_row",
    "planned_stays",
]

_f = tables.facilities


class FacilityNotFound(ApiError):
    """No facility of this id."""


def get_facility_row(connection: Connection, facility_id: int) -> Row[Any]:
    """Return a published facility with its neighbourhood's zone, country and term; raise FacilityNotFound without."""
    n = tables.neighbourhoods
    query = (
        select(
            _f.c.id,
            _f.c.code,
            _f.c.version,
            _f.c.night_price_cents,
            _f.c.extra,
            _f.c.neighbourhood_id,
            n.c.slug,
            n.c.timezone,
            n.c.country,
            n.c.term_from,
            n.c.term_to,
        )
        .join(n, n.c.id == _f.c.neighbourhood_id)
        .where(_f.c.id == facility_id, _f.c.status == "published")
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        raise FacilityNotFound("no such facility")
    return cast("Row[Any]", row)


def facility_marks(connection: Connection, owner: int) -> dict[str, Row[Any]]:
    """Return `id`, `version` and `night_price_cents` of a neighbourhood's published facilities by code."""
    query = select(_f.c.code, _f.c.id, _f.c.version, _f.c.night_price_cents)
    rows = connection.execute(query.where(_f.c.neighbourhood_id == owner, _f.c.status == "published"))
    return {row.code: cast("Row[Any]", row) for row in rows}


def find_newest_plan_id(connection: Connection, owner: int) -> int | None:
    """Return the newest plan of a neighbourhood."""
    newest: int | None = connection.scalar(
        select(func.max(tables.plans.c.id)).where(tables.plans.c.neighbourhood_id == owner)
    )
    return newest


def planned_stays(connection: Connection, *, plan_id: int, facility_id: int) -> list[Row[Any]]:
    """Return who a plan puts into a facility, as counts of equal stays by bay group."""
    a, d, g = tables.assignments, tables.demands, tables.bay_groups
    pattern = (g.c.code, d.c.days, d.c.arrive_min, d.c.leave_min, d.c.stay_through, a.c.days_left_out)
    query = (
        select(*pattern, func.count().label("cars"))
        .join(d, d.c.id == a.c.demand_id)
        .join(g, g.c.id == a.c.bay_group_id)
        .where(a.c.plan_id == plan_id, g.c.facility_id == facility_id)
        .group_by(*pattern)
    )
    return list(connection.execute(query))
