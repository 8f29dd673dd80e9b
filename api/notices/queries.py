"""What is told to households, and what of it they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

from api.errors import ApiError


class NoticeNotFound(ApiError):
    """The household has no such notice."""


_NUMBER = "CASE WHEN jsonb_typeof(n.facts -> '{0}') = 'number' THEN CAST(n.facts ->> '{0}' AS bigint) END"
SHOWN = f"""
    SELECT n.id, n.household_id, n.kind, n.stay_id, s.kind AS stay_kind, n.created_at, n.read_at, n.facts,
           f.id AS facility_id, f.name, elsewhere.name AS new_name, r.name AS round_name, p.timezone, p.country,
           COALESCE(w.reason, n.facts ->> 'reason') AS reason, COALESCE(w.urgency, n.facts ->> 'urgency') AS urgency
    FROM notices n
    JOIN households h ON h.id = n.household_id
    JOIN homes lives ON lives.id = h.home_id
    LEFT JOIN stays s ON s.id = n.stay_id
    LEFT JOIN facilities f ON f.id = {_NUMBER.format("facility")}
    LEFT JOIN facilities elsewhere ON elsewhere.id = {_NUMBER.format("new_facility")}
    LEFT JOIN rounds r ON r.id = {_NUMBER.format("round")}
    JOIN neighbourhoods p ON p.id = COALESCE(f.neighbourhood_id, lives.neighbourhood_id)
    LEFT JOIN withdrawals w ON w.id = {_NUMBER.format("withdrawal")}
"""
"""Notices with the names of what they tell of, for whoever may see them."""
_PAGE = text(
    f"{SHOWN} WHERE n.household_id = :household AND n.id < :before AND (NOT :unread OR n.read_at IS NULL)"
    " ORDER BY n.id DESC LIMIT :limit"
)
_ONE = text(f"{SHOWN} WHERE n.household_id = :household AND n.id = :notice")
_MARK = text("UPDATE notices SET read_at = :now WHERE id = :notice AND household_id = :household AND read_at IS NULL")
_TELL_OF_WITHDRAWAL = text(
    """
    INSERT INTO notices (household_id, kind, stay_id, facts, created_at)
    SELECT s.household_id, 'stay_withdrawn', s.id, jsonb_build_object(
        'facility', g.facility_id, 'from', lower(s.during), 'to', upper(s.during),
        'withdrawal', CAST(:withdrawal AS bigint)), :now
    FROM stays s JOIN bays b ON b.id = s.bay_id JOIN bay_groups g ON g.id = b.bay_group_id
    WHERE s.id = ANY(:stays)
    """
)
_TELL_TO_LEAVE = text(
    """
    INSERT INTO notices (household_id, kind, stay_id, facts, created_at)
    SELECT s.household_id, 'leave_soon', s.id, jsonb_build_object(
        'facility', g.facility_id, 'from', lower(s.during), 'to', upper(s.during), 'next_date', upper(s.during)), :now
    FROM stays s JOIN bays b ON b.id = s.bay_id JOIN bay_groups g ON g.id = b.bay_group_id
    WHERE s.state = 'confirmed' AND s.kind = 'booking'
      AND upper(s.during) > :now AND upper(s.during) <= CAST(:now AS timestamptz) + :ahead AND lower(s.during) <= :now
      AND NOT EXISTS (
        SELECT FROM stays later
        WHERE later.bay_id = s.bay_id AND later.household_id = s.household_id AND later.state = 'confirmed'
          AND later.during @> upper(s.during)
      )
    ON CONFLICT (stay_id, kind) DO NOTHING
    """
)
_TELL = text(
    """
    INSERT INTO notices (household_id, kind, stay_id, facts, once, created_at)
    SELECT household, kind, stay, CAST(facts AS jsonb), once, :now
    FROM unnest(CAST(:households AS bigint[]), CAST(:kinds AS text[]), CAST(:stays AS bigint[]),
                CAST(:facts AS text[]), CAST(:once AS text[])) AS told (household, kind, stay, facts, once)
    ON CONFLICT DO NOTHING
    """
)


def list_notices(connection: Connection, household_id: int, *, before: int, limit: int, unread: bool) -> list[Row[Any]]:
    """List the notices of a household with an id below `before`, the newest first; perhaps only those not read yet."""
    values = {"household": household_id, "before": before, "limit": limit, "unread": unread}
    return list(connection.execute(_PAGE, values))


def mark_read(connection: Connection, household_id: int, notice_id: int, *, now: datetime) -> Row[Any]:
    """
    Note when a notice was first read, and return it.

    Raises
    ------
    NoticeNotFound
        The household has no such notice.
    """
    values = {"household": household_id, "notice": notice_id}
    connection.execute(_MARK, {**values, "now": now})
    row = connection.execute(_ONE, values).one_or_none()
    if row is None:
        raise NoticeNotFound("no such notice")
    return row


def language_of(connection: Connection, account_id: int) -> str:
    """Return the language of an account."""
    found = connection.scalar(text("SELECT language FROM accounts WHERE id = :account"), {"account": account_id})
    return str(found or "zh")


def tell_of_withdrawal(connection: Connection, withdrawal_id: int, *, stay_ids: Sequence[int], now: datetime) -> None:
    """Tell the households of stays that a withdrawal ended them."""
    values = {"withdrawal": withdrawal_id, "stays": list(stay_ids), "now": now}
    connection.execute(_TELL_OF_WITHDRAWAL, values)


def tell_to_leave(connection: Connection, *, ahead: timedelta, now: datetime) -> int:
    """
    Tell those who stand on a booked bay and must leave it within `ahead`, once; return how many were told.

    Whoever has booked the same bay on without a gap need not leave.
    """
    return connection.execute(_TELL_TO_LEAVE, {"ahead": ahead, "now": now}).rowcount


def insert_notices(connection: Connection, columns: Mapping[str, Sequence[Any]], *, now: datetime) -> int:
    """Store notices, given as columns; those told already are left out. Return how many are new."""
    return connection.execute(_TELL, {**columns, "now": now}).rowcount
