"""Who changes cars is judged by those that were listed while the stay lasted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.accounts.opening import open_as, open_for
from api.accounts.secrets import read_secret
from api.app import create_app
from api.gates.at_the_gate import check_gate_code, check_in, make_gate_code
from api.gates.entitled import get_device
from api.gates.events import SeenEvent
from api.gates.gate_sessions import GateSession, ListedStay, stay_of
from api.gates.lateness import late_exits, no_shows
from api.jobs.queries import work
from api.overstays.buffers import record_mornings
from api.overstays.jobs import remind_holders, strike_late_cars
from tests.api.accounts import KEYS, make_owner, settings_of_tests
from tests.api.estates import give_facility
from tests.api.gate_town import HOUR, MINUTE
from tests.api.late_town import DAY, PLATE, START, Late, add_permit, make_late

OTHER = "沪B99999"
LEAVE_BY = START + 14 * HOUR


@pytest.fixture
def late(engine: Engine) -> Late:
    return make_late(engine)


def listed(late: Late) -> list[tuple[object, ...]]:
    return late.gates.rows("SELECT id, removed_at FROM allow_list_rows ORDER BY id")


@pytest.mark.parametrize("plate", [OTHER, None])
def test_a_car_changed_after_it_left_late_is_struck_all_the_same(late: Late, plate: str | None) -> None:
    left = late.night(0)
    before = listed(late)
    late.change_car(plate, now=left + MINUTE)
    assert listed(late) == before, "what was listed for a stay that is over is history"
    assert late.strike(left + HOUR) == 1


@pytest.mark.parametrize("plate", [OTHER, None])
def test_a_car_changed_after_it_was_struck_takes_nothing_back(late: Late, plate: str | None) -> None:
    now = late.struck(0)
    late.change_car(plate, now=now)
    assert strike_late_cars(late.gates.engine, now=now + HOUR)["taken_back"] == 0
    assert late.strikes() == [(1, "warning", "standing", "waiting")]
    assert late.told("appeal_decided") == []


@pytest.mark.parametrize("plate", [OTHER, None])
@pytest.mark.parametrize("changed", [START - 5 * MINUTE, START + HOUR, LEAVE_BY + 5 * MINUTE])
def test_a_car_changed_while_it_is_inside_is_judged_by_when_it_leaves(
    late: Late, plate: str | None, changed: datetime
) -> None:
    """It may have come in by a code before its stay began."""
    late.gates.add_stay(late.who, START, LEAVE_BY)
    late.gates.refresh(START - HOUR)
    late.gates.send(SeenEvent("in", "entry", START - 10 * MINUTE, PLATE), now=START - 10 * MINUTE)
    late.change_car(plate, now=changed)
    late.gates.refresh(LEAVE_BY + 10 * MINUTE)
    left = LEAVE_BY + 45 * MINUTE
    late.gates.send(SeenEvent("out", "exit", left, PLATE), now=left)
    assert strike_late_cars(late.gates.engine, now=left + HOUR)["strikes"] == 1
    assert [told["late_min"] for told in late.told("strike")] == [45]


def test_a_car_changed_before_a_permits_night_is_given_back_is_late_from_then_on(late: Late) -> None:
    stay = late.gates.add_stay(late.who, START, LEAVE_BY)
    late.gates.refresh(START)
    late.gates.send(SeenEvent("in", "entry", START + MINUTE, PLATE), now=START + MINUTE)
    late.change_car(None, now=START + HOUR)
    late.gates.end_stay(stay, state="given_back", at=START + 2 * HOUR)
    late.gates.refresh(START + 2 * HOUR)
    late.gates.send(SeenEvent("out", "exit", START + 3 * HOUR, PLATE), now=START + 3 * HOUR)
    with work(late.gates.engine) as connection:
        [one] = late_exits(connection, since=START, until=START + 4 * HOUR)
    assert (one.leave_by, one.left_at) == (START + 2 * HOUR, START + 3 * HOUR)


def test_whoever_comes_with_the_new_car_and_leaves_in_time_is_not_struck(late: Late) -> None:
    late.gates.add_stay(late.who, START, LEAVE_BY)
    late.gates.refresh(START)
    late.change_car(OTHER, now=START + HOUR)
    late.gates.send(
        SeenEvent("in", "entry", START + 2 * HOUR, OTHER), SeenEvent("out", "exit", LEAVE_BY, OTHER), now=LEAVE_BY
    )
    assert late.strike(LEAVE_BY + HOUR) == 0


def test_the_next_household_of_a_plate_does_not_make_the_former_one_late(late: Late) -> None:
    """A car is sold at night; whoever bought it comes with it later, for a stay of its own that ends later."""
    late.gates.add_stay(late.who, START, LEAVE_BY)
    late.gates.refresh(START)
    late.change_car(None, now=START + HOUR)
    buyer = late.gates.resident(PLATE, "buyer")
    own = late.gates.add_stay(buyer, START + HOUR, LEAVE_BY + 2 * HOUR, bay=2)
    late.gates.refresh(START + HOUR + MINUTE)
    left = LEAVE_BY + HOUR
    late.gates.send(SeenEvent("in", "entry", START + 2 * HOUR, PLATE), SeenEvent("out", "exit", left, PLATE), now=left)
    assert late.strike(left + 2 * HOUR) == 0
    assert [stay for *_, stay in late.gates.gate_sessions()] == [own]


def test_two_cars_of_one_night_that_both_stand_on_are_one_strike_that_holds(late: Late) -> None:
    stay = late.gates.add_stay(late.who, START, LEAVE_BY)
    late.gates.refresh(START)
    late.gates.send(SeenEvent("in", "entry", START + MINUTE, PLATE), now=START + MINUTE)
    late.change_car(OTHER, now=START + HOUR)
    now = LEAVE_BY + HOUR
    late.gates.send(
        SeenEvent("in too", "entry", START + 2 * HOUR, OTHER),
        SeenEvent("out too", "exit", LEAVE_BY + 5 * MINUTE, OTHER),
        SeenEvent("out", "exit", LEAVE_BY + 40 * MINUTE, PLATE),
        now=now,
    )
    assert strike_late_cars(late.gates.engine, now=now)["strikes"] == 1
    assert strike_late_cars(late.gates.engine, now=now)["taken_back"] == 0
    with work(late.gates.engine) as connection:
        assert {one.stay_id for one in late_exits(connection, since=START, until=now)} == {stay}
        record_mornings(connection, now=now + 12 * HOUR)
    assert late.gates.rows("SELECT cars, late_cars, late_min FROM late_mornings") == [(1, 1, 40)]


def test_a_car_of_before_that_came_is_no_no_show(late: Late) -> None:
    late.night(0, late_min=-5)
    late.change_car(OTHER, now=LEAVE_BY + MINUTE)
    with work(late.gates.engine) as connection:
        assert no_shows(connection, since=START, until=LEAVE_BY + HOUR) == []


def test_a_car_that_never_came_is_a_no_show_also_when_it_was_withdrawn_meanwhile(late: Late) -> None:
    stay = late.gates.add_stay(late.who, START, LEAVE_BY)
    late.gates.refresh(START)
    late.gates.send(SeenEvent("of another", "entry", START + MINUTE, OTHER), now=START + MINUTE)
    late.change_car(None, now=START + HOUR)
    with work(late.gates.engine) as connection:
        found = no_shows(connection, since=START, until=LEAVE_BY + HOUR)
    assert [one.stay_id for one in found] == [stay]


@pytest.mark.parametrize("plate", [OTHER, None])
def test_a_permit_holder_is_reminded_of_the_car_that_is_inside(late: Late, plate: str | None) -> None:
    stay = late.gates.add_stay(late.who, START, LEAVE_BY)
    with late.gates.engine.begin() as connection:
        connection.execute(
            text("UPDATE stays SET kind = 'permit', night = '2026-03-02', permit_id = :permit WHERE id = :stay"),
            {"permit": add_permit(connection, late), "stay": stay},
        )
    late.gates.refresh(START)
    late.gates.send(SeenEvent("in", "entry", START, PLATE), now=START)
    late.change_car(plate, now=START + HOUR)
    assert remind_holders(late.gates.engine, now=LEAVE_BY - 20 * MINUTE) == {"notices": 1}


def test_a_code_lets_the_car_out_that_came_in(late: Late) -> None:
    stay = late.gates.add_stay(late.who, START, LEAVE_BY)
    late.gates.refresh(START)
    late.gates.send(SeenEvent("in", "entry", START + MINUTE, PLATE), now=START + MINUTE)
    late.change_car(OTHER, now=START + HOUR)
    left = LEAVE_BY + 40 * MINUTE
    with late.gates.engine.begin() as connection:
        open_as(connection, late.who.principal)
        made = make_gate_code(connection, KEYS, stay, household_id=late.who.household_id, now=left)
    with late.gates.engine.begin() as connection:
        open_for(connection, secret=read_secret(late.gates.key))
        device = get_device(connection, kind="gate")
        assert check_gate_code(connection, KEYS, device, code=made.code, direction="exit", now=left).valid
    assert late.gates.gate_sessions() == [(START + MINUTE, left, "closed", stay)]
    assert late.strike(left + HOUR) == 1


def test_whoever_checked_in_checks_out_with_the_same_car(late: Late) -> None:
    with late.gates.engine.begin() as connection:
        connection.execute(text("UPDATE gate_devices SET revoked_at = now()"))
    stay = late.gates.add_stay(late.who, START, LEAVE_BY)

    def say(direction: str, now: datetime) -> None:
        with late.gates.engine.begin() as connection:
            open_as(connection, late.who.principal)
            check_in(connection, KEYS, stay, household_id=late.who.household_id, direction=direction, now=now)  # type: ignore[arg-type]  # one of the two

    say("entry", START)
    late.change_car(None, now=START + HOUR)
    say("exit", LEAVE_BY)
    assert late.gates.gate_sessions() == [(START, LEAVE_BY, "closed", stay)]


def test_a_plate_that_comes_after_it_was_taken_off_the_list_did_not_come_for_that_stay() -> None:
    stays = [ListedStay(1, START, LEAVE_BY, START + HOUR), ListedStay(2, START + HOUR, LEAVE_BY)]
    assert stay_of(GateSession(START + MINUTE, LEAVE_BY, "closed"), stays) == 1
    assert stay_of(GateSession(START + 2 * HOUR, LEAVE_BY, "closed"), stays) == 2


def test_a_stay_that_was_never_listed_is_still_found_by_late_events(late: Late) -> None:
    """Nobody asked for the list that night."""
    late.gates.add_stay(late.who, START, LEAVE_BY)
    left = LEAVE_BY + 40 * MINUTE
    late.gates.send(SeenEvent("in", "entry", START, PLATE), SeenEvent("out", "exit", left, PLATE), now=left)
    assert late.strike(left + HOUR) == 1


@pytest.fixture
def public(engine: Engine) -> Iterator[TestClient]:
    with TestClient(create_app(settings_of_tests(), engine), base_url="http://127.0.0.1") as client:
        yield client


@pytest.mark.parametrize("plate", [OTHER, None])
def test_an_owner_sees_the_car_that_is_still_there_whatever_its_household_registers(
    late: Late, public: TestClient, engine: Engine, plate: str | None
) -> None:
    leave_by = datetime.now(UTC).replace(microsecond=0) - HOUR
    begins = leave_by - 10 * HOUR
    late.gates.add_stay(late.who, begins, leave_by)
    late.gates.refresh(begins)
    late.gates.send(SeenEvent("in", "entry", begins, PLATE), now=begins)
    owner = make_owner(engine, "owner")
    give_facility(engine, late.gates.town.near, *owner.principal.owner_ids)
    assert public.delete("/v1/vehicle", headers=late.who.headers).status_code == 204
    if plate is not None:
        assert public.put("/v1/vehicle", json={"plate": plate}, headers=late.who.headers).status_code == 202
    late.gates.refresh(datetime.now(UTC))
    [car] = public.get(f"/v1/facilities/{late.gates.town.near}/late-cars", headers=owner.headers).json()
    assert car["plate"] == PLATE
    assert late.strike(leave_by + DAY / 2) == 0, "struck when it has left"
    assert len(late.told("overstay")) == 1
