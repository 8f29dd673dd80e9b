"""A round of Lane 9, closed and with its seed, made row by row: two bays in the park, and whoever a test lets apply."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from api.accounts.opening import open_as
from api.cli.acting import AT_THE_MACHINE
from api.cli.app import app
from api.errors import ApiError
from api.neighbourhoods.importing import import_folder
from api.neighbourhoods.read import read_folder
from api.permits.ledger import fill_ledger
from api.rounds.draw import commitment_of, seal_secret, seed_of
from api.runs import computing
from api.runs.child import Ended
from tests.api.accounts import KEYS, SomeAccount, make_resident
from tests.api.test_jobs import emptied

NOW = datetime(2026, 9, 1, 8, tzinfo=UTC)
ROUND_SECRET = bytes(range(32))
NUMBER = "123456"
SEED = seed_of(ROUND_SECRET, NUMBER)
BAYS = 2
"""Of the park, its buffer left aside: the only ones for whoever comes at seven every day."""


class Then(datetime):
    """A clock that stands still while the round of the tests is to be published."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return NOW.astimezone(tz)


@dataclass(frozen=True, slots=True)
class RoundTown:
    """A closed round; `homes` and `facilities` by code."""

    engine: Engine
    round: int
    homes: dict[str, int]
    facilities: dict[str, int]

    def one(self, statement: str, **values: object) -> Any:  # noqa: ANN401 -- whatever is asked for
        """Ask for, or change, one value as the tables' owner."""
        with self.engine.begin() as connection:
            result = connection.execute(text(statement), values)
            return result.scalar() if result.returns_rows else None

    def apply(self, home: str = "h1", **wanted: object) -> tuple[SomeAccount, int]:
        """Let a new household apply; return its account and the application."""
        account = make_resident(self.engine, self.homes[home])
        values = {
            "days": "daily",
            "arrive": 1140,
            "leave": 1860,
            "tier": 3,
            "waited": 0,
            "max_walk_m": None,
            "holds": None,
            **wanted,
        }
        application = self.one(
            """
            INSERT INTO applications (round_id, household_id, vehicle_id, plate_hash, home_id, days, arrive_min,
                leave_min, claimed_tier, tier, rounds_waited, max_walk_m, holds_facility_id, submitted_at, changed_at)
            SELECT :round, v.household_id, v.id, v.plate_hash, :home, :days, :arrive, :leave, :tier, :tier, :waited,
                   :max_walk_m, :holds, :now, :now
            FROM vehicles v WHERE v.household_id = :household RETURNING id
            """,
            round=self.round,
            household=account.household_id,
            home=self.homes[home],
            now=NOW,
            **values,
        )
        return account, int(application)

    def state(self) -> str:
        """Tell the state of the round."""
        return str(self.one("SELECT state FROM rounds WHERE id = :round", round=self.round))


@pytest.fixture
def town(engine: Engine, lane: Path) -> Iterator[RoundTown]:
    """Give Lane 9 with a closed round in it, and a queue that is empty before and after."""
    emptied(engine)
    (lane / "streets.osm").unlink()
    import_folder(engine, read_folder(lane), lane)
    with engine.begin() as connection:
        homes = _ids(connection, "homes")
        facilities = _ids(connection, "facilities")
    yield RoundTown(engine, make_round(engine), homes, facilities)
    emptied(engine)


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs be computed without a process of their own, whose start takes longer than such plans."""

    def run_here(words: Sequence[str], *, said: Path, while_waiting: Callable[[], None]) -> Ended:
        while_waiting()
        try:
            app(list(words), standalone_mode=False)
        except ApiError as error:
            said.write_text(str(error), encoding="utf-8")
            return Ended(3, str(error), None)
        return Ended(0, "", None)

    monkeypatch.setattr(computing, "run_command", run_here)


def _ids(connection: Connection, table: str) -> dict[str, int]:
    return {row.code: row.id for row in connection.execute(text(f"SELECT code, id FROM {table}"))}


def make_round(engine: Engine, *, state: str = "closed") -> int:
    """Make a round of all facilities, its public number entered."""
    with engine.begin() as connection:
        made = connection.execute(
            text(
                """
                INSERT INTO rounds (neighbourhood_id, name, state, opens_at, closes_at, publishes_at, term, policy,
                    work, number_source, public_number, secret_sealed, commitment, seed, opened_at, closed_at)
                SELECT id, 'Autumn', :state, '2026-08-01Z', '2026-08-20Z', '2026-08-31Z', '[2026-09-14,2026-10-12)',
                       '{"waiting_value_m": 400}', '{"gap": 0.001}', 'the lottery of 21 August', :number, :sealed,
                       :commitment, :seed, '2026-08-01Z', '2026-08-20Z'
                FROM neighbourhoods RETURNING id
                """
            ),
            {
                "state": state,
                "number": NUMBER,
                "sealed": seal_secret(KEYS, ROUND_SECRET),
                "commitment": commitment_of(ROUND_SECRET),
                "seed": SEED,
            },
        ).scalar_one()
        connection.execute(
            text(
                "INSERT INTO round_facilities (round_id, facility_id, term, reserved) "
                "SELECT r.id, f.id, r.term, true FROM rounds r, facilities f WHERE r.id = :round"
            ),
            {"round": made},
        )
        # Sold to the term's first noon, as whatever a round has reserved, whenever the tests run.
        connection.execute(text("UPDATE facilities SET materialised_until = '2026-09-14T12:00+08'"))
        open_as(connection, AT_THE_MACHINE)
        facilities = list(connection.scalars(text("SELECT id FROM facilities ORDER BY id")))
        fill_ledger(connection, facilities, first=date(2026, 9, 14), last=date(2026, 10, 11))
    return int(made)
