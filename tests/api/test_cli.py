"""The command line as planners and scripts meet it: exit codes, clean output, nothing written on bad input."""

from __future__ import annotations

import csv
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.running import Run
from tests.api.tiny import TINY, copy_of_tiny, edit_facilities, rewrite


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_of_tiny(tmp_path / "tiny")


def served(path: Path) -> dict[str, str]:
    return {row["demand"]: row["facility"] for row in json.loads(path.read_text())["assignments"]}


def test_allocate_then_check_of_tiny_end_with_zero(run: Run, folder: Path, tmp_path: Path) -> None:
    code, out, err = run("allocate", folder, "--out", tmp_path / "plan.json")
    assert code == 0
    assert "served 12 of 20 demands" in out
    assert "value 65,290 m" in out
    assert "proven optimal" in out
    assert all(line.startswith("warning: ") for line in err.splitlines())
    assert run("check", folder, tmp_path / "plan.json") == (
        0,
        "all holds: rules, decisions, value, counts, draw, reasons and bound\n",
        "",
    )


def test_a_real_process_in_a_pipe_speaks_clean_json_and_warnings_alone(tmp_path: Path) -> None:
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "api.cli",
        "allocate",
        TINY,
        "--out",
        tmp_path / "plan.json",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["value_m"], answer["status"], answer["out"]) == (65290, "optimal", str(tmp_path / "plan.json"))
    assert all(line.startswith("warning: ") for line in done.stderr.splitlines()), done.stderr


def test_no_solver_prints_when_patterns_are_mixed_and_time_is_short(run: Run, folder: Path, tmp_path: Path) -> None:
    for options in (("--time-limit", "0"), ("--time-limit", "5"), ("--gap", "0.2"), ("--seed", "-3")):
        code, out, _ = run("allocate", folder, "--out", tmp_path / "plan.json", "--json", *options)
        assert code == 0
        json.loads(out)
        code, out, _ = run("check", folder, tmp_path / "plan.json", "--json")
        assert (code, json.loads(out)) == (0, {"holds": True, "faults": []})


def test_a_plan_that_does_not_hold_ends_with_one_and_names_the_rule(run: Run, folder: Path, tmp_path: Path) -> None:
    run("allocate", folder, "--out", tmp_path / "plan.json")
    rewrite(tmp_path / "plan.json", '"value_m": 65290', '"value_m": 65289')
    code, out, err = run("check", folder, tmp_path / "plan.json")
    assert (code, out) == (1, "")
    assert "counts: value_m is 65289, the assignments give 65290\n" in err
    code, out, err = run("check", folder, tmp_path / "plan.json", "--json")
    assert (code, json.loads(out)["holds"], err) == (1, False, "")


def test_a_plan_that_cannot_be_read_ends_with_two(run: Run, folder: Path, tmp_path: Path) -> None:
    assert run("check", folder, tmp_path / "plan.json") == (2, "", "plan.json:1: file: is missing\n")
    (tmp_path / "plan.json").write_text('{"status": "opt')
    code, _, err = run("check", folder, tmp_path / "plan.json")
    assert code == 2
    assert err.startswith("plan.json:1: file: is not JSON")


def test_bad_input_ends_with_two_names_every_fault_and_writes_nothing(run: Run, folder: Path, tmp_path: Path) -> None:
    rewrite(folder / "demands.csv", "d06,h1", "d06,h9")
    rewrite(folder / "homes.csv", "121.5300", "321.5300")
    edit_facilities(folder, lambda features: features["park"]["properties"].update(buffer_bays=-1))
    results = tmp_path / "results"
    results.mkdir()
    (results / "plan.json").write_text("the plan of yesterday")
    code, out, err = run("allocate", folder, "--out", results / "plan.json")
    assert (code, out) == (2, "")
    assert [line.rpartition(": ")[0] for line in err.splitlines()] == [
        "demands.csv:7: home",
        "facilities.geojson:2: buffer_bays",
        "homes.csv:4: lon",
    ]
    assert [path.name for path in results.iterdir()] == ["plan.json"]
    assert (results / "plan.json").read_text() == "the plan of yesterday"


def test_a_folder_that_is_not_there_ends_with_two(run: Run, tmp_path: Path) -> None:
    code, _, err = run("allocate", tmp_path / "nowhere", "--out", tmp_path / "plan.json")
    assert (code, err) == (2, f"{tmp_path / 'nowhere'}:1: folder: is missing\n")


