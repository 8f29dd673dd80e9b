"""Whoever loses a place gets another where there is one, the highest tier first, and nobody else is moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, text

from api.facilities.withdrawing import Withdrawal
from api.neighbourhoods.model import BayGroup, Facility, Window
from api.offers.errors import OfferImpossible
from api.openings.service import materialise
from api.permits.service import end_permit
from tests.api.round_town import DAY, FIRST, LAST, NOW, small_garage
from tests.api.withdrawn_town import ALL, make_withdrawn_town


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


def local(day: date, hour: int = 12) -> datetime:
    return datetime(day.year, day.month, day.day, hour)  # noqa: DTZ001 -- as owners write it


def test_a_permit_moves_to_the_nearest_free_garage_for_the_rest_of_its_term(connection: Connection) -> None:
    """Notice is seven days: from 2 December noon on the bay is gone, and so is the evening of the 2nd."""
    garages = [small_garage("a", 2), small_garage("b", 1), small_garage("c", 1)]
    town = make_withdrawn_town(connection, *garages, a=100, b=400, c=300)
    permit, spared = town.holder(), town.holder("b")
    made = town.confirm()
    assert (made.consequences.permits, made.consequences.moved, made.consequences.not_moved) == (1, 1, 0)
    assert made.consequences.extra_walk_m == 200
    assert [town.place(permit, night=FIRST + k * DAY) for k in (0, 1, 30)] == ["a", "c", "c"]
    assert [town.place(spared, night=night) for night in (FIRST, LAST)] == ["b", "b"]
    old = town.row("SELECT state, upper(term) AS cut, end_reason FROM permits WHERE id = :id", id=permit)
    assert (old["state"], old["cut"], old["end_reason"]) == ("active", FIRST + DAY, "withdrawn")
    assert town.facts(permit, "permit_moved") == {
        "facility": town.town.facilities["a"],
        "withdrawal": made.withdrawal_id,
        "reason": "sold",
        "urgency": "planned",
        "effective_from": "2026-12-02T04:00:00+00:00",
        "permit": town.number("SELECT max(id) FROM permits"),
        "first": "2026-12-02",
        "last": "2026-12-31",
        "nights": 30,
        "walk_before_m": 100,
        "next_date": "2026-12-02",
        "new_facility": town.town.facilities["c"],
        "walk_m": 300,
        "for_good": True,
    }
    offer = town.row("SELECT source, state FROM offers WHERE permit_id = (SELECT max(id) FROM permits)")
    assert offer == {"source": "re_accommodation", "state": "accepted"}
    assert town.number("SELECT sum(bays) FROM ledger_nights WHERE bay_group_id = :a", a=town.town.groups["a"]) == 2


def test_of_two_who_want_the_last_bay_the_higher_tier_gets_it(connection: Connection) -> None:
    """Tier 1 is worth 15,000 m and tier 3 5,000 m, each less 400 m: the one bay at `b` goes to tier 1."""
    town = make_withdrawn_town(connection, small_garage("a", 2), small_garage("b", 1), a=100, b=400)
    low, high = town.holder(tier=3), town.holder(tier=1)
    made = town.confirm()
    assert made.consequences.by_tier == {"1": {"hit": 1, "moved": 1}, "3": {"hit": 1, "moved": 0}}
    assert town.outcomes() == {low: "ended", high: "moved"}
    assert (town.place(low, night=LAST), town.place(high, night=LAST)) == (None, "b")


def test_of_two_of_one_tier_whoever_has_waited_longer_gets_the_last_bay(connection: Connection) -> None:
    town = make_withdrawn_town(connection, small_garage("a", 2), small_garage("b", 1), a=100, b=400)
    short, long = town.holder(waited=0), town.holder(waited=1)
    town.confirm()
    assert town.outcomes() == {short: "ended", long: "moved"}


def test_whoever_finds_no_place_waits_with_the_rank_it_had(connection: Connection) -> None:
    """`b` is full: its holder keeps it, and the one of `a` waits for it with tier 2 and a round waited."""
    town = make_withdrawn_town(connection, small_garage("a", 1), small_garage("b", 1), a=100, b=400)
    permit, other = town.holder(tier=2, waited=1), town.holder("b")
    made = town.confirm()
    assert (made.consequences.moved, made.consequences.not_moved) == (0, 1)
    entry = town.row("SELECT tier, rounds_waited, state FROM waitlist_entries")
    assert entry == {"tier": 2, "rounds_waited": 1, "state": "waiting"}
    assert town.number("SELECT walk_m FROM waitlist_options WHERE bay_group_id = :b", b=town.town.groups["b"]) == 400
    told = town.facts(permit, "permit_ended")
    assert (told["reason"], told["nights"], told["nights_without_bay"], told["next_date"]) == (
        "sold",
        30,
        30,
        "2026-12-02",
    )
    assert town.place(other, night=LAST) == "b"


@pytest.mark.parametrize(
    ("walk_m", "own"), [(501, {}), (400, {"max_height_m": 1.5}), (400, {"no_movement": (18 * 60 + 30, 20 * 60)})]
)
def test_nobody_is_sent_too_far_nor_where_the_car_or_the_hours_do_not_fit(
    connection: Connection, walk_m: int, own: dict[str, object]
) -> None:
    """The limit is 500 m, the car is 1.6 m high, and it comes at 19:00."""
    town = make_withdrawn_town(connection, small_garage("a", 1), small_garage("b", 1, **own), a=100, b=walk_m)
    permit = town.holder()
    town.number("UPDATE vehicles SET height_m = 1.6 RETURNING 1")
    town.confirm()
    assert town.outcomes() == {permit: "ended"}


def test_an_offer_nobody_has_accepted_is_taken_back_and_its_household_waits_again(connection: Connection) -> None:
    """The permit gets the bay at `b`; the offer would have come before it by tier, but gave no right yet."""
    town = make_withdrawn_town(connection, small_garage("a", 2), small_garage("b", 1), a=100, b=400)
    offer, permit = town.holder(tier=1, accepted=False), town.holder()
    town.confirm()
    assert town.outcomes() == {offer: "offer_withdrawn", permit: "moved"}
    assert town.row("SELECT state FROM offers WHERE permit_id = :id", id=offer)["state"] == "withdrawn"
    assert town.row("SELECT state, nights::text AS nights FROM permits WHERE id = :id", id=offer) == {
        "state": "ended",
        "nights": "{}",
    }
    assert town.row("SELECT tier, state FROM waitlist_entries") == {"tier": 1, "state": "waiting"}
    assert town.facts(offer, "offer_withdrawn")["next_date"] == "2026-12-02"


def test_a_bay_that_is_free_elsewhere_is_offered_at_once_to_whom_an_offer_was_taken_back(
    connection: Connection,
) -> None:
    town = make_withdrawn_town(connection, small_garage("a", 1), small_garage("b", 1), a=100, b=400)
    town.holder(accepted=False)
    town.confirm()
    assert town.row("SELECT state FROM waitlist_entries") == {"state": "offered"}
    assert town.number("SELECT count(*) FROM offers WHERE state = 'pending' AND source = 'waitlist'") == 1


def test_a_permit_that_is_given_up_gives_back_its_nights_elsewhere_too(connection: Connection) -> None:
    town = make_withdrawn_town(connection, small_garage("a", 1), small_garage("b", 1), a=100, b=400)
    permit = town.holder()
    town.confirm(closure(date(2026, 12, 10), date(2026, 12, 12)))
    at_b = "SELECT sum(taken) FROM ledger_nights WHERE bay_group_id = :b"
    assert town.number(at_b, b=town.town.groups["b"]) == 3
    end_permit(connection, permit, reason="given_up", now=NOW + 15 * DAY)  # the tenth: tomorrow's night is the first
    town.require_whole()
    assert town.number(at_b, b=town.town.groups["b"]) == 1


def test_a_stay_elsewhere_that_has_begun_keeps_its_later_nights_when_the_permit_ends(connection: Connection) -> None:
    """Friday 11 December to Monday at `b`: given up on the Friday, Saturday's and Sunday's nights are not free."""
    town = make_withdrawn_town(connection, small_garage("a", 1), small_garage("b", 1), a=100, b=400)
    permit = town.holder(days="fri", stay_through=True)
    town.confirm(closure(date(2026, 12, 11), date(2026, 12, 11)))
    assert town.outcomes() == {permit: "elsewhere"}
    end_permit(connection, permit, reason="given_up", now=local(date(2026, 12, 11), 20))
    town.require_whole()
    taken = [night.day for night, number in town.town.taken("b").items() if number]
    assert taken == [11, 12, 13]


def closure(first: date, last: date) -> Withdrawal:
    """Close from the noon before one night to the noon after another."""
    return Withdrawal("closure", "planned", "flood", start=local(first), end=local(last + DAY))


def test_a_closure_moves_a_permit_for_its_nights_only(connection: Connection) -> None:
    town = make_withdrawn_town(connection, small_garage("a", 1), small_garage("b", 1), a=100, b=400)
    permit = town.holder()
    made = town.confirm(closure(date(2026, 12, 10), date(2026, 12, 12)))
    nights = [date(2026, 12, day) for day in (9, 10, 11, 12, 13)]
    assert [town.place(permit, night=night) for night in nights] == ["a", "b", "b", "b", "a"]
    assert (made.consequences.moved, town.outcomes()) == (1, {permit: "elsewhere"})
    told = town.facts(permit, "permit_moved")
    assert (told["first"], told["last"], told["nights"], told["for_good"]) == ("2026-12-10", "2026-12-12", 3, False)
    assert told["permit"] == permit


def test_nights_of_a_closure_without_another_place_are_left_out(connection: Connection) -> None:
    town = make_withdrawn_town(connection, small_garage("a", 1), a=100)
    permit = town.holder()
    made = town.confirm(closure(date(2026, 12, 10), date(2026, 12, 12)))
    assert (made.consequences.not_moved, town.outcomes()) == (1, {permit: "nights_left_out"})
    nights = [date(2026, 12, day) for day in (9, 10, 12, 13)]
    assert [town.place(permit, night=night) for night in nights] == ["a", None, None, "a"]
    told = town.facts(permit, "permit_changed")
    assert (told["nights_without_bay"], told["next_date"]) == (3, "2026-12-13")
    assert told["dates_without_bay"] == ["2026-12-10", "2026-12-11", "2026-12-12"]
    assert town.number("SELECT nights_lost FROM withdrawal_permits") == 3


def fewer(bays: int) -> Withdrawal:
    return Withdrawal("bays", "planned", "own cars", bay_group="std", bays=bays)


def test_fewer_bays_let_the_lowest_give_way_and_nobody_else(connection: Connection) -> None:
    """Three permits and two bays left: tier 3 without a round waited goes, the others keep theirs."""
    town = make_withdrawn_town(connection, small_garage("a", 3), small_garage("b", 3), a=100, b=400)
    kept, lowest, waited = town.holder(tier=1), town.holder(), town.holder(waited=2)
    made = town.confirm(fewer(2))
    assert made.consequences.permits == 1
    assert town.outcomes() == {lowest: "moved"}
    assert [town.place(permit, night=LAST) for permit in (kept, lowest, waited)] == ["a", "b", "a"]


def test_bays_nobody_holds_are_taken_back_without_moving_anybody(connection: Connection) -> None:
    town = make_withdrawn_town(connection, small_garage("a", 3), small_garage("b", 1), a=100, b=400)
    permit = town.holder()
    made = town.confirm(fewer(1))
    assert (made.consequences.permits, town.outcomes()) == (0, {})
    assert town.place(permit, night=LAST) == "a"
    at_a = "SELECT max(bays) FROM ledger_nights WHERE bay_group_id = :a AND night >= '2026-12-02'"
    assert town.number(at_a, a=town.town.groups["a"]) == 1


def test_where_only_some_nights_are_short_only_these_are_spent_elsewhere(connection: Connection) -> None:
    """One bay is left, and only on Fridays do two want it: the lower one goes to `b` on the four Fridays alone."""
    town = make_withdrawn_town(connection, small_garage("a", 2), small_garage("b", 1), a=100, b=400)
    weekdays, fridays = town.holder(days="mon tue fri"), town.holder(tier=2, days="wed fri")
    town.confirm(fewer(1))
    assert town.outcomes() == {weekdays: "elsewhere"}
    friday, monday = date(2026, 12, 4), date(2026, 12, 7)
    assert [town.place(weekdays, night=night) for night in (friday, monday)] == ["b", "a"]
    assert town.place(fridays, night=friday) == "a"
    assert town.number("SELECT nights_lost FROM withdrawal_permits") == 0
    assert town.facts(weekdays, "permit_moved")["nights"] == 4


def test_as_few_permits_as_possible_give_way(connection: Connection) -> None:
    """One permit of every night gives way, not two of half the nights each."""
    town = make_withdrawn_town(connection, small_garage("a", 2), small_garage("b", 2), a=100, b=400)
    daily, monday, other = town.holder(), town.holder(tier=2, days="mon tue wed"), town.holder(days="thu fri sat sun")
    town.confirm(fewer(1))
    assert town.outcomes() == {daily: "moved"}
    assert [town.place(p, night=date(2026, 12, 7)) for p in (daily, monday)] == ["b", "a"]
    assert town.place(other, night=date(2026, 12, 10)) == "a"


def test_somebody_sent_elsewhere_is_moved_again_when_that_place_goes_too(connection: Connection) -> None:
    garages = [small_garage("a", 1), small_garage("b", 1), small_garage("c", 1)]
    town = make_withdrawn_town(connection, *garages, a=100, b=200, c=300)
    permit = town.holder()
    town.confirm(closure(date(2026, 12, 10), date(2026, 12, 12)))
    assert town.place(permit, night=date(2026, 12, 11)) == "b"
    town.confirm(ALL, "b")
    assert [town.place(permit, night=date(2026, 12, day)) for day in (9, 11, 13)] == ["a", "c", "a"]


def test_a_preview_changes_nothing_and_a_changed_world_asks_again(connection: Connection) -> None:
    town = make_withdrawn_town(connection, small_garage("a", 1), small_garage("b", 1), a=100, b=400)
    town.holder()
    shown = town.withdraw()
    assert (shown.done, shown.consequences.moved) == (False, 1)
    assert town.number("SELECT count(*) FROM withdrawals") == 0
    town.require_whole()
    town.holder("b")  # somebody takes the place meanwhile
    again = town.withdraw(token=shown.consequences.token)
    assert (again.done, again.consequences.moved, again.consequences.not_moved) == (False, 0, 1)
    assert town.withdraw(token=again.consequences.token).done


def test_bays_that_an_open_round_keeps_are_not_given_to_those_who_move(connection: Connection) -> None:
    town = make_withdrawn_town(connection, small_garage("a", 1), small_garage("b", 1), a=100, b=400)
    permit = town.holder()
    town.number(
        "WITH r AS (INSERT INTO rounds (neighbourhood_id, name, state, opens_at, closes_at, publishes_at, term, "
        "policy, work, number_source, commitment, secret_sealed, opened_at) "
        "SELECT :n, 'next', 'open', '2026-11-01Z', "
        "'2026-11-28Z', '2026-11-30Z', '[2026-12-20,2027-01-20)', '{}', '{}', 'x', '', '', '2026-11-01Z' "
        "RETURNING id, term) "
        "INSERT INTO round_facilities (round_id, facility_id, term, reserved) SELECT id, :b, term, true FROM r "
        "RETURNING 1",
        n=town.town.neighbourhood,
        b=town.town.facilities["b"],
    )
    town.confirm()
    assert town.outcomes() == {permit: "ended"}


def test_tonight_is_moved_first_in_an_emergency(connection: Connection) -> None:
    """On 5 December at three in the afternoon the garage must close at once: tonight's car has its bay at `b`."""
    town = make_withdrawn_town(connection, small_garage("a", 1), small_garage("b", 1), a=100, b=400)
    permit = town.holder()
    now = datetime.fromisoformat("2026-12-05T07:00Z")
    materialise(connection, neighbourhood_id=town.town.neighbourhood, now=now)
    tonight = (
        "SELECT count(*) FROM stays s JOIN bays y ON y.id = s.bay_id WHERE y.bay_group_id = :g "
        "AND s.state = 'confirmed' AND s.night = '2026-12-05'"
    )
    assert town.number(tonight, g=town.town.groups["a"]) == 1
    made = town.confirm(Withdrawal("facility", "emergency", "fire"), now=now)
    assert made.consequences.stays == 14
    assert town.number(tonight, g=town.town.groups["a"]) == 0
    assert town.number(tonight, g=town.town.groups["b"]) == 1
    old = town.row("SELECT state, end_reason FROM permits WHERE id = :id", id=permit)
    assert old == {"state": "ended", "end_reason": "withdrawn"}
    assert town.place(permit, night=date(2026, 12, 5)) == "b"
    assert timedelta(0) < now - NOW


