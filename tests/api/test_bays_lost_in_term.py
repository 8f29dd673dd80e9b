"""Whose bay is taken back within its term keeps it until then, and waits in its turn for another from then on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

import pytest
from sqlalchemy import Connection, Engine, text

from api.facilities.withdrawing import Withdrawal
from api.offers.service import accept_offer, decline_offer
from api.permits.ledger import take_nights
from api.permits.service import end_permit, give_up
from api.permits.terms import tell_of_terms_ending
from api.waitlist.date_queries import list_permits
from api.waitlist.service import follow, join_waitlist
from tests.api.round_town import DAY, FIRST, LAST, NOW, small_garage
from tests.api.withdrawn_town import WithdrawnTown, make_withdrawn_town


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12)  # noqa: DTZ001 -- as owners write it


CUT = date(2026, 12, 20)
SOLD_LATER = Withdrawal("facility", "planned", "sold", start=noon(CUT))


def town_of_losers(connection: Connection) -> tuple[WithdrawnTown, int, int, dict[str, int]]:
    """
    Make a town where tier 1 has the one bay of `a`, taken back from the 20th on, and tier 3 waits for the one of `b`.

    Returns
    -------
    tuple
        The town, the permits at `a` and at `b`, and who waits.
    """
    town = make_withdrawn_town(connection, small_garage("a", 1), small_garage("b", 1), a=100, b=200)
    loser, other = town.holder(tier=1), town.holder("b")
    waiting = town.town.apply()
    join_waitlist(connection, [town.town.entry(waiting, ["b"])], now=NOW)
    town.confirm(SOLD_LATER)
    return town, loser, other, waiting


def household_of(town: WithdrawnTown, permit: int) -> int:
    return town.number("SELECT household_id FROM permits WHERE id = :id", id=permit)


def entries(town: WithdrawnTown) -> dict[int, str]:
    """Return the states of entries by tier."""
    rows = town.connection.execute(text("SELECT tier, state FROM waitlist_entries"))
    return {row.tier: row.state for row in rows}


def offer_of(town: WithdrawnTown, household: int) -> dict[str, object]:
    """Return the newest offer from a list that a household has."""
    found = town.row(
        "SELECT o.id, o.state, lower(p.term) AS first, upper(p.term) - 1 AS last FROM offers o "
        "JOIN permits p ON p.id = o.permit_id WHERE o.household_id = :id AND o.source = 'waitlist' "
        "ORDER BY o.id DESC LIMIT 1",
        id=household,
    )
    return dict(found)


def test_whoever_has_its_bay_for_some_weeks_yet_is_offered_the_next_one_from_then_on(connection: Connection) -> None:
    town, loser, other, _ = town_of_losers(connection)
    end_permit(connection, other, reason="given_up", now=NOW + DAY)
    offer = offer_of(town, household_of(town, loser))
    assert (offer["state"], offer["first"], offer["last"]) == ("pending", CUT, LAST)
    assert entries(town) == {1: "offered", 3: "waiting"}
    town.require_whole()
    taken = town.town.taken("b")
    assert (taken[CUT - DAY], taken[CUT], taken[LAST]) == (0, 1, 1)


def test_when_it_declines_the_next_has_the_bay_at_once(connection: Connection) -> None:
    town, loser, other, waiting = town_of_losers(connection)
    end_permit(connection, other, reason="given_up", now=NOW + DAY)
    household = household_of(town, loser)
    offer = town.number("SELECT max(id) FROM offers")
    decline_offer(connection, offer, household_id=household, account_id=None, now=NOW + DAY)
    assert entries(town) == {1: "left", 3: "offered"}
    assert offer_of(town, waiting["household"])["first"] == FIRST
    assert town.place(loser, night=CUT - DAY) == "a"


def test_whoever_is_passed_over_for_a_night_after_its_bay_is_gone_can_read_it(connection: Connection) -> None:
    """When the bay of `b` comes free, somebody has it on Christmas Day, a Friday: it goes to who asks for Mondays."""
    town, loser, other, _ = town_of_losers(connection)
    mondays, friday = town.town.apply(days="mon"), date(2026, 12, 25)
    connection.execute(text("UPDATE waitlist_entries SET state = 'left' WHERE tier = 3"))
    connection.execute(text("UPDATE waitlist_entries SET state = 'offered' WHERE tier = 1"))
    end_permit(connection, other, reason="given_up", now=NOW + DAY)
    take_nights(connection, {town.town.groups["b"]: {friday: 1}})
    connection.execute(text("UPDATE waitlist_entries SET state = 'waiting' WHERE tier = 1"))
    join_waitlist(connection, [town.town.entry(mondays, ["b"])], now=NOW + DAY)
    assert len(follow(connection, [town.town.groups["b"]], now=NOW + DAY)) == 1
    passed = "SELECT e.household_id, w.night FROM waitlist_passes w JOIN waitlist_entries e ON e.id = w.entry_id"
    assert town.row(passed) == {"household_id": household_of(town, loser), "night": friday}


def test_whoever_gives_its_last_weeks_up_keeps_the_offer_for_the_time_after_them(connection: Connection) -> None:
    town, loser, other, _ = town_of_losers(connection)
    end_permit(connection, other, reason="given_up", now=NOW + DAY)
    household = household_of(town, loser)
    give_up(connection, loser, household_id=household, now=NOW + 2 * DAY)
    assert entries(town)[1] == "offered"
    accept_offer(
        connection,
        town.number("SELECT max(id) FROM offers"),
        household_id=household,
        account_id=None,
        now=NOW + 2 * DAY,
    )
    assert entries(town)[1] == "served"
    town.require_whole()


@pytest.mark.parametrize("accepted", [False, True])
def test_whoever_has_a_place_for_the_time_after_it_does_not_wait_when_its_bay_goes_earlier(
    connection: Connection, *, accepted: bool
) -> None:
    town, loser, other, _ = town_of_losers(connection)
    end_permit(connection, other, reason="given_up", now=NOW + DAY)
    offer, household = town.number("SELECT max(id) FROM offers"), household_of(town, loser)
    if accepted:
        accept_offer(connection, offer, household_id=household, account_id=None, now=NOW + DAY)
    start = date(2026, 12, 10)
    nights = [start + k * DAY for k in range((CUT - start).days)]
    take_nights(connection, {town.town.groups["b"]: dict.fromkeys(nights, 1)})
    flood = Withdrawal("closure", "planned", "flood", start=noon(start), end=noon(CUT))
    shown = town.withdraw(flood, now=NOW + 2 * DAY)
    assert town.withdraw(flood, token=shown.consequences.token, now=NOW + 2 * DAY).done
    assert list(town.outcomes()) == [loser]
    assert town.place(loser, night=start) is None
    assert entries(town)[1] == ("served" if accepted else "offered")
    assert town.town.told(household).count("waitlisted") == 1


def test_a_bay_that_is_taken_back_frees_nothing_for_those_whose_dates_are_worked_out(connection: Connection) -> None:
    town, _, _, _ = town_of_losers(connection)
    groups = list(town.town.groups.values())
    held = list_permits(connection, town.town.round, groups, last=LAST)
    assert [row.bay_group_id for row in held] == [town.town.groups["b"]]


def test_nobody_whose_bay_is_taken_back_is_told_to_apply_for_it_again(connection: Connection) -> None:
    """The one of `a` moved to `c` hears it of `c`, as the one of `b` does of `b`."""
    garages = [small_garage("a", 1), small_garage("b", 1), small_garage("c", 1)]
    town = make_withdrawn_town(connection, *garages, a=100, b=200, c=300)
    moved, other = town.holder(), town.holder("b")
    town.confirm(SOLD_LATER)
    assert tell_of_terms_ending(connection, now=NOW + 10 * DAY) == 2
    assert [town.facts(one, "term_ending")["last"] for one in (moved, other)] == [LAST.isoformat()] * 2
