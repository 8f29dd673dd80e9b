"""What is told to households, and what of it they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, Row, text

from api.db.arrays import array_text
from api.errors import ApiError
from api.money.rules import RULES


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
    WHERE s.state IN ('confirmed', 'leaving') AND s.kind = 'booking'
      AND upper(s.during) > :now AND upper(s.during) <= CAST(:now AS timestamptz) + :ahead AND lower(s.during) <= :now
      AND NOT EXISTS (
        SELECT FROM stays later
        WHERE later.bay_id = s.bay_id AND later.household_id = s.household_id AND later.state = 'confirmed'
          AND later.during @> upper(s.during)
      )
    ON CONFLICT DO NOTHING
    """
)
_TELL_OF_OFFERS = text(
    f"""
    INSERT INTO notices (household_id, kind, facts, created_at)
    SELECT o.household_id, 'offer_made', jsonb_build_object(
        'offer', o.id, 'permit', p.id, 'facility', g.facility_id, 'first', lower(p.term), 'last', upper(p.term) - 1,
        'walk_m', p.walk_m, 'next_date', e.expires)
        || CASE WHEN d.cents > 0 THEN jsonb_build_object('deposit_cents', d.cents) ELSE '{{}}' END, :now
    FROM unnest(CAST(:offers AS bigint[])) AS w (id)
    JOIN offers o ON o.id = w.id JOIN permits p ON p.id = o.permit_id
    JOIN bay_groups g ON g.id = p.bay_group_id JOIN facilities f ON f.id = g.facility_id
    JOIN unnest(CAST(:places AS bigint[]), CAST(:expires AS text[])) AS e (place, expires)
      ON e.place = f.neighbourhood_id
    LEFT JOIN applications a ON a.id = p.application_id LEFT JOIN rounds r ON r.id = a.round_id
    CROSS JOIN LATERAL (SELECT COALESCE(r.deposit_cents, {RULES.deposit_cents}) AS cents) d
    ORDER BY o.id
    """
)
_TELL_OF_WAITING = text(
    """
    INSERT INTO notices (household_id, kind, facts, created_at)
    SELECT e.household_id, 'waitlisted', jsonb_strip_nulls(jsonb_build_object(
        'entry', e.id, 'round', r.id, 'next_date', upper(r.term) - 1, 'reason', w.reason)), :now
    FROM unnest(CAST(:entries AS bigint[]), CAST(:reasons AS text[])) AS w (id, reason)
    JOIN waitlist_entries e ON e.id = w.id JOIN rounds r ON r.id = e.round_id
    ORDER BY e.id
    """
)
_TELL = text(
    """
    INSERT INTO notices (household_id, kind, stay_id, facts, once, created_at)
    SELECT household_id, kind, stay_id, facts, once, :now
    FROM json_to_recordset(CAST(:notices AS json))
        AS told (household_id bigint, kind text, stay_id bigint, facts jsonb, once text)
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


def tell_of_offers(
    connection: Connection, offer_ids: Sequence[int], expiries: Mapping[int, datetime], *, now: datetime
) -> None:
    """
    Tell households of offers that were made to them; the caller acts as the worker.

    Parameters
    ----------
    expiries
        When an offer would expire that was delivered now, aware, by the neighbourhood of its facility.
    """
    values = {
        "offers": array_text(offer_ids),
        "places": list(expiries),
        "expires": [expiry.isoformat() for expiry in expiries.values()],
    }
    connection.execute(_TELL_OF_OFFERS, {**values, "now": now})


def tell_of_waiting(connection: Connection, reasons: Mapping[int, str | None], *, now: datetime) -> None:
    """Tell households that they wait on the list until when, by entry, and why if there is more to say than that."""
    values = {"entries": array_text(reasons), "reasons": list(reasons.values())}
    connection.execute(_TELL_OF_WAITING, {**values, "now": now})


def insert_notices(connection: Connection, notices: Sequence[Mapping[str, Any]], *, now: datetime) -> int:
    """Store notices, given by the names of their columns; those told already are left out. Return how many are new."""
    return connection.execute(_TELL, {"notices": orjson.dumps(notices).decode(), "now": now}).rowcount
