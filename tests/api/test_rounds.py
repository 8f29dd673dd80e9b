"""Rounds: dates that are public are kept, the draw cannot be chosen, and who applies does so once and in time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from api.accounts.sealing import seal
from api.jobs.service import roll_horizon
from api.openings.queries import lock_exclusively, lock_shared
from api.permits.ledger import lock_ledger
from api.permits.ledger_queries import list_groups
from api.rounds.draw import commitment_of, seal_secret, seed_of, unseal_secret
from api.rounds.jobs import close_rounds
from tests.api.accounts import KEYS, make_committee_worker, signed_in
from tests.api.supply import ZONE, Lane, book, ok, open_lane, problem, publish, tower

ROUNDS = "/v1/neighbourhoods/lane-9/rounds"
MINE: dict[str, Any] = {"no_bay_of_its_own": True}


@pytest.fixture
def lane_9(engine: Any, lane: Path) -> Iterator[Lane]:  # noqa: ANN401 -- the engine of the tests
    with open_lane(engine, lane) as opened:
        yield opened


def in_days(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def wanted(**changes: object) -> dict[str, Any]:
    """Give a round that opens at once, closes in two days and has a term from day 20 on."""
    first = datetime.now(ZONE).date() + timedelta(days=20)
    return {
        "name": "Autumn",
        "opens_at": in_days(-0.1).isoformat(),
        "closes_at": in_days(2).isoformat(),
        "publishes_at": in_days(6).isoformat(),
        "first": first.isoformat(),
        "last": (first + timedelta(days=20)).isoformat(),
        "number_source": "the index of the day after closing",
        "provisional_acknowledged": True,
        **changes,
    }


def draft(lane: Lane, **changes: object) -> dict[str, Any]:
    made: dict[str, Any] = ok(lane.planner.post(ROUNDS, json=wanted(**changes)), 201)
    return made


def opened(lane: Lane, **changes: object) -> dict[str, Any]:
    made: dict[str, Any] = ok(lane.planner.post(f"/v1/rounds/{draft(lane, **changes)['id']}/opening"))
    return made


def apply(resident: TestClient, round_: dict[str, Any], **changes: object) -> dict[str, Any]:
    made: dict[str, Any] = ok(resident.post(f"/v1/rounds/{round_['id']}/applications", json={**MINE, **changes}), 201)
    return made


# --------------------------------------------------------------------------------------------------------------- dates


def test_a_draft_is_planners_own_and_an_open_round_is_everybodys(lane_9: Lane) -> None:
    made = draft(lane_9)
    assert problem(lane_9.public.get(f"/v1/rounds/{made['id']}"), 404)["title"] == "Round not found"
    assert ok(lane_9.public.get(ROUNDS))["rounds"] == []
    ok(lane_9.planner.post(f"/v1/rounds/{made['id']}/opening"))
    shown = ok(lane_9.public.get(f"/v1/rounds/{made['id']}"))
    assert shown["state"] == "open"
    assert len(bytes.fromhex(shown["commitment"])) == 32
    assert shown["secret"] is None
    assert shown["seed"] is None
    assert shown["deposit_cents"] == 0


def test_what_a_round_asks_for_as_a_deposit_is_public(lane_9: Lane) -> None:
    round_ = opened(lane_9, deposit_cents=20_000)
    assert ok(lane_9.public.get(f"/v1/rounds/{round_['id']}"))["deposit_cents"] == 20_000
    problem(lane_9.planner.post(ROUNDS, json=wanted(deposit_cents=-1)), 422)


def test_a_draft_is_changed_by_whoever_read_it_last_and_an_open_round_by_nobody(lane_9: Lane) -> None:
    made = draft(lane_9)
    path = f"/v1/rounds/{made['id']}"
    ok(lane_9.planner.put(path, json=wanted(name="Winter", version=made["version"])))
    assert "meanwhile" in problem(lane_9.planner.put(path, json=wanted(version=made["version"])), 409)["detail"]
    ok(lane_9.planner.post(f"{path}/opening"))
    refused = problem(lane_9.planner.put(path, json=wanted(version=made["version"] + 2)), 409)
    assert "dates are public" in refused["detail"]
    assert problem(lane_9.planner.post(f"{path}/opening"), 409)["detail"] == "the round is open already."


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"closes_at": in_days(-1).isoformat(), "opens_at": in_days(-2).isoformat()}, "has passed"),
        ({"opens_at": in_days(3).isoformat()}, "one after the other"),
        ({"publishes_at": in_days(18.5).isoformat()}, "offers wait 72 hours"),
        ({"last": "2026-01-01"}, "before first"),
        ({"facilities": [404]}, "is not published"),
        (
            {
                "provisional_acknowledged": False,
                "first": in_days(1000).date().isoformat(),
                "last": in_days(1050).date().isoformat(),
            },
            "not decided yet",
        ),
        ({"last": (in_days(20 + 400)).date().isoformat()}, "366 days"),
        ({"opens_at": "0001-01-01T00:00:00+14:00"}, "is the year right?"),
        ({"publishes_at": "9999-12-31T00:00:00Z"}, "is the year right?"),
        ({"publishes_at": "9999-12-31T23:59:59-12:00"}, "is the year right?"),
        ({"first": "9999-12-01", "last": "9999-12-31"}, "is the year right?"),
    ],
)
def test_a_round_that_makes_no_sense_is_refused_with_the_way_out(lane_9: Lane, changes: Any, said: str) -> None:  # noqa: ANN401
    assert said in problem(lane_9.planner.post(ROUNDS, json=wanted(**changes)), 422)["detail"]
    assert lane_9.count("SELECT count(*) FROM rounds") == 0


def test_what_is_on_sale_already_is_no_part_of_a_term(lane_9: Lane) -> None:
    soon = datetime.now(ZONE).date() + timedelta(days=9)
    made = draft(lane_9, first=soon.isoformat(), last=(soon + timedelta(days=30)).isoformat())
    refused = problem(lane_9.planner.post(f"/v1/rounds/{made['id']}/opening"), 422)
    assert "on sale until" in refused["detail"]
    assert lane_9.count("SELECT count(*) FROM round_facilities WHERE reserved") == 0


def waiting(lane: Lane) -> int:
    return lane.count("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")


def until_somebody_waits(lane: Lane) -> None:
    end = monotonic() + 10
    while not waiting(lane):
        assert monotonic() < end
        sleep(0.01)


def test_a_round_is_not_opened_into_nights_that_are_put_on_sale_at_this_moment(lane_9: Lane) -> None:
    tower = publish(lane_9)
    made = draft(lane_9, facilities=[tower])
    with ThreadPoolExecutor(1) as pool:
        with lane_9.engine.begin() as roll:
            lock_shared(roll, [tower])
            answer = pool.submit(lane_9.planner.post, f"/v1/rounds/{made['id']}/opening")
            until_somebody_waits(lane_9)
            roll.execute(text("UPDATE facilities SET materialised_until = now() + interval '30 days'"))
        assert "on sale until" in problem(answer.result(), 422)["detail"]


def test_rounds_opened_at_once_never_end_in_a_deadlock(lane_9: Lane) -> None:
    """Each would wait for the facilities of the other, where both reserved theirs in an order of their own."""
    towers = [publish(lane_9), publish(lane_9, tower(id="second"))]
    made = [draft(lane_9, name=name, facilities=towers)["id"] for name in ("One", "Two")]
    with ThreadPoolExecutor(2) as pool:
        with lane_9.engine.begin() as somebody:
            lock_shared(somebody, towers[:1])
            answers = [pool.submit(lane_9.planner.post, f"/v1/rounds/{one}/opening") for one in made]
            until_somebody_waits(lane_9)
            lock_exclusively(somebody, towers[1:])  # nobody who waits has any of them
        assert sorted(answer.result().status_code for answer in answers) == [200, 409]


def test_whoever_waits_for_the_ledger_keeps_no_facility_from_a_notice_that_lands(lane_9: Lane) -> None:
    tower = publish(lane_9)
    wanted_back = {"kind": "closure", "urgency": "emergency", "reason": "flood", "to": in_days(2).isoformat()}
    with ThreadPoolExecutor(1) as pool:
        with lane_9.engine.begin() as landing:
            lock_ledger(landing, list_groups(landing, [tower]))
            answer = pool.submit(lane_9.owner.post, f"/v1/facilities/{tower}/withdrawals/preview", json=wanted_back)
            until_somebody_waits(lane_9)
            landing.execute(text("SET LOCAL lock_timeout = '5s'"))
            lock_exclusively(landing, [tower])
        ok(answer.result())


def test_two_rounds_never_have_one_facility_in_one_term(lane_9: Lane) -> None:
    opened(lane_9)
    other = draft(lane_9, name="Rival")
    refused = problem(lane_9.planner.post(f"/v1/rounds/{other['id']}/opening"), 409)
    assert "reserved by the round Autumn" in refused["detail"]
    assert lane_9.count("SELECT count(*) FROM rounds WHERE state = 'draft'") == 1


def test_the_bays_of_an_open_round_are_in_the_ledger_for_its_whole_term(lane_9: Lane) -> None:
    tower = publish(lane_9)
    opened(lane_9, facilities=[tower])
    nights = "SELECT count(*) FROM ledger_nights WHERE bays = 3 AND taken = 0"
    assert lane_9.count(nights) == 21


def test_nights_of_a_round_that_is_not_published_are_not_sold_one_by_one(lane_9: Lane) -> None:
    tower = publish(lane_9)
    first = datetime.now(ZONE).date() + timedelta(days=16)
    made = opened(lane_9, first=first.isoformat(), facilities=[tower])
    later = datetime.now(UTC) + timedelta(days=5)
    roll_horizon(lane_9.engine, now=later)
    assert problem(book(lane_9.resident(), tower, days=17), 422)["title"] == "Not bookable yet"
    ok(book(lane_9.resident("early"), tower, days=15), 201)
    ok(lane_9.planner.post(f"/v1/rounds/{made['id']}/cancellation", json={"reason": "too few bays"}))
    roll_horizon(lane_9.engine, now=later)
    ok(book(lane_9.resident("late"), tower, days=17), 201)
    assert lane_9.count("SELECT count(*) FROM ledger_nights") == 0


# ---------------------------------------------------------------------------------------------------------------- draw


@given(st.binary(min_size=32, max_size=32), st.text(min_size=1, max_size=40))
def test_the_seed_follows_from_both_halves_and_fits_a_plan(secret: bytes, number: str) -> None:
    seed = seed_of(secret, number)
    digest = hashlib.sha256(secret + b"\0" + number.encode()).hexdigest()
    assert seed == int(digest[:16], 16) // 2
    assert 0 <= seed < 2**63
    assert unseal_secret(KEYS, seal_secret(KEYS, secret)) == secret


def test_the_seed_is_fixed_once_after_closing_and_everybody_can_compute_it(lane_9: Lane) -> None:
    made = opened(lane_9)
    path = f"/v1/rounds/{made['id']}/public-number"
    assert "after closing" in problem(lane_9.planner.post(path, json={"number": "1"}), 409)["detail"]
    close(lane_9, made)
    ok(lane_9.planner.post(path, json={"number": "3894.21"}))
    assert "nothing is drawn twice" in problem(lane_9.planner.post(path, json={"number": "7"}), 409)["detail"]
    shown = ok(lane_9.public.get(f"/v1/rounds/{made['id']}"))
    secret = bytes.fromhex(shown["secret"])
    assert commitment_of(secret).hex() == made["commitment"] == shown["commitment"]
    assert shown["seed"] == seed_of(secret, "3894.21")


def test_rounds_are_shown_when_their_secret_was_sealed_with_a_key_that_is_lost(lane_9: Lane) -> None:
    made = opened(lane_9)
    close(lane_9, made)
    path = f"/v1/rounds/{made['id']}"
    with lane_9.engine.begin() as connection:
        sealed = connection.scalar(text("SELECT secret_sealed FROM rounds"))
        connection.execute(
            text("UPDATE rounds SET secret_sealed = :lost"), {"lost": seal(bytes(32), b"x", what="round")}
        )
    refused = problem(lane_9.planner.post(f"{path}/public-number", json={"number": "7"}), 409)
    assert "BAYTIDE_SECRET" in refused["detail"]
    assert "call the round off" in refused["detail"]
    with lane_9.engine.begin() as connection:
        connection.execute(text("UPDATE rounds SET secret_sealed = :sealed"), {"sealed": sealed})
    ok(lane_9.planner.post(f"{path}/public-number", json={"number": "7"}))
    with lane_9.engine.begin() as connection:
        connection.execute(
            text("UPDATE rounds SET secret_sealed = :lost"), {"lost": seal(bytes(32), b"x", what="round")}
        )
    for shown in (ok(lane_9.public.get(path)), ok(lane_9.public.get(ROUNDS))["rounds"][0]):
        assert (shown["secret"], shown["secret_lost"], shown["public_number"]) == (None, True, "7")
    ok(lane_9.planner.post(f"{path}/cancellation", json={"reason": "the key was lost"}))


def close(lane: Lane, made: dict[str, Any]) -> None:
    """Let the closing time come: in the past by the row's own dates, as the job finds it."""
    with lane.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE rounds SET opens_at = opens_at - interval '3 days', closes_at = now() - interval '1 minute'"
                " WHERE id = :round"
            ),
            {"round": made["id"]},
        )
    close_rounds(lane.engine)


