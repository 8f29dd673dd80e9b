"""A plan verified from scratch: rules, value, counts and bound, from the folder alone."""

from __future__ import annotations

import hashlib
import hmac
import json
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from api.calendars.day_kinds import day_kinds
from api.errors import Fault, FolderFaults
from api.neighbourhoods.model import Facility, Neighbourhood
from api.neighbourhoods.read import read_folder
from api.planning.rulebook import Hours, Pattern, Rulebook, days_left_out, fits, parse_instant
from api.planning.walking import walks_of
from geo.pairs import WalkPairs

Json = dict[str, Any]
Place = tuple[str, str]
"""(facility, bay group)."""
REASONS = ("no_home_access", "too_far", "no_day", "no_window", "no_suitable_bay", "full", "no_value", "rejected")


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


def check_folder(folder: Path, plan_path: Path) -> list[str]:
    """
    Everything wrong with a plan and the certificate beside it; an empty list when all holds.

    Raises
    ------
    FolderFaults
        When the folder, the plan or the certificate cannot be read.
    """
    neighbourhood = read_folder(folder)
    plan = _read_json(plan_path)
    certificate = _read_json(plan_path.with_name("certificate.json"))
    faults = []
    if plan.get("input_sha256") != dict(neighbourhood.input_sha256):
        names = sorted(
            name
            for name in {*neighbourhood.input_sha256, *_object(plan.get("input_sha256"))}
            if neighbourhood.input_sha256.get(name) != _object(plan.get("input_sha256")).get(name)
        )
        faults.append(f"input: the plan was made from other files: {', '.join(names)}")
    return faults + faults_of_plan(neighbourhood, walks_of(neighbourhood), plan, certificate)


def _read_json(path: Path) -> Json:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FolderFaults([Fault(path.name, 1, "file", "is missing")]) from None
    except OSError as error:
        raise FolderFaults([Fault(path.name, 1, "file", f"cannot be read: {error.strerror}")]) from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise FolderFaults([Fault(path.name, 1, "file", f"is not JSON in UTF-8: {error}")]) from None
    except json.JSONDecodeError as error:
        raise FolderFaults([Fault(path.name, error.lineno, "file", f"is not JSON: {error.msg}")]) from None
    if not isinstance(content, dict):
        raise FolderFaults([Fault(path.name, 1, "file", "is not a JSON object")])
    return content


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def faults_of_plan(neighbourhood: Neighbourhood, walks: WalkPairs, plan: Json, certificate: Json) -> list[str]:
    """Everything wrong with a plan and its certificate, each with the name of the rule it breaks."""
    try:
        return _Checker(neighbourhood, walks).faults(plan, certificate)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        return [f"shape: the plan or its certificate is not of the contract's shape ({type(error).__name__}: {error})"]


