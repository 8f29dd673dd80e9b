"""Money: both sides of everything, booked once, never changed; charges and refunds follow the published rules."""

from __future__ import annotations

import csv
import hmac
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from typer.testing import CliRunner

from api.cli.app import app
from api.money import queries
from api.money.cards import refuse_card_numbers
from api.money.charging import charge_fee, refund_booking, refund_days, settle, take_deposit
from api.money.errors import CodeNotFound, ConfirmationRefused, PaymentRefused, ReferenceReused
from api.money.jobs import book_money, book_some
from api.money.ledger import Act, Side, book, moved
from api.money.paying import Balances, balances, note_payment, request_payment
from api.money.providers import Asked, Counter, Paid, read_signed
from api.money.rules import MoneyRules, days_between, fee_of, share_of_day
from tests.api import accounts
from tests.api.booking_town import Household, Town, make_household, make_town
from tests.api.money_town import (
    MONTH,
    NOW,
    PRICE,
    RECEIPTS,
    add_booking,
    add_permit,
    as_worker,
    end,
    income,
    pay,
    told,
    total,
)
from tests.api.running import Run

_RUNNER = CliRunner()


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


# --------------------------------------------------------------------------------------------------------- the rules


def test_the_days_of_a_month_add_up_to_its_price() -> None:
    days = days_between(MONTH, date(2026, 12, 31))
    assert sum(share_of_day(PRICE, day) for day in days) == PRICE == fee_of(PRICE, first=days[0], last=days[-1])
    assert fee_of(PRICE, first=date(2026, 12, 10), last=date(2026, 12, 9)) == 0


@given(st.integers(0, 10**7), st.integers(1, 28), st.integers(0, 27), st.integers(1, 12))
def test_a_part_of_a_month_costs_what_its_days_cost(price: int, first: int, more: int, month: int) -> None:
    begin = date(2026, month, first)
    last = min(begin + timedelta(days=more), date(2026, month, 28))
    assert fee_of(price, first=begin, last=last) == sum(share_of_day(price, day) for day in days_between(begin, last))


# -------------------------------------------------------------------------------------------------- fees and refunds


def test_a_month_is_charged_once_and_told_once(connection: Connection, holder: Household, permit: int) -> None:
    assert charge_fee(connection, permit, month=MONTH, now=NOW) == PRICE
    assert charge_fee(connection, permit, month=date(2026, 12, 20), now=NOW) == 0
    assert balances(connection, holder.id) == Balances(PRICE, 0, 0)
    [(kind, facts)] = told(connection)
    assert (kind, facts["cents"], facts["next_date"]) == ("fee_due", PRICE, "2026-12-11")
    assert facts["reference"] == f"permit {permit} month 2026-12 fee"


def test_a_term_that_begins_within_the_month_pays_its_part(connection: Connection, town: Town) -> None:
    """From the 16th on: sixteen of thirty-one days."""
    permit = add_permit(connection, town, make_household(connection, town), first=date(2026, 12, 16), price=3100)
    assert charge_fee(connection, permit, month=MONTH, now=NOW) == 1600
    assert charge_fee(connection, permit, month=date(2026, 11, 1), now=NOW) == 0


def test_an_offer_accepted_within_the_term_pays_from_that_day(connection: Connection, town: Town) -> None:
    who = make_household(connection, town)
    permit = add_permit(connection, town, who, price=3100)
    connection.execute(
        text(
            "INSERT INTO offers (permit_id, household_id, source, state, made_at, decided_at) "
            "VALUES (:p, :h, 'waitlist', 'accepted', '2026-12-20T01:00Z', '2026-12-21T17:00Z')"
        ),
        {"p": permit, "h": who.id},
    )
    assert charge_fee(connection, permit, month=MONTH, now=NOW) == 1000, "in Shanghai it is the 22nd"


def months_of(connection: Connection, permit: int) -> dict[str, int]:
    return queries.fees_of_permit(connection, permit)


def test_months_that_were_missed_are_charged_once_each_by_the_days_of_each(connection: Connection, town: Town) -> None:
    """The worker is back on 3 February: December begins on the 14th, one permit was given up on 10 January."""
    first, second = (make_household(connection, town) for _ in range(2))
    kept = add_permit(connection, town, first, first=date(2026, 12, 14))
    given_up = add_permit(connection, town, second, first=date(2026, 12, 14))
    end(connection, given_up, "2027-01-10T12:00Z")
    as_worker(connection)
    back = datetime(2027, 2, 3, tzinfo=UTC)
    assert book_some(connection, now=back, most=3)["settled"] == 0, "not before all its months are charged"
    assert [book_some(connection, now=back)[name] for name in ("fees", "fees")] == [2, 0]
    december = fee_of(PRICE, first=date(2026, 12, 14), last=date(2026, 12, 31))
    assert months_of(connection, kept) == {"2026-12": december, "2027-01": PRICE, "2027-02": PRICE}
    january = fee_of(PRICE, first=date(2027, 1, 1), last=date(2027, 1, 10))
    assert months_of(connection, given_up) == {"2026-12": december, "2027-01": january}
    assert balances(connection, second.id).due_cents == december + january