# ---------------------------------------------------------------------------------------------------------------- late


def late(lane: Lane, made: dict[str, Any]) -> None:
    """Let the day of publication pass three hours ago, with nothing published."""
    close(lane, made)
    with lane.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE rounds SET opens_at = now() - interval '3 days', closes_at = now() - interval '4 hours',"
                " publishes_at = now() - interval '3 hours' WHERE id = :round"
            ),
            {"round": made["id"]},
        )


def told_of_late(resident: TestClient) -> list[dict[str, Any]]:
    return [one for one in ok(resident.get("/v1/notices"))["notices"] if one["kind"] == "round_late"]


def test_applicants_of_a_round_that_nobody_publishes_hear_it_once_and_when_they_hear_again(lane_9: Lane) -> None:
    made, resident = opened(lane_9), lane_9.resident()
    apply(resident, made)
    close(lane_9, made)
    assert told_of_late(resident) == []
    late(lane_9, made)
    assert [close_rounds(lane_9.engine)["late"] for _ in range(2)] == [1, 0]
    [first] = told_of_late(resident)
    shown = ok(lane_9.public.get(f"/v1/rounds/{made['id']}"))
    expected = datetime.fromisoformat(shown["publishes_at"])
    assert datetime.fromisoformat(first["facts"]["next_date"]) == expected + timedelta(days=7)
    assert first["facts"]["reason"] == "not_published"
    assert close_rounds(lane_9.engine, now=datetime.now(UTC) + timedelta(days=7))["late"] == 1
    assert len(told_of_late(resident)) == 2


