"""`baytide bay-values` and `baytide report` as planners and scripts meet them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.api.running import Run
from tests.api.tiny import D06, copy_of_tiny, rewrite


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copied = copy_of_tiny(tmp_path / "tiny")
    rewrite(copied / "demands.csv", D06, "")
    return copied


@pytest.fixture
def plan(run: Run, folder: Path, tmp_path: Path) -> Path:
    assert run("allocate", folder, "--out", tmp_path / "plan.json")[0] == 0
    return tmp_path / "plan.json"


def test_prices_of_bays_are_told_without_solving(run: Run, folder: Path, plan: Path) -> None:
    code, out, _ = run("bay-values", folder, plan)
    rows = [line.split() for line in out.splitlines()]
    said = json.loads(plan.read_text())["bay_values"]
    assert code == 0
    assert rows[0] == ["facility", "bay", "group", "price", "m", "exact", "m"]
    assert [(row[0], row[1], row[2].replace(",", "")) for row in rows[1:]] == [
        (row["facility"], row["bay_group"], str(row["value_m"])) for row in said
    ]
    code, out, _ = run("bay-values", folder, plan, "--json", "--facility", "tower")
    assert json.loads(out)["bay_values"] == [row for row in said if row["facility"] == "tower"]


def test_exact_bay_values_tell_one_more_and_one_fewer(run: Run, folder: Path, plan: Path) -> None:
    code, out, _ = run("bay-values", folder, plan, "--exact", "--json")
    assert code == 0
    answer = json.loads(out)
    by_place = {(row["facility"], row["bay_group"]): row for row in answer["bay_values"]}
    # The park's next bay goes to another of d01 to d04; the charger serves d08 alone, who may go to the mall for 4,800
    # only if d09 or d20 stays away.
    assert by_place["park", "std"]["one_more"]["exact_m"] == 4880
    assert by_place["tower", "ev"]["one_more"]["exact_m"] == 0
    assert by_place["tower", "ev"]["one_fewer"]["exact_m"] == 4910
    assert answer["value_m"] == 65290
    code, out, _ = run("bay-values", folder, plan, "--exact", "--facility", "park", "--bay-group", "std")
    assert (code, out.splitlines()[1].split()[-4:]) == (0, ["4,880", "m", "4,880", "m"])


def test_a_bay_group_that_is_not_there_ends_with_two(run: Run, folder: Path, plan: Path) -> None:
    code, out, err = run("bay-values", folder, plan, "--facility", "parc")
    assert (code, out, err) == (2, "", "facilities.geojson:1: bay_groups: no bay group is parc\n")


@pytest.mark.parametrize("command", [("bay-values", "--exact"), ("report", "--costs")])
def test_a_plan_that_does_not_hold_is_not_solved_again(
    run: Run, folder: Path, plan: Path, command: tuple[str, str]
) -> None:
    rewrite(plan, '"value_m": 65290', '"value_m": 65289')
    code, out, err = run(command[0], folder, plan, command[1])
    assert (code, out) == (2, "")
    assert "plan.json:1: plan: counts: value_m is 65289, the assignments give 65290\n" in err


@pytest.mark.parametrize("command", [("bay-values",), ("bay-values", "--exact"), ("report",), ("report", "--costs")])
def test_a_plan_of_another_folder_or_none_ends_with_two(
    run: Run, folder: Path, plan: Path, command: tuple[str, ...]
) -> None:
    (folder / "demands.csv").write_text((folder / "demands.csv").read_text() + "\n")
    code, out, err = run(command[0], folder, plan, *command[1:])
    assert (code, out) == (2, "")
    assert err == "plan.json:1: input_sha256.demands.csv: the plan was made from another file than the folder's\n"
    code, _, err = run(command[0], folder, plan.with_name("none.json"), *command[1:])
    assert (code, err) == (2, "none.json:1: file: is missing\n")


def test_a_report_is_told_in_tables_and_written_for_machines(
    run: Run, folder: Path, plan: Path, tmp_path: Path
) -> None:
    out = tmp_path / "reports/report.json"
    code, said, _ = run("report", folder, plan, "--out", out)
    assert code == 0
    lines = said.splitlines()
    assert lines[0] == "served 12 of 19 demands (63.2 %)"
    assert "East         18      12  66.7 %" in lines
    assert "largest less smallest rate: 66.7 %" in lines
    assert "every bay in reach went to a stay worth more        5" in lines
    assert "justified envies: 0" in lines
    assert "holders: 1, of these 1 keep their facility, 0 move, 0 go without" in lines
    assert lines[-1] == f"written: {out}"
    code, said, _ = run("report", folder, plan, "--json")
    assert json.loads(said) == json.loads(out.read_text())
    assert "costs" not in json.loads(said)


def test_a_report_tells_what_decisions_cost_together_and_each(run: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "decisions.csv").write_text("demand,facility,decision\nd10,park,lock\nd15,,reject\n")
    plan = tmp_path / "plan.json"
    assert run("allocate", folder, "--out", plan)[0] == 0
    code, said, _ = run("report", folder, plan, "--each")
    assert code == 0
    assert "decisions: locks 1, rejections 1" in said
    assert "the best plan without locks and rejections is worth 220 m more" in said
    # d15 lives too far away for anything, so that its rejection costs nothing.
    rows = [line.split() for line in said.splitlines() if line.startswith(("d10", "d15"))]
    assert rows == [["d10", "lock", "park", "+", "220", "m"], ["d15", "reject", "(all)", "+", "0", "m"]]
    answer = json.loads(run("report", folder, plan, "--costs", "--json")[1])
    assert (answer["decisions"], answer["costs"]["all"]["exact_m"]) == (
        {"locks": 1, "rejections": 1, "demands": 2},
        220,
    )


def test_a_report_warns_where_the_draw_was_not_followed(run: Run, folder: Path, plan: Path) -> None:
    content = json.loads(plan.read_text())
    equals = {"d01", "d02", "d03", "d04"}
    (winner,) = [row for row in content["assignments"] if row["demand"] in equals]
    loser = next(row for row in content["unserved"] if row["demand"] in equals)
    winner["demand"], loser["demand"] = loser["demand"], winner["demand"]
    plan.write_text(json.dumps(content))
    code, said, err = run("report", folder, plan)
    assert code == 0
    assert "justified envies: 0" not in said
    assert "warning: the draw was not followed" in err
    assert run("check", folder, plan)[0] == 1


def test_a_report_cannot_be_written_into_a_folder(run: Run, folder: Path, plan: Path, tmp_path: Path) -> None:
    code, _, err = run("report", folder, plan, "--out", tmp_path)
    assert code == 2
    assert "is a folder; name a file" in err
