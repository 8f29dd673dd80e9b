"""What the service asks the database about accounts, and what it writes there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert

from api.accounts.identities import LOCAL_ISSUER
from api.accounts.principal import Principal
from api.db.account_tables import accounts, bearer_tokens, log_in_attempts, login_sessions
from api.errors import ApiError

_ASK = text(
    "SELECT set_config('baytide.asked_issuer', :issuer, true), set_config('baytide.asked_subject', :subject, true)"
)
_LOCK = text("SELECT pg_advisory_xact_lock(:what, hashtext(encode(:hashed, 'hex')))")
_SUBJECT_LOCK, _ADDRESS_LOCK = 0x6C6F01, 0x6C6F02
_KEEP_ATTEMPTS = timedelta(days=1)


class SecretNotFound(ApiError):
    """One has no login session, or no token, of this id that is open."""


def find_account(connection: Connection, subject: str, *, issuer: str = LOCAL_ISSUER) -> Row[Any] | None:
    """Return the account of an exact identity; asking for it is what makes the row visible."""
    if "\0" in subject + issuer:
        return None
    connection.execute(_ASK, {"issuer": issuer, "subject": subject})
    query = select(accounts).where(accounts.c.issuer == issuer, accounts.c.subject == subject)
    return connection.execute(query).one_or_none()


def get_account(connection: Connection, account_id: int) -> Row[Any]:
    """Return one's own account."""
    return connection.execute(select(accounts).where(accounts.c.id == account_id)).one()


def add_account(
    connection: Connection, subject: str, *, password_hash: str | None, language: str, issuer: str = LOCAL_ISSUER
) -> int | None:
    """Add an account and return its id, None when the identity is taken."""
    connection.execute(_ASK, {"issuer": issuer, "subject": subject})
    row = {"issuer": issuer, "subject": subject, "password_hash": password_hash, "language": language}
    query = postgres_insert(accounts).values(row).on_conflict_do_nothing().returning(accounts.c.id)
    account_id: int | None = connection.scalar(query)
    return account_id


def set_password_hash(connection: Connection, account_id: int, password_hash: str) -> None:
    """Replace what is kept of a password."""
    connection.execute(update(accounts).where(accounts.c.id == account_id).values(password_hash=password_hash))


def set_language(connection: Connection, account_id: int, language: str) -> None:
    """Choose the language of letters and pages."""
    connection.execute(update(accounts).where(accounts.c.id == account_id).values(language=language))


# ------------------------------------------------------------------------------------------- login sessions and tokens


def add_login_session(connection: Connection, account_id: int, *, secret_hash: bytes, lasts: timedelta) -> datetime:
    """Add a login session, clear away one's expired ones, and return when it ends."""
    return _add_secret(connection, login_sessions, account_id, lasts, secret_hash=secret_hash)


def add_bearer_token(
    connection: Connection, account_id: int, *, secret_hash: bytes, label: str, lasts: timedelta
) -> datetime:
    """Add a token, clear away one's expired ones, and return when it ends."""
    return _add_secret(connection, bearer_tokens, account_id, lasts, secret_hash=secret_hash, label=label)


def _add_secret(connection: Connection, table: Table, account_id: int, lasts: timedelta, **columns: object) -> datetime:
    mine = table.c.account_id == account_id
    connection.execute(delete(table).where(mine, table.c.expires_at < func.now()))
    row = {"account_id": account_id, "expires_at": func.now() + lasts, **columns}
    ends: datetime = connection.execute(insert(table).values(row).returning(table.c.expires_at)).scalar_one()
    return ends


def list_login_sessions(connection: Connection, account_id: int) -> Sequence[Row[Any]]:
    """List one's login sessions that are open, the newest first."""
    return _list_open(connection, login_sessions, account_id)


def list_bearer_tokens(connection: Connection, account_id: int) -> Sequence[Row[Any]]:
    """List one's tokens that work, the newest first."""
    return _list_open(connection, bearer_tokens, account_id)


