"""Sealing what is kept only to be used again: AES-256-GCM, a nonce by chance."""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from api.errors import TellsWhy

_VERSION = b"\x01"
_NONCE_BYTES = 12
_LOST = {
    "round": ("secret of this round", "call the round off and draft another"),
    "plate": ("plate", "withdraw the car and register it again"),
    "email": ("address of mail", "enter it again"),
    "webhook url": ("address of this webhook", "take the webhook away and register it again"),
    "webhook secret": ("secret of this webhook", "take the webhook away and register it again"),
}
"""What was sealed → what it is called, and what can be done where the key does not come back."""


class SealBroken(TellsWhy):
    """What was sealed cannot be opened: the key is another, or the seal is of something else."""

    def __init__(self, what: str) -> None:
        lost, instead = _LOST[what]
        super().__init__(
            f"the {lost} was sealed with another secret key than the service has now and cannot be opened: restore "
            f"that key (BAYTIDE_SECRET, or secret.key of the data folder), or {instead}"
        )


def seal(key: bytes, content: bytes, *, what: str) -> bytes:
    """Seal bytes; two seals of the same differ, and none opens as something else than `what` it is."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, content, what.encode())


def unseal(key: bytes, sealed: bytes, *, what: str) -> bytes:
    """Open a seal; raise SealBroken when the key or the seal is another, or of something else."""
    nonce, content = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, content, what.encode())
    except (InvalidTag, ValueError) as error:  # ValueError: too short to be a seal
        raise SealBroken(what) from error
