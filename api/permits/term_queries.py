"""What the beginning and end of terms ask of the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

_TODAY = "(CAST(:now AS timestamptz) AT TIME ZONE n.timezone)::date"
_BEGIN = text(
    "UPDATE rounds r SET state = 'active' FROM neighbourhoods n "
    f"WHERE n.id = r.neighbourhood_id AND r.state = 'published' AND lower(r.term) <= {_TODAY}"
)
_END = text(
    "UPDATE rounds r SET state = 'ended', ended_at = :now FROM neighbourhoods n "
    f"WHERE n.id = r.neighbourhood_id AND r.state = 'active' AND upper(r.term) <= {_TODAY} RETURNING r.id"
)
_FREE = text("UPDATE round_facilities SET reserved = false WHERE round_id = ANY(:ids) AND reserved")
_NEXT = (
    "(SELECT min(next.closes_at) FROM rounds next WHERE next.neighbourhood_id = r.neighbourhood_id "
    "AND next.state = 'open' AND next.closes_at > :now)"
)
_LEAVE = text(
    "UPDATE waitlist_entries e SET state = 'left', ended_at = :now FROM rounds r "
    "WHERE r.id = e.round_id AND e.round_id = ANY(:ids) AND e.state IN ('waiting', 'offered') "
    f"RETURNING e.id, e.household_id, e.round_id, {_NEXT} AS next_closes_at"
)
_ENDING = text(
    f"""
    SELECT p.id, p.household_id, g.facility_id, upper(p.term) - 1 AS last, r.policy, {_NEXT} AS next_closes_at
    FROM permits p
    JOIN bay_groups g ON g.id = p.bay_group_id
    JOIN facilities f ON f.id = g.facility_id
    JOIN neighbourhoods n ON n.id = f.neighbourhood_id
    LEFT JOIN applications a ON a.id = p.application_id
    LEFT JOIN rounds r ON r.id = a.round_id
    WHERE p.state = 'active' AND upper(p.term) > {_TODAY} AND upper(p.term) - 1 <= {_TODAY} + :days
      -- Whose bay is taken back before the term is over was told then what comes next.
      AND p.end_reason IS NULL AND upper(p.term) = COALESCE(upper(r.term), upper(p.term))
      AND NOT EXISTS (SELECT FROM notices told WHERE told.household_id = p.household_id AND told.kind = 'term_ending'
                      AND told.once = 'permit ' || p.id)
    ORDER BY p.id
    """
)


def begin_rounds(connection: Connection, *, now: datetime) -> int:
    """Let published rounds whose term has begun be active; return how many."""
    return connection.execute(_BEGIN, {"now": now}).rowcount


def end_rounds(connection: Connection, *, now: datetime) -> list[int]:
    """End the rounds whose term is over, and reserve their facilities no more; return their ids."""
    ended = list(connection.scalars(_END, {"now": now}))
    connection.execute(_FREE, {"ids": ended})
    return ended


def end_lists(connection: Connection, round_ids: Sequence[int], *, now: datetime) -> list[Row[Any]]:
    """Let everybody who waits in rounds leave their lists; return the entries."""
    return list(connection.execute(_LEAVE, {"ids": list(round_ids), "now": now}))


def list_ending(connection: Connection, *, within: timedelta, now: datetime) -> list[Row[Any]]:
    """List the permits that end with their term within a while and whose households have not been told yet."""
    return list(connection.execute(_ENDING, {"days": within.days, "now": now}))