def test_a_month_begins_where_the_facility_is(connection: Connection, permit: int) -> None:
    as_worker(connection)
    book_some(connection, now=NOW)
    book_some(connection, now=datetime(2026, 12, 31, 15, 59, tzinfo=UTC))
    assert months_of(connection, permit).keys() == {"2026-12"}
    book_some(connection, now=datetime(2026, 12, 31, 16, tzinfo=UTC))
    assert months_of(connection, permit).keys() == {"2026-12", "2027-01"}, "in Shanghai it is January"


def test_an_offer_that_was_never_accepted_is_charged_for_no_month(connection: Connection, town: Town) -> None:
    permit = add_permit(connection, town, make_household(connection, town))
    connection.execute(
        text(
            "INSERT INTO offers (permit_id, household_id, state, source, made_at, decided_at, expires_at, delivered_at)"
            " SELECT id, household_id, 'lapsed', 'plan', :now, :now, :now, :now FROM permits WHERE id = :p"
        ),
        {"p": permit, "now": NOW},
    )
    end(connection, permit, "2026-12-10T12:00Z", "lapsed")
    as_worker(connection)
    assert book_some(connection, now=NOW + timedelta(days=20))["fees"] == 0


def add_last_night(connection: Connection, holder: Household, permit: int) -> int:
    """Place the night of 5 December, from 19:00 to 07:00 in Shanghai."""
    query = text(
        "INSERT INTO stays (bay_id, household_id, permit_id, night, during, kind, state) "
        "SELECT min(id), :h, :p, '2026-12-05', '[2026-12-05T11:00Z,2026-12-05T23:00Z)', 'permit', 'confirmed' "
        "FROM bays RETURNING id"
    )
    return int(connection.execute(query, {"h": holder.id, "p": permit}).scalar_one())


def test_the_deposit_of_a_round_is_taken_when_the_permit_begins_and_waits_for_strikes(
    connection: Connection, town: Town, holder: Household
) -> None:
    round_id = connection.execute(
        text(
            "INSERT INTO rounds (neighbourhood_id, name, opens_at, closes_at, publishes_at, term, policy, work, "
            "number_source, deposit_cents) SELECT id, 'Winter', '2026-10-01Z', '2026-10-02Z', '2026-10-03Z', "
            "'[2026-12-05,2027-03-01)', '{}', '{}', 'x', 20000 FROM neighbourhoods LIMIT 1 RETURNING id"
        )
    ).scalar_one()
    application = connection.execute(
        text(
            "INSERT INTO applications (round_id, household_id, vehicle_id, plate_hash, home_id, days, arrive_min, "
            "leave_min, submitted_at, changed_at) SELECT :r, h.id, v.id, v.plate_hash, h.home_id, 'daily', 1140, 1860, "
            ":now, :now FROM households h JOIN vehicles v ON v.household_id = h.id WHERE h.id = :h RETURNING id"
        ),
        {"r": round_id, "h": holder.id, "now": NOW},
    ).scalar_one()
    permit = add_permit(connection, town, holder, first=date(2026, 12, 5))
    connection.execute(text("UPDATE permits SET application_id = :a WHERE id = :p"), {"a": application, "p": permit})
    before = datetime(2026, 12, 4, 15, tzinfo=UTC)
    as_worker(connection)
    assert book_some(connection, now=before)["deposits"] == 0, "its first day has not begun"
    assert [book_some(connection, now=before + timedelta(hours=1))["deposits"] for _ in range(2)] == [1, 0]
    assert balances(connection, holder.id).deposit_cents == 20_000
    connection.execute(text("RESET ROLE"))
    stay = add_last_night(connection, holder, permit)
    connection.execute(
        text(
            "INSERT INTO strikes (household_id, facility_id, stay_id, leave_by, late_until, struck_at, expires_at, "
            "appeal_until, place, act, effective_at, policy) VALUES (:h, :f, :s, '2026-12-05T23:00Z', "
            "'2026-12-06T01:00Z', '2026-12-06T01:05Z', '2027-12-06Z', '2026-12-13Z', 1, 'warning', '2026-12-13Z', '{}')"
        ),
        {"h": holder.id, "f": town.near, "s": stay},
    )
    end(connection, permit, "2026-12-06T12:00Z")
    as_worker(connection)
    assert book_some(connection, now=datetime(2026, 12, 7, tzinfo=UTC))["settled"] == 0, "a strike is open"
    connection.execute(text("UPDATE strikes SET effect = 'done'"))
    assert book_some(connection, now=datetime(2026, 12, 14, tzinfo=UTC))["settled"] == 1
    assert balances(connection, holder.id).deposit_cents == 0
    assert total(connection) == 0
    told_of = {kind: facts for kind, facts in told(connection) if kind == "refund_made"}
    assert not {"next_date", "owed_from"} & told_of["refund_made"].keys(), (
        "no month is charged, and it owes money still"
    )


