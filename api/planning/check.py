"""A plan verified from scratch: rules, value, counts and bound, from the folder alone."""

from __future__ import annotations

import hmac
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from api.errors import Fault, FolderFaults
from api.neighbourhoods.files import RepeatedKey, find_obstacle, require_json_once
from api.neighbourhoods.model import Neighbourhood
from api.neighbourhoods.read import read_folder
from api.planning.base_told import wrong_base
from api.planning.branches import branches_prove_the_plan
from api.planning.charges import Charges, bound_m
from api.planning.check_nights import faults_of_nights_file
from api.planning.crowds import Stays, crowded_places, stays_at
from api.planning.numbered import NOBODY, Ints
from api.planning.stated import read_assigned, read_refused, wrongly_refused
from api.planning.verdicts import FULL, Judged, Verdicts
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
    return [
        *faults,
        *faults_of_plan(neighbourhood, walks_of(neighbourhood), plan, certificate),
        *faults_of_nights_file(neighbourhood, plan, plan_path.with_name("nights.csv")),
    ]


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
        return _Checker(Verdicts(neighbourhood, walks), plan, certificate).faults()
    except KeyError as error:
        return [f"shape: {error.args[0]} is missing"]
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        return [f"shape: the plan or its certificate is not of the contract's shape ({type(error).__name__}: {error})"]


