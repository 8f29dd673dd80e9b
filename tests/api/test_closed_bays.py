"""Bay values of groups whose windows have no bays left: what one more bay would add, not nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from api.neighbourhoods.model import BayGroup, Neighbourhood, Window
from api.neighbourhoods.read import read_folder
from api.planning.allocate import allocate
from loadtests.cities import City, make_city

TINY = Path(__file__).parents[1] / "data" / "tiny"
Value = dict[str, int | None]


def _with_spare_group(*, bays: int, buffer_bays: int = 0) -> Neighbourhood:
    """Tiny with a group of standard bays at the mall, every night, whatever else the mall has taken away."""
    tiny = read_folder(TINY)
    spare = BayGroup("spare", ("standard",), (Window("daily", 18 * 60, 32 * 60, bays),))
    facilities = tuple(
        replace(facility, bay_groups=(spare,), buffer_bays=buffer_bays) if facility.id == "mall" else facility
        for facility in tiny.facilities
    )
    return replace(tiny, facilities=facilities)


def _spare_value(neighbourhood: Neighbourhood) -> tuple[int, Value]:
    plan = allocate(neighbourhood).plan
    [value] = [row for row in plan["bay_values"] if row["bay_group"] == "spare"]
    assert plan["status"] == "optimal"
    return plan["value_m"], {"value_m": value["value_m"], "exact_m": value["exact_m"]}


@pytest.mark.parametrize("bays", [0, 1, 2])
def test_a_bay_value_is_never_below_what_one_more_bay_adds(bays: int) -> None:
    # d10 (2.1 m high) has nowhere else to go: the first spare bay adds its 5000 - 200 m.
    before, value = _spare_value(_with_spare_group(bays=bays))
    after, _ = _spare_value(_with_spare_group(bays=bays + 1))
    assert value["value_m"] is not None
    assert value["value_m"] >= after - before


def test_bays_that_the_buffer_takes_all_have_a_value_and_no_exact_one() -> None:
    before, value = _spare_value(_with_spare_group(bays=2, buffer_bays=2))
    after, _ = _spare_value(_with_spare_group(bays=3, buffer_bays=2))
    assert after > before
    assert value["exact_m"] is None
    assert value["value_m"] is not None
    assert value["value_m"] >= after - before


def test_the_bound_does_not_move_for_bays_that_are_not_there() -> None:
    closed = allocate(_with_spare_group(bays=0))
    assert any(row["bay_group"] == "spare" and row["price"] > 0 for row in closed.certificate["prices"])
    assert closed.plan["bound_m"] == closed.plan["value_m"]


def test_a_buffer_that_leaves_bays_in_every_window_keeps_the_exact_value() -> None:
    # One pattern for all, so prices are exact; the buffer takes one bay of three and closes no hour.
    city = make_city(City(demands=60, patterns="single", facilities_per_km2=100))
    roomy = next(f for f in city.facilities if f.bay_groups[0].windows[0].bays > 3)
    buffered = tuple(replace(f, buffer_bays=1) if f.id == roomy.id else f for f in city.facilities)
    plan = allocate(replace(city, facilities=buffered)).plan
    [value] = [row for row in plan["bay_values"] if row["facility"] == roomy.id]
    assert value["exact_m"] == value["value_m"]