def test_a_deposit_stays_until_the_last_night_and_its_grace_are_over_and_the_car_is_gone(
    connection: Connection, town: Town, holder: Household, permit: int
) -> None:
    """The term ends at midnight, its last night at seven in the morning, the grace at a quarter past."""
    take_deposit(connection, permit, cents=20_000, now=NOW)
    end(connection, permit, "2026-12-05T16:00Z", "term_over")
    stay = add_last_night(connection, holder, permit)
    over = datetime(2026, 12, 5, 23, tzinfo=UTC)

    def settled(now: datetime) -> int:
        with connection.begin_nested() as step:
            as_worker(connection)
            done = book_some(connection, now=now)["settled"]
            step.rollback()
        return done

    assert settled(over - timedelta(hours=7)) == 0, "it is midnight, and the car has come for the night"
    assert settled(over + timedelta(minutes=14)) == 0, "whoever leaves now is not late"
    assert settled(over + timedelta(minutes=15)) == 1
    seen = {"f": town.near, "s": stay, "at": over - timedelta(hours=11)}
    connection.execute(
        text(
            "INSERT INTO gate_sessions (facility_id, plate_hash, plate_sealed, began_at, entered_at, state, stay_id) "
            "VALUES (:f, 'h', 's', :at, :at, 'open', :s)"
        ),
        seen,
    )
    assert settled(over + timedelta(hours=5)) == 0, "it still stands there"
    connection.execute(text("UPDATE gate_sessions SET state = 'closed', left_at = :at"), {"at": over})
    assert settled(over + timedelta(hours=5)) == 1
    connection.execute(text("UPDATE gate_sessions SET state = 'open', left_at = NULL"))
    connection.execute(text("UPDATE stays SET state = 'given_back', ended_at = :at"), {"at": over - timedelta(hours=9)})
    assert settled(over - timedelta(hours=7)) == 0, "it stands there on a night that was given back"


def test_days_an_owner_took_back_are_refunded_once_each(connection: Connection, holder: Household, permit: int) -> None:
    days = [date(2026, 12, 5), date(2026, 12, 6)]
    assert refund_days(connection, permit, days, reason="withdrawn", now=NOW) == 0, "nothing was charged"
    charge_fee(connection, permit, month=MONTH, now=NOW)
    share = share_of_day(PRICE, days[0]) + share_of_day(PRICE, days[1])
    assert refund_days(connection, permit, days, reason="withdrawn", now=NOW) == share
    assert refund_days(connection, permit, days * 2, reason="bay_taken", now=NOW) == 0
    assert refund_days(connection, permit, [date(2027, 1, 1)], reason="withdrawn", now=NOW) == 0
    assert balances(connection, holder.id).due_cents == PRICE - share
    assert told(connection)[-1] == (
        "refund_made",
        {
            "cents": share,
            "reason": "withdrawn",
            "permit": permit,
            "stay": None,
            "off_due_cents": share,
            "next_date": "2027-01-01",
        },
    )


def test_a_permit_given_up_pays_to_its_last_day_and_gets_its_deposit_back(
    connection: Connection, holder: Household, permit: int
) -> None:
    charge_fee(connection, permit, month=MONTH, now=NOW)
    assert take_deposit(connection, permit, cents=20_000, now=NOW) == 20_000
    assert take_deposit(connection, permit, cents=20_000, now=NOW) == 0
    assert balances(connection, holder.id) == Balances(PRICE + 20_000, 20_000, 0)
    pay(connection, holder)
    assert settle(connection, permit, now=NOW) == 0, "it is in force"
    end(connection, permit, "2026-12-10T12:00Z")
    left = fee_of(PRICE, first=date(2026, 12, 11), last=date(2026, 12, 31))
    assert settle(connection, permit, now=NOW) == left + 20_000
    assert settle(connection, permit, now=NOW) == 0
    assert balances(connection, holder.id) == Balances(0, 0, left + 20_000)
    [paid, *refunds] = [facts for kind, facts in told(connection) if kind != "fee_due"]
    assert paid["next_date"] == "2027-01-01"
    assert all(facts["owed_from"] == "2026-12-01" and "next_date" not in facts for facts in refunds)
    assert all(facts["owed_cents"] == facts["cents"] and "off_due_cents" not in facts for facts in refunds)
    assert income(connection) == fee_of(PRICE, first=MONTH, last=date(2026, 12, 10))


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, "2027-01-01"),
        ({"first": date(2027, 2, 10)}, "2027-02-01"),
        ({"past": date(2027, 1, 1)}, None),
        ({"past": date(2027, 1, 2)}, "2027-01-01"),
        ({"price": 0}, None),
        ({"price": None}, None),
    ],
)
def test_the_next_charge_is_that_of_a_month_in_which_a_permit_with_a_price_is_in_force(
    connection: Connection, town: Town, holder: Household, own: dict[str, object], expected: str | None
) -> None:
    permit = add_permit(connection, town, holder, **own)
    late = datetime(2026, 12, 31, 15, 59, tzinfo=UTC)
    found = [queries.find_next_charge(connection, holder.id, now=now) for now in (NOW, late)]
    assert found == [expected and date.fromisoformat(expected)] * 2
    end(connection, permit, "2026-12-10T12:00Z")
    assert queries.find_next_charge(connection, holder.id, now=NOW) is None


