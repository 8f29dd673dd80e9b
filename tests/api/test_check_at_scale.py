"""The checker works on blocks of demands and on whole numbers of any size, and is as strict in each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.neighbourhoods.read import read_folder
from api.planning import options, verdicts
from api.planning.allocate import allocate_folder
from api.planning.check import check_folder, faults_of_plan
from api.planning.compiling import compile_neighbourhood
from api.planning.walking import walks_of
from tests.api.tiny import TINY, copy_of_tiny

Json = dict[str, Any]


@pytest.fixture(scope="module")
def good() -> tuple[Json, Json]:
    done = allocate_folder(TINY)
    return done.plan, done.certificate


def fresh(good: tuple[Json, Json]) -> tuple[Json, Json]:
    """Copy a plan and its certificate as files would: nothing in them is shared."""
    plan, certificate = json.loads(json.dumps(good))
    return plan, certificate


def faults(plan: Json, certificate: Json) -> list[str]:
    neighbourhood = read_folder(TINY)
    return faults_of_plan(neighbourhood, walks_of(neighbourhood), plan, certificate)


@pytest.mark.parametrize("block", [1, 3, 19])
def test_demands_judged_in_blocks_of_any_size_are_judged_alike(
    good: tuple[Json, Json], monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(verdicts, "BLOCK", block)
    plan, certificate = fresh(good)
    assert faults(plan, certificate) == []
    plan["unserved"][-1]["options"][0]["walk_m"] += 1
    plan["assignments"][-1]["walk_m"] += 1
    found = faults(plan, certificate)
    assert [fault.partition(":")[0] for fault in found][:2] == ["walk", "counts"]
    assert found[-1].startswith(f"reasons: {plan['unserved'][-1]['demand']}: ")


@pytest.mark.parametrize("block", [1, 7])
def test_classes_worked_out_in_blocks_of_any_size_have_the_same_options(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    neighbourhood = read_folder(TINY)
    walks = walks_of(neighbourhood)
    whole = compile_neighbourhood(neighbourhood, walks)
    monkeypatch.setattr(options, "_BLOCK", block)
    parts = compile_neighbourhood(neighbourhood, walks)
    for column in ("cls", "bay_group", "walk_m", "value_m", "why", "would_do", "ptr"):
        assert np.array_equal(getattr(parts.options, column), getattr(whole.options, column)), column
    assert np.array_equal(parts.instance.pair_value_m, whole.instance.pair_value_m)


@pytest.mark.parametrize("factor", [10**6, 10**18, 10**40])
def test_a_certificate_in_parts_of_a_metre_however_small_is_added_up_exactly(
    good: tuple[Json, Json], factor: int
) -> None:
    plan, certificate = fresh(good)
    certificate["scale"] *= factor
    for row in certificate["prices"]:
        row["price"] *= factor
    assert faults(plan, certificate) == []
    # One part less of a price: the bound may round to the same metre, but what it is never exceeds.
    certificate["prices"][0]["price"] += certificate["scale"]
    assert any(fault.startswith(("bound", "bay values")) for fault in faults(plan, certificate))


def test_a_price_beyond_all_measure_is_counted_and_not_wrapped_around(good: tuple[Json, Json]) -> None:
    plan, certificate = fresh(good)
    at = {"facility": "park", "bay_group": "std", "at": "2026-09-14T20:00"}
    certificate["prices"] = [{**at, "price": 2**64}]
    (fault,) = [fault for fault in faults(plan, certificate) if fault.startswith("bound: the certificate says")]
    # Three bays there; what the demands gain elsewhere is lost in the last digits.
    assert int(fault.rpartition(" ")[2]) == pytest.approx(3 * 2**64 / certificate["scale"], rel=1e-9)


@pytest.mark.parametrize("walk_m", [120.0, True, "120", None, 10**30, -(10**30)])
def test_a_walk_that_is_no_whole_number_of_metres_is_refused(good: tuple[Json, Json], walk_m: object) -> None:
    for part in ("assignments", "unserved"):
        plan, certificate = fresh(good)
        row = plan[part][0]
        (row if part == "assignments" else row["options"][0])["walk_m"] = walk_m
        assert any(fault.startswith(("shape", "walk", "reasons")) for fault in faults(plan, certificate)), part


def test_a_shortfall_left_out_is_missed(good: tuple[Json, Json]) -> None:
    plan, certificate = fresh(good)
    row = next(row for row in plan["unserved"] if row["reason"] == "full")
    next(option for option in row["options"] if option["why"] == "full").pop("short_m")
    assert faults(plan, certificate) == [f"reasons: {row['demand']}: a short_m is not what the prices say"]


def test_the_same_option_twice_in_place_of_another_is_missed(good: tuple[Json, Json]) -> None:
    plan, certificate = fresh(good)
    row = next(row for row in plan["unserved"] if len(row["options"]) > 1)
    row["options"][1] = dict(row["options"][0])
    (fault,) = faults(plan, certificate)
    assert fault.startswith(f"reasons: {row['demand']}: ")


def test_the_largest_weights_that_a_folder_may_have_are_solved_and_checked(tmp_path: Path) -> None:
    folder = copy_of_tiny(tmp_path / "tiny")
    with (folder / "neighbourhood.toml").open("a") as file:
        file.write("[policy]\ntier_value_m = [10000000, 10000000, 10000000]\nwaiting_value_m = 10000000\n")
    head = "id,home,days,arrive,leave,rounds_waited\n"
    rows = "".join(f"x{number:05d},h1,daily,19:00,31:00,9999\n" for number in range(40_000))
    (folder / "demands.csv").write_text(head + rows)
    facilities = (folder / "facilities.geojson").read_text()
    (folder / "facilities.geojson").write_text(facilities.replace('"bays": 3', '"bays": 39999'))
    plan = allocate_folder(folder, out=tmp_path / "out/plan.json").answer
    # In 1/scale metre this is more than 64 bits hold, and whole metres are still exact.
    assert plan["value_m"] * 2520 > 2**63
    assert plan["value_m"] <= plan["bound_m"]
    assert check_folder(folder, tmp_path / "out/plan.json") == []
    assert json.loads((tmp_path / "out/plan.json").read_text())["value_m"] == plan["value_m"]
