"""What a permit holds at a bay group: its stays there, what it takes of the ledger, and what its household is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from sqlalchemy import Row

from api.calendars.clock import day_number
from api.calendars.day_kinds import DayKinds
from api.openings.permit_nights import LONGEST_STAY_DAYS
from api.planning.eligibility import Pattern, pattern_of
from api.planning.moving import Mover, draw_of, nights_covered
from api.reaccommodation.dates import day_numbers

LOWEST_TIER = 3


@dataclass(frozen=True, slots=True, eq=False)
class Holding:
    """
    A permit or an offer at one bay group: its own, or the one of a detour.

    Attributes
    ----------
    pattern
        Its stays there that may not be over; equal ones are the same object.
    nights
        Day numbers of what it takes of the group's ledger.
    elsewhere_until
        Day number of the last night that it spends elsewhere, None where there is none.
    rank
        (tier, rounds waited from most to fewest, draw): lower goes first.
    """

    permit: Row[Any]
    detour_id: int | None
    bay_group_id: int
    walk_m: int | None
    pattern: Pattern
    nights: frozenset[int]
    elsewhere_until: int | None
    tier: int
    rank: tuple[int, int, bytes, int]

    @property
    def permit_id(self) -> int:
        """Id of the permit."""
        return int(self.permit.permit_id)

    @property
    def last(self) -> int:
        """Day number of its last night."""
        return day_number(self.permit.last)

    @property
    def is_offer(self) -> bool:
        """Whether its household has not accepted it yet."""
        return bool(self.permit.state == "offered")

    def mover(self, lost: Pattern, walks: Mapping[int, int]) -> Mover:
        """Ask for another place for some of its stays."""
        policy = self.permit.policy
        limit = self.permit.max_walk_m or policy.get("max_walk_m", 500)
        tiers = policy.get("tier_value_m", (15000, 10000, 5000))
        value = tiers[self.tier - 1] + policy.get("waiting_value_m", 500) * -self.rank[1]
        return Mover(value, limit, self.permit.needs, self.permit.height_m, walks, lost, self.last)


class Unrolled:
    """Stays of permits over the days from one on, unrolled once for all that ask for the same."""

    def __init__(self, kinds: DayKinds, *, today: int) -> None:
        self._kinds = kinds
        self._since = today - LONGEST_STAY_DAYS
        self._known: dict[tuple[Any, ...], Pattern] = {}
        self._parts: dict[tuple[int, bytes], Pattern] = {}
        self._nights: dict[tuple[int, bytes], frozenset[int]] = {}

    def of(self, row: Row[Any]) -> Pattern:
        """Return the stays of a permit at its own group, or of a detour at its."""
        away = frozenset(map(day_number, row.days_left_out)) | (
            day_numbers(row.away) if row.evenings is None else frozenset()
        )
        only = None if row.evenings is None else day_numbers(row.evenings)
        first, last = max(day_number(row.first), self._since), day_number(row.last)
        hours = row.days, row.arrive_min, row.leave_min, row.stay_through
        key = (*hours, first, last, away, only)
        if key not in self._known:
            whole = pattern_of(*hours[:3], self._kinds, first=first, last=max(first - 1, last), through=hours[3])
            kept = ~np.isin(whole.days, list(away))
            if only is not None:
                kept &= np.isin(whole.days, list(only))
            self._known[key] = Pattern(whole.days[kept], whole.starts[kept], whole.ends[kept])
        return self._known[key]

    def part(self, pattern: Pattern, kept: np.ndarray) -> Pattern:
        """Return some of the stays of a pattern; the same object for the same ones."""
        key = id(pattern), kept.tobytes()
        if key not in self._parts:
            self._parts[key] = Pattern(pattern.days[kept], pattern.starts[kept], pattern.ends[kept])
        return self._parts[key]

    def nights(self, pattern: Pattern, kept: np.ndarray) -> frozenset[int]:
        """Return the nights that some of the stays of a pattern take from the ledger."""
        key = id(pattern), kept.tobytes()
        if key not in self._nights:
            self._nights[key] = frozenset(nights_covered(pattern.starts[kept], pattern.ends[kept]).tolist())
        return self._nights[key]


def holdings_of(rows: Sequence[Row[Any]], unrolled: Unrolled) -> list[Holding]:
    """Make holdings of rows, the first to be served first."""
    found = [_holding(row, unrolled) for row in rows]
    return sorted(found, key=lambda holding: holding.rank)


def _holding(row: Row[Any], unrolled: Unrolled) -> Holding:
    tier, rounds = row.tier or LOWEST_TIER, row.rounds_waited or 0
    pattern = unrolled.of(row)
    draw = b"" if row.seed is None else draw_of(row.seed, row.household_id)
    nights = (
        frozenset(nights_covered(pattern.starts, pattern.ends).tolist())
        if row.nights is None
        else day_numbers(row.nights)
    )
    return Holding(
        permit=row,
        detour_id=row.detour_id,
        bay_group_id=row.bay_group_id,
        walk_m=row.walk_m,
        pattern=pattern,
        nights=nights,
        elsewhere_until=max(day_numbers(row.away), default=None),
        tier=tier,
        rank=(tier, -rounds, draw, row.permit_id),
    )


def last_of(holdings: Sequence[Holding], *, today: date) -> date:
    """Return the last day that any holding reaches."""
    last: date = max([today, *(holding.permit.last for holding in holdings)])
    return last
