"""Making accounts, logging in and out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, Engine

from api.accounts import queries
from api.accounts.attempts import count_attempt, tried
from api.accounts.identities import check_name, log_in_name, with_number
from api.accounts.keys import Keys
from api.accounts.opening import act_as, open_for
from api.accounts.passwords import hash_password, is_outdated, is_password
from api.accounts.principal import Principal
from api.accounts.refusals import LogInRefused, TooManyAttempts
from api.accounts.secrets import Kind, hash_secret, new_secret

Language = Literal["zh", "en"]
SESSION_LASTS = timedelta(days=14)
TOKEN_LASTS = timedelta(days=30)
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Opened:
    """A login session or a token that was just made: the only time its secret is seen."""

    secret: str = field(repr=False)
    ends: datetime


def register(
    engine: Engine, keys: Keys, *, name: str, password: str, language: Language, address: str
) -> tuple[int, str]:
    """
    Make an account with a password; return its id and its log-in name, which is the wished one with a number.

    Raises
    ------
    UnusableName
        Nobody can have the name.
    TooManyAttempts
        Too many accounts were made from this address.
    """
    wished = check_name(name)
    with engine.begin() as connection:
        open_for(connection, secret=None)
        count_attempt(connection, "registration", tried(keys.attempts, subject=None, address=address))
    kept = hash_password(password)
    with engine.begin() as connection:
        open_for(connection, secret=None)
        return add_numbered_account(connection, wished, password_hash=kept, language=language)


def add_numbered_account(
    connection: Connection, name: str, *, password_hash: str | None, language: Language
) -> tuple[int, str]:
    """Add an account under a name with a number nobody has; return its id and the whole log-in name."""
    for _ in range(_TRIES):
        subject = with_number(name)
        account_id = queries.add_account(connection, subject, password_hash=password_hash, language=language)
        if account_id is not None:
            return account_id, subject
    raise TooManyAttempts(60)  # a name with almost a million bearers


def open_with_password(
    engine: Engine,
    keys: Keys,
    *,
    kind: Literal["login_session", "bearer_token"],
    name: str,
    password: str,
    address: str,
    label: str = "",
) -> Opened:
    """
    Log in, or make a token, with log-in name and password.

    Two transactions, and none while the password is hashed: a rush of log-ins leaves connections to the others, and a
    failed try is counted although the request fails.

    Raises
    ------
    LogInRefused
        They do not go together; never says which is wrong.
    TooManyAttempts
        Of this name, or from this address.
    """
    account_id = check_log_in(engine, keys, name=name, password=password, address=address)
    with engine.begin() as connection:
        _act_as_account(connection, account_id)
        return open_account(connection, account_id, kind=kind, label=label)


def open_account(
    connection: Connection, account_id: int, *, kind: Kind, label: str = "", lasts: timedelta | None = None
) -> Opened:
    """Make a login session or a token of an account that has shown who it is."""
    secret = new_secret(kind)
    if kind == "login_session":
        ends = queries.add_login_session(
            connection, account_id, secret_hash=hash_secret(secret), lasts=lasts or SESSION_LASTS
        )
    else:
        ends = queries.add_bearer_token(
            connection, account_id, secret_hash=hash_secret(secret), label=label, lasts=lasts or TOKEN_LASTS
        )
    return Opened(secret, ends)


def check_log_in(engine: Engine, keys: Keys, *, name: str, password: str, address: str) -> int:
    """Return the account that log-in name and password open; raise LogInRefused or TooManyAttempts."""
    subject = log_in_name(name)
    who = tried(keys.attempts, subject=subject, address=address)
    with engine.begin() as connection:
        open_for(connection, secret=None)
        count_attempt(connection, "log_in", who)
        account = queries.find_account(connection, subject)
    kept = account.password_hash if account is not None and account.disabled_at is None else None
    if not is_password(password, kept=kept) or kept is None or account is None or who.subject is None:
        raise LogInRefused("log-in name and password do not go together")
    with engine.begin() as connection:
        _act_as_account(connection, account.id)
        queries.forget_attempts(connection, who.subject)
        if is_outdated(kept):
            queries.set_password_hash(connection, account.id, hash_password(password))
    return int(account.id)


def change_password(engine: Engine, keys: Keys, *, name: str, old: str, new: str, address: str) -> None:
    """
    Replace a password; every login session and token of the account ends.

    Raises
    ------
    LogInRefused
        Name and old password do not go together.
    TooManyAttempts
        Of this name, or from this address.
    """
    account_id = check_log_in(engine, keys, name=name, password=old, address=address)
    kept = hash_password(new)
    with engine.begin() as connection:
        _act_as_account(connection, account_id)
        queries.set_password_hash(connection, account_id, kept)
        queries.revoke_login_sessions(connection, account_id)
        queries.revoke_bearer_tokens(connection, account_id)


def _act_as_account(connection: Connection, account_id: int) -> None:
    open_for(connection, secret=None)
    act_as(connection, Principal(account_id, None, frozenset(), frozenset(), "login_session"))
