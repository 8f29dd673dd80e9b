"""Sealing what is kept only to be used again: AES-256-GCM, a nonce by chance."""

from __future__ import annotations

import secrets

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = b"\x01"
_NONCE_BYTES = 12


def seal(key: bytes, content: bytes, *, what: str) -> bytes:
    """Seal bytes; two seals of the same differ, and none opens as something else than `what` it is."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, content, what.encode())


def unseal(key: bytes, sealed: bytes, *, what: str) -> bytes:
    """Open a seal; raise cryptography's InvalidTag when the key or the seal is another, or of something else."""
    nonce, content = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    return AESGCM(key).decrypt(nonce, content, what.encode())
