"""Where every class of demands could go, what that is worth, and the first rule that keeps it from going there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from api.planning.bays import Bays, Offers
from api.planning.classes import Columns
from api.planning.eligibility import Pattern, Timetable, days_left_out
from geo.pairs import NO_FACILITY, WalkPairs

Ints = NDArray[np.int64]
Small = NDArray[np.int32]
Flags = NDArray[np.bool_]
_BLOCK = 50_000
"""Classes worked out at a time: what is needed on the way is small then."""


class Why(IntEnum):
    """Why an option failed, the nearer to success the higher; the words are NEIGHBOURHOOD.md's."""

    eligible = 0
    no_home_access = 1
    too_far = 2
    no_day = 3
    no_window = 4
    no_suitable_bay = 5
    rejected = 6
    no_value = 7
    full = 8


@dataclass(frozen=True, slots=True, eq=False)
class Options:
    """O options of demand classes, by class and bay group: all bay groups of the facilities a class knows a walk to."""

    cls: Small
    bay_group: Small
    walk_m: Small
    value_m: Ints
    why: NDArray[np.int8]
    cover: Small
    """Index of a cover, −1 where not eligible."""
    would_do: Flags
    """Whether hours are the only thing that can keep the option from being eligible."""
    ptr: Ints
    """(K + 1,) options of class k are `ptr[k]` to `ptr[k + 1]`."""


class Covers:
    """Which stays cover which time at which timetables; `found` lists the covers: (pattern, days left out)."""

    def __init__(self, patterns: tuple[Pattern, ...], timetables: list[Timetable]) -> None:
        self.found: list[tuple[int, Flags]] = []
        self._patterns = patterns
        self._timetables = timetables
        self._known: dict[tuple[int, bytes], int] = {}
        self._admitted: dict[int, int] = {}

    def of(self, pattern: Ints, timetable: Ints) -> Ints:
        """Cover of each of some stays, −1 where the hours do not fit."""
        distinct, which = np.unique(pattern * max(1, len(self._timetables)) + timetable, return_inverse=True)
        for key in distinct.tolist():
            if key not in self._admitted:
                self._admitted[key] = self._cover(*divmod(key, len(self._timetables)))
        return np.array([self._admitted[key] for key in distinct.tolist()], dtype=np.int64)[which]

    def _cover(self, number: int, table: int) -> int:
        left_out = days_left_out(self._patterns[number], self._timetables[table])
        if left_out is None:
            return -1
        cover = self._known.setdefault((number, left_out.tobytes()), len(self._known))
        if cover == len(self.found):
            self.found.append((number, left_out))
        return cover


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """All that decides about an option: demands as columns, walks, bay groups, what they suit and when."""

    columns: Columns
    representative: Ints
    """(K,) a demand of each class."""
    walks: WalkPairs
    bays: Bays
    offers: Offers
    timetable_of_bay: Ints
    """(P,)"""
    has_days: Flags
    """By pattern: whether any day of the term matches."""
    keep_value_m: int
    covers: Covers

    def options(self) -> Options:
        """Every bay group of every facility that a class knows a walk to, with the first rule it fails."""
        count = len(self.representative)
        blocks = [self._block(first, min(first + _BLOCK, count)) for first in range(0, max(1, count), _BLOCK)]
        joined = []
        for column in range(7):
            joined.append(np.concatenate([block[column] for block in blocks]))
            for block in blocks:
                block[column] = joined[-1][:0]
        cls, bay_group, walk_m, value_m, why, cover, would_do = joined
        ptr = np.concatenate(([0], np.cumsum(np.bincount(cls, minlength=count))))
        return Options(cls, bay_group, walk_m, value_m, why, cover, would_do, ptr)

    def _block(self, first: int, end: int) -> list[NDArray[np.generic]]:
        """Columns of the options of some classes."""
        columns = self.columns
        cls, bay_group, walk_m = self._reachable(first, end)
        who, facility = self.representative[cls], self.bays.facility[bay_group]
        keeps = columns.holds[who] == facility
        value_m = columns.base_value_m[who] + self.keep_value_m * keeps - walk_m
        cover = self.covers.of(columns.pattern[who], self.timetable_of_bay[bay_group])
        near = walk_m <= columns.limit_m[who]
        why = np.full(len(cls), Why.eligible, dtype=np.int8)
        # From the nearest to success to the farthest, so that the first rule that fails is the one that stays.
        why[value_m <= 0] = Why.no_value
        why[self._rejected(who, facility)] = Why.rejected
        why[~self._suitable(who, bay_group)] = Why.no_suitable_bay
        would_do = (why == Why.eligible) & near
        why[cover < 0] = Why.no_window
        why[~near] = Why.too_far
        why[~self.has_days[columns.pattern[who]]] = Why.no_day
        cover[why != Why.eligible] = -1
        small = [column.astype(np.int32) for column in (cls, bay_group, walk_m)]
        return [*small, value_m, why, cover.astype(np.int32), would_do]

    def _reachable(self, first: int, end: int) -> tuple[Ints, Ints, Ints]:
        """
        Class, bay group and metres of all options of some classes, by class and bay group.

        They are the bay groups of all facilities that a class knows a walk to, of the nearest where none is in reach.
        """
        walks = self.walks
        home = self.columns.home[self.representative[first:end]].astype(walks.home.dtype)
        begins = np.searchsorted(walks.home, home, side="left")
        counts = np.searchsorted(walks.home, home, side="right") - begins
        cls, pair = spread(begins, counts)
        alone = np.flatnonzero((counts == 0) & (walks.nearest_facility[home] != NO_FACILITY))
        facility = np.concatenate((walks.facility[pair], walks.nearest_facility[home[alone]]))
        walk_m = np.concatenate((walks.walk_m[pair], walks.nearest_m[home[alone]])).astype(np.int64)
        cls = np.concatenate((cls, alone))
        option, bay_group = spread(self.bays.first[facility], self.bays.count[facility])
        cls, walk_m = cls[option], walk_m[option]
        key = cls * max(1, len(self.bays.facility)) + bay_group
        if (np.diff(key) < 0).any():  # facilities of the folder in another order than by their ids
            order = np.argsort(key, kind="stable")
            cls, bay_group, walk_m = cls[order], bay_group[order], walk_m[order]
        return first + cls, bay_group, walk_m

    def _rejected(self, who: Ints, facility: Ints) -> Flags:
        decision = self.columns.decision[who]
        flags = np.zeros(len(who), dtype=np.bool_)
        for number in np.unique(decision).tolist():
            away = self.columns.rejected[number]
            if away is None or away:
                here = decision == number
                flags |= here if away is None else here & np.isin(facility, list(away))
        return flags

    def _suitable(self, who: Ints, bay_group: Ints) -> Flags:
        """Kinds and height: needs are met by all their kinds, a car without needs parks in ordinary bays only."""
        needs = self.columns.needs[who]
        kinds = np.where(needs > 0, (needs & ~self.offers.kinds[bay_group]) == 0, self.offers.plain[bay_group])
        fits: Flags = kinds & (self.columns.height_m[who] <= self.offers.height_m[bay_group])
        return fits


def spread(begins: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """List the members of ranges of numbers, range after range: the index of the range, and the number."""
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) + np.repeat(begins - (np.cumsum(counts) - counts), counts)
