"""The seed of a round: half a secret that is committed at opening, half a public number drawn after closing."""

from __future__ import annotations

import hashlib
import secrets

from api.accounts.keys import Keys
from api.accounts.sealing import seal, unseal

SECRET_BYTES = 32


def new_round_secret() -> bytes:
    """Draw 256 random bits."""
    return secrets.token_bytes(SECRET_BYTES)


def commitment_of(secret: bytes) -> bytes:
    """Return what is published of a secret at opening: SHA-256; with 256 random bits it tells nothing of them."""
    return hashlib.sha256(secret).digest()


def seed_of(secret: bytes, public_number: str) -> int:
    """
    Return the seed of the draw: 63 bits of SHA-256(secret ‖ 0x00 ‖ number as UTF-8 text).

    Whoever knows the secret early does not know the number, and whoever waits for the number has committed to the
    secret: nobody can choose a seed.
    """
    digest = hashlib.sha256(secret + b"\x00" + public_number.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seal_secret(keys: Keys, secret: bytes) -> bytes:
    """Seal a round's secret, so that a copy of the database does not tell it early."""
    return seal(keys.round_seal, secret, what="round")


def unseal_secret(keys: Keys, sealed: bytes) -> bytes:
    """Open a sealed secret; SealBroken where the key is another."""
    return unseal(keys.round_seal, sealed, what="round")