def test_nobody_hears_of_a_late_round_while_it_may_be_published_in_time_or_is_being_published(lane_9: Lane) -> None:
    made, resident = opened(lane_9), lane_9.resident()
    apply(resident, made)
    late(lane_9, made)
    publishes_at = datetime.fromisoformat(ok(lane_9.public.get(f"/v1/rounds/{made['id']}"))["publishes_at"])
    for minutes in (0, 1, 119):
        assert close_rounds(lane_9.engine, now=publishes_at + timedelta(minutes=minutes))["late"] == 0
    after = publishes_at + timedelta(minutes=121)
    with lane_9.engine.begin() as publication:
        publication.execute(text("SELECT FROM rounds WHERE id = :round FOR UPDATE"), {"round": made["id"]})
        assert close_rounds(lane_9.engine, now=after)["late"] == 0
    assert told_of_late(resident) == []
    assert [close_rounds(lane_9.engine, now=after)["late"] for _ in range(2)] == [1, 0]
    assert len(told_of_late(resident)) == 1


def test_a_planner_gives_a_late_round_another_day_and_everybody_can_read_why(lane_9: Lane) -> None:
    made, resident = opened(lane_9), lane_9.resident()
    apply(resident, made)
    late(lane_9, made)
    path, until = f"/v1/rounds/{made['id']}/delay", in_days(3)
    body = {"publishes_at": until.isoformat(), "reason": "the ramp is being repaired"}
    assert (
        "must lie ahead"
        in problem(lane_9.planner.post(path, json={**body, "publishes_at": in_days(-2).isoformat()}), 422)["detail"]
    )
    assert (
        "call the round off"
        in problem(lane_9.planner.post(path, json={**body, "publishes_at": in_days(60).isoformat()}), 422)["detail"]
    )
    for far in ("9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"):
        refused = problem(lane_9.planner.post(path, json={**body, "publishes_at": far}), 422)
        assert "is the year right?" in refused["detail"]
    shown = ok(lane_9.planner.post(path, json=body))
    assert datetime.fromisoformat(shown["publishes_at"]) == until
    [delay] = ok(lane_9.public.get(f"/v1/rounds/{made['id']}"))["delays"]
    assert (delay["reason"], datetime.fromisoformat(delay["publishes_at"])) == (body["reason"], until)
    [notice] = told_of_late(resident)
    assert body["reason"] in notice["text"]
    assert datetime.fromisoformat(notice["facts"]["next_date"]) == until
    assert close_rounds(lane_9.engine)["late"] == 0
    ok(lane_9.planner.post(f"/v1/rounds/{made['id']}/cancellation", json={"reason": "no more bays"}))
    assert (
        "cancelled"
        in problem(lane_9.planner.post(path, json={**body, "publishes_at": in_days(5).isoformat()}), 409)["detail"]
    )


