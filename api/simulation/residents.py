"""What residents do in a season: answer offers, go away, give up, lose patience, book for a night."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import numpy as np
from sqlalchemy import text

from api.errors import ApiError
from api.offers.service import accept_offer, decline_offer
from api.permits.service import AbsenceImpossible, give_back_nights, give_up
from api.simulation.people import Person
from api.simulation.season import Season
from api.waitlist.errors import EntryNotWaiting
from api.waitlist.service import leave_waitlist

_AWAY_A_DAY = 0.011
"""Chance a day that a household plans some nights away."""


@dataclass(slots=True)
class Residents:
    """The people, and how strongly each facility's holders drift away; it changes slowly over the season."""

    people: Mapping[int, Person]
    rng: np.random.Generator
    pulls: dict[int, float] = field(default_factory=dict)
    answering: set[int] = field(default_factory=set)

    def pull_of(self, facility_id: int) -> float:
        """How much more or less than elsewhere a facility's permits are given up."""
        if facility_id not in self.pulls:
            self.pulls[facility_id] = float(self.rng.lognormal(0, 0.4))
        return self.pulls[facility_id]

    def look_at_offers(self, season: Season) -> None:
        """Let every household that has a new offer think about it."""
        with season.engine.begin() as connection:
            waiting = connection.execute(
                text("SELECT id, household_id FROM offers WHERE state = 'pending' ORDER BY id")
            ).all()
        for offer in waiting:
            person = self.people.get(offer.household_id)
            if person is None or offer.id in self.answering:
                continue
            self.answering.add(offer.id)
            chance = self.rng.random()
            if chance < person.ignores:
                continue
            accepts = chance < person.ignores + person.accepts
            after = timedelta(hours=float(self.rng.exponential(person.thinks_h)))
            act = partial(_answer, offer_id=offer.id, household_id=offer.household_id, accepts=accepts)
            season.at(season.now + after, act)

    def live_a_day(self, season: Season) -> None:
        """Let permits be given up and nights given back, and people leave the list, each by its own chance."""
        with season.engine.begin() as connection:
            permits = connection.execute(
                text(
                    "SELECT p.id, p.household_id, g.facility_id, upper(p.term) - 1 AS last FROM permits p"
                    " JOIN bay_groups g ON g.id = p.bay_group_id"
                    " WHERE p.state = 'active' AND p.term @> CAST(:today AS date) ORDER BY p.id"
                ),
                {"today": season.now.astimezone(season.zone).date()},
            ).all()
            entries = connection.execute(
                text("SELECT id, household_id FROM waitlist_entries WHERE state = 'waiting' ORDER BY id")
            ).all()
        for permit in permits:
            person = self.people[permit.household_id]
            if self.rng.random() < person.gives_up * self.pull_of(permit.facility_id):
                self._give_up(season, permit.id, permit.household_id)
            elif self.rng.random() < _AWAY_A_DAY:
                self._go_away(season, permit.id, permit.household_id)
        for entry in entries:
            if self.rng.random() < self.people[entry.household_id].loses_patience:
                _leave_the_list(season, entry.id, entry.household_id)

    def _give_up(self, season: Season, permit_id: int, household_id: int) -> None:
        with season.acting(season.as_household(household_id)) as connection:
            give_up(connection, permit_id, household_id=household_id, now=season.now)
        season.tally["permits_given_up"] += 1

    def _go_away(self, season: Season, permit_id: int, household_id: int) -> None:
        first = season.now.astimezone(season.zone).date() + timedelta(days=int(self.rng.integers(1, 10)))
        last = first + timedelta(days=int(self.rng.integers(2, 14)))
        try:
            with season.acting(season.as_household(household_id)) as connection:
                give_back_nights(
                    connection, permit_id, household_id=household_id, first=first, last=last, now=season.now
                )
        except AbsenceImpossible:
            return
        season.tally["nights_given_back"] += (last - first).days + 1


def _leave_the_list(season: Season, entry_id: int, household_id: int) -> None:
    try:
        with season.acting(season.as_household(household_id)) as connection:
            leave_waitlist(connection, entry_id, household_id=household_id, now=season.now)
    except EntryNotWaiting:  # a bay came free for it this afternoon
        return
    season.tally["left_the_list"] += 1


def _answer(season: Season, *, offer_id: int, household_id: int, accepts: bool) -> None:
    answer = accept_offer if accepts else decline_offer
    try:
        with season.acting(season.as_household(household_id)) as connection:
            answer(connection, offer_id, household_id=household_id, account_id=household_id, now=season.now)
    except ApiError:
        season.tally["answers_too_late"] += 1
        return
    season.tally["offers_accepted" if accepts else "offers_declined"] += 1
