"""The figures of a plan, counted again by hand."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from allocator.draw import draw_order
from api.errors import FolderFaults
from api.neighbourhoods.model import Facility
from api.neighbourhoods.read import read_folder
from api.planning.allocate import Allocation, allocate, allocate_folder
from api.planning.decision_costs import decision_costs
from api.planning.envy import justified_envies
from api.planning.fairness import gini, jain
from api.planning.service_report import report_of_files, service_report
from tests.api.bases import solved_base
from tests.api.tiny import TINY, copy_of_tiny, one_best_plan

Json = dict[str, Any]


@pytest.fixture(scope="module")
def tiny() -> Allocation:
    return allocate(one_best_plan())


@pytest.fixture(scope="module")
def report(tiny: Allocation) -> Json:
    return service_report(tiny.neighbourhood, walks=tiny.walks, plan=tiny.plan)


def test_service_rates_are_served_by_demands_of_each_kind(report: Json) -> None:
    assert (report["demands"], report["served"], report["service_rate"]) == (19, 12, round(12 / 19, 4))
    assert [(row["tier"], row["demands"], row["served"]) for row in report["by_tier"]] == [
        (1, 1, 0),
        (2, 1, 1),
        (3, 17, 11),
    ]
    assert report["by_estate"] == [
        {"estate": "East", "demands": 18, "served": 12, "service_rate": round(12 / 18, 4)},
        {"estate": "Far", "demands": 1, "served": 0, "service_rate": 0.0},
    ]
    assert report["fairness"]["service_rate_spread"] == round(12 / 18, 4)
    assert {row["days"]: (row["served"], row["demands"]) for row in report["by_days"]} == {
        "daily": (7, 13),
        "workdays": (1, 2),
        "rest_days": (1, 1),
        "mon tue": (1, 1),
        "fri": (1, 1),
        "fri sat": (1, 1),
    }


def test_causes_add_up_to_those_without_a_bay(report: Json) -> None:
    assert report["unserved"] == {"full": 5, "too_far": 2}
    assert sum(report["unserved"].values()) == report["demands"] - report["served"]


def test_walks_are_those_of_the_served(report: Json) -> None:
    # Three in the park at 120 m, one on the road at 300, five in the tower at 90, three in the mall at 200.
    assert report["walk_m"] == {
        "mean": 142.5,
        "p95": 300,
        "max": 300,
        "share_within_300_m": 1.0,
        "share_within_500_m": 1.0,
    }
    walks = np.array([120] * 3 + [300] + [90] * 5 + [200] * 3)
    differences = np.abs(walks[:, None] - walks[None, :]).sum()
    assert report["fairness"]["walk_gini"] == pytest.approx(differences / (2 * 12**2 * walks.mean()), abs=5e-5)
    assert report["fairness"]["walk_jain"] == pytest.approx(walks.sum() ** 2 / (12 * (walks**2).sum()), abs=5e-5)


def test_indices_of_equal_walks_of_no_walks_and_of_one_long_walk() -> None:
    for equal in ([], [0, 0], [70, 70, 70]):
        assert (gini(np.array(equal, dtype=np.int64)), jain(np.array(equal, dtype=np.int64))) == (0.0, 1.0)
    alone = np.array([0, 0, 0, 400])
    assert (gini(alone), jain(alone)) == (0.75, 0.25)


def test_holders_and_the_parking_gap_before_and_after(report: Json) -> None:
    assert report["stability"] == {"holders": 1, "kept": 1, "moved": 0, "unserved": 0}
    assert report["parking_gap"] == {"before": round(18 / 19, 4), "after": round(7 / 19, 4)}


def test_holders_who_move_or_go_without_are_told_apart() -> None:
    folder = read_folder(TINY)
    holds = pl.when(pl.col("id") == "d07").then(pl.lit("park")).when(pl.col("id") == "d15").then(pl.lit("mall"))
    demands = folder.demands.with_columns(holds.otherwise(pl.col("holds")).alias("holds"))
    done = allocate(replace(folder, demands=demands))
    told = service_report(done.neighbourhood, walks=done.walks, plan=done.plan)
    # d07 may not stay in the park until 08:00 and keeps the tower; d15 has the mall but lives too far away by now.
    assert told["stability"] == {"holders": 3, "kept": 1, "moved": 1, "unserved": 1}


def test_utilisation_is_occupied_of_shared_bays_hour_by_hour(report: Json) -> None:
    rows = report["utilisation_by_hour"]
    assert [row["hour"] for row in rows] == [f"{hour % 24:02d}:00" for hour in range(12, 36)]
    assert all(0 <= row["utilisation"] <= 1 for row in rows)
    night = rows[12]  # from midnight: all seven bays of park, road, tower's charger and mall, and the tower's others
    assert night["occupied_bays"] <= night["shared_bays"]
    assert night["utilisation"] > 0.5


def test_nobody_asking_has_no_rates_and_no_walks() -> None:
    folder = read_folder(TINY)
    done = allocate(replace(folder, demands=folder.demands.clear()))
    told = service_report(done.neighbourhood, walks=done.walks, plan=done.plan)
    assert (told["service_rate"], told["unserved"], told["by_estate"]) == (None, {}, [])
    assert told["walk_m"]["mean"] is None
    assert told["fairness"] == {
        "walk_gini": 0.0,
        "walk_jain": 1.0,
        "service_rate_spread": None,
        "justified_envies": 0,
    }
    assert told["parking_gap"] == {"before": None, "after": None}


def test_a_plan_that_does_not_answer_everybody_once_is_refused(tiny: Allocation) -> None:
    plan = copy.deepcopy(tiny.plan)
    plan["unserved"] = [row for row in plan["unserved"] if row["demand"] != "d15"]
    plan["unserved"] += [{"demand": "d18", "reason": "full"}, {"demand": "d99", "reason": "full"}]
    with pytest.raises(FolderFaults) as caught:
        service_report(tiny.neighbourhood, walks=tiny.walks, plan=plan)
    assert str(caught.value).splitlines() == [
        "plan.json:1: demand: 'd15' has no answer",
        "plan.json:1: demand: 'd18' is answered more than once",
        "plan.json:1: demand: 'd99' is not in the folder",
    ]


def test_envies_count_everybody_who_was_overtaken(tiny: Allocation) -> None:
    equals = draw_order(str(tiny.plan["seed"]), ["d01", "d02", "d03", "d04"])
    assert justified_envies(tiny.neighbourhood, walks=tiny.walks, plan=tiny.plan) == 0
    for place, loser in enumerate(equals):
        plan = copy.deepcopy(tiny.plan)
        for row in (*plan["assignments"], *plan["unserved"]):
            if row["demand"] in (equals[0], loser):
                row["demand"] = loser if row["demand"] == equals[0] else equals[0]
        # All who were drawn before the one with the bay have reason to envy.
        assert justified_envies(tiny.neighbourhood, walks=tiny.walks, plan=plan) == place


def with_two_bays(facility: Facility) -> Facility:
    """Facility with its first group alone, of two bays."""
    group = facility.bay_groups[0]
    windows = tuple(replace(window, bays=2) for window in group.windows)
    return replace(facility, bay_groups=(replace(group, windows=windows),), buffer_bays=0)


def test_a_longer_walk_than_of_one_drawn_later_is_envy_too() -> None:
    folder = read_folder(TINY)
    # Four equals: the best walk goes to the first drawn. d01 to d04 find two bays in the park and two in the tower.
    alike = folder.demands.filter(pl.col("id").is_in(["d01", "d02", "d03", "d04"]))
    places = tuple(place for place in folder.facilities if place.id in ("park", "tower"))
    two = tuple(with_two_bays(place) for place in places)
    done = allocate(replace(folder, demands=alike, facilities=two))
    assert [row["facility"] for row in done.plan["assignments"]].count("park") == 2
    assert justified_envies(done.neighbourhood, walks=done.walks, plan=done.plan) == 0
    drawn = draw_order(str(done.plan["seed"]), alike["id"].to_list())
    plan = copy.deepcopy(done.plan)
    place_of = {row["demand"]: {key: row[key] for key in row if key != "demand"} for row in plan["assignments"]}
    plan["assignments"] = [
        {"demand": name, **place_of[other]} for name, other in zip(drawn, reversed(drawn), strict=True)
    ]
    assert justified_envies(done.neighbourhood, walks=done.walks, plan=plan) == 4


def decided(*rows: tuple[str, str | None, str]) -> tuple[Allocation, Json]:
    folder = read_folder(TINY)
    done, base = solved_base(
        replace(folder, decisions=pl.DataFrame(list(rows), schema=folder.decisions.schema, orient="row"))
    )
    costs = decision_costs(done.neighbourhood, walks=done.walks, base=base, plan=done.plan, each=True)
    return done, costs


def test_a_lock_costs_what_it_takes_from_others() -> None:
    # d10 in the park (4,660) takes the bay of one of d01 to d04 (4,880).
    _, costs = decided(("d10", "park", "lock"))
    assert costs["all"] == {"low_m": 220, "high_m": 220, "exact_m": 220}
    assert costs["each"] == [
        {"demand": "d10", "facility": "park", "decision": "lock", "low_m": 220, "high_m": 220, "exact_m": 220}
    ]


def test_a_rejection_that_changes_nothing_costs_nothing() -> None:
    _, costs = decided(("d15", "mall", "reject"))
    assert costs["all"] == {"low_m": 0, "high_m": 0, "exact_m": 0}


def test_without_decisions_there_is_nothing_to_pay() -> None:
    _, costs = decided()
    assert costs == {"all": {"low_m": 0, "high_m": 0, "exact_m": 0}, "each": []}


def test_a_report_of_files_is_refused_for_another_folder(tmp_path: Path) -> None:
    folder = copy_of_tiny(tmp_path / "tiny")
    allocate_folder(folder, out=tmp_path / "plan.json")
    assert report_of_files(folder, tmp_path / "plan.json")["served"] == 12
    (folder / "decisions.csv").write_text("demand,facility,decision\nd10,park,lock\n")
    for costs in (False, True):
        with pytest.raises(FolderFaults, match=r"plan.json:1: input_sha256.decisions.csv: the plan was made from"):
            report_of_files(folder, tmp_path / "plan.json", costs=costs)
