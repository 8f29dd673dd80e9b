"""Publishing: everybody gets an offer, a place in the waitlist or a reason in one transaction, or nobody does."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from api.accounts.opening import open_as
from api.app import create_app
from api.cli.acting import AT_THE_MACHINE
from api.facilities.supply_queries import remove_unused_groups
from api.offers.service import decline_offer
from api.openings.queries import try_lock_shared
from api.rounds import publication_routes
from api.rounds.allocating import allocate_round, ask_for_allocation
from api.rounds.draw import commitment_of, seed_of
from api.rounds.errors import RoundConflict
from api.rounds.publishing import publish_plan
from api.rounds.receipts import draw_of, root_from
from api.rounds.service import cancel_round
from tests.api.accounts import SomeAccount, make_planner, settings_of_tests, signed_in
from tests.api.closed_round import (
    BAYS,
    NOW,
    NUMBER,
    ROUND_SECRET,
    SEED,
    RoundTown,
    Then,
    in_this_process,
    town,
)
from tests.api.test_runs import HERE

__all__ = ["in_this_process", "town"]

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture
def planner(town: RoundTown, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(publication_routes, "datetime", Then)
    with TestClient(create_app(settings_of_tests(), town.engine), base_url=HERE) as client:
        client.headers.update(make_planner(town.engine).headers)
        yield client


def planned(town: RoundTown) -> int:
    """Allocate the round; return its plan."""
    with town.engine.begin() as connection:
        open_as(connection, AT_THE_MACHINE)
        run = ask_for_allocation(connection, town.round, asked_by=None).id
    allocate_round(town.engine, run, now=NOW)
    return int(town.one("SELECT max(id) FROM round_plans"))


def publish(town: RoundTown, plan: int, *, secret: bytes = ROUND_SECRET, now: datetime = NOW) -> None:
    with town.engine.begin() as connection:
        open_as(connection, AT_THE_MACHINE)
        publish_plan(connection, town.round, plan, secret=secret, now=now)


def published_nothing(town: RoundTown) -> bool:
    """Tell whether the round is as it was under review."""
    tables = ("permits", "offers", "waitlist_entries", "notices")
    rows = [town.one(f"SELECT count(*) FROM {table}") for table in tables]
    taken = town.one("SELECT COALESCE(sum(taken), 0) FROM ledger_nights")
    report = town.one("SELECT report FROM rounds WHERE id = :round", round=town.round)
    return town.state() == "in_review" and not any(rows) and taken == 0 and report is None


def test_everybody_hears_at_once_and_exactly_what_the_plan_says(town: RoundTown, planner: TestClient) -> None:
    """Two bays for three households of one home; a fourth lives where no window suits it."""
    first, served = town.apply(tier=1)
    near = {application: account for account, application in (town.apply(), town.apply())}
    far, _ = town.apply("h3")
    plan = planned(town)
    answer = planner.post(f"/v1/rounds/{town.round}/publication", json={"plan": plan})
    assert answer.json() == {"plan": plan, "offers": BAYS, "waiting": 1, "refused": 1}
    assert town.state() == "published"
    assert town.one("SELECT plan_id FROM rounds WHERE id = :round", round=town.round) == plan
    with town.engine.connect() as connection:
        permits = connection.execute(text("SELECT * FROM permits ORDER BY application_id")).all()
        entries = connection.execute(text("SELECT * FROM waitlist_entries")).all()
        options = connection.execute(text("SELECT * FROM waitlist_options")).all()
        told = {row.household_id: row.kind for row in connection.execute(text("SELECT * FROM notices"))}
    assert {permit.state for permit in permits} == {"offered"}
    assert served in {permit.application_id for permit in permits}
    assert {permit.walk_m for permit in permits} == {120}
    [entry] = entries
    assert {permit.application_id for permit in permits} | {entry.application_id} == {served, *near}
    assert bytes(entry.draw) == draw_of(SEED, f"h{entry.household_id}")
    assert {(option.entry_id, option.walk_m) for option in options} == {(entry.id, 120)}
    assert told == {
        **{permit.household_id: "offer_made" for permit in permits},
        entry.household_id: "waitlisted",
        far.household_id: "application_refused",
    }
    assert first.household_id in told
    # Once more, by whomever: said clearly, and nothing is done twice.
    again = planner.post(f"/v1/rounds/{town.round}/publication", json={"plan": plan})
    assert (again.status_code, again.json()["detail"]) == (409, "the round has been published already.")
    assert town.one("SELECT count(*) FROM permits") == BAYS


def test_the_public_report_has_sums_and_the_draw_and_nobody_in_it(town: RoundTown, planner: TestClient) -> None:
    accounts = [town.apply(tier=1)[0], town.apply()[0], town.apply()[0]]
    where = f"/v1/rounds/{town.round}/report"
    assert planner.get(where).status_code == 404
    publish(town, planned(town))
    with TestClient(create_app(settings_of_tests(), town.engine), base_url=HERE) as anybody:
        report = anybody.get(where).json()
    assert (report["applications"], report["served"], report["waiting"], report["refused"]) == (3, BAYS, 1, 0)
    assert report["by_tier"] == [
        {"tier": 1, "applications": 1, "served": 1},
        {"tier": 3, "applications": 2, "served": 1},
    ]
    assert report["unserved_by_reason"] == {"full": 1}
    assert report["walk_m"] == {**report["walk_m"], "total": 240, "max": 120, "share_within_300": 1.0}
    assert report["value_m"] == report["bound_m"]
    assert report["review"] == {"locked": 0, "rejected": 0, "cost": {"low_m": 0, "high_m": 0, "exact_m": 0}}
    assert report["parameters"]["gap"] == 0.001
    draw = report["draw"]
    assert draw["commitment"] == commitment_of(bytes.fromhex(draw["secret"])).hex()
    assert draw["seed"] == seed_of(bytes.fromhex(draw["secret"]), NUMBER)
    text_of_it = json.dumps(report)
    for account in accounts:
        assert f"h{account.household_id}" not in text_of_it
    assert '"h1"' not in text_of_it
    # Files of which every row could be guessed are covered by the hash of all files together, and by no other.
    assert report["hashes"]["input_sha256"].keys() == {"calendar.csv", "facilities.geojson", "neighbourhood.toml"}


# ---------------------------------------------------------------------------------------------- what is not published


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE round_plans SET checked_at = NULL", "has not passed its checker"),
        ("UPDATE share_windows SET bays = 4 WHERE bays = 3", "is stale"),
        ("UPDATE facilities SET status = 'withdrawn' WHERE code = 'road'", "is stale"),
        ("UPDATE applications SET tier = 2, claimed_tier = 2 WHERE tier = 3", "is stale"),
        (
            """INSERT INTO round_decisions (round_id, application_id, decision, note, decided_at)
               SELECT round_id, max(id), 'reject', 'x', max(submitted_at) FROM applications GROUP BY 1""",
            "is stale",
        ),
        ("UPDATE round_outcomes SET walk_m = walk_m - 1 WHERE walk_m > 0", "not those that were checked"),
        ("UPDATE round_outcomes SET reason = 'too_far' WHERE reason = 'full'", "not those that were checked"),
        (
            """UPDATE round_outcomes o SET bay_group_id = s.bay_group_id, walk_m = s.walk_m, reason = NULL,
                   options = NULL FROM round_outcomes s WHERE o.reason = 'full' AND s.walk_m > 0""",
            "not those that were checked",
        ),
        ("DELETE FROM round_outcomes WHERE reason = 'full'", "not those that were checked"),
        ("UPDATE rounds SET public_number = '654321'", "seed does not follow"),
    ],
)
def test_a_plan_that_is_unchecked_stale_or_tampered_with_is_not_published(
    town: RoundTown, planner: TestClient, change: str, words: str
) -> None:
    for _ in range(3):
        town.apply()
    plan = planned(town)
    town.one(change)
    answer = planner.post(f"/v1/rounds/{town.round}/publication", json={"plan": plan})
    assert (answer.status_code, answer.json()["type"]) == (409, "plan-cannot-be-published")
    assert words in answer.json()["detail"]
    assert published_nothing(town)


def test_a_plan_whose_bays_are_gone_from_the_ledger_is_not_published(town: RoundTown, planner: TestClient) -> None:
    """On the last night one of the two bays is somebody else's."""
    for _ in range(BAYS):
        town.apply()
    plan = planned(town)
    town.one("UPDATE ledger_nights SET taken = 1 WHERE night = '2026-10-10' AND bays = 2")
    answer = planner.post(f"/v1/rounds/{town.round}/publication", json={"plan": plan})
    assert (answer.status_code, answer.json()["type"]) == (409, "plan-cannot-be-published")
    town.one("UPDATE ledger_nights SET taken = 0")
    assert published_nothing(town)


