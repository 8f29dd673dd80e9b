"""nights.csv: the bay of every permit on every night, and a checker that refuses what is wrong in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings

from api.errors import NoPlan
from api.neighbourhoods.model import Neighbourhood
from api.planning.allocate import allocate, allocate_folder
from api.planning.check import check_folder
from api.planning.check_nights import faults_of_nights
from tests.api.tiny import copy_of_tiny, edit_facilities
from tests.properties.neighbourhoods import neighbourhoods

Json = dict[str, Any]
Rows = dict[str, list[list[str]]]
"""Bay and nights by demand."""

TOML = """
name = "Cycle"
timezone = "Asia/Shanghai"
country = "CN"
crs = "EPSG:4326"
[term]
from = 2026-11-02
to = 2026-11-08
"""
DEMANDS = "id,home,days,arrive,leave,stay_through\n"


def folder_with(path: Path, *demands: str, windows: list[Json] | None = None, **properties: object) -> Path:
    """Write one facility and one home beside it; Monday 2 to Sunday 8 November 2026, an ordinary week."""
    path.mkdir()
    (path / "neighbourhood.toml").write_text(TOML)
    (path / "homes.csv").write_text("id,lon,lat\nh,121.5,31.2\n")
    (path / "walks.csv").write_text("home,facility,walk_m\nh,park,100\n")
    (path / "demands.csv").write_text(DEMANDS + "".join(f"{row}\n" for row in demands))
    standard = {"id": "std", "kind": "standard", "windows": windows or [opened("daily", bays=2)]}
    feature = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [121.5, 31.2]},
        "properties": {"id": "park", "name": "Park", "kind": "park_garage", "bay_groups": [standard], **properties},
    }
    (path / "facilities.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


def opened(days: str, *, bays: int, begin: str = "18:00", end: str = "32:00") -> Json:
    return {"days": days, "from": begin, "to": end, "bays": bays}


def solved(folder: Path) -> tuple[Json, Rows]:
    """Allocate a folder, hold the plan against the checker, and read its nights."""
    out = folder / "out/plan.json"
    plan = allocate_folder(folder, out=out).plan
    assert check_folder(folder, out) == []
    rows: Rows = {}
    head, *lines = (folder / "out/nights.csv").read_text().splitlines()
    assert head == "demand,facility,bay_group,bay,nights"
    for line in lines:
        demand, facility, group, *rest = line.split(",")
        assert (facility, group) == ("park", "std")
        rows.setdefault(demand, []).append(rest)
    return plan["nightly_bays"], rows


CYCLE = ("a,h,mon tue,19:00,31:00,", "b,h,tue wed,19:00,31:00,", "c,h,mon wed,19:00,31:00,")


def test_three_permits_in_a_ring_of_nights_and_two_bays_let_one_move_once(tmp_path: Path) -> None:
    # {mon, tue}, {tue, wed}, {mon, wed}: each two meet, so only two of the three can keep one of two bays.
    summary, rows = solved(folder_with(tmp_path / "f", *CYCLE))
    assert summary == {"permits": 3, "moving": 1, "moves": 1, "split_stays": 0, "proven_fewest": True}
    assert sum(len(mine) == 2 for mine in rows.values()) == 1
    moving = next(mine for mine in rows.values() if len(mine) == 2)
    assert all(nights in ("2026-11-02", "2026-11-03", "2026-11-04") for _, nights in moving)


def test_more_bays_on_rest_days_take_those_who_come_only_then(tmp_path: Path) -> None:
    # One bay at night, three on Saturday and Sunday: the daily car keeps bay 1, the weekend cars 2 and 3.
    windows = [opened("workdays", bays=1), opened("rest_days", bays=3, begin="00:00")]
    rows = solved(
        folder_with(
            tmp_path / "f",
            "a,h,rest_days,19:00,31:00,",
            "b,h,rest_days,19:00,31:00,",
            "c,h,daily,19:00,31:00,",
            windows=windows,
        )
    )[1]
    assert {demand: mine[0][0] for demand, mine in rows.items()} == {"a": "2", "b": "3", "c": "1"}


def test_bays_kept_back_for_the_owner_are_no_bays_of_the_nights(tmp_path: Path) -> None:
    # Three bays less a buffer of one: the ring of nights moves as with two.
    folder = folder_with(tmp_path / "f", *CYCLE, windows=[opened("daily", bays=3)], buffer_bays=1)
    assert solved(folder)[0]["moving"] == 1


def test_a_closed_night_belongs_to_nobody(tmp_path: Path) -> None:
    # Closed on Tuesday night: mon, wed and mon wed are left, which is no ring: c shares no night with both at once in
    # two bays, and a and b share one.
    closed = [{"from": "2026-11-03T18:00", "to": "2026-11-04T08:00", "reason": "works"}]
    summary, rows = solved(folder_with(tmp_path / "f", *CYCLE, closures=closed))
    assert (summary["permits"], summary["moving"]) == (3, 0)
    assert rows["a"] == rows["b"] != rows["c"]


def test_a_stay_through_the_weekend_has_one_bay_until_monday(tmp_path: Path) -> None:
    # The Friday car stays from Friday to Monday and meets the Saturday car; Thursday's leaves before.
    rows = solved(
        folder_with(
            tmp_path / "f",
            "a,h,fri,19:00,31:00,yes",
            "b,h,sat,19:00,31:00,",
            "c,h,thu,19:00,31:00,",
            windows=[opened("daily", bays=2, begin="00:00", end="48:00")],
        )
    )[1]
    assert rows["a"][0][0] != rows["b"][0][0]
    assert all(mine[0][1] == "" for mine in rows.values())


def by_day(tmp_path: Path) -> Path:
    """One bay by night, two by day on Saturday, and two cars whose stays overlap there: one has to give way."""
    windows = [
        opened("daily", bays=1, begin="18:00", end="32:00"),
        opened("rest_days", bays=2, begin="08:00", end="18:00"),
    ]
    return folder_with(tmp_path / "f", "a,h,fri,19:00,36:00,", "b,h,sat,10:00,31:00,", windows=windows)


def test_a_stay_that_no_bay_can_take_whole_is_split_and_says_from_when_to_when(tmp_path: Path) -> None:
    # Friday 19:00 to Saturday 12:00 and Saturday 10:00 to Sunday 07:00. By night there is only bay 1, for each of them;
    # from 10:00 to 12:00 one of them is in bay 2.
    summary, rows = solved(by_day(tmp_path))
    assert (summary["moving"], summary["moves"], summary["split_stays"]) == (1, 1, 1)
    moving = next(mine for mine in rows.values() if len(mine) == 2)
    assert all("/" in nights for _, nights in moving)


def test_nobody_served_leaves_a_table_without_rows(tmp_path: Path) -> None:
    summary, rows = solved(folder_with(tmp_path / "f", "a,h,mon,09:00,10:00,"))
    assert (summary, rows) == (
        {"permits": 0, "moving": 0, "moves": 0, "split_stays": 0, "proven_fewest": True},
        {},
    )


def test_the_bays_do_not_depend_on_the_order_of_the_demands(tmp_path: Path) -> None:
    given = (*CYCLE, "d,h,fri,19:00,31:00,", "e,h,fri,20:00,30:00,")
    assert solved(folder_with(tmp_path / "f", *given)) == solved(folder_with(tmp_path / "g", *given[::-1]))


def replace(text: str, by: str) -> Callable[[str], str]:
    def spoil(content: str) -> str:
        assert text in content
        return content.replace(text, by, 1)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (replace("a,park,std,1,\n", ""), "a has no bay"),
        (replace("a,park,std,1,", "a,park,std,2,"), "in bay 2 of park (std) at one moment"),
        (replace("a,park,std,1,", "a,park,std,3,"), "nights.csv:2: a is in bay 3 of park (std), which has 2 bays"),
        (replace("a,park,std,1,", "a,park,std,0,"), "nights.csv:2: bay is '0', expected a whole number from 1"),
        (replace("a,park,std,1,", "a,park,std,1,tomorrow"), "nights.csv:2: 'tomorrow' is no night of a"),
        (replace("a,park,std,1,", "a,park,std,1,2026-11-02"), "the nights of a are not those the plan gives it"),
        (replace("a,park,std,1,", "a,park,std,1,2026-11-02 2026-11-02 2026-11-03"), "a has a night twice"),
        (replace("a,park,std,1,", "z,park,std,1,"), "nights.csv:2: 'z' is not served by the plan"),
        (replace("a,park,std,1,", "a,tower,std,1,"), "nights.csv:2: a stands at park (std), not at tower (std)"),
        (replace("a,park,std,1,\n", "a,park,std,1,\na,park,std,1,\n"), "nights.csv:3: a has another row"),
        (replace("a,park,std,1,", "a,park,std,1"), "nights.csv:2: has 4 cells, not 5"),
        (replace("bay_group", "group"), "nights.csv:1: the columns are not demand,facility"),
        (replace("2026-11-04", "2026-11-05"), "no night of"),
    ],
)
def test_nights_that_were_tampered_with_are_refused_by_line(
    tmp_path: Path, spoil: Callable[[str], str], words: str
) -> None:
    folder = folder_with(tmp_path / "f", *CYCLE)
    solved(folder)
    nights = folder / "out/nights.csv"
    nights.write_text(spoil(nights.read_text()))
    assert any(words in fault for fault in check_folder(folder, folder / "out/plan.json"))


@pytest.mark.parametrize(("name", "value"), [("moving", 0), ("moves", 2), ("permits", 4), ("split_stays", 1)])
def test_a_summary_that_counts_otherwise_is_refused(tmp_path: Path, name: str, value: int) -> None:
    folder = folder_with(tmp_path / "f", *CYCLE)
    solved(folder)
    path = folder / "out/plan.json"
    plan = json.loads(path.read_text())
    plan["nightly_bays"][name] = value
    path.write_text(json.dumps(plan))
    assert [f"nightly_bays.{name} is {value}" in fault for fault in check_folder(folder, path)] == [True]


def test_a_plan_without_nights_beside_it_is_checked_as_ever(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "f", *CYCLE)
    solved(folder)
    (folder / "out/nights.csv").unlink()
    assert check_folder(folder, folder / "out/plan.json") == []


def test_a_plan_is_written_as_one_readable_object(tmp_path: Path) -> None:
    folder = copy_of_tiny(tmp_path / "tiny")
    done = allocate_folder(folder, out=tmp_path / "plan.json")
    assert (tmp_path / "plan.json").read_bytes() == orjson.dumps(done.plan, option=orjson.OPT_INDENT_2)


def test_nights_follow_the_bays_that_are_left(tmp_path: Path) -> None:
    # Without bays nobody is served, and the table is empty beside a plan that says so.
    folder = copy_of_tiny(tmp_path / "tiny")

    def close(features: dict[str, Json]) -> None:
        for feature in features.values():
            feature["properties"]["buffer_bays"] = 1000

    edit_facilities(folder, close)
    out = tmp_path / "plan.json"
    assert allocate_folder(folder, out=out).plan["nightly_bays"]["permits"] == 0
    assert check_folder(folder, out) == []


@given(neighbourhoods())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_plan_of_every_folder_has_nights_that_hold(neighbourhood: Neighbourhood) -> None:
    try:
        done = allocate(neighbourhood)
    except NoPlan:
        return  # locks that contradict each other
    assert faults_of_nights(neighbourhood, done.plan, done.nights.lines()) == []
    assert done.plan["nightly_bays"]["permits"] == done.plan["served"]
