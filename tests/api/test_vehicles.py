"""Households and their cars: a plate stands for one household, and nobody learns who else has named it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.accounts.keys import Keys
from api.accounts.sealing import SealBroken
from api.app import create_app
from api.settings import Settings
from api.vehicles.plates import PlateUnknown, hash_plate, normalise_plate, open_plate, seal_plate
from tests.api.accounts import (
    KEYS,
    SomeAccount,
    make_account,
    make_planner,
    make_resident,
    settings_of_tests,
    signed_in,
    with_grant,
)
from tests.api.estates import Estates, make_estates

HERE = "http://127.0.0.1"
PLATE = "沪A·8K123"


@pytest.fixture
def estates(engine: Engine) -> Estates:
    return make_estates(engine)


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    app = create_app(settings_of_tests(), engine)
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as client:
        yield client


def settled(client: TestClient, engine: Engine, home: int) -> TestClient:
    """Give the client of a resident who has a household and no car."""
    resident = signed_in(client, make_account(engine))
    assert resident.put("/v1/household", json={"home": home}).status_code == 200
    return resident


# -------------------------------------------------------------------------------------------------------------- plates


@pytest.mark.parametrize(
    ("written", "plate"),
    [
        ("沪A·12345", "沪A12345"),
        ("沪a 8k123", "沪A8K123"),
        ("　京Ａ－Ｂ１２３４ ", "京AB1234"),
        ("沪AD12345", "沪AD12345"),  # new energy, small: a battery drives it
        ("粤B F12345", "粤BF12345"),  # new energy, small: a hybrid
        ("沪A12345D", "沪A12345D"),  # new energy, large
        ("粤Z·A123港", "粤ZA123港"),
        ("沪A1234学", "沪A1234学"),
        ("SBA 1234 G", "SBA1234G"),
        ("AB 1234", "AB1234"),
        ("x1", "X1"),
    ],
)
def test_a_plate_is_known_however_it_is_written(written: str, plate: str) -> None:
    assert normalise_plate(written) == plate


@pytest.mark.parametrize(
    "written",
    [
        "",
        "沪",
        "沪A1234",
        "沪A123456",
        "沪AI2345",
        "沪AO2345",
        "火A12345",
        "沪A12345Z",
        "ABCDEF",
        "123456",
        "ABC123456",
        "AB;1",
    ],
)
def test_what_is_no_plate_is_refused_without_repeating_it(written: str) -> None:
    with pytest.raises(PlateUnknown) as refused:
        normalise_plate(written)
    assert not written or written not in str(refused.value)


def test_a_plates_hash_and_seal_need_the_key(tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Keys(Settings(data=tmp_path_factory.mktemp("other")))
    assert hash_plate(KEYS, "沪A12345") == hash_plate(KEYS, "沪A12345") != hash_plate(other, "沪A12345")
    sealed = seal_plate(KEYS, "沪A12345")
    assert sealed != seal_plate(KEYS, "沪A12345")
    assert open_plate(KEYS, sealed) == "沪A12345"
    with pytest.raises(SealBroken):
        open_plate(other, sealed)
    with pytest.raises(SealBroken):
        open_plate(KEYS, sealed[:-1] + bytes([sealed[-1] ^ 1]))


# ---------------------------------------------------------------------------------------------------------- households


def test_a_resident_founds_a_household_and_moves_it(client: TestClient, engine: Engine, estates: Estates) -> None:
    resident = signed_in(client, make_account(engine))
    refused = resident.get("/v1/household")
    assert (refused.status_code, refused.json()["type"]) == (403, "no-household")
    founded = resident.put("/v1/household", json={"home": estates.east}).json()
    moved = resident.put("/v1/household", json={"home": estates.west}).json()
    assert founded["id"] == moved["id"]
    assert (founded["estate"], moved["estate"], moved["members"]) == ("East", "West", 1)
    assert resident.get("/v1/household").json() == moved
    assert resident.get("/v1/account").json()["household"] == moved["id"]


def test_an_account_founds_one_household_however_often_it_asks(
    client: TestClient, engine: Engine, estates: Estates
) -> None:
    resident = signed_in(client, make_account(engine))
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: resident.put("/v1/household", json={"home": estates.east}), range(12)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM households")) == 1


@pytest.mark.parametrize(("home", "status"), [(2**62, 404), (0, 422), ("h1", 422), (2**63, 422)])
def test_a_home_that_is_not_there_is_refused(client: TestClient, engine: Engine, home: object, status: int) -> None:
    resident = signed_in(client, make_account(engine))
    assert resident.put("/v1/household", json={"home": home}).status_code == status


# ---------------------------------------------------------------------------------------------------------------- cars


def test_a_household_registers_its_car_and_reads_it_back(client: TestClient, engine: Engine, estates: Estates) -> None:
    resident = settled(client, engine, estates.east)
    assert resident.get("/v1/vehicle").status_code == 404
    answer = resident.put("/v1/vehicle", json={"plate": PLATE, "height_m": 1.9, "needs": ["ev", "accessible"]})
    assert answer.status_code == 202
    assert "8K123" not in answer.text
    shown = resident.get("/v1/vehicle").json()
    assert (shown["plate"], shown["height_m"], shown["needs"], shown["status"]) == (
        "沪A8K123",
        1.9,
        ["accessible", "ev"],
        "received",
    )


def test_a_plate_is_stored_sealed_and_never_logged(
    client: TestClient, engine: Engine, estates: Estates, caplog: pytest.LogCaptureFixture
) -> None:
    resident = settled(client, engine, estates.east)
    with caplog.at_level("DEBUG"):
        resident.put("/v1/vehicle", json={"plate": PLATE})
        resident.put("/v1/vehicle", json={"plate": PLATE + "?"})
        resident.get("/v1/vehicle")
    with engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM vehicles")).one()
    stored = bytes(row.plate_sealed) + bytes(row.plate_hash)
    assert b"8K123" not in stored
    assert "8K123" not in caplog.text


def test_a_plate_is_answered_alike_whether_it_is_taken_or_not(
    client: TestClient, engine: Engine, estates: Estates
) -> None:
    first, second = settled(client, engine, estates.east), settled(client, engine, estates.west)
    free = first.put("/v1/vehicle", json={"plate": PLATE, "height_m": 1.5})
    taken = second.put("/v1/vehicle", json={"plate": PLATE, "height_m": 1.5})
    assert (free.status_code, free.json(), list(free.headers)) == (taken.status_code, taken.json(), list(taken.headers))
    shown = [client.get("/v1/vehicle").json() for client in (first, second)]
    for one in shown:
        one.pop("created_at")
    assert shown[0] == shown[1]
    again = [client.put("/v1/vehicle", json={"plate": PLATE, "height_m": 1.6}).json() for client in (first, second)]
    assert again[0] == again[1]
    others = [client.put("/v1/vehicle", json={"plate": "沪A99999"}).status_code for client in (first, second)]
    assert others == [409, 409]
    gone = [client.delete("/v1/vehicle").status_code for client in (second, first)]
    assert gone == [204, 204]


def test_a_plate_stands_for_one_household_however_many_name_it_at_once(
    client: TestClient, engine: Engine, estates: Estates
) -> None:
    residents = [settled(client, engine, estates.east) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda resident: resident.put("/v1/vehicle", json={"plate": PLATE}), residents))
    assert {answer.status_code for answer in answers} == {202}
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM vehicles")) == 1
        assert connection.scalar(text("SELECT count(*) FROM plate_disputes")) == 5


@pytest.mark.parametrize("party", ["claimant", "holder"])
def test_nobody_decides_on_the_plate_of_their_own_household(
    client: TestClient, engine: Engine, estates: Estates, party: str
) -> None:
    people = {"holder": make_account(engine, "holder"), "claimant": make_account(engine, "claimant")}
    for who, home in zip(people.values(), (estates.east, estates.west), strict=True):
        resident = signed_in(client, who)
        resident.put("/v1/household", json={"home": home})
        resident.put("/v1/vehicle", json={"plate": PLATE})
    planner = signed_in(client, with_grant(engine, people[party], role="planner"))
    [dispute] = planner.get("/v1/plate-disputes").json()["disputes"]
    answer = planner.post(f"/v1/plate-disputes/{dispute['id']}/decision", json={"outcome": party})
    assert (answer.status_code, answer.json()["type"]) == (403, "own-household")
    assert len(planner.get("/v1/plate-disputes").json()["disputes"]) == 1


@pytest.mark.parametrize(("outcome", "winner", "loser"), [("claimant", 1, 0), ("holder", 0, 1)])
def test_a_planner_decides_whom_a_plate_stands_for(
    client: TestClient, engine: Engine, estates: Estates, outcome: str, winner: int, loser: int
) -> None:
    residents = [settled(client, engine, estates.east), settled(client, engine, estates.west)]
    for resident in residents:
        resident.put("/v1/vehicle", json={"plate": PLATE})
    planner = signed_in(client, make_planner(engine))
    [dispute] = planner.get("/v1/plate-disputes").json()["disputes"]
    assert dispute["plate"] == "沪A8K123"
    path = f"/v1/plate-disputes/{dispute['id']}/decision"
    assert planner.post(path, json={"outcome": outcome}).status_code == 204
    assert planner.post(path, json={"outcome": outcome}).status_code == 404
    assert planner.get("/v1/plate-disputes").json()["disputes"] == []
    assert residents[winner].get("/v1/vehicle").json()["status"] == "received"
    lost = residents[loser].get("/v1/vehicle").json()
    assert (lost["plate"], lost["status"]) == ("沪A8K123", "refused"), "a no is never silent"
    with engine.connect() as connection:
        live = connection.execute(text("SELECT household_id FROM vehicles WHERE withdrawn_at IS NULL")).scalars().all()
    assert live == [residents[winner].get("/v1/household").json()["id"]]


def test_nobody_tries_plates_out(client: TestClient, engine: Engine, estates: Estates) -> None:
    resident = settled(client, engine, estates.east)
    for number in range(5):
        assert resident.put("/v1/vehicle", json={"plate": f"沪A1234{number}"}).status_code == 202
        assert resident.delete("/v1/vehicle").status_code == 204
    stopped = resident.put("/v1/vehicle", json={"plate": "沪A12349"})
    assert stopped.status_code == 429
    assert int(stopped.headers["retry-after"]) > 29 * 86400


def test_a_withdrawn_plate_is_free_for_another_household(client: TestClient, engine: Engine, estates: Estates) -> None:
    first = make_resident(engine, estates.east, plate=PLATE)
    assert signed_in(client, first).delete("/v1/vehicle").status_code == 204
    second: SomeAccount = make_resident(engine, estates.west, plate=PLATE)
    with engine.connect() as connection:
        live = text("SELECT household_id FROM vehicles WHERE withdrawn_at IS NULL")
        assert connection.execute(live).scalars().all() == [second.household_id]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"plate": "8" * 21},
        {"plate": "沪A12345", "height_m": -1},
        {"plate": "沪A12345", "height_m": "high"},
        {"plate": "沪A12345", "needs": ["wings"]},
        {"plate": "沪A12345", "owner": 7},
        {"plate": "no plate"},
        {"plate": "沪A\u000012345"},
    ],
)
def test_a_car_that_cannot_be_is_refused(client: TestClient, engine: Engine, estates: Estates, body: object) -> None:
    resident = settled(client, engine, estates.east)
    answer = resident.put("/v1/vehicle", json=body)
    assert answer.status_code == 422
    assert "12345" not in answer.text
