"""A plan verified from scratch: rules, value, counts and bound, from the folder alone."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from api.errors import Fault, FolderFaults
from api.neighbourhoods.files import RepeatedKey, find_obstacle, require_json_once
from api.neighbourhoods.model import Neighbourhood
from api.neighbourhoods.read import read_folder
from api.planning.rulebook import Pattern, parse_instant
from api.planning.verdicts import Demand, Place, Prices, Verdicts
from api.planning.walking import walks_of
from geo.pairs import WalkPairs

Json = dict[str, Any]


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
    obstacle = find_obstacle(path)
    if obstacle is not None:
        raise FolderFaults([Fault(path.name, 1, "file", obstacle)])
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=require_json_once)
    except RepeatedKey as error:
        raise FolderFaults([Fault(path.name, 1, error.key or "key", "stands twice in one object")]) from None
    except OSError as error:
        raise FolderFaults([Fault(path.name, 1, "file", f"cannot be read: {error.strerror}")]) from None
    except json.JSONDecodeError as error:
        raise FolderFaults([Fault(path.name, error.lineno, "file", f"is not JSON: {error.msg}")]) from None
    except (ValueError, RecursionError) as error:  # not UTF-8, a number of thousands of digits, nested without end
        raise FolderFaults([Fault(path.name, 1, "file", f"is not JSON in UTF-8: {error}")]) from None
    if not isinstance(content, dict):
        raise FolderFaults([Fault(path.name, 1, "file", "is not a JSON object")])
    return content


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def faults_of_plan(neighbourhood: Neighbourhood, walks: WalkPairs, plan: Json, certificate: Json) -> list[str]:
    """Everything wrong with a plan and its certificate, each with the name of the rule it breaks."""
    try:
        return _Checker(Verdicts(neighbourhood, walks)).faults(plan, certificate)
    except KeyError as error:
        return [f"shape: {error.args[0]} is missing"]
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        return [f"shape: the plan or its certificate is not of the contract's shape ({type(error).__name__}: {error})"]


class _Checker:
    """The rules, each by its name, held against what the plan says."""

    def __init__(self, verdicts: Verdicts) -> None:
        self.verdicts = verdicts

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
            *self.bay_values_follow_from_prices(plan, prices, int(certificate["scale"])),
        ]

    def every_demand_has_one_answer(self, plan: Json) -> Iterable[str]:
        answers = Counter(row["demand"] for row in (*plan["assignments"], *plan["unserved"]))
        yield from (
            f"answers: {name!r} is not a demand of the folder" for name in answers if name not in self.verdicts.demands
        )
        yield from (f"answers: {name} has {count} answers" for name, count in answers.items() if count > 1)
        yield from (f"answers: {name} has none" for name in self.verdicts.demands if name not in answers)

    def assignments_are_eligible(self, assigned: dict[str, Json]) -> Iterable[str]:
        for name, row in assigned.items():
            if name not in self.verdicts.demands:
                continue
            option = self.verdicts.options(self.verdicts.demands[name]).get((row["facility"], row["bay_group"]))
            if option is None:
                yield f"eligible: {name} may not have {row['facility']} ({row['bay_group']})"
            elif row["walk_m"] != option.walk_m:
                yield f"walk: {name} walks {option.walk_m} m to {row['facility']}, the plan says {row['walk_m']}"
            elif row["days_left_out"] != [day.isoformat() for day in option.left_out]:
                days = len(option.left_out)
                yield f"days left out: {name} at {row['facility']}: closures leave out {days} days, not these"

    def capacity_never_exceeded(self, assigned: dict[str, Json]) -> Iterable[str]:
        cars: dict[Place, Counter[tuple[Pattern, tuple[date, ...]]]] = defaultdict(Counter)
        for name, row in assigned.items():
            place = row["facility"], row["bay_group"]
            option = (
                self.verdicts.options(self.verdicts.demands[name]).get(place) if name in self.verdicts.demands else None
            )
            if option is not None:
                cars[place][self.verdicts.demands[name].pattern, option.left_out] += 1
        for (facility, group), stays in cars.items():
            change: Counter[int] = Counter()
            for (pattern, left_out), count in stays.items():
                for begin, end in self.verdicts.cover(pattern, left_out):
                    change[begin] += count
                    change[end] -= count
            hours, index = self.verdicts.hours(facility), self.verdicts.group_index(facility, group)
            standing = 0
            for moment in sorted({*change, *hours.edges}):
                standing += change[moment]
                bays = hours.capacity_at(index, moment)
                if standing > bays:
                    yield f"capacity: {facility} ({group}) holds {standing} cars in {bays} bays"
                    break

    def decisions_are_kept(self, assigned: dict[str, Json]) -> Iterable[str]:
        for name, demand in self.verdicts.demands.items():
            given = assigned[name]["facility"] if name in assigned else None
            for facility, word in demand.decisions:
                if word == "lock" and given != facility:
                    yield f"decisions: {name} is locked to {facility} and got {given}"
                if word == "reject" and given is not None and facility in (None, given):
                    yield f"decisions: {name} was rejected at {given} and got it"

    def value_and_counts_are_right(self, plan: Json, assigned: dict[str, Json]) -> Iterable[str]:
        served = [
            (
                self.verdicts.demands[name],
                self.verdicts.options(self.verdicts.demands[name]).get((row["facility"], row["bay_group"])),
            )
            for name, row in assigned.items()
            if name in self.verdicts.demands
        ]
        value = sum(option.value_m for _, option in served if option)
        walks = sorted(row["walk_m"] for row in assigned.values())
        tiers = Counter(demand.tier for demand, _ in served)
        said = plan["walk_m"]
        expected = {
            "value_m": (plan["value_m"], value),
            "demands": (plan["demands"], len(self.verdicts.demands)),
            "served": (plan["served"], len(assigned)),
            "walk_m.total": (said["total"], sum(walks)),
            "walk_m.max": (said["max"], max(walks, default=0)),
            "walk_m.p95": (said["p95"], walks[(95 * len(walks) + 99) // 100 - 1] if walks else 0),
            **{f"served_by_tier.{tier}": (plan["served_by_tier"].get(str(tier), 0), tiers[tier]) for tier in (1, 2, 3)},
        }
        yield from (
            f"counts: served_by_tier.{tier} is not a tier"
            for tier in plan["served_by_tier"]
            if tier not in ("1", "2", "3")
        )
        yield from (
            f"counts: {name} is {got}, the assignments give {want}"
            for name, (got, want) in expected.items()
            if got != want
        )
        mean = sum(walks) / len(walks) if walks else 0
        if abs(said["mean"] - mean) > 0.06:
            yield f"counts: walk_m.mean is {said['mean']}, the assignments give {mean:.1f}"

    def equals_are_served_by_the_draw(self, plan: Json, assigned: dict[str, Json]) -> Iterable[str]:
        equals: dict[object, list[str]] = defaultdict(list)
        for name, demand in self.verdicts.demands.items():
            equals[self.verdicts.claim(demand)].append(name)
        key = str(plan["seed"]).encode()
        for names in equals.values():
            if len(names) < 2 or not any(name in assigned for name in names):
                continue
            drawn = sorted(names, key=lambda name: (hmac.new(key, name.encode(), hashlib.sha256).digest(), name))
            walks = [assigned[name]["walk_m"] if name in assigned else float("inf") for name in drawn]
            if walks != sorted(walks):
                yield f"envy: among the equals {', '.join(sorted(names)[:5])} the draw was not followed"

    def refusals_have_reasons(self, plan: Json, prices: Prices, scale: int) -> Iterable[str]:
        verified: dict[Demand, tuple[str, Json]] = {}
        for row in plan["unserved"]:
            demand = self.verdicts.demands.get(row["demand"])
            if demand is None or verified.get(demand) == (row["reason"], row["options"]):
                continue
            fault = self._wrong_reason(demand, row, prices, scale)
            if fault:
                yield f"reasons: {row['demand']}: {fault}"
            else:
                verified[demand] = row["reason"], row["options"]

    def _wrong_reason(self, demand: Demand, row: Json, prices: Prices, scale: int) -> str | None:
        """Find what is wrong with the reasons of one refusal; None when all hold."""
        reason, whys = self.verdicts.refusal(demand)
        said = {
            (option["facility"], option["bay_group"]): (option["walk_m"], option["why"]) for option in row["options"]
        }
        if said != whys or len(row["options"]) != len(whys):
            odd = sorted(place for place in {*said, *whys} if said.get(place) != whys.get(place))
            if not odd:
                return "an option stands there twice"
            facility, group = odd[0]
            return f"{facility} ({group}) stands there as {said.get(odd[0])}, the rules say {whys.get(odd[0])}"
        if row["reason"] != reason:
            return f"the reason is {row['reason']!r}, the rules say {reason!r}"
        eligible = self.verdicts.options(demand)
        for option in row["options"]:
            place = option["facility"], option["bay_group"]
            if place in eligible:
                left_out, value_m = eligible[place].left_out, eligible[place].value_m
                short = self.verdicts.paid(place, demand.pattern, left_out, prices) - scale * value_m
                if option["short_m"] != max(0, -(-short // scale)):
                    return f"short_m at {place[0]} ({place[1]}) is {option['short_m']}, the prices say otherwise"
        return None

    def bound_follows_from_prices(self, plan: Json, certificate: Json, prices: Prices) -> Iterable[str]:
        scale = int(certificate["scale"])
        total = sum(
            price * self.verdicts.hours(facility).capacity_at(self.verdicts.group_index(facility, group), moment)
            for (facility, group), here in prices.items()
            for moment, price in here
        )
        for demand, count in Counter(self.verdicts.demands.values()).items():
            gains = (
                scale * option.value_m - self.verdicts.paid(place, demand.pattern, option.left_out, prices)
                for place, option in self.verdicts.options(demand).items()
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

    def bay_values_follow_from_prices(self, plan: Json, prices: Prices, scale: int) -> Iterable[str]:
        places = Counter(
            (facility.id, group.id) for facility in self.verdicts.facilities.values() for group in facility.bay_groups
        )
        if Counter((row["facility"], row["bay_group"]) for row in plan["bay_values"]) != places:
            yield "bay values: not every bay group of the folder stands there once"
        for row in plan["bay_values"]:
            where = f"{row['facility']} ({row['bay_group']})"
            price = sum(price for _, price in prices.get((row["facility"], row["bay_group"]), []))
            if row["value_m"] != -(-price // scale):
                yield f"bay values: {where} is {row['value_m']}, the prices say {-(-price // scale)}"
            exact = row["exact_m"]
            if exact is not None and not (plan["status"] == "optimal" and 0 <= exact <= row["value_m"]):
                price_m, status = row["value_m"], plan["status"]
                yield f"bay values: {where} cannot be exactly {exact}: the price is {price_m}, the plan {status}"

    def _prices(self, certificate: Json) -> Prices:
        prices: Prices = defaultdict(list)
        for row in certificate["prices"]:
            price = row["price"]
            if isinstance(price, bool) or not isinstance(price, int) or price < 0:
                raise ValueError(f"price {price!r} is not a whole number of at least 0")
            self.verdicts.group_index(row["facility"], row["bay_group"])
            prices[row["facility"], row["bay_group"]].append((parse_instant(row["at"]), price))
        if (
            isinstance(certificate["scale"], bool)
            or not isinstance(certificate["scale"], int)
            or certificate["scale"] < 1
        ):
            raise ValueError(f"scale {certificate['scale']!r} is not a whole number of at least 1")
        return prices