def _list_open(connection: Connection, table: Table, account_id: int) -> Sequence[Row[Any]]:
    query = select(table).where(
        table.c.account_id == account_id, table.c.revoked_at.is_(None), table.c.expires_at > func.now()
    )
    return connection.execute(query.order_by(table.c.id.desc())).all()


def revoke_login_sessions(
    connection: Connection, account_id: int, *, session_id: int | None = None, secret_hash: bytes | None = None
) -> int:
    """Close one login session by its id or its secret, or all without either; return how many were open."""
    wanted = [login_sessions.c.id == session_id] if session_id is not None else []
    wanted += [login_sessions.c.secret_hash == secret_hash] if secret_hash is not None else []
    return _revoke(connection, login_sessions, account_id, wanted)


def revoke_bearer_tokens(connection: Connection, account_id: int, *, token_id: int | None = None) -> int:
    """Revoke one token, or all without an id; return how many worked."""
    wanted = [bearer_tokens.c.id == token_id] if token_id is not None else []
    return _revoke(connection, bearer_tokens, account_id, wanted)


def _revoke(connection: Connection, table: Table, account_id: int, wanted: Sequence[Any]) -> int:
    mine = (table.c.account_id == account_id, table.c.revoked_at.is_(None))
    done = connection.execute(update(table).where(*mine, *wanted).values(revoked_at=func.clock_timestamp()))
    return done.rowcount


# ------------------------------------------------------------------------------------------------------------ attempts


def lock_attempts(connection: Connection, *, subject: bytes | None, address: bytes) -> None:
    """Let one try of a subject, and one from an address, be counted at a time; always in this order."""
    if subject is not None:
        connection.execute(_LOCK, {"what": _SUBJECT_LOCK, "hashed": subject})
    connection.execute(_LOCK, {"what": _ADDRESS_LOCK, "hashed": address})


def find_wait(
    connection: Connection,
    kind: str,
    *,
    within: timedelta,
    most: int,
    subject: bytes | None = None,
    address: bytes | None = None,
) -> int | None:
    """Return how many seconds to wait before the next try, None when there are fewer than `most` within the time."""
    t = log_in_attempts
    if subject is None and address is None:
        return None
    by = t.c.subject_hash == subject if subject is not None else t.c.address_hash == address
    left = func.extract("epoch", t.c.at + within - func.clock_timestamp())
    query = select(left).where(by, t.c.kind == kind, t.c.at > func.clock_timestamp() - within)
    seconds = connection.scalar(query.order_by(t.c.at.desc()).offset(most - 1).limit(1))
    return None if seconds is None else max(1, math.ceil(seconds))


def add_attempt(connection: Connection, kind: str, *, subject: bytes | None, address: bytes) -> int:
    """Note a try and return its id."""
    t = log_in_attempts
    row = {"kind": kind, "subject_hash": subject, "address_hash": address, "at": func.clock_timestamp()}
    attempt_id: int = connection.execute(insert(t).values(row).returning(t.c.id)).scalar_one()
    return attempt_id


def forget_attempts(connection: Connection, subject: bytes) -> None:
    """Forget the failed log-ins of somebody who got in."""
    t = log_in_attempts
    connection.execute(delete(t).where(t.c.subject_hash == subject, t.c.kind == "log_in"))


def forget_old_attempts(connection: Connection) -> None:
    """Forget tries that no limit counts any more."""
    t = log_in_attempts
    old = select(t.c.id).where(t.c.at < func.now() - _KEEP_ATTEMPTS).limit(100).with_for_update(skip_locked=True)
    connection.execute(delete(t).where(t.c.id.in_(old)))


# ---------------------------------------------------------------------------------------------------------------- acts


def add_act(connection: Connection, principal: Principal, *, act: str) -> None:
    """Note what a committee worker does in the name of a household, under the mandate that covers it."""
    query = text("SELECT note_act(:worker, :household, :act)")
    connection.execute(query, {"worker": principal.account_id, "household": principal.household_id, "act": act})