def test_bays_that_owners_opened_since_the_round_opened_are_given_away(town: RoundTown, planner: TestClient) -> None:
    for _ in range(BAYS + 1):
        town.apply()
    town.one("UPDATE share_windows SET bays = bays + 1 WHERE bays = 3")
    plan = planned(town)
    assert town.one("SELECT served FROM round_plans") == BAYS + 1
    assert planner.post(f"/v1/rounds/{town.round}/publication", json={"plan": plan}).status_code == 200
    assert town.one("SELECT max(taken) FROM ledger_nights") == BAYS + 1


def test_a_round_is_published_when_everybody_was_told_and_not_before(town: RoundTown) -> None:
    town.apply()
    plan = planned(town)
    publishes_at = town.one("SELECT publishes_at FROM rounds")
    with pytest.raises(RoundConflict, match="2026-08-31T08:00:00\\+08:00 and not before"):
        publish(town, plan, now=publishes_at - timedelta(seconds=1))
    assert published_nothing(town)
    publish(town, plan, now=publishes_at)
    assert town.state() == "published"


def test_a_round_that_is_late_gives_what_is_left_of_its_term_and_nothing_of_one_that_is_over(town: RoundTown) -> None:
    town.apply()
    plan = planned(town)
    last_day = datetime(2026, 10, 11, 12, tzinfo=NOW.tzinfo)
    with pytest.raises(RoundConflict, match="the term is over"):
        publish(town, plan, now=last_day)
    assert published_nothing(town)
    publish(town, plan, now=last_day - timedelta(days=2))
    assert town.one("SELECT lower(term) FROM permits") == date(2026, 10, 10)
    assert town.one("SELECT min(night) FROM ledger_nights WHERE taken > 0") == date(2026, 10, 10)


