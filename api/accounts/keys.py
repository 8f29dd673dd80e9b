"""The service's secret key and what is derived from it, one key a purpose."""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from api.errors import UnusablePlace
from api.settings import Settings

KEY_FILE = "secret.key"


@dataclass(frozen=True)
class Keys:
    """
    Keys derived from one secret (HMAC-SHA-256 over the purpose's name, as HKDF expands).

    The secret is BAYTIDE_SECRET, or a file of the data folder that only the service may read. It is read, and made
    when missing, the first time a key is asked for. Whoever loses it loses the plates, and every login session ends.
    """

    settings: Settings = field(repr=False)

    @cached_property
    def _secret(self) -> bytes:
        if self.settings.secret is not None:
            return self.settings.secret.get_secret_value().encode("utf-8")
        return read_or_make_key(self.settings.data / KEY_FILE)

    def _derive(self, purpose: bytes) -> bytes:
        return hmac.digest(self._secret, b"baytide " + purpose + b"\x01", "sha256")

    @cached_property
    def csrf(self) -> bytes:
        """Binds a page's token to its login session."""
        return self._derive(b"csrf token")

    @cached_property
    def plate_hash(self) -> bytes:
        """Makes plates comparable without telling them."""
        return self._derive(b"plate hash")

    @cached_property
    def plate_seal(self) -> bytes:
        """Seals plates, 256 bits."""
        return self._derive(b"plate seal")

    @cached_property
    def round_seal(self) -> bytes:
        """Seals the secrets of rounds until their draw, 256 bits."""
        return self._derive(b"round seal")

    @cached_property
    def gate_codes(self) -> bytes:
        """Makes codes for gates comparable without telling them."""
        return self._derive(b"gate codes")

    @cached_property
    def contact_seal(self) -> bytes:
        """Seals addresses of mail, addresses of webhooks and the secrets these are signed with, 256 bits."""
        return self._derive(b"contact seal")

    @cached_property
    def contact_code(self) -> bytes:
        """Makes the codes that confirm an address of mail."""
        return self._derive(b"contact code")

    @cached_property
    def attempts(self) -> bytes:
        """Makes log-in attempts countable without telling who was meant, and from where."""
        return self._derive(b"log-in attempts")


def read_or_make_key(file: Path) -> bytes:
    """
    Read the key, or make one that nobody else may read; processes that start together get the same.

    Raises
    ------
    UnusablePlace
        The file can be neither read nor made, or it is too short to be a key.
    """
    try:
        if not file.exists():
            _make_key(file)
        key = file.read_bytes().strip()
    except OSError as error:
        raise UnusablePlace(
            f"the secret key {file} cannot be used ({error.strerror}): "
            "choose another folder with BAYTIDE_DATA, or set BAYTIDE_SECRET."
        ) from error
    if len(key) < 32:
        raise UnusablePlace(f"the secret key {file} is too short: restore it, or remove it to lose every plate.")
    return key


def _make_key(file: Path) -> None:
    """Write a new key beside its place and link it there: the first of several wins, and none is half written."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(secrets.token_hex(32).encode("ascii"))
            out.flush()
            os.fsync(out.fileno())
        with suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink()
