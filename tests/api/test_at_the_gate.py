"""When a gate fails or there is none: codes, wardens, checking in oneself, and a bay that somebody else is on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.accounts.opening import open_as, open_for
from api.accounts.refusals import TooManyAttempts
from api.accounts.secrets import read_secret
from api.app import create_app
from api.gates.at_the_gate import (
    CODE_LASTS,
    MOST_CODES,
    MOST_PLATES,
    MOST_WRONG_CODES,
    CodeChecked,
    Direction,
    GateCode,
    StayNotFound,
    StayNotNow,
    check_gate_code,
    check_plate,
    make_gate_code,
)
from api.gates.bay_taken import Claim, claim_bay_taken
from api.gates.entitled import get_device
from tests.api.accounts import KEYS, SomeAccount, make_gate_key, make_owner, settings_of_tests
from tests.api.estates import give_facility
from tests.api.gate_town import HOUR, MINUTE, GateTown, make_gate_town

HERE = "http://127.0.0.1"


@pytest.fixture
def gates(engine: Engine) -> GateTown:
    return make_gate_town(engine)


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    with TestClient(create_app(settings_of_tests(), engine), base_url=HERE) as client:
        yield client


def make_code(gates: GateTown, who: SomeAccount, stay: int, now: datetime) -> GateCode:
    with gates.engine.begin() as connection:
        open_as(connection, who.principal)
        return make_gate_code(connection, KEYS, stay, household_id=who.household_id, now=now)


def try_code(gates: GateTown, code: str, direction: Direction, now: datetime, *, key: str | None = None) -> CodeChecked:
    with gates.engine.begin() as connection:
        open_for(connection, secret=read_secret(key or gates.key))
        device = get_device(connection, kind="gate")
        return check_gate_code(connection, KEYS, device, code=code, direction=direction, now=now)


# --------------------------------------------------------------------------------------------------------------- codes


def test_a_code_opens_once_each_way_and_the_car_counts_as_seen(gates: GateTown) -> None:
    wang = gates.resident("沪A12345")
    stay = gates.add_stay(wang, gates.night, gates.night + 14 * HOUR, bay=3)
    made = make_code(gates, wang, stay, gates.night)
    assert len(made.code) == 8
    assert made.code.isdigit()
    opened = try_code(gates, made.code, "entry", gates.night + MINUTE)
    assert opened == CodeChecked(valid=True, until=gates.night + 14 * HOUR, bay="std 3")
    assert try_code(gates, made.code, "entry", gates.night + 2 * MINUTE) == CodeChecked(valid=False)
    assert try_code(gates, made.code, "exit", gates.night + 5 * MINUTE).valid
    assert not try_code(gates, made.code, "exit", gates.night + 6 * MINUTE).valid
    assert gates.gate_sessions() == [(gates.night + MINUTE, gates.night + 5 * MINUTE, "closed", stay)]


def test_a_code_is_void_after_a_quarter_of_an_hour_elsewhere_and_when_another_is_made(
    gates: GateTown, engine: Engine
) -> None:
    wang = gates.resident("沪A12345")
    stay = gates.add_stay(wang, gates.night, gates.night + 14 * HOUR)
    first = make_code(gates, wang, stay, gates.night)
    assert not try_code(gates, first.code, "entry", gates.night + CODE_LASTS).valid
    other_gate = make_gate_key(engine, gates.town.far)
    assert not try_code(gates, first.code, "entry", gates.night + MINUTE, key=other_gate).valid
    second = make_code(gates, wang, stay, gates.night + MINUTE)
    assert not try_code(gates, first.code, "entry", gates.night + 2 * MINUTE).valid
    assert try_code(gates, second.code, "entry", gates.night + 2 * MINUTE).valid


def test_a_code_of_a_stay_that_was_given_up_lets_nobody_in(gates: GateTown) -> None:
    wang = gates.resident("沪A12345")
    stay = gates.add_stay(wang, gates.night, gates.night + 14 * HOUR)
    made = make_code(gates, wang, stay, gates.night - MINUTE)
    gates.end_stay(stay, state="cancelled", at=gates.night - MINUTE)
    assert not try_code(gates, made.code, "entry", gates.night).valid


def test_a_code_is_for_stays_under_way_or_soon_and_lets_a_late_car_out(gates: GateTown) -> None:
    wang, li = gates.resident("沪A12345"), gates.resident("沪A54321")
    over = gates.night + 14 * HOUR
    stay = gates.add_stay(wang, gates.night, over)
    with pytest.raises(StayNotNow):
        make_code(gates, wang, stay, gates.night - 31 * MINUTE)
    with pytest.raises(StayNotFound):
        make_code(gates, li, stay, gates.night)
    late = make_code(gates, wang, stay, over + HOUR)
    assert not try_code(gates, late.code, "entry", over + HOUR).valid
    assert try_code(gates, late.code, "exit", over + HOUR).valid
    with pytest.raises(StayNotNow):
        make_code(gates, wang, stay, over + 25 * HOUR)


def test_a_household_gets_few_codes_an_hour_however_many_requests_come_at_once(gates: GateTown) -> None:
    wang = gates.resident("沪A12345")
    stay = gates.add_stay(wang, gates.night, gates.night + 14 * HOUR)

    def ask(_: int) -> int:
        """Give the seconds to wait; zero for a code."""
        try:
            make_code(gates, wang, stay, gates.night)
        except TooManyAttempts as error:
            return error.retry_after_s
        return 0

    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(ask, range(12)))
    assert sorted(waits) == [0] * MOST_CODES + [3600] * (12 - MOST_CODES)
    assert make_code(gates, wang, stay, gates.night + HOUR).code


def test_a_device_may_guess_few_codes_and_right_ones_do_not_count(gates: GateTown) -> None:
    wang = gates.resident("沪A12345")
    stay = gates.add_stay(wang, gates.night, gates.night + 14 * HOUR)
    made = make_code(gates, wang, stay, gates.night)
    assert try_code(gates, made.code, "entry", gates.night).valid
    wrong = "00000000" if made.code != "00000000" else "11111111"
    for _ in range(MOST_WRONG_CODES):
        assert try_code(gates, wrong, "entry", gates.night) == CodeChecked(valid=False)
    with pytest.raises(TooManyAttempts):
        try_code(gates, made.code, "exit", gates.night)
    assert not try_code(gates, wrong, "exit", gates.night + 15 * MINUTE).valid


def test_no_code_is_stored_as_it_is_shown(gates: GateTown) -> None:
    wang = gates.resident("沪A12345")
    stay = gates.add_stay(wang, gates.night, gates.night + 14 * HOUR)
    made = make_code(gates, wang, stay, gates.night)
    assert made.code not in str(gates.rows("SELECT c::text FROM gate_codes c"))


def test_a_household_asks_and_the_attendant_checks(gates: GateTown, client: TestClient) -> None:
    now = datetime.now(UTC)
    wang = gates.resident("沪A12345")
    stay = gates.add_stay(wang, now - HOUR, now + HOUR)
    made = client.post(f"/v1/stays/{stay}/gate-code", headers=wang.headers)
    assert made.status_code == 201
    shown = {"code": made.json()["code"], "direction": "entry"}
    assert client.post("/v1/gate/codes", json=shown, headers=gates.headers).json()["valid"]
    assert client.post("/v1/gate/codes", json=shown, headers=gates.headers).json() == {
        "valid": False,
        "until": None,
        "bay": None,
    }
    assert client.post("/v1/gate/codes", json=shown, headers=wang.headers).status_code == 401


# ------------------------------------------------------------------------------------------------------------- wardens


@pytest.fixture
def warden(gates: GateTown) -> str:
    """Make the device at the gate a warden's; give its key."""
    with gates.engine.begin() as connection:
        connection.execute(text("UPDATE gate_devices SET kind = 'warden'"))
    return gates.key


