"""Offers: made, answered once, never over what the ledger has, and followed by the next on the list."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from api.accounts.opening import open_as
from api.accounts.principal import Principal
from api.calendars.day_kinds import day_kinds
from api.offers.deadlines import expiry_of
from api.offers.errors import OfferDecided, OfferExpired, OfferImpossible, OfferNotFound
from api.offers.schemas import offer_out
from api.offers.service import (
    accept_offer,
    decline_offer,
    deliver_late_offers,
    get_offer,
    lapse_offers,
    make_offers,
    note_delivered,
    remind_of_offers,
)
from api.permits.ledger import LedgerFull
from api.waitlist.service import join_waitlist
from tests.api.round_town import DAY, FIRST, HOUR, LAST, NOW, RoundTown, make_round_town

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def town(engine: Engine) -> Iterator[RoundTown]:
    with engine.connect() as connection:
        yield make_round_town(connection)


def offered(town: RoundTown, code: str = "a") -> tuple[dict[str, int], int]:
    """Offer a garage to a household of its own, delivered now."""
    who = town.apply()
    (offer,) = make_offers(town.connection, [town.wanted(who, code)], source="plan", now=NOW)
    note_delivered(town.connection, [offer], now=NOW)
    return who, offer


def answer(town: RoundTown, word: str, offer: int, who: dict[str, int], *, now: datetime = NOW) -> str:
    act = {"accept": accept_offer, "decline": decline_offer}[word]
    return str(act(town.connection, offer, household_id=who["household"], account_id=None, now=now).state)


# --------------------------------------------------------------------------------------------------------- the 72 hours


@pytest.mark.parametrize(
    ("delivered", "expires"),
    [
        ("2026-11-25T10:00", "2026-11-28T10:00"),  # Wednesday: Thursday is a whole working day
        ("2026-11-27T10:00", "2026-12-01T00:00"),  # Friday: until Monday 10:00 there is none, so Monday to its end
        ("2026-11-27T00:00", "2026-11-30T00:00"),  # Friday from its first minute counts itself
        ("2026-11-28T00:00", "2026-12-01T00:00"),  # Saturday: Monday ends just at the 72nd hour
        (
            "2026-09-30T18:00",
            "2026-10-09T00:00",
        ),  # National Day week: 8 October is the first workday
        ("2026-02-13T12:00", "2026-02-16T12:00"),  # Saturday 14 February 2026 is a make-up workday
    ],
)
def test_an_offer_lasts_72_hours_with_a_whole_working_day_in_them(delivered: str, expires: str) -> None:
    kinds = day_kinds("CN", first=date(2026, 1, 1), last=date(2026, 12, 31))
    moment = datetime.fromisoformat(delivered).replace(tzinfo=SHANGHAI)
    assert expiry_of(moment, kinds=kinds, zone=SHANGHAI) == datetime.fromisoformat(expires).replace(tzinfo=SHANGHAI)


def test_the_time_of_an_offer_begins_when_it_is_delivered_and_once(town: RoundTown) -> None:
    who = town.apply()
    (offer,) = make_offers(town.connection, [town.wanted(who)], source="plan", now=NOW)
    assert get_offer(town.connection, offer, household_id=who["household"]).expires_at is None
    note_delivered(town.connection, [offer], now=NOW + HOUR)
    note_delivered(town.connection, [offer], now=NOW + 2 * HOUR)
    assert get_offer(town.connection, offer, household_id=who["household"]).expires_at == NOW + 73 * HOUR


def test_an_offer_nobody_delivered_counts_as_delivered_after_a_day(town: RoundTown) -> None:
    who = town.apply()
    (offer,) = make_offers(town.connection, [town.wanted(who)], source="plan", now=NOW)
    assert deliver_late_offers(town.connection, now=NOW + 23 * HOUR) == 0
    assert deliver_late_offers(town.connection, now=NOW + 24 * HOUR) == 1
    assert get_offer(town.connection, offer, household_id=who["household"]).delivered_at == NOW + 24 * HOUR


def test_a_household_is_reminded_a_day_before_and_once(town: RoundTown) -> None:
    who, _ = offered(town)
    assert remind_of_offers(town.connection, now=NOW + 47 * HOUR) == 0
    assert remind_of_offers(town.connection, now=NOW + 49 * HOUR) == 1
    assert remind_of_offers(town.connection, now=NOW + 50 * HOUR) == 0
    assert town.told(who["household"]) == ["offer_made", "offer_reminder"]


# ---------------------------------------------------------------------------------------------------- made and answered


@pytest.mark.parametrize("cents", [0, 20_000])
def test_an_offer_names_the_deposit_of_its_round(town: RoundTown, cents: int) -> None:
    town.connection.execute(text("UPDATE rounds SET deposit_cents = :cents"), {"cents": cents})
    who, offer = offered(town)
    facts = town.connection.execute(text("SELECT facts FROM notices WHERE kind = 'offer_made'")).scalar_one()
    assert facts.get("deposit_cents") == (cents or None), "nobody is told of none"
    open_as(town.connection, Principal(None, who["household"], frozenset(), frozenset(), "anonymous"))
    shown = offer_out(get_offer(town.connection, offer, household_id=who["household"]))
    assert shown.deposit_cents == cents


def test_an_offer_takes_its_nights_from_the_ledger(town: RoundTown) -> None:
    offered(town)
    assert set(town.taken().values()) == {1}
    assert len(town.taken()) == (LAST - FIRST).days + 1
    assert set(town.taken("b").values()) == {0}


def test_a_bay_is_not_offered_twice_and_nothing_of_a_batch_is_done(town: RoundTown) -> None:
    offered(town)
    batch = [town.wanted(town.apply(), "b"), town.wanted(town.apply(), "a")]
    with pytest.raises(LedgerFull):
        make_offers(town.connection, batch, source="plan", now=NOW)
    assert set(town.taken("b").values()) == {0}
    assert town.count("SELECT count(*) FROM offers") == 1


def test_a_household_has_one_offer_at_a_time(town: RoundTown) -> None:
    who, _ = offered(town)
    with pytest.raises(OfferImpossible), town.connection.begin_nested():
        make_offers(town.connection, [town.wanted(who, "b")], source="plan", now=NOW)
    assert town.count("SELECT count(*) FROM offers") == 1


def test_an_accepted_offer_is_a_permit_and_accepting_twice_is_the_same(town: RoundTown) -> None:
    who, offer = offered(town)
    assert answer(town, "accept", offer, who) == "accepted"
    assert answer(town, "accept", offer, who, now=NOW + 100 * HOUR) == "accepted"
    assert town.state("permits", household_id=who["household"]) == "active"
    assert town.told(who["household"]) == ["offer_made", "offer_accepted"]


def test_accepting_after_declining_is_refused_with_what_happened(town: RoundTown) -> None:
    who, offer = offered(town)
    assert answer(town, "decline", offer, who) == "declined"
    assert answer(town, "decline", offer, who) == "declined"
    with pytest.raises(OfferDecided, match="declined at 2026-11-25"):
        answer(town, "accept", offer, who)
    assert town.state("permits", household_id=who["household"]) == "ended"
    assert set(town.taken().values()) == {0}


def test_declining_after_accepting_is_refused(town: RoundTown) -> None:
    who, offer = offered(town)
    answer(town, "accept", offer, who)
    with pytest.raises(OfferDecided, match="accepted"):
        answer(town, "decline", offer, who)
    assert set(town.taken().values()) == {1}


@pytest.mark.parametrize("word", ["accept", "decline"])
def test_an_offer_is_answered_in_its_time_or_not_at_all(town: RoundTown, word: str) -> None:
    who, offer = offered(town)
    with pytest.raises(OfferExpired):
        answer(town, word, offer, who, now=NOW + 72 * HOUR)
    assert answer(town, word, offer, who, now=NOW + 72 * HOUR - timedelta(seconds=1)) in ("accepted", "declined")


@pytest.mark.parametrize("word", ["accept", "decline"])
def test_nobody_answers_anothers_offer(town: RoundTown, word: str) -> None:
    _, offer = offered(town)
    stranger = town.apply()
    with pytest.raises(OfferNotFound):
        answer(town, word, offer, stranger)
    assert town.state("offers", id=offer) == "pending"


# ----------------------------------------------------------------------------------------------------- the next follow


@pytest.mark.parametrize("way", ["decline", "lapse"])
def test_the_next_on_the_list_follows_at_once(town: RoundTown, way: str) -> None:
    who, offer = offered(town)
    later, sooner = town.apply(), town.apply()
    join_waitlist(town.connection, [town.entry(later), town.entry(sooner, tier=2)], now=NOW)
    end = NOW + (HOUR if way == "decline" else 72 * HOUR)
    if way == "decline":
        answer(town, "decline", offer, who, now=end)
    else:
        assert lapse_offers(town.connection, now=end - timedelta(seconds=1)) == 0
        assert lapse_offers(town.connection, now=end) == 1
        assert lapse_offers(town.connection, now=end) == 0
    assert town.state("waitlist_entries", household_id=sooner["household"]) == "offered"
    assert town.state("waitlist_entries", household_id=later["household"]) == "waiting"
    assert set(town.taken().values()) == {1}
    assert town.told(sooner["household"]) == ["waitlisted", "offer_made"]
    assert town.told(who["household"])[-1] == ("offer_declined" if way == "decline" else "offer_lapsed")
    cause, entry = town.connection.execute(text("SELECT cause, offered_entry_id FROM waitlist_releases")).one()
    assert cause == {"decline": "declined", "lapse": "lapsed"}[way]
    assert entry == town.count("SELECT id FROM waitlist_entries WHERE household_id = :h", h=sooner["household"])


def test_who_accepts_from_the_list_is_served_and_who_declines_leaves_it(town: RoundTown) -> None:
    who, offer = offered(town)
    first, second = town.apply(), town.apply()
    join_waitlist(town.connection, [town.entry(first), town.entry(second)], now=NOW)
    answer(town, "decline", offer, who)
    answer(town, "decline", town.count("SELECT max(id) FROM offers"), first)
    assert town.state("waitlist_entries", household_id=first["household"]) == "left"
    answer(town, "accept", town.count("SELECT max(id) FROM offers"), second)
    assert town.state("waitlist_entries", household_id=second["household"]) == "served"


def test_an_offer_made_in_the_term_begins_tomorrow(town: RoundTown) -> None:
    offered(town)
    waiting = town.apply()
    join_waitlist(town.connection, [town.entry(waiting)], now=NOW)
    middle = datetime(2026, 12, 10, 2, tzinfo=UTC)
    town.connection.execute(text("UPDATE offers SET expires_at = :t"), {"t": middle})
    assert lapse_offers(town.connection, now=middle) == 1
    made = get_offer(town.connection, town.count("SELECT max(id) FROM offers"), household_id=waiting["household"])
    assert (made.first, made.last) == (date(2026, 12, 11), LAST)
    taken = town.taken()
    assert {taken[FIRST + k * DAY] for k in range(9)} == {1}  # they were taken, and are over
    assert taken[date(2026, 12, 10)] == 0  # tonight is for bookings
    assert {taken[date(2026, 12, 11) + k * DAY] for k in range(21)} == {1}
