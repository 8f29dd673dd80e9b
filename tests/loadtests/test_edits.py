"""Edits of a neighbourhood: each changes what it names and leaves a neighbourhood that can be solved."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.neighbourhoods.exporting import write_folder
from api.neighbourhoods.model import Neighbourhood
from api.neighbourhoods.read import read_folder
from loadtests.cases import compile_case
from loadtests.certificates import hash_of
from loadtests.cities import REGIMES, city_of, make_city
from loadtests.edits import EDITS, GLOBAL, LOCAL
from loadtests.runs import same_level


@pytest.fixture(scope="module", params=["balanced", "mixed_bays", "ties"])
def city(request: pytest.FixtureRequest) -> Neighbourhood:
    return make_city(city_of(request.param, demands=1500, seed=1))


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_neighbourhood_is_another_instance_and_a_folder_without_faults(
    city: Neighbourhood, edit: str, tmp_path: Path
) -> None:
    edited = EDITS[edit](city)
    assert hash_of(compile_case(edited).instance) != hash_of(compile_case(city).instance)
    write_folder(edited, tmp_path)
    assert hash_of(compile_case(read_folder(tmp_path)).instance) == hash_of(compile_case(edited).instance)


@pytest.mark.parametrize("edit", LOCAL)
def test_a_local_edit_changes_one_facility_and_no_rule(city: Neighbourhood, edit: str) -> None:
    edited = LOCAL[edit](city)
    assert edited.policy == city.policy
    assert len(set(edited.facilities) ^ set(city.facilities)) in (1, 2)
    assert edited.demands.select("id").equals(city.demands.select("id"))


@pytest.mark.parametrize("edit", GLOBAL)
def test_a_global_edit_leaves_every_facility_as_it_is(city: Neighbourhood, edit: str) -> None:
    assert GLOBAL[edit](city).facilities == city.facilities


def test_demand_grows_by_a_tenth() -> None:
    city = make_city(city_of("balanced", demands=500, seed=1))
    assert EDITS["demand + 10 %"](city).demands.height == 550


@pytest.mark.parametrize("regime", REGIMES)
def test_every_edit_of_a_tiny_city_can_be_compiled(regime: str) -> None:
    city = make_city(city_of(regime, demands=30, seed=1))
    for edit in EDITS.values():
        compile_case(edit(city))


def test_times_are_compared_at_the_smallest_gap_that_both_reached() -> None:
    cold = [(1.0, 0.9), (4.0, 0.1), (9.0, 0.02)]
    warm = [(0.5, 0.3), (0.7, 0.05), (3.0, 0.05)]
    assert same_level(cold, warm) == (0.05, 9.0, 0.7)
    assert same_level(warm, cold) == (0.05, 0.7, 9.0)
    assert same_level([(2.0, 0.0)], [(1.0, 0.0)]) == (0.0, 2.0, 1.0)
