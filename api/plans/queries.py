"""What the service asks the database about plans."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, func, select

from api.db import tables
from api.errors import ApiError

_p = tables.plans


class PlanNotFound(ApiError):
    """No plan of this id, or none with what was asked for."""


def list_plans(connection: Connection, owner: int) -> list[Row[Any]]:
    """List a neighbourhood's plans, the newest first."""
    return list(connection.execute(select(_p).where(_p.c.neighbourhood_id == owner).order_by(_p.c.id.desc())))


def get_plan(connection: Connection, plan_id: int) -> Row[Any]:
    """Return a plan; raise PlanNotFound without one."""
    row = connection.execute(select(_p).where(_p.c.id == plan_id)).one_or_none()
    if row is None:
        raise PlanNotFound("no such plan")
    return row


def load_plan_content(connection: Connection, plan_id: int) -> dict[str, Any]:
    """Return a plan as plan.json has it."""
    content = dict(get_plan(connection, plan_id).summary)
    content["assignments"] = [
        {
            "demand": row.demand,
            "facility": row.facility,
            "bay_group": row.bay_group,
            "walk_m": row.walk_m,
            "days_left_out": [day.isoformat() for day in row.days_left_out],
        }
        for row in list_assignments(connection, plan_id)
    ]
    content["unserved"] = [
        {"demand": row.demand, "reason": row.reason, "options": row.options}
        for row in list_unserved(connection, plan_id)
    ]
    content["bay_values"] = [
        {"facility": row.facility, "bay_group": row.bay_group, "value_m": row.value_m, "exact_m": row.exact_m}
        for row in _list_bay_values(connection, plan_id)
    ]
    return content


def list_assignments(
    connection: Connection, plan_id: int, *, after: int = -1, limit: int | None = None
) -> list[Row[Any]]:
    """List who is served where, with both ends of the walk, in the plan's order from behind position `after`."""
    a, d, h, g, f = tables.assignments, tables.demands, tables.homes, tables.bay_groups, tables.facilities
    shown = func.ST_PointOnSurface(f.c.geometry)
    query = (
        select(
            a.c.position,
            a.c.walk_m,
            a.c.days_left_out,
            d.c.code.label("demand"),
            h.c.code.label("home"),
            f.c.code.label("facility"),
            g.c.code.label("bay_group"),
            func.ST_X(h.c.geometry).label("home_lon"),
            func.ST_Y(h.c.geometry).label("home_lat"),
            func.ST_X(shown).label("facility_lon"),
            func.ST_Y(shown).label("facility_lat"),
        )
        .join(d, d.c.id == a.c.demand_id)
        .join(h, h.c.id == d.c.home_id)
        .join(g, g.c.id == a.c.bay_group_id)
        .join(f, f.c.id == g.c.facility_id)
        .where(a.c.plan_id == plan_id, a.c.position > after)
        .order_by(a.c.position)
        .limit(limit)
    )
    return list(connection.execute(query))


def list_unserved(connection: Connection, plan_id: int, *, after: int = -1, limit: int | None = None) -> list[Row[Any]]:
    """List who got none and why, in the plan's order from behind position `after`."""
    u, d = tables.unserved, tables.demands
    query = (
        select(u.c.position, d.c.code.label("demand"), u.c.reason, u.c.options)
        .join(d, d.c.id == u.c.demand_id)
        .where(u.c.plan_id == plan_id, u.c.position > after)
        .order_by(u.c.position)
        .limit(limit)
    )
    return list(connection.execute(query))


def _list_bay_values(connection: Connection, plan_id: int) -> list[Row[Any]]:
    v, g, f = tables.bay_values, tables.bay_groups, tables.facilities
    query = (
        select(v.c.value_m, v.c.exact_m, g.c.code.label("bay_group"), f.c.code.label("facility"))
        .join(g, g.c.id == v.c.bay_group_id)
        .join(f, f.c.id == g.c.facility_id)
        .where(v.c.plan_id == plan_id)
        .order_by(v.c.position)
    )
    return list(connection.execute(query))
