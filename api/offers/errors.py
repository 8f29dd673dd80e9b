"""What can be wrong with an answer to an offer."""

from __future__ import annotations

from api.errors import ApiError, TellsWhy


class OfferNotFound(ApiError):
    """No offer of this id, or none to this household."""


class OfferDecided(TellsWhy):
    """The offer was answered before, or taken back; the message says what happened."""


class OfferExpired(TellsWhy):
    """The time to answer the offer is over."""


class OfferImpossible(ApiError):
    """A household that has a permit or an offer for a part of the term already."""
