"""What carrying notices out of the house asks of the database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from api.notices.queries import SHOWN

_ROUTE = text(
    """
    WITH fresh AS (
        SELECT id, household_id, kind FROM notices WHERE routed_at IS NULL ORDER BY id LIMIT :most
        FOR UPDATE SKIP LOCKED
    ), mailed AS (
        INSERT INTO deliveries (channel, household_id, notice_id, next_at, created_at)
        SELECT 'mail', fresh.household_id, fresh.id, :now, :now
        FROM fresh JOIN household_contacts c ON c.household_id = fresh.household_id
        WHERE :by_mail AND c.by_mail AND c.verified_at IS NOT NULL AND c.bounced_at IS NULL
        ON CONFLICT DO NOTHING
    ), hooked AS (
        INSERT INTO deliveries (channel, household_id, notice_id, endpoint_id, next_at, created_at)
        SELECT 'webhook', fresh.household_id, fresh.id, e.id, GREATEST(:now, e.paused_until), :now
        FROM fresh JOIN webhook_endpoints e ON e.household_id = fresh.household_id
        WHERE e.removed_at IS NULL AND (e.kinds = '{}' OR fresh.kind = ANY (e.kinds))
        ON CONFLICT DO NOTHING
    )
    UPDATE notices SET routed_at = :now FROM fresh WHERE notices.id = fresh.id
    """
)
_SETTLE = text(
    """
    WITH settled AS (
        SELECT n.id FROM notices n
        WHERE n.told_at IS NULL AND n.routed_at IS NOT NULL AND (
            EXISTS (SELECT FROM deliveries d WHERE d.notice_id = n.id AND d.state = 'sent')
            OR NOT EXISTS (SELECT FROM deliveries d WHERE d.notice_id = n.id AND d.state = 'waiting')
        ) ORDER BY n.id LIMIT :most FOR UPDATE SKIP LOCKED
    )
    UPDATE notices n SET told_at = :now FROM settled WHERE n.id = settled.id
    RETURNING CASE WHEN jsonb_typeof(n.facts -> 'offer') = 'number' THEN CAST(n.facts ->> 'offer' AS bigint) END
    """
)
_CLAIM = text(
    """
    SELECT d.id, d.channel, d.notice_id, d.household_id, d.attempts, d.created_at, c.email_sealed, c.language,
           c.verified_at, c.bounced_at, c.by_mail, c.code_nonce, c.code_until
    FROM deliveries d LEFT JOIN household_contacts c ON c.household_id = d.household_id
    WHERE d.state = 'waiting' AND d.channel = :channel AND d.next_at <= :now
    ORDER BY d.next_at, d.id LIMIT 1 FOR UPDATE OF d SKIP LOCKED
    """
)
_END = text(
    "UPDATE deliveries SET state = :state, error = :error, attempts = attempts + 1, ended_at = :now WHERE id = :id"
)
_LATER = text("UPDATE deliveries SET error = :error, attempts = attempts + 1, next_at = :next_at WHERE id = :id")
_POSTPONE = text("UPDATE deliveries SET error = 'away', next_at = :next_at WHERE id = :id")
_GIVE_UP = text(
    """
    UPDATE deliveries SET state = 'failed', error = 'gave_up', ended_at = :now WHERE id IN (
        SELECT id FROM deliveries WHERE state = 'waiting' AND channel IN ('mail', 'code') AND created_at <= :before
        FOR UPDATE SKIP LOCKED
    )
    """
)
_BOUNCE = text("UPDATE household_contacts SET bounced_at = :now WHERE household_id = :household")
_NOTICE = text(f"{SHOWN} WHERE n.id = :notice")


def route(connection: Connection, *, most: int, by_mail: bool, now: datetime) -> int:
    """Choose the ways that new notices go, at most so many of them; return how many."""
    return connection.execute(_ROUTE, {"most": most, "by_mail": by_mail, "now": now}).rowcount


def settle(connection: Connection, *, most: int, now: datetime) -> list[int | None]:
    """
    Note what is told: by the first way that carried it, or by the inbox where no other is left.

    Returns
    -------
    list of int or None
        For each notice that is told now the offer it tells of.
    """
    return list(connection.scalars(_SETTLE, {"most": most, "now": now}))


def claim_mail(connection: Connection, channel: str, *, now: datetime) -> Row[Any] | None:
    """Take one mail that is due and that nobody else has in hand, until the end of the transaction."""
    return connection.execute(_CLAIM, {"channel": channel, "now": now}).one_or_none()


def find_notice(connection: Connection, notice_id: int) -> Row[Any]:
    """Return a notice with the names of what it tells of."""
    return connection.execute(_NOTICE, {"notice": notice_id}).one()


def end_delivery(connection: Connection, delivery_id: int, *, error: str | None, now: datetime) -> None:
    """Note that a delivery arrived, or why it never will."""
    state = "sent" if error is None else "failed"
    connection.execute(_END, {"id": delivery_id, "state": state, "error": error, "now": now})


def try_later(connection: Connection, delivery_id: int, *, error: str, next_at: datetime) -> None:
    """Note why a delivery did not arrive, and when to try again."""
    connection.execute(_LATER, {"id": delivery_id, "error": error, "next_at": next_at})


def postpone(connection: Connection, delivery_id: int, *, next_at: datetime) -> None:
    """Let others come first; no attempt is counted, since it was no fault of this delivery."""
    connection.execute(_POSTPONE, {"id": delivery_id, "next_at": next_at})


def give_up(connection: Connection, *, before: datetime, now: datetime) -> int:
    """End mails that have waited since before a moment; return how many."""
    return connection.execute(_GIVE_UP, {"before": before, "now": now}).rowcount


def note_bounce(connection: Connection, household_id: int, *, now: datetime) -> None:
    """Write no more to an address that takes no mail."""
    connection.execute(_BOUNCE, {"household": household_id, "now": now})
