"""What money does by itself: fees of the month, bookings that have begun, nights lost, permits that have ended."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime

from sqlalchemy import Connection, Engine

from api.jobs.queries import work
from api.money import queries
from api.money.charging import charge_bookings, charge_fees, refund_days, settle, take_deposit
from api.money.rules import RULES, MoneyRules, month_of

_AT_ONCE = 2000
Counts = dict[str, int]


def book_money(engine: Engine, *, now: datetime | None = None, rules: MoneyRules = RULES) -> Counts:
    """Charge and give back whatever is due, some at a time; doing it twice changes nothing."""
    moment = now or datetime.now(UTC)
    done = Counts(fees=0, deposits=0, bookings=0, days_refunded=0, settled=0)
    while True:
        with work(engine) as connection:
            step = book_some(connection, now=moment, rules=rules)
        for name, number in step.items():
            done[name] += number
        if max(step.values()) < _AT_ONCE:
            return done


def book_some(connection: Connection, *, now: datetime, rules: MoneyRules = RULES, most: int = _AT_ONCE) -> Counts:
    """Charge and give back at most so many of each, with the rights of the worker."""
    month = month_of(now.date())
    permits = queries.permits_without_fee(connection, month, most=most)
    fees = charge_fees(connection, permits, month=month, now=now)
    deposits = queries.permits_without_deposit(connection, most=most) if rules.deposit_cents else []
    for permit in deposits:
        take_deposit(connection, permit.id, cents=rules.deposit_cents, now=now)
    bookings = charge_bookings(connection, queries.bookings_to_charge(connection, now=now, most=most), now=now)
    lost: defaultdict[int, list[date]] = defaultdict(list)
    for row in queries.nights_lost(connection, now=now, most=most):
        lost[row.permit_id].append(row.night)
    for permit_id, nights in lost.items():
        refund_days(connection, permit_id, nights, reason="withdrawn", now=now)
    ended = queries.permits_to_settle(connection, most=most)
    for permit in ended:
        settle(connection, permit.id, now=now, rules=rules)
    return Counts(
        fees=len(fees),
        deposits=len(deposits),
        bookings=len(bookings),
        days_refunded=sum(map(len, lost.values())),
        settled=len(ended),
    )
