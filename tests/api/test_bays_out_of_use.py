"""A bay that was reported as taken is sold to nobody until the stay it was reported for would have ended."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text

from api.accounts.opening import open_as
from api.bookings.service import Refused, Wish
from api.calendars.stay_queries import lengthen_stay
from api.gates.bay_taken import Claim, claim_bay_taken
from api.offers.service import accept_offer, make_offers
from api.openings.service import materialise
from tests.api.accounts import SomeAccount
from tests.api.booking_town import Household, book, make_household
from tests.api.gate_town import HOUR, MINUTE, GateTown, make_gate_town
from tests.api.round_town import NOW, make_round_town

PLATE = "沪A12345"


@pytest.fixture
def gates(engine: Engine) -> GateTown:
    return make_gate_town(engine)


def claim(gates: GateTown, who: SomeAccount, stay: int, now: datetime) -> Claim:
    with gates.engine.begin() as connection:
        open_as(connection, who.principal)
        return claim_bay_taken(
            connection, stay, household_id=who.household_id, account_id=who.account_id, evidence=None, now=now
        )


def fill(gates: GateTown, *, leave: int) -> None:
    """Let others stand on every bay of the near facility but one for the evening and night."""
    for number in {1, 2, 3, 4, 5, 6} - {leave}:
        other = gates.resident(f"沪B1000{number}", f"other {number}")
        gates.add_stay(other, gates.night, gates.night + 14 * HOUR, bay=number)


def ask(gates: GateTown, begins: datetime, ends: datetime, *, bay: int | None = None) -> tuple[str, int] | None:
    """Let a new household book at the near facility; return the bay it gets, None where it is full."""
    with gates.engine.begin() as connection:
        who = make_household(connection, gates.town)
    return ask_as(gates, who, begins, ends, bay=bay)


def ask_as(
    gates: GateTown, who: Household, begins: datetime, ends: datetime, *, bay: int | None = None
) -> tuple[str, int] | None:
    wish = Wish(facility=gates.town.near, bay=bay, start=begins, end=ends, vehicle=None, confirm=True)
    with gates.engine.begin() as connection:
        found = book(connection, who, wish)
    if isinstance(found, Refused):
        assert found.reason == "full"
        return None
    return found.bay_group, found.number


def free_bays(gates: GateTown, begins: datetime, ends: datetime) -> int:
    question = "SELECT bays FROM free_bays_of(:f, tstzrange(:begins, :ends), '{}')"
    [(bays,)] = gates.rows(question, f=gates.town.near, begins=begins, ends=ends)
    assert isinstance(bays, int)
    return bays


def test_a_bay_reported_as_taken_is_sold_to_nobody_that_night_and_again_afterwards(gates: GateTown) -> None:
    wang = gates.resident(PLATE)
    over = gates.night + 12 * HOUR
    stay = gates.add_stay(wang, gates.night, over, bay=1)
    fill(gates, leave=1)
    now = gates.night + 20 * MINUTE
    claim(gates, wang, stay, now)
    assert gates.rows("SELECT state FROM stays WHERE id = :stay", stay=stay) == [("cancelled",)]
    assert ask(gates, now + HOUR, over) is None
    assert ask(gates, over - MINUTE, over + HOUR) is None, "it overlaps the last minute"
    assert ask(gates, over, over + HOUR) == ("std", 1)


def test_who_wants_this_very_bay_is_refused_and_another_bay_is_sold_as_ever(gates: GateTown) -> None:
    wang = gates.resident(PLATE)
    over = gates.night + 12 * HOUR
    stay = gates.add_stay(wang, gates.night, over, bay=1)
    [(bay,)] = gates.rows("SELECT bay_id FROM stays WHERE id = :stay", stay=stay)
    assert isinstance(bay, int)
    claim(gates, wang, stay, gates.night)
    assert ask(gates, gates.night + HOUR, over, bay=bay) is None
    found = ask(gates, gates.night + HOUR, over)
    assert found is not None
    assert found[1] not in (1, 2), "the first is taken, the second is the claimant's now"


def test_what_is_shown_as_free_leaves_the_bay_out_for_as_long(gates: GateTown) -> None:
    wang = gates.resident(PLATE)
    over = gates.night + 12 * HOUR
    stay = gates.add_stay(wang, gates.night, over, bay=1)
    assert free_bays(gates, gates.night, over) == 5
    claim(gates, wang, stay, gates.night)
    assert free_bays(gates, gates.night + HOUR, over) == 4, "six, less the one that is taken and the new one"
    assert free_bays(gates, over, over + HOUR) == 6


def test_a_bay_that_came_later_than_its_group_is_left_out_too(gates: GateTown) -> None:
    """Its id does not follow from its number, so that bays are looked up one by one."""
    with gates.engine.begin() as connection:
        connection.execute(text("UPDATE bay_groups SET first_bay_id = NULL"))
    wang = gates.resident(PLATE)
    over = gates.night + 12 * HOUR
    stay = gates.add_stay(wang, gates.night, over, bay=1)
    fill(gates, leave=1)
    claim(gates, wang, stay, gates.night)
    assert free_bays(gates, gates.night, over) == 0
    assert ask(gates, gates.night + HOUR, over) is None


def test_nobody_who_books_while_a_bay_is_reported_is_sent_to_it(gates: GateTown) -> None:
    over = gates.night + 12 * HOUR
    wang = gates.resident(PLATE)
    stay = gates.add_stay(wang, gates.night, over, bay=1)
    fill(gates, leave=1)
    with gates.engine.begin() as connection:
        others = [make_household(connection, gates.town) for _ in range(8)]
    with ThreadPoolExecutor(5) as pool:
        reported = pool.submit(claim, gates, wang, stay, gates.night)
        found = list(pool.map(lambda who: ask_as(gates, who, gates.night + HOUR, over), others))
    assert reported.result().outcome == "moved"
    assert found == [None] * 8


def test_reports_whose_time_is_over_are_forgotten_with_the_next(gates: GateTown) -> None:
    wang = gates.resident(PLATE)
    first = gates.add_stay(wang, gates.night, gates.night + 12 * HOUR, bay=1)
    claim(gates, wang, first, gates.night)
    with gates.engine.begin() as connection:
        connection.execute(text("UPDATE stays SET state = 'cancelled'"))
    later = gates.night + 24 * HOUR
    claim(gates, wang, gates.add_stay(wang, later, later + 12 * HOUR, bay=2), later)
    assert gates.rows("SELECT starts_at, ends_at FROM bays_out_of_use") == [(later, later + 12 * HOUR)]


def test_the_night_of_a_permit_is_placed_on_no_bay_that_is_out_of_use(engine: Engine) -> None:
    """Facility `a` has one bay."""
    rolled = datetime(2026, 12, 1, 2, 0, tzinfo=UTC)
    with engine.begin() as connection:
        town = make_round_town(connection)
        who = town.apply()
        (offer,) = make_offers(connection, [town.wanted(who)], source="plan", now=NOW)
        accept_offer(connection, offer, household_id=who["household"], account_id=None, now=NOW)
        connection.execute(
            text(
                "INSERT INTO bays_out_of_use (bay_id, starts_at, ends_at) SELECT b.id, '2026-12-03T10:00Z', "
                "'2026-12-03T22:00Z' FROM bays b JOIN permits p ON p.bay_group_id = b.bay_group_id"
            )
        )
    placed = []
    for _ in range(2):
        with engine.begin() as connection:
            materialise(connection, neighbourhood_id=town.neighbourhood, now=rolled)
            nights = connection.scalars(text("SELECT night FROM stays WHERE state = 'confirmed' ORDER BY 1")).all()
            placed.append([night.day for night in nights])
            connection.execute(text("DELETE FROM bays_out_of_use"))
    without, again = placed
    assert 3 not in without
    assert {2, 4} <= set(without)
    assert sorted([*without, 3]) == again


@pytest.mark.parametrize(("out_until_h", "longer"), [(14, False), (12, True)])
def test_a_stay_is_not_lengthened_into_a_time_when_its_bay_is_out_of_use(
    gates: GateTown, out_until_h: int, longer: bool
) -> None:
    """A stay of eleven hours; the bay is out of use from the twelfth on."""
    stay = gates.add_stay(gates.resident(PLATE), gates.night, gates.night + 11 * HOUR, bay=1)
    with gates.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO bays_out_of_use (bay_id, starts_at, ends_at) "
                "SELECT bay_id, :start, :end FROM stays WHERE id = :stay"
            ),
            {"stay": stay, "start": gates.night + 12 * HOUR, "end": gates.night + out_until_h * HOUR + MINUTE},
        )
        end = gates.night + (12 if longer else 13) * HOUR
        assert lengthen_stay(connection, stay, end=end) is longer
