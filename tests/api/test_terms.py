"""Terms: rounds become active and end, permits end with them, and everybody is told what comes next."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from api.offers.service import accept_offer, make_offers
from api.permits.cars import follow_cars
from api.permits.service import end_terms
from api.permits.terms import tell_of_terms_ending, turn_rounds
from api.waitlist.service import join_waitlist
from tests.api.round_town import DAY, NOW, RoundTown, make_round_town

NEW_YEAR = datetime(2026, 12, 31, 16, 0, tzinfo=UTC)
"""Midnight in Shanghai: the term is over."""
MOMENT = timedelta(seconds=1)


@pytest.fixture
def town(engine: Engine) -> Iterator[RoundTown]:
    with engine.connect() as connection:
        yield make_round_town(connection)


@pytest.fixture
def holder(town: RoundTown) -> dict[str, int]:
    who = town.apply()
    (offer,) = make_offers(town.connection, [town.wanted(who)], source="plan", now=NOW)
    accept_offer(town.connection, offer, household_id=who["household"], account_id=None, now=NOW)
    return who


def test_a_round_is_active_from_the_first_day_of_its_term_to_its_last(town: RoundTown) -> None:
    first = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
    for now, state in [
        (first - MOMENT, "published"),
        (first, "active"),
        (NEW_YEAR - MOMENT, "active"),
        (NEW_YEAR, "ended"),
    ]:
        turn_rounds(town.connection, now=now)
        assert town.state("rounds", id=town.round) == state


def test_whoever_still_waits_when_a_round_ends_leaves_and_is_told(town: RoundTown) -> None:
    waiting = town.apply()
    join_waitlist(town.connection, [town.entry(waiting)], now=NOW)
    turn_rounds(town.connection, now=NEW_YEAR - DAY)
    assert town.state("waitlist_entries", household_id=waiting["household"]) == "waiting"
    assert turn_rounds(town.connection, now=NEW_YEAR) == {"begun": 0, "ended": 1, "left": 1}
    assert town.told(waiting["household"]) == ["waitlisted", "waitlist_left"]


def test_a_permit_lasts_its_whole_term_and_not_longer(town: RoundTown, holder: dict[str, int]) -> None:
    assert end_terms(town.connection, now=NEW_YEAR - MOMENT) == 0
    assert end_terms(town.connection, now=NEW_YEAR) == 1
    assert end_terms(town.connection, now=NEW_YEAR) == 0
    reason = town.connection.execute(text("SELECT end_reason FROM permits")).scalar_one()
    assert reason == "term_over"
    assert town.told(holder["household"])[-1] == "permit_ended"
    assert set(town.taken().values()) == {1}  # they were the holder's to the end


def test_an_offer_that_nobody_answered_ends_with_the_term(town: RoundTown) -> None:
    who = town.apply()
    make_offers(town.connection, [town.wanted(who)], source="plan", now=NOW)
    assert end_terms(town.connection, now=NEW_YEAR) == 1
    assert town.state("offers", household_id=who["household"]) == "withdrawn"


def test_holders_are_told_a_month_before_the_end_and_once(town: RoundTown, holder: dict[str, int]) -> None:
    before = datetime(2026, 11, 30, 2, 0, tzinfo=UTC)  # 31 days before the last night
    assert tell_of_terms_ending(town.connection, now=before) == 0
    assert tell_of_terms_ending(town.connection, now=before + DAY) == 1
    assert tell_of_terms_ending(town.connection, now=before + 2 * DAY) == 0
    facts = town.connection.execute(text("SELECT facts FROM notices WHERE kind = 'term_ending'")).scalar_one()
    assert (facts["last"], facts["keep_value_m"]) == ("2026-12-31", 1000)
    assert town.told(holder["household"])[-1] == "term_ending"


# ---------------------------------------------------------------------------------------------------------- another car


def another_car(town: RoundTown, who: dict[str, int]) -> int:
    town.connection.execute(
        text("UPDATE vehicles SET withdrawn_at = :now WHERE household_id = :id"), {"id": who["household"], "now": NOW}
    )
    return town.count(
        "INSERT INTO vehicles (household_id, plate_hash, plate_sealed) VALUES (:id, 'new', '') RETURNING id",
        id=who["household"],
    )


def test_a_permit_follows_the_car_that_its_household_registers(town: RoundTown, holder: dict[str, int]) -> None:
    assert follow_cars(town.connection, household_ids=[holder["household"]], now=NOW) == 0
    car = another_car(town, holder)
    assert follow_cars(town.connection, household_ids=[holder["household"] + 1], now=NOW) == 0
    assert follow_cars(town.connection, household_ids=[holder["household"]], now=NOW) == 1
    assert town.count("SELECT vehicle_id FROM permits") == car
    assert town.told(holder["household"])[-1] == "permit_changed"


def test_who_waits_is_offered_a_bay_for_the_new_car(town: RoundTown) -> None:
    who = town.apply()
    join_waitlist(town.connection, [town.entry(who)], now=NOW)
    car = another_car(town, who)
    assert follow_cars(town.connection, now=NOW) == 0
    assert town.count("SELECT vehicle_id FROM applications") == car


def test_a_permit_keeps_its_car_while_its_household_has_none(town: RoundTown, holder: dict[str, int]) -> None:
    town.connection.execute(text("UPDATE vehicles SET withdrawn_at = :now"), {"now": NOW})
    assert follow_cars(town.connection, now=NOW) == 0
    assert town.count("SELECT vehicle_id FROM permits") == holder["vehicle"]
