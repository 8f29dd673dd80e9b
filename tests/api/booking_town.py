"""A small town made row by row, open for booking from an hour ago on: every number in it is known to the test."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from api.accounts.dependencies import Shown
from api.accounts.secrets import Secret, hash_secret, new_secret
from api.bookings.queries import Request, cancelling_statement, confirming_statement, zone_statement
from api.bookings.rules import RULES, BookingRules
from api.bookings.service import Outcome, Wish, booking_statement, outcome_of
from api.db.statement import Statement

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Household:
    """A household, its account and its car, and the token it shows."""

    id: int
    account: int
    vehicle: int
    shown: Shown


@dataclass(frozen=True, slots=True)
class Town:
    """
    Two facilities: `near`, 100 m from home, with `bays` ordinary bays, and `far`, 400 m away, with as many.

    Both are open from `start` to `end`; a stay may begin and end at any moment of it.
    """

    neighbourhood: int
    home: int
    near: int
    far: int
    near_group: int
    far_group: int
    start: datetime
    end: datetime


def make_town(connection: Connection, *, bays: int = 2, far_bays: int | None = None) -> Town:
    """Make the town, ready for households."""
    start = datetime.now(UTC).replace(second=0, microsecond=0) - HOUR
    end = start + timedelta(days=14)
    neighbourhood = _one(
        connection,
        """INSERT INTO neighbourhoods (slug, name, timezone, country, crs, seed, term_from, term_to, policy, has_walks,
               input_sha256, warnings)
           VALUES ('town', 'Town', 'Asia/Shanghai', 'CN', 'EPSG:4326', 1, '2026-01-01', '2026-12-31',
               '{"max_walk_m": 500}', true, '{}', '[]') RETURNING id""",
    )
    home = _one(
        connection,
        """INSERT INTO homes (neighbourhood_id, code, position, geometry)
           VALUES (:n, 'h', 0, 'SRID=4326;POINT(121.5 31.2)') RETURNING id""",
        n=neighbourhood,
    )
    places = [
        _facility(connection, neighbourhood, name, walk_m=walk, home=home, bays=number, start=start, end=end)
        for name, walk, number in (("near", 100, bays), ("far", 400, bays if far_bays is None else far_bays))
    ]
    return Town(neighbourhood, home, places[0][0], places[1][0], places[0][1], places[1][1], start, end)


def make_household(connection: Connection, town: Town, *, needs: str = "", height_m: float | None = None) -> Household:
    """Make a household at the town's home, with an account and a car."""
    household = _one(connection, "INSERT INTO households (home_id) VALUES (:home) RETURNING id", home=town.home)
    account = _one(
        connection,
        "INSERT INTO accounts (issuer, subject) VALUES ('test', 'resident ' || :household) RETURNING id",
        household=household,
    )
    connection.execute(
        text("INSERT INTO household_members (account_id, household_id) VALUES (:account, :household)"),
        {"account": account, "household": household},
    )
    vehicle = _one(
        connection,
        """INSERT INTO vehicles (household_id, plate_hash, plate_sealed, needs, height_m)
           VALUES (:household, decode(md5(CAST(:household AS text)), 'hex'), '', :needs, :height_m) RETURNING id""",
        household=household,
        needs=needs,
        height_m=height_m,
    )
    token = new_secret("bearer_token")
    connection.execute(
        text(
            "INSERT INTO bearer_tokens (account_id, secret_hash, label, expires_at) "
            "VALUES (:account, :hash, 'test', now() + interval '1 day')"
        ),
        {"account": account, "hash": hash_secret(token)},
    )
    return Household(household, account, vehicle, Shown(Secret("bearer_token", hash_secret(token)), None))


def book(
    connection: Connection, who: Household, wish: Wish, rules: BookingRules = RULES, *, key: str | None = None
) -> Outcome:
    """Ask for a bay as the route does; the connection is the test's own again afterwards."""
    request = Request(who.shown, "POST /v1/bookings", key or str(uuid4()), sha256(repr(wish).encode()).digest())
    (zone,) = _answered(connection, zone_statement(who.shown))
    return outcome_of(
        *_answered(connection, booking_statement(request, wish, zone=ZoneInfo(zone or "UTC"), rules=rules))
    )


def confirm(connection: Connection, who: Household, booking: int) -> Outcome:
    """Confirm a hold as the route does."""
    statement = confirming_statement(who.shown, booking, act="POST /v1/bookings/{booking}/confirm")
    return outcome_of(*_answered(connection, statement))


def cancel(connection: Connection, who: Household, booking: int) -> Outcome:
    """Cancel a booking as the route does."""
    statement = cancelling_statement(who.shown, booking, act="POST /v1/bookings/{booking}/cancel")
    return outcome_of(*_answered(connection, statement))


def _answered(connection: Connection, statement: Statement) -> tuple[Any, ...]:
    row = connection.exec_driver_sql(statement.sql, statement.values).one()
    connection.execute(text("SELECT set_config('role', 'none', true)"))
    return tuple(row)


def _facility(
    connection: Connection,
    neighbourhood: int,
    code: str,
    *,
    walk_m: int,
    home: int,
    bays: int,
    start: datetime,
    end: datetime,
) -> tuple[int, int]:
    facility = _one(
        connection,
        """INSERT INTO facilities (neighbourhood_id, code, position, name, kind, geometry, buffer_bays, extra,
               materialised_until)
           VALUES (:n, :code, 0, :code, 'park_garage', 'SRID=4326;POINT(121.501 31.2)', 0, '{}', :until)
           RETURNING id""",
        n=neighbourhood,
        code=code,
        until=end,
    )
    group = _one(
        connection,
        "INSERT INTO bay_groups (facility_id, code, position, kinds) VALUES (:f, 'std', 0, '{standard}') RETURNING id",
        f=facility,
    )
    values = {"f": facility, "g": group, "bays": bays, "start": start, "end": end, "home": home, "walk": walk_m}
    for statement in (
        "INSERT INTO bays (bay_group_id, number) SELECT :g, generate_series(1, :bays)",
        "INSERT INTO walk_pairs (home_id, facility_id, walk_m) VALUES (:home, :f, :walk)",
        """INSERT INTO openings (facility_id, bay_group_id, first_number, last_number, during, starts, ends)
           SELECT :f, :g, 1, :bays, tstzrange(:start, :end), tstzmultirange(tstzrange(:start, :end)),
                  tstzmultirange(tstzrange(:start, :end, '[]')) WHERE :bays > 0""",
    ):
        connection.execute(text(statement), values)
    return facility, group


def _one(connection: Connection, statement: str, **values: object) -> int:
    return int(connection.execute(text(statement), values).scalar_one())
