"""What households owe and get back for permits and bookings, by the published rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from api.money import queries
from api.money.ledger import Act, Side, book, moved
from api.money.rules import RULES, MoneyRules, days_between, fee_of, last_of, month_of, share_of_day
from api.notices.service import NewNotice, tell
from api.openings.permit_queries import rights_of_worker
from api.permits.service import PermitNotFound


@dataclass(frozen=True, slots=True)
class Booked:
    """An act that is new, with whose it is and how much it changes what they owe."""

    act: Act
    household_id: int
    cents: int


def charge_fee(connection: Connection, permit_id: int, *, month: date, now: datetime) -> int:
    """Charge the fee of a permit for a month, pro rata where it is not in force all of it; return the new cents."""
    with rights_of_worker(connection):
        if f"{month:%Y-%m}" in queries.fees_of_permit(connection, permit_id):
            return 0  # what was charged once stands, though the permit may have ended since
    charged = charge_fees(connection, [(_get(connection, permit_id), month_of(month))], now=now)
    return sum(each.cents for each in charged)


def charge_fees(connection: Connection, months: Sequence[tuple[Row[Any], date]], *, now: datetime) -> list[Booked]:
    """Charge permits (as queries.find_permit gives them) for months, each by its first day; households are told."""
    names = _names(connection, [permit for permit, _ in months])
    wanted = []
    for permit, month in months:
        first, last = _span(permit, month)
        if permit.ended is not None:
            last = min(last, permit.ended)
        cents = fee_of(permit.price_cents or 0, first=first, last=last)
        if cents > 0:
            reference = f"permit {permit.id} month {month:%Y-%m} fee"
            sides = moved(cents, debit=Side("receivable", pseudonym=names[permit.household_id]), credit=_income(permit))
            wanted.append(Booked(Act(reference, "fee", sides, permit_id=permit.id), permit.household_id, cents))
    new = _book(connection, wanted, now=now)
    _tell_due(connection, new, now=now)
    return new


def take_deposit(
    connection: Connection, permit_id: int, *, cents: int, account_id: int | None = None, now: datetime
) -> int:
    """Ask for the deposit of a permit, once; return the new cents."""
    permit = _get(connection, permit_id)
    whose = _names(connection, [permit])[permit.household_id]
    sides = moved(cents, debit=Side("receivable", pseudonym=whose), credit=Side("deposits", pseudonym=whose))
    act = Act(f"permit {permit_id} deposit", "deposit", sides, permit_id=permit_id)
    new = _book(connection, [Booked(act, permit.household_id, cents)], account_id=account_id, now=now)
    _tell_due(connection, new, now=now)
    return sum(each.cents for each in new)


def refund_days(
    connection: Connection,
    permit_id: int,
    days: Iterable[date],
    *,
    reason: str,
    account_id: int | None = None,
    now: datetime,
) -> int:
    """
    Give back what days of a permit cost that its household could not have or does not want any more, each once.

    Days that were not charged cost nothing. Return the new cents. `reason` is told to the household: `withdrawn`,
    `bay_taken`, `ended`.
    """
    permit = _get(connection, permit_id)
    whose = _names(connection, [permit])[permit.household_id]
    with rights_of_worker(connection):
        charged = queries.fees_of_permit(connection, permit_id)
    wanted = []
    for day in sorted(set(days)):
        first, _ = _span(permit, month_of(day))
        cents = share_of_day(permit.price_cents or 0, day)
        # A term may have been cut short since, so that what was charged tells which days were.
        fee = charged.get(f"{day:%Y-%m}", 0)
        if first <= day and cents > 0 and fee_of(permit.price_cents or 0, first=first, last=day) <= fee:
            act = Act(
                f"permit {permit_id} day {day} refund",
                "refund",
                moved(cents, debit=_income(permit), credit=Side("receivable", pseudonym=whose)),
                permit_id=permit_id,
            )
            wanted.append(Booked(act, permit.household_id, cents))
    return _refund(connection, wanted, reason=reason, account_id=account_id, now=now)


def charge_bookings(connection: Connection, bookings: Sequence[Row[Any]], *, now: datetime) -> list[Booked]:
    """Charge the price of bookings (as queries.find_booking gives them), each once."""
    names = _names(connection, bookings)
    wanted = []
    for booking in bookings:
        if booking.price_cents:
            whose = Side("receivable", pseudonym=names[booking.household_id])
            sides = moved(booking.price_cents, debit=whose, credit=_income(booking))
            act = Act(f"booking {booking.id} price", "booking", sides, stay_id=booking.id)
            wanted.append(Booked(act, booking.household_id, booking.price_cents))
    return _book(connection, wanted, now=now)


def refund_booking(
    connection: Connection,
    stay_id: int,
    *,
    reason: str,
    cents: int | None = None,
    account_id: int | None = None,
    now: datetime,
) -> int:
    """Give the price of a booking back that was charged, or so many cents that it lost, once; return the new cents."""
    with rights_of_worker(connection):
        booking = queries.find_booking(connection, stay_id)
        charged = queries.sides_of(connection, [f"booking {stay_id} price"])
    if booking is None or not charged:
        return 0
    back = booking.price_cents if cents is None else cents
    is_whole = cents is None or booking.state == "cancelled"
    whose = Side("receivable", pseudonym=_names(connection, [booking])[booking.household_id])
    sides = moved(back, debit=_income(booking), credit=whose)
    reference = f"booking {stay_id} refund" if is_whole else f"booking {stay_id} lost {booking.lost_cents} refund"
    wanted = [Booked(Act(reference, "refund", sides, stay_id=stay_id), booking.household_id, back)]
    return _refund(connection, wanted, reason=reason, account_id=account_id, now=now)


def charge_strikes(connection: Connection, strikes: Sequence[Row[Any]], *, now: datetime) -> list[Booked]:
    """Charge the fees of strikes (as lost_queries.strikes_to_charge gives them), each once; they were told before."""
    names = _names(connection, strikes)
    wanted = []
    for strike in strikes:
        whose = Side("receivable", pseudonym=names[strike.household_id])
        sides = moved(strike.cents, debit=whose, credit=_income(strike))
        act = Act(f"strike {strike.id} fee {strike.cents}", "fee", sides, stay_id=strike.stay_id)
        wanted.append(Booked(act, strike.household_id, strike.cents))
    return _book(connection, wanted, now=now)


def refund_strike(connection: Connection, strike: Row[Any], *, now: datetime) -> int:
    """Credit the fee of a strike that no longer stands (of lost_queries.strikes_to_refund); return the new cents."""
    whose = Side("receivable", pseudonym=_names(connection, [strike])[strike.household_id])
    sides = moved(strike.cents, debit=_income(strike), credit=whose)
    act = Act(f"strike {strike.id} fee {strike.cents} refund", "refund", sides, stay_id=strike.stay_id)
    wanted = [Booked(act, strike.household_id, strike.cents)]
    return _refund(connection, wanted, reason=strike.reason, account_id=None, now=now)


def settle(
    connection: Connection,
    permit_id: int,
    *,
    account_id: int | None = None,
    now: datetime,
    rules: MoneyRules = RULES,
) -> int:
    """
    Settle a permit that has ended: days charged beyond its end are given back, and its deposit less what is kept of it.

    Return the new cents that are the household's.
    """
    permit = _get(connection, permit_id)
    if permit.state != "ended" or permit.ended is None:
        return 0
    with rights_of_worker(connection):
        months = sorted(queries.fees_of_permit(connection, permit_id))
        deposit = queries.deposit_of(connection, permit_id)
        queries.note_settled(connection, permit_id, now=now)
    cents = 0
    if months:
        last = last_of(date.fromisoformat(f"{months[-1]}-01"))
        left = days_between(min(permit.ended, permit.last) + timedelta(days=1), last)
        cents += refund_days(connection, permit_id, left, reason="ended", account_id=account_id, now=now)
    return cents + _return_deposit(connection, permit, deposit, account_id=account_id, now=now, rules=rules)


def _return_deposit(
    connection: Connection, permit: Row[Any], cents: int, *, account_id: int | None, now: datetime, rules: MoneyRules
) -> int:
    kept = min(cents, rules.kept_of_deposit.get(permit.end_reason, 0))
    if not cents:
        return 0
    whose = _names(connection, [permit])[permit.household_id]
    sides = [Side("deposits", cents, pseudonym=whose)]
    if kept:
        sides.append(Side("fees", -kept, facility_id=permit.facility_id, owner_id=permit.owner_id))
    if cents > kept:
        sides.append(Side("receivable", kept - cents, pseudonym=whose))
    act = Act(f"permit {permit.id} deposit return", "deposit_return", tuple(sides), permit_id=permit.id)
    wanted = [Booked(act, permit.household_id, cents - kept)]
    return _refund(connection, wanted, reason="deposit", account_id=account_id, now=now)


def _get(connection: Connection, permit_id: int) -> Row[Any]:
    with rights_of_worker(connection):
        permit = queries.find_permit(connection, permit_id)
    if permit is None:
        raise PermitNotFound("no such permit")
    return permit


def _span(permit: Row[Any], month: date) -> tuple[date, date]:
    """Return the first and the last day of a month on which a permit is in force, as it was accepted."""
    return max(month, permit.first, permit.accepted or permit.first), min(last_of(month), permit.last)


def _income(row: Row[Any]) -> Side:
    return Side("fees", facility_id=row.facility_id, owner_id=row.owner_id)


def _names(connection: Connection, rows: Sequence[Row[Any]]) -> dict[int, UUID]:
    with rights_of_worker(connection):
        return queries.pseudonyms_of(connection, [row.household_id for row in rows])


def _book(
    connection: Connection, wanted: Sequence[Booked], *, account_id: int | None = None, now: datetime
) -> list[Booked]:
    new = {act.reference for act in book(connection, [each.act for each in wanted], account_id=account_id, now=now)}
    return [each for each in wanted if each.act.reference in new]


def _refund(
    connection: Connection, wanted: Sequence[Booked], *, reason: str, account_id: int | None, now: datetime
) -> int:
    """Credit refunds to their household, and tell it of the sum: what it has not paid it need not pay any more."""
    new = _book(connection, wanted, account_id=account_id, now=now)
    cents = sum(each.cents for each in new)
    if cents:
        household = new[0].household_id
        owed = min(cents, max(0, -_balances(connection, household).get("receivable", 0)))
        parts = {"off_due_cents": cents - owed, "owed_cents": owed}
        facts = {"cents": cents, "reason": reason, "permit": new[0].act.permit_id, "stay": new[0].act.stay_id}
        facts |= {name: part for name, part in parts.items() if part}
        facts |= what_comes_next(connection, household, now=now)
        tell(connection, [NewNotice(household, "refund_made", facts)], now=now)
    return cents


def _balances(connection: Connection, household_id: int) -> dict[str, int]:
    """Return what stands in the accounts of a household."""
    with rights_of_worker(connection):
        whose = queries.pseudonyms_of(connection, [household_id])[household_id]
        return queries.balances_of(connection, [whose]).get(whose, {})


def what_comes_next(connection: Connection, household_id: int, *, now: datetime) -> dict[str, str]:
    """
    Return the date of money that comes next for a household, as facts of a notice.

    `next_date` is the day on which its permit costs the next month. Where none does, `owed_from` is today if it is owed
    money, which it can ask for; where neither holds nothing comes next.
    """
    with rights_of_worker(connection):
        day = queries.find_next_charge(connection, household_id, now=now)
        if day is not None:
            return {"next_date": day.isoformat()}
        found = _balances(connection, household_id)
        zone = queries.zones_of(connection, [household_id])[household_id]
    due, payable = found.get("receivable", 0), -found.get("refunds_payable", 0)
    if due > 0 or payable <= due:
        return {}
    return {"owed_from": now.astimezone(ZoneInfo(zone)).date().isoformat()}


def _tell_due(connection: Connection, booked: Sequence[Booked], *, now: datetime) -> None:
    """Tell households what they owe, and by which day where they live."""
    with rights_of_worker(connection):
        zones = queries.zones_of(connection, [each.household_id for each in booked])
    notices = []
    for each in booked:
        due = now.astimezone(ZoneInfo(zones[each.household_id])).date() + timedelta(days=RULES.due_days)
        facts = {
            "permit": each.act.permit_id,
            "cents": each.cents,
            "what": each.act.kind,
            "reference": each.act.reference,
            "next_date": due.isoformat(),
        }
        notices.append(NewNotice(each.household_id, "fee_due", facts, once=each.act.reference))
    tell(connection, notices, now=now)
