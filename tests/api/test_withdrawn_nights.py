"""Bookings and nights sold already move too; withdrawals are called off in time, and never give a bay to two."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, Engine, text
from typer.testing import CliRunner

from api.accounts.opening import open_as
from api.calendars.landing import land_notice
from api.calendars.years import Day
from api.cli.app import app
from api.facilities.calling_off import call_off
from api.facilities.errors import SupplyConflict
from api.facilities.withdrawing import Withdrawal, withdraw
from api.gates.allow_list import refresh_allow_list
from api.money.jobs import book_some
from api.neighbourhoods.model import BayGroup, Closure, Window
from api.offers.service import accept_offer
from api.openings.permit_queries import rights_of_worker
from api.openings.service import materialise
from api.permits.service import end_permit
from api.waitlist.service import join_waitlist
from tests.api.round_town import DAY, LAST, NOW, make_round_town, small_garage
from tests.api.withdrawn_town import ALL, PLANNER, WithdrawnTown, make_withdrawn_town

FIRE = Withdrawal("facility", "emergency", "fire")


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


# ---------------------------------------------------------------------------------------------------------- bookings


def now_at_two() -> datetime:
    """Two in the afternoon of today in Shanghai: bookings are made on the database's own clock."""
    return datetime.now(UTC).replace(hour=6, minute=0, second=0, microsecond=0)


def book(town: WithdrawnTown, code: str, now: datetime, *, price: int = 800) -> int:
    """Let a household of its own have the first bay of a garage tomorrow night."""
    who = town.town.apply()
    town.number(
        "INSERT INTO accounts (issuer, subject) VALUES ('test', :name) RETURNING id", name=f"a{who['household']}"
    )
    return town.number(
        """
        WITH stay AS (
            INSERT INTO stays (bay_id, household_id, during, kind, state)
            SELECT min(id), :household, tstzrange(:start, :end), 'booking', 'confirmed'
            FROM bays WHERE bay_group_id = :g RETURNING id
        )
        INSERT INTO bookings (stay_id, household_id, vehicle_id, booked_by, walk_m, price_cents)
        SELECT id, :household, :vehicle, (SELECT max(id) FROM accounts), 100, :price FROM stay RETURNING stay_id
        """,
        g=town.town.groups[code],
        household=who["household"],
        vehicle=who["vehicle"],
        start=now + timedelta(hours=29),
        end=now + timedelta(hours=41),
        price=price,
    )


def test_a_booking_moves_to_the_nearest_free_bay_at_the_same_times_and_costs_no_more(connection: Connection) -> None:
    town = make_withdrawn_town(
        connection, small_garage("a", 1), small_garage("b", 1), small_garage("c", 1), a=100, b=400, c=300
    )
    now = now_at_two()
    materialise(connection, neighbourhood_id=town.town.neighbourhood, now=now)
    town.number("UPDATE facilities SET night_price_cents = 900 WHERE code = 'c' RETURNING 1")
    old = book(town, "a", now)
    made = town.confirm(FIRE, now=now)
    assert (made.consequences.bookings, town.withdraw(FIRE, "b", now=now).consequences.bookings) == (1, 0)
    new = town.row(
        "SELECT s.state, g.facility_id, b.walk_m, b.price_cents, s.during = o.during AS same FROM withdrawal_stays w "
        "JOIN stays s ON s.id = w.new_stay_id JOIN stays o ON o.id = w.stay_id JOIN bookings b ON b.stay_id = s.id "
        "JOIN bays y ON y.id = s.bay_id JOIN bay_groups g ON g.id = y.bay_group_id WHERE w.stay_id = :old",
        old=old,
    )
    facility = town.town.facilities["c"]
    assert new == {"state": "confirmed", "facility_id": facility, "walk_m": 300, "price_cents": 800, "same": True}
    facts = town.row("SELECT facts FROM notices WHERE stay_id = :old", old=old)["facts"]
    assert (facts["new_facility"], facts["walk_m"], facts["reason"]) == (facility, 300, "fire")
    assert town.number("SELECT stays_moved FROM withdrawals") == 1


