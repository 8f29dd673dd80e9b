"""Branches in a certificate: written where prices alone do not prove the plan, and verified from the folder alone."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.neighbourhoods.model import Neighbourhood
from api.neighbourhoods.read import read_folder
from api.planning.allocate import allocate
from api.planning.check import faults_of_plan
from api.planning.walking import walks_of
from geo.pairs import WalkPairs
from tests.api.tiny import BEFORE_THE_TERM, copy_of_tiny, edit_facilities

Json = dict[str, Any]
Spoil = Callable[[Json, Json], object]


def close_the_park(features: Json) -> None:
    for group in features["park"]["properties"]["bay_groups"]:
        group["windows"] = []


@pytest.fixture(scope="module")
def knot(tmp_path_factory: pytest.TempPathFactory) -> tuple[Neighbourhood, WalkPairs, Json, Json]:
    """
    The tiny neighbourhood without its park: d05 and others ask for nights at the tower that overlap two by two.

    Prices prove 47,025 m; the best plan is worth 44,650 m.
    """
    folder = copy_of_tiny(tmp_path_factory.mktemp("knot") / "folder")
    edit_facilities(folder, close_the_park)
    neighbourhood = read_folder(folder, on=BEFORE_THE_TERM)
    allocation = allocate(neighbourhood)
    return neighbourhood, allocation.walks, allocation.plan, _plain(allocation.certificate)


def _plain(content: Json) -> Json:
    """Read it back as any reader of the file would."""
    told: Json = json.loads(json.dumps(content))
    return told


def test_a_plan_below_what_prices_prove_is_proved_optimal_by_branches(
    knot: tuple[Neighbourhood, WalkPairs, Json, Json],
) -> None:
    neighbourhood, walks, plan, certificate = knot
    assert faults_of_plan(neighbourhood, walks, plan, certificate) == []
    assert (plan["status"], plan["value_m"], plan["bound_m"], plan["proven_bound_m"]) == (
        "optimal",
        44650,
        47025,
        44650,
    )
    assert plan["gap"] == (47025 - 44650) / 44650
    assert certificate["bound_m"] == 47025
    fork, *leaves = certificate["branches"]
    assert {demand for part in fork["count"] for demand in part["demands"]} >= {"d01", "d05", "d16"}
    assert all(leaf["bound_m"] <= 44650 for leaf in leaves)


def test_what_a_lock_costs_does_not_keep_a_plan_from_being_optimal(tmp_path: Path) -> None:
    # The park's last bay goes to d10 by the reviewer's word; the prices alone would give it to somebody worth more.
    folder = copy_of_tiny(tmp_path / "folder")
    (folder / "decisions.csv").write_text("demand,facility,decision\nd10,park,lock\n", encoding="utf-8")
    neighbourhood = read_folder(folder, on=BEFORE_THE_TERM)
    allocation = allocate(neighbourhood)
    plan, certificate = allocation.plan, allocation.certificate
    assert plan["value_m"] < plan["bound_m"]
    assert (plan["status"], plan["proven_bound_m"]) == ("optimal", plan["value_m"])
    assert faults_of_plan(neighbourhood, allocation.walks, plan, certificate) == []
    unlocked = read_folder(copy_of_tiny(tmp_path / "unlocked"), on=BEFORE_THE_TERM)
    # Without the lock the same branches prove nothing: the plan is not even the best.
    assert any("branches: " in fault for fault in faults_of_plan(unlocked, walks_of(unlocked), plan, certificate))


def test_a_plan_that_prices_prove_has_no_branches(tmp_path: Path) -> None:
    allocation = allocate(read_folder(copy_of_tiny(tmp_path / "folder"), on=BEFORE_THE_TERM))
    assert "branches" not in allocation.certificate
    assert "proven_bound_m" not in allocation.plan


def node(number: int, **values: object) -> Spoil:
    return lambda _, certificate: certificate["branches"][number].update(values)


def part(**values: object) -> Spoil:
    return lambda _, certificate: certificate["branches"][0]["count"][0].update(values)


def price(number: int, **values: object) -> Spoil:
    return lambda _, certificate: certificate["branches"][number]["prices"][0].update(values)


def fork_price(number: int, **values: object) -> Spoil:
    return lambda _, certificate: certificate["branches"][number]["forks"][0].update(values)


def lose(number: int, name: str) -> Spoil:
    return lambda _, certificate: certificate["branches"][number].pop(name)


def double(name: str) -> Spoil:
    def spoil(_: Json, certificate: Json) -> None:
        leaf = certificate["branches"][1]
        leaf[name] += leaf[name][:1]

    return spoil


SPOILT: dict[str, tuple[str, Spoil]] = {
    "no branches": ("status: 'optimal' does not go", lambda _, certificate: certificate.pop("branches")),
    "branches of another kind": ("branches is not a list", lambda _, certificate: certificate.update(branches={})),
    "an empty list": ("branches is not a list", lambda _, certificate: certificate.update(branches=[])),
    "leaves dropped": ("node 0 is 1, not a node", lambda _, given: given.update(branches=given["branches"][:1])),
    "the last leaf dropped": ("above of node 0 is 2, not a node", lambda _, certificate: certificate["branches"].pop()),
    "a loose leaf": ("node 3 is a case of no fork", lambda _, given: given["branches"].append(given["branches"][1])),
    "overlapping cases": ("node 1 is a case of two forks", node(0, above=1)),
    "a case before its fork": ("below of node 0 is 0", node(0, below=0)),
    "a case by name": ("below of node 0 is 'left'", node(0, below="left")),
    "a smaller limit": ("branches: node 1 says 44650", node(0, at_most=3)),
    "a larger limit": ("branches: node 1 says 44650", node(0, at_most=5)),
    "a limit below zero": ("at_most of node 0 is -1", node(0, at_most=-1)),
    "a broken limit": ("at_most of node 0 is 3.5", node(0, at_most=3.5)),
    "a limit that is true": ("at_most of node 0 is True", node(0, at_most=True)),
    "a huge limit": ("branches: node 1 says 44650", node(0, at_most=10**400)),
    "a missing limit": ("branches: at_most is missing", lose(0, "at_most")),
    "a count of nothing": ("branches: node 1 says 44650", node(0, count=[])),
    "a count of another kind": ("branches: ", node(0, count=7)),
    "an unknown demand": ("counts 'd77', which is not a demand", part(demands=["d77"])),
    "a demand twice": ("counts d01 at tower (std) twice", part(demands=["d01", "d01"])),
    "a demand fewer": ("branches: node 1 says 44650", part(demands=["d01", "d02"])),
    "a list of lists": ("branches: ", part(demands=[["d01"]])),
    "an unknown facility": ("'garage'", part(facility="garage")),
    "another bay group": ("branches: node", part(facility="mall", bay_group="acc")),
    "a weight of zero": ("a weight of node 0 is 0", part(weight=0)),
    "a huge weight": ("branches: node 2 says 44570", part(weight=10**300)),
    "a lower bound": ("branches: node 2 says 44649, its prices prove 44570", node(2, bound_m=44649)),
    "a bound as text": ("branches: node 1 says '44650'", node(1, bound_m="44650")),
    "a bound that is true": ("branches: node 1 says True", node(1, bound_m=True)),
    "a missing bound": ("branches: bound_m is missing", lose(1, "bound_m")),
    "a price below zero": ("a price of node 1 is -1", price(1, price=-1)),
    "a broken price": ("a price of node 1 is 1.5", price(1, price=1.5)),
    "a huge price": ("branches: node 1 says 44650", price(1, price=10**400)),
    "a price at no instant": ("branches: ", price(1, at="at night")),
    "a price at no place": ("'garage'", price(1, facility="garage")),
    "a price twice": ("has two prices at", double("prices")),
    "a fork's price below zero": ("a fork's price of node 1 is -5", fork_price(1, price=-5)),
    "another fork's price": ("branches: node 1 says 44650", fork_price(1, price=1)),
    "a huge fork's price": ("branches: node 1 says 44650", fork_price(1, price=10**400)),
    "a fork not on the way": ("prices fork 2, which is not on its way", fork_price(1, fork=2)),
    "a fork twice": ("prices fork 0 twice", double("forks")),
    "no forks": ("branches: forks is missing", lose(1, "forks")),
    "a node that is no object": ("branches: ", lambda _, certificate: certificate["branches"].__setitem__(1, 7)),
    "another proven bound": ("its proven_bound_m is its value_m", lambda plan, _: plan.update(proven_bound_m=44651)),
    "no proven bound": ("its proven_bound_m is its value_m", lambda plan, _: plan.pop("proven_bound_m")),
    "not called optimal": ("a plan with branches is optimal", lambda plan, _: plan.update(status="feasible")),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT)
def test_branches_spoilt_in_one_place_are_refused(knot: tuple[Neighbourhood, WalkPairs, Json, Json], name: str) -> None:
    words, spoil = SPOILT[name]
    neighbourhood, walks, plan, certificate = knot
    plan, certificate = {**plan}, copy.deepcopy(certificate)
    spoil(plan, certificate)
    faults = faults_of_plan(neighbourhood, walks, plan, certificate)
    assert any(words in fault for fault in faults), faults


def test_a_proven_bound_without_branches_is_refused(knot: tuple[Neighbourhood, WalkPairs, Json, Json]) -> None:
    neighbourhood, walks, plan, certificate = knot
    bare = {name: content for name, content in certificate.items() if name != "branches"}
    faults = faults_of_plan(neighbourhood, walks, {**plan, "status": "feasible"}, bare)
    assert faults == ["branches: the plan says proven_bound_m, and the certificate has no branches"]
