"""Three readings of the same rules, the compiler's, the checker's and one minute by minute, have to agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

from allocator.errors import PlanRejected
from api.calendars.clock import date_of
from api.errors import NoPlan
from api.neighbourhoods.model import Facility, Neighbourhood
from api.planning.allocate import allocate
from api.planning.compiling import Compiled, Why, compile_neighbourhood
from api.planning.verdicts import Verdicts
from api.planning.walking import walks_of
from tests.properties.by_the_minute import ByTheMinute, Place
from tests.properties.neighbourhoods import neighbourhoods

MANY = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # shrinking a whole neighbourhood takes minutes, not seconds
)
Told = dict[Place, tuple[int, str]]
Chosen = dict[Place, tuple[int, int, tuple[str, ...]]]


def without_decisions(neighbourhood: Neighbourhood) -> Neighbourhood:
    return replace(neighbourhood, decisions=neighbourhood.decisions.clear())


def compiled_options(compiled: Compiled, demand: int) -> tuple[Chosen, Told]:
    """What the compiler says of a demand: options with value and days left out, and why each place fails."""
    cls = int(compiled.class_of[demand])
    options, bays = compiled.options, compiled.bays
    chosen: Chosen = {}
    told: Told = {}
    for at in range(int(options.ptr[cls]), int(options.ptr[cls + 1])):
        place = bays.facility_id[options.bay_group[at]], bays.group_id[options.bay_group[at]]
        why = Why(int(options.why[at]))
        told[place] = int(options.walk_m[at]), "full" if why == Why.eligible else why.name
        if why == Why.eligible:
            pattern, flags = compiled.cover_days[options.cover[at]]
            days = tuple(date_of(day).isoformat() for day in compiled.patterns[pattern].days[flags])
            chosen[place] = int(options.walk_m[at]), int(options.value_m[at]), days
    return chosen, told


@MANY
@given(neighbourhoods())
def test_compiler_checker_and_minutes_find_the_same_options_values_and_days_left_out(drawn: Neighbourhood) -> None:
    neighbourhood = replace(drawn, decisions=drawn.decisions.filter(drawn.decisions["decision"] == "reject"))
    walks = walks_of(neighbourhood)
    compiled = compile_neighbourhood(neighbourhood, walks)
    checker = Verdicts(neighbourhood, walks)
    plain = ByTheMinute(neighbourhood)

    for number, name in enumerate(neighbourhood.demands["id"]):
        judged = plain.judgements(name)
        expected = {
            place: (verdict.walk_m, verdict.value_m, tuple(day.isoformat() for day in verdict.left_out))
            for place, verdict in judged.items()
            if verdict.why == "full"
        }
        told = {place: (verdict.walk_m, verdict.why) for place, verdict in judged.items()}
        checked = {
            place: (option.walk_m, option.value_m, tuple(day.isoformat() for day in option.left_out))
            for place, option in checker.options(checker.demands[name]).items()
        }
        assert compiled_options(compiled, number) == (expected, told)
        assert checked == expected
        assert checker.refusal(checker.demands[name])[1] == told


@MANY
@given(neighbourhoods())
def test_capacity_is_the_same_at_every_minute_in_all_three(drawn: Neighbourhood) -> None:
    neighbourhood = without_decisions(drawn)
    walks = walks_of(neighbourhood)
    compiled = compile_neighbourhood(neighbourhood, walks)
    checker = Verdicts(neighbourhood, walks)
    plain = ByTheMinute(neighbourhood)
    start = (plain.first - date_of(0)).days * 1440
    moments = start + np.arange(0, plain.num_days * 1440, 7)
    # Beyond the last stay nobody asks, and the readings may stop unrolling at different days.
    last = max([end for demand in plain.demands.values() for _, _, end in plain.stays(demand)], default=0)
    moments = moments[moments < start + last]

    for index, hours in enumerate(compiled.bays.hours):
        place = compiled.bays.facility_id[index], compiled.bays.group_id[index]
        step = np.searchsorted(hours.capacity.at, moments, side="right") - 1
        compiled_bays = [int(hours.capacity.bays[at]) if at >= 0 else 0 for at in step]
        group = checker.group_index(*place)
        checked_bays = [checker.hours(place[0]).capacity_at(group, moment) for moment in moments.tolist()]
        expected = plain.capacity[place][moments - start].tolist()
        assert compiled_bays == expected
        assert checked_bays == expected


@MANY
@given(neighbourhoods(max_demands=5))
def test_a_plan_passes_the_checker_and_the_minutes_and_is_as_good_as_trying_everything(drawn: Neighbourhood) -> None:
    plain = ByTheMinute(drawn)
    best = plain.best_value()
    try:
        allocation = allocate(drawn)
    except NoPlan:
        assert best is None
        return
    except PlanRejected as error:
        raise AssertionError(str(error)) from error
    assert best is not None
    plan = allocation.plan
    assert plan["value_m"] == best <= plan["bound_m"]
    load = {place: np.zeros_like(capacity) for place, capacity in plain.capacity.items()}
    value = 0
    for row in plan["assignments"]:
        verdict = plain.judgements(row["demand"])[row["facility"], row["bay_group"]]
        assert (verdict.why, verdict.walk_m) == ("full", row["walk_m"])
        assert [day.isoformat() for day in verdict.left_out] == row["days_left_out"]
        load[row["facility"], row["bay_group"]] += verdict.stands
        value += verdict.value_m
    assert value == best
    assert all((cars <= plain.capacity[place]).all() for place, cars in load.items())
    assert {row["demand"]: row["reason"] for row in plan["unserved"]} == {
        row["demand"]: plain.reason(row["demand"]) for row in plan["unserved"]
    }


@MANY
@given(neighbourhoods(max_demands=4))
def test_a_bay_value_is_never_below_what_one_more_bay_adds_and_an_exact_one_is_that(drawn: Neighbourhood) -> None:
    # Buffers and windows without bays aside: there one more bay also opens hours in which nobody could stand before.
    plain_facilities = tuple(
        replace(
            facility,
            buffer_bays=0,
            bay_groups=tuple(
                replace(group, windows=tuple(replace(window, bays=max(1, window.bays)) for window in group.windows))
                for group in facility.bay_groups
            ),
        )
        for facility in drawn.facilities
    )
    neighbourhood = replace(without_decisions(drawn), facilities=plain_facilities)
    plan = allocate(neighbourhood).plan
    if plan["value_m"] != plan["bound_m"]:  # prices that do not prove the plan may miss by as much as lies between
        return
    for row in plan["bay_values"]:
        more = ByTheMinute(replace(neighbourhood, facilities=one_more_bay(plain_facilities, row))).best_value()
        assert more is not None
        assert row["value_m"] >= more - plan["value_m"]
        assert row["exact_m"] in (None, more - plan["value_m"])


def one_more_bay(facilities: tuple[Facility, ...], row: dict[str, object]) -> tuple[Facility, ...]:
    return tuple(
        replace(
            facility,
            bay_groups=tuple(
                replace(
                    group,
                    windows=tuple(
                        replace(
                            window, bays=window.bays + ((facility.id, group.id) == (row["facility"], row["bay_group"]))
                        )
                        for window in group.windows
                    ),
                )
                for group in facility.bay_groups
            ),
        )
        for facility in facilities
    )