def test_a_round_that_is_published_across_midnight_begins_after_the_evening_that_is_on_sale(town: RoundTown) -> None:
    town.apply()
    plan = planned(town)
    before_midnight = datetime(2026, 9, 20, 23, 59, tzinfo=ZoneInfo("Asia/Shanghai"))
    town.one("UPDATE facilities SET materialised_until = '2026-09-22T12:00+08' WHERE id = :id", id=one_of(town))
    with town.engine.begin() as connection:
        open_as(connection, AT_THE_MACHINE)
        publish_plan(connection, town.round, plan, secret=ROUND_SECRET, now=before_midnight)
        with town.engine.connect() as other:  # whoever sells waits, and finds it published
            assert try_lock_shared(other, town.facilities.values()) == []
    assert town.one("SELECT lower(term) FROM permits") == date(2026, 9, 22)


def one_of(town: RoundTown) -> int:
    """Return a facility of the round."""
    return int(town.one("SELECT min(facility_id) FROM round_facilities WHERE round_id = :round", round=town.round))


def test_whoever_moves_house_before_a_round_is_published_waits_for_what_is_near_its_new_home(town: RoundTown) -> None:
    accounts = [town.apply()[0] for _ in range(BAYS + 1)]
    plan = planned(town)
    for account in accounts:
        town.one("UPDATE households SET home_id = :home WHERE id = :id", home=town.homes["h2"], id=account.household_id)
    publish(town, plan)
    assert town.one("SELECT count(*) FROM waitlist_entries") == 1
    walks = town.one("SELECT array_agg(DISTINCT walk_m ORDER BY walk_m) FROM waitlist_options")
    assert walks == town.one(
        "SELECT array_agg(DISTINCT w.walk_m ORDER BY w.walk_m) FROM walk_pairs w JOIN waitlist_options o ON true"
        " JOIN bay_groups g ON g.id = o.bay_group_id AND g.facility_id = w.facility_id WHERE w.home_id = :home",
        home=town.homes["h2"],
    )


