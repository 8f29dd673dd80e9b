"""What permits ask the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import IntegrityError


def list_permits(connection: Connection, household_id: int) -> Sequence[Row[Any]]:
    """Return the permits of a household, the newest first, with the nights it is away."""
    query = """
        SELECT p.id, p.state, lower(p.term) AS first, upper(p.term) - 1 AS last, p.days, p.arrive_min, p.leave_min,
               p.vehicle_id, f.id AS facility_id, f.name, g.code AS bay_group, n.timezone,
               COALESCE((SELECT json_agg(json_build_array(lower(a.nights), upper(a.nights) - 1) ORDER BY a.nights)
                         FROM permit_absences a WHERE a.permit_id = p.id), '[]') AS absences
        FROM permits p
        JOIN bay_groups g ON g.id = p.bay_group_id
        JOIN facilities f ON f.id = g.facility_id
        JOIN neighbourhoods n ON n.id = f.neighbourhood_id
        WHERE p.household_id = :household ORDER BY p.id DESC
    """
    return connection.execute(text(query), {"household": household_id}).all()


def list_ended(connection: Connection, permit_ids: Sequence[int]) -> Sequence[Row[Any]]:
    """Return permits that have ended, with the last night that they took."""
    query = """
        SELECT p.id, p.household_id, g.facility_id,
               COALESCE(upper(range_merge(p.nights)) - 1, (p.ended_at AT TIME ZONE n.timezone)::date) AS last
        FROM permits p JOIN bay_groups g ON g.id = p.bay_group_id JOIN facilities f ON f.id = g.facility_id
        JOIN neighbourhoods n ON n.id = f.neighbourhood_id
        WHERE p.id = ANY(:ids) AND p.state = 'ended' ORDER BY p.id
    """
    return connection.execute(text(query), {"ids": list(permit_ids)}).all()


def list_stays(connection: Connection, permit_id: int) -> Sequence[Row[Any]]:
    """Return the nights of a permit that have their bay already, in order."""
    query = """
        SELECT s.night, s.state, b.number, lower(s.during) AS starts_at, upper(s.during) AS ends_at
        FROM stays s JOIN bays b ON b.id = s.bay_id
        WHERE s.permit_id = :permit AND s.state IN ('confirmed', 'given_back') AND upper(s.during) > clock_timestamp()
        ORDER BY s.night
    """
    return connection.execute(text(query), {"permit": permit_id}).all()


def add_absence(connection: Connection, permit_id: int, *, first: date, last: date) -> bool:
    """Note that a household is away from one night to another, both included; tell whether that was new."""
    query = "INSERT INTO permit_absences (permit_id, nights) VALUES (:permit, daterange(:first, :last, '[]'))"
    try:
        with connection.begin_nested():
            connection.execute(text(query), {"permit": permit_id, "first": first, "last": last})
    except IntegrityError:
        return False
    return True


def give_back(connection: Connection, permit_id: int, *, first: date, last: date) -> int:
    """Free the bays of nights that have not begun; return how many."""
    query = """
        UPDATE stays SET state = 'given_back', ended_at = clock_timestamp()
        WHERE permit_id = :permit AND state = 'confirmed' AND night BETWEEN :first AND :last
          AND lower(during) > clock_timestamp()
    """
    return connection.execute(text(query), {"permit": permit_id, "first": first, "last": last}).rowcount


def local_today(connection: Connection, timezone: str) -> date:
    """Return the day it is at a place, by the database's clock."""
    today: date = connection.execute(
        text("SELECT (clock_timestamp() AT TIME ZONE :zone)::date"), {"zone": timezone}
    ).scalar_one()
    return today
