"""Secrets that open the door: made at random, shown once, kept as a hash, told apart by how they begin."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["login_session", "bearer_token", "gate_device"]
_BEGINNINGS: dict[str, Kind] = {"bts_": "login_session", "btt_": "bearer_token", "btg_": "gate_device"}
VISIT_BEGINNING = "btv_"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that was shown: its kind, and the hash under which the database knows it."""

    kind: Kind
    hashed: bytes = field(repr=False)


def new_secret(kind: Kind | Literal["visit"]) -> str:
    """Make a secret of 256 random bits; how it begins lets scanners of leaked secrets know it."""
    beginning = next((text for text, meant in _BEGINNINGS.items() if meant == kind), VISIT_BEGINNING)
    return beginning + secrets.token_urlsafe(32)


def hash_secret(secret: str) -> bytes:
    """Return what is kept of a secret; it has 256 random bits, so a fast hash without salt tells nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def read_secret(text: str) -> Secret | None:
    """Return a shown secret, None when it is not one of ours."""
    kind = _BEGINNINGS.get(text[:4])
    return None if kind is None else Secret(kind, hash_secret(text))


def csrf_token(key: bytes, session_secret: str) -> str:
    """Return the token that requests of a login session carry beside its cookie."""
    digest = hmac.digest(key, b"csrf\0" + hash_secret(session_secret), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def is_csrf_token(key: bytes, session_secret: str, *, shown: str) -> bool:
    """Tell whether a request carries the token of its login session."""
    wanted = csrf_token(key, session_secret)
    return hmac.compare_digest(wanted.encode("ascii"), shown.encode("utf-8", "surrogatepass"))
