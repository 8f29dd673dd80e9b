"""What the rules say about each demand at each bay group, worked out for the checker from the rulebook alone."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

from api.calendars.day_kinds import day_kinds
from api.neighbourhoods.model import Facility, Neighbourhood
from api.planning.rulebook import Hours, Pattern, Rulebook, days_left_out, fits
from geo.pairs import NO_FACILITY, WalkPairs

Place = tuple[str, str]
"""(facility, bay group)."""
Prices = dict[Place, list[tuple[int, int]]]
"""(minute, price) by place."""
REASONS = ("no_home_access", "too_far", "no_day", "no_window", "no_suitable_bay", "rejected", "no_value", "full")
"""The farther down, the nearer to a bay."""


class Demand(NamedTuple):
    """What a demand asks, without its id: equal ones cannot be told apart by any rule."""

    home: str
    pattern: Pattern
    tier: int
    max_walk_m: float
    needs: str
    height_m: float | None
    rounds_waited: int
    holds: str | None
    decisions: tuple[tuple[str | None, str], ...]


class Option(NamedTuple):
    """An eligible place: the walk, the value of serving a demand there, and the days left out."""

    walk_m: int
    value_m: int
    left_out: tuple[date, ...]


class Spot(NamedTuple):
    """A bay group; those with the same `alike` admit the same stays."""

    place: Place
    facility: Facility
    position: int
    alike: int


class Verdicts:
    """The folder's demands, places and options, each worked out once."""

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
        self.demands = _demands(neighbourhood)
        self.walks = _walks_by_home(neighbourhood, walks)
        self.reaching = {
            home
            for home, reaches in zip(neighbourhood.homes["id"], walks.home_reaches.tolist(), strict=True)
            if reaches
        }
        self.stays = {
            pattern: self.rulebook.stays(pattern) for pattern in {demand.pattern for demand in self.demands.values()}
        }
        self._last_moment = max((end for stays in self.stays.values() for _, _, end in stays), default=0)
        self._hours: dict[str, Hours] = {}
        self._spots = _spots_of(neighbourhood.facilities)
        self._admitted: dict[Pattern, dict[int, tuple[date, ...] | None]] = defaultdict(dict)
        self._covers: dict[tuple[Pattern, tuple[date, ...]], list[tuple[int, int]]] = {}
        self._number_of_cover: dict[tuple[Pattern, tuple[date, ...]], int] = {}
        self._number_of_spans: dict[tuple[tuple[int, int], ...], int] = {}
        self._claims: dict[Demand, tuple[bool, frozenset[tuple[Place, int, int, int]]]] = {}
        self._options: dict[Demand, dict[Place, Option]] = {}

    def options(self, demand: Demand) -> dict[Place, Option]:
        """Eligible places of a demand."""
        if demand not in self._options:
            self._options[demand] = {
                place: verdict for place, verdict in self._verdicts(demand) if isinstance(verdict, Option)
            }
        return self._options[demand]

    def claim(self, demand: Demand) -> object:
        """
        Tell what decides between demands: whether it is locked, and (place, walk, value, time covered) of its options.

        Demands of the same claim ask for the same bays at the same times for the same value: only the draw may
        choose between them, whatever else differs (the spelling of days, a limit or a height that no bay tests).
        """
        if demand not in self._claims:
            locked = any(word == "lock" for _, word in demand.decisions)
            options = frozenset(
                (place, option.walk_m, option.value_m, self._cover_number(demand.pattern, option.left_out))
                for place, option in self.options(demand).items()
            )
            self._claims[demand] = locked, options
        return self._claims[demand]

    def _cover_number(self, pattern: Pattern, left_out: tuple[date, ...]) -> int:
        """Return a number that stands for the time covered, equal for equal times."""
        if (pattern, left_out) not in self._number_of_cover:
            spans = tuple(self.cover(pattern, left_out))
            self._number_of_cover[pattern, left_out] = self._number_of_spans.setdefault(
                spans, len(self._number_of_spans)
            )
        return self._number_of_cover[pattern, left_out]

    def refusal(self, demand: Demand) -> tuple[str, dict[Place, tuple[int, str]]]:
        """Why a demand that got nothing got nothing: the reason, and (walk, why) of every place it knows a walk to."""
        whys = {
            place: (verdict.walk_m, "full") if isinstance(verdict, Option) else verdict
            for place, verdict in self._verdicts(demand)
        }
        if demand.home not in self.reaching:
            return "no_home_access", whys
        if not self.stays[demand.pattern]:
            return "no_day", whys
        return max((why for _, why in whys.values()), key=REASONS.index, default="too_far"), whys

    def _verdicts(self, demand: Demand) -> Iterable[tuple[Place, Option | tuple[int, str]]]:
        """Judge every place a demand knows a walk to: an option, or (walk, the first rule it fails)."""
        locked = {facility for facility, word in demand.decisions if word == "lock"}
        rejected = {facility for facility, word in demand.decisions if word == "reject"}
        for name, walk_m in self.walks.get(demand.home, ()):
            refused = None in rejected or name in rejected or bool(locked and name not in locked)
            value = self._value(demand, name, walk_m)
            for spot in self._spots[name]:
                if not self.stays[demand.pattern]:
                    yield spot.place, (walk_m, "no_day")
                elif walk_m > demand.max_walk_m:
                    yield spot.place, (walk_m, "too_far")
                elif (left_out := self._admission(demand.pattern, spot)) is None:
                    yield spot.place, (walk_m, "no_window")
                elif not fits(demand.needs, demand.height_m, spot.facility, spot.position):
                    yield spot.place, (walk_m, "no_suitable_bay")
                elif refused:
                    yield spot.place, (walk_m, "rejected")
                elif value <= 0:
                    yield spot.place, (walk_m, "no_value")
                else:
                    yield spot.place, Option(walk_m, value, left_out)

    def _value(self, demand: Demand, facility: str, walk_m: int) -> int:
        return (
            self.policy.tier_value_m[demand.tier - 1]
            + self.policy.waiting_value_m * demand.rounds_waited
            + self.policy.keep_value_m * (demand.holds == facility)
            - walk_m
        )

    def _admission(self, pattern: Pattern, spot: Spot) -> tuple[date, ...] | None:
        """Days left out, or None; worked out once for bay groups whose hours are alike."""
        admitted = self._admitted[pattern]
        if spot.alike not in admitted:
            hours = self.hours(spot.facility.id)
            admitted[spot.alike] = days_left_out(self.stays[pattern], hours, spot.position, spot.facility)
        return admitted[spot.alike]

    def hours(self, facility: str) -> Hours:
        """Capacity over time of a facility."""
        if facility not in self._hours:
            self._hours[facility] = Hours(self.rulebook, self.facilities[facility], self._last_moment)
        return self._hours[facility]

    def group_index(self, facility: str, group: str) -> int:
        """Position of a bay group in its facility."""
        groups = [item.id for item in self.facilities[facility].bay_groups] if facility in self.facilities else []
        if group not in groups:
            raise ValueError(f"{facility!r} ({group!r}) is not a bay group of the folder")
        return groups.index(group)

    def cover(self, pattern: Pattern, left_out: tuple[date, ...]) -> list[tuple[int, int]]:
        """Time in which the car stands there: the stays that are not left out, those that overlap joined."""
        if (pattern, left_out) not in self._covers:
            spans = sorted((begin, end) for day, begin, end in self.stays[pattern] if day not in left_out)
            joined: list[tuple[int, int]] = []
            for begin, end in spans:
                if joined and begin <= joined[-1][1]:
                    joined[-1] = joined[-1][0], max(joined[-1][1], end)
                else:
                    joined.append((begin, end))
            self._covers[pattern, left_out] = joined
        return self._covers[pattern, left_out]

    def paid(self, place: Place, pattern: Pattern, left_out: tuple[date, ...], prices: Prices) -> int:
        """Sum of the prices at the instants that a stay covers."""
        here = prices.get(place)
        if not here:
            return 0
        cover = self.cover(pattern, left_out)
        begins = [begin for begin, _ in cover]
        total = 0
        for moment, price in here:
            index = bisect_right(begins, moment) - 1
            if index >= 0 and moment < cover[index][1]:
                total += price
        return total