def test_a_withdrawal_that_makes_a_car_leave_is_not_called_off(connection: Connection) -> None:
    """Nothing would give the household the rest of its night back."""
    town = make_withdrawn_town(connection, small_garage("a", 1), a=100)
    now = now_at_two()
    materialise(connection, neighbourhood_id=town.town.neighbourhood, now=now)
    old = book(town, "a", now)
    inside = now + timedelta(hours=29, minutes=30)
    start = (inside + timedelta(hours=3) + timedelta(hours=8)).replace(tzinfo=None)  # as owners write it
    flood = Withdrawal("closure", "emergency", "flood", start=start, end=start + timedelta(days=3))
    made = town.confirm(flood, now=inside)
    assert town.row("SELECT state FROM stays WHERE id = :id", id=old)["state"] == "leaving"
    open_as(connection, PLANNER)
    place, moment = town.town.facilities["a"], inside + timedelta(minutes=5)
    with pytest.raises(SupplyConflict, match="told to leave"):
        call_off(connection, place, made.withdrawal_id or 0, principal=PLANNER, now=moment)


def test_what_was_paid_for_a_booking_without_another_bay_is_owed(connection: Connection) -> None:
    """The one other bay is taken at that time by another booking."""
    town = make_withdrawn_town(connection, small_garage("a", 1), small_garage("b", 1), a=100, b=400)
    now = now_at_two()
    materialise(connection, neighbourhood_id=town.town.neighbourhood, now=now)
    old = book(town, "a", now)
    book(town, "b", now)
    shown = town.withdraw(FIRE, now=now).consequences
    assert (shown.bookings, shown.bookings_movable) == (1, 0)
    town.confirm(FIRE, now=now)
    owed = town.row("SELECT new_stay_id, refund_cents FROM withdrawal_stays WHERE stay_id = :old", old=old)
    assert owed == {"new_stay_id": None, "refund_cents": 800}
    assert town.row("SELECT facts FROM notices WHERE stay_id = :old", old=old)["facts"]["refund_cents"] == 800


@pytest.mark.parametrize(
    ("wanted", "another"),
    [
        (FIRE, False),
        (FIRE, True),
        (Withdrawal("bays", "emergency", "fire", bay_group="std", bays=0), False),
        (Withdrawal("closure", "emergency", "fire", end=datetime(2198, 1, 1)), False),  # noqa: DTZ001 -- local
    ],
)
def test_whoever_stands_on_a_bay_taken_back_has_time_to_leave_and_pays_for_that(
    connection: Connection, wanted: Withdrawal, another: bool
) -> None:
    """Tomorrow from 19:00 to 07:00 for 8.00; at 19:30 the owner needs the bay: out by 21:30, 6.34 for the rest."""
    others = (small_garage("b", 1),) if another else ()
    walks = {"b": 400} if another else {}
    town = make_withdrawn_town(connection, small_garage("a", 1), *others, a=100, **walks)
    now = now_at_two()
    materialise(connection, neighbourhood_id=town.town.neighbourhood, now=now)
    old = book(town, "a", now)
    later = now + timedelta(hours=29, minutes=30)
    made = town.confirm(wanted, now=later)
    until = later + timedelta(hours=2)
    assert made.consequences.bookings == 1
    row = town.row(
        "SELECT s.state, upper(s.during) AS until, b.lost_cents FROM stays s JOIN bookings b ON b.stay_id = s.id "
        "WHERE s.id = :old",
        old=old,
    )
    assert row == {"state": "leaving", "until": until, "lost_cents": 634}
    refresh_allow_list(connection, town.town.facilities["a"], now=later)
    assert town.row("SELECT ends_at FROM allow_list_rows WHERE stay_id = :old", old=old) == {"ends_at": until}
    facts = town.row("SELECT facts FROM notices WHERE stay_id = :old", old=old)["facts"]
    assert datetime.fromisoformat(facts["leave_by"]) == datetime.fromisoformat(facts["next_date"]) == until
    note = town.row("SELECT new_stay_id, refund_cents FROM withdrawal_stays WHERE stay_id = :old", old=old)
    if another:
        rest = "SELECT lower(s.during) AS since, b.price_cents FROM stays s JOIN bookings b ON b.stay_id = s.id "
        assert town.row(f"{rest} WHERE s.id = :new", new=note["new_stay_id"]) == {"since": later, "price_cents": 634}
    else:
        assert (note["new_stay_id"], note["refund_cents"], facts["refund_cents"]) == (None, 634, 634)


