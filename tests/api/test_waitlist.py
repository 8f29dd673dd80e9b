"""The waitlist: its order, who can take what comes free, who is passed over and told why, and moving house."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from api.offers.service import accept_offer, decline_offer, make_offers
from api.openings.service import materialise
from api.permits.cars import follow_cars
from api.permits.ledger import fill_ledger, take_nights
from api.permits.service import end_permit
from api.waitlist import queries
from api.waitlist.errors import EntryNotFound, EntryNotWaiting
from api.waitlist.moving import move_entries
from api.waitlist.service import follow, join_waitlist, leave_waitlist, position_of
from tests.api.round_town import DAY, FIRST, LAST, NOW, RoundTown, make_round_town, small_garage


@pytest.fixture
def town(engine: Engine) -> Iterator[RoundTown]:
    with engine.connect() as connection:
        yield make_round_town(connection)


def holder(town: RoundTown, code: str = "a", **own: object) -> tuple[dict[str, int], int]:
    """Give a household a permit at a garage; return it with the permit's id."""
    who = town.apply()
    (offer,) = make_offers(town.connection, [town.wanted(who, code, **own)], source="plan", now=NOW)
    accept_offer(town.connection, offer, household_id=who["household"], account_id=None, now=NOW)
    return who, town.count("SELECT permit_id FROM offers WHERE id = :id", id=offer)


def state_of(town: RoundTown, who: dict[str, int]) -> str:
    return town.state("waitlist_entries", household_id=who["household"])


# ------------------------------------------------------------------------------------------------------------ the order


def test_the_order_is_tier_then_rounds_waited_then_draw(town: RoundTown) -> None:
    people = [town.apply() for _ in range(5)]
    entries = [
        town.entry(people[0]),
        town.entry(people[1], waited=2),
        town.entry(people[2], tier=2),
        town.entry(people[3], waited=2),
        town.entry(people[4], tier=1),
    ]
    ids = join_waitlist(town.connection, entries, now=NOW)
    assert [position_of(town.connection, entry)[0].position for entry in ids] == [5, 3, 2, 4, 1]
    assert {position_of(town.connection, entry)[0].waiting for entry in ids} == {5}


def test_a_position_is_told_for_each_place_and_only_while_waiting(town: RoundTown) -> None:
    first, second = town.apply(), town.apply()
    ids = join_waitlist(town.connection, [town.entry(first, ["b"]), town.entry(second, ["a", "b"])], now=NOW)
    assert [(place.name, place.position) for place in position_of(town.connection, ids[1])] == [("a", 1), ("b", 2)]
    leave_waitlist(town.connection, ids[0], household_id=first["household"], now=NOW)
    assert [(place.name, place.position) for place in position_of(town.connection, ids[1])] == [("a", 1), ("b", 1)]
    assert position_of(town.connection, ids[0]) == []


def test_leaving_is_for_ones_own_entry_while_it_waits(town: RoundTown) -> None:
    first, stranger = town.apply(), town.apply()
    (entry,) = join_waitlist(town.connection, [town.entry(first)], now=NOW)
    with pytest.raises(EntryNotFound):
        leave_waitlist(town.connection, entry, household_id=stranger["household"], now=NOW)
    assert follow(town.connection, [town.groups["a"]], now=NOW)
    with pytest.raises(EntryNotWaiting):
        leave_waitlist(town.connection, entry, household_id=first["household"], now=NOW)
    assert state_of(town, first) == "offered"


def test_whoever_left_is_offered_nothing(town: RoundTown) -> None:
    first = town.apply()
    (entry,) = join_waitlist(town.connection, [town.entry(first)], now=NOW)
    for _ in range(2):
        assert leave_waitlist(town.connection, entry, household_id=first["household"], now=NOW).state == "left"
    assert follow(town.connection, [town.groups["a"]], now=NOW) == []
    assert town.told(first["household"]) == ["waitlisted", "waitlist_left"]


# ---------------------------------------------------------------------------------------------- what somebody can take