def test_the_night_ahead_is_sold_while_a_round_is_late_and_no_other_night_of_its_term(lane_9: Lane) -> None:
    tower = publish(lane_9)
    made = opened(lane_9, facilities=[tower])
    noon = datetime.combine(datetime.fromisoformat(made["first"]).date(), time(12), tzinfo=ZONE)
    question = "SELECT EXTRACT(epoch FROM materialised_until)::bigint FROM facilities WHERE id = :id"
    for later in (-1, 0, 1, 5):
        roll_horizon(lane_9.engine, now=noon + timedelta(days=later, hours=1))
        assert lane_9.count(question, id=tower) == (noon + timedelta(days=max(later + 1, 0))).timestamp()
    assert roll_horizon(lane_9.engine, now=noon + timedelta(days=5, hours=2)) == {}


def test_a_late_round_that_cannot_be_told_of_does_not_keep_others_from_it(
    lane_9: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    tower = publish(lane_9)
    made, resident = opened(lane_9, facilities=[tower]), lane_9.resident()
    apply(resident, made)
    late(lane_9, made)
    with lane_9.engine.begin() as connection:  # another whose term is over
        over = connection.execute(
            text(
                """
                INSERT INTO rounds (neighbourhood_id, name, state, opens_at, closes_at, publishes_at, term, policy,
                    work, number_source, commitment, secret_sealed, opened_at, closed_at, deposit_cents)
                SELECT neighbourhood_id, 'Over', state, opens_at - interval '60 days', closes_at - interval '60 days',
                       publishes_at - interval '60 days', daterange(CAST(now() AS date) - 30, CAST(now() AS date)),
                       policy, work, number_source, commitment, secret_sealed, opened_at, closed_at, deposit_cents
                FROM rounds WHERE id = :round RETURNING id
                """
            ),
            {"round": made["id"]},
        ).scalar_one()
        connection.execute(
            text(
                "INSERT INTO round_facilities (round_id, facility_id, term)"
                " SELECT :over, facility_id, (SELECT term FROM rounds WHERE id = :over) FROM round_facilities"
                " WHERE round_id = :round"
            ),
            {"round": made["id"], "over": over},
        )
    monkeypatch.setattr("api.jobs.queries._LONGEST_WAIT", "300ms")
    now = datetime.now(UTC)
    with lane_9.engine.begin() as connection:
        lock_ledger(connection, list_groups(connection, [tower]))
        done = close_rounds(lane_9.engine, now=now)
    assert (done["late"], done["called_off"], done["failed"]) == (1, 0, 1)
    assert len(told_of_late(resident)) == 1
    done = close_rounds(lane_9.engine, now=now)
    assert (done["late"], done["called_off"], done["failed"]) == (0, 1, 0)


def test_a_round_that_nobody_published_is_called_off_when_nothing_is_left_of_its_term(lane_9: Lane) -> None:
    made, resident = opened(lane_9), lane_9.resident()
    apply(resident, made)
    close(lane_9, made)
    last = datetime.combine(datetime.fromisoformat(made["last"]).date(), time(9), tzinfo=ZONE)
    assert close_rounds(lane_9.engine, now=last - timedelta(days=1))["called_off"] == 0
    assert close_rounds(lane_9.engine, now=last)["called_off"] == 1
    assert ok(lane_9.public.get(f"/v1/rounds/{made['id']}"))["state"] == "cancelled"
    notice = ok(resident.get("/v1/notices"))["notices"][0]
    assert (notice["kind"], notice["facts"]["reason"]) == ("application_refused", "term_over")
    assert notice["facts"]["next_date"] == made["last"]


# -------------------------------------------------------------------------------------------------------- applications


def test_a_household_applies_once_and_changes_its_application_until_closing(lane_9: Lane) -> None:
    made, resident = opened(lane_9), lane_9.resident()
    mine = apply(resident, made, days="tue mon", leave="31:00", claimed_tier=2)
    assert (mine["days"], mine["leave"], mine["tier"], mine["claimed_tier"]) == ("mon tue", "31:00", 3, 2)
    again = problem(resident.post(f"/v1/rounds/{made['id']}/applications", json=MINE), 409)
    assert "change that application" in again["detail"]
    path = f"/v1/applications/{mine['id']}"
    changed = ok(resident.put(path, json={**MINE, "days": "daily", "version": 1}))
    assert (changed["days"], changed["version"]) == ("daily", 2)
    assert "meanwhile" in problem(resident.put(path, json={**MINE, "version": 1}), 409)["detail"]
    close(lane_9, made)
    assert problem(resident.put(path, json={**MINE, "version": 2}), 409)["title"] == "Applications closed"
    assert problem(resident.post(f"{path}/withdrawal"), 409)["title"] == "Applications closed"
    kinds = [notice["kind"] for notice in ok(resident.get("/v1/notices"))["notices"]]
    assert kinds == ["round_closed", "application_changed", "application_received"]


def test_applying_again_after_withdrawing_takes_up_the_same_application(lane_9: Lane) -> None:
    made, resident = opened(lane_9), lane_9.resident()
    first = apply(resident, made)
    withdrawn = ok(resident.post(f"/v1/applications/{first['id']}/withdrawal"))
    assert withdrawn["state"] == "withdrawn"
    assert ok(resident.post(f"/v1/applications/{first['id']}/withdrawal"))["version"] == withdrawn["version"]
    second = apply(resident, made, days="workdays")
    assert (second["id"], second["state"], second["days"]) == (first["id"], "submitted", "workdays")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "without a bay of their own"),
        ({**MINE, "arrive": "09:00", "leave": "17:00"}, "permits are for nights"),
        ({**MINE, "arrive": "18:00", "leave": "26:00"}, "permits are for nights"),
        ({**MINE, "days": "someday"}, None),
        ({**MINE, "arrive": "20:00", "leave": "19:00"}, None),
        ({**MINE, "arrive": "25:61"}, None),
        ({**MINE, "claimed_tier": 0}, None),
        ({**MINE, "max_walk_m": -5}, None),
        ({**MINE, "tier": 1}, None),
    ],
)
def test_an_application_that_makes_no_sense_is_refused(lane_9: Lane, body: dict[str, Any], said: str | None) -> None:
    made, resident = opened(lane_9), lane_9.resident()
    answer = problem(resident.post(f"/v1/rounds/{made['id']}/applications", json=body), 422)
    assert said is None or said in answer["detail"]
    assert lane_9.count("SELECT count(*) FROM applications") == 0


