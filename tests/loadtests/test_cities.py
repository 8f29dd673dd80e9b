"""Cities by seed: equal knobs give equal cities, and each knob does what it says."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from allocator.presolve import presolve
from api.neighbourhoods.model import Neighbourhood
from api.neighbourhoods.read import read_folder
from loadtests.cases import compile_case
from loadtests.certificates import hash_of
from loadtests.cities import REGIMES, City, city_of, make_city
from loadtests.cities.__main__ import write_city
from loadtests.errors import BadCity

ROOT = Path(__file__).parents[2]


def bays_on_working_nights(city: Neighbourhood) -> list[int]:
    """Count each facility's bays, the window of its working nights alone."""
    return [sum(group.windows[0].bays for group in facility.bay_groups) for facility in city.facilities]


@pytest.mark.parametrize("regime", REGIMES)
def test_the_same_seed_gives_the_same_instance_and_another_seed_another_one(regime: str) -> None:
    hashes = [hash_of(compile_case(make_city(city_of(regime, demands=400, seed=seed))).instance) for seed in (7, 7, 8)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_ten_thousand_demands_have_the_shape_that_was_measured() -> None:
    # 3.3 km²: 67 facilities of 90 bays on average, 36,000 to 45,000 pairs as the seed has it, about 8 rows a facility.
    city = make_city(City(demands=10_000))
    compiled = compile_case(city)
    bays = bays_on_working_nights(city)
    assert len(city.facilities) == 67
    assert sum(bays) == 6000
    assert max(bays) > 3 * np.median(bays)
    assert 30_000 < compiled.instance.num_pairs < 50_000
    assert 6 * 67 < presolve(compiled.instance).num_rows < 10 * 67
    assert compiled.instance.num_groups > 0.85 * 10_000


@pytest.mark.parametrize(("regime", "share"), [("scarce", 0.4), ("balanced", 0.6), ("ample", 1.1)])
def test_supply_is_the_share_of_demands_that_the_regime_says(regime: str, share: float) -> None:
    assert sum(bays_on_working_nights(make_city(city_of(regime, demands=1000, seed=1)))) == round(1000 * share)


@pytest.mark.parametrize("regime", ["single_pattern", "few_patterns"])
def test_one_pattern_of_nights_leaves_one_row_a_stay(regime: str) -> None:
    problem = presolve(compile_case(make_city(city_of(regime, demands=500, seed=1))).instance)
    assert (np.diff(problem.foot_ptr) <= 1).all()


def test_five_patterns_name_every_weekday_and_many_patterns_nearly_every_set_of_them() -> None:
    five, many = (make_city(City(demands=3000, patterns=patterns)).demands["days"] for patterns in ("five", "many"))
    assert {"daily", "workdays", "rest_days"} < set(five)
    assert {day for days in five.unique() for day in days.split()} >= {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
    assert many.n_unique() == 127


def test_ties_leave_few_different_walks_and_one_tier() -> None:
    city = make_city(city_of("ties", demands=600, seed=1))
    assert city.walks is not None
    assert set(city.walks["walk_m"].to_list()) <= set(range(0, 501, 50))
    assert city.demands.select("tier", "rounds_waited").n_unique() == 1
    assert city.homes.height == 12


def test_a_huge_facility_has_its_share_of_the_bays_and_is_in_reach_of_its_share_of_the_homes() -> None:
    city = make_city(city_of("huge_facility", demands=6000, seed=1))
    bays = bays_on_working_nights(city)
    compiled = compile_case(city)
    near = np.bincount(compiled.options.bay_group[compiled.options.walk_m <= 500], minlength=len(bays))
    assert bays[0] == pytest.approx(0.4 * sum(bays), abs=2)
    assert near[0] > 0.38 * 6000


def test_a_thin_city_is_forty_times_as_long_as_wide() -> None:
    homes = make_city(city_of("thin", demands=3000, seed=1)).homes
    east, north = (homes[column].max() - homes[column].min() for column in ("lon", "lat"))  # type: ignore[operator]
    assert east * np.cos(np.radians(36)) / north == pytest.approx(40, rel=0.1)


def test_mixed_bays_have_kinds_that_needs_ask_for_and_holders() -> None:
    city = make_city(city_of("mixed_bays", demands=500, seed=1))
    kinds = {kind for facility in city.facilities for group in facility.bay_groups for kind in group.kinds}
    assert kinds == {"standard", "large", "accessible", "ev"}
    needs = Counter(city.demands["needs"].to_list())
    assert needs[""] > needs["ev"] > needs["accessible"] > 0
    assert 0.1 < city.demands["holds"].is_not_null().mean() < 0.2  # type: ignore[operator]


def test_a_knob_moves_nothing_that_it_does_not_name() -> None:
    plain, ample = (make_city(City(demands=500, supply=supply)) for supply in (0.6, 1.1))
    assert plain.demands.equals(ample.demands)
    assert plain.homes.equals(ample.homes)


@pytest.mark.parametrize("regime", ["balanced", "ties", "mixed_bays"])
def test_a_city_written_as_a_folder_reads_back_as_the_same_instance(tmp_path: Path, regime: str) -> None:
    city = city_of(regime, demands=300, seed=2)
    write_city(city, tmp_path / "city")
    read = read_folder(tmp_path / "city")
    assert hash_of(compile_case(read).instance) == hash_of(compile_case(make_city(city)).instance)
    assert read.demands.select(pl.col("id")).equals(make_city(city).demands.select("id"))


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    command = [sys.executable, "-m", "loadtests.cities", str(tmp_path), "--demands", "10"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"demands": 0}, "demands is 0, expected 1 to 10,000,000"),
        ({"demands": 10, "supply": -0.1}, "supply is -0.1"),
        ({"demands": 10, "supply": float("nan")}, "supply is nan"),
        ({"demands": 10, "aspect": 0.5}, "aspect is 0.5"),
        ({"demands": 10, "seed": -1}, "seed is -1"),
        ({"demands": 10, "homes_per_km2": 0.0}, "homes_per_km2 is 0.0"),
        ({"demands": 10, "patterns": "six"}, "patterns is 'six', expected one of single, few, five, many"),
    ],
)
def test_a_city_that_cannot_be_is_refused_by_the_name_of_the_knob(knobs: dict[str, object], words: str) -> None:
    with pytest.raises(BadCity, match=words):
        City(**knobs)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("demands", [1, 2, 3, 17])
@pytest.mark.parametrize("regime", REGIMES)
def test_the_smallest_cities_can_be_made_and_compiled(regime: str, demands: int) -> None:
    assert compile_case(make_city(city_of(regime, demands=demands, seed=1))).instance.num_demands <= demands
