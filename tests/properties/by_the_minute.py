"""The rules of a neighbourhood folder a third time, as slowly and plainly as they read: one place a minute."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.neighbourhoods.model import BayGroup, Facility, Neighbourhood, Window

Place = tuple[str, str]
Minutes = NDArray[np.int64]
DAY = 1440


@dataclass(frozen=True)
class Judged:
    """What the rules say of a demand at a place: `why` is "full" where it may stand there."""

    why: str
    walk_m: int
    value_m: int
    left_out: tuple[date, ...]
    stands: Minutes
    """Minutes during which it would stand there."""


class ByTheMinute:
    """A neighbourhood whose every minute is looked at, from the day before the term on."""

    def __init__(self, neighbourhood: Neighbourhood) -> None:
        self.folder = neighbourhood
        self.first = neighbourhood.term_from - timedelta(days=1)
        self.demands = {row["id"]: row for row in neighbourhood.demands.iter_rows(named=True)}
        ends = [end for demand in self.demands.values() for _, _, end in self.stays(demand)]
        self.num_days = max([*ends, ((neighbourhood.term_to - self.first).days + 1) * DAY]) // DAY + 1
        self.words: dict[str, list[tuple[str | None, str]]] = {name: [] for name in self.demands}
        for demand, facility, word in neighbourhood.decisions.rows():
            self.words[demand].append((facility, word))
        self._window_days: dict[Window, list[int]] = {}
        self.capacity: dict[Place, Minutes] = {}
        for facility in neighbourhood.facilities:
            self.capacity.update(self._capacities(facility))

    def is_workday(self, day: date) -> bool:
        """A country no library knows rests on Saturdays and Sundays."""
        word = self.folder.calendar_overrides.get(day)
        return word == "workday" if word else day.weekday() < 5

    def matches(self, day: date, days: str) -> bool:
        if days == "daily":
            return True
        if days == "workdays":
            return self.is_workday(day)
        if days == "rest_days":
            return not self.is_workday(day)
        return day.strftime("%a").lower() in days.split()

    def stays(self, demand: dict[str, Any]) -> list[tuple[date, int, int]]:
        """Asked days, each with the minutes from the first day's midnight at which the stay begins and ends."""
        stays = []
        for offset in range((self.folder.term_to - self.folder.term_from).days + 1):
            day = self.folder.term_from + timedelta(days=offset)
            if self.matches(day, demand["days"]):
                midnight = (day - self.first).days * DAY
                end = midnight + demand["leave_min"]
                while demand["stay_through"] and not self.is_workday(self.first + timedelta(days=end // DAY)):
                    end += DAY
                stays.append((day, midnight + demand["arrive_min"], end))
        return stays

    def window_days(self, window: Window) -> list[int]:
        """Midnights of the days a window belongs to."""
        if window not in self._window_days:
            days = [self.first + timedelta(days=number) for number in range(self.num_days)]
            self._window_days[window] = [
                number * DAY
                for number, day in enumerate(days)
                if self.matches(day, window.days) and in_season(day, window)
            ]
        return self._window_days[window]

    def _capacities(self, facility: Facility) -> dict[Place, Minutes]:
        offered = {group.id: np.zeros((self.num_days + 2) * DAY, dtype=np.int64) for group in facility.bay_groups}
        for group in facility.bay_groups:
            for window in group.windows:
                for midnight in self.window_days(window):
                    open_hours = offered[group.id][midnight + window.from_min : midnight + window.to_min]
                    open_hours[open_hours < window.bays] = window.bays
        buffer = np.full((self.num_days + 2) * DAY, facility.buffer_bays)
        left = {}
        for group in facility.bay_groups:
            taken = np.minimum(buffer, offered[group.id])
            left[facility.id, group.id] = offered[group.id] - taken
            buffer = buffer - taken
        return left

    def may_begin(self, group: BayGroup, minute: int) -> bool:
        """Some window is open at that moment whose last entry has not passed."""
        for window in group.windows:
            for midnight in self.window_days(window):
                hour = minute - midnight
                if window.from_min <= hour < window.to_min and (
                    window.last_entry_min is None or hour <= window.last_entry_min
                ):
                    return True
        return False

    def may_move(self, facility: Facility, minute: int) -> bool:
        """Not strictly inside the hours in which no car may enter or leave."""
        if facility.no_movement is None:
            return True
        begin, end = facility.no_movement
        return not any(begin < moment < end for moment in (minute % DAY, minute % DAY + DAY))

    def closed(self, facility: Facility, begin: int, end: int) -> bool:
        midnight = datetime.combine(self.first, datetime.min.time())
        start, stop = midnight + timedelta(minutes=begin), midnight + timedelta(minutes=end)
        return any(closure.start < stop and start < closure.end for closure in facility.closures)

    def judge(self, name: str, facility: Facility, group: BayGroup, walk_m: int) -> Judged:
        """Hold the rules against one demand at one bay group, in the order in which reasons are told."""
        demand, policy = self.demands[name], self.folder.policy
        stays = self.stays(demand)
        left_out = tuple(day for day, begin, end in stays if self.closed(facility, begin, end))
        kept = [(begin, end) for day, begin, end in stays if day not in left_out]
        value_m = policy.tier_value_m[demand["tier"] - 1] + policy.waiting_value_m * demand["rounds_waited"] - walk_m
        if demand["holds"] == facility.id:
            value_m += policy.keep_value_m
        capacity = self.capacity[facility.id, group.id]
        limit = policy.max_walk_m if demand["max_walk_m"] is None else demand["max_walk_m"]
        if not stays:
            why = "no_day"
        elif walk_m > limit:
            why = "too_far"
        elif len(left_out) > len(stays) / 2 or not all(
            (capacity[begin:end] > 0).all()
            and self.may_begin(group, begin)
            and self.may_move(facility, begin)
            and self.may_move(facility, end)
            for begin, end in kept
        ):
            why = "no_window"
        elif not suits(demand, facility, group):
            why = "no_suitable_bay"
        elif any(
            (word == "reject" and where in (None, facility.id)) or (word == "lock" and where != facility.id)
            for where, word in self.words[name]
        ):
            why = "rejected"
        else:
            why = "full" if value_m > 0 else "no_value"
        stands = np.zeros_like(capacity)
        for begin, end in kept:
            stands[begin:end] = 1
        return Judged(why, walk_m, value_m, left_out, stands)

    def judgements(self, name: str) -> dict[Place, Judged]:
        """Judge a demand at every place its home knows a walk to."""
        facilities = {facility.id: facility for facility in self.folder.facilities}
        assert self.folder.walks is not None
        return {
            (facility, group.id): self.judge(name, facilities[facility], group, walk_m)
            for home, facility, walk_m in self.folder.walks.rows()
            if home == self.demands[name]["home"] and facility in facilities
            for group in facilities[facility].bay_groups
        }

    def reason(self, name: str) -> str:
        """Why a demand that got nothing got nothing."""
        order = ["too_far", "no_day", "no_window", "no_suitable_bay", "rejected", "no_value", "full"]
        judged = self.judgements(name)
        if not judged:
            return "no_home_access"
        return max((verdict.why for verdict in judged.values()), key=order.index)

    def best_value(self) -> int | None:
        """Try every plan; None when the reviewer's locks leave none."""
        locked = {name for name, said in self.words.items() if any(word == "lock" for _, word in said)}
        wanted: list[tuple[bool, list[tuple[Place, Judged]]]] = [
            (
                name in locked,
                [(place, verdict) for place, verdict in self.judgements(name).items() if verdict.why == "full"],
            )
            for name in self.demands
        ]
        return self._best(wanted, {place: capacity.copy() for place, capacity in self.capacity.items()})

    def _best(self, wanted: list[tuple[bool, list[tuple[Place, Judged]]]], free: dict[Place, Minutes]) -> int | None:
        if not wanted:
            return 0
        (must, options), others = wanted[0], wanted[1:]
        best = None if must else self._best(others, free)
        for place, verdict in options:
            left = free[place] - verdict.stands
            if (left >= 0).all():
                rest = self._best(others, {**free, place: left})
                if rest is not None and (best is None or rest + verdict.value_m > best):
                    best = rest + verdict.value_m
        return best


def in_season(day: date, window: Window) -> bool:
    if window.season is None:
        return True
    (first_month, first_day), (last_month, last_day) = window.season
    here, begin, end = (day.month, day.day), (first_month, first_day), (last_month, last_day)
    if begin > end:  # over New Year
        return not end < here < begin
    return begin <= here <= end


def suits(demand: dict[str, Any], facility: Facility, group: BayGroup) -> bool:
    if (
        demand["height_m"] is not None
        and facility.max_height_m is not None
        and demand["height_m"] > facility.max_height_m
    ):
        return False
    needs = set(demand["needs"].split())
    if needs:
        return needs <= set(group.kinds)
    return bool({"standard", "large"} & set(group.kinds))