def test_nights_once_spent_elsewhere_do_not_keep_a_permit_from_moving_for_good(connection: Connection) -> None:
    """The closure is over when the garage goes: the permit moves to `b`, and is no string of nights spent there."""
    town = make_withdrawn_town(connection, small_garage("a", 1), small_garage("b", 1), a=100, b=400)
    permit = town.holder()
    town.confirm(closure(date(2026, 12, 10), date(2026, 12, 12)))
    town.confirm(Withdrawal("facility", "emergency", "fire"), now=NOW + 20 * DAY)
    assert town.number("SELECT count(*) FROM permits WHERE state = 'active'") == 1
    assert town.row("SELECT state FROM permits WHERE id = :id", id=permit)["state"] == "ended"
    assert town.place(permit, night=LAST) == "b"


def test_nights_once_left_out_do_not_keep_a_household_off_the_list(connection: Connection) -> None:
    town = make_withdrawn_town(connection, small_garage("a", 1), a=100)
    permit = town.holder()
    town.confirm(closure(date(2026, 12, 10), date(2026, 12, 12)))
    town.confirm(Withdrawal("facility", "emergency", "fire"), now=NOW + 20 * DAY)
    assert town.row("SELECT state FROM permits WHERE id = :id", id=permit)["state"] == "ended"
    assert town.row("SELECT state FROM waitlist_entries")["state"] == "waiting"


