"""
What can be wrong with money, as a branch of ApiError.

MoneyError
├── ReferenceReused       the same reference names another act already                                   409
├── CodeNotFound          no payment of this code waits, or it is another's                              404
├── PaymentRefused        a payment that does not fit: another amount, nothing owed, a number of a card  422
└── ConfirmationRefused   what a provider is said to confirm is not signed by it, or too old             401
"""

from __future__ import annotations

from api.accounts.refusals import NotSignedIn
from api.errors import ApiError, TellsWhy


class MoneyError(ApiError):
    """Root of everything that can be wrong with money."""


class ReferenceReused(MoneyError):
    """The same reference names another act already; what is booked stays."""


class CodeNotFound(MoneyError):
    """No payment of this code waits."""


class PaymentRefused(MoneyError, TellsWhy):
    """A payment that does not fit; the message says why and repeats nothing that was sent."""


class ConfirmationRefused(MoneyError, NotSignedIn):
    """What a provider is said to confirm is not signed by it, is too old, or comes from a provider nobody knows."""
