"""What the service asks and writes about webhooks, and what the job that calls them does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from api.errors import ApiError


class WebhookNotFound(ApiError):
    """There is no such webhook, or it is somebody else's."""


_ADD = text(
    """
    INSERT INTO webhook_endpoints (household_id, owner_id, url_sealed, kinds, secret_sealed, created_at)
    VALUES (:household, :owner, :url, :kinds, :secret, :now) RETURNING *
    """
)
_CALL = 0x63616C6C
"""One call of a webhook after the other: first half of an advisory lock's key."""
# Locks the first webhook that nobody calls at this moment, and no other; those that failed lately come last.
_CLAIM_ENDPOINT = text(
    """
    WITH due AS MATERIALIZED (
        SELECT e.id FROM deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
        WHERE d.state = 'waiting' AND d.channel = 'webhook' AND d.next_at <= :now
        GROUP BY e.id ORDER BY e.failures > 0, min(d.next_at), e.id
    )
    SELECT id FROM due WHERE pg_try_advisory_xact_lock(CAST(:space AS bigint) << 32 | id) LIMIT 1
    """
)
_CLAIM = text(
    """
    SELECT d.id, d.notice_id, d.event, d.attempts, d.created_at, e.id AS endpoint_id, e.url_sealed, e.secret_sealed,
           e.former_sealed, e.former_until, e.failures, e.removed_at
    FROM deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
    WHERE d.state = 'waiting' AND d.endpoint_id = :endpoint AND d.next_at <= :now
    ORDER BY d.next_at, d.id LIMIT 1 FOR UPDATE OF d
    """
)
_PAUSE = text(
    """
    UPDATE deliveries SET next_at = :until WHERE id IN (
        SELECT id FROM deliveries WHERE endpoint_id = :id AND state = 'waiting' AND next_at < :until
        FOR UPDATE SKIP LOCKED
    )
    """
)
_STOP = text(
    """
    UPDATE deliveries SET state = 'failed', error = 'removed', ended_at = :now WHERE id IN (
        SELECT id FROM deliveries WHERE endpoint_id = :id AND state = 'waiting' FOR UPDATE SKIP LOCKED
    )
    """
)
_GIVE_UP = text(
    """
    UPDATE deliveries SET state = 'failed', error = 'gave_up', ended_at = :now WHERE id IN (
        SELECT id FROM deliveries WHERE endpoint_id = :id AND state = 'waiting' AND created_at <= :before
        FOR UPDATE SKIP LOCKED
    )
    """
)
_RESUME = text(
    """
    UPDATE deliveries SET next_at = :now WHERE id IN (
        SELECT id FROM deliveries WHERE endpoint_id = :id AND state = 'waiting' AND next_at > :now
        FOR UPDATE SKIP LOCKED
    )
    """
)
_RESUME_LISTS = text("UPDATE allow_list_pushes SET next_at = :now WHERE endpoint_id = :id AND next_at > :now")
_LISTS = text(
    """
    SELECT p.endpoint_id, p.facility_id, p.version, p.failures, p.error, p.failing_since,
           CASE WHEN p.failures > 0 THEN GREATEST(p.next_at, e.paused_until) END AS next_at
    FROM allow_list_pushes p JOIN webhook_endpoints e ON e.id = p.endpoint_id
    JOIN facilities f ON f.id = p.facility_id AND f.owner_id = e.owner_id
    WHERE p.endpoint_id = ANY (:ids) ORDER BY p.endpoint_id, p.facility_id
    """
)


def add_endpoint(connection: Connection, values: Mapping[str, Any], *, now: datetime) -> Row[Any]:
    """Keep a webhook."""
    return connection.execute(_ADD, {**values, "now": now}).one()


def list_endpoints(connection: Connection, *, household_id: int | None, owner_ids: Sequence[int]) -> list[Row[Any]]:
    """List the webhooks of a household and of owners."""
    query = text(
        "SELECT * FROM webhook_endpoints WHERE removed_at IS NULL "
        "AND (household_id = :household OR owner_id = ANY (:owners)) ORDER BY id"
    )
    return list(connection.execute(query, {"household": household_id, "owners": list(owner_ids)}))


def list_lists(connection: Connection, endpoint_ids: Sequence[int]) -> dict[int, list[Row[Any]]]:
    """List what webhooks have taken of the lists of their owner's facilities, and what they have not, by webhook."""
    found: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(_LISTS, {"ids": list(endpoint_ids)}):
        found.setdefault(row.endpoint_id, []).append(row)
    return found


def get_endpoint(connection: Connection, endpoint_id: int) -> Row[Any]:
    """Return a webhook that one may see and change until the end of the transaction; WebhookNotFound without."""
    query = text("SELECT * FROM webhook_endpoints WHERE id = :id AND removed_at IS NULL FOR UPDATE")
    row = connection.execute(query, {"id": endpoint_id}).one_or_none()
    if row is None:
        raise WebhookNotFound("no such webhook")
    return row


