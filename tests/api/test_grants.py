"""Roles: granted by planners, ended by time or revocation, and never wider than what was granted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.app import create_app
from api.grants.service import AccountNotFound, grant_planner
from tests.api.accounts import (
    make_account,
    make_committee_worker,
    make_gate_key,
    make_owner,
    make_planner,
    make_resident,
    settings_of_tests,
    signed_in,
)
from tests.api.estates import SLUG, Estates, give_facility, make_estates
from tests.api.running import Run

HERE = "http://127.0.0.1"
PLATE = "沪A8K123"


@pytest.fixture
def estates(engine: Engine) -> Estates:
    return make_estates(engine)


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    app = create_app(settings_of_tests(), engine)
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as client:
        yield client


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def mandate(log_in_name: str, *, days: float = 30, sub_district: str = "East") -> dict[str, object]:
    return {
        "log_in_name": log_in_name,
        "role": "committee_worker",
        "neighbourhood": SLUG,
        "sub_district": sub_district,
        "expires_at": in_days(days),
    }


# ------------------------------------------------------------------------------------------------------------- planner


def test_the_first_planner_comes_from_the_command_line(engine: Engine, client: TestClient) -> None:
    account = make_account(engine)
    grant_planner(engine, account.log_in_name.upper())
    assert signed_in(client, account).get("/v1/account").json()["roles"] == ["planner"]


def test_nobody_becomes_planner_without_an_account(engine: Engine) -> None:
    with pytest.raises(AccountNotFound):
        grant_planner(engine, "nobody-123456")


def test_the_command_makes_a_planner_and_refuses_an_unknown_name(
    engine: Engine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    account = make_account(engine)
    assert run("grant-planner", account.log_in_name)[0] == 0
    code, _, said = run("grant-planner", "nobody-123456")
    assert (code, "register it first" in said) == (2, True)


def test_a_planner_makes_planners_and_ends_them_at_once(engine: Engine, client: TestClient) -> None:
    planner, other = signed_in(client, make_planner(engine)), make_account(engine, "other")
    made = planner.post("/v1/grants", json={"log_in_name": other.log_in_name, "role": "planner"})
    assert made.status_code == 201
    assert signed_in(client, other).get("/v1/plate-disputes").status_code == 200
    assert planner.delete(f"/v1/grants/{made.json()['id']}").status_code == 204
    assert signed_in(client, other).get("/v1/plate-disputes").status_code == 403
    assert planner.delete(f"/v1/grants/{made.json()['id']}").status_code == 404


def test_roles_never_come_from_what_an_account_says_of_itself(engine: Engine, client: TestClient) -> None:
    account = signed_in(client, make_account(engine))
    me = account.get("/v1/account").json()["log_in_name"]
    assert account.post("/v1/grants", json={"log_in_name": me, "role": "planner"}).status_code == 403
    assert account.patch("/v1/account", json={"language": "en", "roles": ["planner"]}).status_code == 422
    assert account.get("/v1/account", headers={"X-Roles": "planner"}).json()["roles"] == []


def test_a_grant_ends_by_itself(engine: Engine, client: TestClient) -> None:
    planner, other = signed_in(client, make_planner(engine)), make_account(engine, "other")
    wanted = {"log_in_name": other.log_in_name, "role": "planner", "expires_at": in_days(1)}
    assert planner.post("/v1/grants", json=wanted).status_code == 201
    with engine.begin() as connection:
        connection.execute(text("UPDATE grants SET expires_at = now() WHERE expires_at IS NOT NULL"))
    assert signed_in(client, other).get("/v1/account").json()["roles"] == []


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"role": "planner", "log_in_name": "nobody-123456"}, 404),
        ({"role": "owner", "owner": 2**62}, 404),
        ({"role": "owner"}, 422),
        ({"role": "planner", "owner": 1}, 422),
        ({"role": "planner", "expires_at": "2020-01-01T00:00:00Z"}, 422),
        ({"role": "planner", "expires_at": "2030-01-01T00:00:00"}, 422),
        ({"role": "emperor"}, 422),
        ({"role": "committee_worker", "neighbourhood": SLUG, "sub_district": "East"}, 422),
        ({"role": "committee_worker", "neighbourhood": SLUG, "sub_district": "East", "expires_at": in_days(400)}, 422),
        ({"role": "committee_worker", "neighbourhood": SLUG, "sub_district": "Up", "expires_at": in_days(9)}, 404),
        ({"role": "committee_worker", "neighbourhood": "a\0", "sub_district": "Up", "expires_at": in_days(9)}, 422),
    ],
)
@pytest.mark.usefixtures("estates")
def test_a_grant_that_makes_no_sense_is_refused(
    engine: Engine, client: TestClient, wanted: dict[str, object], status: int
) -> None:
    planner = signed_in(client, make_planner(engine))
    answer = planner.post("/v1/grants", json={"log_in_name": make_account(engine).log_in_name, **wanted})
    assert answer.status_code == status, answer.text


# -------------------------------------------------------------------------------------------------------------- owners


def test_an_owner_is_entered_by_whoever_speaks_for_it_and_verified_by_a_planner(
    engine: Engine, client: TestClient
) -> None:
    account = signed_in(client, make_account(engine))
    entered = account.post("/v1/owners", json={"name": "Jiangpu Park"}).json()
    assert entered["verified_at"] is None
    assert account.get("/v1/account").json()["owners"] == [entered["id"]]
    path = f"/v1/owners/{entered['id']}/verification"
    assert account.post(path).status_code == 403
    planner = signed_in(client, make_planner(engine))
    verified = planner.post(path).json()
    assert verified["verified_at"] is not None
    assert planner.post(path).json() == verified
    assert account.get("/v1/owners").json()["owners"] == [verified]


def test_owners_are_not_entered_by_the_dozen(engine: Engine, client: TestClient) -> None:
    account = signed_in(client, make_account(engine))
    codes = [account.post("/v1/owners", json={"name": f"Tower {number}"}).status_code for number in range(4)]
    assert codes == [201, 201, 201, 409]


def test_an_owner_sees_no_other_owner_and_speaks_for_none(engine: Engine, client: TestClient) -> None:
    mine, other = make_owner(engine, "mine"), make_owner(engine, "other")
    seen = signed_in(client, mine).get("/v1/owners").json()["owners"]
    assert [owner["id"] for owner in seen] == sorted(mine.principal.owner_ids)
    assert not set(signed_in(client, mine).get("/v1/account").json()["owners"]) & other.principal.owner_ids


# --------------------------------------------------------------------------------------------------------------- gates


def test_a_gates_key_opens_for_one_facility_and_nothing_else(
    engine: Engine, client: TestClient, estates: Estates
) -> None:
    gate = {"Authorization": f"Bearer {make_gate_key(engine, estates.garage)}"}
    assert client.get("/v1/gate", headers=gate).json() == {"facility": estates.garage}
    for path in ("/v1/account", "/v1/household", "/v1/owners", "/v1/plate-disputes"):
        assert client.get(path, headers=gate).status_code == 401, path
    assert client.get("/v1/gate").status_code == 401
    assert signed_in(client, make_planner(engine)).get("/v1/gate").status_code == 401


def test_a_rotated_key_gives_the_gate_an_hour_and_a_revoked_one_none(
    engine: Engine, client: TestClient, estates: Estates
) -> None:
    owner = make_owner(engine)
    give_facility(engine, estates.garage, *owner.principal.owner_ids)
    mine = signed_in(client, owner)
    made = mine.post(f"/v1/facilities/{estates.garage}/gate-devices", json={"label": "north"}).json()
    path = f"/v1/gate-devices/{made['device']['id']}"
    rotated = mine.post(f"{path}/key").json()
    both = [{"Authorization": f"Bearer {key}"} for key in (made["key"], rotated["key"])]
    assert [client.get("/v1/gate", headers=key).status_code for key in both] == [200, 200]
    with engine.begin() as connection:
        connection.execute(text("UPDATE gate_devices SET former_key_until = now()"))
    assert [client.get("/v1/gate", headers=key).status_code for key in both] == [401, 200]
    mine.post(f"{path}/key")
    assert mine.delete(path).status_code == 204
    assert [client.get("/v1/gate", headers=key).status_code for key in both] == [401, 401]
    assert mine.get(f"/v1/facilities/{estates.garage}/gate-devices").json() == []


def test_gates_of_somebody_elses_facility_cannot_be_seen_made_rotated_or_ended(
    engine: Engine, client: TestClient, estates: Estates
) -> None:
    owner, stranger = make_owner(engine, "mine"), make_owner(engine, "stranger")
    give_facility(engine, estates.garage, *owner.principal.owner_ids)
    give_facility(engine, estates.tower, *stranger.principal.owner_ids)
    devices = f"/v1/facilities/{estates.garage}/gate-devices"
    made = signed_in(client, owner).post(devices, json={"label": "north"}).json()
    for other in (stranger, make_account(engine), make_resident(engine, estates.east)):
        theirs = signed_in(client, other)
        assert theirs.get(devices).status_code == 404
        assert theirs.post(devices, json={"label": "mine now"}).status_code == 404
        assert theirs.post(f"/v1/gate-devices/{made['device']['id']}/key").status_code == 404
        assert theirs.delete(f"/v1/gate-devices/{made['device']['id']}").status_code == 404
    assert client.get("/v1/gate", headers={"Authorization": f"Bearer {made['key']}"}).status_code == 200


# ----------------------------------------------------------------------------------------------------------- committee


def test_a_committee_worker_acts_for_a_household_which_reads_every_act(
    engine: Engine, client: TestClient, estates: Estates
) -> None:
    resident = make_resident(engine, estates.east, plate=PLATE)
    worker = signed_in(client, make_committee_worker(engine, SLUG, "East"))
    visit = worker.post("/v1/committee/visits", json={"plate": "沪a 8k123"}).json()
    assert visit["household"]["id"] == resident.household_id
    acting = {"On-Behalf-Of": visit["on_behalf_of"]}
    assert worker.get("/v1/vehicle", headers=acting).json()["plate"] == PLATE
    assert worker.put("/v1/vehicle", json={"plate": PLATE, "height_m": 2.0}, headers=acting).status_code == 202
    acts = signed_in(client, resident).get("/v1/household/acts").json()["acts"]
    assert [act["act"] for act in acts] == ["PUT /v1/vehicle", "GET /v1/vehicle", "looked up"]
    assert {act["sub_district"] for act in acts} == {"East"}
    page = signed_in(client, resident).get("/v1/household/acts", params={"limit": 2}).json()
    assert len(page["acts"]) == 2
    assert page["next"] == page["acts"][-1]["id"]


def test_a_household_is_found_by_the_exact_log_in_name_too(
    engine: Engine, client: TestClient, estates: Estates
) -> None:
    resident = make_resident(engine, estates.east)
    worker = signed_in(client, make_committee_worker(engine, SLUG, "East"))
    found = worker.post("/v1/committee/visits", json={"log_in_name": resident.log_in_name})
    assert (found.status_code, found.json()["household"]["id"]) == (201, resident.household_id)
    for wrong in (resident.log_in_name[:-1], "resident%", "nobody-123456"):
        assert worker.post("/v1/committee/visits", json={"log_in_name": wrong}).status_code == 404


def test_a_household_of_another_sub_district_is_not_found_whether_it_is_there_or_not(
    engine: Engine, client: TestClient, estates: Estates
) -> None:
    west = make_resident(engine, estates.west, plate=PLATE)
    worker = signed_in(client, make_committee_worker(engine, SLUG, "East"))
    there = worker.post("/v1/committee/visits", json={"plate": PLATE})
    nowhere = worker.post("/v1/committee/visits", json={"plate": "沪A00001"})
    assert (there.status_code, there.json()) == (nowhere.status_code, nowhere.json())
    assert there.status_code == 404
    assert worker.post("/v1/committee/visits", json={"log_in_name": west.log_in_name}).status_code == 404
    assert worker.post("/v1/committee/households", json={"home": estates.west}).status_code == 404


def test_a_mandate_that_is_over_opens_nothing_any_more(engine: Engine, client: TestClient, estates: Estates) -> None:
    make_resident(engine, estates.east, plate=PLATE)
    worker = signed_in(client, make_committee_worker(engine, SLUG, "East"))
    acting = {"On-Behalf-Of": worker.post("/v1/committee/visits", json={"plate": PLATE}).json()["on_behalf_of"]}
    assert worker.get("/v1/household", headers=acting).status_code == 200
    with engine.begin() as connection:
        connection.execute(text("UPDATE grants SET revoked_at = now()"))
    assert worker.get("/v1/household", headers=acting).status_code == 403
    assert worker.post("/v1/committee/visits", json={"plate": PLATE}).status_code == 403


def test_a_visit_ends_and_is_of_no_use_to_others(engine: Engine, client: TestClient, estates: Estates) -> None:
    make_resident(engine, estates.east, plate=PLATE)
    worker = signed_in(client, make_committee_worker(engine, SLUG, "East"))
    colleague = signed_in(client, make_committee_worker(engine, SLUG, "East", "colleague"))
    acting = {"On-Behalf-Of": worker.post("/v1/committee/visits", json={"plate": PLATE}).json()["on_behalf_of"]}
    for other in (colleague, signed_in(client, make_resident(engine, estates.west))):
        assert other.get("/v1/household", headers=acting).status_code == 403
    assert client.get("/v1/household", headers=acting).status_code == 401
    with engine.begin() as connection:
        connection.execute(text("UPDATE committee_visits SET expires_at = now()"))
    assert worker.get("/v1/household", headers=acting).status_code == 403


def test_a_household_that_moves_away_is_not_the_workers_any_more(
    engine: Engine, client: TestClient, estates: Estates
) -> None:
    resident = make_resident(engine, estates.east, plate=PLATE)
    worker = signed_in(client, make_committee_worker(engine, SLUG, "East"))
    acting = {"On-Behalf-Of": worker.post("/v1/committee/visits", json={"plate": PLATE}).json()["on_behalf_of"]}
    assert worker.put("/v1/household", json={"home": estates.west}, headers=acting).status_code == 404
    signed_in(client, resident).put("/v1/household", json={"home": estates.west})
    assert worker.get("/v1/household", headers=acting).status_code == 403


def test_a_household_without_an_account_is_founded_by_the_committee(
    engine: Engine, client: TestClient, estates: Estates
) -> None:
    worker = signed_in(client, make_committee_worker(engine, SLUG, "East"))
    visit = worker.post("/v1/committee/households", json={"home": estates.east}).json()
    acting = {"On-Behalf-Of": visit["on_behalf_of"]}
    assert (visit["household"]["members"], visit["household"]["estate"]) == (0, "East")
    assert worker.put("/v1/vehicle", json={"plate": PLATE}, headers=acting).status_code == 202
    assert worker.get("/v1/vehicle", headers=acting).json()["plate"] == PLATE
    assert worker.get("/v1/household").status_code == 403, "the worker's own account has no household"


@pytest.mark.usefixtures("estates")
def test_a_worker_who_looks_up_one_after_the_other_is_stopped(engine: Engine, client: TestClient) -> None:
    worker = signed_in(client, make_committee_worker(engine, SLUG, "East"))
    codes = [worker.post("/v1/committee/visits", json={"plate": f"沪A{n:05}"}).status_code for n in range(61)]
    assert codes == [404] * 60 + [429]


def test_only_what_is_exact_is_a_look_up(engine: Engine, client: TestClient, estates: Estates) -> None:
    worker = signed_in(client, make_committee_worker(engine, SLUG, "East"))
    for body in ({}, {"plate": PLATE, "log_in_name": "x"}, {"plate": "A%"}, {"home": estates.east}):
        assert worker.post("/v1/committee/visits", json=body).status_code == 422
