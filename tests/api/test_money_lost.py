"""What was paid for and lost is given back once, whichever way it is found; fees of strikes are charged, and lifted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, text

from api.money.charging import charge_fee
from api.money.jobs import book_money, book_some
from api.money.paying import balances
from api.money.rules import fee_of, share_of_day
from api.openings.leaving import shorten_stays
from tests.api.booking_town import Household, Town, make_household, make_town
from tests.api.money_town import MONTH, NOW, PRICE, add_booking, add_permit, as_worker, end, income, pay, told, total

NIGHT = date(2026, 12, 2)
AFTER = NOW + timedelta(days=3)


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


@pytest.fixture
def town(connection: Connection) -> Town:
    return make_town(connection)


@pytest.fixture
def holder(connection: Connection, town: Town) -> Household:
    return make_household(connection, town)


@pytest.fixture
def permit(connection: Connection, town: Town, holder: Household) -> int:
    return add_permit(connection, town, holder)


def booked(connection: Connection, *, now: datetime = AFTER) -> dict[str, int]:
    """Run the job's work twice, and give what the first time did; the second does nothing."""
    as_worker(connection)
    done = {name: number for name, number in book_some(connection, now=now).items() if number}
    assert not any(book_some(connection, now=now).values())
    connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    connection.execute(text("SET CONSTRAINTS ALL DEFERRED"))
    connection.execute(text("SELECT set_config('role', 'none', true)"))
    assert total(connection) == 0
    return done


def one(connection: Connection, statement: str, **values: object) -> int:
    return int(connection.execute(text(statement), values).scalar_one())


def add_night(connection: Connection, who: Household, permit: int, *, state: str, night: date = NIGHT) -> int:
    return one(
        connection,
        "INSERT INTO stays (bay_id, household_id, permit_id, night, during, kind, state) SELECT min(id), :h, :p, :n, "
        "tstzrange((CAST(:n AS date) + time '11:00') AT TIME ZONE 'UTC', "
        "(CAST(:n AS date) + time '23:00') AT TIME ZONE 'UTC'), 'permit', :s FROM bays RETURNING id",
        h=who.id,
        p=permit,
        n=night,
        s=state,
    )


def add_claim(
    connection: Connection, town: Town, who: Household, stay: int, *, new: int | None = None, cents: int = 0
) -> None:
    connection.execute(
        text(
            "INSERT INTO bay_claims (stay_id, household_id, facility_id, bay_id, until, claimed_at, outcome, "
            "new_stay_id, due_cents) SELECT id, household_id, :f, bay_id, upper(during), lower(during), "
            "CASE WHEN CAST(:new AS bigint) IS NULL THEN 'money_back' ELSE 'moved' END, :new, :cents "
            "FROM stays WHERE id = :stay AND household_id = :h"
        ),
        {"f": town.near, "stay": stay, "new": new, "cents": cents, "h": who.id},
    )


def cancel(connection: Connection, stay: int) -> None:
    connection.execute(text("UPDATE stays SET state = 'cancelled' WHERE id = :id"), {"id": stay})


# ------------------------------------------------------------------------------------------------------ bays taken


def test_a_booking_whose_bay_was_taken_is_refunded_once(connection: Connection, town: Town, holder: Household) -> None:
    stay = add_booking(connection, town, holder, start=NOW, price=1500)
    assert booked(connection) == {"bookings": 1}
    cancel(connection, stay)
    add_claim(connection, town, holder, stay, cents=1500)
    assert booked(connection) == {"bookings_refunded": 1}
    assert (balances(connection, holder.id).due_cents, income(connection)) == (0, 0)
    assert told(connection)[-1][1]["reason"] == "bay_taken"


def test_a_booking_whose_bay_was_taken_before_it_was_charged_costs_nothing(
    connection: Connection, town: Town, holder: Household
) -> None:
    stay = add_booking(connection, town, holder, start=NOW, price=1500)
    cancel(connection, stay)
    add_claim(connection, town, holder, stay, cents=1500)
    assert booked(connection) == {}


