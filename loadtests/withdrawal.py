"""
A facility withdrawn at once: `python -m loadtests.withdrawal --permits 5000 --bays 300`.

A durable private cluster with garages along a street, four fifths of their bays held by permits whose nights are
placed two weeks ahead, and one garage of so many bays in their midst, all of them held. Measured are the preview and
the confirmation of its withdrawal in an emergency, from the request to the commit: by then everybody has another place
or a place on the list, and is told. The first in a process loads the allocator; it is told apart.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from shapely.geometry import Point
from sqlalchemy import Connection, Engine, text

from api.accounts.opening import open_as
from api.accounts.principal import Principal
from api.facilities.consequences import Outcome
from api.facilities.withdrawing import Withdrawal, withdraw
from api.jobs.service import roll_horizon
from api.neighbourhoods.model import BayGroup, Facility, Window
from api.neighbourhoods.supply_rows import copy_supply
from api.offers.service import WantedOffer, make_offers
from api.permits.ledger import fill_ledger
from loadtests.ceilings import require_durable
from loadtests.horizon import _DAY, _HOURS, _TERM, _database, _percentile

_BAYS, _HELD = 60, 48
_APART_M, _REACH_M = 40, 500
_ZONE = ZoneInfo("Asia/Shanghai")
_PLANNER = Principal(1, None, frozenset({"planner"}), frozenset(), "anonymous")
_WANTED = Withdrawal("facility", "emergency", "fire")
_PAUSE_S = 0.02


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--permits", type=int, default=5000)
    parser.add_argument("--bays", type=int, default=300, help="Of each of the two garages that are withdrawn.")
    asked = parser.parse_args(arguments)
    print(json.dumps(measure(asked.permits, bays=asked.bays), indent=1))
    return 0


def measure(permits: int, *, bays: int) -> dict[str, Any]:
    """Make a town for so many permits in a cluster of its own, and withdraw two garages one after the other."""
    with _database() as engine:
        require_durable(engine)
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        with engine.begin() as connection:
            large = _make_town(connection, permits, bays=bays, first=now.astimezone(_ZONE).date())
        roll_horizon(engine, now=now)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
        found = {"permits": permits, "bays": bays, "first": _withdrawn(engine, large[0], now=now)}
        with _reader(engine) as waits:
            found["second"] = _withdrawn(engine, large[1], now=now)
        found["booking_elsewhere_p95_ms"] = _percentile(waits, 95)
        with engine.connect() as connection:
            found["overfull_nights"] = connection.scalar(text("SELECT count(*) FROM ledger_nights WHERE taken > bays"))
        return found


def _withdrawn(engine: Engine, facility: int, *, now: datetime) -> dict[str, Any]:
    begun = time.monotonic()
    shown = _asked(engine, facility, token=None, now=now)
    preview_s = time.monotonic() - begun
    begun = time.monotonic()
    made = _asked(engine, facility, token=shown.consequences.token, now=now)
    confirm_s = time.monotonic() - begun
    told = made.consequences
    return {
        "done": made.done,
        "preview_s": round(preview_s, 2),
        "confirm_s": round(confirm_s, 2),
        "stays": told.stays,
        "households": told.households,
        "moved": told.moved,
        "not_moved": told.not_moved,
    }


def _asked(engine: Engine, facility: int, *, token: str | None, now: datetime) -> Outcome:
    with engine.begin() as connection:
        open_as(connection, _PLANNER)
        return withdraw(connection, facility, _WANTED, principal=_PLANNER, token=token, now=now)


class _reader:  # noqa: N801 -- a context
    """Take and give back a bay far away over and over, as a booking does; how long each takes, in milliseconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._over = threading.Event()
        self._waits: list[float] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> list[float]:
        self._thread.start()
        return self._waits

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        query = text(
            "WITH away AS (SELECT max(id) AS id FROM facilities), "
            "lock AS (SELECT pg_advisory_xact_lock_shared(id) FROM away) "
            "INSERT INTO stays (bay_id, household_id, during, kind, state) SELECT max(b.id), (SELECT max(id) FROM "
            "households), tstzrange(now() + interval '40 days', now() + interval '41 days'), 'booking', 'confirmed' "
            "FROM bays b, lock ON CONFLICT DO NOTHING"
        )
        while not self._over.is_set():
            begun = time.monotonic()
            with self._engine.connect() as connection:
                connection.execute(query)
                connection.rollback()
            self._waits.append(1000 * (time.monotonic() - begun))
            time.sleep(_PAUSE_S)


