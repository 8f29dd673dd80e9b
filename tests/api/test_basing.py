"""Whatever is edited, what is left of a base is found again: prices at their bay groups, households at their places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from allocator.base import Base
from api.calendars.clock import DAY_MIN, day_number
from api.errors import FolderFaults
from api.neighbourhoods.model import Neighbourhood
from api.planning.allocate import Allocation
from api.planning.base_plan import BasePlan
from api.planning.basing import base_of
from api.planning.compiling import Compiled, compile_neighbourhood
from api.planning.walking import walks_of
from tests.api.bases import solved_base
from tests.api.tiny import one_best_plan

Edit = Callable[[Neighbourhood], Neighbourhood]


@pytest.fixture(scope="module")
def solved() -> tuple[Allocation, BasePlan]:
    return solved_base(one_best_plan())


def mapped(neighbourhood: Neighbourhood, base: BasePlan) -> tuple[Compiled, Base]:
    compiled = compile_neighbourhood(neighbourhood, walks_of(neighbourhood))
    return compiled, base_of(compiled, base)


def standing(compiled: Compiled, base: Base) -> dict[tuple[str, str], int]:
    """How many of the base's households stand at each place."""
    bays = compiled.bays
    counts: dict[tuple[str, str], int] = {}
    for pair in np.flatnonzero(base.taken).tolist():
        index = int(compiled.instance.pair_bay_group[pair])
        place = bays.facility_id[index], bays.group_id[index]
        counts[place] = counts.get(place, 0) + int(base.taken[pair])
    return counts


def without_facility(name: str) -> Edit:
    def edit(neighbourhood: Neighbourhood) -> Neighbourhood:
        kept = tuple(facility for facility in neighbourhood.facilities if facility.id != name)
        holds = pl.when(pl.col("holds") == name).then(None).otherwise(pl.col("holds")).alias("holds")
        return replace(neighbourhood, facilities=kept, demands=neighbourhood.demands.with_columns(holds))

    return edit


def with_demands(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Edit:
    return lambda neighbourhood: replace(neighbourhood, demands=change(neighbourhood.demands))


def deciding(*rows: tuple[str, str | None, str]) -> Edit:
    return lambda neighbourhood: replace(
        neighbourhood,
        decisions=pl.DataFrame(list(rows), schema=neighbourhood.decisions.schema, orient="row"),
    )


def test_the_same_folder_finds_everybody_and_every_price_again(solved: tuple[Allocation, BasePlan]) -> None:
    done, base = solved
    compiled, told = mapped(one_best_plan(), base)
    assert int(told.taken @ compiled.instance.pair_value_m) == done.plan["value_m"]
    rows = {
        (compiled.bays.facility_id[group], compiled.bays.group_id[group], at, price)
        for group, at, price in zip(
            told.price_bay_group.tolist(), told.price_at.tolist(), told.price.tolist(), strict=True
        )
    }
    assert rows == set(base.prices.filter(pl.col("price") > 0).rows())
    assert told.scale == base.scale


def test_rows_in_another_order_find_the_same(solved: tuple[Allocation, BasePlan]) -> None:
    tiny = one_best_plan()
    compiled, told = mapped(replace(tiny, demands=tiny.demands.reverse(), facilities=tiny.facilities[::-1]), solved[1])
    assert standing(compiled, told) == standing(*mapped(tiny, solved[1]))


BASE_PLACES = {("park", "std"): 3, ("road", "std"): 1, ("tower", "std"): 4, ("tower", "ev"): 1}
MALL = {("mall", "acc"): 2, ("mall", "std"): 1}


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (without_facility("tower"), {("park", "std"): 3, ("road", "std"): 1, **MALL}),
        (with_demands(lambda rows: rows.filter(~pl.col("id").is_in(["d07", "d18"]))),
         {**BASE_PLACES, ("park", "std"): 2, ("tower", "std"): 3, **MALL}),
        (with_demands(lambda rows: pl.concat([rows, rows.with_columns(pl.col("id") + "-new")])),
         {**BASE_PLACES, **MALL}),
        # Everybody's limit is 100 m now: the park is 120 m from home h1, the tower 90 m from h2.
        (lambda folder: replace(folder, policy=replace(folder.policy, max_walk_m=100)),
         {("tower", "std"): 4, ("tower", "ev"): 1}),
        # Homes swap places: walks change, and all of them stay within reach.
        (with_demands(lambda rows: rows.with_columns(pl.col("home").replace({"h1": "h2", "h2": "h1"}))),
         {**BASE_PLACES, ("road", "std"): 1, **MALL}),
        (deciding(("d18", "tower", "lock"), ("d14", None, "reject")),
         {("park", "std"): 2, ("tower", "std"): 4, ("tower", "ev"): 1, **MALL}),
    ],
    ids=["closed", "withdrawn", "added", "limit", "moved", "decided"],
)  # fmt: skip
def test_what_is_left_of_a_base_is_kept_and_the_rest_dropped(
    solved: tuple[Allocation, BasePlan], edit: Edit, expected: dict[tuple[str, str], int]
) -> None:
    compiled, told = mapped(edit(one_best_plan()), solved[1])
    assert standing(compiled, told) == expected
    per_group = np.add.reduceat(told.taken, compiled.instance.pair_ptr[:-1])
    assert (per_group <= compiled.instance.group_count).all()
    names = {compiled.bays.facility_id[group] for group in told.price_bay_group.tolist()}
    assert names == set(solved[1].prices["facility"]) & {facility.id for facility in compiled.neighbourhood.facilities}