def test_whoever_got_another_bay_pays_for_one(connection: Connection, town: Town, holder: Household) -> None:
    first = add_booking(connection, town, holder, start=NOW, price=1500)
    booked(connection)
    cancel(connection, first)
    add_claim(connection, town, holder, first, new=add_booking(connection, town, holder, start=NOW, price=1500))
    assert booked(connection) == {"bookings": 1, "bookings_refunded": 1}
    assert balances(connection, holder.id).due_cents == 1500


def test_a_booking_that_has_to_end_earlier_gets_what_it_lost_back_each_time_and_the_rest_when_it_is_cancelled(
    connection: Connection, town: Town, holder: Household
) -> None:
    """Twelve hours for 15.00: to ten hours 2.50 come back, then to six 5.00, and then what is left."""
    stay = add_booking(connection, town, holder, start=NOW, price=1500)
    booked(connection)
    for hours, due in [(10, 1250), (10, 1250), (6, 750)]:
        shorten_stays(connection, {stay: NOW + timedelta(hours=hours)})
        booked(connection)
        assert balances(connection, holder.id).due_cents == due
    assert told(connection)[-1][1]["reason"] == "ends_earlier"
    cancel(connection, stay)
    assert booked(connection) == {"bookings_refunded": 1}
    assert (balances(connection, holder.id).due_cents, income(connection)) == (0, 0)


def test_a_booking_that_ends_earlier_before_it_was_charged_costs_the_rest(
    connection: Connection, town: Town, holder: Household
) -> None:
    stay = add_booking(connection, town, holder, start=NOW, price=1000)
    assert shorten_stays(connection, {stay: NOW + timedelta(hours=8)}) == {stay: 334}
    booked(connection)
    assert (balances(connection, holder.id).due_cents, income(connection)) == (666, 666)


def test_a_booking_given_back_when_it_had_begun_is_paid_for(
    connection: Connection, town: Town, holder: Household
) -> None:
    stay = add_booking(connection, town, holder, start=NOW, price=1500)
    booked(connection)
    connection.execute(text("UPDATE stays SET state = 'given_back' WHERE id = :id"), {"id": stay})
    assert booked(connection) == {}


def test_a_night_of_a_permit_whose_bay_was_taken_is_refunded_by_the_day(
    connection: Connection, town: Town, holder: Household, permit: int
) -> None:
    charge_fee(connection, permit, month=MONTH, now=NOW)
    add_claim(connection, town, holder, add_night(connection, holder, permit, state="given_back"))
    assert booked(connection, now=datetime(2026, 12, 2, 13, tzinfo=UTC)) == {"days_refunded": 1}
    assert balances(connection, holder.id).due_cents == PRICE - share_of_day(PRICE, NIGHT)
    assert told(connection)[-1][1]["reason"] == "bay_taken"


def test_a_night_that_found_another_bay_is_refunded_only_when_that_was_taken_too(
    connection: Connection, town: Town, holder: Household, permit: int
) -> None:
    charge_fee(connection, permit, month=MONTH, now=NOW)
    night = add_night(connection, holder, permit, state="given_back")
    other = add_booking(connection, town, holder, start=NOW + timedelta(days=1, hours=2), price=0)
    add_claim(connection, town, holder, night, new=other)
    add_night(connection, holder, permit, state="given_back", night=NIGHT + timedelta(days=1))  # of its own will
    assert booked(connection) == {}
    cancel(connection, other)
    add_claim(connection, town, holder, other)
    assert booked(connection) == {"days_refunded": 1}


# ---------------------------------------------------------------------------------------------------- withdrawals


def add_withdrawal(connection: Connection, town: Town) -> int:
    return one(
        connection,
        "INSERT INTO withdrawals (facility_id, version, change, urgency, reason, effective_from, stays, permits, "
        "households) VALUES (:f, 1, '{}', 'planned', 'works', :at, 1, 1, 1) RETURNING id",
        f=town.near,
        at=NOW,
    )


