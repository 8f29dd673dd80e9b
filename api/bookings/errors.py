"""What can be wrong with a request about bookings, before any bay is looked for."""

from __future__ import annotations

from datetime import datetime

from api.errors import ApiError


class BookingError(ApiError):
    """Root of the requests about bookings that cannot be answered."""


class BookingNotFound(BookingError):
    """No booking of this id, or none of this household."""


class ImpossiblePeriod(BookingError):
    """A period that ends before it begins, lies in the past, or is longer than any night."""


class NotBookableYet(BookingError):
    """A period beyond what has been opened for booking."""

    def __init__(self, until: datetime | None) -> None:
        super().__init__("beyond what can be booked")
        self.until = until


class NoSuchPlace(BookingError):
    """A facility, bay or home that does not exist, or is not of this household's neighbourhood."""


class VehicleUnclear(BookingError):
    """No vehicle, or several and none named, or one of another household."""


class HouseholdSuspended(BookingError):
    """The household's plate is on no list for a time that the booking would reach into."""


class KeyMissing(BookingError):
    """A request that must be repeatable came without an Idempotency-Key."""


class KeyReused(BookingError):
    """An Idempotency-Key came with another request than before."""


class RequestInFlight(BookingError):
    """The same request is being answered at this moment."""