def test_locks_that_cannot_be_kept_end_with_three_and_write_nothing(run: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "decisions.csv").write_text("demand,facility,decision\nd10,tower,lock\n")
    code, out, err = run("allocate", folder, "--out", tmp_path / "plan.json")
    assert (code, out) == (3, "")
    assert "d10 is locked to tower, which it may not have: no_suitable_bay" in err
    (folder / "decisions.csv").write_text(
        "demand,facility,decision\n" + "".join(f"d0{n},park,lock\n" for n in (1, 2, 3, 4))
    )
    code, _, err = run("allocate", folder, "--out", tmp_path / "plan.json")
    assert code == 3
    assert "d01" in err
    assert not (tmp_path / "plan.json").exists()


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("tiny", "is a folder; name a file"),
        ("taken/plan.json", "is not a folder"),
        ("certificate.json", "is the name of a file that goes beside the plan"),
    ],
)
def test_a_place_that_cannot_hold_a_plan_ends_with_two(
    run: Run, folder: Path, tmp_path: Path, out: str, words: str
) -> None:
    (tmp_path / "taken").touch()
    code, _, err = run("allocate", folder, "--out", tmp_path / out)
    assert code == 2
    assert words in err
    assert "Traceback" not in err


@pytest.mark.parametrize("name", ["plan.json", "certificate.json", "plan.csv", "nights.csv", "plan.geojson"])
def test_a_pipe_where_a_plan_is_to_be_written_is_refused_and_left(
    run: Run, folder: Path, tmp_path: Path, name: str
) -> None:
    os.mkfifo(tmp_path / name)
    code, _, err = run("allocate", folder, "--out", tmp_path / "plan.json")
    assert code == 2
    assert f"{tmp_path / name} is not a file" in err
    assert stat.S_ISFIFO((tmp_path / name).stat().st_mode)


def test_a_pipe_where_a_picture_a_map_or_results_are_to_be_written_is_refused(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    plan = tmp_path / "plan.json"
    for arguments in (
        ("allocate", folder, "--out", plan, "--plots", pipe),
        ("map", folder, plan, "-o", pipe),
        ("plot", folder, plan, "-o", pipe),
    ):
        code, _, err = run(*arguments)
        assert code == 2
        assert f"{pipe} is not a file" in err
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert not plan.exists()


def test_a_pipe_in_the_place_of_a_plan_is_bad_input(run: Run, folder: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    os.mkfifo(plan)
    for command in ("check", "map", "plot"):
        code, _, err = run(command, folder, plan)
        assert (code, err) == (2, "plan.json:1: file: is not a file\n")


def test_a_place_that_the_system_refuses_ends_with_two(run: Run, folder: Path) -> None:
    code, _, err = run("allocate", folder, "--out", "/proc/nowhere/plan.json")
    assert code == 2
    assert "/proc" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "option", [("--seed", "one"), ("--seed", 2**63), ("--time-limit", "-1"), ("--gap", "-0.1"), ("--gap", "x")]
)
def test_options_that_make_no_sense_end_with_two(
    run: Run, folder: Path, tmp_path: Path, option: tuple[str, object]
) -> None:
    code, _, err = run("allocate", folder, "--out", tmp_path / "plan.json", *option)
    assert code == 2
    assert option[0] in err
    assert not (tmp_path / "plan.json").exists()


def test_the_seed_option_goes_before_the_folders_and_changes_the_draw_alone(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    winners = set()
    for seed in range(6):
        run("allocate", folder, "--out", tmp_path / f"{seed}.json", "--seed", seed)
        plan = json.loads((tmp_path / f"{seed}.json").read_text())
        assert (plan["seed"], plan["value_m"]) == (seed, 65290)
        winners.add(frozenset(served(tmp_path / f"{seed}.json")))
    assert len(winners) > 1
    assert len({winner - {"d01", "d02", "d03", "d04"} for winner in winners}) == 1


def test_names_with_spaces_and_chinese_characters_are_names_like_any_other(run: Run, tmp_path: Path) -> None:
    folder = copy_of_tiny(tmp_path / "四平路 街道")
    rewrite(folder / "facilities.geojson", "Park garage", "江浦公园")
    for path in (folder / "facilities.geojson", folder / "demands.csv", folder / "walks.csv"):
        path.write_text(path.read_text(encoding="utf-8").replace("park", "公园 一"), encoding="utf-8")
    path = folder / "facilities.geojson"
    path.write_text(path.read_text(encoding="utf-8").replace("公园 一_garage", "park_garage"), encoding="utf-8")
    # The car park's id is part of `public_car_park` too, a word of the contract.
    path.write_text(path.read_text(encoding="utf-8").replace("public_car_公园 一", "public_car_park"), encoding="utf-8")
    out = tmp_path / "方案 一" / "计划.json"
    code, _, err = run("allocate", folder, "--out", out)
    assert code == 0, err
    assert served(out)["d18"] == "公园 一"
    assert run("check", folder, out)[0] == 0
    with out.with_name("plan.csv").open(encoding="utf-8", newline="") as file:
        assert {row["demand"]: row["facility"] for row in csv.DictReader(file)}["d18"] == "公园 一"


def test_the_version_and_the_help_answer_without_a_folder(run: Run) -> None:
    code, out, _ = run("--version")
    assert (code, out.count(".")) == (0, 2)
    assert run("--help")[0] == 0


def test_help_does_not_load_the_solver() -> None:
    code = "import sys, api.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"ortools", "numba", "polars", "sqlalchemy"} & set(loaded)