def _spots_of(facilities: tuple[Facility, ...]) -> dict[str, list[Spot]]:
    """Bay groups by facility, numbered by what decides about their hours."""
    known: dict[object, int] = {}
    spots: dict[str, list[Spot]] = {}
    for facility in facilities:
        spots[facility.id] = []
        for index, group in enumerate(facility.bay_groups):
            # Only whether a window has more bays than the buffer matters, not how many; what is left of the buffer for
            # later groups depends on the hours of those before, so they stand alone.
            buffer = facility.buffer_bays
            alone = (facility.id, index) if buffer and index else None
            windows = tuple(
                (w.days, w.from_min, w.to_min, w.bays > buffer, w.last_entry_min, w.season) for w in group.windows
            )
            key = windows, alone, facility.closures, facility.no_movement
            place = facility.id, group.id
            spots[facility.id].append(Spot(place, facility, index, known.setdefault(key, len(known))))
    return spots


def _demands(neighbourhood: Neighbourhood) -> dict[str, Demand]:
    decisions: dict[str, list[tuple[str | None, str]]] = defaultdict(list)
    for demand, facility, word in neighbourhood.decisions.iter_rows():
        decisions[demand].append((facility, word))
    limit = neighbourhood.policy.max_walk_m
    return {
        row["id"]: Demand(
            home=row["home"],
            pattern=(row["days"], row["arrive_min"], row["leave_min"], row["stay_through"]),
            tier=row["tier"],
            max_walk_m=limit if row["max_walk_m"] is None else row["max_walk_m"],
            needs=row["needs"],
            height_m=row["height_m"],
            rounds_waited=row["rounds_waited"],
            holds=row["holds"],
            decisions=tuple(sorted(decisions.get(row["id"], ()), key=str)),
        )
        for row in neighbourhood.demands.iter_rows(named=True)
    }


def _walks_by_home(neighbourhood: Neighbourhood, walks: WalkPairs) -> dict[str, list[tuple[str, int]]]:
    """Facilities each home knows a walk to; the nearest alone where none lies within anybody's limit."""
    homes = neighbourhood.homes["id"].to_list()
    names = [facility.id for facility in neighbourhood.facilities]
    result: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for home, facility, walk_m in zip(walks.home.tolist(), walks.facility.tolist(), walks.walk_m.tolist(), strict=True):
        result[homes[home]].append((names[facility], walk_m))
    nearest = zip(homes, walks.nearest_facility.tolist(), walks.nearest_m.tolist(), strict=True)
    result.update(
        {
            home: [(names[facility], walk_m)]
            for home, facility, walk_m in nearest
            if facility != NO_FACILITY and home not in result
        }
    )
    return result
