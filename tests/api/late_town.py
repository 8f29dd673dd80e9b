"""A household whose car leaves late, at a facility with a gate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, text

from api.accounts.opening import open_as
from api.gates.events import SeenEvent
from api.jobs.queries import work
from api.overstays.appeals import appeal, decide
from api.overstays.consequences import carry_out_due
from api.overstays.policy import Policy
from api.overstays.strike_queries import put_policy
from api.overstays.striking import strike_late_leavers
from api.vehicles.service import register_vehicle, withdraw_vehicle
from tests.api.accounts import KEYS, SomeAccount
from tests.api.gate_town import HOUR, MINUTE, GateTown, make_gate_town

DAY = timedelta(days=1)
PLATE = "沪A12345"
START = datetime(2026, 3, 2, 10, tzinfo=UTC)
"""A Monday evening, 18 h in Shanghai."""


@dataclass(frozen=True, slots=True)
class Late:
    """A household that leaves late, night after night."""

    gates: GateTown
    who: SomeAccount

    def night(self, number: int, *, late_min: int | None = 30, told: datetime | None = None) -> datetime:
        """Stay one night, so many after `START`, and leave late; return when the car left, or should have."""
        begins, leave_by = START + number * DAY, START + number * DAY + 14 * HOUR
        self.gates.add_stay(self.who, begins, leave_by)
        self.gates.refresh(begins)
        self.gates.send(SeenEvent(f"in {number}", "entry", begins + MINUTE, PLATE), now=begins + MINUTE)
        if late_min is None:
            return leave_by
        left = leave_by + late_min * MINUTE
        self.gates.send(SeenEvent(f"out {number}", "exit", left, PLATE), now=told or left)
        return left

    def change_car(self, plate: str | None, *, now: datetime) -> None:
        """Withdraw the household's car, register another one where one is named, and let the list follow."""
        with self.gates.engine.begin() as connection:
            open_as(connection, self.who.principal)
            withdraw_vehicle(connection, self.who.household_id)
            if plate is not None:
                register_vehicle(connection, KEYS, self.who.household_id, plate=plate, height_m=None, needs="")
        self.gates.refresh(now)

    def strike(self, now: datetime) -> int:
        with work(self.gates.engine) as connection:
            return strike_late_leavers(connection, now=now)

    def carry_out(self, now: datetime) -> int:
        with work(self.gates.engine) as connection:
            return carry_out_due(connection, now=now)

    def struck(self, number: int) -> datetime:
        """Stay a night, leave late, be struck an hour later; return when that was."""
        now = self.night(number) + HOUR
        assert self.strike(now) == 1
        return now

    def strikes(self) -> list[tuple[object, ...]]:
        return self.gates.rows("SELECT place, act, state, effect FROM strikes ORDER BY leave_by")

    def strike_id(self, number: int) -> int:
        """Give the id of the so-and-so-many-th strike, from 1."""
        [(found,)] = self.gates.rows(
            "SELECT id FROM strikes ORDER BY leave_by LIMIT 1 OFFSET :skipped", skipped=number - 1
        )
        assert isinstance(found, int)
        return found

    def appeal(self, number: int, *, now: datetime, by: SomeAccount | None = None) -> None:
        who = by or self.who
        with self.gates.engine.begin() as connection:
            open_as(connection, who.principal)
            appeal(
                connection,
                self.strike_id(number),
                household_id=who.household_id,
                account_id=who.account_id,
                words="the gate was shut",
                now=now,
            )

    def decide(self, number: int, decision: Any, *, now: datetime) -> None:  # noqa: ANN401 -- a literal
        with self.gates.engine.begin() as connection:
            connection.execute(text("SELECT set_config('role', 'baytide_service', true)"))
            connection.execute(text("SELECT set_config('baytide.roles', 'planner', true)"))
            decide(connection, self.strike_id(number), decision=decision, note="seen", account_id=None, now=now)

    def set_rules(self, policy: Policy) -> None:
        """Change what follows from strikes, from now on."""
        with self.gates.engine.begin() as connection:
            put_policy(
                connection, self.gates.town.neighbourhood, policy.document(), account_id=None, now=datetime.now(UTC)
            )

    def told(self, kind: str) -> list[dict[str, Any]]:
        rows = self.gates.rows("SELECT facts FROM notices WHERE kind = :kind ORDER BY id", kind=kind)
        return [dict(facts) for (facts,) in rows]  # type: ignore[call-overload]  # JSON objects

    def bans(self) -> list[tuple[object, ...]]:
        return self.gates.rows("SELECT starts_at, ends_at FROM plates_off_list WHERE ends_at > starts_at ORDER BY id")


def make_late(engine: Engine) -> Late:
    """Make a town with a gate, and a household whose car has a plate there."""
    gates = make_gate_town(engine)
    return Late(gates, gates.resident(PLATE))


def add_permit(connection: Connection, late: Late) -> int:
    """Give the household a permit for every night of a term."""
    return int(
        connection.execute(
            text(
                "INSERT INTO permits (household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min) "
                "SELECT :household, v.id, :near, '[2026-03-01,2026-07-01)', 'daily', 1080, 1920 "
                "FROM vehicles v WHERE v.household_id = :household RETURNING id"
            ),
            {"household": late.who.household_id, "near": late.gates.town.near_group},
        ).scalar_one()
    )
