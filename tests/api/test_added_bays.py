"""Bays that are added in a running term are offered to those who wait."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from api.offers.service import accept_offer, make_offers
from api.reaccommodation.returning import offer_more
from api.waitlist.service import join_waitlist
from tests.api.round_town import NOW, RoundTown, make_round_town
from tests.api.supply import match, ok, open_lane, publish, with_bays


@pytest.fixture
def town(engine: Engine) -> Iterator[RoundTown]:
    with engine.connect() as connection:
        yield make_round_town(connection)


def let(town: RoundTown, bays: int) -> None:
    """Let garage `a` have so many bays, as an edit that is published does."""
    for statement in (
        "UPDATE share_windows SET bays = :n WHERE bay_group_id = :g",
        "INSERT INTO bays (bay_group_id, number) SELECT :g, generate_series(2, :n)",
    ):
        town.connection.execute(text(statement), {"n": bays, "g": town.groups["a"]})


def fill_and_wait(town: RoundTown) -> dict[str, int]:
    """Give the one bay of `a` away; return who waits for the next."""
    who = town.apply()
    (offer,) = make_offers(town.connection, [town.wanted(who)], source="plan", now=NOW)
    accept_offer(town.connection, offer, household_id=who["household"], account_id=None, now=NOW)
    waits = town.apply()
    join_waitlist(town.connection, [town.entry(waits)], now=NOW)
    return waits


def test_a_bay_that_is_added_is_offered_to_whoever_waits(town: RoundTown) -> None:
    waits = fill_and_wait(town)
    let(town, 2)
    (offer,) = offer_more(town.connection, town.facilities["a"], now=NOW)
    assert town.state("offers", id=offer, household_id=waits["household"]) == "pending"
    assert set(town.taken().values()) == {2}
    assert offer_more(town.connection, town.facilities["a"], now=NOW) == []


def add_group(town: RoundTown, *, kinds: str = "{standard}", to_min: int = 1920, place: str = "a") -> int:
    """Let a garage have a group of one bay beside the one it has, as an edit that is published does."""
    group = town.count(
        "INSERT INTO bay_groups (facility_id, code, position, kinds) VALUES (:f, 'new', 1, :kinds) RETURNING id",
        f=town.facilities[place],
        kinds=kinds,
    )
    town.connection.execute(
        text(
            "INSERT INTO share_windows (bay_group_id, position, days, from_min, to_min, bays) "
            "SELECT :g, 0, 'daily', 1080, :until, 1"
        ),
        {"g": group, "until": to_min},
    )
    town.connection.execute(text("INSERT INTO bays (bay_group_id, number) VALUES (:g, 1)"), {"g": group})
    return group


def walk_to_a(town: RoundTown, walk_m: int = 200) -> None:
    town.connection.execute(
        text("INSERT INTO walk_pairs (home_id, facility_id, walk_m) VALUES (:h, :f, :m)"),
        {"h": town.home, "f": town.facilities["a"], "m": walk_m},
    )


def test_a_group_that_is_added_is_waited_for_and_offered_at_once(town: RoundTown) -> None:
    waits = fill_and_wait(town)
    walk_to_a(town)
    group = add_group(town)
    (offer,) = offer_more(town.connection, town.facilities["a"], now=NOW)
    assert town.state("offers", id=offer, household_id=waits["household"]) == "pending"
    assert town.count("SELECT walk_m FROM waitlist_options WHERE bay_group_id = :g", g=group) == 200
    assert town.count("SELECT count(*) FROM permits WHERE bay_group_id = :g AND state = 'offered'", g=group) == 1
    found = town.connection.execute(
        text("SELECT cause, bay_group_id, permit_id, offered_entry_id AS entry FROM waitlist_releases")
    )
    entry = town.count("SELECT id FROM waitlist_entries WHERE household_id = :h", h=waits["household"])
    assert [tuple(row) for row in found] == [("added", group, None, entry)]


@pytest.mark.parametrize(
    ("group", "walk_m", "change"),
    [
        ({"kinds": "{ev}"}, 200, ""),
        ({"to_min": 1830}, 200, ""),
        ({}, 501, ""),
        ({}, 200, "UPDATE facilities SET max_height_m = 1.9"),
        ({}, 200, "DELETE FROM round_facilities WHERE facility_id = (SELECT id FROM facilities WHERE code = 'a')"),
        (
            {},
            200,
            """INSERT INTO round_decisions (round_id, application_id, decision, note, decided_at)
               SELECT round_id, id, 'reject', 'x', submitted_at FROM applications""",
        ),
    ],
    ids=["other kind", "shuts too early", "too far", "too low", "not of the round", "turned down in review"],
)
def test_a_group_that_does_not_suit_or_is_not_of_the_round_is_no_option(
    town: RoundTown, group: dict[str, Any], walk_m: int, change: str
) -> None:
    fill_and_wait(town)
    town.connection.execute(text("UPDATE applications SET height_m = 2.0"))
    walk_to_a(town, walk_m)
    added = add_group(town, **group)
    if change:
        town.connection.execute(text(change))
    assert offer_more(town.connection, town.facilities["a"], now=NOW) == []
    assert town.count("SELECT count(*) FROM waitlist_options WHERE bay_group_id = :g", g=added) == 0


def test_bays_are_on_record_as_added_once_and_only_where_they_are_new_on_every_night(town: RoundTown) -> None:
    released = "SELECT count(*) FROM waitlist_releases WHERE cause = 'added'"
    let(town, 3)
    offer_more(town.connection, town.facilities["a"], now=NOW)
    assert town.count(released) == 2
    offer_more(town.connection, town.facilities["a"], now=NOW)
    assert town.count(released) == 2
    town.connection.execute(
        text("UPDATE ledger_nights SET bays = 2 WHERE bay_group_id = :g AND night = '2026-12-10'"),
        {"g": town.groups["a"]},
    )
    offer_more(town.connection, town.facilities["a"], now=NOW)
    assert town.count(released) == 2


@pytest.mark.parametrize("state", ["in_review", "ended"])
def test_nothing_is_offered_of_a_round_that_is_not_published_or_over(town: RoundTown, state: str) -> None:
    fill_and_wait(town)
    let(town, 2)
    town.connection.execute(text("UPDATE rounds SET state = :state"), {"state": state})
    assert offer_more(town.connection, town.facilities["a"], now=NOW) == []
    assert town.count("SELECT max(bays) FROM ledger_nights WHERE bay_group_id = :g", g=town.groups["a"]) == 1


def test_nights_that_are_short_within_a_notice_stay_as_they_are_and_later_ones_are_counted(town: RoundTown) -> None:
    fill_and_wait(town)
    let(town, 2)
    town.connection.execute(
        text("UPDATE ledger_nights SET bays = 3, taken = 3 WHERE bay_group_id = :g AND night <= '2026-12-10'"),
        {"g": town.groups["a"]},
    )
    assert offer_more(town.connection, town.facilities["a"], now=NOW) == []
    rows = town.connection.execute(
        text("SELECT night, bays FROM ledger_nights WHERE bay_group_id = :g"), {"g": town.groups["a"]}
    )
    assert {row.night.day: row.bays for row in rows} == {day: 3 if day <= 10 else 2 for day in range(1, 32)}


def test_publishing_more_bays_counts_them_in_the_term_that_runs(engine: Engine, lane: Path) -> None:
    with open_lane(engine, lane) as town:
        facility = publish(town)
        today = datetime.now(UTC).date()
        with engine.begin() as connection:
            connection.execute(
                text(
                    """
                    WITH made AS (
                        INSERT INTO rounds (neighbourhood_id, name, opens_at, closes_at, publishes_at, term, policy,
                            work, number_source, commitment, secret_sealed, opened_at)
                        SELECT neighbourhood_id, 'now', now() - interval '60 days', now() - interval '50 days',
                            now() - interval '40 days', daterange(:first, :past), '{}', '{}', 'lottery', :hash, '',
                            now() - interval '60 days' FROM facilities WHERE id = :f RETURNING id, term
                    ), planned AS (
                        INSERT INTO round_plans (round_id, summary, certificate, input_sha256, inputs, parameters,
                            version, value_m, bound_m, demands, served, locked, rejected, created_at)
                        SELECT id, '{}', '{}', '{}', '', '{}', '1', 0, 0, 0, 0, 0, 0, now() FROM made
                    )
                    INSERT INTO round_facilities (round_id, facility_id, term) SELECT id, :f, term FROM made
                    """
                ),
                {
                    "f": facility,
                    "hash": sha256(b"secret").digest(),
                    "first": today - timedelta(days=3),
                    "past": today + timedelta(days=40),
                },
            )
            connection.execute(
                text(
                    "UPDATE rounds SET state = 'active', published_at = opened_at, "
                    "plan_id = (SELECT max(id) FROM round_plans)"
                )
            )
        path = f"/v1/facilities/{facility}"
        draft = ok(town.owner.put(f"{path}/draft", json=with_bays(5), headers=match(2)))
        ok(town.owner.post(f"{path}/draft/submission", headers=match(draft["version"])))
        ok(town.planner.post(f"{path}/draft/publication", headers=match(draft["version"] + 1), json={}))
        nights = (
            "SELECT count(*) FROM ledger_nights l JOIN bay_groups g ON g.id = l.bay_group_id WHERE g.facility_id = :f"
        )
        assert town.count(nights, f=facility) == 40
        assert town.count(f"{nights} AND l.bays = 5", f=facility) > 0
