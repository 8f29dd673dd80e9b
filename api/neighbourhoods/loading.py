"""A neighbourhood out of the database, as if its folder had just been read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import shapely
from sqlalchemy import ARRAY, BigInteger, Column, ColumnElement, Connection, Row, Select, Table, func, literal, select

from api.calendars.queries import calendar_overrides
from api.db import tables
from api.errors import ApiError
from api.neighbourhoods.model import (
    DECISIONS_SCHEMA,
    DEMANDS_SCHEMA,
    HOMES_SCHEMA,
    WALKS_SCHEMA,
    BayGroup,
    Closure,
    Facility,
    Neighbourhood,
    Policy,
    Window,
)

PUBLISHED = "published"
"""The status of facilities that everybody sees; drafts are kept elsewhere, and the withdrawn only for their past."""


class NeighbourhoodNotFound(ApiError):
    """No neighbourhood of this name or slug is in the database."""


def get_neighbourhood_row(connection: Connection, name: str) -> Row[Any]:
    """Return the row of a neighbourhood by its slug or its name; raise NeighbourhoodNotFound without one."""
    t = tables.neighbourhoods
    found = connection.execute(
        select(t).where((t.c.slug == name) | (t.c.name == name)).order_by(t.c.slug == name)
    ).all()
    if not found:
        raise NeighbourhoodNotFound(f"no neighbourhood called {name!r} in the database")
    return found[-1]


def load_neighbourhood(connection: Connection, name: str) -> Neighbourhood:
    """
    Load a neighbourhood by slug or name; its `streets` is None, the file lies in `street_files`.

    Raises
    ------
    NeighbourhoodNotFound
        There is none.
    """
    row = get_neighbourhood_row(connection, name)
    policy = dict(row.policy)
    return Neighbourhood(
        name=row.name,
        timezone=row.timezone,
        country=row.country,
        crs=row.crs,
        seed=int(row.seed),
        term_from=row.term_from,
        term_to=row.term_to,
        policy=Policy(**{**policy, "tier_value_m": tuple(policy["tier_value_m"])}),
        facilities=tuple(load_facilities(connection, row.id)),
        homes=_frame(connection, _homes_query(row.id), HOMES_SCHEMA),
        demands=_frame(connection, _demands_query(row.id), DEMANDS_SCHEMA),
        decisions=_frame(connection, _decisions_query(row.id), DECISIONS_SCHEMA),
        walks=_frame(connection, _walks_query(row.id), WALKS_SCHEMA) if row.has_walks else None,
        streets=None,
        calendar_overrides=calendar_overrides(connection, row.id),
        input_sha256=row.input_sha256,
        warnings=tuple(row.warnings),
    )


def load_facilities(
    connection: Connection, owner: int, *, code: str | None = None, ids: Sequence[int] | None = None
) -> list[Facility]:
    """
    Load the published facilities of a neighbourhood in file order, or the one of a code.

    Those named by their ids are loaded whether they are published or withdrawn.
    """
    t = tables.facilities
    query = select(t, func.ST_AsBinary(t.c.geometry).label("wkb")).where(t.c.neighbourhood_id == owner)
    if code is not None:
        query = query.where(t.c.code == code)
    query = query.where(t.c.status == PUBLISHED if ids is None else t.c.id.in_(ids))
    rows = connection.execute(query.order_by(t.c.position)).all()
    found = [row.id for row in rows]
    groups = _groups(connection, found)
    entrances = _parts(connection, tables.entrances, found, func.ST_AsBinary(tables.entrances.c.geometry).label("wkb"))
    closures = _parts(connection, tables.closures, found)
    return [_facility(row, groups[row.id], entrances[row.id], closures[row.id]) for row in rows]


def load_extra_properties(connection: Connection, owner: int) -> dict[str, Mapping[str, object]]:
    """Return, by facility code, what the folder said of each facility beyond the rules."""
    t = tables.facilities
    query = select(t.c.code, t.c.extra).where(t.c.neighbourhood_id == owner, t.c.status == PUBLISHED)
    rows = connection.execute(query)
    return {row.code: row.extra for row in rows}


def _facility(row: Row[Any], groups: list[BayGroup], entrances: list[Row[Any]], closures: list[Row[Any]]) -> Facility:
    return Facility(
        id=row.code,
        name=row.name,
        kind=row.kind,
        geometry=shapely.from_wkb(bytes(row.wkb)),
        bay_groups=tuple(groups),
        entrances=tuple(_lon_lat(entrance.wkb) for entrance in entrances),
        max_height_m=row.max_height_m,
        monthly_price_cents=row.monthly_price_cents,
        buffer_bays=row.buffer_bays,
        closures=tuple(Closure(closure.closed_from, closure.closed_to, closure.reason) for closure in closures),
        no_movement=None if row.no_movement_from_min is None else (row.no_movement_from_min, row.no_movement_to_min),
    )


def _lon_lat(wkb: memoryview) -> tuple[float, float]:
    lon, lat = shapely.get_coordinates(shapely.from_wkb(bytes(wkb)))[0].tolist()
    return lon, lat


def _parts(
    connection: Connection,
    table: Table,
    facility_ids: Sequence[int],
    *columns: Any,  # noqa: ANN401
) -> dict[int, list[Row[Any]]]:
    """Return the rows of a facility's part, by facility, in order."""
    query = select(table, *columns).where(_among(table.c.facility_id, facility_ids))
    query = query.order_by(table.c.facility_id, table.c.position)
    parts: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(query).all():
        parts[row.facility_id].append(row)
    return parts