def test_prices_of_another_term_move_by_whole_weeks_into_it(solved: tuple[Allocation, BasePlan]) -> None:
    tiny, base = one_best_plan(), solved[1]
    for weeks in (-40, -1, 1, 40):
        shift = timedelta(weeks=weeks)
        moved = replace(tiny, term_from=tiny.term_from + shift, term_to=tiny.term_to + shift)
        compiled, told = mapped(moved, base)
        begin = day_number(moved.term_from) * DAY_MIN
        assert (told.price_at >= begin).all()
        assert (told.price_at < (compiled.bays.last_day + 1) * DAY_MIN).all()
        assert told.price.sum() == base.prices["price"].sum()
        assert set((told.price_at % (7 * DAY_MIN)).tolist()) == set(
            (base.prices.filter(pl.col("price") > 0)["at"] % (7 * DAY_MIN)).to_list()
        )
        keys = list(zip(told.price_bay_group.tolist(), told.price_at.tolist(), strict=True))
        assert keys == sorted(set(keys))


def test_a_term_of_a_day_keeps_only_what_falls_into_it(solved: tuple[Allocation, BasePlan]) -> None:
    tiny = one_best_plan()
    compiled, told = mapped(replace(tiny, term_to=tiny.term_from), solved[1])
    begin = day_number(tiny.term_from) * DAY_MIN
    assert (told.price_at >= begin).all()
    assert (told.price_at < (compiled.bays.last_day + 1) * DAY_MIN).all()


def test_a_base_of_another_folder_altogether_is_refused_by_both_names(solved: tuple[Allocation, BasePlan]) -> None:
    tiny = one_best_plan()
    strangers = tiny.demands.with_columns(pl.col("id") + "x", pl.lit(None, pl.String).alias("holds"))
    places = tuple(replace(facility, id=facility.id + "x") for facility in tiny.facilities)
    with pytest.raises(FolderFaults) as caught:
        mapped(replace(tiny, demands=strangers, facilities=places), solved[1])
    assert str(caught.value).splitlines() == [
        "plan.json:1: assignments: none of its demands is in demands.csv: a base of another folder?",
        "plan.json:1: bay_values: none of its bay groups is in facilities.geojson",
    ]
    # One of the two in common is enough: a new round asks at the same places.
    compiled, told = mapped(replace(tiny, demands=strangers), solved[1])
    assert not told.taken.any()
    assert told.price.any()
    assert compiled.instance.num_pairs == len(told.taken)


def test_a_base_for_a_folder_without_anything_is_nothing(solved: tuple[Allocation, BasePlan]) -> None:
    tiny = one_best_plan()
    _, told = mapped(replace(tiny, demands=tiny.demands.clear(), facilities=()), solved[1])
    assert (len(told.taken), len(told.price)) == (0, 0)