def test_of_a_deposit_is_kept_what_the_published_rules_say_and_no_more(
    connection: Connection, holder: Household, permit: int
) -> None:
    take_deposit(connection, permit, cents=20_000, now=NOW)
    end(connection, permit, "2026-12-10T12:00Z", "strikes")
    rules = MoneyRules(kept_of_deposit={"strikes": 5_000})
    assert settle(connection, permit, now=NOW, rules=rules) == 15_000
    assert (income(connection), balances(connection, holder.id)) == (5_000, Balances(5_000, 0, 0))


def test_a_booking_is_charged_when_it_begins_and_refunded_when_its_bay_was_taken(
    connection: Connection, town: Town, holder: Household
) -> None:
    stay = add_booking(connection, town, holder, start=NOW + timedelta(hours=1), price=1500)
    as_worker(connection)
    assert book_some(connection, now=NOW)["bookings"] == 0, "it can be cancelled still"
    assert refund_booking(connection, stay, reason="bay_taken", now=NOW) == 0
    later = NOW + timedelta(hours=2)
    assert book_some(connection, now=later)["bookings"] == 1
    assert book_some(connection, now=later)["bookings"] == 0
    assert balances(connection, holder.id).due_cents == 1500
    assert refund_booking(connection, stay, reason="bay_taken", now=later) == 1500
    assert refund_booking(connection, stay, reason="bay_taken", now=later) == 0
    assert (balances(connection, holder.id), income(connection)) == (Balances(0, 0, 0), 0)


def test_the_job_books_what_is_due_with_the_workers_rights_and_twice_the_same(engine: Engine) -> None:
    with engine.begin() as connection:
        town = make_town(connection)
        one, two = make_household(connection, town), make_household(connection, town)
        first, second = add_permit(connection, town, one), add_permit(connection, town, two)
        lost = connection.execute(
            text(
                "INSERT INTO stays (bay_id, household_id, permit_id, night, during, kind, state, ended_at) "
                "SELECT min(id), :h, :p, '2026-12-02', '[2026-12-02T11:00Z,2026-12-02T23:00Z)', 'permit', 'cancelled', "
                "now() FROM bays RETURNING id"
            ),
            {"h": one.id, "p": first},
        ).scalar_one()
        withdrawn = {"facility": town.near, "from": "x", "to": "y", "withdrawal": 1}
        connection.execute(
            text("INSERT INTO notices (household_id, kind, stay_id, facts) VALUES (:h, 'stay_withdrawn', :s, :f)"),
            {"h": one.id, "s": lost, "f": json.dumps(withdrawn)},
        )
    rules = MoneyRules(deposit_cents=500)
    done = book_money(engine, now=NOW + timedelta(days=3), rules=rules)
    assert {name: number for name, number in done.items() if number} == {"fees": 2, "deposits": 2, "days_refunded": 1}
    assert not any(book_money(engine, now=NOW + timedelta(days=3), rules=rules).values())
    with engine.begin() as connection:
        end(connection, second, "2026-12-10T12:00Z")
    done = book_money(engine, now=NOW + timedelta(days=10), rules=rules)
    assert {name: number for name, number in done.items() if number} == {"settled": 1}
    assert not any(book_money(engine, now=NOW + timedelta(days=10), rules=rules).values())
    with engine.connect() as connection:
        share = share_of_day(PRICE, date(2026, 12, 2))
        assert balances(connection, one.id) == Balances(PRICE + 500 - share, 500, 0)
        assert balances(connection, two.id).due_cents == fee_of(PRICE, first=MONTH, last=date(2026, 12, 10))
        assert total(connection) == 0


# ---------------------------------------------------------------------------------------------------------- payments


