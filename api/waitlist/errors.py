"""What can be wrong with a request about the waitlist."""

from __future__ import annotations

from api.errors import ApiError, TellsWhy


class EntryNotFound(ApiError):
    """No entry of this id, or none of this household."""


class EntryNotWaiting(TellsWhy):
    """The entry waits no more: it was reached, served, or left before."""
