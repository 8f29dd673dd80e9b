"""Log-in names: an identity is an issuer and its subject, and never a phone number."""

from __future__ import annotations

import re
import secrets
import unicodedata

from api.errors import ApiError

LOCAL_ISSUER = "local"
"""Who vouches for those that log in here with a password; others are the URLs of OpenID providers."""
_NAME = re.compile(r"[^\W_](?:[\w.-]*[^\W_])?")
_LONGEST = 40
_PHONE_DIGITS = 7


class UnusableName(ApiError):
    """A log-in name that cannot be had whoever asks."""


def log_in_name(text: str) -> str:
    """Return a log-in name as it is compared: case, width and surrounding space do not matter."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def check_name(text: str) -> str:
    """
    Return a wished name as it is compared.

    Raises
    ------
    UnusableName
        It is empty, too long, has other characters than letters, digits and . - _, or looks like a phone number.
    """
    name = log_in_name(text)
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise UnusableName("letters, digits, dot, dash; 1 to 40")
    if sum(character.isdigit() for character in name) >= _PHONE_DIGITS:
        raise UnusableName("looks like a phone number")
    return name


def with_number(name: str) -> str:
    """Add a number by chance: every name can then be had, and nobody learns who has one already."""
    return f"{name}-{secrets.randbelow(900_000) + 100_000}"
