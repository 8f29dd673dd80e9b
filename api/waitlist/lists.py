"""The lists of a round as they stand, and the record of comparable bays, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

WEEK = 7
ACCEPTED, REFUSED = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """
    Who waits for what, and what may come free: E entries, best rank first, for G bay groups of F facilities.

    Attributes
    ----------
    facility
        (G,) facility of every bay group, below F.
    free
        (G, 7) bays that nobody has now, by weekday.
    entry_days, permit_days, offer_days
        Sets of weekdays, Monday as bit 0: (E,) that a household asks for, (P,) that permits in force take, (N,) that
        offers still open would take.
    option_ptr, option_group
        (E + 1,) bounds and the bay groups that would do for every entry.
    permit_group, offer_group
        (P,), (N,) bay group.
    offer_listed
        (N,) whether the offer went to the list, not out with a plan.
    offer_waited_d, offer_left_d
        (N,) days that the offer has been open, and that it has left.
    window_d
        (D,) how many days an offer stays open that is made on day 0 (today), 1, …; the last day is the term's last.
    begins_d
        Days until the term's first day begins, 0 from then on: nobody gives a permit up that is not in force yet.
    day_part
        How much of today is over, below 1.
    """

    facility: Ints
    free: Ints
    entry_days: Ints
    option_ptr: Ints
    option_group: Ints
    permit_group: Ints
    permit_days: Ints
    offer_group: Ints
    offer_days: Ints
    offer_listed: Bools
    offer_waited_d: Floats
    offer_left_d: Floats
    window_d: Floats
    begins_d: float
    day_part: float

    @property
    def num_entries(self) -> int:
        """How many wait."""
        return len(self.entry_days)

    @property
    def num_facilities(self) -> int:
        """How many facilities the bay groups belong to."""
        return int(self.facility.max()) + 1 if len(self.facility) else 0


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """
    What was seen of comparable bays up to now; moments are days from now, so never above zero.

    Attributes
    ----------
    offer_facility, offer_listed, offer_refused, offer_share, offer_made_d
        (N,) of every offer whose time is over: facility (-1 for one outside the lists), whether it went to the list,
        whether it was declined or lapsed, after which share of its time it was decided, and when it was made.
    permit_facility, permit_from_d, permit_to_d, permit_ended
        (P,) facility, from when to when (the latest: 0) a permit was in force, and whether it then came free.
    wait_from_d, wait_to_d, wait_left
        (W,) from when to when (the latest: 0) somebody waited without being reached, and whether they then left.
    releases
        How many bays came free for a list.
    observed_d
        How many days have been seen since the first term began, below 0 before it.
    """

    offer_facility: Ints
    offer_listed: Bools
    offer_refused: Bools
    offer_share: Floats
    offer_made_d: Floats
    permit_facility: Ints
    permit_from_d: Floats
    permit_to_d: Floats
    permit_ended: Bools
    wait_from_d: Floats
    wait_to_d: Floats
    wait_left: Bools
    releases: int
    observed_d: float
