"""Passwords: how they are kept and checked."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from api.accounts.refusals import TooManyAttempts

SHORTEST, LONGEST = 10, 200
_LONGEST_WAIT_S = 5
_MEMORY_KIB, _PASSES, _LANES = 19 * 1024, 2, 1
"""OWASP's Argon2id minimum of 2025: with it a rush of log-ins stays within a worker's memory."""

_hasher = PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=_LANES)
_at_work = BoundedSemaphore(max(2, os.cpu_count() or 1))


def hash_password(password: str) -> str:
    """Return what is kept of a password."""
    with _turn():
        return _hasher.hash(_prepared(password))


def is_password(password: str, *, kept: str | None) -> bool:
    """
    Tell whether a password is the one that was kept.

    Without one that was kept it takes as long, and says no: time does not tell whether there is an account.
    """
    with _turn():
        try:
            _hasher.verify(kept or _of_nobody(), _prepared(password))
        except (VerificationError, InvalidHashError):
            return False
    return kept is not None


def is_outdated(kept: str) -> bool:
    """Tell whether a password was kept with other settings than today's."""
    return _hasher.check_needs_rehash(kept)


@contextmanager
def _turn() -> Iterator[None]:
    """Let as many hash at once as there are processors; the rest wait a moment, then come again."""
    if not _at_work.acquire(timeout=_LONGEST_WAIT_S):
        raise TooManyAttempts(_LONGEST_WAIT_S)
    try:
        yield
    finally:
        _at_work.release()


def _prepared(password: str) -> bytes:
    """Normalise as RFC 8265 does, so that a phone and a keyboard write the same password."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


@cache
def _of_nobody() -> str:
    return _hasher.hash(os.urandom(16))
