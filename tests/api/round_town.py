"""A published round in a town of small garages, written row by row, for tests of what comes after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

from shapely.geometry import Point
from sqlalchemy import Connection, text

from api.neighbourhoods.model import BayGroup, Facility, Window
from api.offers.service import WantedOffer
from api.permits.ledger import fill_ledger
from api.waitlist.service import NewEntry
from tests.api.test_openings import store

NOW = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
"""Wednesday, ten in the morning in Shanghai."""
FIRST, LAST = date(2026, 12, 1), date(2026, 12, 31)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def small_garage(code: str, bays: int, **own: object) -> Facility:
    """Give a garage that is open every night and on rest days."""
    windows = (Window("daily", 18 * 60, 32 * 60, bays), Window("rest_days", 0, 32 * 60, bays))
    group = BayGroup("std", ("standard",), windows)
    fields: dict[str, Any] = {"name": code, "kind": "park_garage", "geometry": Point(121.5, 31.2), **own}
    return Facility(id=code, bay_groups=(group,), **fields)


@dataclass(slots=True)
class RoundTown:
    """The town, with its round and who applied."""

    connection: Connection
    neighbourhood: int = 0
    round: int = 0
    home: int = 0
    groups: dict[str, int] = field(default_factory=dict)
    facilities: dict[str, int] = field(default_factory=dict)
    _households: int = 0

    def count(self, query: str, **values: object) -> int:
        return int(self.connection.execute(text(query), values).scalar_one())

    def apply(self, *, stay_through: bool = False, days: str = "daily", leave_min: int = 1860) -> dict[str, int]:
        """Let a household of its own apply; return its ids."""
        self._households += 1
        row = self.connection.execute(
            text(
                """
                WITH household AS (INSERT INTO households (home_id) VALUES (:home) RETURNING id),
                vehicle AS (
                    INSERT INTO vehicles (household_id, plate_hash, plate_sealed)
                    SELECT id, decode(md5(id::text), 'hex'), '' FROM household RETURNING id, household_id, plate_hash
                )
                INSERT INTO applications (round_id, household_id, vehicle_id, plate_hash, home_id, days, arrive_min,
                    leave_min, stay_through, submitted_at, changed_at)
                SELECT :round, household_id, id, plate_hash, :home, :days, 1140, :leave, :through, :now, :now
                FROM vehicle RETURNING id AS application, household_id AS household, vehicle_id AS vehicle
                """
            ),
            {
                "home": self.home,
                "round": self.round,
                "days": days,
                "leave": leave_min,
                "through": stay_through,
                "now": NOW - 30 * DAY,
            },
        ).one()
        return dict(row._mapping)

    def wanted(self, who: dict[str, int], code: str = "a", **own: object) -> WantedOffer:
        """Give what a household is to be offered at a garage."""
        values: dict[str, Any] = {
            "application_id": who["application"],
            "household_id": who["household"],
            "vehicle_id": who["vehicle"],
            "bay_group_id": self.groups[code],
            "first": FIRST,
            "last": LAST,
            "days": "daily",
            "arrive_min": 1140,
            "leave_min": 1860,
            "stay_through": False,
            "walk_m": 100,
            **own,
        }
        return WantedOffer(**values)

    def entry(self, who: dict[str, int], codes: Sequence[str] = ("a",), *, tier: int = 3, waited: int = 0) -> NewEntry:
        """Give what lets a household wait; draws are in the order of households."""
        return NewEntry(
            round_id=self.round,
            application_id=who["application"],
            household_id=who["household"],
            tier=tier,
            rounds_waited=waited,
            draw=who["household"].to_bytes(32, "big"),
            options=tuple((self.groups[code], 100) for code in codes),
        )

    def taken(self, code: str = "a") -> dict[date, int]:
        """Return what the ledger says is taken of a garage, by night."""
        rows = self.connection.execute(
            text("SELECT night, taken FROM ledger_nights WHERE bay_group_id = :group ORDER BY night"),
            {"group": self.groups[code]},
        )
        return {row.night: row.taken for row in rows}

    def told(self, household: int) -> list[str]:
        """Return the kinds of notices that a household has, in order."""
        rows = self.connection.execute(
            text("SELECT kind FROM notices WHERE household_id = :id ORDER BY id"), {"id": household}
        )
        return [row.kind for row in rows]

    def state(self, table: str, **where: object) -> str:
        """Return the state of the one row of a table."""
        clause = " AND ".join(f"{name} = :{name}" for name in where)
        return str(self.connection.execute(text(f"SELECT state FROM {table} WHERE {clause}"), where).scalar_one())


def make_round_town(connection: Connection, *facilities: Facility, state: str = "published") -> RoundTown:
    """Make the town with a round for December 2026 and its ledger; without others, garages `a` and `b` of a bay."""
    town = RoundTown(connection)
    town.neighbourhood = store(connection, *(facilities or (small_garage("a", 1), small_garage("b", 1))))
    town.home = town.count(
        "INSERT INTO homes (neighbourhood_id, code, position, geometry) "
        "VALUES (:n, 'h', 0, 'SRID=4326;POINT(121.5 31.2)') RETURNING id",
        n=town.neighbourhood,
    )
    for row in connection.execute(
        text("SELECT f.code, f.id, g.id AS bay_group FROM facilities f JOIN bay_groups g ON g.facility_id = f.id")
    ):
        town.facilities[row.code], town.groups[row.code] = row.id, row.bay_group
    town.round = town.count(
        """
        WITH made AS (
            INSERT INTO rounds (neighbourhood_id, name, opens_at, closes_at, publishes_at, term, policy, work,
                number_source, commitment, secret_sealed, opened_at)
            VALUES (:n, 'December', '2026-10-01Z', '2026-11-01Z', '2026-11-20Z', '[2026-12-01,2027-01-01)', '{}', '{}',
                'lottery', :hash, '', '2026-10-01Z') RETURNING id
        ), planned AS (
            INSERT INTO round_plans (round_id, summary, certificate, input_sha256, inputs, parameters, version, value_m,
                bound_m, demands, served, locked, rejected, created_at)
            SELECT id, '{}', '{}', '{}', '', '{}', '1', 0, 0, 0, 0, 0, 0, '2026-11-02Z' FROM made RETURNING round_id
        )
        SELECT round_id FROM planned
        """,
        n=town.neighbourhood,
        hash=sha256(b"secret").digest(),
    )
    connection.execute(
        text(
            "UPDATE rounds SET plan_id = (SELECT max(id) FROM round_plans), state = :state, "
            "published_at = '2026-11-20Z'"
        ),
        {"state": state},
    )
    connection.execute(
        text(
            "INSERT INTO round_facilities (round_id, facility_id, term) "
            "SELECT :r, f.id, r.term FROM facilities f, rounds r"
        ),
        {"r": town.round},
    )
    fill_ledger(connection, list(town.facilities.values()), first=FIRST, last=LAST)
    return town
