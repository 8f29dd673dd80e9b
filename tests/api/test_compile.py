"""The tiny neighbourhood compiled: every eligible pair to the letter, and nobody merged who could be told apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.calendars.clock import date_of
from api.neighbourhoods.read import read_folder
from api.planning.compiling import Compiled, Why, compile_neighbourhood
from api.planning.verdicts import Verdicts
from api.planning.walking import walks_of
from tests.api.tiny import TINY, copy_of_tiny, edit_facilities, rewrite

Row = dict[str, object]


def compiled_folder(folder: Path) -> Compiled:
    neighbourhood = read_folder(folder)
    return compile_neighbourhood(neighbourhood, walks_of(neighbourhood))


def eligible_rows(compiled: Compiled) -> list[Row]:
    rows: list[Row] = []
    options, bays = compiled.options, compiled.bays
    for demand, name in enumerate(compiled.neighbourhood.demands["id"]):
        cls = int(compiled.class_of[demand])
        for at in range(int(options.ptr[cls]), int(options.ptr[cls + 1])):
            if options.why[at] == Why.eligible:
                pattern, flags = compiled.cover_days[options.cover[at]]
                rows.append(
                    {
                        "demand": name,
                        "facility": bays.facility_id[options.bay_group[at]],
                        "bay_group": bays.group_id[options.bay_group[at]],
                        "value_m": int(options.value_m[at]),
                        "days_left_out": [
                            date_of(int(day)).isoformat() for day in compiled.patterns[pattern].days[flags]
                        ],
                    }
                )
    return rows


def expected_rows() -> list[Row]:
    rows: list[Row] = json.loads((TINY / "expected.json").read_text(encoding="utf-8"))["eligible"]
    return rows


def test_every_eligible_pair_of_tiny_has_its_value_and_its_days_left_out() -> None:
    assert eligible_rows(compiled_folder(TINY)) == sorted(
        expected_rows(), key=lambda row: (row["demand"], row["facility"], row["bay_group"])
    )


def test_the_checker_finds_the_same_pairs_on_its_own() -> None:
    neighbourhood = read_folder(TINY)
    checker = Verdicts(neighbourhood, walks_of(neighbourhood))
    found = [
        {
            "demand": name,
            "facility": facility,
            "bay_group": group,
            "value_m": option.value_m,
            "days_left_out": [day.isoformat() for day in option.left_out],
        }
        for name, demand in checker.demands.items()
        for (facility, group), option in checker.options(demand).items()
    ]
    key = ("demand", "facility", "bay_group")
    assert sorted(found, key=lambda row: [str(row[name]) for name in key]) == sorted(
        expected_rows(), key=lambda row: [str(row[name]) for name in key]
    )


def test_equal_demands_are_one_group_and_a_holder_is_another() -> None:
    compiled = compiled_folder(TINY)
    class_of = dict(zip(compiled.neighbourhood.demands["id"], compiled.class_of.tolist(), strict=True))
    assert class_of["d01"] == class_of["d02"] == class_of["d03"] == class_of["d04"]
    assert len({class_of[name] for name in ("d01", "d05", "d13", "d14", "d18")}) == 5


@pytest.mark.parametrize("file", ["demands.csv", "homes.csv", "walks.csv"])
def test_rows_in_another_order_compile_to_the_same_pairs(tmp_path: Path, file: str) -> None:
    folder = copy_of_tiny(tmp_path / "tiny")
    head, *rows = (folder / file).read_text().splitlines()
    (folder / file).write_text("\n".join([head, *reversed(rows)]) + "\n")
    by_place = sorted(map(str, eligible_rows(compiled_folder(folder))))
    assert by_place == sorted(map(str, eligible_rows(compiled_folder(TINY))))


def test_the_folders_calendar_moves_workdays(tmp_path: Path) -> None:
    # With both make-up days resting, nobody has to leave the tower by 08:00 then, so d17 may stay until 10:00;
    # and d16 stays from Friday the 18th until Monday the 21st, whose closure then leaves that night out.
    folder = copy_of_tiny(tmp_path / "tiny")
    (folder / "calendar.csv").write_text("date,kind\n2026-09-20,rest_day\n2026-10-10,rest_day\n")
    rows = {row["demand"]: row for row in eligible_rows(compiled_folder(folder)) if row["facility"] == "tower"}
    assert rows["d16"]["days_left_out"] == ["2026-09-18"]
    assert rows["d17"]["days_left_out"] == []


def test_a_calendar_that_rests_for_months_is_no_obstacle_to_staying_through(tmp_path: Path) -> None:
    folder = copy_of_tiny(tmp_path / "tiny")
    days = [f"2026-{month:02d}-{day:02d}" for month in (10, 11, 12) for day in range(1, 31)]
    (folder / "calendar.csv").write_text("date,kind\n" + "".join(f"{day},rest_day\n" for day in days))
    compiled = compiled_folder(folder)
    assert len(compiled.instance.pair_value_m) > 0


def test_a_buffer_comes_off_the_first_group_alone(tmp_path: Path) -> None:
    folder = copy_of_tiny(tmp_path / "tiny")
    bays = compiled_folder(folder).bays
    groups = dict(zip(zip(bays.facility_id, bays.group_id, strict=True), bays.hours, strict=True))
    assert sorted(set(groups["tower", "std"].capacity.bays.tolist())) == [0, 2, 3]
    assert sorted(set(groups["tower", "ev"].capacity.bays.tolist())) == [0, 1]


def test_a_term_in_a_season_without_windows_leaves_no_pairs(tmp_path: Path) -> None:
    folder = copy_of_tiny(tmp_path / "tiny")

    def summer_only(features: dict[str, dict]) -> None:  # type: ignore[type-arg]
        for feature in features.values():
            for group in feature["properties"]["bay_groups"]:
                for window in group["windows"]:
                    window["season"] = ["05-01", "08-31"]

    edit_facilities(folder, summer_only)
    compiled = compiled_folder(folder)
    assert len(compiled.instance.pair_value_m) == 0
    assert Why.eligible not in compiled.options.why


@pytest.mark.parametrize(("max_walk_m", "why"), [(509, Why.too_far), (510, Why.no_window)])
def test_the_policy_sets_the_walking_limit_of_those_who_have_none(tmp_path: Path, max_walk_m: int, why: Why) -> None:
    folder = copy_of_tiny(tmp_path / "tiny")
    rewrite(folder / "neighbourhood.toml", "to = 2026-10-11", f"to = 2026-10-11\n[policy]\nmax_walk_m = {max_walk_m}")
    compiled = compiled_folder(folder)
    cls = int(compiled.class_of[compiled.neighbourhood.demands["id"].to_list().index("d15")])
    ordinary = list(range(int(compiled.options.ptr[cls]), int(compiled.options.ptr[cls + 1])))
    by_group = {compiled.bays.group_id[compiled.options.bay_group[at]]: compiled.options.why[at] for at in ordinary}
    assert by_group["std"] == why