def test_a_payment_is_noted_once_and_what_is_too_much_can_be_paid_out(
    connection: Connection, holder: Household, permit: int
) -> None:
    charge_fee(connection, permit, month=MONTH, now=NOW)
    asked = request_payment(connection, holder.id, provider=Counter(), now=NOW)
    assert (asked.direction, asked.cents) == ("in", PRICE)
    wanted: dict[str, Any] = {"code": asked.asked.code, "provider": "counter", "account_id": None, "now": NOW}
    assert note_payment(connection, cents=PRICE + 99, receipt="A-1", **wanted) == PRICE + 99
    assert note_payment(connection, cents=PRICE + 99, receipt="A-1", **wanted) == 0
    with pytest.raises(ReferenceReused):
        note_payment(connection, cents=PRICE, receipt="A-1", **wanted)
    assert balances(connection, holder.id) == Balances(0, 0, 99)
    back = request_payment(connection, holder.id, provider=Counter(), now=NOW)
    assert (back.direction, back.cents) == ("out", 99)
    wanted["code"] = back.asked.code
    with pytest.raises(PaymentRefused, match="more than is owed"):
        note_payment(connection, cents=100, receipt="B-1", **wanted)
    assert note_payment(connection, cents=60, receipt="B-1", **wanted) == 60
    assert note_payment(connection, cents=60, receipt="B-1", **wanted) == 0
    assert balances(connection, holder.id) == Balances(0, 0, 39)
    with pytest.raises(PaymentRefused, match="more than is owed"):
        note_payment(connection, cents=40, receipt="B-2", **wanted)
    assert note_payment(connection, cents=39, receipt="B-2", **wanted) == 39
    with pytest.raises(PaymentRefused, match="nothing is owed"):
        request_payment(connection, holder.id, provider=Counter(), now=NOW)
    assert [kind for kind, _ in told(connection)] == ["fee_due", "payment_received", "refund_made", "refund_made"]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"code": "NOSUCHCODE"}, CodeNotFound),
        ({"provider": "another"}, CodeNotFound),
        ({"cents": 0}, PaymentRefused),
        ({"receipt": " "}, PaymentRefused),
        ({"receipt": "card 4111 1111 1111 1111"}, PaymentRefused),
    ],
)
def test_a_payment_that_does_not_fit_is_refused(
    connection: Connection, holder: Household, permit: int, wrong: dict[str, Any], error: type[Exception]
) -> None:
    charge_fee(connection, permit, month=MONTH, now=NOW)
    code = request_payment(connection, holder.id, provider=Counter(), now=NOW).asked.code
    good: dict[str, Any] = {"code": code, "cents": 5, "receipt": "1", "provider": "counter"}
    with pytest.raises(error):
        note_payment(connection, **{**good, **wrong}, account_id=None, now=NOW)
    assert note_payment(connection, **good, account_id=None, now=NOW) == 5


@pytest.mark.parametrize(
    "words",
    [
        "4111111111111111",
        "no. 4111-1111-1111-1111 x",
        "5500 0000 0000 0004",
        "378282246310005",
        "4111 1111 1111 1111 123",
    ],
)
def test_what_looks_like_a_card_is_refused(words: str) -> None:
    with pytest.raises(PaymentRefused, match="card"):
        refuse_card_numbers(words)


@pytest.mark.parametrize("words", ["4111111111111112", "R 2026-12-01 0017", "1234567890123", "permit 12 month 2026-12"])
def test_other_numbers_are_none(words: str) -> None:
    assert refuse_card_numbers(words) == words


SECRET = b"a secret of the provider"
BODY = json.dumps({"code": "K", "cents": 7, "receipt": "p-1"}).encode()


def signed(body: bytes = BODY, *, at: datetime = NOW, secret: bytes = SECRET) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    mac = hmac.digest(secret, stamp.encode() + b"." + body, "sha256").hex()
    return {"baytide-signature": f"t={stamp},v1={mac}"}