def test_a_bay_group_in_a_plan_of_a_round_called_off_is_kept_when_its_owner_removes_it(town: RoundTown) -> None:
    town.apply()
    planned(town)
    with town.engine.begin() as connection:
        open_as(connection, AT_THE_MACHINE)
        cancel_round(connection, town.round, reason="the garage is flooded", now=NOW)
    assert town.one("SELECT count(*) FROM ledger_nights") == 0
    with town.engine.begin() as connection:
        ids = list(connection.scalars(text("SELECT id FROM bay_groups ORDER BY id")))
        connection.execute(text("DELETE FROM assignments"))
        remove_unused_groups(connection, ids)
        left = connection.scalars(text("SELECT id FROM bay_groups")).all()
    assert set(left) == {town.one("SELECT DISTINCT bay_group_id FROM round_outcomes")} < set(ids)


def test_a_plan_is_published_while_its_round_is_under_review_only(town: RoundTown, planner: TestClient) -> None:
    town.apply()
    plan = planned(town)
    where = f"/v1/rounds/{town.round}/publication"
    assert planner.post(where, json={"plan": plan + 1}).status_code == 404
    assert planner.post("/v1/rounds/999/publication", json={"plan": plan}).status_code == 404
    for state in ("closed", "allocating", "cancelled"):
        town.one("UPDATE rounds SET state = :state", state=state)
        answer = planner.post(where, json={"plan": plan})
        assert (answer.status_code, answer.json()["type"]) == (409, "round-not-in-that-state")
    town.one("UPDATE rounds SET state = 'in_review'")
    assert published_nothing(town)


