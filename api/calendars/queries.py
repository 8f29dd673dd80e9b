"""What calendars ask of the database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, text

from api.calendars.years import Day, Year, overrides_of


def calendar_overrides(connection: Connection, neighbourhood_id: int) -> dict[date, str]:
    """
    Return the days on which a neighbourhood's calendar says something else than the official ones.

    The table of its country comes first, where that has the year, and the neighbourhood's own word last.
    """
    found: dict[date, str] = {}
    for year in _years_of(connection, neighbourhood_id):
        found |= overrides_of(year)
    return found | {day.date: day.kind for day in own_days(connection, neighbourhood_id)}


def _years_of(connection: Connection, neighbourhood_id: int) -> list[Year]:
    query = text(
        "SELECT y.country, y.year, y.decided, d.dates, d.kinds FROM neighbourhoods n "
        "JOIN calendar_years y ON y.country = upper(n.country) CROSS JOIN LATERAL ("
        "SELECT array_agg(d.date ORDER BY d.date) AS dates, array_agg(d.kind ORDER BY d.date) AS kinds "
        "FROM country_days d WHERE d.country = y.country "
        "AND d.date BETWEEN make_date(y.year, 1, 1) AND make_date(y.year, 12, 31)) AS d WHERE n.id = :id"
    )
    rows = connection.execute(query, {"id": neighbourhood_id})
    return [Year(row.country, row.year, row.decided, tuple(map(Day, row.dates or (), row.kinds or ()))) for row in rows]


def own_days(connection: Connection, neighbourhood_id: int, *, year: int | None = None) -> list[Day]:
    """List the days a neighbourhood has its own word on."""
    query = text(
        "SELECT date, kind, holiday FROM calendar_days WHERE neighbourhood_id = :id "
        "AND (CAST(:year AS int) IS NULL OR EXTRACT(year FROM date) = :year) ORDER BY date"
    )
    return [Day(*row) for row in connection.execute(query, {"id": neighbourhood_id, "year": year}).all()]


def find_year(connection: Connection, country: str, year: int) -> Year | None:
    """Find a year of a country's calendar."""
    decided: bool | None = connection.scalar(
        text("SELECT decided FROM calendar_years WHERE country = :country AND year = :year"),
        {"country": country, "year": year},
    )
    if decided is None:
        return None
    days = connection.execute(
        text(
            "SELECT date, kind, holiday FROM country_days "
            "WHERE country = :country AND EXTRACT(year FROM date) = :year ORDER BY date"
        ),
        {"country": country, "year": year},
    )
    return Year(country, year, decided, tuple(Day(*row) for row in days))


def list_years(connection: Connection, country: str, *, first: int, last: int) -> dict[int, Row[Any]]:
    """Return `decided` and the `source` of the years of a country that are written down."""
    query = text(
        "SELECT y.year, y.decided, n.id AS notice_id, n.source FROM calendar_years y "
        "JOIN calendar_notices n ON n.id = y.notice_id WHERE y.country = :country AND y.year BETWEEN :first AND :last"
    )
    return {
        row.year: row for row in connection.execute(query, {"country": country, "first": first, "last": last}).all()
    }


def list_said(connection: Connection, neighbourhood_id: int, *, first: date, last: date) -> list[Row[Any]]:
    """List what is written down of dates: the country's first, then the neighbourhood's own, which goes before it."""
    query = text(
        "SELECT false AS own, d.date, d.holiday, d.notice_id, c.source FROM country_days d "
        "JOIN neighbourhoods n ON upper(n.country) = d.country JOIN calendar_notices c ON c.id = d.notice_id "
        "WHERE n.id = :id AND d.date BETWEEN :first AND :last UNION ALL "
        "SELECT true, d.date, d.holiday, d.notice_id, c.source FROM calendar_days d "
        "LEFT JOIN calendar_notices c ON c.id = d.notice_id "
        "WHERE d.neighbourhood_id = :id AND d.date BETWEEN :first AND :last ORDER BY 1"
    )
    return list(connection.execute(query, {"id": neighbourhood_id, "first": first, "last": last}))


