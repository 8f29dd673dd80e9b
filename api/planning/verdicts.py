"""
What the rules say about each demand at each bay group, worked out for the checker from the rulebook alone.

Whether hours admit a stay is decided in plain code, once for each kind of stay at each kind of timetable; the other
rules are one line each over a table of all places that a block of demands knows a walk to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from hashlib import blake2b
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from api.calendars.day_kinds import day_kinds
from api.neighbourhoods.model import Neighbourhood
from api.planning.numbered import NOBODY, Ints, asks_of, places_of, spread
from api.planning.rulebook import Hours, Rulebook, Span, days_left_out
from geo.pairs import NO_FACILITY, WalkPairs

Place = tuple[str, str]
"""(facility, bay group)."""
REASONS = ("no_home_access", "too_far", "no_day", "no_window", "no_suitable_bay", "rejected", "no_value", "full")
"""The farther down, the nearer to a bay; an eligible place is full for those who got nothing."""
NO_HOME_ACCESS, TOO_FAR, NO_DAY, NO_WINDOW, NO_SUITABLE_BAY, REJECTED, NO_VALUE, FULL = range(len(REASONS))
NEVER = -1
"""Stands for the time covered where hours do not admit the stay."""
BLOCK = 50_000
"""Demands judged at a time: the arrays of more would only be large."""


class Option(NamedTuple):
    """An eligible place: the walk, the value of serving a demand there, and the days left out."""

    walk_m: int
    value_m: int
    left_out: tuple[date, ...]


class Cover(NamedTuple):
    """Time in which a car stands somewhere: stays of a pattern less the days left out, those that overlap joined."""

    left_out: tuple[date, ...]
    begins: Ints
    ends: Ints
    time: int
    """Equal for equal times."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """
    Places that the demands `first`, `first + 1` … know a walk to, (O,) each, by demand and then by place.

    Those of the n-th demand are `ptr[n]` to `ptr[n + 1]`; `why` and `reason` (N,) index `REASONS`.
    """

    first: int
    ptr: Ints
    demand: Ints
    place: Ints
    walk_m: Ints
    value_m: Ints
    cover: Ints
    """Index in `Verdicts.covers`, or `NEVER`."""
    why: Ints
    reason: Ints

    def find(self, demand: Ints, place: Ints, *, why: int) -> Ints:
        """Where each (demand, place) stands among those with one verdict, or `NOBODY`."""
        among = np.flatnonzero(self.why == why)
        width = 1 + max(int(self.place.max(initial=0)), int(place.max(initial=0)))
        known, wanted = (self.demand * width + self.place)[among], demand * width + place
        at = np.searchsorted(known, wanted)
        at[at == len(known)] = 0
        found = (place != NOBODY) & (known[at] == wanted) if len(known) else np.zeros(len(wanted), dtype=np.bool_)
        return np.where(found, among[at] if len(known) else NOBODY, NOBODY)


class Verdicts:
    """The folder's demands and places, judged by the rules."""

    def __init__(self, neighbourhood: Neighbourhood, walks: WalkPairs) -> None:
        self.policy = neighbourhood.policy
        kinds = day_kinds(
            neighbourhood.country,
            first=neighbourhood.term_from - timedelta(days=1),
            last=neighbourhood.term_to + timedelta(days=90 + len(neighbourhood.calendar_overrides)),
            overrides=neighbourhood.calendar_overrides,
        )
        self.rulebook = Rulebook(kinds, neighbourhood.term_from, neighbourhood.term_to)
        self.facilities = {facility.id: facility for facility in neighbourhood.facilities}
        self.ids = neighbourhood.demands["id"]
        self.asks = asks_of(neighbourhood)
        self.places = places_of(neighbourhood.facilities)
        self.place_of = {name: place for place, name in enumerate(self.places.names)}
        self.covers: list[Cover] = []
        self._suits = self.places.suit(self.asks.wants)
        self._stays = [self.rulebook.stays(pattern) for pattern in self.asks.patterns]
        self._last_moment = max((end for stays in self._stays for _, _, end in stays), default=0)
        self._reaches = walks.home_reaches
        self._walks = _walks_by_home(walks)
        self._hours: dict[str, Hours] = {}
        self._admissions: dict[int, int] = {}
        self._covers_of: dict[tuple[int, tuple[date, ...]], int] = {}
        self._times: dict[tuple[Span, ...], int] = {}

    def blocks(self) -> Iterator[Judged]:
        """Judge all demands, some at a time."""
        for first in range(0, len(self.ids), BLOCK):
            yield self.judge(first, min(first + BLOCK, len(self.ids)))

    def judge(self, first: int, end: int) -> Judged:
        """Every place that some demands know a walk to, with the first rule it fails."""
        asks, places = self.asks, self.places
        demand, facility, walk_m = self._walks_from(first, end)
        to, place = spread(places.ptr[facility], places.ptr[facility + 1] - places.ptr[facility])
        demand, facility, walk_m = demand[to], facility[to], walk_m[to]
        cover = self._cover_of(asks.pattern[demand], places.alike[place])
        value_m = asks.worth_m[demand] + self.policy.keep_value_m * (asks.holds[demand] == facility) - walk_m
        has_days = np.array([bool(stays) for stays in self._stays], dtype=np.bool_)
        suits = self._suits[asks.want[demand], places.offer[place]]
        too_high = asks.height_m[demand] > places.max_height_m[place]  # never true of what is not known
        why = np.select(
            [
                ~has_days[asks.pattern[demand]],
                walk_m > asks.limit_m[demand],
                cover == NEVER,
                ~suits | too_high,
                self._rejected(demand, facility),
                value_m <= 0,
            ],
            [NO_DAY, TOO_FAR, NO_WINDOW, NO_SUITABLE_BAY, REJECTED, NO_VALUE],
            default=FULL,
        )
        reason = np.full(end - first, TOO_FAR)
        np.maximum.at(reason, demand - first, why)
        reason[~has_days[asks.pattern[first:end]]] = NO_DAY
        reason[~self._reaches[asks.home[first:end]]] = NO_HOME_ACCESS
        ptr = np.searchsorted(demand, np.arange(first, end + 1))
        return Judged(first, ptr, demand, place, walk_m, value_m, cover, why, reason)

    def _walks_from(self, first: int, end: int) -> tuple[Ints, Ints, Ints]:
        """(demand, facility, metres) of all walks that some demands know."""
        home, facility, walk_m = self._walks
        asked = self.asks.home[first:end].astype(home.dtype)
        begins = np.searchsorted(home, asked, side="left")
        ends = np.searchsorted(home, asked, side="right")
        demand, walk = spread(begins, ends - begins)
        return first + demand, facility[walk].astype(np.int64), walk_m[walk].astype(np.int64)

    def _rejected(self, demand: Ints, facility: Ints) -> NDArray[np.bool_]:
        """Whether a reviewer has said no, or yes to another facility."""
        rejected = np.zeros(len(demand), dtype=np.bool_)
        here = range(int(demand[0]), int(demand[-1]) + 1) if len(demand) else range(0)
        for asked, said in self.asks.decisions.items():
            if asked in here:
                mine = slice(*np.searchsorted(demand, (asked, asked + 1)))
                locked = [place for place, word in said if word == "lock"]
                away = [place for place, word in said if word == "reject"]
                rejected[mine] = (NOBODY in away) | np.isin(facility[mine], away)
                rejected[mine] |= bool(locked) & ~np.isin(facility[mine], locked)
        return rejected

    def _cover_of(self, pattern: Ints, alike: Ints) -> Ints:
        """Time that stays of a pattern cover at bay groups, `NEVER` where hours do not admit them; index of a cover."""
        kinds = 1 + int(self.places.alike.max(initial=0))
        distinct, which = np.unique(pattern * kinds + alike, return_inverse=True)
        for key in distinct.tolist():
            if key not in self._admissions:
                self._admissions[key] = self._admission(*divmod(key, kinds))
        return np.array([self._admissions[key] for key in distinct.tolist()], dtype=np.int64)[which]

    def _admission(self, pattern: int, alike: int) -> int:
        place = int(np.argmax(self.places.alike == alike))
        facility, position = self.places.names[place][0], int(self.places.position[place])
        left_out = days_left_out(self._stays[pattern], self.hours(facility), position, self.facilities[facility])
        if left_out is None:
            return NEVER
        if (pattern, left_out) not in self._covers_of:
            self._covers_of[pattern, left_out] = len(self.covers)
            self.covers.append(self._cover(pattern, left_out))
        return self._covers_of[pattern, left_out]

    def _cover(self, pattern: int, left_out: tuple[date, ...]) -> Cover:
        joined: list[Span] = []
        for begin, end in sorted((begin, end) for day, begin, end in self._stays[pattern] if day not in left_out):
            if joined and begin <= joined[-1][1]:
                joined[-1] = joined[-1][0], max(joined[-1][1], end)
            else:
                joined.append((begin, end))
        begins, ends = np.array(joined, dtype=np.int64).reshape(-1, 2).T
        return Cover(left_out, begins, ends, self._times.setdefault(tuple(joined), len(self._times)))

    def hours(self, facility: str) -> Hours:
        """Capacity over time of a facility."""
        if facility not in self._hours:
            self._hours[facility] = Hours(self.rulebook, self.facilities[facility], self._last_moment)
        return self._hours[facility]

    def group_index(self, facility: str, group: str) -> int:
        """Position of a bay group in its facility."""
        if (facility, group) not in self.place_of:
            raise ValueError(f"{facility!r} ({group!r}) is not a bay group of the folder")
        return int(self.places.position[self.place_of[facility, group]])

    def capacity_at(self, place: int, moment: int) -> int:
        """Bays of a bay group at a moment."""
        facility, _ = self.places.names[place]
        return self.hours(facility).capacity_at(int(self.places.position[place]), moment)

    def name_of(self, place: int) -> Place:
        """(facility, bay group) of a place, also of one that is not there."""
        return self.places.names[place] if place != NOBODY else ("a facility", "a bay group that is not there")

    def left_out_among(self, days: Sequence[tuple[str, ...]]) -> Ints:
        """For each cover so far the index of the days it leaves out among some lists of dates; −1 where not there."""
        index = {dates: at for at, dates in enumerate(days)}
        return np.array([index.get(tuple(map(str, cover.left_out)), NOBODY) for cover in self.covers], dtype=np.int64)

    def claims(self, judged: Judged) -> bytes:
        """
        Tell what decides between demands, 16 bytes each: locked or not, and place, walk, value and time of all options.

        Demands of the same claim ask for the same bays at the same times for the same value: only the draw may
        choose between them, whatever else differs (the spelling of days, a limit or a height that no bay tests).
        """
        options = np.flatnonzero(judged.why == FULL)
        time = np.array([cover.time for cover in self.covers], dtype=np.int64)
        columns = judged.place[options], judged.walk_m[options], judged.value_m[options], time[judged.cover[options]]
        facts = np.column_stack(columns)
        ends = facts.shape[1] * facts.itemsize * np.searchsorted(options, judged.ptr)
        said, decisions = facts.tobytes(), self.asks.decisions
        locked = {demand for demand, words in decisions.items() if any(word == "lock" for _, word in words)}
        cuts = enumerate(pairwise(ends.tolist()), start=judged.first)
        return b"".join(
            blake2b(said[begin:end], digest_size=16, salt=b"locked" if demand in locked else b"").digest()
            for demand, (begin, end) in cuts
        )

    def equals(self, claims: Sequence[bytes] | None = None) -> Iterator[Ints]:
        """Rows of demands of the same claim, wherever there are two or more; `claims` block by block if known."""
        known = np.frombuffer(b"".join(map(self.claims, self.blocks()) if claims is None else claims), dtype=np.uint64)
        rows = pl.DataFrame({"head": known[::2], "tail": known[1::2]}).with_row_index("row")
        groups = rows.group_by("head", "tail", maintain_order=True).agg("row").filter(pl.col("row").list.len() > 1)
        yield from (group.to_numpy().astype(np.int64) for group in groups["row"])

    @cached_property
    def demands(self) -> dict[str, int]:
        """Row of each demand by its id."""
        return {name: row for row, name in enumerate(self.ids)}

    def options(self, demand: int) -> dict[Place, Option]:
        """Eligible places of one demand."""
        judged = self.judge(demand, demand + 1)
        return {
            self.places.names[place]: Option(walk_m, value_m, self.covers[cover].left_out)
            for place, walk_m, value_m, cover, why in _rows(judged)
            if why == FULL
        }

    def refusal(self, demand: int) -> tuple[str, dict[Place, tuple[int, str]]]:
        """Why one demand got nothing: the reason, and (walk, why) of every place it knows a walk to."""
        judged = self.judge(demand, demand + 1)
        whys = {self.places.names[place]: (walk_m, REASONS[why]) for place, walk_m, _, _, why in _rows(judged)}
        return REASONS[int(judged.reason[0])], whys


def _rows(judged: Judged) -> Iterator[tuple[int, int, int, int, int]]:
    columns = judged.place, judged.walk_m, judged.value_m, judged.cover, judged.why
    return zip(*(column.tolist() for column in columns), strict=True)


def _walks_by_home(walks: WalkPairs) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """(home, facility, metres) by home; the nearest facility alone where none lies within anybody's limit."""
    knows = np.zeros(len(walks.home_reaches), dtype=np.bool_)
    knows[walks.home] = True
    alone = np.flatnonzero(~knows & (walks.nearest_facility != NO_FACILITY))
    if not len(alone):
        return walks.home, walks.facility, walks.walk_m
    at = np.searchsorted(walks.home, alone)
    return (
        np.insert(walks.home, at, alone),
        np.insert(walks.facility, at, walks.nearest_facility[alone]),
        np.insert(walks.walk_m, at, walks.nearest_m[alone]),
    )
