"""What one bay more adds and one fewer costs, on cases that a sheet of paper solves."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from api.errors import FolderFaults
from api.neighbourhoods.model import BayGroup, Facility, Neighbourhood, Window
from api.neighbourhoods.read import read_folder
from api.planning.bay_gains import LOCKED, NO_BAY, BayGain, Place, chosen_places, exact_gains, with_bays
from api.planning.re_solving import Span
from tests.api.bases import solved_base
from tests.api.tiny import TINY


def park_alone(*bays: int, demands: tuple[str, ...], buffer: int = 0) -> Neighbourhood:
    """The park of tiny, 120 m from home h1 and 340 m from h2, with one group of standard bays for each number."""
    tiny = read_folder(TINY)
    park = next(facility for facility in tiny.facilities if facility.id == "park")
    groups = tuple(
        BayGroup(f"g{number}", ("standard",), (Window("daily", 1080, 1920, count),))
        for number, count in enumerate(bays)
    )
    return replace(
        tiny,
        facilities=(replace(park, bay_groups=groups, buffer_bays=buffer),),
        demands=tiny.demands.filter(pl.col("id").is_in(demands)),
    )


def gains_of(neighbourhood: Neighbourhood) -> dict[Place, BayGain]:
    done, base = solved_base(neighbourhood)
    places = chosen_places(done.plan, facility=None, bay_group=None)
    gains = exact_gains(done.neighbourhood, walks=done.walks, base=base, plan=done.plan, places=places)
    return {gain.place: gain for gain in gains}


def test_a_scarce_bay_adds_the_next_demand_and_costs_the_last_one_served() -> None:
    # d05 (tier 2) is worth 10,000 − 120, d01 5,000 − 120, d11 on Mondays and Tuesdays 5,000 − 340: one bay, d05 has it.
    (gain,) = gains_of(park_alone(1, demands=("d01", "d05", "d11"))).values()
    assert (gain.one_more, gain.one_fewer) == (Span(4880, 4880), Span(9880, 9880))
    assert gain.price_m >= 4880


def test_at_a_degenerate_optimum_one_more_is_worth_nothing_and_one_fewer_a_lot() -> None:
    (gain,) = gains_of(park_alone(2, demands=("d01", "d05"))).values()
    assert (gain.one_more, gain.one_fewer) == (Span(0, 0), Span(4880, 4880))


def test_a_bay_to_spare_is_worth_nothing_either_way() -> None:
    (gain,) = gains_of(park_alone(3, demands=("d01", "d05"))).values()
    assert (gain.one_more, gain.one_fewer) == (Span(0, 0), Span(0, 0))


def test_the_buffer_is_taken_from_the_groups_in_order_also_of_the_bay_that_is_added() -> None:
    # A buffer of two takes the bay of g0 and one of g1's two. A bay more in g0 goes to the buffer and frees one in g1.
    gains = gains_of(park_alone(1, 2, demands=("d01", "d05"), buffer=2))
    assert [gain.one_more for gain in gains.values()] == [Span(4880, 4880)] * 2
    assert [gain.one_fewer for gain in gains.values()] == [Span(9880, 9880)] * 2


def test_a_group_without_bays_has_none_to_lose_and_opens_with_one_more() -> None:
    (gain,) = gains_of(park_alone(0, demands=("d01", "d05"))).values()
    assert (gain.one_more, gain.one_fewer, gain.why) == (Span(9880, 9880), None, NO_BAY)


def test_a_bay_that_a_lock_needs_cannot_be_taken_away() -> None:
    folder = park_alone(1, demands=("d01", "d05"))
    locks = pl.DataFrame([("d01", "park", "lock")], schema=folder.decisions.schema, orient="row")
    (gain,) = gains_of(replace(folder, decisions=locks)).values()
    assert (gain.one_fewer, gain.why) == (None, LOCKED)
    assert gain.one_more.low_m <= 9880 <= gain.one_more.high_m


def test_a_price_bounds_the_gain_whatever_the_second_solve_proves() -> None:
    for gain in gains_of(read_folder(TINY)).values():
        assert 0 <= gain.one_more.low_m <= gain.one_more.high_m <= gain.price_m


def test_one_facility_or_one_kind_of_group_can_be_asked_for() -> None:
    plan = {
        "bay_values": [{"facility": f, "bay_group": g, "value_m": 1} for f, g in (("a", "x"), ("a", "y"), ("b", "x"))]
    }
    assert set(chosen_places(plan, facility="a", bay_group=None)) == {("a", "x"), ("a", "y")}
    assert set(chosen_places(plan, facility=None, bay_group="x")) == {("a", "x"), ("b", "x")}
    with pytest.raises(FolderFaults, match=r"facilities.geojson:1: bay_groups: no bay group is b \(y\)"):
        chosen_places(plan, facility="b", bay_group="y")
    assert chosen_places({"bay_values": []}, facility=None, bay_group=None) == {}


def test_a_facility_keeps_everything_but_its_bays() -> None:
    tower: Facility = next(facility for facility in read_folder(TINY).facilities if facility.id == "tower")
    fewer = with_bays(tower, 1, change=-5)
    assert [window.bays for window in fewer.bay_groups[1].windows] == [0]
    assert fewer.bay_groups[0] == tower.bay_groups[0]
    assert with_bays(with_bays(tower, 0, change=2), 0, change=-2) == tower
