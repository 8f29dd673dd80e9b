"""Who lives at a place under load, and what each of them is to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from loadtests.crowd import Member, settle_gates, settle_owners, settle_residents
from loadtests.efforts import STEADY_SHARE, Effort
from loadtests.journey_plan import JourneyPlan, RushPlan
from loadtests.places import RUSH_RESIDENTS, LoadPlace

_OWNERS = _GATES = 200
_MOST_ARRIVALS = 200_000


@dataclass(frozen=True, slots=True)
class Settled:
    """
    Members of a place, each for one purpose: nobody is refused for what they did elsewhere.

    `rushers` want the rush garage, `bookers` the nearest free bay, `travellers` take journeys.
    """

    rushers: Sequence[Member]
    bookers: Sequence[Member]
    travellers: Sequence[Member]
    owners: Sequence[Member]
    gates: Sequence[Member]
    seed: int

    def rush_plan(self, place: LoadPlace, *, answers: Path) -> RushPlan:
        """Let the rushers want the rush garage tonight."""
        start, end = place.nights[0]
        return RushPlan(
            tokens=[member.token for member in self.rushers],
            facility=place.rush_facility,
            night=(start.isoformat(), end.isoformat()),
            run=f"rush-{place.neighbourhood_id}",
            answers=str(answers),
        )

    def journey_plan(self, place: LoadPlace, effort: Effort, *, rates: Sequence[float], answers: Path) -> JourneyPlan:
        """Let travellers, owners and gates come at rising rates."""
        return JourneyPlan(
            neighbourhood=place.slug,
            residents=_pairs(self.travellers),
            owners=_pairs(self.owners),
            gates=_pairs(self.gates),
            nights=[(start.isoformat(), end.isoformat()) for start, end in place.nights],
            steps=[(rate, effort.step_s) for rate in rates],
            steady_share=STEADY_SHARE,
            steady_s=effort.steady_s,
            most_arrivals=min(_MOST_ARRIVALS, len(self.travellers) * len(place.nights)),
            seed=self.seed,
            run=f"journey-{place.neighbourhood_id}",
            answers=str(answers),
        )


def settle(connection: Connection, place: LoadPlace, effort: Effort, *, bookers: int, seed: int) -> Settled:
    """Make everybody's accounts; `bookers` is how many wait to book the nearest free bay."""

    def residents(homes: Sequence[int], count: int, own_seed: int) -> list[Member]:
        return settle_residents(connection, homes, count=count, seed=own_seed)

    return Settled(
        rushers=residents(place.rush_homes, RUSH_RESIDENTS, seed),
        bookers=residents(place.homes, bookers, seed + 1),
        travellers=residents(place.homes, effort.travellers, seed + 2),
        owners=settle_owners(connection, place.facilities[:_OWNERS]),
        gates=settle_gates(connection, place.facilities[:_GATES]),
        seed=seed,
    )


def _pairs(members: Sequence[Member]) -> list[tuple[str, int]]:
    return [(member.token, member.place) for member in members]