def test_a_household_without_a_car_cannot_apply(lane_9: Lane) -> None:
    made, resident = opened(lane_9), lane_9.resident()
    ok(resident.delete("/v1/vehicle"), 204)
    assert "no car" in problem(resident.post(f"/v1/rounds/{made['id']}/applications", json=MINE), 422)["detail"]


@pytest.mark.parametrize(
    ("ends_earlier_by", "state", "may"), [(0, "active", False), (1, "active", True), (0, "offered", True)]
)
def test_a_household_with_a_permit_for_the_whole_term_cannot_apply(
    lane_9: Lane, ends_earlier_by: int, state: str, may: bool
) -> None:
    made, resident = opened(lane_9), lane_9.resident()
    until = date.fromisoformat(made["last"]) - timedelta(days=ends_earlier_by)
    with lane_9.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO permits (household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min, state)"
                " SELECT v.household_id, v.id, (SELECT min(id) FROM bay_groups),"
                " daterange(CAST(:first AS date), CAST(:until AS date), '[]'), 'daily', 1140, 1860, :state"
                " FROM vehicles v WHERE v.household_id = :household"
            ),
            {
                "first": made["first"],
                "until": until,
                "state": state,
                "household": ok(resident.get("/v1/household"))["id"],
            },
        )
    answer = resident.post(f"/v1/rounds/{made['id']}/applications", json=MINE)
    if may:
        ok(answer, 201)
    else:
        assert f"the household has a permit until {until}" in problem(answer, 422)["detail"]


