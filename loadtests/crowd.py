"""
Accounts by the ten thousand, written straight into the database: households with a car, owners, gates, their secrets.

Signing up that many through the service would take an hour of password hashing, which is not what a load test measures.
The rows are those that the service itself writes, secrets are made and hashed by its own functions; plates are random
bytes, since no load ever shows them.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from sqlalchemy import Connection, text

from api.accounts.secrets import hash_secret, new_secret
from api.db import account_tables as accounts
from api.db.copying import copy_rows, reserve_ids

ISSUER = "load test"
_TOKENS_LAST = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody with an account: the token to show, and the home, facility or gate that is theirs."""

    token: str
    place: int


def settle_residents(connection: Connection, homes: Sequence[int], *, count: int, seed: int) -> list[Member]:
    """Give `count` households a home among some, an account, a car and a token; their order is by chance."""
    rng = np.random.default_rng(seed)
    home = pl.Series("home_id", rng.choice(np.asarray(homes), count))
    household = reserve_ids(connection, accounts.households, count=count)
    copy_rows(connection, accounts.households, pl.DataFrame({"id": household, "home_id": home}))
    account, tokens = _accounts_with_tokens(connection, "resident", count=count)
    copy_rows(connection, accounts.household_members, pl.DataFrame({"account_id": account, "household_id": household}))
    plates = [_bytes(secrets.token_bytes(32)) for _ in range(count)]
    vehicles = pl.DataFrame({"household_id": household, "plate_hash": plates, "plate_sealed": plates})
    copy_rows(connection, accounts.vehicles, vehicles)
    return [Member(token, int(place)) for token, place in zip(tokens, home.to_list(), strict=True)]


def settle_owners(connection: Connection, facilities: Sequence[int]) -> list[Member]:
    """Give each of some facilities an owner, verified, with an account that speaks for it."""
    count = len(facilities)
    account, tokens = _accounts_with_tokens(connection, "owner", count=count)
    owner = reserve_ids(connection, accounts.owners, count=count)
    names = [f"Owner {number}" for number in owner.to_list()]
    verified = [datetime.now(UTC).isoformat()] * count
    copy_rows(connection, accounts.owners, pl.DataFrame({"id": owner, "name": names, "verified_at": verified}))
    grants = pl.DataFrame({"account_id": account, "role": ["owner"] * count, "owner_id": owner})
    copy_rows(connection, accounts.grants, grants)
    connection.execute(
        text(
            "UPDATE facilities f SET owner_id = given.owner FROM "
            "unnest(CAST(:facilities AS bigint[]), CAST(:owners AS bigint[])) AS given (facility, owner) "
            "WHERE f.id = given.facility"
        ),
        {"facilities": list(facilities), "owners": owner.to_list()},
    )
    return [Member(token, facility) for token, facility in zip(tokens, facilities, strict=True)]


def settle_gates(connection: Connection, facilities: Sequence[int]) -> list[Member]:
    """Give each of some facilities a gate device with a key."""
    keys = [new_secret("gate_device") for _ in facilities]
    frame = pl.DataFrame(
        {
            "facility_id": list(facilities),
            "label": ["Gate"] * len(keys),
            "key_hash": [_bytes(hash_secret(key)) for key in keys],
        }
    )
    copy_rows(connection, accounts.gate_devices, frame)
    return [Member(key, facility) for key, facility in zip(keys, facilities, strict=True)]


def _accounts_with_tokens(connection: Connection, kind: str, *, count: int) -> tuple[pl.Series, list[str]]:
    """Make accounts, each with a bearer token; returns ids and tokens."""
    account = reserve_ids(connection, accounts.accounts, count=count)
    subjects = [f"{kind} {number}" for number in account.to_list()]
    copy_rows(
        connection,
        accounts.accounts,
        pl.DataFrame({"id": account, "issuer": [ISSUER] * count, "subject": subjects}),
    )
    tokens = [new_secret("bearer_token") for _ in range(count)]
    frame = pl.DataFrame(
        {
            "account_id": account,
            "secret_hash": [_bytes(hash_secret(token)) for token in tokens],
            "label": [ISSUER] * count,
            "expires_at": [(datetime.now(UTC) + _TOKENS_LAST).isoformat()] * count,
        }
    )
    copy_rows(connection, accounts.bearer_tokens, frame)
    return account, tokens


def _bytes(content: bytes) -> str:
    """Write bytes as the database reads them from text."""
    return "\\x" + content.hex()
