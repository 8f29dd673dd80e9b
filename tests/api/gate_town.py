"""The small town with a gate at its nearer facility, and households whose plates are real ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, text

from api.gates.allow_list import AllowedRow, read_allow_list, refresh_allow_list
from api.gates.events import EventAnswer, SeenEvent, record_events
from api.jobs.queries import work
from tests.api.accounts import KEYS, SomeAccount, make_gate_key, make_resident
from tests.api.booking_town import Town, make_town

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class GateTown:
    """A town of six bays a facility; `night` is an evening at six, so many hours after the town has opened."""

    engine: Engine
    town: Town
    key: str
    device: int
    night: datetime

    @property
    def headers(self) -> dict[str, str]:
        """What a request of the gate carries."""
        return {"Authorization": f"Bearer {self.key}"}

    def resident(self, plate: str, name: str = "resident") -> SomeAccount:
        return make_resident(self.engine, self.town.home, name, plate=plate)

    def add_stay(
        self,
        who: SomeAccount | int,
        begins: datetime,
        ends: datetime,
        *,
        bay: int = 1,
        state: str = "confirmed",
        far: bool = False,
        connection: Connection | None = None,
    ) -> int:
        """Store a booking of a household on a numbered bay, in a transaction of its own where none is given."""
        if connection is None:
            with self.engine.begin() as own:
                return self.add_stay(who, begins, ends, bay=bay, state=state, far=far, connection=own)
        values = {
            "household": who if isinstance(who, int) else who.household_id,
            "group": self.town.far_group if far else self.town.near_group,
            "bay": bay,
            "begins": begins,
            "ends": ends,
            "state": state,
            "expires": ends if state == "held" else None,
        }
        statement = """INSERT INTO stays (bay_id, household_id, during, kind, state, expires_at)
            SELECT id, :household, tstzrange(:begins, :ends), 'booking', :state, :expires
            FROM bays WHERE bay_group_id = :group AND number = :bay RETURNING id"""
        return int(connection.execute(text(statement), values).scalar_one())

    def end_stay(self, stay: int, *, state: str, at: datetime) -> None:
        with self.engine.begin() as connection:
            statement = "UPDATE stays SET state = :state, ended_at = :at WHERE id = :stay"
            connection.execute(text(statement), {"stay": stay, "state": state, "at": at})

    def refresh(self, now: datetime) -> int:
        """Bring the near facility's list up to date; return its version."""
        with work(self.engine) as connection:
            return refresh_allow_list(connection, self.town.near, now=now)

    def listed(self, now: datetime) -> list[AllowedRow]:
        """Give the near facility's whole list."""
        with work(self.engine) as connection:
            version = refresh_allow_list(connection, self.town.near, now=now)
            found = read_allow_list(connection, KEYS, self.town.near, version=version, since=None, now=now)
            return list(found.added)

    def send(self, *events: SeenEvent, now: datetime) -> list[EventAnswer]:
        """Send events as the near facility's gate does."""
        with work(self.engine) as connection:
            return record_events(
                connection, KEYS, self.town.near, events, source="gate", device_id=self.device, now=now
            )

    def rows(self, statement: str, **values: object) -> list[tuple[object, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def gate_sessions(self) -> list[tuple[object, ...]]:
        """Give entry, exit, state and stay of every gate session, in order."""
        return self.rows("SELECT entered_at, left_at, state, stay_id FROM gate_sessions ORDER BY began_at, plate_hash")


def make_gate_town(engine: Engine) -> GateTown:
    with engine.begin() as connection:
        town = make_town(connection, bays=6)
    key = make_gate_key(engine, town.near)
    with engine.begin() as connection:
        device = int(connection.execute(text("SELECT max(id) FROM gate_devices")).scalar_one())
    return GateTown(engine, town, key, device, town.start + 20 * HOUR)
