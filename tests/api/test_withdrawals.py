"""Owners take capacity back after seeing whom it hits; everybody hit learns why, nobody else notices."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.facilities.withdrawing import finish_withdrawals
from tests.api.receivers import heard, listen
from tests.api.supply import ZONE, Lane, book, match, night, ok, open_lane, problem, publish, tower, with_bays

AWAY = {"kind": "facility", "reason": "sold", "urgency": "emergency"}


@pytest.fixture
def town(engine: Engine, lane: Path) -> Iterator[Lane]:
    with open_lane(engine, lane) as town:
        yield town


def preview(town: Lane, facility: int, **wanted: object) -> dict[str, Any]:
    found: dict[str, Any] = ok(town.owner.post(f"/v1/facilities/{facility}/withdrawals/preview", json=wanted))
    return found


def confirm(town: Lane, facility: int, token: str, **wanted: object) -> Any:  # noqa: ANN401 -- an answer
    return town.owner.post(f"/v1/facilities/{facility}/withdrawals", json={"withdrawal": wanted, "token": token})


def counts(found: dict[str, Any]) -> tuple[int, int, int, int]:
    return found["stays"], found["bookings"], found["permits"], found["households"]


def noon(days: int) -> str:
    local = datetime.now(ZONE).replace(hour=12, minute=0, second=0, microsecond=0, tzinfo=None)
    return (local + timedelta(days=days)).isoformat()


def state(resident: TestClient, booking: dict[str, Any]) -> str:
    return str(ok(resident.get(f"/v1/bookings/{booking['id']}"))["state"])


def test_a_preview_counts_whom_it_hits_and_changes_nothing(town: Lane) -> None:
    facility = publish(town)
    one, two = town.resident("anna"), town.resident("berta")
    bookings = [ok(book(who, facility, days=day), 201) for who, day in ((one, 1), (one, 2), (two, 2))]
    found = preview(town, facility, **AWAY)
    assert counts(found) == (3, 3, 0, 2)
    assert "anna" not in str(found)
    openings = "SELECT count(*) FROM openings WHERE facility_id = :f AND upper(during) > now()"
    assert town.count(openings, f=facility) > 0
    assert [state(who, b) for who, b in zip((one, one, two), bookings, strict=True)] == ["confirmed"] * 3
    assert ok(book(two, facility, days=3), 201)


def test_nobody_is_hit_where_nobody_booked(town: Lane) -> None:
    assert counts(preview(town, publish(town), **AWAY)) == (0, 0, 0, 0)


def test_confirming_ends_the_stays_and_tells_their_households_why(town: Lane) -> None:
    facility = publish(town)
    hit, spared = town.resident("hit"), town.resident("spared")
    taken, kept = ok(book(hit, facility, days=1), 201), ok(book(spared, publish(town, tower(id="t2")), days=1), 201)
    found = preview(town, facility, **AWAY)
    made = ok(confirm(town, facility, found["token"], **AWAY), 201)
    assert (made["stays"], made["households"], made["permits"], made["reason"]) == (1, 1, 0, "sold")
    assert (state(hit, taken), state(spared, kept)) == ("cancelled", "confirmed")
    [notice] = ok(hit.get("/v1/notices"))["notices"]
    assert (notice["kind"], notice["stay"], notice["stay_kind"]) == ("stay_withdrawn", taken["id"], "booking")
    assert (notice["name"], notice["reason"], notice["urgency"]) == ("Tower", "sold", "emergency")
    assert [notice[key] for key in ("from", "to", "from_local")] == [taken[key] for key in ("from", "to", "from_local")]
    assert ok(spared.get("/v1/notices"))["notices"] == []
    assert town.count("SELECT count(*) FROM notices WHERE told_at IS NULL") == 1
    problem(town.public.get(f"/v1/facilities/{facility}"), 404)
    problem(book(hit, facility, days=1), 404)
    assert len(ok(town.public.get("/v1/neighbourhoods/lane-9/facilities"))["features"]) == 3


def test_whoever_books_between_preview_and_confirmation_is_not_overlooked(town: Lane) -> None:
    facility = publish(town)
    resident = town.resident()
    found = preview(town, facility, **AWAY)
    assert found["stays"] == 0
    booking = ok(book(resident, facility, days=1), 201)
    refused = problem(confirm(town, facility, found["token"], **AWAY), 409)
    assert refused["type"] == "consequences-changed"
    assert refused["consequences"]["stays"] == 1
    assert state(resident, booking) == "confirmed"
    assert ok(town.public.get(f"/v1/facilities/{facility}"))["properties"]["version"] == 2
    ok(confirm(town, facility, refused["consequences"]["token"], **AWAY), 201)
    assert state(resident, booking) == "cancelled"


PERMIT = """
    WITH car AS (SELECT v.id, v.household_id FROM vehicles v ORDER BY v.id DESC LIMIT 1),
    room AS (SELECT b.id, b.bay_group_id FROM bays b JOIN bay_groups g ON g.id = b.bay_group_id
             WHERE g.facility_id = :facility AND b.number = 3),
    permit AS (
        INSERT INTO permits (household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min)
        SELECT car.household_id, car.id, room.bay_group_id, daterange(current_date, current_date + 90), 'daily', 1140,
               1860 FROM car, room RETURNING id, household_id)
    INSERT INTO stays (bay_id, household_id, permit_id, night, during, kind, state)
    SELECT room.id, permit.household_id, permit.id, current_date + day,
           tstzrange(CAST(:evening AS timestamptz) + make_interval(days => day),
                     CAST(:evening AS timestamptz) + make_interval(days => day, hours => 12)), 'permit', 'confirmed'
    FROM permit, room, generate_series(0, 4) AS day