def test_after_a_notice_longer_than_nights_are_sold_every_permit_has_its_bay_until_then(connection: Connection) -> None:
    """Nights are sold until the ninth, and one bay of two goes on the 25th: the lower permit leaves on the ninth."""
    town = make_withdrawn_town(connection, small_garage("a", 2), small_garage("b", 1), a=100, b=400)
    lower, higher = town.holder(), town.holder(tier=1)
    materialise(connection, neighbourhood_id=town.town.neighbourhood, now=NOW)
    notice = Withdrawal("bays", "planned", "own cars", bay_group="std", bays=1, start=local(date(2026, 12, 25)))
    town.confirm(notice)
    nights = [date(2026, 12, day) for day in (7, 15, 28)]
    assert [town.place(lower, night=night) for night in nights] == ["a", "b", "b"]
    assert [town.place(higher, night=night) for night in nights] == ["a", "a", "a"]
    materialise(connection, neighbourhood_id=town.town.neighbourhood, now=NOW + 10 * DAY)
    placed = "SELECT count(*) FROM stays WHERE state = 'confirmed' AND night = :night"
    assert [town.number(placed, night=night) for night in nights[:2]] == [2, 2]
    assert town.facts(lower, "permit_moved")["first"] == "2026-12-09"


def test_a_stay_that_runs_beyond_the_term_needs_no_bay_there_to_be_moved(connection: Connection) -> None:
    """The last stay runs through the rest days of January, which no ledger has yet."""
    town = make_withdrawn_town(connection, small_garage("a", 1), small_garage("b", 1), a=100, b=400)
    permit = town.holder(stay_through=True, days="workdays")
    town.confirm()
    assert town.outcomes() == {permit: "moved"}
    assert town.place(permit, night=LAST) == "b"