def test_a_confirmation_is_its_providers_word() -> None:
    assert read_signed(BODY, signed(), secret=SECRET, now=NOW) == Paid("K", 7, "p-1")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (BODY, {}),
        (BODY, signed(secret=b"another")),
        (BODY + b" ", signed()),
        (BODY, signed(at=NOW - timedelta(minutes=6))),
        (BODY, {"baytide-signature": "t=²,v1=0"}),
        (b"{}", signed(b"{}")),
    ],
)
def test_a_confirmation_of_anybody_else_or_too_old_is_refused(body: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(ConfirmationRefused):
        read_signed(body, headers, secret=SECRET, now=NOW)


# -------------------------------------------------------------------------------------------------------- the journal


def act(reference: str, cents: int = 5) -> Act:
    return Act(
        reference, "refund", moved(cents, debit=Side("fees", facility_id=1), credit=Side("cash", provider="counter"))
    )


def test_sides_that_are_not_equal_are_refused_before_anybody_asks_the_database() -> None:
    with pytest.raises(ValueError, match="not equal"):
        Act("x", "refund", (Side("cash", 5, provider="counter"), Side("fees", -4, facility_id=1)))


@pytest.mark.parametrize(("entries", "cents"), [(2, (5, -4)), (3, (5, -5)), (2, (5,)), (2, ()), (2, (5, -5, 5, -5))])
def test_the_database_refuses_sides_that_are_not_equal_or_not_all_there(
    engine: Engine, entries: int, cents: tuple[int, ...]
) -> None:
    with pytest.raises(DBAPIError, match="not equal, or not all there"), engine.begin() as connection:
        write(connection, entries, cents)


ADD = "INSERT INTO journal_entries (journal_id, position, account, provider, cents) VALUES (7, :p, 'cash', 'c', :c)"


def write(connection: Connection, entries: int, cents: tuple[int, ...]) -> None:
    connection.execute(
        text("INSERT INTO journal (id, reference, kind, entries, booked_at) VALUES (7, 'x', 'refund', :n, now())"),
        {"n": entries},
    )
    for position, number in enumerate(cents):
        connection.execute(text(ADD), {"p": position, "c": number})


def test_no_side_is_added_later(engine: Engine) -> None:
    with engine.begin() as connection:
        write(connection, 2, (5, -5))
    with pytest.raises(DBAPIError, match="not all there"), engine.begin() as connection:
        connection.execute(text(ADD), [{"p": 2, "c": 1}, {"p": 3, "c": -1}])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET reference = 'y'",
        "DELETE FROM journal WHERE false",
        "UPDATE journal_entries SET cents = 0",
        "DELETE FROM journal_entries",
        "TRUNCATE journal CASCADE",
        "TRUNCATE journal_entries",
    ],
)
def test_what_is_booked_stays_even_for_the_tables_owner(engine: Engine, statement: str) -> None:
    with pytest.raises(DBAPIError, match="only ever added to"), engine.begin() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize("table", ["journal", "journal_entries"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = 1", "DELETE FROM {}"])
def test_the_service_has_no_right_to_either(engine: Engine, table: str, statement: str) -> None:
    statement = statement.replace("id", "journal_id") if table == "journal_entries" else statement
    with engine.connect() as connection:
        as_worker(connection)
        with pytest.raises(DBAPIError, match="permission denied"):
            connection.execute(text(statement.format(table)))


def test_the_same_reference_books_once_and_names_no_other_act(connection: Connection) -> None:
    assert book(connection, [act("one")], account_id=None, now=NOW) == [act("one")]
    assert book(connection, [act("one"), act("two")], account_id=None, now=NOW) == [act("two")]
    with pytest.raises(ReferenceReused):
        book(connection, [act("one", 6)], account_id=None, now=NOW)


def test_the_same_reference_at_the_same_moment_books_once(engine: Engine) -> None:
    def once(_: int) -> int:
        with engine.begin() as connection:
            return len(book(connection, [act("same")], account_id=None, now=NOW))

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(once, range(12))) == 1
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM journal_entries")) == 2


def test_whoever_is_erased_leaves_a_whole_ledger_that_names_nobody(
    connection: Connection, holder: Household, permit: int
) -> None:
    charge_fee(connection, permit, month=MONTH, now=NOW)
    [row] = connection.execute(text("SELECT pseudonym FROM pseudonyms"))
    queries.forget_pseudonym(connection, holder.id)
    assert queries.find_household(connection, row.pseudonym) is None
    assert (total(connection), income(connection)) == (0, PRICE)
    assert balances(connection, holder.id) == Balances(0, 0, 0), "by a new name nothing is owed"


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fee"), st.integers(0, 1), st.integers(0, 2)),
        st.tuples(st.just("refund"), st.integers(0, 1), st.integers(0, 80)),
        st.tuples(st.just("deposit"), st.integers(0, 1), st.integers(1, 3)),
        st.tuples(st.just("pay"), st.integers(0, 1), st.integers(1, 40_000)),
        st.tuples(st.just("again"), st.integers(0, 1), st.integers(1, 3)),
        st.tuples(st.just("settle"), st.integers(0, 1), st.integers(1, 80)),
    ),
    max_size=14,
)


@given(STEPS)
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_happens_the_sum_is_nothing_and_no_balance_drifts(
    engine: Engine, steps: list[tuple[str, int, int]]
) -> None:
    """A simple account kept beside, in which every day and every receipt is written down once, says the same."""
    with engine.connect() as connection:
        town = make_town(connection)
        who = [make_household(connection, town) for _ in range(2)]
        permits = [add_permit(connection, town, household) for household in who]
        books = [Beside(), Beside()]
        for kind, index, number in steps:
            books[index].step(connection, kind, number, who[index], permits[index])
            connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
            connection.execute(text("SET CONSTRAINTS ALL DEFERRED"))
        assert total(connection) == 0
        for household, beside in zip(who, books, strict=True):
            found = balances(connection, household.id)
            assert found.due_cents - found.owed_cents == beside.due()
            assert found.deposit_cents == beside.deposit
        assert income(connection) == sum(beside.earned() for beside in books)


