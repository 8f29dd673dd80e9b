"""A good plan spoilt in every way is refused by the name of the rule it breaks."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from allocator.draw import draw_order
from api.errors import FolderFaults
from api.planning.allocate import allocate_folder
from api.planning.check import check_folder
from tests.api.tiny import TINY, copy_of_tiny, rewrite

Json = dict[str, Any]
Spoil = Callable[[Json, Json], object]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Json, Json]:
    out = tmp_path_factory.mktemp("good") / "plan.json"
    done = allocate_folder(TINY, out=out)
    assert check_folder(TINY, out) == []
    return done.plan, done.certificate


def assigned(plan: Json, demand: str) -> Json:
    row: Json = next(row for row in plan["assignments"] if row["demand"] == demand)
    return row


def unserved(plan: Json, demand: str) -> Json:
    row: Json = next(row for row in plan["unserved"] if row["demand"] == demand)
    return row


def serve(plan: Json, demand: str, facility: str, walk_m: int, value_m: int) -> None:
    """Serve one more demand and keep every count right, so that only the bays are against it."""
    plan["unserved"].remove(unserved(plan, demand))
    row = {"demand": demand, "facility": facility, "bay_group": "std", "walk_m": walk_m, "days_left_out": []}
    plan["assignments"].append(row)
    recount(plan, value_m)


def recount(plan: Json, more_m: int) -> None:
    walks = sorted(row["walk_m"] for row in plan["assignments"])
    plan["served"] = len(walks)
    plan["value_m"] += more_m
    plan["gap"] = (plan["bound_m"] - plan["value_m"]) / plan["value_m"]
    plan["walk_m"] = {
        "total": sum(walks),
        "mean": round(sum(walks) / len(walks), 1),
        "p95": walks[-(-95 * len(walks) // 100) - 1],
        "max": walks[-1],
    }


def swap_equals(plan: Json, _: Json) -> None:
    """Give the bay of d01 to d04 to the one who drew last."""
    winner = next(row for row in plan["assignments"] if row["demand"] in ("d01", "d02", "d03", "d04"))
    losers = [row for row in plan["unserved"] if row["demand"] in ("d01", "d02", "d03", "d04")]
    winner["demand"], losers[-1]["demand"] = losers[-1]["demand"], winner["demand"]


def a_seed_that_draws_another(plan: Json) -> int:
    equals = ["d01", "d02", "d03", "d04"]
    winner = next(row["demand"] for row in plan["assignments"] if row["demand"] in equals)
    return next(seed for seed in range(1000) if draw_order(str(seed), equals)[0] != winner)


def drop_answer(plan: Json, _: Json) -> None:
    plan["unserved"].pop()


def change(part: str, **values: object) -> Spoil:
    def spoil(plan: Json, certificate: Json) -> None:
        {"plan": plan, "certificate": certificate}[part].update(values)

    return spoil


def priced(certificate: Json, facility: str) -> Json:
    return next(row for row in certificate["prices"] if row["facility"] == facility)


SPOILT: dict[str, tuple[str, Spoil]] = {
    "another bay group": ("eligible", lambda plan, _: assigned(plan, "d08").update(bay_group="std")),
    "another facility": ("eligible", lambda plan, _: assigned(plan, "d07").update(facility="park")),
    "an unknown facility": ("eligible", lambda plan, _: assigned(plan, "d07").update(facility="garage")),
    "an unknown bay group": ("eligible", lambda plan, _: assigned(plan, "d07").update(bay_group="vip")),
    "a shorter walk": ("walk", lambda plan, _: assigned(plan, "d07").update(walk_m=1)),
    "a demand twice": ("answers", lambda plan, _: plan["assignments"].append(copy.deepcopy(assigned(plan, "d07")))),
    "a demand both served and not": (
        "answers",
        lambda plan, _: plan["unserved"].append({**unserved(plan, "d15"), "demand": "d07"}),
    ),
    "a demand without an answer": ("answers", drop_answer),
    "an unknown demand": ("answers", lambda plan, _: assigned(plan, "d07").update(demand="d77")),
    "an unknown unserved demand": ("answers", lambda plan, _: unserved(plan, "d15").update(demand="d77")),
    "one car too many": ("capacity", lambda plan, _: serve(plan, "d10", "park", 340, 4660)),
    "no days left out": ("days left out", lambda plan, _: assigned(plan, "d07").update(days_left_out=[])),
    "other days left out": (
        "days left out",
        lambda plan, _: assigned(plan, "d17").update(days_left_out=["2026-09-18"]),
    ),
    "the draw not followed": ("envy", swap_equals),
    "another seed": ("envy", lambda plan, _: plan.update(seed=a_seed_that_draws_another(plan))),
    "another value": ("counts: value_m", change("plan", value_m=65291)),
    "a value as text": ("shape", change("plan", value_m="65290")),
    "more demands": ("counts: demands", change("plan", demands=21)),
    "more served": ("counts: served", change("plan", served=13)),
    "other tiers": ("counts: served_by_tier", change("plan", served_by_tier={"1": 1, "2": 1, "3": 10})),
    "another total walk": ("counts: walk_m.total", lambda plan, _: plan["walk_m"].update(total=1)),
    "another mean walk": ("counts: walk_m.mean", lambda plan, _: plan["walk_m"].update(mean=100)),
    "another 95th percentile": ("counts: walk_m.p95", lambda plan, _: plan["walk_m"].update(p95=0)),
    "another longest walk": ("counts: walk_m.max", lambda plan, _: plan["walk_m"].update(max=299)),
    "another reason": ("reasons", lambda plan, _: unserved(plan, "d15").update(reason="full")),
    "another reason of the fixed words": ("reasons", lambda plan, _: unserved(plan, "d15").update(reason="no_window")),
    "an invented reason": ("reasons", lambda plan, _: unserved(plan, "d15").update(reason="bad luck")),
    "an option left out": ("reasons", lambda plan, _: unserved(plan, "d10")["options"].pop()),
    "an option told twice": (
        "reasons",
        lambda plan, _: unserved(plan, "d15")["options"].append(dict(unserved(plan, "d15")["options"][0])),
    ),
    "another why": ("reasons", lambda plan, _: unserved(plan, "d10")["options"][0].update(why="no_window")),
    "another walk to an option": ("reasons", lambda plan, _: unserved(plan, "d10")["options"][0].update(walk_m=91)),
    "another shortfall": (
        "reasons",
        lambda plan, _: [o.update(short_m=9999) for o in unserved(plan, "d10")["options"] if "short_m" in o],
    ),
    "a price changed": (
        "bound",
        lambda _, certificate: certificate["prices"][0].update(price=certificate["prices"][0]["price"] + 10**6),
    ),
    "a price left out": ("", lambda _, certificate: certificate["prices"].pop()),
    "all prices left out": ("bound", change("certificate", prices=[])),
    "a price at another moment": (
        "bound",
        lambda _, certificate: priced(certificate, "tower").update(at="2026-09-15T12:00"),  # when the tower is closed
    ),
    "a negative price": ("shape", lambda _, certificate: certificate["prices"][0].update(price=-1)),
    "a price that is not whole": ("shape", lambda _, certificate: certificate["prices"][0].update(price=1.5)),
    "a price nowhere": ("shape", lambda _, certificate: certificate["prices"][0].update(facility="garage")),
    "a price at no moment": ("shape", lambda _, certificate: certificate["prices"][0].update(at="soon")),
    "a scale of zero": ("shape", change("certificate", scale=0)),
    "another scale": ("bound", lambda _, certificate: certificate.update(scale=2 * certificate["scale"])),
    "the bound of the certificate": ("bound", change("certificate", bound_m=65291)),
    "the bound of the plan": ("bound", change("plan", bound_m=65291)),
    "a bound in both": (
        "bound",
        lambda plan, certificate: (plan.update(bound_m=65289), certificate.update(bound_m=65289)),
    ),
    "a rounded gap": ("gap", change("plan", gap=1e-9)),
    "another status": ("status", change("plan", status="feasible")),
    "an invented status": ("status", change("plan", status="best")),
    "another bay value": ("bay values", lambda plan, _: plan["bay_values"][0].update(value_m=10**6)),
    "a bay value left out": ("bay values", lambda plan, _: plan["bay_values"].pop()),
    "an exact bay value above its price": ("bay values", lambda plan, _: plan["bay_values"][0].update(exact_m=10**6)),
    "files that are not these": ("input", lambda plan, _: plan["input_sha256"].update({"demands.csv": "0" * 64})),
    "a file left out": ("input", lambda plan, _: plan["input_sha256"].pop("walks.csv")),
    "no hashes": ("input", change("plan", input_sha256=None)),
    "no assignments": ("shape", lambda plan, _: plan.pop("assignments")),
    "assignments of another shape": ("shape", change("plan", assignments=["d07"])),
    "no prices": ("shape", lambda _, certificate: certificate.pop("prices")),
    "no scale": ("shape", lambda _, certificate: certificate.pop("scale")),
}


@pytest.mark.parametrize("way", SPOILT)
def test_a_spoilt_plan_is_refused_by_the_rule_it_breaks(good: tuple[Json, Json], tmp_path: Path, way: str) -> None:
    rule, spoil = SPOILT[way]
    plan, certificate = copy.deepcopy(good)
    spoil(plan, certificate)
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    (tmp_path / "certificate.json").write_text(json.dumps(certificate))
    faults = check_folder(TINY, tmp_path / "plan.json")
    assert any(fault.startswith(rule) for fault in faults), faults


def test_a_demand_dropped_with_all_counts_made_right_is_still_missed(good: tuple[Json, Json], tmp_path: Path) -> None:
    plan, certificate = copy.deepcopy(good)
    plan["assignments"].remove(assigned(plan, "d11"))
    plan["served_by_tier"]["3"] -= 1
    plan["status"] = "feasible"
    for row in plan["bay_values"]:
        row["exact_m"] = None
    recount(plan, -4910)
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    (tmp_path / "certificate.json").write_text(json.dumps(certificate))
    assert check_folder(TINY, tmp_path / "plan.json") == ["answers: d11 has none"]


def test_decisions_are_checked_too(good: tuple[Json, Json], tmp_path: Path) -> None:
    folder = copy_of_tiny(tmp_path / "tiny")
    (folder / "decisions.csv").write_text("demand,facility,decision\nd10,park,lock\nd07,,reject\nd05,park,reject\n")
    plan, certificate = good
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    (tmp_path / "certificate.json").write_text(json.dumps(certificate))
    faults = check_folder(folder, tmp_path / "plan.json")
    assert [fault for fault in faults if fault.startswith("decisions")] == [
        "decisions: d05 was rejected at park and got it",
        "decisions: d07 was rejected at tower and got it",
        "decisions: d10 is locked to park and got None",
    ]


def test_the_plan_of_another_folder_is_refused(good: tuple[Json, Json], tmp_path: Path) -> None:
    folder = copy_of_tiny(tmp_path / "tiny")
    rewrite(folder / "facilities.geojson", '"bays": 3, "last_entry"', '"bays": 2, "last_entry"')
    plan, certificate = good
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    (tmp_path / "certificate.json").write_text(json.dumps(certificate))
    faults = check_folder(folder, tmp_path / "plan.json")
    assert faults[0] == "input: the plan was made from other files: facilities.geojson"
    assert any(fault.startswith("capacity: park (std) holds 3 cars in 2 bays") for fault in faults)


@pytest.mark.parametrize("file", ["plan.json", "certificate.json"])
@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "1: file: is missing"),
        (b"", "1: file: is not JSON"),
        (b'{"status":\n"optimal",', "2: file: is not JSON"),
        (b"[]", "1: file: is not a JSON object"),
        (b"\xff\xfe{}", "1: file: is not JSON in UTF-8"),
        (b"[" * 200_000, "1: file: is not JSON in UTF-8"),
        (b'{"value_m": ' + b"9" * 5000 + b"}", "1: file: is not JSON in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_fault_of_that_file(
    good: tuple[Json, Json], tmp_path: Path, file: str, content: bytes | None, fault: str
) -> None:
    plan, certificate = good
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    (tmp_path / "certificate.json").write_text(json.dumps(certificate))
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(FolderFaults) as caught:
        check_folder(TINY, tmp_path / "plan.json")
    assert str(caught.value).startswith(f"{file}:{fault}")


def test_the_checker_shares_nothing_with_compiler_and_solver() -> None:
    code = "import sys, api.planning.check; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    forbidden = ("allocator", "ortools", "api.planning.compiling", "api.planning.eligibility", "api.calendars.unroll")
    assert [name for name in loaded if name.startswith(forbidden)] == []


@pytest.mark.parametrize("name", ["plan.json", "certificate.json"])
def test_a_key_that_stands_twice_in_a_plan_is_bad_input(tmp_path: Path, good: tuple[Json, Json], name: str) -> None:
    for file, content in zip(("plan.json", "certificate.json"), good, strict=True):
        (tmp_path / file).write_text(json.dumps(content))
    written = (tmp_path / name).read_text()
    (tmp_path / name).write_text('{"bound_m": 1, ' + written[1:])
    with pytest.raises(FolderFaults, match=f"{name}:1: bound_m: stands twice in one object"):
        check_folder(TINY, tmp_path / "plan.json")


def checked(tmp_path: Path, plan: Json, certificate: Json) -> list[str]:
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    (tmp_path / "certificate.json").write_text(json.dumps(certificate))
    return check_folder(TINY, tmp_path / "plan.json")


def test_a_tier_that_does_not_exist_is_not_counted(tmp_path: Path, good: tuple[Json, Json]) -> None:
    plan = {**good[0], "served_by_tier": {**good[0]["served_by_tier"], "9": 12}}
    assert checked(tmp_path, plan, good[1]) == ["counts: served_by_tier.9 is not a tier"]


def test_a_missing_key_is_named_in_plain_words(tmp_path: Path, good: tuple[Json, Json]) -> None:
    plan = {key: value for key, value in good[0].items() if key != "value_m"}
    assert checked(tmp_path, plan, good[1]) == ["shape: value_m is missing"]


def test_the_draw_also_decides_among_demands_that_no_rule_tells_apart(tmp_path: Path) -> None:
    folder = copy_of_tiny(tmp_path / "tiny")
    # d02 says the days of d01 to d04 in other words: the same bays at the same times for the same value.
    row = next(line for line in (folder / "demands.csv").read_text().splitlines() if line.startswith("d02,"))
    rewrite(folder / "demands.csv", row, row.replace("daily", "mon tue wed thu fri sat sun"))
    done = allocate_folder(folder, out=tmp_path / "plan.json")
    assert check_folder(folder, tmp_path / "plan.json") == []
    equals = ["d01", "d02", "d03", "d04"]
    (winner,) = {row["demand"] for row in done.plan["assignments"]} & set(equals)
    assert winner == draw_order(str(done.plan["seed"]), equals)[0]
    loser = "d02" if winner != "d02" else "d01"
    spoilt = copy.deepcopy(done.plan)
    assigned(spoilt, winner)["demand"], unserved(spoilt, loser)["demand"] = loser, winner
    (tmp_path / "plan.json").write_text(json.dumps(spoilt))
    (tmp_path / "nights.csv").write_text((tmp_path / "nights.csv").read_text().replace(f"\n{winner},", f"\n{loser},"))
    assert check_folder(folder, tmp_path / "plan.json") == [
        "envy: among the equals d01, d02, d03, d04 the draw was not followed"
    ]
