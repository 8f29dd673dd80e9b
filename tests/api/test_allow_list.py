"""Allow-lists: the nights a plate has and no others, in versions that lose no row whatever commits when."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.accounts.opening import open_as, open_for
from api.accounts.secrets import read_secret
from api.app import create_app
from api.gates.allow_list import read_allow_list, refresh_allow_list
from api.jobs.queries import work
from api.vehicles.service import register_vehicle, withdraw_vehicle
from tests.api.accounts import KEYS, SomeAccount, make_gate_key, make_owner, make_planner, settings_of_tests
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


def plates(gates: GateTown, now: datetime) -> list[str]:
    return [row.plate for row in gates.listed(now)]


def change_plate(engine: Engine, who: SomeAccount, plate: str) -> None:
    with engine.begin() as connection:
        open_as(connection, who.principal)
        withdraw_vehicle(connection, who.household_id)
        register_vehicle(connection, KEYS, who.household_id, plate=plate, height_m=None, needs="")


def test_a_confirmed_night_is_one_row_with_its_plate_times_and_bay(gates: GateTown) -> None:
    wang = gates.resident("沪A12345")
    gates.add_stay(wang, gates.night, gates.night + 14 * HOUR, bay=3)
    [row] = gates.listed(gates.night - HOUR)
    assert (row.plate, row.starts_at, row.ends_at, row.bay, row.kind) == (
        "沪A12345",
        gates.night,
        gates.night + 14 * HOUR,
        "std 3",
        "booking",
    )


def test_holds_nights_given_back_and_nights_that_are_over_are_not_listed(gates: GateTown) -> None:
    for number, state in enumerate(("held", "cancelled", "given_back", "expired")):
        who = gates.resident(f"沪A1000{number}")
        gates.add_stay(who, gates.night, gates.night + 14 * HOUR, bay=1 + number, state=state)
    over = gates.resident("沪A20000")
    gates.add_stay(over, gates.night - 14 * HOUR, gates.night - HOUR, bay=6)
    assert plates(gates, gates.night) == []


def test_a_night_given_back_disappears_and_the_others_of_the_household_stay(gates: GateTown) -> None:
    wang = gates.resident("沪A12345")
    nights = [gates.night + k * timedelta(days=1) for k in range(3)]
    stays = [gates.add_stay(wang, night, night + 14 * HOUR) for night in nights]
    assert len(gates.listed(gates.night - HOUR)) == 3
    gates.end_stay(stays[1], state="given_back", at=gates.night - HOUR)
    assert [row.starts_at for row in gates.listed(gates.night - HOUR)] == [nights[0], nights[2]]


def test_the_stay_of_an_offer_that_nobody_accepted_opens_no_gate(gates: GateTown) -> None:
    wang = gates.resident("沪A12345")
    with gates.engine.begin() as connection:
        permit = connection.scalar(
            text(
                """INSERT INTO permits (household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min,
                       state)
                   SELECT household_id, id, :group, '[2026-01-01,2031-01-01)', 'daily', 1140, 1860, 'offered'
                   FROM vehicles WHERE household_id = :household RETURNING id"""
            ),
            {"group": gates.town.near_group, "household": wang.household_id},
        )
        connection.execute(
            text(
                """INSERT INTO stays (bay_id, household_id, permit_id, night, during, kind, state)
                   SELECT min(id), :household, :permit, '2026-12-01', tstzrange(:begins, :ends), 'permit', 'confirmed'
                   FROM bays"""
            ),
            {
                "household": wang.household_id,
                "permit": permit,
                "begins": gates.night,
                "ends": gates.night + 14 * HOUR,
            },
        )
    assert plates(gates, gates.night - HOUR) == []
    with gates.engine.begin() as connection:
        connection.execute(text("UPDATE permits SET state = 'active'"))
    assert plates(gates, gates.night - HOUR) == ["沪A12345"]


def test_whoever_changes_the_plate_is_listed_with_the_new_one_from_then_on(gates: GateTown, engine: Engine) -> None:
    wang = gates.resident("沪A12345")
    gates.add_stay(wang, gates.night, gates.night + 14 * HOUR)
    [before] = gates.listed(gates.night - HOUR)
    change_plate(engine, wang, "沪B67890")
    [after] = gates.listed(gates.night - HOUR)
    assert (before.plate, after.plate) == ("沪A12345", "沪B67890")
    assert before.id != after.id


def test_a_household_taken_off_the_list_is_not_on_it_meanwhile(gates: GateTown) -> None:
    wang = gates.resident("沪A12345")
    for day in (0, 3):
        night = gates.night + timedelta(days=day)
        gates.add_stay(wang, night, night + 14 * HOUR)
    with gates.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO plates_off_list (household_id, starts_at, ends_at, reason) VALUES (:h, :a, :b, 'strikes')"
            ),
            {"h": wang.household_id, "a": gates.night - HOUR, "b": gates.night + timedelta(days=2)},
        )
    assert [row.starts_at for row in gates.listed(gates.night - HOUR)] == [gates.night + timedelta(days=3)]


def test_a_gate_that_was_away_catches_up_from_any_version(gates: GateTown) -> None:
    """Whatever version it knows, what it is told of later makes its list the whole one."""
    now = gates.night - HOUR
    households = [gates.resident(f"沪A1000{k}") for k in range(4)]
    known: list[dict[int, str]] = [{}]
    stays: list[int] = []
    for k, who in enumerate(households):
        stays.append(gates.add_stay(who, gates.night, gates.night + 14 * HOUR, bay=k + 1))
        if k >= 2:
            gates.end_stay(stays[k - 2], state="cancelled", at=now)
        known.append({row.id: row.plate for row in gates.listed(now)})
    assert gates.refresh(now) == 4
    whole = known[-1]
    assert len(whole) == 2
    for version, knew in enumerate(known):
        with work(gates.engine) as connection:
            told = read_allow_list(connection, KEYS, gates.town.near, version=4, since=version, now=now)
        assert not told.whole
        applied = {key: plate for key, plate in knew.items() if key not in told.removed}
        assert applied | {row.id: row.plate for row in told.added} == whole
    with work(gates.engine) as connection:
        ahead = read_allow_list(connection, KEYS, gates.town.near, version=4, since=99, now=now)
    assert ahead.whole
    assert {row.id for row in ahead.added} == whole.keys()


def test_nothing_new_makes_no_version(gates: GateTown) -> None:
    gates.add_stay(gates.resident("沪A12345"), gates.night, gates.night + 14 * HOUR)
    assert [gates.refresh(gates.night) for _ in range(3)] == [1, 1, 1]
    assert gates.refresh(gates.night + timedelta(days=1)) == 1, "a night that is over needs no telling"


def test_a_stay_written_early_and_committed_late_is_not_lost(gates: GateTown) -> None:
    """The one with the lower id commits after the list has been made from the other."""
    late, early = gates.resident("沪A10000"), gates.resident("沪A10001")
    now = gates.night - HOUR
    with gates.engine.begin() as slow:
        gates.add_stay(late, gates.night, gates.night + 14 * HOUR, bay=1, connection=slow)
        gates.add_stay(early, gates.night, gates.night + 14 * HOUR, bay=2)
        assert plates(gates, now) == ["沪A10001"]
        assert gates.refresh(now) == 1
    with work(gates.engine) as connection:
        version = refresh_allow_list(connection, gates.town.near, now=now)
        told = read_allow_list(connection, KEYS, gates.town.near, version=version, since=1, now=now)
    assert (version, [row.plate for row in told.added], list(told.removed)) == (2, ["沪A10000"], [])


def test_a_gate_that_polls_while_many_book_and_cancel_ends_with_the_whole_list(gates: GateTown) -> None:
    """Twelve households book and cancel at once; two gates poll what changed; both end with what is there."""
    now = gates.night - HOUR
    households = [gates.resident(f"沪A100{k:02}") for k in range(12)]
    done = threading.Event()

    def live(k: int) -> None:
        night = gates.night + (k // 6) * timedelta(days=1)
        for turn in range(6):
            stay = gates.add_stay(households[k], night, night + 14 * HOUR, bay=k % 6 + 1)
            if turn < 5 or k % 3 == 0:
                gates.end_stay(stay, state="cancelled", at=now)

    def poll() -> tuple[dict[int, str], list[int]]:
        knows: dict[int, str] = {}
        versions = [0]
        last = False
        while True:
            with work(gates.engine) as connection:
                version = refresh_allow_list(connection, gates.town.near, now=now)
                told = read_allow_list(connection, KEYS, gates.town.near, version=version, since=versions[-1], now=now)
            assert not set(told.removed) - knows.keys()
            knows = {key: plate for key, plate in knows.items() if key not in told.removed}
            knows |= {row.id: row.plate for row in told.added}
            versions.append(version)
            if last:
                return knows, versions
            last = done.is_set()

    with ThreadPoolExecutor(14) as pool:
        polling = [pool.submit(poll) for _ in range(2)]
        for living in [pool.submit(live, k) for k in range(12)]:
            living.result()
        done.set()
        for polled in polling:
            knows, versions = polled.result()
            assert sorted(knows.values()) == sorted(plates(gates, now))
            assert versions == sorted(versions)
    assert sorted(plates(gates, now)) == [f"沪A100{k:02}" for k in range(12) if k % 3]


def test_the_gate_reads_its_list_and_is_answered_304_until_something_changes(
    gates: GateTown, client: TestClient
) -> None:
    now = datetime.now(UTC)
    wang, li = gates.resident("沪A12345"), gates.resident("沪A54321")
    gates.add_stay(wang, now + HOUR, now + 14 * HOUR)
    path = f"/v1/facilities/{gates.town.near}/allow-list"
    first = client.get(path, headers=gates.headers)
    assert first.status_code == 200
    told = first.json()
    assert (told["version"], told["whole"], told["removed"]) == (1, True, [])
    assert [row["plate"] for row in told["added"]] == ["沪A12345"]
    assert first.headers["Cache-Control"] == "no-store"
    seen = {"If-None-Match": first.headers["ETag"], **gates.headers}
    assert client.get(path, params={"since": 1}, headers=seen).status_code == 304
    gates.add_stay(li, now + HOUR, now + 14 * HOUR, bay=2)
    news = client.get(path, params={"since": 1}, headers=seen)
    assert news.status_code == 200
    assert [row["plate"] for row in news.json()["added"]] == ["沪A54321"]
    assert (news.json()["version"], news.json()["whole"]) == (2, False)


def test_whoever_takes_a_list_away_is_written_down_without_plates(
    gates: GateTown, client: TestClient, engine: Engine
) -> None:
    owner = make_owner(engine)
    give_facility(engine, gates.town.near, *owner.principal.owner_ids)
    now = datetime.now(UTC)
    gates.add_stay(gates.resident("沪A12345"), now + HOUR, now + 14 * HOUR)
    path = f"/v1/facilities/{gates.town.near}/allow-list"
    client.get(path, headers=gates.headers)
    client.get(path, headers=owner.headers)
    client.get(path, params={"since": 1}, headers=gates.headers)  # nothing in it
    exports = client.get(f"{path}/exports", headers=owner.headers).json()
    assert [(one["way"], one["device"], one["account"], one["rows"]) for one in exports] == [
        ("json", None, owner.account_id, 1),
        ("json", "gate of the tests", None, 1),
    ]
    assert "12345" not in str(gates.rows("SELECT * FROM allow_list_exports"))


def test_another_gate_another_owner_a_resident_and_nobody_are_refused(
    gates: GateTown, client: TestClient, engine: Engine
) -> None:
    now = datetime.now(UTC)
    wang = gates.resident("沪A12345")
    gates.add_stay(wang, now + HOUR, now + 14 * HOUR)
    other = {"Authorization": f"Bearer {make_gate_key(engine, gates.town.far)}"}
    path = f"/v1/facilities/{gates.town.near}/allow-list"
    assert client.get(path).status_code == 401
    for headers in (other, make_owner(engine).headers, wang.headers):
        assert client.get(path, headers=headers).status_code == 404
    assert client.get(path, headers=make_planner(engine).headers).status_code == 200


def test_the_database_itself_shows_a_gate_its_own_list_only(gates: GateTown, engine: Engine) -> None:
    wang = gates.resident("沪A12345")
    gates.add_stay(wang, gates.night, gates.night + 14 * HOUR)
    gates.refresh(gates.night)
    keys = {"own": gates.key, "other": make_gate_key(engine, gates.town.far)}
    seen = {}
    for whose, key in keys.items():
        with engine.begin() as connection:
            open_for(connection, secret=read_secret(key))
            seen[whose] = connection.scalar(text("SELECT count(*) FROM allow_list_rows"))
    assert seen == {"own": 1, "other": 0}
    with engine.begin() as connection:
        open_as(connection, wang.principal)
        assert connection.scalar(text("SELECT count(*) FROM allow_list_rows")) == 0


def test_a_wardens_device_gets_no_list(gates: GateTown, client: TestClient, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE gate_devices SET kind = 'warden'"))
    path = f"/v1/facilities/{gates.town.near}/allow-list"
    assert client.get(path, headers=gates.headers).status_code == 403
    with engine.begin() as connection:
        open_for(connection, secret=read_secret(gates.key))
        gates_row = connection.scalar(text("SELECT gate_facility()"))
    assert gates_row is None


def test_a_list_read_a_minute_before_the_end_of_a_night_still_has_it(gates: GateTown) -> None:
    gates.add_stay(gates.resident("沪A12345"), gates.night, gates.night + 14 * HOUR)
    assert plates(gates, gates.night + 14 * HOUR - MINUTE) == ["沪A12345"]
    assert plates(gates, gates.night + 14 * HOUR) == []