class _Checker:
    """The folder's demands, places and options, each worked out once."""

    def __init__(self, neighbourhood: Neighbourhood, walks: WalkPairs) -> None:
        self.policy = neighbourhood.policy
        kinds = day_kinds(
            neighbourhood.country,
            first=neighbourhood.term_from - timedelta(days=1),
            last=neighbourhood.term_to + timedelta(days=90),
            overrides=neighbourhood.calendar_overrides,
        )
        self.rulebook = Rulebook(kinds, neighbourhood.term_from, neighbourhood.term_to)
        self.facilities = {facility.id: facility for facility in neighbourhood.facilities}
        self.demands = _demands(neighbourhood)
        self.walks = _walks_by_home(neighbourhood, walks)
        self._stays = {demand.pattern: self.rulebook.stays(demand.pattern) for demand in self.demands.values()}
        last = max((end for stays in self._stays.values() for _, _, end in stays), default=0)
        self._make_hours: Callable[[Facility], Hours] = partial(Hours, self.rulebook, last_moment=last)
        self._hours: dict[str, Hours] = {}
        self._admitted: dict[object, tuple[date, ...] | None] = {}
        self._options: dict[Demand, dict[Place, Option]] = {}

    def faults(self, plan: Json, certificate: Json) -> list[str]:
        assigned = {row["demand"]: row for row in plan["assignments"]}
        prices = self._prices(certificate)
        return [
            *self.every_demand_has_one_answer(plan),
            *self.assignments_are_eligible(assigned),
            *self.capacity_never_exceeded(assigned),
            *self.decisions_are_kept(assigned),
            *self.value_and_counts_are_right(plan, assigned),
            *self.equals_are_served_by_the_draw(plan, assigned),
            *self.refusals_have_reasons(plan, prices, int(certificate["scale"])),
            *self.bound_follows_from_prices(plan, certificate, prices),
        ]

    def every_demand_has_one_answer(self, plan: Json) -> Iterable[str]:
        answers = Counter(row["demand"] for row in (*plan["assignments"], *plan["unserved"]))
        yield from (f"answers: {name!r} is not a demand of the folder" for name in answers if name not in self.demands)
        yield from (f"answers: {name} has {count} answers" for name, count in answers.items() if count > 1)
        yield from (f"answers: {name} has none" for name in self.demands if name not in answers)

    def assignments_are_eligible(self, assigned: dict[str, Json]) -> Iterable[str]:
        for name, row in assigned.items():
            if name not in self.demands:
                continue
            option = self.options(self.demands[name]).get((row["facility"], row["bay_group"]))
            if option is None:
                yield f"eligible: {name} may not have {row['facility']} ({row['bay_group']})"
            elif row["walk_m"] != option.walk_m:
                yield f"walk: {name} walks {option.walk_m} m to {row['facility']}, the plan says {row['walk_m']}"
            elif row["days_left_out"] != [day.isoformat() for day in option.left_out]:
                yield f"days left out: {name} at {row['facility']}: closures leave out {len(option.left_out)} days, not these"

    def capacity_never_exceeded(self, assigned: dict[str, Json]) -> Iterable[str]:
        cars: dict[Place, Counter[tuple[Pattern, tuple[date, ...]]]] = defaultdict(Counter)
        for name, row in assigned.items():
            place = row["facility"], row["bay_group"]
            option = self.options(self.demands[name]).get(place) if name in self.demands else None
            if option is not None:
                cars[place][self.demands[name].pattern, option.left_out] += 1
        for (facility, group), stays in cars.items():
            change: Counter[int] = Counter()
            for (pattern, left_out), count in stays.items():
                for begin, end in self.cover(pattern, left_out):
                    change[begin] += count
                    change[end] -= count
            hours, index = self.hours(facility), self.group_index(facility, group)
            standing = 0
            for moment in sorted({*change, *hours.edges}):
                standing += change[moment]
                if standing > hours.capacity_at(index, moment):
                    yield f"capacity: {facility} ({group}) holds {standing} cars in {hours.capacity_at(index, moment)} bays"
                    break

    def decisions_are_kept(self, assigned: dict[str, Json]) -> Iterable[str]:
        for name, demand in self.demands.items():
            given = assigned[name]["facility"] if name in assigned else None
            for facility, word in demand.decisions:
                if word == "lock" and given != facility:
                    yield f"decisions: {name} is locked to {facility} and got {given}"
                if word == "reject" and given is not None and facility in (None, given):
                    yield f"decisions: {name} was rejected at {given} and got it"

    def value_and_counts_are_right(self, plan: Json, assigned: dict[str, Json]) -> Iterable[str]:
        served = [
            (self.demands[name], self.options(self.demands[name]).get((row["facility"], row["bay_group"])))
            for name, row in assigned.items()
            if name in self.demands
        ]
        value = sum(option.value_m for _, option in served if option)
        walks = sorted(row["walk_m"] for row in assigned.values())
        tiers = Counter(demand.tier for demand, _ in served)
        said = plan["walk_m"]
        expected = {
            "value_m": (plan["value_m"], value),
            "demands": (plan["demands"], len(self.demands)),
            "served": (plan["served"], len(assigned)),
            "walk_m.total": (said["total"], sum(walks)),
            "walk_m.max": (said["max"], max(walks, default=0)),
            "walk_m.p95": (said["p95"], walks[(95 * len(walks) + 99) // 100 - 1] if walks else 0),
            **{f"served_by_tier.{tier}": (plan["served_by_tier"].get(str(tier), 0), tiers[tier]) for tier in (1, 2, 3)},
        }
        yield from (f"counts: {name} is {got}, the assignments give {want}" for name, (got, want) in expected.items() if got != want)
        mean = sum(walks) / len(walks) if walks else 0
        if abs(said["mean"] - mean) > 0.06:
            yield f"counts: walk_m.mean is {said['mean']}, the assignments give {mean:.1f}"

    def equals_are_served_by_the_draw(self, plan: Json, assigned: dict[str, Json]) -> Iterable[str]:
        equals: dict[Demand, list[str]] = defaultdict(list)
        for name, demand in self.demands.items():
            equals[demand].append(name)
        key = str(plan["seed"]).encode()
        for names in equals.values():
            if len(names) < 2 or not any(name in assigned for name in names):
                continue
            drawn = sorted(names, key=lambda name: (hmac.new(key, name.encode(), hashlib.sha256).digest(), name))
            walks = [assigned[name]["walk_m"] if name in assigned else float("inf") for name in drawn]
            if walks != sorted(walks):
                yield f"envy: among the equals {', '.join(sorted(names)[:5])} the draw was not followed"

    def refusals_have_reasons(self, plan: Json, prices: dict[Place, list[tuple[int, int]]], scale: int) -> Iterable[str]:
        for row in plan["unserved"]:
            demand = self.demands.get(row["demand"])
            if demand is None:
                continue
            if row["reason"] not in REASONS:
                yield f"reasons: {row['demand']}: {row['reason']!r} is not a reason"
            eligible = self.options(demand)
            full = {(option["facility"], option["bay_group"]): option for option in row["options"] if option["why"] == "full"}
            if set(full) != set(eligible) or (row["reason"] == "full") != bool(eligible):
                yield f"reasons: {row['demand']}: the options called full are not the eligible ones"
                continue
            for place, option in full.items():
                short = self.paid(place, demand.pattern, eligible[place].left_out, prices) - scale * eligible[place].value_m
                if option["short_m"] != max(0, -(-short // scale)):
                    yield f"reasons: {row['demand']} at {place[0]}: short_m is {option['short_m']}, the prices say otherwise"

    def bound_follows_from_prices(
        self, plan: Json, certificate: Json, prices: dict[Place, list[tuple[int, int]]]
    ) -> Iterable[str]:
        scale = int(certificate["scale"])
        total = sum(
            price * self.hours(facility).capacity_at(self.group_index(facility, group), moment)
            for (facility, group), here in prices.items()
            for moment, price in here
        )
        for demand, count in Counter(self.demands.values()).items():
            gains = (
                scale * option.value_m - self.paid(place, demand.pattern, option.left_out, prices)
                for place, option in self.options(demand).items()
            )
            total += count * max(0, *gains, 0)
        bound = total // scale
        if certificate["bound_m"] != bound:
            yield f"bound: the certificate says {certificate['bound_m']}, its prices prove {bound}"
        if plan["bound_m"] != certificate["bound_m"]:
            yield f"bound: the plan says {plan['bound_m']}, the certificate {certificate['bound_m']}"
        if plan["value_m"] > bound:
            yield f"bound: the value {plan['value_m']} is above the bound {bound}"
        if plan["gap"] != (plan["bound_m"] - plan["value_m"]) / max(1, plan["value_m"]):
            yield f"gap: {plan['gap']} does not follow from value and bound"
        if plan["status"] not in ("optimal", "feasible") or (plan["status"] == "optimal") != (plan["value_m"] == bound):
            yield f"status: {plan['status']!r} does not go with value {plan['value_m']} and bound {bound}"
        for row in plan["bay_values"]:
            total = sum(price for _, price in prices.get((row["facility"], row["bay_group"]), []))
            if row["value_m"] != -(-total // scale):
                yield f"bay values: {row['facility']} ({row['bay_group']}) is {row['value_m']}, the prices say {-(-total // scale)}"

    def options(self, demand: Demand) -> dict[Place, Option]:
        """Eligible places of a demand."""
        if demand not in self._options:
            self._options[demand] = dict(self._find_options(demand))
        return self._options[demand]

    def _find_options(self, demand: Demand) -> Iterable[tuple[Place, Option]]:
        locked = {facility for facility, word in demand.decisions if word == "lock"}
        rejected = {facility for facility, word in demand.decisions if word == "reject"}
        for name, walk_m in self.walks.get(demand.home, ()):
            facility = self.facilities[name]
            if walk_m > demand.max_walk_m or None in rejected or name in rejected or (locked and name not in locked):
                continue
            value = (
                self.policy.tier_value_m[demand.tier - 1]
                + self.policy.waiting_value_m * demand.rounds_waited
                + self.policy.keep_value_m * (demand.holds == name)
                - walk_m
            )
            if value <= 0:
                continue
            for index, group in enumerate(facility.bay_groups):
                if fits(demand.needs, demand.height_m, facility, index):
                    left_out = self._admission(demand.pattern, facility, index)
                    if left_out is not None:
                        yield (name, group.id), Option(walk_m, value, left_out)

    def _admission(self, pattern: Pattern, facility: Facility, index: int) -> tuple[date, ...] | None:
        """Days left out, or None; worked out once for facilities whose hours are alike."""
        if facility.buffer_bays:
            alike: object = facility.id
        else:  # without a buffer only whether a window has bays matters, not how many
            windows = facility.bay_groups[index].windows
            alike = tuple((w.days, w.from_min, w.to_min, w.bays > 0, w.last_entry_min, w.season) for w in windows)
        key = pattern, alike, index if facility.buffer_bays else -1, facility.closures, facility.no_movement
        if key not in self._admitted:
            self._admitted[key] = days_left_out(self._stays[pattern], self.hours(facility.id), index, facility)
        return self._admitted[key]

    def hours(self, facility: str) -> Hours:
        """Capacity over time of a facility."""
        if facility not in self._hours:
            self._hours[facility] = self._make_hours(self.facilities[facility])
        return self._hours[facility]

    def group_index(self, facility: str, group: str) -> int:
        """Position of a bay group in its facility."""
        return [item.id for item in self.facilities[facility].bay_groups].index(group)

    def cover(self, pattern: Pattern, left_out: tuple[date, ...]) -> list[tuple[int, int]]:
        """Time in which the car stands there: the stays that are not left out, those that overlap joined."""
        joined: list[tuple[int, int]] = []
        for begin, end in sorted((begin, end) for day, begin, end in self._stays[pattern] if day not in left_out):
            if joined and begin <= joined[-1][1]:
                joined[-1] = joined[-1][0], max(joined[-1][1], end)
            else:
                joined.append((begin, end))
        return joined

    def paid(
        self, place: Place, pattern: Pattern, left_out: tuple[date, ...], prices: dict[Place, list[tuple[int, int]]]
    ) -> int:
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

    def _prices(self, certificate: Json) -> dict[Place, list[tuple[int, int]]]:
        prices: dict[Place, list[tuple[int, int]]] = defaultdict(list)
        for row in certificate["prices"]:
            price = row["price"]
            if isinstance(price, bool) or not isinstance(price, int) or price < 0:
                raise ValueError(f"price {price!r} is not a whole number of at least 0")
            self.group_index(row["facility"], row["bay_group"])
            prices[row["facility"], row["bay_group"]].append((parse_instant(row["at"]), price))
        if isinstance(certificate["scale"], bool) or not isinstance(certificate["scale"], int) or certificate["scale"] < 1:
            raise ValueError(f"scale {certificate['scale']!r} is not a whole number of at least 1")
        return prices


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
    homes = neighbourhood.homes["id"].to_list()
    names = [facility.id for facility in neighbourhood.facilities]
    result: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for home, facility, walk_m in zip(walks.home.tolist(), walks.facility.tolist(), walks.walk_m.tolist(), strict=True):
        result[homes[home]].append((names[facility], walk_m))
    return result
