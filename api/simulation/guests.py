"""Households that book for one night in a season: bays that nobody has tonight, and nights given back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from hashlib import sha256

from sqlalchemy import text

from api.accounts.dependencies import Shown
from api.accounts.secrets import Secret, hash_secret
from api.bookings.queries import Booking, Request
from api.bookings.rules import RULES
from api.bookings.service import Wish, booking_statement, outcome_of
from api.simulation.people import Person
from api.simulation.season import Season

_WITHOUT_BAY = text(
    """
    SELECT h.id FROM households h
    WHERE NOT EXISTS (
        SELECT FROM stays s WHERE s.household_id = h.id AND s.state IN ('held', 'confirmed')
          AND s.during && tstzrange(:start, :end)
    ) AND NOT EXISTS (SELECT FROM permits p WHERE p.household_id = h.id AND p.state IN ('offered', 'active'))
      AND NOT EXISTS (SELECT FROM plates_off_list o WHERE o.household_id = h.id AND o.ends_at > :start)
    ORDER BY h.id
    """
)
_GUESTS_A_NIGHT = 9


def book_tonight(season: Season, people: Mapping[int, Person]) -> None:
    """Let some households without a bay ask for the nearest one tonight, as the route does."""
    today = season.now.astimezone(season.zone).date()
    start = datetime.combine(today, time(20), tzinfo=season.zone)
    end = start + timedelta(hours=10, minutes=30)
    with season.engine.begin() as connection:
        looking = list(connection.scalars(_WITHOUT_BAY, {"start": start, "end": end}))
    number = min(len(looking), int(season.rng.poisson(_GUESTS_A_NIGHT)))
    for household_id in season.rng.choice(looking, size=number, replace=False) if number else ():
        _book(season, people[int(household_id)], start=start, end=end)


def _book(season: Season, person: Person, *, start: datetime, end: datetime) -> None:
    wish = Wish(facility=None, bay=None, start=start, end=end, vehicle=None, confirm=True)
    shown = Shown(Secret("bearer_token", hash_secret(person.token)), None)
    key = f"{person.household_id} {start.isoformat()}"
    request = Request(shown, "POST /v1/bookings", key, sha256(repr(wish).encode()).digest())
    statement = booking_statement(request, wish, zone=season.zone, rules=RULES, now=season.now)
    with season.engine.begin() as connection:
        outcome = outcome_of(*connection.exec_driver_sql(statement.sql, statement.values).one())
    season.tally["booked_for_a_night" if isinstance(outcome, Booking) else "found_no_bay"] += 1
