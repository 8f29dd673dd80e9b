"""The bays of a plan night by night, verified from the folder alone: one bay a car, one car a bay, and it exists."""

from __future__ import annotations

import csv
import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from api.calendars.day_kinds import day_kinds
from api.neighbourhoods.files import find_obstacle
from api.neighbourhoods.model import Neighbourhood
from api.planning.rulebook import Hours, Pattern, Rulebook, Span, parse_instant

Json = dict[str, Any]
Row = tuple[int, str, str, str, str, str]
"""Line, demand, facility, bay group, bay, nights."""
Place = tuple[str, str]
HEADER = ["demand", "facility", "bay_group", "bay", "nights"]
_BAY = re.compile(r"[1-9][0-9]{0,15}")


def faults_of_nights_file(neighbourhood: Neighbourhood, plan: Json, path: Path) -> list[str]:
    """Everything wrong with the nights.csv at a path, each with its line; nothing where there is no such file."""
    if not path.exists():
        return []
    obstacle = find_obstacle(path)
    if obstacle is not None:
        return [f"nights: {path.name}: {obstacle}"]
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            if next(reader, None) != HEADER:
                return [f"nights: {path.name}:1: the columns are not {','.join(HEADER)}"]
            rows: list[Row] = []
            for cells in reader:
                if len(cells) != len(HEADER):
                    return [f"nights: {path.name}:{reader.line_num}: has {len(cells)} cells, not {len(HEADER)}"]
                rows.append((reader.line_num, cells[0], cells[1], cells[2], cells[3], cells[4]))
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        return [f"nights: {path.name}: is not a table in UTF-8: {error}"]
    return faults_of_nights(neighbourhood, plan, rows)


def faults_of_nights(neighbourhood: Neighbourhood, plan: Json, rows: Iterable[Row]) -> list[str]:
    """Everything wrong with the bays of a plan's assignments, each with its line in nights.csv."""
    try:
        return list(_Nights(neighbourhood, plan).faults(rows))
    except KeyError as error:
        return [f"nights: {error.args[0]} is missing"]
    except (TypeError, ValueError, AttributeError) as error:
        return [f"nights: the plan is not of the contract's shape ({type(error).__name__}: {error})"]


@dataclass(frozen=True, slots=True, eq=False)
class _Cover:
    """Stays of a permit by day, and the time they cover, joined where they overlap or touch."""

    number: int
    days: dict[str, Span]
    joined: list[Span]


@dataclass(slots=True)
class _Permit:
    """What nights.csv says of one assignment: the bays, from when to when, and the line of each."""

    place: Place
    cover: _Cover
    whole: bool = False
    """Whether one bay is given for all nights."""
    legs: list[tuple[int, int, int, int]] = field(default_factory=list)
    """(begin, end, bay, line)."""