class _Checker:
    """The rules, each by its name, held against what the plan says."""

    def __init__(self, verdicts: Verdicts, plan: Json, certificate: Json) -> None:
        self.verdicts = verdicts
        self.plan = plan
        self.certificate = certificate
        self.charges = Charges(certificate, verdicts)
        self.assigned = read_assigned(plan["assignments"], verdicts)
        self.refused = read_refused(plan["unserved"], verdicts)

    def faults(self) -> list[str]:
        eligible: list[str] = []
        reasons: list[str] = []
        gains: list[int] = []
        stays: list[Stays] = []
        claims: list[bytes] = []
        for judged in self.verdicts.blocks():
            option = self._options_given(judged)
            eligible += self.assignments_are_eligible(judged, option)
            reasons += self.refusals_have_reasons(judged)
            gains.append(self.charges.gains(judged))
            stays.append(stays_at(judged, option[option != NOBODY]))
            claims.append(self.verdicts.claims(judged))
        return [
            *self.every_demand_has_one_answer(),
            *eligible,
            *self.capacity_never_exceeded(stays),
            *self.decisions_are_kept(),
            *self.value_and_counts_are_right(sum(sum(some.value_m.tolist()) for some in stays)),
            *self.equals_are_served_by_the_draw(claims),
            *reasons,
            *self.bound_follows_from_prices(gains),
            *branches_prove_the_plan(self.plan, self.certificate, self.verdicts),
            *self.bay_values_follow_from_prices(),
            *wrong_base(self.plan),
        ]

    def every_demand_has_one_answer(self) -> Iterator[str]:
        ids = self.verdicts.ids
        for name in dict.fromkeys((*self.assigned.unknown, *self.refused.unknown)):
            yield f"answers: {name!r} is not a demand of the folder"
        answered = np.concatenate((self.assigned.demand, self.refused.demand))
        answers = np.bincount(answered[answered != NOBODY], minlength=len(ids))
        yield from (f"answers: {ids[row]} has {answers[row]} answers" for row in np.flatnonzero(answers > 1).tolist())
        yield from (f"answers: {ids[row]} has none" for row in np.flatnonzero(answers == 0).tolist())

    def _options_given(self, judged: Judged) -> Ints:
        """Which option each assignment of some demands is, `NOBODY` where it is not an eligible one."""
        mine = self.assigned.of(judged)
        return judged.find(self.assigned.demand[mine], self.assigned.place[mine], why=FULL)

    def assignments_are_eligible(self, judged: Judged, option: Ints) -> Iterator[str]:
        mine = self.assigned.of(judged)
        may = option != NOBODY
        walks, says = may.copy(), may.copy()
        walks[may] = judged.walk_m[option[may]] == self.assigned.walk_m[mine][may]
        left_out = self.verdicts.left_out_among(self.assigned.days)
        says[may] = left_out[judged.cover[option[may]]] == self.assigned.left_out[mine][may]
        for at in np.flatnonzero(~(may & walks & says)).tolist():
            row = mine.start + at
            name = self.verdicts.ids[int(self.assigned.demand[row])]
            facility, group = self.verdicts.name_of(int(self.assigned.place[row]))
            if not may[at]:
                yield f"eligible: {name} may not have {facility} ({group})"
            elif not walks[at]:
                walk_m = int(judged.walk_m[option[at]])
                yield f"walk: {name} walks {walk_m} m to {facility}, the plan says {self.assigned.walk_m[row]}"
            else:
                days = len(self.verdicts.covers[int(judged.cover[option[at]])].left_out)
                yield f"days left out: {name} at {facility}: closures leave out {days} days, not these"

    def capacity_never_exceeded(self, stays: Sequence[Stays]) -> Iterator[str]:
        for place, cars, bays in crowded_places(self.verdicts, stays):
            facility, group = self.verdicts.name_of(place)
            yield f"capacity: {facility} ({group}) holds {cars} cars in {bays} bays"

    def decisions_are_kept(self) -> Iterator[str]:
        demands, places = self.verdicts.asks.decisions, self.verdicts.places
        names = [*self.verdicts.facilities]
        for demand, decisions in demands.items():
            row = int(np.searchsorted(self.assigned.demand, demand))
            served = row < len(self.assigned.demand) and self.assigned.demand[row] == demand
            place = int(self.assigned.place[row]) if served else NOBODY
            given = int(places.facility[place]) if place != NOBODY else NOBODY
            name, got = self.verdicts.ids[demand], None if given == NOBODY else names[given]
            for facility, word in decisions:
                if word == "lock" and given != facility:
                    yield f"decisions: {name} is locked to {names[facility]} and got {got}"
                if word == "reject" and served and facility in (NOBODY, given):
                    yield f"decisions: {name} was rejected at {got} and got it"

    def value_and_counts_are_right(self, value_m: int) -> Iterator[str]:
        plan, said = self.plan, self.plan["walk_m"]
        walks = np.sort(self.assigned.walk_m).tolist()
        known = self.assigned.demand[self.assigned.demand != NOBODY]
        tiers = np.bincount(self.verdicts.asks.tier[known], minlength=4).tolist()
        expected = {
            "value_m": (plan["value_m"], value_m),
            "demands": (plan["demands"], len(self.verdicts.ids)),
            "served": (plan["served"], len(walks)),
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

    def equals_are_served_by_the_draw(self, claims: Sequence[bytes]) -> Iterator[str]:
        ids, key = self.verdicts.ids, str(self.plan["seed"]).encode()
        walk_m = np.full(len(ids), np.inf)
        served = self.assigned.demand != NOBODY
        walk_m[self.assigned.demand[served]] = self.assigned.walk_m[served]
        for equals in self.verdicts.equals(claims):
            if np.isfinite(walk_m[equals]).any():
                name_of = {ids[row]: row for row in equals.tolist()}
                drawn = sorted(name_of, key=lambda name: (hmac.digest(key, name.encode(), "sha256"), name))
                walks = [walk_m[name_of[name]] for name in drawn]
                if walks != sorted(walks):
                    yield f"envy: among the equals {', '.join(sorted(drawn)[:5])} the draw was not followed"

    def refusals_have_reasons(self, judged: Judged) -> Iterator[str]:
        for demand in wrongly_refused(judged, self.refused, self.charges).tolist():
            yield f"reasons: {self.verdicts.ids[demand]}: {self._wrong_reason(demand)}"

    def _wrong_reason(self, demand: int) -> str:
        """Find what is wrong with the reasons of one refusal."""
        reason, whys = self.verdicts.refusal(demand)
        stated = self.refused.told(demand)
        said = {self.verdicts.name_of(place): (walk_m, why) for place, walk_m, why in stated}
        odd = sorted(place for place in {*said, *whys} if said.get(place) != whys.get(place))
        if odd:
            facility, group = odd[0]
            return f"{facility} ({group}) stands there as {said.get(odd[0])}, the rules say {whys.get(odd[0])}"
        if len(stated) != len(whys):
            return "an option stands there twice"
        if self.refused.reason_of(demand) != reason:
            return f"the reason is {self.refused.reason_of(demand)!r}, the rules say {reason!r}"
        return "a short_m is not what the prices say"

    def bound_follows_from_prices(self, gains: Sequence[int]) -> Iterator[str]:
        plan, certificate = self.plan, self.certificate
        bound = bound_m(self.charges, gains)
        if certificate["bound_m"] != bound:
            yield f"bound: the certificate says {certificate['bound_m']}, its prices prove {bound}"
        if plan["bound_m"] != certificate["bound_m"]:
            yield f"bound: the plan says {plan['bound_m']}, the certificate {certificate['bound_m']}"
        if plan["value_m"] > bound:
            yield f"bound: the value {plan['value_m']} is above the bound {bound}"
        if plan["gap"] != (plan["bound_m"] - plan["value_m"]) / max(1, plan["value_m"]):
            yield f"gap: {plan['gap']} does not follow from value and bound"
        optimal = plan["value_m"] == bound or "branches" in certificate
        if plan["status"] != ("optimal" if optimal else "feasible"):
            yield f"status: {plan['status']!r} does not go with value {plan['value_m']} and bound {bound}"

    def bay_values_follow_from_prices(self) -> Iterator[str]:
        rows, status = self.plan["bay_values"], self.plan["status"]
        if Counter((row["facility"], row["bay_group"]) for row in rows) != Counter(self.verdicts.places.names):
            yield "bay values: not every bay group of the folder stands there once"
        rents = self.charges.rent_m()
        for row in rows:
            where = f"{row['facility']} ({row['bay_group']})"
            rent_m = rents.get((row["facility"], row["bay_group"]), 0)
            if row["value_m"] != rent_m:
                yield f"bay values: {where} is {row['value_m']}, the prices say {rent_m}"
            exact = row["exact_m"]
            if exact is not None and not (status == "optimal" and 0 <= exact <= row["value_m"]):
                yield f"bay values: {where} cannot be exactly {exact}: the price is {row['value_m']}, the plan {status}"
