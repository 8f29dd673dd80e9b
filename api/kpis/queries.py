"""What figures ask of the database; [since, until) are moments, and nothing tells who anybody is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, TextClause, text

# The answers of published plans; `held` says that the household held a permit when applications closed.
_ANSWERS = text(
    """
    SELECT a.tier, h.estate, o.walk_m, o.reason, a.holds_facility_id AS holds, g.facility_id
    FROM rounds r
    JOIN round_outcomes o ON o.plan_id = r.plan_id
    JOIN applications a ON a.id = o.application_id
    JOIN homes h ON h.id = a.home_id
    LEFT JOIN bay_groups g ON g.id = o.bay_group_id
    WHERE r.neighbourhood_id = :neighbourhood AND r.published_at >= :since AND r.published_at < :until
    """
)
_STAYS = text(
    """
    SELECT lower(s.during) AS starts_at, upper(s.during) AS ends_at, s.state, s.kind
    FROM stays s JOIN bays b ON b.id = s.bay_id JOIN bay_groups g ON g.id = b.bay_group_id
    JOIN facilities f ON f.id = g.facility_id
    WHERE f.neighbourhood_id = :neighbourhood AND s.state IN ('confirmed', 'given_back')
      AND s.during && tstzrange(:since, :until)
    """
)
_OPENINGS = text(
    """
    SELECT lower(o.during) AS starts_at, upper(o.during) AS ends_at, o.last_number - o.first_number + 1 AS bays
    FROM openings o JOIN facilities f ON f.id = o.facility_id
    WHERE f.neighbourhood_id = :neighbourhood AND o.during && tstzrange(:since, :until)
    """
)
_WAITS = text(
    """
    SELECT e.joined_at, e.reached_at, e.ended_at
    FROM waitlist_entries e JOIN rounds r ON r.id = e.round_id
    WHERE r.neighbourhood_id = :neighbourhood AND e.joined_at >= :since AND e.joined_at < :until
    """
)
_WITHDRAWALS = text(
    """
    SELECT w.urgency, EXTRACT(epoch FROM w.effective_from - w.confirmed_at) / 86400 AS notice_days
    FROM withdrawals w JOIN facilities f ON f.id = w.facility_id
    WHERE f.neighbourhood_id = :neighbourhood AND w.confirmed_at >= :since AND w.confirmed_at < :until
    """
)


def _asked(
    connection: Connection, query: TextClause, owner: int, since: datetime, until: datetime
) -> Sequence[Row[Any]]:
    return connection.execute(query, {"neighbourhood": owner, "since": since, "until": until}).all()


def list_answers(connection: Connection, owner: int, *, since: datetime, until: datetime) -> Sequence[Row[Any]]:
    """List what plans published in a period answered, an application a row."""
    return _asked(connection, _ANSWERS, owner, since, until)


def list_stays(connection: Connection, owner: int, *, since: datetime, until: datetime) -> Sequence[Row[Any]]:
    """List the stays of a period that were confirmed or given back."""
    return _asked(connection, _STAYS, owner, since, until)


def list_openings(connection: Connection, owner: int, *, since: datetime, until: datetime) -> Sequence[Row[Any]]:
    """List when how many bays were shared in a period."""
    return _asked(connection, _OPENINGS, owner, since, until)


def list_waits(connection: Connection, owner: int, *, since: datetime, until: datetime) -> Sequence[Row[Any]]:
    """List when households joined waitlists in a period, were reached, and left."""
    return _asked(connection, _WAITS, owner, since, until)


def list_withdrawals(connection: Connection, owner: int, *, since: datetime, until: datetime) -> Sequence[Row[Any]]:
    """List the urgency of withdrawals and the days of notice they gave."""
    return _asked(connection, _WITHDRAWALS, owner, since, until)
