"""
Which stays of which permits a change of supply takes away.

A stay is lost where the hours of its bay group do not admit it any more. Where a night has more cars than bays left,
as few permits as possible give way, the lowest by (tier, rounds waited, draw) before the others, and only in the
nights that are short.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from api.planning.eligibility import Pattern, Timetable
from api.planning.moving import nights_covered, stays_admitted
from api.reaccommodation.holdings import Holding, Unrolled

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Hours:
    """When a bay group can be used, and its bays by night; `timetable` None where it is not offered at all."""

    timetable: Timetable | None
    bays_at: Callable[[NDArray[np.int64]], NDArray[np.int64]]
    """Bays at the moment that nights, given by day number, stand for."""


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """A holding that loses stays: those lost, and the nights of the ledger they set free."""

    holding: Holding
    lost: Pattern
    nights: frozenset[int]
    for_good: bool
    """Whether nothing is left of it from the first of them on."""

    @property
    def released(self) -> frozenset[int]:
        """Nights that its bay group gets back; permits from before the ledger are not in it."""
        if self.holding.permit.nights is None:
            return frozenset()
        return self.holding.nights if self.holding.is_offer else self.nights


@dataclass(frozen=True, slots=True)
class Times:
    """
    Until when stays last that are kept, in local minutes.

    Those that end by `after` are; and of those under way `now` also those that end by `leave`, before which nobody has
    to be away. Offers that nobody has accepted stand nowhere.
    """

    now: int
    after: int
    leave: int

    def last_beyond(self, holding: Holding) -> Flags:
        """Return which stays of a holding are not kept."""
        pattern = holding.pattern
        if holding.is_offer:
            return pattern.ends > self.after
        return pattern.ends > np.where(pattern.starts <= self.now, self.leave, self.after)


def find_hits(
    holdings: Sequence[Holding],
    before: Mapping[int, Hours],
    after: Mapping[int, Hours],
    unrolled: Unrolled,
    *,
    times: Times,
) -> list[Hit]:
    """
    Compare what bay groups offered with what they offer now.

    Parameters
    ----------
    holdings
        All at the facility, the first to be served first.
    before, after
        By bay group id.
    times
        Which stays are kept however the hours change.
    """
    lost = {id(holding): _not_admitted(holding, before, after, times) for holding in holdings}
    for group, hours in after.items():
        here = [holding for holding in holdings if holding.bay_group_id == group]
        for holding, more in _giving_way(here, lost, hours, unrolled, times=times):
            lost[id(holding)] = lost[id(holding)] | more
    return [_hit(holding, lost[id(holding)], unrolled) for holding in holdings if lost[id(holding)].any()]


def _not_admitted(holding: Holding, before: Mapping[int, Hours], after: Mapping[int, Hours], times: Times) -> Flags:
    pattern = holding.pattern
    then, now = before.get(holding.bay_group_id), after.get(holding.bay_group_id)
    fits = _admitted(pattern, now)
    fitted = _admitted(pattern, then)
    return times.last_beyond(holding) & fitted & ~fits


def _admitted(pattern: Pattern, hours: Hours | None) -> Flags:
    if hours is None or hours.timetable is None:
        return np.zeros(len(pattern.days), dtype=np.bool_)
    return stays_admitted(pattern, hours.timetable)


def _giving_way(
    holdings: Sequence[Holding], lost: Mapping[int, Flags], hours: Hours, unrolled: Unrolled, *, times: Times
) -> list[tuple[Holding, Flags]]:
    """Return who gives way in which of their stays, so that no night has more cars than bays."""
    if not holdings or hours.timetable is None:
        return []
    kept = {id(h): ~lost[id(h)] & times.last_beyond(h) for h in holdings}
    cars = [unrolled.nights(h.pattern, kept[id(h)]) for h in holdings]
    every = np.array(sorted(frozenset().union(*cars)), dtype=np.int64)
    if not len(every):
        return []
    rows = {nights: np.isin(every, list(nights)) for nights in set(cars)}
    stands = np.array([rows[nights] for nights in cars])
    # A night whose two o'clock is past when the change begins is not short of anything.
    begun = (every + 1) * 1440 + 120 > times.after
    short = np.where(begun, np.maximum(stands.sum(axis=0) - hours.bays_at(every), 0), 0)
    chosen = _fewest(stands, short)
    found = []
    for number in sorted(chosen, reverse=True):  # the last to be served gives way first
        holding = holdings[number]
        needed = frozenset(every[short > 0].tolist())
        gives = kept[id(holding)] & np.array(
            [bool(needed & _one_night(start, end)) for start, end in _spans(holding.pattern)], dtype=np.bool_
        )
        short = np.maximum(short - np.isin(every, list(unrolled.nights(holding.pattern, gives))), 0)
        found.append((holding, gives))
    return found


def _fewest(stands: Flags, short: NDArray[np.int64]) -> list[int]:
    """Choose permits until nothing is short: whoever helps most nights, the last to be served among equals."""
    chosen: list[int] = []
    left = short.copy()
    while left.any():
        helps = (stands & (left > 0)).sum(axis=1)
        helps[chosen] = 0
        if not helps.any():
            break
        best = len(helps) - 1 - int(np.argmax(helps[::-1]))
        chosen.append(best)
        left = np.maximum(left - stands[best], 0)
    for number in sorted(chosen):  # whoever was chosen early may have become needless
        others = [other for other in chosen if other != number]
        if (stands[others].sum(axis=0) >= short).all():
            chosen = others
    return chosen


def _spans(pattern: Pattern) -> list[tuple[int, int]]:
    return list(zip(pattern.starts.tolist(), pattern.ends.tolist(), strict=True))


def _one_night(start: int, end: int) -> frozenset[int]:
    return frozenset(nights_covered(np.array([start]), np.array([end])).tolist())


def _returns(holding: Holding, first: int) -> bool:
    """Whether the permit spends nights elsewhere from a day on, which are not lost here."""
    return holding.elsewhere_until is not None and holding.elsewhere_until >= first


def _hit(holding: Holding, lost: Flags, unrolled: Unrolled) -> Hit:
    pattern = holding.pattern
    nights = unrolled.nights(pattern, lost) - unrolled.nights(pattern, ~lost)
    first = pattern.days[lost].min()
    whole = bool(lost[pattern.days >= first].all())
    return Hit(
        holding=holding,
        lost=unrolled.part(pattern, lost),
        nights=nights & holding.nights,
        for_good=whole and holding.detour_id is None and not _returns(holding, int(first)),
    )