def ask_for(gates: GateTown, plate: str, now: datetime) -> datetime | None:
    with gates.engine.begin() as connection:
        open_for(connection, secret=read_secret(gates.key))
        device = get_device(connection, kind="warden")
        return check_plate(connection, KEYS, device, plate=plate, now=now)


@pytest.mark.usefixtures("warden")
def test_a_warden_learns_until_when_one_plate_may_stand_and_nothing_else(gates: GateTown) -> None:
    wang, li = gates.resident("沪A12345"), gates.resident("沪A54321")
    over = gates.night + 14 * HOUR
    gates.add_stay(wang, gates.night, over)
    gates.add_stay(li, gates.night, over, far=True)
    assert ask_for(gates, "沪a·12345", gates.night) == over
    assert ask_for(gates, "沪A12345", gates.night - MINUTE) is None
    assert ask_for(gates, "沪A12345", over) is None
    assert ask_for(gates, "沪A54321", gates.night) is None, "it may stand elsewhere"
    assert gates.rows("SELECT kind, allowed FROM gate_checks ORDER BY id") == [
        ("plate", True),
        ("plate", False),
        ("plate", False),
        ("plate", False),
    ]


@pytest.mark.usefixtures("warden")
def test_a_warden_asks_for_so_many_plates_and_no_more(gates: GateTown) -> None:
    for _ in range(MOST_PLATES):
        ask_for(gates, "沪A12345", gates.night)
    with pytest.raises(TooManyAttempts):
        ask_for(gates, "沪A12345", gates.night + 9 * MINUTE)
    assert ask_for(gates, "沪A12345", gates.night + 10 * MINUTE) is None