def test_of_two_planners_who_publish_at_once_one_is_told_that_the_other_does(
    town: RoundTown, planner: TestClient
) -> None:
    for _ in range(3):
        town.apply()
    plan = planned(town)
    answers = []
    ready = threading.Barrier(2)

    def publish_too() -> None:
        ready.wait()
        answers.append(planner.post(f"/v1/rounds/{town.round}/publication", json={"plan": plan}))

    both = [threading.Thread(target=publish_too) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert town.one("SELECT count(*) FROM offers") == BAYS
    assert town.one("SELECT count(*) FROM waitlist_entries") == 1


def test_whoever_looks_while_another_publishes_waits_for_nothing(town: RoundTown, planner: TestClient) -> None:
    town.apply()
    plan = planned(town)
    with town.engine.begin() as publishing:
        publishing.execute(text("SELECT true FROM rounds FOR UPDATE"))
        answer = planner.post(f"/v1/rounds/{town.round}/publication", json={"plan": plan})
        assert (answer.status_code, answer.json()["type"]) == (409, "round-not-in-that-state")
        assert "somebody else" in answer.json()["detail"]
        assert planner.get(f"/v1/rounds/{town.round}/plans").status_code == 200


def test_nothing_is_decided_or_allocated_after_publishing(town: RoundTown, planner: TestClient) -> None:
    _, application = town.apply()
    publish(town, planned(town))
    decision = {"application": application, "decision": "reject", "note": "x"}
    assert planner.post(f"/v1/rounds/{town.round}/decisions", json=decision).status_code == 409
    assert planner.post(f"/v1/rounds/{town.round}/allocations", json={}).status_code == 409
    assert town.one("SELECT count(*) FROM round_decisions") == 0


# ----------------------------------------------------------------------------------------------------------- receipts


def receipt(planner: TestClient, account: SomeAccount, application: int) -> tuple[int, dict[str, Any]]:
    answer = signed_in(planner, account).get(f"/v1/applications/{application}/receipt")
    return answer.status_code, answer.json()


def test_every_applicant_has_a_receipt_that_verifies_against_the_public_report(
    town: RoundTown, planner: TestClient
) -> None:
    applied = [town.apply(tier=1), *(town.apply() for _ in range(4))]
    assert receipt(planner, *applied[0])[0] == 404
    publish(town, planned(town))
    report = planner.get(f"/v1/rounds/{town.round}/report").json()
    served = 0
    for account, application in applied:
        status, mine = receipt(planner, account, application)
        assert status == 200
        # As docs/publishing.md says, with nothing of ours but SHA-256 and JSON.
        said = json.dumps(mine["outcome"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        node = hashlib.sha256(b"\x00" + bytes.fromhex(mine["salt"]) + said.encode()).digest()
        proof = [(step["side"], bytes.fromhex(step["hash"])) for step in mine["proof"]]
        assert root_from(node, proof).hex() == mine["root"] == report["hashes"]["receipts"]
        assert root_from(hashlib.sha256(node).digest(), proof).hex() != mine["root"]
        assert mine["outcome"]["demand"] == f"h{account.household_id}"
        assert mine["outcome"]["draw"] == draw_of(report["draw"]["seed"], f"h{account.household_id}").hex()
        served += mine["outcome"]["facility"] is not None
    assert served == report["served"] == BAYS


def test_a_receipt_is_shown_to_its_own_household_only(town: RoundTown, planner: TestClient) -> None:
    (_, mine), (other, _) = town.apply(), town.apply()
    publish(town, planned(town))
    assert receipt(planner, other, mine)[0] == 404
    assert planner.get(f"/v1/applications/{mine}/receipt").status_code == 403
    with town.engine.connect() as connection:
        open_as(connection, other.principal)
        assert connection.scalar(text("SELECT count(*) FROM round_outcomes")) == 1
        assert connection.scalar(text("SELECT count(*) FROM round_receipts")) == 1, "hashes of salted leaves are public"


# ------------------------------------------------------------------------------- homes and cars that changed meanwhile


def served_of(town: RoundTown, plan: int) -> list[int]:
    """Return the households that a plan serves."""
    with town.engine.begin() as connection:
        found = connection.scalars(
            text(
                "SELECT a.household_id FROM round_outcomes o JOIN applications a ON a.id = o.application_id "
                "WHERE o.plan_id = :plan AND o.bay_group_id IS NOT NULL ORDER BY 1"
            ),
            {"plan": plan},
        )
        return list(found)


def reasons_of(town: RoundTown, household: int) -> list[tuple[str, str | None]]:
    with town.engine.begin() as connection:
        rows = connection.execute(
            text("SELECT kind, facts ->> 'reason' AS reason FROM notices WHERE household_id = :h ORDER BY id"),
            {"h": household},
        )
        return [(row.kind, row.reason) for row in rows]


def with_permit(town: RoundTown, household: int, *, term: str, state: str = "active") -> int:
    """Give a household a permit of another round, or an offer of one."""
    made = town.one(
        """
        INSERT INTO permits (household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min, state)
        SELECT :h, v.id, (SELECT min(id) FROM bay_groups), CAST(:term AS daterange), 'daily', 1140, 1860, :state
        FROM vehicles v WHERE v.household_id = :h RETURNING id
        """,
        h=household,
        term=term,
        state=state,
    )
    return int(made)


def terms_of(town: RoundTown, household: int) -> list[tuple[date, date, str]]:
    """Return first and last evening and state of a household's permits, the oldest first."""
    with town.engine.begin() as connection:
        rows = connection.execute(
            text(
                "SELECT lower(term) AS first, upper(term) - 1 AS last, state FROM permits "
                "WHERE household_id = :h ORDER BY id"
            ),
            {"h": household},
        )
        return [(row.first, row.last, row.state) for row in rows]


@pytest.mark.parametrize(
    ("term", "first"),
    [
        ("[2026-08-01,2026-09-16)", date(2026, 9, 16)),  # two evenings of twenty-eight
        ("[2026-09-20,2026-10-11)", date(2026, 10, 11)),  # all but the last one from the first week on
        ("[2026-08-01,2026-09-14)", date(2026, 9, 14)),  # none: the term of before
        ("[2026-10-12,2026-11-01)", date(2026, 9, 14)),  # none: a term of later
    ],
)
@pytest.mark.parametrize("state", ["active", "offered"])
def test_an_offer_begins_when_the_permit_that_its_household_has_is_over(
    town: RoundTown, term: str, first: date, state: str
) -> None:
    for _ in range(BAYS):
        town.apply()
    plan = planned(town)
    holder, other = served_of(town, plan)
    with_permit(town, holder, term=term, state=state)
    publish(town, plan)
    assert terms_of(town, holder)[1:] == [(first, date(2026, 10, 11), "offered")]
    assert terms_of(town, other) == [(date(2026, 9, 14), date(2026, 10, 11), "offered")]
    assert reasons_of(town, holder) == [("offer_made", None)]
    both = town.one(
        "SELECT min(night) FROM (SELECT night FROM ledger_nights GROUP BY night HAVING sum(taken) = 2) AS n"
    )
    assert both == first


def test_nobody_is_offered_a_rest_of_the_term_without_a_night_of_theirs(town: RoundTown) -> None:
    """What is left is a Sunday, and they come on Mondays and Wednesdays."""
    for _ in range(BAYS):
        town.apply(days="mon wed")
    plan = planned(town)
    holder, other = served_of(town, plan)
    with_permit(town, holder, term="[2026-08-01,2026-10-11)")
    publish(town, plan)
    assert reasons_of(town, holder) == [("waitlisted", "has_permit")]
    assert [row[2] for row in terms_of(town, holder)] == ["active"]
    assert reasons_of(town, other) == [("offer_made", None)]


@pytest.mark.parametrize("term", ["[2026-08-01,2026-10-12)", "[2026-09-10,2027-01-01)", "[2026-10-05,2026-10-12)"])
@pytest.mark.parametrize("state", ["active", "offered"])
def test_whoever_has_a_permit_to_the_end_of_the_term_waits_with_its_rank_and_the_next_gets_the_bay(
    town: RoundTown, planner: TestClient, term: str, state: str
) -> None:
    for _ in range(BAYS + 1):
        town.apply(waited=2)
    plan = planned(town)
    holder = served_of(town, plan)[0]
    permit = with_permit(town, holder, term=term, state=state)
    publish(town, plan)
    assert [row[2] for row in terms_of(town, holder)] == [state]
    assert reasons_of(town, holder) == [("waitlisted", "has_permit")]
    assert town.one("SELECT count(*) FROM permits") == 1 + BAYS  # whom the plan did not serve has the bay at once
    assert town.one("SELECT rounds_waited FROM waitlist_entries WHERE household_id = :id", id=holder) == 2
    report = planner.get(f"/v1/rounds/{town.round}/report").json()
    assert (report["served"], report["waiting"], report["kept_back"], report["refused"]) == (BAYS, 1, 1, 0)
    # It lets its permit go: a bay that comes free is offered to it, as it waits for what the plan gave to it.
    town.one("UPDATE permits SET state = 'ended' WHERE id = :id", id=permit)
    with town.engine.begin() as connection:
        open_as(connection, AT_THE_MACHINE)
        other = connection.execute(
            text("SELECT id, household_id FROM offers WHERE household_id <> :h ORDER BY id LIMIT 1"), {"h": holder}
        ).one()
        decline_offer(connection, other.id, household_id=other.household_id, account_id=None, now=NOW)
    assert reasons_of(town, holder)[-1] == ("offer_made", None)


def test_a_round_whose_households_all_have_permits_is_published(town: RoundTown, planner: TestClient) -> None:
    for _ in range(BAYS):
        town.apply()
    plan = planned(town)
    for household in served_of(town, plan):
        with_permit(town, household, term="[2026-09-01,2026-11-01)")
    answer = planner.post(f"/v1/rounds/{town.round}/publication", json={"plan": plan})
    assert answer.json() == {"plan": plan, "offers": 0, "waiting": BAYS, "refused": 0}
    assert town.one("SELECT sum(taken) FROM ledger_nights") == 0


def test_a_round_whose_facilities_are_all_withdrawn_is_neither_allocated_nor_published_but_called_off(
    town: RoundTown, planner: TestClient
) -> None:
    account, _ = town.apply()
    plan = planned(town)
    town.one("UPDATE facilities SET status = 'withdrawn'")
    for path, body in (("publication", {"plan": plan}), ("allocations", {})):
        answer = planner.post(f"/v1/rounds/{town.round}/{path}", json=body)
        assert answer.status_code == 409
        assert answer.json()["detail"] == "all facilities of the round were withdrawn: call the round off."
    assert published_nothing(town)
    answer = planner.post(f"/v1/rounds/{town.round}/cancellation", json={"reason": "the owners took all bays back"})
    assert (answer.status_code, town.state()) == (200, "cancelled")
    assert reasons_of(town, account.household_id) == [("application_refused", "the owners took all bays back")]


def test_an_offer_stands_for_a_new_home_within_the_walk_and_says_how_far_that_is(town: RoundTown) -> None:
    town.apply()
    plan = planned(town)
    (household,) = served_of(town, plan)
    town.one("UPDATE households SET home_id = :home WHERE id = :id", home=town.homes["h2"], id=household)
    publish(town, plan)
    assert town.one("SELECT walk_m FROM permits WHERE household_id = :id", id=household) == 210
    assert reasons_of(town, household) == [("offer_made", None)]


@pytest.mark.parametrize(("home", "limit"), [("h3", None), ("h2", 200)], ids=["no way on foot", "too far"])
def test_whoever_moved_too_far_from_its_bay_waits_with_its_rank_and_the_next_gets_the_bay(
    town: RoundTown, planner: TestClient, home: str, limit: int | None
) -> None:
    for _ in range(BAYS + 1):
        town.apply(max_walk_m=limit, waited=2)
    plan = planned(town)
    household = served_of(town, plan)[0]
    town.one("UPDATE households SET home_id = :home WHERE id = :id", home=town.homes[home], id=household)
    publish(town, plan)
    assert town.one("SELECT count(*) FROM permits WHERE household_id = :id", id=household) == 0
    assert town.one("SELECT state FROM waitlist_entries WHERE household_id = :id", id=household) == "waiting"
    assert town.one("SELECT rounds_waited FROM waitlist_entries WHERE household_id = :id", id=household) == 2
    assert bytes(town.one("SELECT draw FROM waitlist_entries WHERE household_id = :id", id=household)) == draw_of(
        SEED, f"h{household}"
    )
    assert reasons_of(town, household) == [("waitlisted", "moved_too_far")]  # once
    assert town.one("SELECT count(*) FROM permits") == BAYS  # whom the plan did not serve has the bay at once
    report = planner.get(f"/v1/rounds/{town.round}/report").json()
    assert (report["served"], report["waiting"], report["kept_back"], report["refused"]) == (BAYS, 1, 1, 0)


def test_whoever_moved_and_waits_as_the_plan_says_is_told_once(town: RoundTown) -> None:
    for _ in range(BAYS + 1):
        town.apply()
    plan = planned(town)
    household = int(
        town.one("SELECT household_id FROM applications WHERE NOT household_id = ANY(:s)", s=served_of(town, plan))
    )
    town.one("UPDATE households SET home_id = :home WHERE id = :id", home=town.homes["h2"], id=household)
    publish(town, plan)
    assert reasons_of(town, household) == [("waitlisted", None)]
    assert town.one("SELECT walk_m FROM waitlist_options") == 210  # from where it lives now


def test_whose_new_car_is_too_high_for_its_bay_is_not_offered_it(town: RoundTown) -> None:
    town.apply()
    town.apply()
    plan = planned(town)
    high, low = served_of(town, plan)
    town.one("UPDATE vehicles SET height_m = 2.2 WHERE household_id = :id", id=high)
    town.one("UPDATE vehicles SET height_m = 2.0 WHERE household_id = :id", id=low)
    publish(town, plan)
    assert town.one("SELECT array_agg(household_id) FROM permits") == [low]
    assert reasons_of(town, high) == [("waitlisted", "other_car")]
    assert town.one("SELECT height_m FROM applications WHERE household_id = :id", id=high) == 2.2


def test_an_offer_is_made_to_the_car_that_its_household_has_by_now(town: RoundTown) -> None:
    town.apply()
    town.apply()
    plan = planned(town)
    plain, electric = served_of(town, plan)
    for household, needs in ((plain, ""), (electric, "ev")):
        town.one("UPDATE vehicles SET withdrawn_at = now() WHERE household_id = :id", id=household)
        town.one(
            "INSERT INTO vehicles (household_id, plate_hash, plate_sealed, needs) "
            "VALUES (:id, decode(md5(CAST(:id AS text)), 'hex'), '', :needs)",
            id=household,
            needs=needs,
        )
    publish(town, plan)
    assert town.one("SELECT array_agg(household_id) FROM permits") == [plain]
    assert town.one("SELECT v.withdrawn_at IS NULL FROM permits p JOIN vehicles v ON v.id = p.vehicle_id") is True
    assert reasons_of(town, electric) == [("waitlisted", "other_car")]


def test_a_car_that_needs_more_by_now_is_not_offered_what_the_bays_are_not(
    town: RoundTown, planner: TestClient
) -> None:
    accounts = {account.household_id: account for account, _ in (town.apply(), town.apply())}
    plan = planned(town)
    electric, plain = served_of(town, plan)
    resident = signed_in(planner, accounts[electric])
    registered = resident.get("/v1/vehicle").json()
    assert resident.put("/v1/vehicle", json={"plate": registered["plate"], "needs": ["ev"]}).status_code == 202
    assert resident.get("/v1/vehicle").json() == {**registered, "needs": ["ev"]}
    publish(town, plan)
    assert town.one("SELECT array_agg(household_id) FROM permits") == [plain]
    assert reasons_of(town, electric) == [("waitlisted", "other_car")]
    assert town.one("SELECT needs FROM applications WHERE household_id = :id", id=electric) == "ev"


def test_a_car_that_does_not_fit_where_its_household_has_an_offer_is_refused(
    town: RoundTown, planner: TestClient
) -> None:
    account, _ = town.apply()
    publish(town, planned(town))
    resident = signed_in(planner, account)
    answer = resident.put("/v1/vehicle", json={"plate": "沪B12345", "height_m": 2.3})
    assert (answer.status_code, answer.json()["type"]) == (409, "car-does-not-fit")
    assert "up to 2.1 m and this one is 2.3 m high: decline the offer there first" in answer.json()["detail"]
