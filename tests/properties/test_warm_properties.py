"""Solved again from a base after any edit, a plan is as good as trying everything finds, and passes its checker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import polars as pl
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from allocator.base import Base
from allocator.instance import Instance
from allocator.presolve import presolve
from allocator.solve import solve
from api.errors import NoPlan
from api.neighbourhoods.model import Neighbourhood
from api.planning.allocate import allocate
from api.planning.bay_gains import with_bays
from tests.allocator.brute_force import best_value
from tests.allocator.building import replaced, with_one_more_bay
from tests.api.bases import solved_base
from tests.properties.by_the_minute import ByTheMinute
from tests.properties.crowds import crowded
from tests.properties.instances import crowded_instances

SOME = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # shrinking a whole neighbourhood takes minutes, not seconds
)
Edit = Callable[[Neighbourhood], Neighbourhood]


def bays_changed_by(change: int) -> Edit:
    def edit(folder: Neighbourhood) -> Neighbourhood:
        first, *others = folder.facilities
        return replace(folder, facilities=(with_bays(first, 0, change=change), *others))

    return edit


def first_facility_closed(folder: Neighbourhood) -> Neighbourhood:
    gone = folder.facilities[0].id
    holds = pl.when(pl.col("holds") == gone).then(None).otherwise(pl.col("holds")).alias("holds")
    return replace(
        folder,
        facilities=folder.facilities[1:],
        demands=folder.demands.with_columns(holds),
        decisions=folder.decisions.filter(pl.col("facility").is_null() | (pl.col("facility") != gone)),
    )


def first_demand_withdrawn(folder: Neighbourhood) -> Neighbourhood:
    gone = folder.demands["id"][0]
    decisions = folder.decisions.filter(pl.col("demand") != gone)
    return replace(folder, demands=folder.demands[1:], decisions=decisions)


def everybody_asks_again_under_a_new_name(folder: Neighbourhood) -> Neighbourhood:
    again = folder.demands[:2].with_columns(pl.col("id") + "-again")
    return replace(folder, demands=pl.concat([folder.demands, again]))


def homes_swapped(folder: Neighbourhood) -> Neighbourhood:
    homes = folder.homes["id"].to_list()
    swapped = pl.col("home").replace(dict(zip(homes, reversed(homes), strict=True)))
    return replace(folder, demands=folder.demands.with_columns(swapped))


def decisions_lifted(folder: Neighbourhood) -> Neighbourhood:
    return replace(folder, decisions=folder.decisions.clear())


def a_week_later(folder: Neighbourhood) -> Neighbourhood:
    week = timedelta(days=7)
    return replace(folder, term_from=folder.term_from + week, term_to=folder.term_to + week)


def other_weights(folder: Neighbourhood) -> Neighbourhood:
    return replace(folder, policy=replace(folder.policy, tier_value_m=(300, 600, 900), max_walk_m=240))


EDITS: list[Edit] = [
    lambda folder: folder,
    bays_changed_by(1),
    bays_changed_by(-1),
    first_facility_closed,
    first_demand_withdrawn,
    everybody_asks_again_under_a_new_name,
    homes_swapped,
    decisions_lifted,
    a_week_later,
    other_weights,
]


@SOME
@given(crowded(max_demands=4), st.sampled_from(EDITS))
def test_a_warm_plan_is_as_good_as_trying_everything_finds(drawn: Neighbourhood, edit: Edit) -> None:
    try:
        _, base = solved_base(drawn)
    except NoPlan:
        return
    edited = edit(drawn)
    best = ByTheMinute(edited).best_value()
    try:
        plan = allocate(edited, base=base).plan
    except NoPlan:
        assert best is None
        return
    assert plan["value_m"] == best <= plan["bound_m"]
    note = plan["base"]
    assert note["changed"] == note["moved"] + note["newly_served"] + note["no_longer_served"]
    if edited is drawn:
        assert note["changed"] == 0


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(crowded_instances(most_demands=6), st.integers(0, 2))
def test_of_all_best_plans_the_warm_one_changes_fewest_households(instance: Instance, more: int) -> None:
    assume(more < instance.num_bay_groups)
    assume(presolve(instance).group_count.max(initial=0) == 1)  # who is who within a group is for the draw
    before = solve(with_one_more_bay(instance, more))
    base = Base(before.price_bay_group, before.price_at, before.price, before.scale, before.taken)
    warm = solve(instance, base=base)
    # A stayer is worth a thousandth of a metre: too little to give up a metre of value for.
    weighted = replaced(instance, pair_value_m=1000 * instance.pair_value_m + before.taken)
    most = best_value(weighted)
    assert most is not None
    assert (warm.value_m, int(warm.taken @ before.taken)) == divmod(most, 1000)