def _groups(connection: Connection, facility_ids: Sequence[int]) -> dict[int, list[BayGroup]]:
    g, w = tables.bay_groups, tables.share_windows
    query = select(g).where(_among(g.c.facility_id, facility_ids)).order_by(g.c.facility_id, g.c.position)
    rows = connection.execute(query).all()
    windows: dict[int, list[Window]] = defaultdict(list)
    of_groups = select(w).where(_among(w.c.bay_group_id, [row.id for row in rows]))
    for window in connection.execute(of_groups.order_by(w.c.bay_group_id, w.c.position)).all():
        windows[window.bay_group_id].append(_window(window))
    groups: dict[int, list[BayGroup]] = defaultdict(list)
    for row in rows:
        groups[row.facility_id].append(BayGroup(row.code, tuple(row.kinds), tuple(windows[row.id])))
    return groups


def _among(column: Column[Any], ids: Sequence[int]) -> ColumnElement[bool]:
    """Ask for the rows of some ids; as one value, however many there are."""
    return column == func.any(literal(list(ids), ARRAY(BigInteger)))


def _window(row: Row[Any]) -> Window:
    season = None if row.season_from is None else (_month_day(row.season_from), _month_day(row.season_to))
    return Window(row.days, row.from_min, row.to_min, row.bays, row.last_entry_min, season)


def _month_day(text: str) -> tuple[int, int]:
    month, day = text.split("-")
    return int(month), int(day)


def _frame(connection: Connection, query: Select[Any], schema: Mapping[str, Any]) -> pl.DataFrame:
    rows = [tuple(row) for row in connection.execute(query).all()]
    return pl.DataFrame(rows, schema=dict(schema), orient="row")


def _homes_query(owner: int) -> Select[Any]:
    h = tables.homes
    lon, lat = func.ST_X(h.c.geometry), func.ST_Y(h.c.geometry)
    columns = (h.c.code, lon, lat, h.c.name, h.c.estate, h.c.households)
    return select(*columns).where(h.c.neighbourhood_id == owner).order_by(h.c.position)


def _demands_query(owner: int) -> Select[Any]:
    d, h, f = tables.demands, tables.homes, tables.facilities
    return (
        select(
            d.c.code,
            h.c.code.label("home"),
            d.c.days,
            d.c.arrive_min,
            d.c.leave_min,
            d.c.tier,
            d.c.max_walk_m,
            d.c.needs,
            d.c.height_m,
            d.c.stay_through,
            d.c.rounds_waited,
            f.c.code.label("holds"),
        )
        .join(h, h.c.id == d.c.home_id)
        # Whoever held a place that has been withdrawn holds none.
        .outerjoin(f, (f.c.id == d.c.holds_facility_id) & (f.c.status == PUBLISHED))
        .where(d.c.neighbourhood_id == owner)
        .order_by(d.c.position)
    )


def _decisions_query(owner: int) -> Select[Any]:
    t, d, f = tables.decisions, tables.demands, tables.facilities
    return (
        select(d.c.code, f.c.code.label("facility"), t.c.decision)
        .join(d, d.c.id == t.c.demand_id)
        .outerjoin(f, f.c.id == t.c.facility_id)
        # A word on a place that has been withdrawn is void; without its place it would mean all of them.
        .where(t.c.neighbourhood_id == owner, f.c.id.is_(None) | (f.c.status == PUBLISHED))
        .order_by(t.c.position)
    )


def _walks_query(owner: int) -> Select[Any]:
    w, h = tables.walks, tables.homes
    return (
        select(h.c.code, w.c.facility, w.c.walk_m)
        .join(h, h.c.id == w.c.home_id)
        .where(h.c.neighbourhood_id == owner)
        .order_by(w.c.position)
    )
