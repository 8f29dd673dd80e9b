"""Money over the interface: a household pays at the counter, the committee notes it, an owner sees what it earned."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text

from api.money.charging import charge_fee
from api.money.providers import Asked, Paid, read_signed
from tests.api.supply import Lane, ok, open_lane, problem, publish
from tests.api.test_money import SECRET, signed

PERMIT = """
    INSERT INTO permits (household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min, monthly_price_cents)
    SELECT v.household_id, v.id, g.id, daterange(date_trunc('month', now())::date, current_date + 90), 'daily', 1140,
           1860, 30000 FROM vehicles v, bay_groups g WHERE g.facility_id = :facility RETURNING id
"""


@pytest.fixture
def town(engine: Engine, lane: Path) -> Iterator[Lane]:
    with open_lane(engine, lane) as town:
        yield town


def charge(town: Lane, facility: int) -> None:
    """Let the newest resident have a permit, and charge this month."""
    now = datetime.now(UTC)
    with town.engine.begin() as connection:
        permit = connection.execute(text(PERMIT), {"facility": facility}).scalar_one()
        charge_fee(connection, permit, month=now.date(), now=now)


def test_a_household_pays_at_the_counter_and_sees_it(town: Lane) -> None:
    facility, resident = publish(town), town.resident()
    charge(town, facility)
    statement = ok(resident.get("/v1/money/statement"))
    assert (statement["due_cents"], len(statement["lines"])) == (30_000, 1)
    asked = ok(resident.post("/v1/money/payment-requests"), 201)
    assert (asked["direction"], asked["cents"], asked["url"]) == ("in", 30_000, None)
    paid = {"code": asked["code"], "cents": 30_000, "receipt": "2026-17"}
    problem(resident.post("/v1/money/payments", json=paid), 403)
    assert ok(town.planner.post("/v1/money/payments", json=paid), 201) == {"noted_cents": 30_000}
    assert ok(town.planner.post("/v1/money/payments", json=paid), 201) == {"noted_cents": 0}
    problem(town.planner.post("/v1/money/payments", json={**paid, "cents": 1}), 409)
    card = problem(town.planner.post("/v1/money/payments", json={**paid, "receipt": "4111 1111 1111 1111"}), 422)
    assert "4111" not in json.dumps(card)
    assert ok(resident.get("/v1/money/statement"))["due_cents"] == 0
    assert problem(resident.post("/v1/money/payment-requests"), 422)["detail"] == "nothing is owed."
    [first, second] = ok(resident.get("/v1/notices"))["notices"]
    assert [second["kind"], first["kind"]] == ["fee_due", "payment_received"]


def test_an_owner_sees_its_income_and_a_planner_that_all_adds_up_to_nothing(town: Lane) -> None:
    facility = publish(town)
    town.resident()
    charge(town, facility)
    [earned] = ok(town.owner.get("/v1/money/income"))["facilities"]
    assert (earned["facility"], earned["cents"], earned["nights"], earned["cents_a_night"]) == (
        facility,
        30_000,
        0,
        None,
    )
    assert ok(town.other.get("/v1/money/income"))["facilities"] == []
    problem(town.owner.get("/v1/money/income", params={"from": "2027-01-02", "to": "2027-01-01"}), 422)
    found = ok(town.planner.get("/v1/money/trial-balance"))
    assert (found["sum"], [account["account"] for account in found["accounts"]]) == (0, ["fees", "receivable"])
    problem(town.owner.get("/v1/money/trial-balance"), 403)


class Elsewhere:
    """A provider that signs what it says."""

    name = "elsewhere"

    def request_payment(self, reference: str, cents: int) -> Asked:
        return Asked(reference, url=f"pay:{reference}?{cents}")

    def payment_confirmed(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> Paid:
        return read_signed(body, headers, secret=SECRET, now=now)


def test_a_provider_confirms_with_its_signature_and_nobody_else_does(town: Lane) -> None:
    path = "/v1/money/providers/elsewhere/confirmations"
    problem(town.public.post(path, content=b"{}"), 401)
    assert isinstance(town.public.app, FastAPI)
    town.public.app.state.payment_provider = Elsewhere()
    facility, resident = publish(town), town.resident()
    charge(town, facility)
    asked = ok(resident.post("/v1/money/payment-requests"), 201)
    assert asked["url"] == f"pay:{asked['code']}?30000"
    problem(town.planner.post("/v1/money/payments", json={"code": asked["code"], "cents": 5, "receipt": "1"}), 404)
    body = json.dumps({"code": asked["code"], "cents": 30_000, "receipt": "e-1"}).encode()
    problem(town.public.post(path, content=body, headers=signed(body, at=datetime.now(UTC), secret=b"x")), 401)
    problem(town.public.post("/v1/money/providers/counter/confirmations", content=body), 401)
    for noted in (30_000, 0):
        answer = town.public.post(path, content=body, headers=signed(body, at=datetime.now(UTC)))
        assert ok(answer) == {"noted_cents": noted}
    assert ok(resident.get("/v1/money/statement"))["due_cents"] == 0
