"""Payments and payouts: asked for with a code, noted once by their receipt."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from api.money import queries
from api.money.cards import refuse_card_numbers
from api.money.charging import what_comes_next
from api.money.errors import CodeNotFound, PaymentRefused
from api.money.ledger import Act, Side, book, moved
from api.money.providers import Asked, PaymentProvider
from api.notices.service import NewNotice, tell
from api.openings.permit_queries import rights_of_worker

_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""What nobody misreads."""
_CODE_LENGTH = 10
_LONGEST_RECEIPT = 60


@dataclass(frozen=True, slots=True)
class Balances:
    """What a household owes, what is kept for it as deposits, and what it is owed; in cents."""

    due_cents: int
    deposit_cents: int
    owed_cents: int


@dataclass(frozen=True, slots=True)
class Request:
    """A code for a payment (`in`) or a payout (`out`)."""

    asked: Asked
    direction: str
    cents: int


def balances(connection: Connection, household_id: int) -> Balances:
    """Return what a household owes and is owed."""
    with rights_of_worker(connection):
        whose = queries.pseudonyms_of(connection, [household_id])[household_id]
        found = queries.balances_of(connection, [whose]).get(whose, {})
    due = found.get("receivable", 0)
    owed = -found.get("refunds_payable", 0) + max(0, -due)
    return Balances(max(0, due), -found.get("deposits", 0), owed)


def request_payment(connection: Connection, household_id: int, *, provider: PaymentProvider, now: datetime) -> Request:
    """
    Give a household a code for all it owes, or for all it is owed where that is so.

    Raises
    ------
    PaymentRefused
        Nothing is owed either way.
    """
    standing = balances(connection, household_id)
    direction, cents = ("in", standing.due_cents) if standing.due_cents else ("out", standing.owed_cents)
    if not cents:
        raise PaymentRefused("nothing is owed")
    code = "".join(secrets.choice(_LETTERS) for _ in range(_CODE_LENGTH))
    with rights_of_worker(connection):
        whose = queries.pseudonyms_of(connection, [household_id])[household_id]
        queries.add_payment_request(
            connection, code=code, pseudonym=whose, provider=provider.name, direction=direction, cents=cents, now=now
        )
    return Request(provider.request_payment(code, cents) if direction == "in" else Asked(code), direction, cents)


def note_payment(
    connection: Connection, *, code: str, cents: int, receipt: str, provider: str, account_id: int | None, now: datetime
) -> int:
    """
    Note that the money of a code was received, or paid out, under a receipt; return the new cents.

    The same receipt is noted once. What is paid beyond what is owed is the household's, and can be paid out.

    Raises
    ------
    CodeNotFound
        No such code, or it is another provider's.
    PaymentRefused
        The amount makes no sense, more would be paid out than is owed, or the receipt looks like a card's number.
    ReferenceReused
        The receipt stands for another payment.
    """
    if cents <= 0:
        raise PaymentRefused("an amount lies above zero")
    receipt = receipt.strip()
    if not receipt or len(receipt) > _LONGEST_RECEIPT or not receipt.isprintable():
        raise PaymentRefused(f"a receipt has 1 to {_LONGEST_RECEIPT} letters, without control characters")
    refuse_card_numbers(receipt)
    with rights_of_worker(connection):
        asked = queries.find_payment_request(connection, code)
        if asked is None or asked.provider != provider:
            raise CodeNotFound("no payment of this code waits")
        queries.lock_pseudonym(connection, asked.pseudonym)
        act = _act(asked.direction, asked.pseudonym, cents=cents, receipt=receipt, provider=provider)
        known = queries.sides_of(connection, [act.reference])
        if asked.direction == "out" and not known:
            _make_payable(connection, asked.pseudonym, act, account_id=account_id, now=now)
        new = book(connection, [act], account_id=account_id, now=now)
        household = queries.find_household(connection, asked.pseudonym)
    if new and household is not None:
        kind = "payment_received" if asked.direction == "in" else "refund_made"
        facts: dict[str, Any] = {
            "cents": cents,
            "receipt": receipt,
            "reason": "paid" if asked.direction == "in" else "paid_out",
            **what_comes_next(connection, household, now=now),
        }
        tell(connection, [NewNotice(household, kind, facts, once=act.reference)], now=now)
    return cents if new else 0


def _act(direction: str, whose: UUID, *, cents: int, receipt: str, provider: str) -> Act:
    cash = Side("cash", provider=provider)
    if direction == "in":
        sides = moved(cents, debit=cash, credit=Side("receivable", pseudonym=whose))
        return Act(f"payment {provider} {receipt}", "payment", sides, receipt=receipt)
    sides = moved(cents, debit=Side("refunds_payable", pseudonym=whose), credit=cash)
    return Act(f"payout {provider} {receipt}", "payout", sides, receipt=receipt)


def _make_payable(connection: Connection, whose: UUID, payout: Act, *, account_id: int | None, now: datetime) -> None:
    """Say that what a household has to its credit is owed to it, as far as it is not said yet."""
    found = queries.balances_of(connection, [whose]).get(whose, {})
    cents = payout.sides[0].cents
    payable, credit = -found.get("refunds_payable", 0), -found.get("receivable", 0)
    if cents > payable + max(0, credit):
        raise PaymentRefused("more than is owed to the household")
    if cents > payable:
        sides = moved(
            cents - payable,
            debit=Side("receivable", pseudonym=whose),
            credit=Side("refunds_payable", pseudonym=whose),
        )
        book(connection, [Act(f"{payout.reference} owed", "owed", sides)], account_id=account_id, now=now)
