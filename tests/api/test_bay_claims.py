"""Whoever finds its bay taken is helped, and cannot close the bays of a neighbourhood by saying so again and again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.accounts.opening import open_as, open_for
from api.accounts.secrets import read_secret
from api.app import create_app
from api.gates.at_the_gate import check_gate_code, make_gate_code
from api.gates.bay_taken import Claim
from api.gates.entitled import get_device
from api.gates.events import SeenEvent
from api.jobs.queries import work
from api.money.jobs import book_some
from api.money.paying import balances
from api.money.rules import share_of_day
from api.openings.leaving import shorten_stays
from api.overstays.striking import strike_late_leavers
from tests.api.accounts import KEYS, SomeAccount, make_owner, settings_of_tests
from tests.api.estates import give_facility
from tests.api.gate_town import HOUR, MINUTE, GateTown, make_gate_town
from tests.api.test_at_the_gate import book, claim, fill

PLATE = "沪A12345"


@pytest.fixture
def gates(engine: Engine) -> GateTown:
    return make_gate_town(engine)


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    with TestClient(create_app(settings_of_tests(), engine), base_url="http://127.0.0.1") as client:
        yield client


def closed(gates: GateTown) -> int:
    [(bays,)] = gates.rows("SELECT count(*) FROM bays_out_of_use")
    assert isinstance(bays, int)
    return bays


def come_in(gates: GateTown, at: datetime) -> None:
    gates.send(SeenEvent(f"in {at}", "entry", at, PLATE), now=at)


def moved_to(found: Claim) -> int:
    assert found.outcome == "moved"
    assert found.new_bay is not None
    return found.new_bay.stay_id


@pytest.mark.parametrize("is_full", [False, True], ids=["another bay", "money back"])
def test_whoever_lost_a_part_of_the_stay_before_pays_no_more_for_another_bay(gates: GateTown, *, is_full: bool) -> None:
    """Twelve hours for 12.00, of which the owner took six back: 6.00 are due, or come back."""
    wang = gates.resident(PLATE)
    stay = gates.add_stay(wang, gates.night, gates.night + 12 * HOUR)
    book(gates, wang, stay, price_cents=1200)
    if is_full:
        fill(gates, begins=gates.night, ends=gates.night + 12 * HOUR, near=range(2, 7), far=range(1, 7))
    with work(gates.engine) as connection:
        book_some(connection, now=gates.night + MINUTE)
        shorten_stays(connection, {stay: gates.night + 6 * HOUR})
        book_some(connection, now=gates.night + 2 * MINUTE)
    found = claim(gates, wang, stay, gates.night + HOUR)
    assert (found.outcome, found.due_cents) == (("money_back", 600) if is_full else ("moved", 0))
    with work(gates.engine) as connection:
        book_some(connection, now=gates.night + 2 * HOUR)
        assert balances(connection, wang.household_id or 0).due_cents == (0 if is_full else 600)


def test_one_household_closes_two_bays_a_night_however_often_it_claims(
    gates: GateTown, client: TestClient, engine: Engine
) -> None:
    owner = make_owner(engine)
    give_facility(engine, gates.town.near, *owner.principal.owner_ids)
    contact = {"name": "night porter", "phone": "+86 21 5555 0100"}
    client.put(f"/v1/facilities/{gates.town.near}/contact", json=contact, headers=owner.headers)
    now = datetime.now(UTC)
    wang = gates.resident(PLATE)
    stay = gates.add_stay(wang, now - MINUTE, now + 14 * HOUR)
    come_in(gates, now)
    told = {}
    for _ in range(12):
        answer = client.post(f"/v1/stays/{stay}/bay-taken", json={"evidence": None}, headers=wang.headers)
        assert answer.status_code == 200
        told = answer.json()
        stay = told["new_bay"]["stay"] if told["new_bay"] else stay
    assert closed(gates) == 2
    assert told == {
        "claim": None,
        "outcome": "call",
        "why": "most_claims",
        "new_bay": None,
        "due_cents": 0,
        "contact": contact,
    }
    assert gates.rows("SELECT state FROM stays WHERE id = :stay", stay=stay) == [("confirmed",)], "its stay goes on"


def test_a_second_claim_is_for_cars_that_the_gate_saw_come_in(gates: GateTown) -> None:
    wang = gates.resident(PLATE)
    first = moved_to(claim(gates, wang, gates.add_stay(wang, gates.night, gates.night + 14 * HOUR), gates.night))
    unseen = claim(gates, wang, first, gates.night + 5 * MINUTE)
    assert (unseen.outcome, unseen.why, unseen.id) == ("call", "not_seen", None)
    come_in(gates, gates.night + 6 * MINUTE)
    moved_to(claim(gates, wang, first, gates.night + 7 * MINUTE))
    assert closed(gates) == 2


def test_whoever_was_let_in_by_a_code_was_seen(gates: GateTown) -> None:
    wang = gates.resident(PLATE)
    first = moved_to(claim(gates, wang, gates.add_stay(wang, gates.night, gates.night + 14 * HOUR), gates.night))
    with gates.engine.begin() as connection:
        open_as(connection, wang.principal)
        made = make_gate_code(connection, KEYS, first, household_id=wang.household_id, now=gates.night)
    with gates.engine.begin() as connection:
        open_for(connection, secret=read_secret(gates.key))
        device = get_device(connection, kind="gate")
        assert check_gate_code(connection, KEYS, device, code=made.code, direction="entry", now=gates.night).valid
    moved_to(claim(gates, wang, first, gates.night + MINUTE))


def test_where_there_is_no_gate_a_second_claim_needs_none(gates: GateTown) -> None:
    with gates.engine.begin() as connection:
        connection.execute(text("UPDATE gate_devices SET kind = 'warden'"))
    wang = gates.resident(PLATE)
    first = moved_to(claim(gates, wang, gates.add_stay(wang, gates.night, gates.night + 14 * HOUR), gates.night))
    second = moved_to(claim(gates, wang, first, gates.night + MINUTE))
    assert claim(gates, wang, second, gates.night + 2 * MINUTE).why == "most_claims"


def test_short_stays_one_after_the_other_are_claims_of_one_night(gates: GateTown) -> None:
    wang = gates.resident(PLATE)
    come_in(gates, gates.night)
    outcomes = []
    for number in range(3):
        begins = gates.night + number * HOUR
        stay = gates.add_stay(wang, begins, begins + 30 * MINUTE)
        outcomes.append(claim(gates, wang, stay, begins).outcome)
    assert outcomes == ["moved", "moved", "call"]
    tomorrow = gates.night + timedelta(days=1)
    moved_to(claim(gates, wang, gates.add_stay(wang, tomorrow, tomorrow + HOUR), tomorrow))


def test_claims_at_once_do_not_slip_past_the_limit(gates: GateTown) -> None:
    wang = gates.resident(PLATE)
    come_in(gates, gates.night)
    stays = [
        gates.add_stay(wang, gates.night + 5 * k * MINUTE, gates.night + 5 * (k + 1) * MINUTE, bay=k + 1)
        for k in range(4)
    ]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda stay: claim(gates, wang, stay, gates.night), stays))
    assert sorted(one.outcome for one in found) == ["call", "call", "moved", "moved"]


def test_the_limit_of_one_household_is_none_of_anothers(gates: GateTown) -> None:
    for number, plate in enumerate(("沪A12345", "沪A54321", "沪A11111")):
        who = gates.resident(plate, f"r{number}")
        stay = gates.add_stay(who, gates.night, gates.night + HOUR, bay=6 - number)
        moved_to(claim(gates, who, stay, gates.night))


# ---------------------------------------------------------------------------------------------- late after a claim


@pytest.mark.parametrize("near_is_full", [True, False])
def test_a_claim_excuses_nobody_from_leaving_when_the_stay_would_have_ended(
    gates: GateTown, *, near_is_full: bool
) -> None:
    """Without another bay the car stands there all the same, or with one on it: one strike."""
    over = gates.night + 14 * HOUR
    wang = gates.resident(PLATE)
    stay = gates.add_stay(wang, gates.night, over)
    gates.refresh(gates.night)
    come_in(gates, gates.night + MINUTE)
    if near_is_full:
        fill(gates, begins=gates.night, ends=over, near=range(2, 7), far=range(1, 7))
    found = claim(gates, wang, stay, gates.night + 5 * MINUTE)
    assert found.outcome == ("money_back" if near_is_full else "moved")
    gates.refresh(gates.night + 6 * MINUTE)
    left = over + 40 * MINUTE
    gates.send(SeenEvent("out", "exit", left, PLATE), now=left)
    with work(gates.engine) as connection:
        assert strike_late_leavers(connection, now=left + HOUR) == 1
    assert gates.rows("SELECT leave_by FROM strikes") == [(over,)]


# ------------------------------------------------------------------------------------------------------------- money


def permit_night(gates: GateTown, who: SomeAccount) -> int:
    """Give a household a permit at 300 yuan a month; return its night."""
    stay = gates.add_stay(who, gates.night, gates.night + 14 * HOUR)
    with gates.engine.begin() as connection:
        connection.execute(
            text(
                """WITH made AS (
                       INSERT INTO permits (household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min,
                           monthly_price_cents)
                       SELECT household_id, id, :group, daterange(:first, '2031-01-01'), 'daily', 1140, 1860, 30000
                       FROM vehicles WHERE household_id = :household RETURNING id)
                   UPDATE stays SET kind = 'permit', night = :night, permit_id = made.id FROM made
                   WHERE stays.id = :stay"""
            ),
            {
                "group": gates.town.near_group,
                "household": who.household_id,
                "stay": stay,
                "night": gates.night.date(),
                "first": gates.night.date().replace(day=1),
            },
        )
    return stay


@pytest.mark.parametrize("chained", [False, True])
def test_a_permit_holder_is_told_what_is_refunded(gates: GateTown, *, chained: bool) -> None:
    over = gates.night + 14 * HOUR
    wang = gates.resident(PLATE)
    stay = permit_night(gates, wang)
    with work(gates.engine) as connection:
        book_some(connection, now=gates.night)
        owed = balances(connection, wang.household_id).due_cents
    come_in(gates, gates.night)
    fill(gates, begins=gates.night, ends=over, near=range(3 if chained else 2, 7), far=range(1, 7))
    if chained:
        stay = moved_to(claim(gates, wang, stay, gates.night + MINUTE))
    found = claim(gates, wang, stay, gates.night + 2 * MINUTE)
    assert (found.outcome, found.due_cents) == ("money_back", share_of_day(30000, gates.night.date()))
    with work(gates.engine) as connection:
        book_some(connection, now=gates.night + HOUR)
        assert owed - balances(connection, wang.household_id).due_cents == found.due_cents


def test_a_booking_that_was_moved_and_lost_gives_its_price_back(gates: GateTown) -> None:
    over = gates.night + 14 * HOUR
    wang = gates.resident(PLATE)
    stay = gates.add_stay(wang, gates.night, over)
    book(gates, wang, stay, price_cents=1200)
    come_in(gates, gates.night)
    fill(gates, begins=gates.night, ends=over, near=range(3, 7), far=range(1, 7))
    stay = moved_to(claim(gates, wang, stay, gates.night + MINUTE))
    found = claim(gates, wang, stay, gates.night + 2 * MINUTE)
    assert (found.outcome, found.due_cents) == ("money_back", 1200)


def test_a_permit_without_a_price_has_nothing_due(gates: GateTown) -> None:
    wang = gates.resident(PLATE)
    stay = permit_night(gates, wang)
    with gates.engine.begin() as connection:
        connection.execute(text("UPDATE permits SET monthly_price_cents = NULL"))
    fill(gates, begins=gates.night, ends=gates.night + 14 * HOUR, near=range(2, 7), far=range(1, 7))
    assert claim(gates, wang, stay, gates.night).due_cents == 0