class Beside:
    """What one household owes, counted in the plainest way."""

    def __init__(self) -> None:
        self.days: dict[date, int] = {}
        self.refunded: set[date] = set()
        self.had_deposit = self.is_over = False
        self.deposit = self.paid = 0
        self.last_day: date | None = None
        self.returned = 0
        self.first_deposit = 0
        self.receipts: list[tuple[str, str, int]] = []

    def due(self) -> int:
        return self.earned() + self.first_deposit - self.returned - self.paid

    def earned(self) -> int:
        return sum(cents for day, cents in self.days.items() if day not in self.refunded)

    def step(self, connection: Connection, kind: str, number: int, who: Household, permit: int) -> None:
        if kind == "fee":
            month = [date(2026, 12, 1), date(2027, 1, 1), date(2027, 2, 1)][number]
            charge_fee(connection, permit, month=month, now=NOW)
            last = (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)
            if month not in self.days:  # what was charged once stands
                days = [day for day in days_between(month, last) if self.last_day is None or day <= self.last_day]
                self.days |= {day: share_of_day(PRICE, day) for day in days}
        elif kind == "refund":
            day = MONTH + timedelta(days=number)
            refund_days(connection, permit, [day], reason="withdrawn", now=NOW)
            self.refunded |= {day} & self.days.keys()
        elif kind == "deposit" and not self.had_deposit:
            take_deposit(connection, permit, cents=number * 100, now=NOW)
            self.had_deposit, self.deposit, self.first_deposit = True, number * 100, number * 100
        elif kind == "pay":
            self.pay(connection, number, who)
        elif kind == "again" and self.receipts:
            code, receipt, cents = self.receipts[-1]
            assert note(connection, code, receipt, cents) == 0
        elif kind == "settle" and not self.is_over:
            last_day = MONTH + timedelta(days=number)
            end(connection, permit, f"{last_day}T04:00Z")
            settle(connection, permit, now=NOW)
            settle(connection, permit, now=NOW)
            self.is_over, self.last_day = True, last_day
            self.refunded |= {day for day in self.days if day > last_day}
            self.returned, self.deposit = self.deposit, 0

    def pay(self, connection: Connection, cents: int, who: Household) -> None:
        try:
            asked = request_payment(connection, who.id, provider=Counter(), now=NOW)
        except PaymentRefused:
            assert self.due() == 0
            return
        cents = cents if asked.direction == "in" else min(cents, asked.cents)
        receipt = f"H{next(RECEIPTS)}"
        assert note(connection, asked.asked.code, receipt, cents) == cents
        self.receipts.append((asked.asked.code, receipt, cents))
        self.paid += cents if asked.direction == "in" else -cents


def note(connection: Connection, code: str, receipt: str, cents: int) -> int:
    return note_payment(
        connection, code=code, cents=cents, receipt=receipt, provider="counter", account_id=None, now=NOW
    )


# ----------------------------------------------------------------------------------------------- rights and commands


def test_a_household_sees_its_own_lines_an_owner_its_income_and_nobody_else_either(
    connection: Connection, town: Town, holder: Household, permit: int
) -> None:
    owner = connection.execute(text("INSERT INTO owners (name) VALUES ('o') RETURNING id")).scalar_one()
    connection.execute(text("UPDATE facilities SET owner_id = :o WHERE id = :f"), {"o": owner, "f": town.near})
    other = make_household(connection, town)
    charge_fee(connection, permit, month=MONTH, now=NOW)
    charge_fee(connection, add_permit(connection, town, other), month=MONTH, now=NOW)
    question = text("SELECT account, cents FROM journal_entries e JOIN journal j ON j.id = e.journal_id ORDER BY 1")

    def seen(**settings_: str) -> list[tuple[str, int]]:
        connection.execute(text("SELECT set_config('role', 'baytide_service', true)"))
        for name in ("household_id", "roles", "owner_ids"):
            value = settings_.get(name, "")
            connection.execute(text(f"SELECT set_config('baytide.{name}', :value, true)"), {"value": value})
        rows = [(row.account, int(row.cents)) for row in connection.execute(question)]
        connection.execute(text("SELECT set_config('role', 'none', true)"))
        return rows

    assert seen() == []
    assert seen(household_id=str(holder.id)) == [("receivable", PRICE)]
    assert seen(owner_ids=f"{{{owner}}}") == [("fees", -PRICE)] * 2
    assert seen(owner_ids=f"{{{owner + 1}}}") == []
    assert len(seen(roles="planner")) == 4