def test_nobody_applies_before_applications_open(lane_9: Lane) -> None:
    made = opened(lane_9, opens_at=in_days(1).isoformat())
    answer = problem(lane_9.resident().post(f"/v1/rounds/{made['id']}/applications", json=MINE), 409)
    assert "applications open at" in answer["detail"]


def test_one_car_stands_in_one_application_even_when_it_changes_hands(lane_9: Lane) -> None:
    made, seller, buyer = opened(lane_9), lane_9.resident("seller"), lane_9.resident("buyer")
    apply(seller, made)
    ids = {name: ok(who.get("/v1/household"))["id"] for name, who in (("seller", seller), ("buyer", buyer))}
    with lane_9.engine.begin() as connection:  # the plate goes over to the buyer
        connection.execute(text("UPDATE vehicles SET withdrawn_at = now()"))
        connection.execute(
            text(
                "INSERT INTO vehicles (household_id, plate_hash, plate_sealed)"
                " SELECT :buyer, plate_hash, plate_sealed FROM vehicles WHERE household_id = :seller"
            ),
            ids,
        )
    answer = problem(buyer.post(f"/v1/rounds/{made['id']}/applications", json=MINE), 409)
    assert "car stands in another application" in answer["detail"]


def test_a_better_tier_holds_only_while_a_document_was_seen_for_it(lane_9: Lane) -> None:
    made, resident = opened(lane_9), lane_9.resident()
    mine = apply(resident, made, claimed_tier=1)
    path = f"/v1/applications/{mine['id']}/documents"
    assert problem(resident.post(path, json={"kind": "disability_card", "version": 1}), 403)["title"] == "Not allowed"
    assert ok(lane_9.planner.post(path, json={"kind": "vehicle_licence", "version": 1}))["tier"] == 3
    seen = ok(lane_9.planner.post(path, json={"kind": "disability_card", "version": 1}))
    assert seen["tier"] == 1
    assert {document["kind"] for document in seen["documents"]} == {"vehicle_licence", "disability_card"}
    assert ok(lane_9.planner.delete(f"{path}/disability_card"))["tier"] == 3
    ok(lane_9.planner.post(path, json={"kind": "disability_card", "version": 1}))
    other = ok(resident.put(f"/v1/applications/{mine['id']}", json={**MINE, "claimed_tier": 2, "version": 1}))
    assert other["tier"] == 3
    assert [document["kind"] for document in other["documents"]] == ["vehicle_licence"]


def test_what_was_seen_for_one_claim_holds_for_no_other_after_applying_again(lane_9: Lane) -> None:
    made, resident = opened(lane_9), lane_9.resident()
    mine = apply(resident, made, claimed_tier=2)
    seen = lane_9.planner.post(
        f"/v1/applications/{mine['id']}/documents", json={"kind": "birth_certificate", "version": 1}
    )
    assert ok(seen)["tier"] == 2
    ok(resident.post(f"/v1/applications/{mine['id']}/withdrawal"))
    assert apply(resident, made, claimed_tier=2)["tier"] == 2
    ok(resident.post(f"/v1/applications/{mine['id']}/withdrawal"))
    assert apply(resident, made, claimed_tier=1)["tier"] == 3