def test_whose_nights_do_not_fit_is_passed_over_and_can_read_why(town: RoundTown) -> None:
    every_night, weekends = town.apply(), town.apply(days="sat sun")
    tuesday = date(2026, 12, 8)
    take_nights(town.connection, {town.groups["a"]: {tuesday: 1}})
    entries = join_waitlist(town.connection, [town.entry(every_night, tier=1), town.entry(weekends)], now=NOW)
    assert len(follow(town.connection, [town.groups["a"]], now=NOW)) == 1
    assert (state_of(town, every_night), state_of(town, weekends)) == ("waiting", "offered")
    (passed,) = queries.list_passes(town.connection, entries[0], most=5)
    assert (passed.night, passed.facility_id) == (tuesday, town.facilities["a"])


def test_nobody_is_passed_over_where_nothing_was_given(town: RoundTown) -> None:
    who = town.apply()
    take_nights(town.connection, {town.groups["a"]: {date(2026, 12, 8): 1}})
    (entry,) = join_waitlist(town.connection, [town.entry(who)], now=NOW)
    assert follow(town.connection, [town.groups["a"]], now=NOW) == []
    assert queries.list_passes(town.connection, entry, most=5) == []


def test_several_follow_where_several_bays_are_free(engine: Engine) -> None:
    with engine.connect() as connection:
        town = make_round_town(connection, small_garage("a", 3))
        people = [town.apply() for _ in range(5)]
        join_waitlist(connection, [town.entry(who) for who in people], now=NOW)
        assert len(follow(connection, [town.groups["a"]], now=NOW)) == 3
        assert [state_of(town, who) for who in people] == ["offered"] * 3 + ["waiting"] * 2
        assert follow(connection, [town.groups["a"]], now=NOW) == []
        assert set(town.taken().values()) == {3}


def test_hours_that_a_place_does_not_keep_any_more_are_offered_to_nobody(town: RoundTown) -> None:
    early, late = town.apply(leave_min=1860), town.apply(leave_min=1800)
    join_waitlist(town.connection, [town.entry(early), town.entry(late)], now=NOW)
    town.connection.execute(text("UPDATE share_windows SET to_min = 1830"))  # until 06:30
    fill_ledger(town.connection, list(town.facilities.values()), first=FIRST, last=LAST)
    follow(town.connection, [town.groups["a"]], now=NOW)
    assert (state_of(town, early), state_of(town, late)) == ("waiting", "offered")


def test_a_car_that_is_too_high_by_now_is_offered_nothing_and_can_read_why(town: RoundTown) -> None:
    high, low = town.apply(), town.apply()
    (mine, _) = join_waitlist(town.connection, [town.entry(high), town.entry(low)], now=NOW)
    town.connection.execute(text("UPDATE facilities SET max_height_m = 2.0"))
    town.connection.execute(
        text("UPDATE vehicles SET height_m = CASE WHEN household_id = :high THEN 2.1 ELSE 1.9 END"),
        {"high": high["household"]},
    )
    follow_cars(town.connection, now=NOW)
    follow(town.connection, [town.groups["a"]], now=NOW)
    assert [state_of(town, who) for who in (high, low)] == ["waiting", "offered"]
    (passed,) = queries.list_passes(town.connection, mine, most=10)
    assert (passed.facility_id, passed.night) == (town.facilities["a"], None)


def test_whose_offer_is_ended_for_it_leaves_the_list(town: RoundTown) -> None:
    """No offer waits any more that it could answer."""
    who = town.apply()
    join_waitlist(town.connection, [town.entry(who)], now=NOW)
    follow(town.connection, [town.groups["a"]], now=NOW)
    end_permit(town.connection, town.count("SELECT id FROM permits"), reason="strikes", now=NOW)
    assert (state_of(town, who), town.state("offers", household_id=who["household"])) == ("left", "withdrawn")


