"""The rules of one-off bookings that are ours to set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class BookingRules:
    """
    What a household may do.

    Attributes
    ----------
    hold
        How long a bay is kept while its household makes up its mind.
    cooldown
        How long after a hold has run out unconfirmed the household waits for the next.
    most_ahead
        Confirmed bookings that a household may have before it at any time.
    late
        How long ago a stay may be said to begin: a form takes a while to fill in.
    most_alternatives
        What is named to a household for which there is no bay.
    longest
        The longest stay that is one booking: a night before a run of rest days.
    """

    hold: timedelta = timedelta(minutes=10)
    cooldown: timedelta = timedelta(minutes=5)
    most_ahead: int = 14
    most_alternatives: int = 3
    late: timedelta = timedelta(minutes=5)
    longest: timedelta = timedelta(days=12)


RULES = BookingRules()
