"""How often somebody may try: counted in the database, for all processes alike, by keyed hashes only."""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy import Connection

from api.accounts.queries import add_attempt, find_wait, forget_old_attempts, lock_attempts
from api.accounts.refusals import TooManyAttempts

Kind = Literal["log_in", "registration", "look_up"]


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many tries of one subject, and from one address, within a time."""

    within: timedelta
    by_subject: int
    by_address: int


LIMITS: dict[Kind, Limit] = {
    "log_in": Limit(timedelta(minutes=15), by_subject=10, by_address=100),
    "registration": Limit(timedelta(hours=1), by_subject=50, by_address=50),
    "look_up": Limit(timedelta(hours=1), by_subject=60, by_address=600),
}
"""A street may share one address, hence the wider second number."""


@dataclass(frozen=True, slots=True)
class Tried:
    """Who is meant and where from, as keyed hashes."""

    subject: bytes | None
    address: bytes


def tried(key: bytes, *, subject: str | None, address: str) -> Tried:
    """Hash who is meant and where a request comes from; of IPv6 the network of a household (64 bits)."""
    return Tried(
        subject=None if subject is None else _hashed(key, "subject", subject),
        address=_hashed(key, "address", network_of(address)),
    )


def count_attempt(connection: Connection, kind: Kind, what: Tried) -> int:
    """
    Note a try before it is made, so that many at once are not seen as none; return its id.

    Raises
    ------
    TooManyAttempts
        With the seconds until the next try counts as one of few again.
    """
    limit = LIMITS[kind]
    lock_attempts(connection, subject=what.subject, address=what.address)
    forget_old_attempts(connection)
    waits = (
        find_wait(connection, kind, within=limit.within, most=limit.by_subject, subject=what.subject),
        find_wait(connection, kind, within=limit.within, most=limit.by_address, address=what.address),
    )
    wait_s = max((wait for wait in waits if wait is not None), default=None)
    if wait_s is not None:
        raise TooManyAttempts(wait_s)
    return add_attempt(connection, kind, subject=what.subject, address=what.address)


def _hashed(key: bytes, what: str, value: str) -> bytes:
    return hmac.digest(key, f"{what}\0{value}".encode("utf-8", "surrogatepass"), "sha256")


def network_of(address: str) -> str:
    """Return the address that a limit is counted by: of IPv6 the network of a household (64 bits), IPv4 as itself."""
    if ":" not in address:
        return address
    try:
        known = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if known.ipv4_mapped is not None:  # as a socket for both kinds tells of IPv4; all would be one network of 64 bits
        return str(known.ipv4_mapped)
    return str(ipaddress.ip_network((int(known) >> 64 << 64, 64)))