def long_stay(connection: Connection, *others: str) -> tuple[WithdrawnTown, int, datetime]:
    """Book from Friday to Monday; from Sunday noon on the bay is shut. Return the booking and Saturday, ten."""
    always = BayGroup("std", ("standard",), (Window("daily", 0, 24 * 60, 1),))
    garages = [replace(small_garage(code, 1), bay_groups=(always,)) for code in ("a", *others)]
    town = make_withdrawn_town(connection, *garages, a=100, **dict.fromkeys(others, 400))
    friday = now_at_two() + timedelta(days=(4 - datetime.now(UTC).weekday()) % 7)
    materialise(connection, neighbourhood_id=town.town.neighbourhood, now=friday)
    old = book(town, "a", friday)
    begin, end = friday + timedelta(hours=4), friday + timedelta(hours=65)
    connection.execute(text("UPDATE stays SET during = tstzrange(:begin, :end)"), {"begin": begin, "end": end})
    sunday = (friday + timedelta(hours=46)).astimezone(ZoneInfo("Asia/Shanghai")).replace(tzinfo=None)
    flood = Withdrawal("closure", "emergency", "flood", start=sunday, end=sunday + timedelta(days=9))
    town.confirm(flood, now=begin + timedelta(hours=1))
    assert town.row(STANDS, id=old) == {"state": "leaving", "until": friday + timedelta(hours=46)}
    return town, old, friday + timedelta(hours=20)


STANDS = "SELECT state, upper(during) AS until FROM stays WHERE id = :id"


@pytest.mark.parametrize("others", [(), ("b",)])
def test_whoever_was_told_to_leave_is_told_again_when_it_must_be_sooner(
    connection: Connection, others: tuple[str, ...]
) -> None:
    """Fire on Saturday at ten: out by noon, and what the booking loses once more is 24 hours of 61."""
    town, old, now = long_stay(connection, *others)
    lost = town.number("SELECT lost_cents FROM bookings WHERE stay_id = :old", old=old)
    shown = town.withdraw(FIRE, now=now).consequences
    assert (shown.stays, shown.bookings, shown.households) == (1, 1, 1)
    town.confirm(FIRE, now=now)
    until = now + timedelta(hours=2)
    assert town.row(STANDS, id=old) == {"state": "leaving", "until": until}
    refresh_allow_list(connection, town.town.facilities["a"], now=now)
    assert town.row("SELECT ends_at FROM allow_list_rows WHERE stay_id = :old", old=old) == {"ends_at": until}
    told = connection.execute(text("SELECT facts FROM notices WHERE stay_id = :old ORDER BY id"), {"old": old})
    first, second = told.scalars().all()
    assert (first["reason"], second["reason"]) == ("flood", "fire")
    assert datetime.fromisoformat(second["leave_by"]) == until
    assert town.number("SELECT lost_cents FROM bookings WHERE stay_id = :old", old=old) > lost > 0
    if others:
        assert first["new_stay"] == second["new_stay"]
        assert town.number("SELECT count(*) FROM stays WHERE state = 'confirmed'") == 1


def test_who_was_told_to_leave_is_not_told_again_by_what_changes_nothing(connection: Connection) -> None:
    """The flood is to last a day longer."""
    town, old, now = long_stay(connection)
    sunday = (now + timedelta(hours=26)).astimezone(ZoneInfo("Asia/Shanghai")).replace(tzinfo=None)
    longer = Withdrawal("closure", "emergency", "flood", start=sunday, end=sunday + timedelta(days=10))
    assert town.confirm(longer, now=now).consequences.stays == 0
    assert town.row(STANDS, id=old) == {"state": "leaving", "until": now + timedelta(hours=26)}


