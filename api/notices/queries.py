"""What is told to households, and what of it they read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

from api.errors import ApiError


class NoticeNotFound(ApiError):
    """The household has no such notice."""


_SHOWN = """
    SELECT n.id, n.kind, n.stay_id, s.kind AS stay_kind, n.created_at, n.read_at, f.id AS facility_id, f.name,
           p.timezone, CAST(n.facts ->> 'from' AS timestamptz) AS starts_at,
           CAST(n.facts ->> 'to' AS timestamptz) AS ends_at, w.reason, w.urgency
    FROM notices n
    JOIN stays s ON s.id = n.stay_id
    JOIN facilities f ON f.id = CAST(n.facts ->> 'facility' AS bigint)
    JOIN neighbourhoods p ON p.id = f.neighbourhood_id
    LEFT JOIN withdrawals w ON w.id = CAST(n.facts ->> 'withdrawal' AS bigint)
"""
_PAGE = text(f"{_SHOWN} WHERE n.household_id = :household AND n.id < :before ORDER BY n.id DESC LIMIT :limit")
_ONE = text(f"{_SHOWN} WHERE n.household_id = :household AND n.id = :notice")
_MARK = text(
    "UPDATE notices SET read_at = clock_timestamp()"
    " WHERE id = :notice AND household_id = :household AND read_at IS NULL"
)
_TELL_OF_WITHDRAWAL = text(
    """
    INSERT INTO notices (household_id, kind, stay_id, facts)
    SELECT s.household_id, 'stay_withdrawn', s.id, jsonb_build_object(
        'facility', g.facility_id, 'from', lower(s.during), 'to', upper(s.during),
        'withdrawal', CAST(:withdrawal AS bigint))
    FROM stays s JOIN bays b ON b.id = s.bay_id JOIN bay_groups g ON g.id = b.bay_group_id
    WHERE s.id = ANY(:stays)
    """
)
_TELL_TO_LEAVE = text(
    """
    INSERT INTO notices (household_id, kind, stay_id, facts)
    SELECT s.household_id, 'leave_soon', s.id, jsonb_build_object(
        'facility', g.facility_id, 'from', lower(s.during), 'to', upper(s.during))
    FROM stays s JOIN bays b ON b.id = s.bay_id JOIN bay_groups g ON g.id = b.bay_group_id
    WHERE s.state = 'confirmed' AND s.kind = 'booking'
      AND upper(s.during) > now() AND upper(s.during) <= now() + :ahead AND lower(s.during) <= now()
      AND NOT EXISTS (
        SELECT FROM stays later
        WHERE later.bay_id = s.bay_id AND later.household_id = s.household_id AND later.state = 'confirmed'
          AND later.during @> upper(s.during)
      )
    ON CONFLICT (stay_id, kind) DO NOTHING
    """
)


def list_notices(connection: Connection, household_id: int, *, before: int, limit: int) -> list[Row[Any]]:
    """List the notices of a household with an id below `before`, the newest first."""
    return list(connection.execute(_PAGE, {"household": household_id, "before": before, "limit": limit}))


def mark_read(connection: Connection, household_id: int, notice_id: int) -> Row[Any]:
    """
    Note when a notice was first read, and return it.

    Raises
    ------
    NoticeNotFound
        The household has no such notice.
    """
    values = {"household": household_id, "notice": notice_id}
    connection.execute(_MARK, values)
    row = connection.execute(_ONE, values).one_or_none()
    if row is None:
        raise NoticeNotFound("no such notice")
    return row


def tell_of_withdrawal(connection: Connection, withdrawal_id: int, *, stay_ids: Sequence[int]) -> None:
    """Tell the households of stays that a withdrawal ended them."""
    connection.execute(_TELL_OF_WITHDRAWAL, {"withdrawal": withdrawal_id, "stays": list(stay_ids)})


def tell_to_leave(connection: Connection, *, ahead: timedelta) -> int:
    """
    Tell those who stand on a booked bay and must leave it within `ahead`, once; return how many were told.

    Whoever has booked the same bay on without a gap need not leave.
    """
    return connection.execute(_TELL_TO_LEAVE, {"ahead": ahead}).rowcount