def test_a_night_that_somebody_has_booked_is_left_out_of_what_is_offered(town: RoundTown) -> None:
    """The ledger has them, since no permit took them in time, and the only bay is somebody else's."""
    who = town.apply()
    join_waitlist(town.connection, [town.entry(who)], now=NOW)
    morning = datetime(2026, 12, 1, 2, tzinfo=UTC)
    materialise(town.connection, neighbourhood_id=town.neighbourhood, now=morning)
    town.connection.execute(
        text(
            "INSERT INTO stays (bay_id, household_id, during, kind, state) "
            "SELECT b.id, :household, '[2026-12-06 12:00Z, 2026-12-06 20:00Z)', 'booking', 'confirmed' "
            "FROM bays b WHERE b.bay_group_id = :group"
        ),
        {"household": town.apply()["household"], "group": town.groups["a"]},
    )
    follow(town.connection, [town.groups["a"]], now=morning)
    (left_out,) = town.connection.scalars(text("SELECT days_left_out FROM permits")).all()
    assert left_out == [date(2026, 12, 6)]
    assert {night.day for night, taken in town.taken().items() if taken} == set(range(2, 32)) - {6}
    assert town.count("SELECT count(*) FROM stays WHERE permit_id IS NOT NULL") == 12  # 2 to 14 December


def test_a_closure_is_left_out_of_what_is_offered(town: RoundTown) -> None:
    who = town.apply()
    join_waitlist(town.connection, [town.entry(who)], now=NOW)
    town.connection.execute(
        text(
            "INSERT INTO closures (facility_id, position, closed_from, closed_to, reason) "
            "VALUES (:f, 0, '2026-12-09 00:00', '2026-12-10 12:00', '')"
        ),
        {"f": town.facilities["a"]},
    )
    fill_ledger(town.connection, [town.facilities["a"]], first=FIRST, last=LAST)
    assert len(follow(town.connection, [town.groups["a"]], now=NOW)) == 1
    left_out = town.connection.execute(text("SELECT days_left_out FROM permits")).scalar_one()
    assert left_out == [date(2026, 12, 8), date(2026, 12, 9)]


def test_a_household_with_a_permit_in_the_term_is_not_offered_another(town: RoundTown) -> None:
    who, _ = holder(town, "b")
    (entry,) = join_waitlist(town.connection, [town.entry(who)], now=NOW)
    assert follow(town.connection, [town.groups["a"]], now=NOW) == []
    assert position_of(town.connection, entry)[0].position == 1


# ----------------------------------------------------------------------------------------------- permits that are ended


def test_a_permit_given_up_keeps_tonight_and_gives_the_rest_to_the_next(town: RoundTown) -> None:
    _, permit = holder(town)
    waiting = town.apply()
    join_waitlist(town.connection, [town.entry(waiting)], now=NOW)
    evening = datetime(2026, 12, 10, 2, tzinfo=UTC)  # ten in the morning
    end_permit(town.connection, permit, reason="given_up", now=evening)
    end_permit(town.connection, permit, reason="given_up", now=evening)
    assert state_of(town, waiting) == "offered"
    assert set(town.taken().values()) == {1}
    first = town.connection.execute(text("SELECT lower(term) FROM permits WHERE state = 'offered'")).scalar_one()
    assert first == date(2026, 12, 11)
    assert town.count("SELECT count(*) FROM waitlist_releases WHERE cause = 'given_up'") == 1


def test_a_stay_through_rest_days_that_has_begun_is_kept_to_its_end(town: RoundTown) -> None:
    # Friday 11 December to Monday: given up on the Friday, Saturday's and Sunday's nights are still the holder's.
    _, permit = holder(town, stay_through=True, days="fri")
    assert [night.day for night, taken in town.taken().items() if taken] == [
        4,
        5,
        6,
        11,
        12,
        13,
        18,
        19,
        20,
        25,
        26,
        27,
    ]
    end_permit(town.connection, permit, reason="given_up", now=datetime(2026, 12, 11, 2, tzinfo=UTC))
    assert [night.day for night, taken in town.taken().items() if taken] == [4, 5, 6, 11, 12, 13]


def test_bays_that_their_owner_takes_back_are_offered_to_nobody(town: RoundTown) -> None:
    _, permit = holder(town)
    waiting = town.apply()
    join_waitlist(town.connection, [town.entry(waiting)], now=NOW)
    end_permit(town.connection, permit, reason="withdrawn", now=NOW)
    assert state_of(town, waiting) == "waiting"
    assert town.count("SELECT count(*) FROM waitlist_releases") == 0
    assert set(town.taken().values()) == {0}


