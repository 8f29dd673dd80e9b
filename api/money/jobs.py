"""What money does by itself: fees of months and strikes, bookings that have begun, what was lost, permits at an end."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime

from sqlalchemy import Connection, Engine

from api.jobs.queries import work
from api.money import lost_queries, queries
from api.money.charging import (
    charge_bookings,
    charge_fees,
    charge_strikes,
    refund_booking,
    refund_days,
    refund_strike,
    settle,
    take_deposit,
)
from api.money.rules import RULES, MoneyRules

_AT_ONCE = 2000
Counts = dict[str, int]


def book_money(engine: Engine, *, now: datetime | None = None, rules: MoneyRules = RULES) -> Counts:
    """Charge and give back whatever is due, some at a time; doing it twice changes nothing."""
    moment = now or datetime.now(UTC)
    done: Counter[str] = Counter()
    while True:
        with work(engine) as connection:
            step = book_some(connection, now=moment, rules=rules)
        done.update(step)
        if max(step.values()) < _AT_ONCE:
            return dict(done)


def book_some(connection: Connection, *, now: datetime, rules: MoneyRules = RULES, most: int = _AT_ONCE) -> Counts:
    """Charge and give back at most so many of each, with the rights of the worker."""
    months = queries.months_without_fee(connection, now=now, most=most)
    fees = charge_fees(connection, [(permit, permit.month) for permit in months], now=now)
    deposits = queries.permits_without_deposit(connection, otherwise_cents=rules.deposit_cents, now=now, most=most)
    for permit in deposits:
        take_deposit(connection, permit.id, cents=permit.deposit_cents, now=now)
    bookings = charge_bookings(connection, queries.bookings_to_charge(connection, now=now, most=most), now=now)
    strikes = charge_strikes(connection, lost_queries.strikes_to_charge(connection, most=most), now=now)
    # With months left to charge, one that has ended may not have all of its own in the ledger yet.
    ended = queries.permits_to_settle(connection, now=now, most=most) if len(months) < most else []
    for permit in ended:
        settle(connection, permit.id, now=now, rules=rules)
    return Counts(
        fees=len(fees),
        deposits=len(deposits),
        bookings=len(bookings),
        strikes=len(strikes),
        settled=len(ended),
        **_give_back(connection, now=now, most=most),
    )


def _give_back(connection: Connection, *, now: datetime, most: int) -> Counts:
    """Give back what was charged for nights and bookings that were lost, and for strikes that were lifted."""
    nights = lost_queries.nights_lost(connection, now=now, most=most)
    lost: defaultdict[tuple[int, str], list[date]] = defaultdict(list)
    for row in nights:
        lost[row.permit_id, row.reason].append(row.night)
    for (permit_id, reason), days in lost.items():
        refund_days(connection, permit_id, days, reason=reason, now=now)
    bookings = lost_queries.bookings_lost(connection, most=most)
    for booking in bookings:
        refund_booking(connection, booking.id, reason=booking.reason, cents=int(booking.cents), now=now)
    strikes = lost_queries.strikes_to_refund(connection, most=most)
    for strike in strikes:
        refund_strike(connection, strike, now=now)
    return Counts(days_refunded=len(nights), bookings_refunded=len(bookings), strikes_refunded=len(strikes))