@pytest.mark.parametrize(
    "wanted",
    [FIRE, Withdrawal("closure", "emergency", "fire", end=datetime(2198, 1, 1))],  # noqa: DTZ001 -- local
)
def test_what_a_planned_change_had_left_to_its_household_an_emergency_takes(
    connection: Connection, wanted: Withdrawal
) -> None:
    """The owner takes the bay back in a week; tonight's booking keeps it until there is a fire."""
    town = make_withdrawn_town(connection, small_garage("a", 1), a=100)
    now = now_at_two()
    materialise(connection, neighbourhood_id=town.town.neighbourhood, now=now)
    old = book(town, "a", now)
    own = Withdrawal("bays", "planned", "own", bay_group="std", bays=0)
    assert town.confirm(own, now=now).consequences.bookings == 0
    assert town.confirm(wanted, now=now).consequences.bookings == 1
    assert town.row(STANDS, id=old)["state"] == "cancelled"


def test_whoever_leaves_in_time_anyway_hears_of_an_emergency_and_loses_nothing(connection: Connection) -> None:
    """At 05:30 nobody has to be out before 07:30, and the booking ends at seven."""
    town = make_withdrawn_town(connection, small_garage("a", 1), a=100)
    now = now_at_two()
    materialise(connection, neighbourhood_id=town.town.neighbourhood, now=now)
    old = book(town, "a", now)
    town.confirm(FIRE, now=now + timedelta(hours=39, minutes=30))
    facts = town.row("SELECT facts FROM notices WHERE stay_id = :old", old=old)["facts"]
    assert datetime.fromisoformat(facts["leave_by"]) == now + timedelta(hours=41)
    assert "refund_cents" not in facts
    assert town.row("SELECT lost_cents FROM bookings WHERE stay_id = :old", old=old) == {"lost_cents": 0}


def test_a_permits_night_that_it_has_whole_is_not_refunded(connection: Connection) -> None:
    """At 05:30 of the sixth nobody has to be out before 07:30, and the night of the fifth ends at seven."""
    town = make_withdrawn_town(connection, small_garage("a", 1), a=100)
    permit = town.holder()
    connection.execute(text("UPDATE permits SET monthly_price_cents = 31000"))
    materialise(connection, neighbourhood_id=town.town.neighbourhood, now=datetime(2026, 12, 5, 3, tzinfo=UTC))
    settle(connection, now=datetime(2026, 12, 5, 3, tzinfo=UTC))
    town.confirm(FIRE, now=datetime(2026, 12, 5, 21, 30, tzinfo=UTC))
    of_night = "SELECT state, upper(during) AS until FROM stays WHERE night = '2026-12-05'"
    assert town.row(of_night) == {"state": "confirmed", "until": datetime(2026, 12, 5, 23, tzinfo=UTC)}
    told = town.facts(permit, "permit_ended")
    assert (told["first"], told["leave_by"][0]["night"]) == ("2026-12-06", "2026-12-05")
    settle(connection, now=datetime(2026, 12, 6, 10, tzinfo=UTC))
    back = town.row("SELECT facts FROM notices WHERE kind = 'refund_made'")["facts"]
    assert back["cents"] == 26_000, "from the sixth on"


def settle(connection: Connection, *, now: datetime) -> None:
    connection.execute(text("SELECT set_config('role', 'baytide_service', true)"))
    with rights_of_worker(connection):
        book_some(connection, now=now)
    connection.execute(text("SELECT set_config('role', 'none', true)"))


def test_a_bay_that_opens_again_soon_is_nobody_elses_before_the_car_has_left(connection: Connection) -> None:
    town = make_withdrawn_town(connection, small_garage("a", 1), a=100)
    now = now_at_two()
    materialise(connection, neighbourhood_id=town.town.neighbourhood, now=now)
    book(town, "a", now)
    later = now + timedelta(hours=29, minutes=30)
    end = (later + timedelta(minutes=30)).astimezone(ZoneInfo("Asia/Shanghai")).replace(tzinfo=None)
    town.confirm(Withdrawal("closure", "emergency", "fire", end=end), now=later)
    blocked = "SELECT starts_at, ends_at FROM bays_out_of_use"
    assert town.row(blocked) == {"starts_at": later, "ends_at": later + timedelta(hours=2)}


