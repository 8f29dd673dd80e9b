"""What the service asks and writes about where households are written to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

_PUT = text(
    """
    INSERT INTO household_contacts (household_id, email_sealed, language, by_mail, code_nonce, code_until, changed_at)
    VALUES (:household, :email, :language, :by_mail, :nonce, :until, :now)
    ON CONFLICT (household_id) DO UPDATE SET
        email_sealed = :email, language = :language, by_mail = :by_mail, code_nonce = :nonce, code_until = :until,
        code_tries = 0, verified_at = NULL, bounced_at = NULL, changed_at = :now
    """
)
_COUNT_TRY = text(
    "UPDATE household_contacts SET code_tries = code_tries + 1"
    " WHERE household_id = :household AND code_until > :now AND code_tries < :most"
)
_VERIFIED = text(
    "UPDATE household_contacts SET verified_at = :now, code_nonce = NULL, code_until = NULL, code_tries = 0"
    " WHERE household_id = :household"
)
_CODES = text(
    "SELECT created_at FROM deliveries WHERE household_id = :household AND channel = 'code' AND created_at > :since"
)
_STOP = text(
    """
    UPDATE deliveries SET state = 'failed', error = 'no_address', ended_at = :now WHERE id IN (
        SELECT id FROM deliveries WHERE household_id = :household AND channel IN ('mail', 'code') AND state = 'waiting'
        FOR UPDATE SKIP LOCKED
    )
    """
)


def lock_contact(connection: Connection, household_id: int) -> None:
    """Let one change of a household's contact after the other happen."""
    lock = text("SELECT pg_advisory_xact_lock(:what, :household)")
    connection.execute(lock, {"what": 0x636F6E, "household": household_id % 2**31})


def find_contact(connection: Connection, household_id: int) -> Row[Any] | None:
    """Return where a household is written to, sealed."""
    query = text("SELECT * FROM household_contacts WHERE household_id = :household")
    return connection.execute(query, {"household": household_id}).one_or_none()


def put_contact(connection: Connection, household_id: int, values: Mapping[str, Any], *, now: datetime) -> None:
    """Keep an address that is to be confirmed."""
    connection.execute(_PUT, {"household": household_id, **values, "now": now})


def change_contact(connection: Connection, household_id: int, *, language: str, by_mail: bool, now: datetime) -> None:
    """Change how a household is written to, at the same address."""
    query = text(
        "UPDATE household_contacts SET language = :language, by_mail = :by_mail, changed_at = :now "
        "WHERE household_id = :household"
    )
    connection.execute(query, {"household": household_id, "language": language, "by_mail": by_mail, "now": now})


def list_codes(connection: Connection, household_id: int, *, since: datetime) -> list[datetime]:
    """List when codes were made for a household, whatever became of them."""
    return list(connection.scalars(_CODES, {"household": household_id, "since": since}))


def queue_code(connection: Connection, household_id: int, *, now: datetime) -> None:
    """Let the code of a household be sent, and no older one."""
    values = {"household": household_id, "now": now}
    older = text(
        "UPDATE deliveries SET state = 'failed', error = 'late', ended_at = :now WHERE id IN ("
        "SELECT id FROM deliveries WHERE household_id = :household AND channel = 'code' AND state = 'waiting' "
        "FOR UPDATE SKIP LOCKED)"
    )
    connection.execute(older, values)
    new = text(
        "INSERT INTO deliveries (channel, household_id, next_at, created_at) VALUES ('code', :household, :now, :now)"
    )
    connection.execute(new, values)


def count_try(connection: Connection, household_id: int, *, most: int, now: datetime) -> bool:
    """Count a try of the code; False where none is left."""
    return connection.execute(_COUNT_TRY, {"household": household_id, "most": most, "now": now}).rowcount == 1


def note_verified(connection: Connection, household_id: int, *, now: datetime) -> None:
    """Note that the address is the household's; the code is used up."""
    connection.execute(_VERIFIED, {"household": household_id, "now": now})


def delete_contact(connection: Connection, household_id: int) -> None:
    """Erase where a household is written to."""
    connection.execute(
        text("DELETE FROM household_contacts WHERE household_id = :household"), {"household": household_id}
    )


def stop_mails(connection: Connection, household_id: int, *, now: datetime) -> None:
    """End what waits to be sent to a household by mail."""
    connection.execute(_STOP, {"household": household_id, "now": now})