def test_a_document_seen_for_an_older_claim_is_not_noted_for_a_newer_one(lane_9: Lane) -> None:
    made, resident = opened(lane_9), lane_9.resident()
    mine = apply(resident, made, claimed_tier=2)
    path = f"/v1/applications/{mine['id']}"
    changed = ok(resident.put(path, json={**MINE, "claimed_tier": 1, "version": mine["version"]}))
    seen = {"kind": "birth_certificate", "version": mine["version"]}
    assert "changed meanwhile" in problem(lane_9.planner.post(f"{path}/documents", json=seen), 409)["detail"]
    assert ok(resident.get(path))["documents"] == []
    again = {**seen, "version": changed["version"]}
    assert [ok(lane_9.planner.post(f"{path}/documents", json=again))["tier"] for _ in range(2)] == [1, 1]


def test_nobody_sees_the_documents_of_their_own_household(lane_9: Lane) -> None:
    made, planner = opened(lane_9), lane_9.planner
    home = lane_9.count("SELECT id FROM homes WHERE code = 'h1'")
    ok(planner.put("/v1/household", json={"home": home}))
    ok(planner.put("/v1/vehicle", json={"plate": "沪B12345"}), 202)
    mine = apply(planner, made, claimed_tier=1)
    answer = problem(
        planner.post(f"/v1/applications/{mine['id']}/documents", json={"kind": "other", "version": 1}), 403
    )
    assert answer["title"] == "Own household"
    assert ok(planner.get(f"/v1/applications/{mine['id']}"))["tier"] == 3


def test_an_application_follows_its_household_to_another_home_and_car_until_closing(lane_9: Lane) -> None:
    made, resident = opened(lane_9), lane_9.resident()
    mine = apply(resident, made)
    elsewhere = lane_9.count("SELECT id FROM homes WHERE code = 'h2'")
    asked = "SELECT count(*) FROM applications WHERE home_id = :home AND vehicle_id = :car AND height_m = 2.3 "
    asked += "AND needs = 'ev'"

    def follows() -> bool:
        car = lane_9.count("SELECT id FROM vehicles WHERE withdrawn_at IS NULL")
        return bool(lane_9.count(asked, home=elsewhere, car=car))

    def buy_another_car(plate: str) -> None:
        ok(resident.delete("/v1/vehicle"), 204)
        ok(resident.put("/v1/vehicle", json={"plate": plate, "height_m": 2.3, "needs": ["ev"]}), 202)

    ok(resident.put("/v1/household", json={"home": elsewhere}))
    buy_another_car("沪B54321")
    assert follows()
    assert ok(resident.get(f"/v1/applications/{mine['id']}"))["version"] == 3
    kinds = [notice["kind"] for notice in ok(resident.get("/v1/notices"))["notices"]]
    assert kinds == ["application_changed", "application_changed", "application_received"]
    close(lane_9, made)
    buy_another_car("沪B54322")
    assert not follows()


def test_the_committee_applies_on_behalf_only_with_the_consent_noted(lane_9: Lane) -> None:
    made, resident = opened(lane_9), lane_9.resident()
    name = ok(resident.get("/v1/account"))["log_in_name"]
    worker = signed_in(lane_9.public, make_committee_worker(lane_9.engine, "lane-9", "East"))
    visit = ok(worker.post("/v1/committee/visits", json={"log_in_name": name}), 201)
    there = {"On-Behalf-Of": visit["on_behalf_of"]}
    path = f"/v1/rounds/{made['id']}/applications"
    assert "household agreed" in problem(worker.post(path, json=MINE, headers=there), 422)["detail"]
    done = ok(worker.post(path, json={**MINE, "consent": True, "claimed_tier": 1}, headers=there), 201)
    assert done["consent_noted"]
    seen = worker.post(
        f"/v1/applications/{done['id']}/documents",
        json={"kind": "veteran_card", "version": done["version"]},
        headers=there,
    )
    assert ok(seen)["tier"] == 1
    assert ok(resident.get(f"/v1/applications/{done['id']}"))["tier"] == 1
    assert "POST /v1/rounds/{round}/applications" in [a["act"] for a in ok(resident.get("/v1/household/acts"))["acts"]]


def test_nobody_sees_or_changes_anothers_application(lane_9: Lane) -> None:
    made, resident, other = opened(lane_9), lane_9.resident(), lane_9.resident("other")
    mine = apply(resident, made)
    path = f"/v1/applications/{mine['id']}"
    for answer in (
        other.get(path),
        other.put(path, json={**MINE, "version": 1}),
        other.post(f"{path}/withdrawal"),
    ):
        assert problem(answer, 404)["title"] == "Application not found"
    assert ok(other.get("/v1/applications"))["applications"] == []
    assert problem(other.get(f"/v1/rounds/{made['id']}/applications"), 403)
    page = ok(lane_9.planner.get(f"/v1/rounds/{made['id']}/applications"))
    assert [one["id"] for one in page["applications"]] == [mine["id"]]