def test_a_night_elsewhere_has_a_bay_that_nobody_has_there(connection: Connection) -> None:
    """`a` is closed from the 5th to the 8th; of the two bays of `b` the first is booked on the 6th."""
    town = make_withdrawn_town(connection, small_garage("a", 1), small_garage("b", 2), a=100, b=400)
    permit = town.holder()
    start, end = datetime(2026, 12, 5, 12), datetime(2026, 12, 8, 12)  # noqa: DTZ001 -- as owners write it
    town.confirm(Withdrawal("closure", "planned", "painted", start=start, end=end))
    book(town, "b", datetime(2026, 12, 5, 6, tzinfo=UTC))
    sold = materialise(connection, neighbourhood_id=town.town.neighbourhood, now=NOW)
    assert sold.nights.without_bay == ()
    elsewhere = connection.scalars(
        text(
            "SELECT extract(day FROM s.night)::int FROM stays s JOIN bays b ON b.id = s.bay_id "
            "WHERE s.permit_id = :permit AND b.bay_group_id = :b AND s.state = 'confirmed' ORDER BY s.night"
        ),
        {"permit": permit, "b": town.town.groups["b"]},
    ).all()
    assert elsewhere == [5, 6, 7]


# -------------------------------------------------------------------------------------------------------- calling off


def called_off(town: WithdrawnTown, withdrawal: int | None, *, now: datetime = NOW) -> None:
    open_as(town.connection, PLANNER)
    call_off(town.connection, town.town.facilities["a"], withdrawal or 0, principal=PLANNER, now=now)
    town.connection.execute(text("SELECT set_config('role', 'none', true)"))
    town.require_whole()


def test_called_off_in_time_whoever_found_no_place_keeps_its_own(connection: Connection) -> None:
    """`b` has one bay: tier 1 moves there and stays, tier 3 would have had nothing and keeps its bay to the end."""
    town = make_withdrawn_town(connection, small_garage("a", 2), small_garage("b", 1), a=100, b=400)
    low, high = town.holder(), town.holder(tier=1)
    made = town.confirm()
    called_off(town, made.withdrawal_id, now=NOW + DAY)
    assert (town.place(low, night=LAST), town.place(high, night=LAST)) == ("a", "b")
    kept = town.row("SELECT upper(term) - 1 AS last, end_reason FROM permits WHERE id = :id", id=low)
    assert kept == {"last": LAST, "end_reason": None}
    assert town.facts(low, "permit_changed")["called_off"]
    assert town.row("SELECT state FROM waitlist_entries")["state"] == "served"
    bays = "SELECT min(bays) FROM ledger_nights WHERE bay_group_id = :a"
    assert town.number(bays, a=town.town.groups["a"]) == 2
    with pytest.raises(SupplyConflict, match="already"):
        called_off(town, made.withdrawal_id)


def test_called_off_nights_that_were_left_out_elsewhere_come_back_and_the_others_stay_there(
    connection: Connection,
) -> None:
    """Of three nights that `a` would be closed, `b` is closed on the middle one."""
    shut = Closure(datetime.fromisoformat("2026-12-12T10:00"), datetime.fromisoformat("2026-12-13T10:00"), "works")
    town = make_withdrawn_town(connection, small_garage("a", 1), small_garage("b", 1, closures=(shut,)), a=100, b=400)
    permit = town.holder()
    start, end = (datetime(2026, 12, day, 4, tzinfo=UTC) for day in (11, 14))
    made = town.confirm(Withdrawal("closure", "planned", "works", start=start, end=end))
    nights = [date(2026, 12, day) for day in (10, 11, 12, 13, 14)]
    assert [town.place(permit, night=night) for night in nights] == ["a", "b", None, "b", "a"]
    called_off(town, made.withdrawal_id, now=NOW + DAY)
    assert [town.place(permit, night=night) for night in nights] == ["a", "b", "a", "b", "a"]
    assert town.facts(permit, "permit_changed")["next_date"] == "2026-12-12"


def test_a_bay_that_comes_back_is_offered_to_the_next_on_the_list(connection: Connection) -> None:
    town = make_withdrawn_town(connection, small_garage("a", 1), a=100)
    town.holder(accepted=False)
    made = town.confirm()
    assert town.row("SELECT state FROM waitlist_entries")["state"] == "waiting"
    called_off(town, made.withdrawal_id, now=NOW + DAY)
    assert town.row("SELECT state FROM waitlist_entries")["state"] == "offered"


