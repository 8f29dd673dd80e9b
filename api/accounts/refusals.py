"""
Why somebody is not let through, as a branch of ApiError.

AccessRefused
├── NotSignedIn        nobody is signed in, or what was shown opens nothing (any more)      401
│   └── LogInRefused   log-in name and password do not go together; never says which is wrong
├── NotAllowed         signed in, but this is not theirs to do                              403
│   ├── CsrfRefused    a page's request without the token of its login session
│   ├── NoHousehold    the account belongs to no household yet
│   └── OwnHousehold   somebody else has to do this: it is about one's own household
└── TooManyAttempts    wait `retry_after_s` seconds                                         429
"""

from __future__ import annotations

from api.errors import ApiError


class AccessRefused(ApiError):
    """Root of every refusal at the door."""


class NotSignedIn(AccessRefused):
    """Nobody is signed in, or what was shown opens nothing."""


class LogInRefused(NotSignedIn):
    """Log-in name and password do not go together; never says which of the two is wrong."""


class NotAllowed(AccessRefused):
    """Signed in, but this is not theirs to do."""


class CsrfRefused(NotAllowed):
    """A page's request that does not carry the token of its login session."""


class NoHousehold(NotAllowed):
    """The account belongs to no household yet."""


class OwnHousehold(NotAllowed):
    """Somebody else has to do this: it is about the account's own household."""


class TooManyAttempts(AccessRefused):
    """Too many tries; `retry_after_s` seconds to wait."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__("too many attempts")