def _make_town(connection: Connection, permits: int, *, bays: int, first: date) -> tuple[int, int]:
    """Store garages, homes along the street, households with permits and the ledger; return the two large garages."""
    neighbourhood = connection.execute(
        text(
            "INSERT INTO neighbourhoods (slug, name, timezone, country, crs, seed, term_from, term_to, policy, "
            "has_walks, input_sha256, warnings) VALUES ('w', 'W', 'Asia/Shanghai', 'CN', 'EPSG:4326', 1, '2026-01-01', "
            "'2026-12-31', '{\"max_walk_m\": 500}', true, '{}', '[]') RETURNING id"
        )
    ).scalar_one()
    number = max(60, -(-(permits - 2 * bays) // _HELD))
    large = {number // 3, 2 * number // 3}
    garages = [_garage(k, bays if k in large else _BAYS) for k in range(number)]
    copy_supply(connection, neighbourhood, garages, extra={})
    groups = connection.execute(
        text(
            "SELECT g.id, g.facility_id FROM bay_groups g JOIN facilities f ON f.id = g.facility_id ORDER BY f.position"
        )
    ).all()
    connection.execute(
        text(
            "INSERT INTO homes (neighbourhood_id, code, position, geometry) "
            "SELECT :n, 'h' || k, k, 'SRID=4326;POINT(121.5 31.2)' FROM generate_series(0, :last) AS k"
        ),
        {"n": neighbourhood, "last": number - 1},
    )
    connection.execute(
        text(
            "INSERT INTO walk_pairs (home_id, facility_id, walk_m) "
            "SELECT h.id, f.id, 20 + :apart * abs(h.position - f.position) FROM homes h JOIN facilities f "
            "ON 20 + :apart * abs(h.position - f.position) <= :reach"
        ),
        {"apart": _APART_M, "reach": _REACH_M},
    )
    fill_ledger(connection, [row.facility_id for row in groups], first=first, last=first + _TERM)
    _settle(connection, [bays if k in large else _HELD for k in range(number)], groups, permits, first=first)
    one, two = sorted(large)
    return groups[one].facility_id, groups[two].facility_id


def _settle(connection: Connection, held: Sequence[int], groups: Sequence[Any], permits: int, *, first: date) -> None:
    """Give every garage the permits it holds, each of a household at its own place along the street."""
    places = [k for k, number in enumerate(held) for _ in range(number)]
    places = sorted(places, key=lambda k: (held[k] == _HELD, k))[:permits]
    vehicles = connection.execute(
        text(
            """
            WITH household AS (
                INSERT INTO households (home_id)
                SELECT h.id FROM unnest(CAST(:places AS int[])) WITH ORDINALITY AS w (k, n)
                JOIN homes h ON h.position = w.k ORDER BY w.n RETURNING id
            )
            INSERT INTO vehicles (household_id, plate_hash, plate_sealed)
            SELECT id, decode(md5(id::text), 'hex'), '' FROM household ORDER BY id RETURNING household_id, id
            """
        ),
        {"places": places},
    ).all()
    wanted = [
        WantedOffer(None, v.household_id, v.id, groups[k].id, first, first + _TERM, *_HOURS[n % len(_HOURS)], walk_m=20)
        for n, (k, v) in enumerate(zip(places, sorted(vehicles), strict=True))
    ]
    make_offers(connection, wanted, source="plan", now=datetime.now(UTC) - 5 * _DAY)
    connection.execute(text("UPDATE permits SET state = 'active'"))
    connection.execute(text("UPDATE offers SET state = 'accepted', decided_at = now()"))


def _garage(number: int, bays: int) -> Facility:
    windows = (Window("daily", 18 * 60, 32 * 60, bays), Window("rest_days", 0, 32 * 60, bays))
    group = BayGroup("std", ("standard",), windows)
    return Facility(
        id=f"g{number:05}", name=f"G{number}", kind="park_garage", geometry=Point(121.5, 31.2), bay_groups=(group,)
    )


if __name__ == "__main__":
    raise SystemExit(main())