def test_whoever_comes_back_after_a_closure_is_told_of_its_next_evening_there(connection: Connection) -> None:
    """The closure is over on Saturday, and the permit is for workdays: Monday is the next."""
    town = make_withdrawn_town(connection, small_garage("a", 1), a=100)
    permit = town.holder(days="mon tue wed thu fri")
    town.confirm(closure(date(2026, 12, 10), date(2026, 12, 11)))
    assert town.facts(permit, "permit_changed")["next_date"] == "2026-12-14"


def test_whoever_has_to_leave_at_night_is_told_of_the_evening_to_come(connection: Connection) -> None:
    """Fire at three in the morning of the sixth, with the car on its bay: it may stand there until seven anyway."""
    town = make_withdrawn_town(connection, small_garage("a", 1), small_garage("b", 1), a=100, b=400)
    permit = town.holder()
    materialise(connection, neighbourhood_id=town.town.neighbourhood, now=datetime.fromisoformat("2026-12-05T07:00Z"))
    town.confirm(Withdrawal("facility", "emergency", "fire"), now=datetime.fromisoformat("2026-12-05T19:00Z"))
    told = town.facts(permit, "permit_moved")
    assert (told["first"], told["next_date"]) == ("2026-12-06", "2026-12-06")
    assert "single_nights" not in told
    assert told["leave_by"] == [{"night": "2026-12-05", "to": "2026-12-05T23:00:00+00:00"}], "in the morning"


def test_stays_by_day_are_offered_to_nobody_and_moved_to_no_bay_that_may_be_full(connection: Connection) -> None:
    """Nine to five takes no night of the ledger: it could not tell that the one bay of `b` is taken."""
    town = make_withdrawn_town(connection, *(open_all_day(code) for code in "ab"), a=100, b=400)
    with pytest.raises(OfferImpossible, match="not at night"):
        town.holder(arrive_min=540, leave_min=1020)
    permit = town.holder(days="sat")
    by_day = {"arrive": 540, "leave": 1020, "id": permit}  # as one from before permits were for nights only
    connection.execute(
        text("UPDATE permits SET arrive_min = :arrive, leave_min = :leave, nights = '{}' WHERE id = :id"), by_day
    )
    connection.execute(text("UPDATE ledger_nights SET taken = 0"))
    town.confirm()
    assert town.outcomes() == {permit: "ended"}


def open_all_day(code: str) -> Facility:
    group = BayGroup("std", ("standard",), (Window("daily", 0, 2880, 1),))
    return replace(small_garage(code, 1), bay_groups=(group,))