def test_a_round_called_off_tells_its_applicants_why(lane_9: Lane) -> None:
    made, resident = opened(lane_9), lane_9.resident()
    apply(resident, made)
    ok(lane_9.planner.post(f"/v1/rounds/{made['id']}/cancellation", json={"reason": "the garage is flooded"}))
    newest = ok(resident.get("/v1/notices"))["notices"][0]
    assert newest["kind"] == "application_refused"
    assert newest["facts"]["reason"] == "the garage is flooded"
    assert newest["facts"]["next_date"] == made["last"]
    refused = problem(lane_9.planner.post(f"/v1/rounds/{made['id']}/cancellation", json={"reason": "again"}), 409)
    assert refused["detail"] == "the round is cancelled: it cannot be called off."


NEVER = "'{}'"


@pytest.mark.parametrize(
    ("permits", "waited"),
    [
        ((), 2),
        ((("declined", "declined", NEVER),), 1),
        ((("lapsed", "lapsed", NEVER),), 1),
        ((("withdrawn", "withdrawn", NEVER),), 2),
        ((("withdrawn", "accepted", NEVER),), 2),
        ((("withdrawn", "accepted", "'{[2026-01-01,2026-01-05)}'"),), 0),
        ((("ineligible", "withdrawn", NEVER),), 1),
        ((("withdrawn", "withdrawn", NEVER), ("term_over", "accepted", "'{[2026-01-05,2026-02-05)}'")), 0),
        ((("term_over", "accepted", "NULL"),), 0),
    ],
    ids=[
        "no permit",
        "declined",
        "lapsed",
        "withdrawn before an answer",
        "withdrawn before it began",
        "withdrawn later",
        "not eligible any more",
        "another after a withdrawal",
        "had one",
    ],
)
def test_rounds_waited_since_the_last_permit_are_counted_at_closing(
    lane_9: Lane, permits: tuple[tuple[str, str, str], ...], waited: int
) -> None:
    """Two rounds before, with permits in the second: what its owner took back unused is none."""
    resident, made = lane_9.resident(), opened(lane_9)
    mine = apply(resident, made)
    with lane_9.engine.begin() as connection:
        values = {"round": made["id"], "application": mine["id"]}
        connection.execute(_FORMER_APPLICATION, {**values, "d": 90})
        former = connection.scalar(_FORMER_APPLICATION, {**values, "d": 75})
        for reason, offer, nights in permits:
            connection.execute(
                text(
                    f"""
                    WITH made AS (
                        INSERT INTO permits (household_id, vehicle_id, bay_group_id, application_id, term, days,
                            arrive_min, leave_min, state, ended_at, end_reason, nights, created_at)
                        SELECT a.household_id, a.vehicle_id, (SELECT min(id) FROM bay_groups), a.id,
                            daterange('2026-01-01', '2026-03-01'), a.days, a.arrive_min, a.leave_min, 'ended', now(),
                            :reason, {nights}, now()
                        FROM applications a WHERE a.id = :application RETURNING id, household_id
                    )
                    INSERT INTO offers (permit_id, household_id, source, state, made_at, decided_at)
                    SELECT id, household_id, 'plan', :offer, now(), now() FROM made
                    """
                ),
                {"application": former, "reason": reason, "offer": offer},
            )
    close(lane_9, made)
    assert ok(resident.get(f"/v1/applications/{mine['id']}"))["rounds_waited"] == waited


_FORMER_APPLICATION = text(
    """
    WITH earlier AS (
        INSERT INTO rounds (neighbourhood_id, name, opens_at, closes_at, publishes_at, term, policy, work,
            number_source, commitment, secret_sealed, opened_at, published_at, state)
        SELECT neighbourhood_id, 'Former', now() - interval '1 day' * :d, now() - interval '1 day' * (:d - 1),
            now() - interval '1 day' * (:d - 2), daterange('2026-01-01', '2026-03-01'), '{}', '{}', 'x', 'c', 's',
            now() - interval '1 day' * :d, now() - interval '1 day' * (:d - 2), 'in_review'
        FROM rounds WHERE id = :round RETURNING id
    )
    INSERT INTO applications (round_id, household_id, vehicle_id, plate_hash, home_id, days, arrive_min, leave_min,
        submitted_at, changed_at)
    SELECT earlier.id, household_id, vehicle_id, plate_hash, home_id, days, arrive_min, leave_min, submitted_at,
        changed_at
    FROM earlier, applications WHERE applications.id = :application RETURNING id
    """
)
