"""What planners do in a season: rounds drafted, opened, drawn, allocated, published, one for every term."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from functools import partial

from sqlalchemy import text

from api.rounds import application_queries, applications, service
from api.rounds.allocating import allocate_round, ask_for_allocation
from api.rounds.allocation_queries import find_newest_plan
from api.rounds.applications import Applicant, Wish
from api.rounds.draw import SECRET_BYTES
from api.rounds.errors import ApplicationExists, NotEligible
from api.rounds.jobs import close_rounds
from api.rounds.publishing import publish_plan
from api.rounds.queries import get_round
from api.simulation.people import Person, shuffled
from api.simulation.season import Season
from api.waitlist.jobs import refresh_dates

PREPARATION = timedelta(days=24)
"""From the announcement of a round to the first evening of its term."""
_OPEN_DAYS, _DRAWN_AFTER_H, _PUBLISHED_DAYS = 9, 20, 13
_APPLY_AGAIN = {"holds": 0.92, "waits": 0.93, "new": 0.6}
"""Chance to apply for the next term, by what a household has of this one."""


def prepare_round(season: Season, people: Mapping[int, Person], *, first: date, last: date) -> None:
    """Put everything on the agenda that leads to a published round whose term is [first, last]."""
    announced = _moment(season, first, hour=10) - PREPARATION
    season.at(announced, lambda season: _announce(season, people, first=first, last=last))


def _announce(season: Season, people: Mapping[int, Person], *, first: date, last: date) -> None:
    closes = season.now + timedelta(days=_OPEN_DAYS)
    publishes = season.now + timedelta(days=_PUBLISHED_DAYS)
    draft = service.RoundDraft(
        name=f"{first:%Y-%m} to {last:%Y-%m}",
        opens_at=season.now,
        closes_at=closes,
        publishes_at=publishes,
        first=first,
        last=last,
        number_source="a number drawn in public on the day after closing",
        provisional_acknowledged=True,
    )
    with season.acting(season.planner) as connection:
        made = service.create_round(
            connection, season.neighbourhood, draft, account_id=season.planner.account_id, now=season.now
        )
        service.open_round(connection, season.keys, made.id, now=season.now, secret=season.rng.bytes(SECRET_BYTES))
    round_id = int(made.id)
    for person in _applicants(season, people.values()):
        moment = season.now + season.rng.uniform(0, 1) ** 0.7 * (closes - season.now)
        season.at(moment, partial(_apply, round_id=round_id, person=person))
    season.at(closes, _close)
    season.at(closes + timedelta(hours=_DRAWN_AFTER_H), lambda season: _draw(season, round_id))
    season.at(publishes, lambda season: _publish(season, round_id))


def _applicants(season: Season, people: Iterable[Person]) -> list[Person]:
    """Choose who applies: those who hold a permit or wait nearly all again, others as they come."""
    with season.engine.begin() as connection:
        holds = set(connection.scalars(text("SELECT household_id FROM permits WHERE state = 'active'")))
        waits = set(connection.scalars(text("SELECT household_id FROM waitlist_entries WHERE state = 'waiting'")))
        first_round = not connection.scalar(text("SELECT count(*) FROM rounds WHERE published_at IS NOT NULL"))

    def chance(person: Person) -> float:
        if first_round:
            return 0.9
        if person.household_id in holds:
            return _APPLY_AGAIN["holds"]
        return _APPLY_AGAIN["waits" if person.household_id in waits else "new"]

    return [one for one in shuffled(people, rng=season.rng) if season.rng.random() < chance(one)]


def _apply(season: Season, *, round_id: int, person: Person) -> None:
    wish = person.wish
    asked = Wish(
        days=wish.days,
        arrive_min=wish.arrive_min,
        leave_min=wish.leave_min,
        stay_through=wish.stay_through,
        max_walk_m=None if wish.max_walk_m is None else int(wish.max_walk_m),
        claimed_tier=wish.tier,
        no_bay_of_its_own=True,
    )
    applicant = Applicant(person.household_id, person.household_id)
    try:
        with season.acting(season.as_household(person.household_id)) as connection:
            made = applications.apply(connection, round_id, asked, applicant=applicant, now=season.now)
    except (ApplicationExists, NotEligible):
        season.tally["applications_refused"] += 1
        return
    season.tally["applications"] += 1
    if wish.tier < 3:
        season.at(season.now + timedelta(hours=30), lambda season: _see_document(season, made.id, wish.tier))


def _see_document(season: Season, application_id: int, tier: int) -> None:
    kind = "disability_card" if tier == 1 else "birth_certificate"
    with season.acting(season.planner) as connection:
        there = application_queries.get_application(connection, application_id)
        if there.round_state == "open" and season.now < there.closes_at:
            applications.note_document(
                connection,
                application_id,
                kind=kind,
                version=there.version,
                account_id=season.planner.account_id or 0,
                now=season.now,
            )


def _close(season: Season) -> None:
    season.tally["rounds_closed"] += close_rounds(season.engine, now=season.now)["rounds"]


def _draw(season: Season, round_id: int) -> None:
    number = str(int(season.rng.integers(10**9)))
    with season.acting(season.planner) as connection:
        service.enter_number(connection, season.keys, round_id, number=number, now=season.now)
        run = ask_for_allocation(connection, round_id, asked_by=season.planner.account_id)
    allocate_round(season.engine, int(run.id), now=season.now)


def _publish(season: Season, round_id: int) -> None:
    with season.acting(season.planner) as connection:
        secret = service.secret_of(season.keys, get_round(connection, round_id)) or b""
        plan_id = find_newest_plan(connection, round_id) or 0
        publish_plan(connection, round_id, plan_id, secret=secret, now=season.now)
    season.tally["rounds_published"] += 1
    refresh_dates(season.engine, now=season.now)


def _moment(season: Season, day: date, *, hour: int) -> datetime:
    return datetime.combine(day, time(hour), tzinfo=season.zone)
