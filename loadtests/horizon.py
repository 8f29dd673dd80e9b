"""
Offers for a whole round, and the horizon rolled over its permits, while somebody books: `python -m loadtests.horizon`.

A durable private cluster with garages of 250 bays, all but a few of them offered to households for a term from tomorrow
on. Measured are the offers of the round, their delivery, the first nights placed, and one more night when a day is
over; bookings of the spare bays are timed before each of those rolls and while it runs, in turn, so that what else the
machine does falls on both. A process of its own rolls, as the worker does.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from zoneinfo import ZoneInfo

from shapely.geometry import Point
from sqlalchemy import Connection, Engine, text

from api.accounts.dependencies import Shown
from api.accounts.secrets import Secret
from api.bookings.queries import Request
from api.bookings.rules import BookingRules
from api.bookings.service import Refused, Wish, booking_statement, outcome_of
from api.db.cluster import PrivateCluster
from api.db.connection import make_engine
from api.db.migrating import migrate
from api.jobs.service import roll_horizon
from api.neighbourhoods.model import BayGroup, Facility, Window
from api.neighbourhoods.supply_rows import copy_supply
from api.offers.service import WantedOffer, make_offers, note_delivered
from api.permits.ledger import fill_ledger
from loadtests.ceilings import require_durable

_BAYS, _SPARE = 250, 10
_TERM = timedelta(days=180)
_ZONE = ZoneInfo("Asia/Shanghai")
_PAUSE_S = 0.02
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rolled:
    """A roll of the horizon: seconds by the clock, of a processor in Python, and nights that got their bay."""

    seconds: float
    python_s: float
    nights_placed: int


@dataclass(frozen=True, slots=True)
class Found:
    """Seconds of each step, and milliseconds a booking took; `rolls` are of one night each."""

    permits: int
    offers_s: float
    delivery_s: float
    first: Rolled
    rolls: Sequence[Rolled]
    alone_ms: Sequence[float]
    beside_ms: Sequence[float]

    def as_json(self) -> dict[str, float]:
        """Give the figures, the median and 95th percentile of bookings among them."""
        return {
            "permits": self.permits,
            "offers_s": round(self.offers_s, 2),
            "delivery_s": round(self.delivery_s, 2),
            "first_roll_s": round(self.first.seconds, 2),
            "roll_s": round(max(roll.seconds for roll in self.rolls), 2),
            "roll_python_s": round(max(roll.python_s for roll in self.rolls), 2),
            "rolls": len(self.rolls),
            "nights_placed": self.rolls[0].nights_placed,
            "load_average": round(os.getloadavg()[0], 1),
            "bookings_alone": len(self.alone_ms),
            "bookings_beside": len(self.beside_ms),
            "alone_p50_ms": _percentile(self.alone_ms, 50),
            "alone_p95_ms": _percentile(self.alone_ms, 95),
            "beside_p50_ms": _percentile(self.beside_ms, 50),
            "beside_p95_ms": _percentile(self.beside_ms, 95),
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--permits", type=int, default=5000)
    parser.add_argument("--bookings", type=int, default=200, help="Timed before each roll.")
    parser.add_argument("--rolls", type=int, default=4, choices=range(1, 10), help="Nights rolled, one by one.")
    asked = parser.parse_args(arguments)
    print(json.dumps(measure(asked.permits, bookings=asked.bookings, rolls=asked.rolls).as_json(), indent=1))
    return 0


def measure(permits: int, *, bookings: int, rolls: int = 1) -> Found:
    """Make a town for so many permits in a cluster of its own, and measure."""
    with _database() as engine, ProcessPoolExecutor(1, mp_context=get_context("spawn")) as worker:
        require_durable(engine)

        def roll(days: int) -> Rolled:
            return worker.submit(_roll, engine.url.render_as_string(), now + days * _DAY).result()

        now = datetime.now(UTC).replace(second=0, microsecond=0)
        with engine.begin() as connection:
            wanted, spare = _make_town(connection, permits, first=now.astimezone(_ZONE).date() + _DAY)
        offers: list[int] = []

        def offer() -> None:
            with engine.begin() as connection:
                offers.extend(make_offers(connection, wanted, source="plan", now=now))

        def deliver() -> None:
            with engine.begin() as connection:
                note_delivered(connection, offers, now=now)

        offers_s, delivery_s, first = _timed(offer), _timed(deliver), roll(0)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
        booker = _Booker(engine, spare)
        alone_ms: list[float] = []
        beside_ms: list[float] = []
        rolled: list[Rolled] = []
        for night in range(1, rolls + 1):
            with booker.running() as times:
                while len(times) < bookings:
                    time.sleep(_PAUSE_S)
            alone_ms += times
            with booker.running() as times:
                rolled.append(roll(night))
            beside_ms += times
        return Found(permits, offers_s, delivery_s, first, rolled, alone_ms, beside_ms)


def _roll(url: str, now: datetime) -> Rolled:
    """Roll the horizon, in a process of its own."""
    engine = make_engine(url)
    begun, python = time.monotonic(), time.process_time()
    done = roll_horizon(engine, now=now)
    rolled = Rolled(time.monotonic() - begun, time.process_time() - python, done.get("nights_placed", 0))
    engine.dispose()
    return rolled


@contextmanager
def _database() -> Iterator[Engine]:
    with tempfile.TemporaryDirectory(prefix="baytide-horizon-") as place:
        Path(place).chmod(0o755)
        cluster = PrivateCluster(Path(place))
        cluster.start()
        engine = make_engine(cluster.url("postgres"))
        try:
            migrate(engine)
            yield engine
        finally:
            engine.dispose()
            cluster.stop()


def _timed(does: Callable[[], object]) -> float:
    begun = time.monotonic()
    does()
    return time.monotonic() - begun


def _percentile(values: Sequence[float], percent: int) -> float:
    return round(statistics.quantiles(values, n=100)[percent - 1], 2) if len(values) > 1 else 0.0


def _make_town(connection: Connection, permits: int, *, first: date) -> tuple[list[WantedOffer], list[int]]:
    """Store garages, households with a car each, and the ledger; return what they are offered, and the facilities."""
    neighbourhood = connection.execute(
        text(
            "INSERT INTO neighbourhoods (slug, name, timezone, country, crs, seed, term_from, term_to, policy, "
            "has_walks, input_sha256, warnings) VALUES ('h', 'H', 'Asia/Shanghai', 'CN', 'EPSG:4326', 1, '2026-01-01', "
            "'2026-12-31', '{\"max_walk_m\": 500}', true, '{}', '[]') RETURNING id"
        )
    ).scalar_one()
    number = -(-permits // (_BAYS - _SPARE))
    copy_supply(connection, neighbourhood, [_garage(k) for k in range(number)], extra={})
    connection.execute(
        text(
            "INSERT INTO homes (neighbourhood_id, code, position, geometry) "
            "SELECT :n, 'h' || k, k, 'SRID=4326;POINT(121.5 31.2)' FROM generate_series(1, 100) AS k"
        ),
        {"n": neighbourhood},
    )
    connection.execute(
        text("INSERT INTO walk_pairs (home_id, facility_id, walk_m) SELECT h.id, f.id, 200 FROM homes h, facilities f")
    )
    vehicles = connection.execute(
        text(
            """
            WITH home AS (SELECT min(id) AS id FROM homes),
            household AS (
                INSERT INTO households (home_id) SELECT home.id + k % 100 FROM home, generate_series(1, :number) AS k
                RETURNING id
            )
            INSERT INTO vehicles (household_id, plate_hash, plate_sealed)
            SELECT id, decode(md5(id::text), 'hex'), '' FROM household RETURNING household_id, id
            """
        ),
        {"number": permits},
    ).all()
    groups = connection.execute(text("SELECT id, facility_id FROM bay_groups ORDER BY id")).all()
    facilities = [row.facility_id for row in groups]
    fill_ledger(connection, facilities, first=first, last=first + _TERM)
    wanted = [
        WantedOffer(None, v.household_id, v.id, groups[k % number].id, first, first + _TERM, *_HOURS[k % 4], walk_m=200)
        for k, v in enumerate(vehicles)
    ]
    return wanted, facilities


_HOURS = (
    ("daily", 19 * 60, 31 * 60, False),
    ("daily", 20 * 60, 30 * 60, True),
    ("workdays", 18 * 60 + 30, 31 * 60, False),
    ("mon tue wed thu fri", 21 * 60, 31 * 60, True),
)


def _garage(number: int) -> Facility:
    windows = (Window("daily", 18 * 60, 32 * 60, _BAYS), Window("rest_days", 0, 32 * 60, _BAYS))
    group = BayGroup("std", ("standard",), windows)
    return Facility(
        id=f"g{number}", name=f"G{number}", kind="park_garage", geometry=Point(121.5, 31.2), bay_groups=(group,)
    )


class _Booker:
    """Households that book a spare bay for some night, one after the other, each with a token of its own."""

    def __init__(self, engine: Engine, facilities: Sequence[int]) -> None:
        self._engine = engine
        self._facilities = facilities
        self._numbers = count()
        with engine.begin() as connection:
            connection.execute(_ADD_BOOKERS, {"number": 5000})

    @contextmanager
    def running(self) -> Iterator[list[float]]:
        """Book until the block ends; the list has the milliseconds of each booking."""
        times: list[float] = []
        done = threading.Event()
        thread = threading.Thread(target=self._book_on, args=(times, done))
        thread.start()
        try:
            yield times
        finally:
            done.set()
            thread.join()

    def _book_on(self, times: list[float], done: threading.Event) -> None:
        while not done.is_set():
            number = next(self._numbers) % 5000
            begun = time.perf_counter()
            self._book(number)
            times.append(1000 * (time.perf_counter() - begun))
            done.wait(_PAUSE_S)

    def _book(self, number: int) -> None:
        shown = Shown(Secret("bearer_token", sha256(f"booker {number}".encode()).digest()), None)
        evening = datetime.now(_ZONE).replace(hour=19, minute=0, second=0, microsecond=0)
        start = evening + _DAY * (1 + number % 12)
        facility = self._facilities[number % len(self._facilities)]
        wish = Wish(facility, None, start, start + timedelta(hours=11), None, confirm=True)
        request = Request(shown, "POST /v1/bookings", f"{number}-{time.monotonic_ns()}", sha256(b"booking").digest())
        statement = booking_statement(request, wish, zone=_ZONE, rules=_RULES)
        with self._engine.begin() as connection:
            row = connection.exec_driver_sql(statement.sql, statement.values).one()
        if isinstance(found := outcome_of(*row), Refused) and found.reason != "full":
            raise RuntimeError(f"refused: {found.reason}")


_RULES = BookingRules()
_ADD_BOOKERS = text(
    """
    WITH home AS (SELECT min(id) AS id FROM homes),
    household AS (
        INSERT INTO households (home_id) SELECT home.id + k % 100 FROM home, generate_series(1, :number) AS k
        RETURNING id
    ), numbered AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS number FROM household),
    account AS (
        INSERT INTO accounts (issuer, subject) SELECT 'load', 'booker ' || number FROM numbered RETURNING id, subject
    ), member AS (
        INSERT INTO household_members (account_id, household_id)
        SELECT a.id, n.id FROM account a JOIN numbered n ON a.subject = 'booker ' || n.number
    ), vehicle AS (
        INSERT INTO vehicles (household_id, plate_hash, plate_sealed)
        SELECT id, sha256(('booker ' || number)::bytea), '' FROM numbered
    )
    INSERT INTO bearer_tokens (account_id, secret_hash, label, expires_at)
    SELECT id, sha256(subject::bytea), 'load', now() + interval '1 day' FROM account
    """
)


if __name__ == "__main__":
    sys.exit(main())