# ------------------------------------------------------------------------------------------------------- moving house


def other_home(town: RoundTown, who: dict[str, int], **walks: int) -> None:
    """Let a household move to a new home with walks to garages."""
    home = town.count(
        "INSERT INTO homes (neighbourhood_id, code, position, geometry) "
        "VALUES (:n, 'new', 1, 'SRID=4326;POINT(121.5 31.2)') RETURNING id",
        n=town.neighbourhood,
    )
    for code, walk_m in walks.items():
        town.connection.execute(
            text("INSERT INTO walk_pairs (home_id, facility_id, walk_m) VALUES (:h, :f, :m)"),
            {"h": home, "f": town.facilities[code], "m": walk_m},
        )
    town.connection.execute(
        text("UPDATE households SET home_id = :home WHERE id = :id"), {"home": home, "id": who["household"]}
    )


def test_moving_house_keeps_the_rank_and_changes_what_would_do(town: RoundTown) -> None:
    holder(town, "a")
    holder(town, "b")
    who, other = town.apply(), town.apply()
    mine, _ = join_waitlist(
        town.connection, [town.entry(who, ["a"], tier=2, waited=3), town.entry(other, ["b"])], now=NOW
    )
    other_home(town, who, b=300)
    assert move_entries(town.connection, who["household"], now=NOW) == 1
    told = town.told(who["household"])
    assert move_entries(town.connection, who["household"], now=NOW) == 0  # lives there already
    assert town.told(who["household"]) == told
    (place,) = position_of(town.connection, mine)
    assert (place.name, place.walk_m, place.position, place.waiting) == ("b", 300, 1, 2)
    tier, waited = town.connection.execute(
        text("SELECT tier, rounds_waited FROM waitlist_entries WHERE id = :id"), {"id": mine}
    ).one()
    assert (tier, waited) == (2, 3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE walk_pairs SET walk_m = 501", "further than the round's 500 m"),
        ("UPDATE applications SET max_walk_m = 299", "further than it would walk"),
        ("UPDATE applications SET needs = 'ev'", "no bay of the kind"),
        ("UPDATE applications SET height_m = 2.1", "too high"),
        ("UPDATE share_windows SET to_min = 1830", "shut too early"),
    ],
)
def test_what_does_not_suit_after_a_move_is_no_option(town: RoundTown, change: str, reason: str) -> None:
    holder(town, "b")
    who = town.apply()
    (mine,) = join_waitlist(town.connection, [town.entry(who, ["a"])], now=NOW)
    other_home(town, who, b=300)
    town.connection.execute(text("UPDATE facilities SET max_height_m = 2.0"))
    town.connection.execute(text(change))
    move_entries(town.connection, who["household"], now=NOW)
    assert position_of(town.connection, mine) == [], reason
    assert state_of(town, who) == "waiting"


def test_a_free_bay_near_the_new_home_is_offered_at_once(town: RoundTown) -> None:
    holder(town, "a")
    who = town.apply()
    join_waitlist(town.connection, [town.entry(who, ["a"])], now=NOW)
    other_home(town, who, b=300)
    move_entries(town.connection, who["household"], now=NOW)
    assert state_of(town, who) == "offered"


def test_moving_house_does_not_take_a_permit_away(town: RoundTown) -> None:
    who, permit = holder(town, "a")
    other_home(town, who)
    assert move_entries(town.connection, who["household"], now=NOW) == 0
    assert town.state("permits", id=permit) == "active"


def test_declining_keeps_others_in_their_order(town: RoundTown) -> None:
    first, second, third = (town.apply() for _ in range(3))
    join_waitlist(town.connection, [town.entry(who) for who in (first, second, third)], now=NOW)
    (offer,) = follow(town.connection, [town.groups["a"]], now=NOW)
    decline_offer(
        town.connection, offer, household_id=first["household"], account_id=None, now=NOW + timedelta(hours=1)
    )
    assert [state_of(town, who) for who in (first, second, third)] == ["left", "offered", "waiting"]
    assert date(2027, 1, 1) == LAST + DAY