def change_secret(
    connection: Connection, endpoint_id: int, *, secret: bytes, former: bytes, former_until: datetime
) -> None:
    """Sign with a new secret, and for a while with the former one too."""
    query = text(
        "UPDATE webhook_endpoints SET secret_sealed = :secret, former_sealed = :former, former_until = :until "
        "WHERE id = :id"
    )
    connection.execute(query, {"id": endpoint_id, "secret": secret, "former": former, "until": former_until})


def remove_endpoint(connection: Connection, endpoint_id: int, *, now: datetime) -> None:
    """Call a webhook no more, forget its address and its secrets, and end what waits for it; as the worker."""
    query = text(
        "UPDATE webhook_endpoints SET removed_at = :now, url_sealed = '', secret_sealed = '', former_sealed = NULL, "
        "former_until = NULL WHERE id = :id AND removed_at IS NULL"
    )
    connection.execute(query, {"id": endpoint_id, "now": now})
    connection.execute(_STOP, {"id": endpoint_id, "now": now})


_QUEUE_FOR_OWNER = text(
    """
    INSERT INTO deliveries (channel, endpoint_id, event, next_at, created_at)
    SELECT 'webhook', e.id, CAST(:event AS jsonb), GREATEST(:now, e.paused_until), :now
    FROM facilities f JOIN webhook_endpoints e ON e.owner_id = f.owner_id
    WHERE f.id = :facility AND e.removed_at IS NULL AND (e.kinds = '{}' OR :kind = ANY (e.kinds))
      AND NOT EXISTS (SELECT FROM deliveries d WHERE d.endpoint_id = e.id AND d.event = CAST(:event AS jsonb))
    """
)


def queue_for_owner(connection: Connection, facility_id: int, event: Mapping[str, Any], *, now: datetime) -> int:
    """Let an event be sent to the webhooks of a facility's owner that want its kind; the same event is sent once."""
    values = {"facility": facility_id, "kind": event["kind"], "event": json.dumps(event), "now": now}
    return connection.execute(_QUEUE_FOR_OWNER, values).rowcount


def queue_event(connection: Connection, endpoint_id: int, event: Mapping[str, Any], *, now: datetime) -> int:
    """Let an event be sent to a webhook; return the id of the delivery."""
    query = text(
        "INSERT INTO deliveries (channel, household_id, endpoint_id, event, next_at, created_at) "
        "SELECT 'webhook', household_id, id, CAST(:event AS jsonb), :now, :now FROM webhook_endpoints WHERE id = :id "
        "RETURNING id"
    )
    values = {"id": endpoint_id, "event": json.dumps(event), "now": now}
    return int(connection.execute(query, values).scalar_one())


# -------------------------------------------------------------------------------------------------------------- the job


def claim_endpoint(connection: Connection, *, now: datetime) -> int | None:
    """Take a webhook for which something is due and that nobody calls, until the end of the transaction."""
    found: int | None = connection.scalar(_CLAIM_ENDPOINT, {"space": _CALL, "now": now})
    return found


def wait_for_call(connection: Connection, endpoint_id: int) -> None:
    """Wait until nobody calls a webhook, and keep others from it until the end of the transaction."""
    query = text("SELECT pg_advisory_xact_lock(CAST(:space AS bigint) << 32 | CAST(:id AS bigint))")
    connection.execute(query, {"space": _CALL, "id": endpoint_id})


def claim(connection: Connection, endpoint_id: int, *, now: datetime) -> Row[Any] | None:
    """Take what is due first for a webhook that one has taken; None where somebody else has just sent it."""
    return connection.execute(_CLAIM, {"endpoint": endpoint_id, "now": now}).one_or_none()


def note_success(connection: Connection, endpoint_id: int, *, now: datetime) -> None:
    """Note that a webhook answers: what waits for it since it failed is due at once, before what comes now."""
    query = text("UPDATE webhook_endpoints SET failures = 0, paused_until = NULL WHERE id = :id AND failures > 0")
    if connection.execute(query, {"id": endpoint_id}).rowcount:
        connection.execute(_RESUME, {"id": endpoint_id, "now": now})
        resume_lists(connection, endpoint_id, now=now)


def resume_lists(connection: Connection, endpoint_id: int, *, now: datetime) -> None:
    """Let a webhook be told at once of the lists that it did not take."""
    connection.execute(_RESUME_LISTS, {"id": endpoint_id, "now": now})


def give_up(connection: Connection, endpoint_id: int, *, before: datetime, now: datetime) -> None:
    """End what has waited for a webhook since before a moment."""
    connection.execute(_GIVE_UP, {"id": endpoint_id, "before": before, "now": now})


def pause(connection: Connection, endpoint_id: int, *, until: datetime) -> None:
    """Leave a webhook alone for a while, with all that waits for it."""
    query = text("UPDATE webhook_endpoints SET failures = failures + 1, paused_until = :until WHERE id = :id")
    connection.execute(query, {"id": endpoint_id, "until": until})
    connection.execute(_PAUSE, {"id": endpoint_id, "until": until})