def test_a_warden_asks_at_its_own_road_and_a_gate_does_not(gates: GateTown, client: TestClient, warden: str) -> None:
    now = datetime.now(UTC)
    gates.add_stay(gates.resident("沪A12345"), now - HOUR, now + HOUR)
    headers, plate = {"Authorization": f"Bearer {warden}"}, {"plate": "沪A12345"}
    path = f"/v1/facilities/{gates.town.near}/plate-checks"
    assert client.post(path, json=plate, headers=headers).json()["allowed"]
    there = f"/v1/facilities/{gates.town.far}/plate-checks"
    assert client.post(there, json=plate, headers=headers).status_code == 404
    gate = {"Authorization": f"Bearer {make_gate_key(gates.engine, gates.town.near)}"}
    assert client.post(path, json=plate, headers=gate).status_code == 403
    assert client.post("/v1/gate-events", json=EVENTS, headers=headers).status_code == 403


EVENTS: dict[str, Any] = {"events": [{"id": "1", "direction": "entry", "at": "2026-01-01T00:00:00Z"}]}


# ------------------------------------------------------------------------------------------------------------ check-in


def test_residents_check_in_and_out_where_there_is_no_gate(gates: GateTown, client: TestClient, warden: str) -> None:
    del warden  # none is at a barrier
    now = datetime.now(UTC)
    wang, li = gates.resident("沪A12345"), gates.resident("沪A54321")
    stay = gates.add_stay(wang, now - HOUR, now + HOUR)
    first = client.post(f"/v1/stays/{stay}/check-in", headers=wang.headers)
    assert first.status_code == 200
    assert client.post(f"/v1/stays/{stay}/check-in", headers=wang.headers).json() == first.json()
    assert gates.rows("SELECT state, stay_id FROM gate_sessions") == [("open", stay)]
    out = client.post(f"/v1/stays/{stay}/check-out", headers=wang.headers).json()
    assert out["checked_in_at"] == first.json()["checked_in_at"]
    assert out["checked_out_at"] > out["checked_in_at"]
    assert gates.rows("SELECT state, stay_id FROM gate_sessions") == [("closed", stay)]
    assert client.post(f"/v1/stays/{stay}/check-in", headers=li.headers).status_code == 404


