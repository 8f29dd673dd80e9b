"""The published instances: each is made again by its seed, and its plan and bound hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtests.cases import Case
from loadtests.certificates import read_certificate, write_certificate
from loadtests.instance_set import SET_FILE, faults_of_entry, main, name_of, read_set, solve_entry, write_set

CASE = Case(regime="many_patterns", demands=300, seed=5)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Solve a set of one instance."""
    set_file = tmp_path_factory.mktemp("set") / "instances.json"
    solve_entry(CASE, set_file)
    return set_file


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    """Copy the set, to be spoilt."""
    entries = read_set(made)
    write_set(tmp_path / "instances.json", entries)
    kept = entries[name_of(CASE)]["certificate"]
    write_certificate(tmp_path / kept, read_certificate(made.parent / kept))
    return tmp_path / "instances.json"


def test_an_entry_holds_what_others_need_to_compare_with(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = read_set(own)[name_of(CASE)]
    assert entry["city"] == {"regime": "many_patterns", "demands": 300, "seed": 5}
    assert 0 < entry["value_m"] <= entry["bound_m"]
    assert main(["--set", str(own), "verify"]) == 0
    assert "many_patterns-300-5: instance, plan and bound hold" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        ({"value_m": 1}, "value_m is 1, its certificate says"),
        ({"bound_m": 10**9}, "bound_m is 1000000000, its certificate says"),
        ({"sha256": "0"}, "the instance compiled from it is another one"),
        ({"folder_sha256": "0"}, "the folder made by seed 5 is another one"),
    ],
)
def test_an_entry_that_says_something_else_is_found_out(own: Path, spoilt: dict[str, object], words: str) -> None:
    entries = read_set(own)
    write_set(own, {name: entry | spoilt for name, entry in entries.items()})
    assert any(words in fault for fault in faults_of_entry(name_of(CASE), own))
    assert main(["--set", str(own), "verify"]) == 1


def test_a_certificate_with_a_lower_bound_than_its_prices_prove_is_found_out(own: Path) -> None:
    entry = read_set(own)[name_of(CASE)]
    file = own.parent / entry["certificate"]
    certificate = read_certificate(file)
    write_certificate(file, certificate | {"bound_m": certificate["bound_m"] - 1})
    write_set(own, {name_of(CASE): entry | {"bound_m": entry["bound_m"] - 1}})
    assert any("the prices prove" in fault for fault in faults_of_entry(name_of(CASE), own))


def test_solving_again_keeps_what_is_better(own: Path) -> None:
    better = read_set(own)[name_of(CASE)] | {"value_m": 10**9, "bound_m": 10**9}
    write_set(own, {name_of(CASE): better})
    assert solve_entry(CASE, own) == better
    assert read_set(own) == {name_of(CASE): better}


def test_a_name_that_is_not_in_the_set_is_bad_input(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--set", str(own), "verify", "balanced-7-7"]) == 2
    assert "'balanced-7-7' is not in" in capsys.readouterr().err


def test_the_published_set_names_cities_that_exist_and_its_smallest_entry_holds() -> None:
    entries = read_set(SET_FILE)
    assert json.loads(SET_FILE.read_text("utf-8"))["format"] == 1
    for name, entry in entries.items():
        case = Case(**entry["city"])
        case.require_possible()
        assert name_of(case) == name
        assert entry["certificate"] is None or (SET_FILE.parent / entry["certificate"]).is_file()
    assert list(faults_of_entry(next(iter(entries)), SET_FILE)) == []
