"""Cars that are late: reminded, seen by their owner, reviewed and counted; strikes as others see them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.app import create_app
from api.gates.events import SeenEvent
from api.jobs.queries import work
from api.overstays.jobs import remind_holders, strike_late_cars
from api.overstays.late_cars import overstay_figures
from api.overstays.policy import Rung, policy_from
from api.overstays.striking import take_back_unfounded
from tests.api.accounts import make_owner, make_planner, settings_of_tests, signed_in, with_grant
from tests.api.estates import give_facility
from tests.api.gate_town import HOUR, MINUTE
from tests.api.late_town import DAY, PLATE, START, Late, add_permit, make_late
from tests.api.running import Run


@pytest.fixture
def late(engine: Engine) -> Late:
    return make_late(engine)


# ----------------------------------------------------------------------------------------------------------- reminders


def permit_night(late: Late, begins: datetime) -> None:
    with late.gates.engine.begin() as connection:
        permit = add_permit(connection, late)
        connection.execute(
            text(
                "INSERT INTO stays (bay_id, household_id, permit_id, night, during, kind, state) "
                "SELECT id, :household, :permit, '2026-03-02', tstzrange(:begins, :ends), 'permit', 'confirmed' "
                "FROM bays WHERE bay_group_id = :near AND number = 1"
            ),
            {
                "household": late.who.household_id,
                "permit": permit,
                "begins": begins,
                "ends": begins + 14 * HOUR,
                "near": late.gates.town.near_group,
            },
        )


def test_a_permit_holder_is_reminded_once_while_the_car_is_still_there(late: Late) -> None:
    permit_night(late, START)
    late.gates.refresh(START)
    late.gates.send(SeenEvent("in", "entry", START, PLATE), now=START)
    leave_by = START + 14 * HOUR
    engine = late.gates.engine
    assert remind_holders(engine, now=leave_by - 31 * MINUTE) == {"notices": 0}
    assert remind_holders(engine, now=leave_by - 29 * MINUTE) == {"notices": 1}
    assert remind_holders(engine, now=leave_by - 20 * MINUTE) == {"notices": 0}


def test_a_permit_holder_who_has_left_is_not_bothered(late: Late) -> None:
    permit_night(late, START)
    late.gates.refresh(START)
    events = SeenEvent("in", "entry", START, PLATE), SeenEvent("out", "exit", START + 13 * HOUR, PLATE)
    late.gates.send(*events, now=START + 13 * HOUR)
    assert remind_holders(late.gates.engine, now=START + 14 * HOUR - 20 * MINUTE) == {"notices": 0}


def test_where_there_is_no_gate_permit_holders_are_reminded(late: Late) -> None:
    permit_night(late, START)
    with late.gates.engine.begin() as connection:
        connection.execute(text("UPDATE gate_devices SET revoked_at = now()"))
    assert remind_holders(late.gates.engine, now=START + 14 * HOUR - 20 * MINUTE) == {"notices": 1}


def test_whoever_stays_on_at_the_same_place_need_not_leave(late: Late) -> None:
    permit_night(late, START)
    late.gates.add_stay(late.who, START + 14 * HOUR, START + 20 * HOUR, bay=2)
    late.gates.refresh(START)
    late.gates.send(SeenEvent("in", "entry", START, PLATE), now=START)
    assert remind_holders(late.gates.engine, now=START + 14 * HOUR - 20 * MINUTE) == {"notices": 0}


# -------------------------------------------------------------------------------------------------------- over the wire


@pytest.fixture
def public(engine: Engine) -> Iterator[TestClient]:
    with TestClient(create_app(settings_of_tests(), engine), base_url="http://127.0.0.1") as client:
        yield client


def recently(late: Late, *, left: bool) -> datetime:
    """Let the car overstay a night that ended an hour ago, by the real clock; return its leave-by time."""
    leave_by = datetime.now(UTC).replace(microsecond=0) - HOUR
    begins = leave_by - 10 * HOUR
    late.gates.add_stay(late.who, begins, leave_by)
    late.gates.refresh(begins)
    late.gates.send(SeenEvent("now in", "entry", begins, PLATE), now=begins)
    if left:
        late.gates.send(SeenEvent("now out", "exit", leave_by + 40 * MINUTE, PLATE), now=leave_by + 40 * MINUTE)
    return leave_by


def test_an_owner_sees_who_is_still_there_and_nobody_else_does(late: Late, public: TestClient, engine: Engine) -> None:
    recently(late, left=False)
    owner, other = make_owner(engine, "owner"), make_owner(engine, "other")
    give_facility(engine, late.gates.town.near, *owner.principal.owner_ids)
    path = f"/v1/facilities/{late.gates.town.near}/late-cars"
    answer = signed_in(public, owner).get(path)
    assert answer.headers["cache-control"] == "no-store"
    [car] = answer.json()
    assert (car["plate"], 59 <= car["late_min"] <= 61) == (PLATE, True)
    assert signed_in(public, other).get(path).status_code == 404
    assert signed_in(public, late.who).get(path).status_code == 404
    late.gates.send(SeenEvent("gone", "exit", datetime.now(UTC), PLATE), now=datetime.now(UTC))
    assert signed_in(public, owner).get(path).json() == []


def test_a_car_that_seems_days_late_is_in_the_owners_list_to_be_reviewed(
    late: Late, public: TestClient, engine: Engine
) -> None:
    leave_by = datetime.now(UTC).replace(microsecond=0) - 6 * DAY
    begins = leave_by - 10 * HOUR
    late.gates.add_stay(late.who, begins, leave_by)
    late.gates.refresh(begins)
    late.gates.send(SeenEvent("in", "entry", begins, PLATE), now=begins)
    owner = make_owner(engine, "owner")
    give_facility(engine, late.gates.town.near, *owner.principal.owner_ids)
    path = f"/v1/facilities/{late.gates.town.near}/late-cars"
    [car] = signed_in(public, owner).get(path).json()
    assert (car["plate"], car["to_review"]) == (PLATE, True)
    left = leave_by + 5 * DAY
    late.gates.send(SeenEvent("out", "exit", left, PLATE), now=left)
    assert late.strike(left + HOUR) == 0
    [car] = signed_in(public, owner).get(path).json()
    assert (car["late_min"], car["to_review"]) == (5 * 24 * 60, True)


def test_a_planner_strikes_a_car_that_was_days_late_once_it_has_left(
    late: Late, public: TestClient, engine: Engine
) -> None:
    leave_by = datetime.now(UTC).replace(microsecond=0) - 6 * DAY
    begins = leave_by - 10 * HOUR
    stay = late.gates.add_stay(late.who, begins, leave_by)
    late.gates.refresh(begins)
    late.gates.send(SeenEvent("in", "entry", begins, PLATE), now=begins)
    planner = make_planner(engine, "planner")

    def strike(stay_id: int) -> tuple[int, str]:
        answer = signed_in(public, planner).post("/v1/strikes", json={"stay": stay_id})
        return answer.status_code, answer.json().get("detail", answer.json().get("state"))

    assert strike(stay) == (409, "by the gate's record the car stands there still; it can be struck when it has left.")
    left = leave_by + 5 * DAY
    late.gates.send(SeenEvent("out", "exit", left, PLATE), now=left)
    assert strike(stay + 1) == (409, f"no car of night {stay + 1} is in a list of late cars to be reviewed.")
    assert signed_in(public, late.who).post("/v1/strikes", json={"stay": stay}).status_code == 403
    assert strike(stay) == (201, "standing")
    assert strike(stay) == (409, f"there is a strike for night {stay} already.")
    owner = make_owner(engine, "owner")
    give_facility(engine, late.gates.town.near, *owner.principal.owner_ids)
    assert signed_in(public, owner).get(f"/v1/facilities/{late.gates.town.near}/late-cars").json() == []
    assert len(late.told("strike")) == 1
    with work(engine) as connection:
        assert connection.scalar(text("SELECT struck_by FROM strikes")) == planner.principal.account_id
        assert take_back_unfounded(connection, now=datetime.now(UTC)) == 0, "the gate's record bears it out"


@pytest.mark.parametrize("coming", ["沪A1234S", None], ids=["corrected reading", "not seen"])
def test_a_review_strikes_nobody_by_an_uncertain_record(
    late: Late, public: TestClient, engine: Engine, coming: str | None
) -> None:
    leave_by = datetime.now(UTC).replace(microsecond=0) - 3 * DAY
    begins = leave_by - 10 * HOUR
    stay = late.gates.add_stay(late.who, begins, leave_by)
    late.gates.refresh(begins)
    if coming:
        late.gates.send(SeenEvent("in", "entry", begins, coming), now=begins)
    left = leave_by + 2 * DAY
    late.gates.send(SeenEvent("out", "exit", left, PLATE), now=left)
    answer = signed_in(public, make_planner(engine, "planner")).post("/v1/strikes", json={"stay": stay})
    assert answer.status_code == 409
    assert late.strikes() == []


def test_a_household_sees_its_strike_appeals_and_reads_the_decision(
    late: Late, public: TestClient, engine: Engine
) -> None:
    recently(late, left=True)
    assert strike_late_cars(engine)["strikes"] == 1
    resident, planner = signed_in(public, late.who), signed_in(public, make_planner(engine))
    [strike] = resident.get("/v1/strikes").json()
    assert (strike["act"], strike["late_min"], strike["appeal"]) == ("warning", 40, None)
    other = signed_in(public, late.gates.resident("沪B00002", "other"))
    assert other.get("/v1/strikes").json() == []
    path = f"/v1/strikes/{strike['id']}"
    assert other.post(f"{path}/appeal", json={"words": "not mine"}).status_code == 404
    assert resident.post(f"{path}/appeal", json={"words": "the gate was shut"}).status_code == 201
    again = resident.post(f"{path}/appeal", json={"words": "again"})
    assert (again.status_code, again.json()["type"]) == (409, "appeal-not-possible")
    [waiting] = planner.get("/v1/neighbourhoods/town/strikes", params={"appealed": True}).json()["strikes"]
    assert waiting["appeal"]["words"] == "the gate was shut"
    wanted = {"decision": "lifted", "note": "the log shows it"}
    assert resident.post(f"{path}/decision", json=wanted).status_code == 403
    own = with_grant(engine, late.who, role="planner")
    assert signed_in(public, own).post(f"{path}/decision", json=wanted).json()["type"] == "own-household"
    assert planner.post(f"{path}/decision", json=wanted).json()["state"] == "lifted"
    assert planner.get("/v1/neighbourhoods/town/strikes", params={"appealed": True}).json()["strikes"] == []
    [shown] = resident.get("/v1/strikes").json()
    assert (shown["place"], shown["effect"], shown["appeal"]["note"]) == (0, "undone", "the log shows it")


def test_the_rules_are_public_and_changed_by_planners(late: Late, public: TestClient, engine: Engine) -> None:
    path = "/v1/neighbourhoods/town/overstay-policy"
    rules = public.get(path).json()
    assert (rules["grace_min"], [rung["act"] for rung in rules["ladder"]]) == (
        15,
        ["warning", "fee", "suspension", "end"],
    )
    changed = {**rules, "grace_min": 60, "ladder": [{"act": "fee", "amount_cents": 900}]}
    assert signed_in(public, late.who).put(path, json=changed).status_code == 403
    planner = signed_in(public, make_planner(engine))
    assert planner.put(path, json=changed).json()["grace_min"] == 60
    assert planner.put(path, json={**rules, "ladder": [{"act": "fee"}]}).status_code == 422
    recently(late, left=True)
    assert strike_late_cars(engine)["strikes"] == 0, "forty minutes are within the hour's grace"
    assert policy_from(public.get(path).json()).ladder == (Rung("fee", amount_cents=900),)


def test_whose_plate_is_off_the_list_books_nothing_for_that_time(
    late: Late, public: TestClient, engine: Engine
) -> None:
    now = datetime.now(UTC)
    statement = (
        "INSERT INTO plates_off_list (household_id, starts_at, ends_at, reason) VALUES (:h, :from, :to, 'strike')"
    )
    with engine.begin() as connection:
        values = {"h": late.who.household_id, "from": now + DAY, "to": now + 3 * DAY}
        connection.execute(text(statement), values)
    resident = signed_in(public, late.who)
    for days, status in ((2, 403), (5, 201)):
        wanted = {
            "facility": late.gates.town.near,
            "from": (now + days * DAY).isoformat(),
            "to": (now + days * DAY + HOUR).isoformat(),
            "confirm": True,
        }
        answer = resident.post("/v1/bookings", json=wanted, headers={"Idempotency-Key": f"k{days}"})
        assert answer.status_code == status, answer.text
    assert len(late.gates.rows("SELECT id FROM stays")) == 1


def test_figures_count_those_beyond_the_grace(late: Late, public: TestClient, engine: Engine) -> None:
    row = "INSERT INTO late_mornings VALUES (:f, '2026-03-02', 20, '{6,5,4,3,2,1,1,0,0,0}', 6, 90, NULL)"
    with engine.begin() as connection:
        connection.execute(text(row), {"f": late.gates.town.near})
    late.struck(0)
    with work(engine) as connection:
        figures = overstay_figures(
            connection, late.gates.town.neighbourhood, first=date(2026, 3, 1), last=date(2026, 3, 9)
        )
    assert (figures.cars, figures.late, figures.overstay_rate, figures.mean_late_min) == (20, 3, 0.15, 15.0)
    assert figures.strikes == (("warning", 1, 0, 0),)
    asked = {"first": "2026-03-03", "last": "2026-03-09"}
    planner = signed_in(public, make_planner(engine))
    assert planner.get("/v1/neighbourhoods/town/overstays", params=asked).json()["overstay_rate"] is None


def test_the_command_prints_the_figures(late: Late, engine: Engine, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    row = "INSERT INTO late_mornings VALUES (:f, '2026-03-02', 20, '{6,5,4,3,2,1,1,0,0,0}', 6, 90, NULL)"
    with engine.begin() as connection:
        connection.execute(text(row), {"f": late.gates.town.near})
    late.struck(0)
    code, out, _ = run("overstays", "figures", "town", "--from", "2026-03-01", "--to", "2026-03-09")
    assert code == 0
    assert out.splitlines()[0] == "20 cars seen, 3 beyond the grace (15.0 %); those late 15 min on average"
    assert out.splitlines()[2].split() == ["warning", "1", "0", "0"]
    code, out, _ = run("overstays", "figures", "town", "--from", "2026-04-01", "--to", "2026-04-09")
    assert (code, out.strip()) == (0, "0 cars seen, 0 beyond the grace (–); those late – on average")