def leave_out(
    connection: Connection, withdrawal: int, permit: int, first: str, past: str, *, group: int | None = None
) -> None:
    connection.execute(
        text(
            "INSERT INTO permit_detours (permit_id, withdrawal_id, evenings, nights, bay_group_id, walk_m, created_at) "
            "VALUES (:p, :w, datemultirange(daterange(CAST(:first AS date), CAST(:past AS date))), '{}', :g, :walk, "
            ":now)"
        ),
        {
            "p": permit,
            "w": withdrawal,
            "first": first,
            "past": past,
            "g": group,
            "walk": None if group is None else 400,
            "now": NOW,
        },
    )


def test_a_night_that_is_found_lost_in_three_ways_is_refunded_once(
    connection: Connection, town: Town, holder: Household, permit: int
) -> None:
    charge_fee(connection, permit, month=MONTH, now=NOW)
    withdrawal = add_withdrawal(connection, town)
    stay = add_night(connection, holder, permit, state="cancelled")
    leave_out(connection, withdrawal, permit, "2026-12-02", "2026-12-03")
    values = {"h": holder.id, "s": stay, "w": withdrawal}
    connection.execute(
        text("INSERT INTO withdrawal_stays (withdrawal_id, stay_id, household_id) VALUES (:w, :s, :h)"), values
    )
    facts = {"facility": town.near, "from": "x", "to": "y", "withdrawal": withdrawal}
    connection.execute(
        text("INSERT INTO notices (household_id, kind, stay_id, facts) VALUES (:h, 'stay_withdrawn', :s, :f)"),
        {**values, "f": json.dumps(facts)},
    )
    assert booked(connection, now=NOW) == {}, "it is not over"
    assert booked(connection) == {"days_refunded": 1}
    assert balances(connection, holder.id).due_cents == PRICE - share_of_day(PRICE, NIGHT)


def test_nights_left_out_by_a_closure_are_refunded_as_they_pass_and_those_spent_elsewhere_are_not(
    connection: Connection, town: Town, permit: int
) -> None:
    """By Shanghai's clock the fourth has come: the nights of the second and third are over."""
    charge_fee(connection, permit, month=MONTH, now=NOW)
    withdrawal = add_withdrawal(connection, town)
    leave_out(connection, withdrawal, permit, "2026-12-02", "2026-12-06")
    leave_out(connection, withdrawal, permit, "2026-12-01", "2026-12-02", group=town.far_group)
    assert booked(connection) == {"days_refunded": 2}
    assert booked(connection, now=NOW + timedelta(days=30)) == {"days_refunded": 2}


def test_a_night_left_out_that_got_a_bay_after_all_is_paid_for(
    connection: Connection, town: Town, holder: Household, permit: int
) -> None:
    charge_fee(connection, permit, month=MONTH, now=NOW)
    leave_out(connection, add_withdrawal(connection, town), permit, "2026-12-02", "2026-12-03")
    add_night(connection, holder, permit, state="confirmed")
    assert booked(connection) == {}


@pytest.mark.parametrize("charged_first", [True, False])
def test_a_permit_that_a_withdrawal_cut_short_pays_to_its_last_day(
    connection: Connection, holder: Household, permit: int, charged_first: bool
) -> None:
    shorten = text("UPDATE permits SET term = '[2026-12-01,2026-12-15)', end_reason = 'withdrawn' WHERE id = :p")
    if charged_first:
        charge_fee(connection, permit, month=MONTH, now=NOW)
    connection.execute(shorten, {"p": permit})
    if not charged_first:
        charge_fee(connection, permit, month=MONTH, now=NOW)
    assert "settled" not in booked(connection)
    end(connection, permit, "2026-12-15T04:00Z", "withdrawn")
    assert booked(connection) == {"settled": 1}
    assert balances(connection, holder.id).due_cents == fee_of(PRICE, first=MONTH, last=date(2026, 12, 14))


# -------------------------------------------------------------------------------------------------------- strikes