def test_nobody_checks_in_hours_before_or_where_a_gate_sees_who_comes(
    gates: GateTown, client: TestClient, engine: Engine
) -> None:
    now = datetime.now(UTC)
    wang = gates.resident("沪A12345")
    later = gates.add_stay(wang, now + 2 * HOUR, now + 3 * HOUR, far=True)
    at_gate = gates.add_stay(wang, now - HOUR, now + HOUR)
    assert client.post(f"/v1/stays/{later}/check-in", headers=wang.headers).json()["type"] == "not-at-this-time"
    assert client.post(f"/v1/stays/{at_gate}/check-in", headers=wang.headers).json()["type"] == "gate-notes-it"
    assert gates.rows("SELECT count(*) FROM gate_events") == [(0,)]
    with engine.begin() as connection:
        connection.execute(text("UPDATE gate_devices SET revoked_at = now()"))
    assert client.post(f"/v1/stays/{at_gate}/check-in", headers=wang.headers).status_code == 200


# ----------------------------------------------------------------------------------------------------------- bay taken


def claim(gates: GateTown, who: SomeAccount, stay: int, now: datetime) -> Claim:
    with gates.engine.begin() as connection:
        open_as(connection, who.principal)
        return claim_bay_taken(
            connection, stay, household_id=who.household_id, account_id=who.account_id, evidence="a van", now=now
        )


def book(gates: GateTown, who: SomeAccount, stay: int, *, price_cents: int) -> None:
    with gates.engine.begin() as connection:
        connection.execute(
            text(
                """INSERT INTO bookings (stay_id, household_id, vehicle_id, booked_by, price_cents)
                   SELECT :stay, household_id, id, :account, :price FROM vehicles WHERE household_id = :household"""
            ),
            {"stay": stay, "account": who.account_id, "household": who.household_id, "price": price_cents},
        )


def fill(gates: GateTown, *, begins: datetime, ends: datetime, near: range, far: range) -> None:
    """Let others stand on all these bays."""
    for k, (bay, is_far) in enumerate([*((bay, False) for bay in near), *((bay, True) for bay in far)]):
        other = gates.resident(f"沪B1{k:04}", f"other{k}")
        gates.add_stay(other, begins, ends, bay=bay, far=is_far)


def test_whose_bay_is_taken_gets_another_at_the_same_place_for_the_rest_of_the_night(gates: GateTown) -> None:
    wang = gates.resident("沪A12345")
    over = gates.night + 14 * HOUR
    stay = gates.add_stay(wang, gates.night, over, bay=1)
    book(gates, wang, stay, price_cents=1200)
    now = gates.night + 20 * MINUTE
    found = claim(gates, wang, stay, now)
    assert found.outcome == "moved"
    assert found.new_bay is not None
    assert (found.new_bay.facility_id, found.new_bay.bay, found.new_bay.ends_at) == (gates.town.near, "std 2", over)
    assert gates.rows("SELECT state FROM stays WHERE id = :stay", stay=stay) == [("cancelled",)]
    [(begins, price)] = gates.rows(
        "SELECT lower(s.during), b.price_cents FROM stays s JOIN bookings b ON b.stay_id = s.id WHERE s.id = :stay",
        stay=found.new_bay.stay_id,
    )
    assert (begins, price) == (now, 1200)
    assert [row.bay for row in gates.listed(now)] == ["std 2"]
    assert claim(gates, wang, stay, now + MINUTE) == found, "the same again is answered the same"
    assert gates.rows("SELECT kind FROM notices") == [("bay_taken",)]


def test_the_nearest_other_place_is_next_and_reported_bays_are_passed_over(gates: GateTown) -> None:
    over = gates.night + 14 * HOUR
    wang, li = gates.resident("沪A12345"), gates.resident("沪A54321")
    stays = [gates.add_stay(who, gates.night, over, bay=k + 1) for k, who in enumerate((wang, li))]
    fill(gates, begins=gates.night, ends=over, near=range(3, 7), far=range(2, 7))
    now = gates.night + 20 * MINUTE
    first = claim(gates, wang, stays[0], now)
    assert first.new_bay is not None
    assert (first.new_bay.facility_id, first.new_bay.bay, first.new_bay.walk_m) == (gates.town.far, "std 1", 400)
    second = claim(gates, li, stays[1], now)
    assert (second.outcome, second.new_bay) == ("money_back", None), "what wang found taken is free on paper only"