class _Nights:
    """The rules, each by its name."""

    def __init__(self, neighbourhood: Neighbourhood, plan: Json) -> None:
        kinds = day_kinds(
            neighbourhood.country,
            first=neighbourhood.term_from - timedelta(days=1),
            last=neighbourhood.term_to + timedelta(days=90 + len(neighbourhood.calendar_overrides)),
            overrides=neighbourhood.calendar_overrides,
        )
        self.plan = plan
        self.rulebook = Rulebook(kinds, neighbourhood.term_from, neighbourhood.term_to)
        self.facilities = {facility.id: facility for facility in neighbourhood.facilities}
        columns = neighbourhood.demands.select("id", "days", "arrive_min", "leave_min", "stay_through")
        self.pattern_of: dict[str, Pattern] = {row[0]: row[1:] for row in columns.iter_rows()}
        self.stays = {pattern: self.rulebook.stays(pattern) for pattern in set(self.pattern_of.values())}
        self._last = max((end for stays in self.stays.values() for _, _, end in stays), default=0)
        self._hours: dict[str, Hours] = {}
        self._covers: dict[tuple[Pattern, tuple[str, ...]], _Cover] = {}
        self._shapes: dict[Place, tuple[int, list[int]]] = {}
        self._shape_numbers: dict[tuple[bytes, bytes], int] = {}
        self._level: dict[tuple[int, int], int] = {}
        self._apart: dict[tuple[int, int], bool] = {}

    def faults(self, rows: Iterable[Row]) -> Iterator[str]:
        """Hold every rule against the rows."""
        permits = {row["demand"]: self._permit(row) for row in self.plan["assignments"]}
        for row in rows:
            fault = self._read(permits, row)
            if fault:
                yield f"nights: nights.csv:{row[0]}: {fault}"
        yield from self.each_night_has_one_bay(permits)
        yield from self.bays_exist_throughout(permits)
        yield from self.two_cars_never_hold_one_bay(permits)
        yield from self.summary_is_the_count(permits)

    def _permit(self, row: Json) -> _Permit:
        key = self.pattern_of[row["demand"]], tuple(row["days_left_out"])
        if key not in self._covers:
            days = {day.isoformat(): (begin, end) for day, begin, end in self.stays[key[0]]}
            days = {day: span for day, span in days.items() if day not in key[1]}
            self._covers[key] = _Cover(len(self._covers), days, _joined(days.values()))
        return _Permit((row["facility"], row["bay_group"]), self._covers[key])

    def _read(self, permits: dict[str, _Permit], row: Row) -> str | None:
        """Take a row in; what is wrong with it by itself, None when nothing is."""
        line, demand, facility, group, bay, nights = row
        permit = permits.get(demand)
        if permit is None:
            return f"{demand!r} is not served by the plan"
        if (facility, group) != permit.place:
            return f"{demand} stands at {permit.place[0]} ({permit.place[1]}), not at {facility} ({group})"
        if not _BAY.fullmatch(bay):
            return f"bay is {bay!r}, expected a whole number from 1"
        if permit.whole or (permit.legs and not nights):
            return f"{demand} has another row, and one of them is for all its nights"
        permit.whole = not nights
        spans = [permit.cover.days.get(word) or _span(word) for word in nights.split(" ")] if nights else [(0, 0)]
        permit.legs += [(*span, int(bay), line) for span in spans if span]
        strange = [word for word, span in zip(nights.split(" "), spans, strict=True) if span is None]
        return f"{strange[0]!r} is no night of {demand}, nor a time from begin to end" if strange else None

    def each_night_has_one_bay(self, permits: dict[str, _Permit]) -> Iterator[str]:
        """At every moment of its stays a car has one bay, and none at any other."""
        for demand, permit in permits.items():
            if permit.whole:
                continue
            if not permit.legs:
                yield f"nights: {demand} has no bay in nights.csv"
                continue
            permit.legs.sort()
            until, held = -1, 0
            for begin, end, bay, line in permit.legs:
                if begin < until and bay != held:
                    yield f"nights: nights.csv:{line}: {demand} is in bays {held} and {bay} at one moment"
                if end > until:
                    until, held = end, bay
            if len({leg[:2] for leg in permit.legs}) < len(permit.legs):
                yield f"nights: nights.csv:{permit.legs[0][3]}: {demand} has a night twice"
            if _joined((begin, end) for begin, end, _, _ in permit.legs) != permit.cover.joined:
                line = permit.legs[0][3]
                yield f"nights: nights.csv:{line}: the nights of {demand} are not those the plan gives it"

    def bays_exist_throughout(self, permits: dict[str, _Permit]) -> Iterator[str]:
        """Bay k is there at a moment only when there are at least k bays."""
        for demand, permit in permits.items():
            for begin, end, bay, line in permit.legs:
                spans = permit.cover.joined if permit.whole else [(begin, end)]
                bays = self._fewest(permit) if permit.whole else self._bays_during(permit.place, spans)
                if bay > bays:
                    facility, group = permit.place
                    yield (
                        f"nights: nights.csv:{line}: {demand} is in bay {bay} of {facility} ({group}), "
                        f"which has {bays} bays during the stay"
                    )

    def two_cars_never_hold_one_bay(self, permits: dict[str, _Permit]) -> Iterator[str]:
        """Cars that are given the same bay stand there at different times."""
        whole: dict[tuple[Place, int], list[str]] = defaultdict(list)
        legs: dict[tuple[Place, int], list[tuple[int, int, str, int]]] = defaultdict(list)
        for demand, permit in permits.items():
            for begin, end, bay, line in permit.legs:
                if permit.whole:
                    whole[permit.place, bay].append(demand)
                else:
                    legs[permit.place, bay].append((begin, end, demand, line))
        for place, bay in {**whole, **legs}:
            keepers, parts = whole.get((place, bay), []), legs.get((place, bay), [])
            if not parts and self._all_apart([permits[demand].cover for demand in keepers]):
                continue
            for demand in keepers:
                line = permits[demand].legs[0][3]
                parts += [(begin, end, demand, line) for begin, end in permits[demand].cover.joined]
            yield from _clashes(place, bay, sorted(parts))

    def summary_is_the_count(self, permits: dict[str, _Permit]) -> Iterator[str]:
        """Say where plan.json counts otherwise."""
        said = self.plan.get("nightly_bays")
        if not isinstance(said, dict):
            yield "nights: plan.json says nothing of nightly_bays, and nights.csv stands beside it"
            return
        moves = split = moving = 0
        for permit in permits.values():
            bays = [leg[2] for leg in sorted(permit.legs)]
            changes = sum(bay != other for bay, other in pairwise(bays))
            moves += changes
            moving += changes > 0
            if changes:
                split += sum(
                    len({bay for start, end, bay, _ in permit.legs if begin <= start and end <= until}) > 1
                    for begin, until in permit.cover.joined
                )
        expected = {"permits": len(permits), "moving": moving, "moves": moves, "split_stays": split}
        for name, want in expected.items():
            if said.get(name) != want:
                yield f"nights: nightly_bays.{name} is {said.get(name)}, nights.csv gives {want}"
        proven = said.get("proven_fewest")
        if not isinstance(proven, bool) or not (proven or moving):
            yield f"nights: nightly_bays.proven_fewest is {proven}, with {moving} permits that move"

    def _all_apart(self, covers: list[_Cover]) -> bool:
        return all(self._are_apart(one, other) for at, one in enumerate(covers) for other in covers[:at])

    def _are_apart(self, one: _Cover, other: _Cover) -> bool:
        key = min(one.number, other.number), max(one.number, other.number)
        if key not in self._apart:
            spans = sorted([*one.joined, *other.joined])
            self._apart[key] = all(end <= begin for (_, end), (begin, _) in pairwise(spans))
        return self._apart[key]

    def _fewest(self, permit: _Permit) -> int:
        """Fewest bays of a permit's place during its stays; worked out once for places with hours that rise alike."""
        shape, levels = self._shape(permit.place)
        key = shape, permit.cover.number
        if key not in self._level:
            self._level[key] = levels.index(self._bays_during(permit.place, permit.cover.joined))
        return levels[self._level[key]]

    def _shape(self, place: Place) -> tuple[int, list[int]]:
        if place not in self._shapes:
            edges, bays = self._capacity(place)
            levels, ranks = np.unique(np.append(bays, 0), return_inverse=True)
            key = np.array(edges, dtype=np.int64).tobytes(), ranks.tobytes()
            number = self._shape_numbers.setdefault(key, len(self._shape_numbers))
            self._shapes[place] = number, levels.tolist()
        return self._shapes[place]

    def _capacity(self, place: Place) -> tuple[list[int], list[int]]:
        facility = self.facilities[place[0]]
        if place[0] not in self._hours:
            self._hours[place[0]] = Hours(self.rulebook, facility, self._last)
        hours = self._hours[place[0]]
        return hours.edges, hours.bays[[group.id for group in facility.bay_groups].index(place[1])]

    def _bays_during(self, place: Place, spans: list[Span]) -> int:
        """Fewest bays at any moment of some spans of time."""
        edges, bays = self._capacity(place)
        fewest = []
        for begin, end in spans:
            low = bisect_right(edges, begin)
            here = bays[max(0, low - 1) : bisect_left(edges, end)]
            fewest.append(min(here, default=0) if low else 0)
        return min(fewest, default=0)


def _clashes(place: Place, bay: int, parts: list[tuple[int, int, str, int]]) -> Iterator[str]:
    """Name the cars that stand in one bay together, each pair once; parts are sorted."""
    named = set()
    until, holder = -1, ""
    for begin, end, demand, line in parts:
        if begin < until and demand != holder and (holder, demand) not in named:
            named.add((holder, demand))
            yield (
                f"nights: nights.csv:{line}: {demand} and {holder} are in bay {bay} of {place[0]} ({place[1]}) "
                "at one moment"
            )
        if end > until:
            until, holder = end, demand


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Join spans that overlap or touch."""
    result: list[Span] = []
    for begin, end in sorted(spans):
        if result and begin <= result[-1][1]:
            result[-1] = result[-1][0], max(result[-1][1], end)
        else:
            result.append((begin, end))
    return result


def _span(word: str) -> Span | None:
    """Read a time like 2026-12-01T19:00/2026-12-02T00:00; None for anything else."""
    begin, slash, end = word.partition("/")
    try:
        span = parse_instant(begin), parse_instant(end)
    except ValueError:
        return None
    return span if slash and span[0] < span[1] else None
