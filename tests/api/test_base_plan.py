"""A base is read whole or refused by file and place; its hashes are those that anybody can work out."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from api.errors import FolderFaults
from api.planning.allocate import allocate_folder
from api.planning.base_plan import base_note, edits_hash, plan_hash, read_base
from tests.api.tiny import TINY

Json = dict[str, Any]


@pytest.fixture(scope="module")
def tiny_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Json, Json]:
    out = tmp_path_factory.mktemp("base") / "plan.json"
    done = allocate_folder(TINY, out=out)
    return done.plan, done.certificate


def written(folder: Path, plan: object, certificate: object) -> Path:
    (folder / "certificate.json").write_text(json.dumps(certificate))
    (folder / "plan.json").write_text(json.dumps(plan))
    return folder / "plan.json"


def faults_of(path: Path) -> list[str]:
    with pytest.raises(FolderFaults) as caught:
        read_base(path)
    return str(caught.value).splitlines()


def test_a_base_tells_who_stands_where_and_every_price(tiny_files: tuple[Json, Json], tmp_path: Path) -> None:
    plan, certificate = tiny_files
    base = read_base(written(tmp_path, plan, certificate))
    outcomes = base.outcomes()
    assert len(outcomes) == 20
    assert outcomes["d18"] == "park"
    assert outcomes["d15"] is None
    assert base.prices["price"].to_list() == [row["price"] for row in certificate["prices"]]
    assert (base.scale, base.input_sha256) == (certificate["scale"], plan["input_sha256"])


def test_the_hash_of_a_plan_is_that_of_its_canonical_json_without_seconds(tiny_files: tuple[Json, Json]) -> None:
    plan = {**tiny_files[0], "warnings": ["四平路 ¼"], "assignments": tiny_files[0]["assignments"] * 300}
    kept = {key: value for key, value in plan.items() if key != "seconds"}
    canonical = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert plan_hash(plan) == hashlib.sha256(canonical.encode()).hexdigest()
    assert plan_hash(dict(reversed(plan.items())) | {"seconds": {"solve": 99}}) == plan_hash(plan)
    assert plan_hash(plan | {"value_m": plan["value_m"] + 1}) != plan_hash(plan)
    assert plan_hash({}) == hashlib.sha256(b"{}").hexdigest()


def test_the_hash_of_edits_is_that_of_the_files_that_differ() -> None:
    before = {"homes.csv": "a", "demands.csv": "b", "decisions.csv": "c"}
    after = {"homes.csv": "a", "demands.csv": "B", "walks.csv": "d"}
    changed = '{"decisions.csv":["c",null],"demands.csv":["b","B"],"walks.csv":[null,"d"]}'
    assert edits_hash(before, after) == hashlib.sha256(changed.encode()).hexdigest()
    assert edits_hash(before, before) == hashlib.sha256(b"{}").hexdigest()


def test_a_note_counts_changed_outcomes_of_those_in_both(tiny_files: tuple[Json, Json], tmp_path: Path) -> None:
    base = read_base(written(tmp_path, *tiny_files))
    rows = [dict(row) for row in tiny_files[0]["assignments"] if row["demand"] not in ("d17", "d18")]
    for row in rows:
        if row["demand"] == "d14":
            row["facility"] = "tower"
        if row["demand"] == "d08":
            row["bay_group"] = "another group of the same facility"
    rows += [{"demand": "d15", "facility": "mall"}, {"demand": "newcomer", "facility": "mall"}]
    refused = [row for row in tiny_files[0]["unserved"] if row["demand"] != "d15"] + [{"demand": "d18"}]
    note = base_note(base, input_sha256=base.input_sha256, plan={"assignments": rows, "unserved": refused})
    # d14 moved, d15 newly served, d18 no longer; d17 withdrew and the newcomer was in no base.
    assert note == {
        "plan_sha256": base.plan_sha256,
        "edits_sha256": edits_hash({}, {}),
        "changed": 3,
        "moved": 1,
        "newly_served": 1,
        "no_longer_served": 1,
    }


@pytest.mark.parametrize("name", ["plan.json", "certificate.json"])
@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "1: file: is missing"),
        (b"", "1: file: is not JSON"),
        (b'{"status":\n"optimal",', "2: file: is not JSON"),
        (b"[]", "1: file: is not a JSON object"),
        (b"\xff\xfe{}", "1: file: is not JSON in UTF-8"),
        (b"[" * 200_000, "1: file: is not JSON in UTF-8"),
        (b'{"scale": 1, "scale": 2}', "1: scale: stands twice in one object"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tiny_files: tuple[Json, Json], tmp_path: Path, name: str, content: bytes | None, fault: str
) -> None:
    path = written(tmp_path, *tiny_files)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    assert faults_of(path)[0].startswith(f"{name}:{fault}")


@pytest.mark.parametrize(
    ("change", "places"),
    [
        ({"assignments": [{"demand": "d1"}]}, ["assignments.0.bay_group", "assignments.0.facility"]),
        ({"assignments": {}, "bound_m": "many"}, ["assignments", "bound_m"]),
        ({"unserved": [{"demand": 7}]}, ["unserved.0.demand"]),
        ({"input_sha256": None}, ["input_sha256"]),
    ],
)
def test_a_plan_of_another_shape_is_refused_by_place(
    tiny_files: tuple[Json, Json], tmp_path: Path, change: Json, places: list[str]
) -> None:
    path = written(tmp_path, tiny_files[0] | change, tiny_files[1])
    assert [fault.split(": ")[0:2] for fault in faults_of(path)] == [["plan.json:1", place] for place in places]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"price": -1}, "prices.0.price: Input should be greater than or equal to 0"),
        ({"price": 1.5}, "prices.0.price: Input should be a valid integer"),
        ({"price": True}, "prices.0.price: Input should be a valid integer"),
        ({"price": 2**60}, "prices.0.price: Input should be less than 9007199254740992"),
        ({"at": "yesterday"}, "prices.0.at: is 'yesterday', expected an instant like 2026-12-01T02:00"),
        ({"facility": None}, "prices.0.facility: Input should be a valid string"),
    ],
)
def test_a_price_that_is_none_is_refused_by_place(
    tiny_files: tuple[Json, Json], tmp_path: Path, row: Json, fault: str
) -> None:
    first = {"facility": "park", "bay_group": "std", "at": "2026-09-15T02:00", "price": 1}
    path = written(tmp_path, tiny_files[0], tiny_files[1] | {"prices": [first | row]})
    assert faults_of(path) == [f"certificate.json:1: {fault}"]


def test_the_certificate_of_another_plan_is_refused(tiny_files: tuple[Json, Json], tmp_path: Path) -> None:
    path = written(tmp_path, tiny_files[0], tiny_files[1] | {"bound_m": 1})
    (fault,) = faults_of(path)
    words = f"is 1, that of plan.json is {tiny_files[0]['bound_m']}: it belongs to another plan"
    assert fault == f"certificate.json:1: bound_m: {words}"


def test_a_demand_that_is_answered_twice_is_refused(tiny_files: tuple[Json, Json], tmp_path: Path) -> None:
    plan = tiny_files[0] | {"unserved": [*tiny_files[0]["unserved"], {"demand": "d18"}, {"demand": "d15"}]}
    assert faults_of(written(tmp_path, plan, tiny_files[1])) == [
        "plan.json:1: demand: 'd15' is answered more than once",
        "plan.json:1: demand: 'd18' is answered more than once",
    ]