def test_the_commands_print_a_balance_of_nothing_and_every_entry(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    with engine.begin() as connection:
        town = make_town(connection)
        charge_fee(connection, add_permit(connection, town, make_household(connection, town)), month=MONTH, now=NOW)
    said = json.loads(_RUNNER.invoke(app, ["ledger", "balance", "--json"]).stdout)
    assert said == {"accounts": {"fees": -PRICE, "receivable": PRICE}, "sum": 0}
    assert "30,001" in _RUNNER.invoke(app, ["ledger", "balance"]).stdout
    rows = list(csv.DictReader(_RUNNER.invoke(app, ["ledger", "export"]).stdout.splitlines()))
    assert [int(row["cents"]) for row in rows] == [PRICE, -PRICE]
    assert rows[0]["pseudonym"]
    after = rows[0]["id"]
    assert len(_RUNNER.invoke(app, ["ledger", "export", "--after", after]).stdout.splitlines()) == 1


def test_a_receipt_that_a_sheet_would_take_for_a_formula_is_exported_as_text(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    with engine.begin() as connection:
        town = make_town(connection)
        who = make_household(connection, town)
        charge_fee(connection, add_permit(connection, town, who), month=MONTH, now=NOW)
        pay(connection, who, receipt='=HYPERLINK("http://x","y")')
    rows = list(csv.DictReader(_RUNNER.invoke(app, ["ledger", "export"]).stdout.splitlines()))
    assert {row["receipt"] for row in rows} == {"", '\'=HYPERLINK("http://x","y")'}
    assert min(int(row["cents"]) for row in rows) == -PRICE, "numbers stay numbers"


def test_money_at_the_counter_is_noted_once_from_the_command_line(
    engine: Engine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("BAYTIDE_SECRET", accounts.SECRET)
    with engine.begin() as connection:
        town = make_town(connection)
        who = make_household(connection, town)
        charge_fee(connection, add_permit(connection, town, who), month=MONTH, now=NOW)
        asked = request_payment(connection, who.id, provider=Counter(), now=NOW)
    for wrong in (
        ("NOSUCHCODE", PRICE, "1"),
        (asked.asked.code, 0, "1"),
        (asked.asked.code, PRICE, "4111111111111111"),
    ):
        code, out, said = run("ledger", "pay", *wrong[:2], "--receipt", wrong[2])
        assert (code, out, "4111" in said) == (2, "", False), wrong
    paid = ("ledger", "pay", asked.asked.code, PRICE + 5, "--receipt", "2026-17")
    assert run(*paid)[:2] == (0, "noted: 30,006 cents\n")
    assert run(*paid)[:2] == (0, "noted before: nothing is new\n")
    assert run("ledger", "pay", asked.asked.code, 1, "--receipt", "2026-17")[0] == 2, "the receipt is another payment's"
    with engine.begin() as connection:
        back = request_payment(connection, who.id, provider=Counter(), now=NOW)
    assert back.direction == "out"
    assert run("ledger", "pay", back.asked.code, 6, "--receipt", "2026-18")[0] == 2, "more than is owed"
    assert run("ledger", "pay", back.asked.code, 5, "--receipt", "2026-18")[:2] == (0, "noted: 5 cents\n")
    assert run("ledger", "balance")[0] == 0


def test_the_income_of_an_owner_is_printed_and_no_other_owners(
    engine: Engine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("BAYTIDE_SECRET", accounts.SECRET)
    with engine.begin() as connection:
        town = make_town(connection)
        query = text("INSERT INTO owners (name) VALUES (:name) RETURNING id")
        owner, other = (connection.execute(query, {"name": name}).scalar_one() for name in ("a", "b"))
        connection.execute(text("UPDATE facilities SET owner_id = :o WHERE id = :f"), {"o": owner, "f": town.near})
        charge_fee(connection, add_permit(connection, town, make_household(connection, town)), month=MONTH, now=NOW)
    days = ("--from", "2026-12-01", "--to", "2026-12-01")
    code, out, err = run("ledger", "income", owner, *days, "--json")
    assert code == 0, err
    assert [(one["facility"], one["cents"], one["nights"]) for one in json.loads(out)] == [(town.near, PRICE, 0)]
    assert "30,001" in run("ledger", "income", owner, *days)[1]
    assert run("ledger", "income", other, *days, "--json")[:2] == (0, "[]\n")
    assert run("ledger", "income", other + 1, *days)[::2] == (2, "no such owner\n")
    assert run("ledger", "income", owner, "--from", "2026-12-02", "--to", "2026-12-01")[0] == 2


def test_a_provider_gets_the_code_and_gives_an_address(connection: Connection, holder: Household, permit: int) -> None:
    class Elsewhere:
        name = "elsewhere"

        def request_payment(self, reference: str, cents: int) -> Asked:
            return Asked(reference, url=f"pay:{reference}?{cents}")

        def payment_confirmed(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> Paid:
            return read_signed(body, headers, secret=SECRET, now=now)

    charge_fee(connection, permit, month=MONTH, now=NOW)
    asked = request_payment(connection, holder.id, provider=Elsewhere(), now=NOW)
    assert asked.asked.url == f"pay:{asked.asked.code}?{PRICE}"
    with pytest.raises(CodeNotFound):
        note(connection, asked.asked.code, "1", PRICE)