def test_without_another_bay_the_money_is_due_back_and_somebody_is_named(
    gates: GateTown, client: TestClient, engine: Engine
) -> None:
    owner = make_owner(engine)
    give_facility(engine, gates.town.near, *owner.principal.owner_ids)
    contact = {"name": "night porter", "phone": "+86 21 5555 0100"}
    path = f"/v1/facilities/{gates.town.near}"
    assert client.put(f"{path}/contact", json=contact, headers=owner.headers).status_code == 200
    now = datetime.now(UTC)
    wang = gates.resident("沪A12345")
    stay = gates.add_stay(wang, now - MINUTE, now + HOUR)
    book(gates, wang, stay, price_cents=1200)
    fill(gates, begins=now - MINUTE, ends=now + HOUR, near=range(2, 7), far=range(1, 7))
    found = client.post(f"/v1/stays/{stay}/bay-taken", json={"evidence": "a van"}, headers=wang.headers)
    assert found.status_code == 200
    told = found.json()
    assert (told["outcome"], told["new_bay"], told["due_cents"], told["contact"]) == ("money_back", None, 1200, contact)
    [seen] = client.get(f"{path}/bay-claims", headers=owner.headers).json()
    assert (seen["bay"], seen["outcome"], seen["evidence"]) == ("std 1", "money_back", "a van")
    assert client.get(f"{path}/contact", headers=owner.headers).json() == contact
    assert client.get(f"{path}/bay-claims", headers=make_owner(engine).headers).status_code == 404


def test_a_permit_night_whose_bay_is_taken_is_not_placed_again(gates: GateTown) -> None:
    wang = gates.resident("沪A12345")
    over = gates.night + 14 * HOUR
    stay = gates.add_stay(wang, gates.night, over)
    with gates.engine.begin() as connection:
        connection.execute(
            text(
                """WITH made AS (
                       INSERT INTO permits (household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min)
                       SELECT household_id, id, :group, '[2026-01-01,2031-01-01)', 'daily', 1140, 1860
                       FROM vehicles WHERE household_id = :household RETURNING id)
                   UPDATE stays SET kind = 'permit', night = '2026-12-01', permit_id = made.id FROM made
                   WHERE stays.id = :stay"""
            ),
            {"group": gates.town.near_group, "household": wang.household_id, "stay": stay},
        )
    found = claim(gates, wang, stay, gates.night)
    assert found.outcome == "moved"
    assert gates.rows("SELECT state FROM stays WHERE id = :stay", stay=stay) == [("given_back",)]
    assert gates.rows("SELECT price_cents FROM bookings") == [(0,)]


def test_claims_are_for_ones_own_stay_in_its_time(gates: GateTown) -> None:
    wang, li = gates.resident("沪A12345"), gates.resident("沪A54321")
    stay = gates.add_stay(wang, gates.night, gates.night + 14 * HOUR)
    with pytest.raises(StayNotFound):
        claim(gates, li, stay, gates.night)
    for at in (gates.night - timedelta(hours=2), gates.night + 14 * HOUR):
        with pytest.raises(StayNotNow):
            claim(gates, wang, stay, at)
    assert gates.rows("SELECT count(*) FROM bay_claims") == [(0,)]


def test_two_who_claim_at_once_never_get_the_same_bay(gates: GateTown) -> None:
    over = gates.night + 14 * HOUR
    households = [gates.resident(f"沪A1000{k}", f"r{k}") for k in range(4)]
    stays = [gates.add_stay(who, gates.night, over, bay=k + 1) for k, who in enumerate(households)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda who, stay: claim(gates, who, stay, gates.night), households, stays))
    moved = {(one.new_bay.facility_id, one.new_bay.bay) for one in found if one.new_bay is not None}
    assert len(moved) == 4
