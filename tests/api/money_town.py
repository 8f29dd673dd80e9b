"""What a neighbourhood's money is tested with: permits and bookings with prices, and sums over the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import Connection, text

from api.money.paying import note_payment, request_payment
from api.money.providers import Counter
from tests.api.booking_town import Household, Town

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
MONTH = date(2026, 12, 1)
PRICE = 30_001
"""A month's price that no number of days divides."""
RECEIPTS = count(1)


def add_permit(connection: Connection, town: Town, who: Household, **own: object) -> int:
    values = {
        "household": who.id,
        "vehicle": who.vehicle,
        "group": town.near_group,
        "first": MONTH,
        "past": date(2027, 3, 1),
        "price": PRICE,
        **own,
    }
    query = text(
        "INSERT INTO permits (household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min, "
        "monthly_price_cents) VALUES (:household, :vehicle, :group, daterange(:first, :past), 'daily', 1140, 1860, "
        ":price) RETURNING id"
    )
    return int(connection.execute(query, values).scalar_one())


def end(connection: Connection, permit: int, moment: str, reason: str = "given_up") -> None:
    connection.execute(
        text("UPDATE permits SET state = 'ended', end_reason = :reason, ended_at = :at WHERE id = :id"),
        {"id": permit, "reason": reason, "at": moment},
    )


def pay(connection: Connection, who: Household, cents: int | None = None, *, receipt: str | None = None) -> int:
    asked = request_payment(connection, who.id, provider=Counter(), now=NOW)
    return note_payment(
        connection,
        code=asked.asked.code,
        cents=cents or asked.cents,
        receipt=receipt or f"R{next(RECEIPTS)}",
        provider="counter",
        account_id=None,
        now=NOW,
    )


def total(connection: Connection) -> int:
    return int(connection.execute(text("SELECT COALESCE(sum(cents), 0) FROM journal_entries")).scalar_one())


def income(connection: Connection) -> int:
    query = "SELECT COALESCE(-sum(cents), 0) FROM journal_entries WHERE account = 'fees'"
    return int(connection.execute(text(query)).scalar_one())


def told(connection: Connection) -> list[tuple[str, Mapping[str, Any]]]:
    return [(row.kind, row.facts) for row in connection.execute(text("SELECT kind, facts FROM notices ORDER BY id"))]


def add_booking(
    connection: Connection, town: Town, who: Household, *, start: datetime, price: int, state: str = "confirmed"
) -> int:
    query = text(
        "WITH stay AS (INSERT INTO stays (bay_id, household_id, during, kind, state) "
        "SELECT min(id), :household, tstzrange(:start, :end), 'booking', :state FROM bays WHERE bay_group_id = :group "
        "RETURNING id) INSERT INTO bookings (stay_id, household_id, vehicle_id, booked_by, price_cents) "
        "SELECT id, :household, :vehicle, :account, :price FROM stay RETURNING stay_id"
    )
    values = {
        "household": who.id,
        "vehicle": who.vehicle,
        "account": who.account,
        "group": town.near_group,
        "start": start,
        "end": start + timedelta(hours=12),
        "price": price,
        "state": state,
    }
    return int(connection.execute(query, values).scalar_one())


def as_worker(connection: Connection) -> None:
    connection.execute(
        text("SELECT set_config('role', 'baytide_service', true), set_config('baytide.roles', 'worker', true)")
    )
