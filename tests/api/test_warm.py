"""Solving again from a base: the same proof, few households changed, and every trouble with the base named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.planning.allocate import allocate_folder
from api.planning.base_plan import edits_hash, read_base
from api.planning.check import check_folder
from tests.api.running import Run
from tests.api.tiny import TINY, copy_of_tiny, edit_facilities, rewrite

Edit = Callable[[Path], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_of_tiny(tmp_path / "tiny")


@pytest.fixture
def base(run: Run, folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "base/plan.json"
    assert run("allocate", folder, "--out", path)[0] == 0
    return path


def places(plan: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {row["demand"]: (row["facility"], row["bay_group"]) for row in plan["assignments"]}


def close(name: str) -> Edit:
    def edit(folder: Path) -> None:
        rewrite(folder / "demands.csv", ",park,", ",,") if name == "park" else None
        path = folder / "facilities.geojson"
        content = json.loads(path.read_text())
        content["features"] = [f for f in content["features"] if f["properties"]["id"] != name]
        path.write_text(json.dumps(content))

    return edit


def windows(name: str, **changes: object) -> Edit:
    def change(features: dict[str, dict[str, Any]]) -> None:
        for group in features[name]["properties"]["bay_groups"]:
            for window in group["windows"]:
                window.update(changes)

    return lambda folder: edit_facilities(folder, change)


EDITS: dict[str, Edit] = {
    "nothing": lambda folder: folder,
    "closed": close("tower"),
    "closed and held": close("park"),
    "fewer bays": windows("park", bays=1),
    "more bays": windows("park", bays=5),
    "hours": windows("tower", to="30:30"),
    "limit": lambda folder: rewrite(
        folder / "neighbourhood.toml", "[term]", "[policy]\nmax_walk_m = 250\n\n[term]"
    ),
    "weights": lambda folder: rewrite(
        folder / "neighbourhood.toml", "[term]", "[policy]\ntier_value_m = [900, 600, 300]\nkeep_value_m = 0\n[term]"
    ),
    "withdrawn": lambda folder: rewrite(folder / "demands.csv", "d18,h1,daily,19:00,31:00,3,,,,,park,\n", ""),
    "added": lambda folder: rewrite(folder / "demands.csv", "d06,", "d99,h1,daily,19:00,31:00,1,,,,,,\nd06,"),
    "moved": lambda folder: rewrite(folder / "demands.csv", "d05,h1", "d05,h2"),
    "locked": lambda folder: (folder / "decisions.csv").write_text("demand,facility,decision\nd10,park,lock\n"),
    "rejected": lambda folder: (folder / "decisions.csv").write_text("demand,facility,decision\nd14,road,reject\n"),
    "next month": lambda folder: rewrite(
        folder / "neighbourhood.toml", "from = 2026-09-14\nto = 2026-10-11", "from = 2026-11-02\nto = 2026-11-29"
    ),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_after_any_edit_a_warm_plan_holds_is_as_good_as_a_cold_one_and_always_the_same(
    folder: Path, base: Path, tmp_path: Path, edit: Edit
) -> None:
    before = read_base(base)
    edit(folder)
    cold = allocate_folder(folder).plan
    out = tmp_path / "warm/plan.json"
    warm = allocate_folder(folder, base=base, out=out).plan
    assert check_folder(folder, out) == []
    assert warm["value_m"] == cold["value_m"]
    note = warm["base"]
    assert (note["plan_sha256"], note["edits_sha256"]) == (
        before.plan_sha256,
        edits_hash(before.input_sha256, warm["input_sha256"]),
    )
    outcomes = before.outcomes()
    now = {name: place[0] for name, place in places(warm).items()} | {r["demand"]: None for r in warm["unserved"]}
    assert note["changed"] == sum(outcomes[name] != given for name, given in now.items() if name in outcomes)
    again = allocate_folder(folder, base=base).plan
    assert again | {"seconds": {}} == warm | {"seconds": {}}


def test_without_an_edit_nobody_changes(run: Run, folder: Path, base: Path, tmp_path: Path) -> None:
    code, out, _ = run("allocate", folder, "--base", base, "--out", tmp_path / "warm/plan.json", "--json")
    assert code == 0
    note = json.loads(out)["base"]
    assert {key: note[key] for key in ("changed", "moved", "newly_served", "no_longer_served")} == {
        "changed": 0,
        "moved": 0,
        "newly_served": 0,
        "no_longer_served": 0,
    }
    assert places(json.loads((tmp_path / "warm/plan.json").read_text())) == places(json.loads(base.read_text()))


def test_people_are_told_how_many_change(run: Run, folder: Path, base: Path, tmp_path: Path) -> None:
    EDITS["fewer bays"](folder)
    code, out, _ = run("allocate", folder, "--base", base, "--out", tmp_path / "warm/plan.json")
    assert code == 0
    note = json.loads((tmp_path / "warm/plan.json").read_text())["base"]
    line = (
        f"against the base {note['changed']} of its demands change: {note['moved']} move, "
        f"{note['newly_served']} newly served, {note['no_longer_served']} no longer"
    )
    assert line in out.splitlines()
    assert note["changed"] > 0
    # A plan may take the place of its own base.
    assert run("allocate", folder, "--base", base, "--out", base)[0] == 0
    assert run("check", folder, base)[0] == 0


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda base: base.unlink(), "plan.json:1: file: is missing\n"),
        (lambda base: base.with_name("certificate.json").unlink(), "certificate.json:1: file: is missing\n"),
        (lambda base: base.write_text("{"), "plan.json:1: file: is not JSON"),
        (
            lambda base: rewrite(base.with_name("certificate.json"), '"price": ', '"price": -'),
            "certificate.json:1: prices.0.price: Input should be greater than or equal to 0\n",
        ),
    ],
)
def test_a_base_that_is_none_ends_with_two_and_writes_nothing(
    run: Run, folder: Path, base: Path, tmp_path: Path, spoil: Edit, fault: str
) -> None:
    spoil(base)
    out = tmp_path / "warm/plan.json"
    code, said, err = run("allocate", folder, "--base", base, "--out", out)
    assert (code, said) == (2, "")
    assert err.startswith(fault)
    assert not out.parent.exists()


def test_a_base_of_another_place_ends_with_two(run: Run, folder: Path, base: Path, tmp_path: Path) -> None:
    plan = json.loads(base.read_text())
    for row in (*plan["assignments"], *plan["unserved"], *plan["bay_values"]):
        row.update({key: f"other-{row[key]}" for key in ("demand", "facility") if key in row})
    base.write_text(json.dumps(plan))
    out = tmp_path / "warm/plan.json"
    code, said, err = run("allocate", folder, "--base", base, "--out", out)
    assert (code, said) == (2, "")
    assert err.splitlines()[-2:] == [
        "plan.json:1: assignments: none of its demands is in demands.csv: a base of another folder?",
        "plan.json:1: bay_values: none of its bay groups is in facilities.geojson",
    ]
    assert not out.parent.exists()


def test_a_note_that_does_not_add_up_is_refused_by_the_check(folder: Path, base: Path, tmp_path: Path) -> None:
    out = tmp_path / "warm/plan.json"
    allocate_folder(folder, base=base, out=out)
    plan = json.loads(out.read_text())
    out.write_text(json.dumps(plan | {"base": {**plan["base"], "changed": 5}}))
    assert check_folder(folder, out) == ["base: changed is 5, its parts are 0 together"]


def test_a_plan_without_a_base_says_nothing_of_one() -> None:
    assert "base" not in allocate_folder(TINY).plan