"""


def test_a_permit_is_counted_once_however_many_of_its_nights_are_hit(town: Lane) -> None:
    """A permit with five nights on bay 3 and a booking in one of them: six stays of two households."""
    facility = publish(town)
    holder = town.resident("holder")
    evening = datetime.fromisoformat(night(1)["from"]).replace(tzinfo=ZONE)
    with town.engine.begin() as connection:
        connection.execute(text(PERMIT), {"facility": facility, "evening": evening})
    ok(book(town.resident("booker"), facility, days=2), 201)
    assert counts(preview(town, facility, **AWAY)) == (6, 1, 1, 2)
    two = {"kind": "bays", "bay_group": "std", "bays": 2, "reason": "pillar", "urgency": "emergency"}
    found = preview(town, facility, **two)
    assert (found["permits"], found["bookings"]) == (1, 0)
    ok(confirm(town, facility, found["token"], **two), 201)
    # Bays 1 and 2 are left, and so is room for the permit: its nights are on another bay, and it is told so once.
    [notice] = ok(holder.get("/v1/notices"))["notices"]
    assert (notice["kind"], notice["reason"], len(notice["facts"]["other_bay_on"])) == ("permit_changed", "pillar", 5)
    placed = (
        "SELECT count(*) FROM stays s JOIN bays b ON b.id = s.bay_id WHERE s.state = 'confirmed' AND s.kind = 'permit'"
    )
    assert town.count(f"{placed} AND b.number <= 2") >= 4
    assert town.count(f"{placed} AND b.number = 3") == 0


def test_a_token_confirms_nothing_but_what_was_shown(town: Lane) -> None:
    facility = publish(town)
    token = preview(town, facility, **AWAY)["token"]
    problem(confirm(town, facility, token, kind="bays", bay_group="std", bays=0, reason="x", urgency="emergency"), 409)
    problem(confirm(town, facility, "made up", **AWAY), 409)
    other = publish(town, tower(id="t2"))
    problem(confirm(town, other, token, **AWAY), 409)
    ok(confirm(town, facility, token, **AWAY), 201)
    assert "already" in problem(confirm(town, facility, token, **AWAY), 409)["detail"]


def test_a_planned_withdrawal_keeps_the_stays_within_its_notice(town: Lane) -> None:
    facility = publish(town, tower(notice_days=3))
    resident = town.resident()
    early, late = ok(book(resident, facility, days=2), 201), ok(book(resident, facility, days=3), 201)
    wanted = {"kind": "facility", "reason": "rebuilding"}
    found = preview(town, facility, **wanted)
    assert counts(found) == (1, 1, 0, 1)
    begins = datetime.fromisoformat(found["effective_from"]).astimezone(ZONE)
    assert begins.replace(tzinfo=None).isoformat() == noon(3)
    ok(confirm(town, facility, found["token"], **wanted), 201)
    assert (state(resident, early), state(resident, late)) == ("confirmed", "cancelled")
    # Until then its nights are sold as before, and then none any more.
    neighbour = town.resident("neighbour")
    ok(book(neighbour, facility, days=1), 201)
    problem(book(neighbour, facility, days=4), 409)
    assert ok(town.public.get(f"/v1/facilities/{facility}"))["properties"]["closures"][0]["reason"] == "rebuilding"


def test_an_owner_hears_of_a_withdrawal_and_of_its_calling_off_by_webhook(town: Lane) -> None:
    facility = publish(town)
    listen(town.engine, town.owner_id, "withdrawal", "withdrawal_called_off")
    listen(town.engine, town.owner_id, "overstay")
    wanted = {"kind": "closure", "to": noon(50), "reason": "works"}
    token = preview(town, facility, **wanted)["token"]
    assert heard(town.engine) == []
    made = ok(confirm(town, facility, token, **wanted), 201)
    [told] = heard(town.engine)
    assert (told["kind"], told["facility"], told["withdrawal"]) == ("withdrawal", facility, made["id"])
    assert (told["urgency"], told["stays"], told["permits"]) == ("planned", 0, 0)
    ok(town.owner.post(f"/v1/facilities/{facility}/withdrawals/{made['id']}/calling-off"))
    assert heard(town.engine)[1:] == [{"kind": "withdrawal_called_off", "facility": facility, "withdrawal": made["id"]}]


def test_a_planned_withdrawal_gives_notice(town: Lane) -> None:
    facility = publish(town)
    early = {"kind": "facility", "reason": "x", "from": noon(6)}
    answer = town.owner.post(f"/v1/facilities/{facility}/withdrawals/preview", json=early)
    assert "notice period is 7 days" in problem(answer, 422)["detail"]
    preview(town, facility, **{**early, "from": noon(7)})
    preview(town, facility, **{**early, "urgency": "emergency"})


def test_an_emergency_is_one(town: Lane) -> None:
    """It begins within the notice period: what begins later has time for a notice, and what is over is none."""
    facility = publish(town)
    path = f"/v1/facilities/{facility}/withdrawals/preview"
    for start, said in ((noon(7), "make it `planned`"), (noon(400), "make it `planned`"), (noon(-1), "has passed")):
        answer = town.owner.post(path, json={**AWAY, "from": start})
        assert said in problem(answer, 422)["detail"]
    preview(town, facility, **{**AWAY, "from": noon(0)})


def test_an_emergency_that_has_not_begun_can_be_called_off(town: Lane) -> None:
    facility = publish(town)
    wanted = {**AWAY, "from": noon(2)}
    made = ok(confirm(town, facility, preview(town, facility, **wanted)["token"], **wanted), 201)
    ok(town.owner.post(f"/v1/facilities/{facility}/withdrawals/{made['id']}/calling-off"))
    assert ok(town.public.get(f"/v1/facilities/{facility}"))["properties"]["closures"] == []
    ok(book(town.resident(), facility, days=4), 201)
    made = ok(confirm(town, facility, preview(town, facility, **AWAY)["token"], **AWAY), 201)
    refused = problem(town.owner.post(f"/v1/facilities/{facility}/withdrawals/{made['id']}/calling-off"), 409)
    assert "has taken effect" in refused["detail"]


def test_facilities_whose_last_day_has_come_leave_the_list(town: Lane) -> None:
    facility = publish(town, tower(notice_days=0))
    wanted = {"kind": "facility", "reason": "sold", "from": noon(2)}
    ok(confirm(town, facility, preview(town, facility, **wanted)["token"], **wanted), 201)
    with town.engine.begin() as connection:
        assert finish_withdrawals(connection, now=datetime.now(UTC)) == []
        connection.execute(
            text("UPDATE closures SET closed_from = now() AT TIME ZONE 'Asia/Shanghai' WHERE facility_id = :f"),
            {"f": facility},
        )
    with town.engine.begin() as connection:
        assert finish_withdrawals(connection, now=datetime.now(UTC)) == [facility]
    problem(town.public.get(f"/v1/facilities/{facility}"), 404)


def test_what_was_withdrawn_comes_back_by_a_new_draft(town: Lane) -> None:
    facility = publish(town)
    path = f"/v1/facilities/{facility}"
    ok(confirm(town, facility, preview(town, facility, **AWAY)["token"], **AWAY), 201)
    problem(book(town.resident(), facility, days=1), 404)
    ok(town.owner.put(f"{path}/draft", json=with_bays(2), headers=match(3)))
    ok(town.owner.post(f"{path}/draft/submission", headers=match(4)))
    ok(town.planner.post(f"{path}/draft/publication", headers=match(5), json={}))
    ok(book(town.resident("back"), facility, days=1), 201)


def test_a_closure_hits_the_stays_it_overlaps_and_no_others(town: Lane) -> None:
    facility = publish(town, tower(notice_days=0))
    resident = town.resident()
    stays = [ok(book(resident, facility, days=day), 201) for day in (1, 2, 3)]
    wanted = {"kind": "closure", "reason": "cleaning", "from": noon(2), "to": noon(3)}
    found = preview(town, facility, **wanted)
    assert counts(found) == (1, 1, 0, 1)
    ok(confirm(town, facility, found["token"], **wanted), 201)
    assert [state(resident, stay) for stay in stays] == ["confirmed", "cancelled", "confirmed"]
    problem(book(town.resident("late"), facility, days=2), 409)
    [entry, *_] = ok(town.owner.get(f"/v1/facilities/{facility}/history"))["history"]
    assert (entry["act"], entry["version"], entry["reason"]) == ("closed", 3, "cleaning")
    assert len(entry["after"]["properties"]["closures"]) == 1
    assert "closures" not in entry["before"]["properties"]


def test_fewer_bays_hit_those_on_the_bays_that_go(town: Lane) -> None:
    """Three bays, three cars in one night and one in the next; one bay stays, so at least two cars lose theirs."""
    facility = publish(town)
    residents = [town.resident(f"r{n}") for n in range(3)]
    bookings = [ok(book(resident, facility, days=1), 201) for resident in residents]
    wanted = {"kind": "bays", "bay_group": "std", "bays": 1, "reason": "own cars", "urgency": "emergency"}
    found = preview(town, facility, **wanted)
    assert counts(found) == (2, 2, 0, 2)
    ok(confirm(town, facility, found["token"], **wanted), 201)
    states = {b["place"]["number"]: state(r, b) for r, b in zip(residents, bookings, strict=True)}
    assert states == {1: "confirmed", 2: "cancelled", 3: "cancelled"}
    assert ok(town.public.get(f"/v1/facilities/{facility}"))["properties"]["bays"] == 1
    problem(book(residents[1], facility, days=1), 409)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "bays", "bay_group": "nowhere", "bays": 0}, "no bay group"),
        ({"kind": "bays", "bay_group": "std", "bays": 3}, "must be fewer"),
        ({"kind": "closure", "from": noon(6), "to": noon(5)}, "must lie after"),
        ({"kind": "closure", "from": "1999-01-01T00:00", "to": noon(8)}, "years lie between"),
    ],
)
def test_a_withdrawal_that_makes_no_sense_says_why(town: Lane, change: dict[str, Any], said: str) -> None:
    path = f"/v1/facilities/{publish(town)}/withdrawals/preview"
    answer = town.owner.post(path, json={"reason": "x", "urgency": "emergency", **change})
    assert said in problem(answer, 422)["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "everything", "reason": "x"},
        {"kind": "facility"},
        {"kind": "facility", "reason": " "},
        {"kind": "facility", "reason": "a\0b"},
        {"kind": "facility", "reason": "x", "urgency": "soon"},
        {"kind": "bays", "bay_group": "std", "bays": -1, "reason": "x"},
        {"kind": "closure", "reason": "x", "to": "tomorrow"},
    ],
)
def test_a_withdrawal_that_cannot_be_understood_is_a_problem(town: Lane, body: dict[str, Any]) -> None:
    problem(town.owner.post(f"/v1/facilities/{publish(town)}/withdrawals/preview", json=body), 422)


def test_only_its_owner_and_planners_withdraw_a_facility(town: Lane) -> None:
    facility = publish(town)
    path = f"/v1/facilities/{facility}/withdrawals"
    for client, status in ((town.other, 403), (town.resident(), 403), (town.public, 401)):
        problem(client.post(f"{path}/preview", json=AWAY), status)
        problem(client.post(path, json={"withdrawal": AWAY, "token": "x"}), status)
    token = ok(town.planner.post(f"{path}/preview", json=AWAY))["token"]
    ok(town.planner.post(path, json={"withdrawal": AWAY, "token": token}), 201)
    problem(town.owner.post("/v1/facilities/999999999/withdrawals/preview", json=AWAY), 404)
    assert [w["urgency"] for w in ok(town.public.get(path))["withdrawals"]] == ["emergency"]


def test_an_edit_that_takes_bays_back_needs_the_planner_to_see_whom_it_hits(town: Lane) -> None:
    facility = publish(town, tower(notice_days=0))
    path = f"/v1/facilities/{facility}"
    residents = [town.resident(f"r{n}") for n in range(3)]
    bookings = [ok(book(resident, facility, days=1), 201) for resident in residents]
    ok(town.owner.put(f"{path}/draft", json=with_bays(2), headers=match(2)))
    ok(town.owner.post(f"{path}/draft/submission", headers=match(3)))
    refused = problem(town.planner.post(f"{path}/draft/publication", headers=match(4), json={}), 409)
    assert (refused["type"], refused["consequences"]["stays"]) == ("stays-hit", 1)
    assert ok(town.public.get(path))["properties"]["bays"] == 3
    said = {"token": refused["consequences"]["token"], "reason": "narrower bays"}
    ok(town.planner.post(f"{path}/draft/publication", headers=match(4), json=said))
    states = [state(r, b) for r, b in zip(residents, bookings, strict=True)]
    assert sorted(states) == ["cancelled", "confirmed", "confirmed"]
    unlucky = residents[states.index("cancelled")]
    assert [n["reason"] for n in ok(unlucky.get("/v1/notices"))["notices"]] == ["narrower bays"]


def test_an_edit_within_the_notice_period_keeps_the_stays_in_it(town: Lane) -> None:
    facility = publish(town)
    path = f"/v1/facilities/{facility}"
    resident = town.resident()
    stays = [ok(book(resident, facility, days=day), 201) for day in (1, 8)]
    shorter = tower()
    shorter["properties"]["bay_groups"][0]["windows"][0]["to"] = "29:00"
    ok(town.owner.put(f"{path}/draft", json=shorter, headers=match(2)))
    ok(town.owner.post(f"{path}/draft/submission", headers=match(3)))
    refused = problem(town.planner.post(f"{path}/draft/publication", headers=match(4), json={}), 409)
    assert refused["consequences"]["stays"] == 1
    said = {"token": refused["consequences"]["token"]}
    ok(town.planner.post(f"{path}/draft/publication", headers=match(4), json=said))
    assert [state(resident, stay) for stay in stays] == ["confirmed", "cancelled"]
    # What was kept then is not counted again by whatever comes later.
    assert preview(town, facility, kind="closure", to=noon(20), reason="x", **{"from": noon(9)})["stays"] == 0


def test_holds_in_the_way_of_a_withdrawal_end(town: Lane) -> None:
    facility = publish(town)
    resident = town.resident()
    wanted = {"facility": facility, **night(1)}
    hold = ok(resident.post("/v1/bookings", json=wanted, headers={"Idempotency-Key": "hold"}), 201)
    found = preview(town, facility, **AWAY)
    assert found["stays"] == 0
    assert state(resident, hold) == "held"
    ok(confirm(town, facility, found["token"], **AWAY), 201)
    assert problem(resident.post(f"/v1/bookings/{hold['id']}/confirm"), 409)["reason"] == "hold_expired"


def test_racing_with_bookings_a_withdrawal_leaves_nobody_behind(town: Lane) -> None:
    """Whatever the order, no stay is left at a withdrawn facility, and everybody who lost one has a notice."""
    facility = publish(town)
    residents = [town.resident(f"r{n}") for n in range(3)]
    token = preview(town, facility, **AWAY)["token"]
    with ThreadPoolExecutor(4) as pool:
        booked = [pool.submit(book, resident, facility, days=1) for resident in residents]
        answer = confirm(town, facility, token, **AWAY)
        answers = [future.result().status_code for future in booked]
    while answer.status_code == 409:
        answer = confirm(town, facility, answer.json()["consequences"]["token"], **AWAY)
    ok(answer, 201)
    assert set(answers) <= {201, 404, 409}  # 404: who comes after the withdrawal finds no such facility
    assert town.count("SELECT count(*) FROM stays WHERE state IN ('held', 'confirmed')") == 0
    assert town.count("SELECT count(*) FROM notices") == answers.count(201)
