"""What a plan says about its numbers, told again by trying everything, minute by minute."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from api.errors import NoPlan
from api.neighbourhoods.model import Neighbourhood
from api.planning.allocate import Allocation, allocate
from api.planning.base_plan import BasePlan
from api.planning.bay_gains import LOCKED, NO_BAY, exact_gains, with_bays
from api.planning.decision_costs import decision_costs
from api.planning.re_solving import Span
from api.planning.writing import option_text
from tests.api.bases import solved_base
from tests.properties.by_the_minute import ByTheMinute, Place
from tests.properties.crowds import crowded
from tests.properties.neighbourhoods import neighbourhoods

SOME = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # shrinking a whole neighbourhood takes minutes, not seconds
)


def solved(neighbourhood: Neighbourhood) -> tuple[Allocation, BasePlan] | None:
    """Allocate, and read the plan back as a base; None when locks leave no plan."""
    try:
        return solved_base(neighbourhood)
    except NoPlan:
        return None


def with_bays_at(neighbourhood: Neighbourhood, place: Place, change: int) -> Neighbourhood:
    return replace(
        neighbourhood,
        facilities=tuple(
            with_bays(facility, [group.id for group in facility.bay_groups].index(place[1]), change=change)
            if facility.id == place[0]
            else facility
            for facility in neighbourhood.facilities
        ),
    )


def holds(span: Span, number: int) -> bool:
    return span.low_m <= number <= span.high_m


@SOME
@given(crowded(max_demands=4))
def test_gain_of_one_bay_more_and_loss_of_one_fewer_are_what_trying_everything_finds(drawn: Neighbourhood) -> None:
    found = solved(drawn)
    if found is None:
        return
    done, base = found
    best = ByTheMinute(drawn).best_value()
    assert best is not None
    prices = {(row["facility"], row["bay_group"]): row["value_m"] for row in done.plan["bay_values"]}
    gains = exact_gains(done.neighbourhood, walks=done.walks, base=base, plan=done.plan, places=prices)
    assert [gain.place for gain in gains] == list(prices)
    for gain in gains:
        more = ByTheMinute(with_bays_at(drawn, gain.place, 1)).best_value()
        fewer = ByTheMinute(with_bays_at(drawn, gain.place, -1)).best_value()
        assert more is not None
        assert holds(gain.one_more, more - best)
        if gain.one_fewer is not None:
            assert fewer is not None
            assert holds(gain.one_fewer, best - fewer)
        elif gain.why == LOCKED:
            assert fewer is None
        else:
            assert gain.why == NO_BAY
            facility = next(facility for facility in drawn.facilities if facility.id == gain.place[0])
            assert with_bays_at(drawn, gain.place, -1).facilities == drawn.facilities, facility


@SOME
@given(crowded(max_demands=5))
def test_decisions_cost_what_trying_everything_without_them_finds(drawn: Neighbourhood) -> None:
    found = solved(drawn)
    if found is None:
        return
    done, base = found
    costs = decision_costs(done.neighbourhood, walks=done.walks, base=base, plan=done.plan, each=True)
    free = ByTheMinute(replace(drawn, decisions=drawn.decisions.clear())).best_value()
    assert free is not None
    assert costs["all"]["low_m"] <= free - done.plan["value_m"] <= costs["all"]["high_m"]
    assert len(costs["each"]) == len(drawn.decisions)
    for number, cost in enumerate(costs["each"]):
        left = drawn.decisions[:number].extend(drawn.decisions[number + 1 :])
        best = ByTheMinute(replace(drawn, decisions=left)).best_value()
        assert best is not None
        assert cost["low_m"] <= best - done.plan["value_m"] <= cost["high_m"]


def paid_at(plain: ByTheMinute, certificate: dict[str, Any], name: str, place: Place) -> int:
    """Sum of the prices at the minutes during which a demand would stand at a place."""
    stands = plain.judgements(name)[place].stands
    midnight = datetime.combine(plain.first, datetime.min.time())
    total = 0
    for row in certificate["prices"]:
        minute = int((datetime.fromisoformat(row["at"]) - midnight).total_seconds() // 60)
        if (row["facility"], row["bay_group"]) == place and 0 <= minute < len(stands) and stands[minute]:
            total += int(row["price"])
    return total


@SOME
@given(crowded(max_demands=6) | neighbourhoods(max_demands=6))
def test_a_refusal_falls_short_by_the_prices_less_the_value_and_says_tied_only_at_zero(drawn: Neighbourhood) -> None:
    try:
        done = allocate(drawn)
    except NoPlan:
        return
    plain, scale = ByTheMinute(drawn), done.certificate["scale"]
    for row in done.plan["unserved"]:
        judged = plain.judgements(row["demand"])
        for option in row["options"]:
            place = option["facility"], option["bay_group"]
            assert option["why"] == judged[place].why
            if option["why"] != "full":
                assert "short_m" not in option
                continue
            missing = paid_at(plain, done.certificate, row["demand"], place) - scale * judged[place].value_m
            assert option["short_m"] == max(0, -(-missing // scale))
            tied = "tied, lost in the draw or within the gap of the plan" in option_text(option)
            assert tied == (missing <= 0)
            assert tied or f"{option['short_m']} m of value short" in option_text(option)
