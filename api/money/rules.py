"""The published rules of money."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class MoneyRules:
    """
    What is ours to set; it is published in docs/money.md.

    Attributes
    ----------
    deposit_cents
        What a household leaves with us while it has a permit.
    kept_of_deposit
        What is kept of a deposit, in cents, by the reason a permit ended: nothing where none is named.
    due_days
        Days from a charge to when it is due.
    """

    deposit_cents: int = 0
    kept_of_deposit: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    due_days: int = 10


RULES = MoneyRules()


def share_of_day(price_cents: int, day: date) -> int:
    """
    Return what one day is worth of a monthly price.

    Shares are cut so that those of a month add up to its price, and those of a part to the part's fee: whatever is
    charged day by day and refunded day by day leaves nothing over.
    """
    days = calendar.monthrange(day.year, day.month)[1]
    return price_cents * day.day // days - price_cents * (day.day - 1) // days


def fee_of(price_cents: int, *, first: date, last: date) -> int:
    """Return the fee from one day of a month to another, both included; nothing where none lies between."""
    if last < first:
        return 0
    days = calendar.monthrange(first.year, first.month)[1]
    return price_cents * last.day // days - price_cents * (first.day - 1) // days


def month_of(day: date) -> date:
    """Return the first day of a month."""
    return day.replace(day=1)


def last_of(month: date) -> date:
    """Return the last day of a month."""
    return month.replace(day=calendar.monthrange(month.year, month.month)[1])


def days_between(first: date, last: date) -> list[date]:
    """List the days from one to another, both included."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