def add_notice(connection: Connection, values: Mapping[str, Any]) -> int:
    """Store a notice; return its id."""
    query = text(
        "INSERT INTO calendar_notices (country, neighbourhood_id, year, decided, source, days, before, landed_at, "
        "landed_by) VALUES (:country, :neighbourhood_id, :year, :decided, :source, CAST(:days AS json), "
        "CAST(:before AS json), :landed_at, :landed_by) RETURNING id"
    )
    written = {name: json.dumps(values[name], ensure_ascii=False) for name in ("days", "before")}
    return int(connection.execute(query, {**values, **written}).scalar_one())


def count_hits(connection: Connection, notice_id: int, *, stays: int, permits: int, households: int) -> None:
    """Note whom a notice hit."""
    connection.execute(
        text("UPDATE calendar_notices SET stays = :stays, permits = :permits, households = :households WHERE id = :id"),
        {"id": notice_id, "stays": stays, "permits": permits, "households": households},
    )


def replace_year(connection: Connection, year: Year, *, notice_id: int) -> None:
    """Write a year of a country down in place of what was there."""
    values = {"country": year.country, "year": year.year, "decided": year.decided, "notice": notice_id}
    connection.execute(
        text(
            "INSERT INTO calendar_years (country, year, decided, notice_id) "
            "VALUES (:country, :year, :decided, :notice) "
            "ON CONFLICT (country, year) DO UPDATE SET decided = :decided, notice_id = :notice"
        ),
        values,
    )
    connection.execute(
        text("DELETE FROM country_days WHERE country = :country AND EXTRACT(year FROM date) = :year"), values
    )
    _insert_days(connection, "country_days", "country", year.country, year.days, notice_id=notice_id)


def replace_own_days(
    connection: Connection, neighbourhood_id: int, *, year: int, days: Sequence[Day], notice_id: int
) -> None:
    """Write a neighbourhood's own word on a year down in place of what was there."""
    connection.execute(
        text("DELETE FROM calendar_days WHERE neighbourhood_id = :id AND EXTRACT(year FROM date) = :year"),
        {"id": neighbourhood_id, "year": year},
    )
    _insert_days(connection, "calendar_days", "neighbourhood_id", neighbourhood_id, days, notice_id=notice_id)


def _insert_days(
    connection: Connection, table: str, whose: str, owner: int | str, days: Sequence[Day], *, notice_id: int
) -> None:
    query = text(
        f"INSERT INTO {table} ({whose}, date, kind, holiday, notice_id) VALUES (:owner, :date, :kind, :holiday, :n)"
    )
    if days:
        connection.execute(query, [{"owner": owner, "n": notice_id, **asdict(day)} for day in days])


def list_notices(connection: Connection, neighbourhood_id: int) -> list[Row[Any]]:
    """List the notices that a neighbourhood's calendar was made by, the newest first."""
    query = text(
        "SELECT c.* FROM calendar_notices c JOIN neighbourhoods n "
        "ON n.id = c.neighbourhood_id OR upper(n.country) = c.country WHERE n.id = :id ORDER BY c.id DESC LIMIT 1000"
    )
    return list(connection.execute(query, {"id": neighbourhood_id}))


def find_notice(connection: Connection, notice_id: int) -> Row[Any]:
    """Return a notice that was just stored."""
    return connection.execute(text("SELECT * FROM calendar_notices WHERE id = :id"), {"id": notice_id}).one()


def list_places(connection: Connection, *, country: str | None, neighbourhood_id: int | None) -> list[Row[Any]]:
    """List the neighbourhoods that go by the calendar of a country, or the one of an id."""
    query = text(
        "SELECT n.id, n.slug, upper(n.country) AS country, n.timezone, max(upper(p.term)) AS until "
        "FROM neighbourhoods n LEFT JOIN facilities f ON f.neighbourhood_id = n.id "
        "LEFT JOIN bay_groups g ON g.facility_id = f.id "
        "LEFT JOIN permits p ON p.bay_group_id = g.id AND p.state IN ('offered', 'active') "
        "WHERE n.id = :id OR upper(n.country) = :country GROUP BY n.id ORDER BY n.id"
    )
    return list(connection.execute(query, {"id": neighbourhood_id, "country": country}))