@pytest.mark.parametrize("accepted", [False, True])
def test_called_off_an_offer_for_the_time_after_goes_to_the_next_and_an_accepted_one_stays(
    connection: Connection, *, accepted: bool
) -> None:
    """`a` is to go on the 20th; its holder is offered the bay of `b` from then on, which another waits for too."""
    town = make_withdrawn_town(connection, small_garage("a", 1), small_garage("b", 1), a=100, b=400)
    loser, other = town.holder(tier=1), town.holder("b")
    start = datetime(2026, 12, 20, 12)  # noqa: DTZ001 -- as owners write it
    made = town.confirm(Withdrawal("facility", "planned", "sold", start=start))
    end_permit(connection, other, reason="given_up", now=NOW)
    offer = town.row("SELECT id, household_id FROM offers WHERE state = 'pending'")
    if accepted:
        accept_offer(connection, offer["id"], household_id=offer["household_id"], account_id=None, now=NOW)
    waiting = town.town.apply()
    join_waitlist(connection, [town.town.entry(waiting, ["b"])], now=NOW)
    called_off(town, made.withdrawal_id, now=NOW + DAY)
    assert town.place(loser, night=LAST) == ("b" if accepted else "a")
    states = "SELECT state FROM waitlist_entries WHERE household_id = :id"
    assert town.row(states, id=offer["household_id"])["state"] == "served"
    assert town.row(states, id=waiting["household"])["state"] == ("waiting" if accepted else "offered")
    told = town.town.told(int(offer["household_id"]))
    assert told[-2:] == (["offer_made", "offer_accepted"] if accepted else ["offer_withdrawn", "permit_changed"])


@pytest.mark.parametrize(("wanted", "later"), [(ALL, 8 * DAY), (FIRE, DAY)])
def test_what_has_taken_effect_is_not_called_off(connection: Connection, wanted: Withdrawal, later: timedelta) -> None:
    town = make_withdrawn_town(connection, small_garage("a", 1), a=100)
    made = town.confirm(wanted)
    with pytest.raises(SupplyConflict, match="taken effect"):
        called_off(town, made.withdrawal_id, now=NOW + later)


# ------------------------------------------------------------------------------------------------- the calendar


def land_rest_day(town: WithdrawnTown, connection: Connection) -> None:
    land_notice(
        connection,
        year=2026,
        days=(Day(date(2026, 12, 16), "rest_day"),),
        source="notice 1",
        account_id=None,
        now=NOW,
        neighbourhood_id=town.town.neighbourhood,
    )


@pytest.mark.parametrize("days", ["daily", "workdays"])
def test_a_calendar_notice_leaves_nights_spent_elsewhere_where_they_are(connection: Connection, days: str) -> None:
    town = make_withdrawn_town(connection, small_garage("a", 1), small_garage("b", 1), a=100, b=400)
    permit = town.holder(days=days)
    start, end = datetime(2026, 12, 9, 12), datetime(2026, 12, 12, 12)  # noqa: DTZ001 -- as owners write it
    town.confirm(Withdrawal("closure", "planned", "flood", start=start, end=end))
    nights = [date(2026, 12, day) for day in (8, 9, 10, 11, 14)]
    assert [town.place(permit, night=night) for night in nights] == ["a", "b", "b", "b", "a"]
    land_rest_day(town, connection)
    assert [town.place(permit, night=night) for night in nights] == ["a", "b", "b", "b", "a"]
    assert town.row("SELECT days_left_out FROM permits WHERE id = :id", id=permit)["days_left_out"] == []
    town.require_whole()
    told = town.number("SELECT count(*) FROM notices WHERE kind = 'permit_changed'")
    assert told == (1 if days == "workdays" else 0)


def test_a_permit_that_ends_while_a_notice_lands_gives_its_nights_back_once(engine: Engine) -> None:
    with engine.begin() as connection:
        town = make_withdrawn_town(connection, small_garage("a", 2), a=100)
        permit = town.holder(days="workdays")
        town.holder(days="workdays")

    def land() -> None:
        with engine.begin() as connection:
            land_rest_day(town, connection)

    with ThreadPoolExecutor(1) as pool, engine.connect() as connection:
        end_permit(connection, permit, reason="given_up", now=NOW)
        landing = pool.submit(land)
        wait_until_somebody_waits(engine)
        connection.commit()
        landing.result(timeout=60)
    with engine.connect() as connection:
        town.town.connection = connection
        town.require_whole()