def add_strike(connection: Connection, town: Town, who: Household, *, effect: str = "done", cents: int = 5000) -> int:
    stay = add_booking(connection, town, who, start=NOW - timedelta(days=2), price=0, state="given_back")
    return one(
        connection,
        "INSERT INTO strikes (household_id, facility_id, stay_id, leave_by, late_until, struck_at, expires_at, "
        "appeal_until, place, act, amount_cents, effective_at, effect, policy) VALUES (:h, :f, :s, :at, "
        "CAST(:at AS timestamptz) + interval '1 hour', :now, :later, :later, 2, 'fee', :cents, :later, :effect, '{}') "
        "RETURNING id",
        h=who.id,
        f=town.near,
        s=stay,
        at=NOW - timedelta(days=1),
        now=NOW,
        later=NOW + timedelta(days=1),
        cents=cents,
        effect=effect,
    )


def test_the_fee_of_a_strike_is_charged_when_it_has_come_due(
    connection: Connection, town: Town, holder: Household
) -> None:
    strike = add_strike(connection, town, holder, effect="waiting")
    assert booked(connection) == {}
    connection.execute(text("UPDATE strikes SET effect = 'done' WHERE id = :id"), {"id": strike})
    assert booked(connection) == {"strikes": 1}
    assert (balances(connection, holder.id).due_cents, income(connection)) == (5000, 5000)
    assert told(connection) == [], "whoever carries the strike out tells of it"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("state = 'lifted', effect = 'undone', place = 0", "lifted"),
        ("act = 'warning', amount_cents = NULL, effect = 'waiting', place = 1", "weighs_less"),
    ],
)
def test_the_fee_of_a_strike_that_is_lifted_or_weighs_less_is_refunded_once(
    connection: Connection, town: Town, holder: Household, change: str, reason: str
) -> None:
    strike = add_strike(connection, town, holder)
    booked(connection)
    connection.execute(text(f"UPDATE strikes SET {change} WHERE id = :id"), {"id": strike})
    assert booked(connection) == {"strikes_refunded": 1}
    assert (balances(connection, holder.id).due_cents, income(connection)) == (0, 0)
    facts = told(connection)[-1][1]
    assert (facts["reason"], facts["off_due_cents"]) == (reason, 5000)
    assert "owed_cents" not in facts, "nothing was paid"


def test_of_a_fee_that_is_lifted_is_owed_what_was_paid_of_it(
    connection: Connection, town: Town, holder: Household
) -> None:
    strike = add_strike(connection, town, holder)
    booked(connection)
    pay(connection, holder, cents=2000)
    connection.execute(text("UPDATE strikes SET state = 'lifted', effect = 'undone' WHERE id = :id"), {"id": strike})
    booked(connection)
    facts = told(connection)[-1][1]
    assert (facts["cents"], facts["off_due_cents"], facts["owed_cents"]) == (5000, 3000, 2000)
    assert balances(connection, holder.id).owed_cents == 2000


def test_a_strike_whose_fee_becomes_smaller_costs_the_smaller_one(
    connection: Connection, town: Town, holder: Household
) -> None:
    strike = add_strike(connection, town, holder, cents=9000)
    booked(connection)
    connection.execute(text("UPDATE strikes SET amount_cents = 5000 WHERE id = :id"), {"id": strike})
    assert booked(connection) == {"strikes": 1, "strikes_refunded": 1}
    assert balances(connection, holder.id).due_cents == 5000


def test_the_job_gives_back_and_charges_with_transactions_of_its_own(engine: Engine) -> None:
    with engine.begin() as connection:
        town = make_town(connection)
        who = make_household(connection, town)
        add_strike(connection, town, who)
        stay = add_booking(connection, town, who, start=NOW, price=1500)
    assert book_money(engine, now=AFTER)["bookings"] == 1
    with engine.begin() as connection:
        cancel(connection, stay)
        add_claim(connection, town, who, stay, cents=1500)
    assert book_money(engine, now=AFTER)["bookings_refunded"] == 1
    assert not any(book_money(engine, now=AFTER).values())
    with engine.connect() as connection:
        assert balances(connection, who.id).due_cents == 5000