def wait_until_somebody_waits(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        for _ in range(300):
            if connection.scalar(waiting):
                return
            time.sleep(0.02)
    raise AssertionError("nobody waits")


# ------------------------------------------------------------------------------------------------- whatever happens


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_withdrawn_no_bay_is_held_twice_and_nobody_else_is_moved(connection: Connection, seed: int) -> None:
    """Towns of five garages by chance, withdrawn in three ways one after the other."""
    draw = random.Random(seed)
    codes = "abcde"
    garages = [small_garage(code, draw.randint(2, 3)) for code in codes]
    town = make_withdrawn_town(connection, *garages, **{code: draw.randint(50, 600) for code in codes})
    bays = {garage.id: garage.bay_groups[0].windows[0].bays for garage in garages}
    days = ("daily", "mon wed fri", "sat sun", "workdays")
    permits = {
        town.holder(code, tier=draw.randint(1, 3), days=draw.choice(days), accepted=draw.random() < 0.8): code
        for code in codes
        for _ in range(draw.randint(0, bays[code]))
    }
    first = date(2026, 12, draw.randint(5, 20))
    closure = Withdrawal(
        "closure",
        "planned" if first.day > 8 else "emergency",
        "flood",
        start=datetime(2026, 12, first.day, 12),  # noqa: DTZ001 -- as owners write it
        end=datetime(2026, 12, first.day + 4, 12),  # noqa: DTZ001
    )
    changes = [(closure, "a"), (Withdrawal("bays", "planned", "own", bay_group="std", bays=1), "b"), (ALL, "c")]
    draw.shuffle(changes)
    for wanted, code in changes:
        before = {permit: nights_of(town, permit) for permit in permits}
        made = town.confirm(wanted, code)  # it asks for a whole ledger itself
        hit = town.connection.execute(
            text("SELECT household_id FROM withdrawal_permits WHERE withdrawal_id = :id"), {"id": made.withdrawal_id}
        )
        spared = {row.household_id for row in hit}
        for permit, was in before.items():
            household = town.number("SELECT household_id FROM permits WHERE id = :id", id=permit)
            assert household in spared or nights_of(town, permit) == was


def nights_of(town: WithdrawnTown, permit: int) -> tuple[object, ...]:
    row = town.row("SELECT state, bay_group_id, nights::text AS nights FROM permits WHERE id = :id", id=permit)
    return tuple(row.values())


def test_two_withdrawals_at_once_give_no_bay_twice(engine: Engine) -> None:
    """`a` and `b` go at the same moment; `c` has one bay, and one of the two permits gets it."""
    with engine.begin() as connection:
        garages = [small_garage(code, 1) for code in "abc"]
        town = make_withdrawn_town(connection, *garages, a=100, b=200, c=300)
        permits = town.holder("a"), town.holder("b")
        facilities = dict(town.town.facilities)

    def away(code: str) -> None:
        token = None
        while True:
            with engine.begin() as connection:
                open_as(connection, PLANNER)
                made = withdraw(connection, facilities[code], ALL, principal=PLANNER, token=token, now=NOW)
            if made.done:
                return
            token = made.consequences.token

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(away, code) for code in "ab"]:
            done.result(timeout=60)
    with engine.connect() as connection:
        town.town.connection = connection
        town.require_whole()
        assert sorted(town.outcomes().values()) == ["ended", "moved"]
        assert sorted(map(str, (town.place(permit, night=LAST) for permit in permits))) == ["None", "c"]


def test_the_command_shows_whom_it_hits_and_does_what_was_shown(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine.begin() as connection:
        town = make_round_town(connection, small_garage("a", 1))
    monkeypatch.setenv("BAYTIDE_DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    words = ["withdraw", str(town.facilities["a"]), "--reason", "sold"]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0, shown.output
    token = shown.output.split("--confirm ")[1].strip()
    refused = CliRunner().invoke(app, [*words, "--confirm", "made up"])
    assert (refused.exit_code, "nothing was changed" in refused.output) == (1, True)
    done = CliRunner().invoke(app, [*words, "--confirm", token])
    assert (done.exit_code, done.output.startswith("withdrawn: from")) == (0, True)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM withdrawals")) == 1
