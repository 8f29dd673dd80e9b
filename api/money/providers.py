"""Where money comes in and goes out: a seam for payment providers, and the counter of the neighbourhood committee."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from api.money.errors import ConfirmationRefused

_LATEST = timedelta(minutes=5)
"""How old, or how far ahead, a confirmation may be."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How a household pays: a code that it shows at the counter, or an address of the provider."""

    code: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Paid:
    """What a provider confirms: whose code, how much, and the provider's own number of it."""

    code: str
    cents: int
    receipt: str


class PaymentProvider(Protocol):
    """Takes payments; whatever it knows of cards and accounts stays with it."""

    @property
    def name(self) -> str:
        """Name of the provider, as it stands in the ledger."""

    def request_payment(self, reference: str, cents: int) -> Asked:
        """Ask for a payment; `reference` is the code that the confirmation will name."""

    def payment_confirmed(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> Paid:
        """Read what the provider says it received; raise ConfirmationRefused where it is not the provider's word."""


@dataclass(frozen=True, slots=True)
class Counter:
    """The committee's counter, or an operator's: people note what they received, and nobody else confirms anything."""

    name: str = "counter"

    def request_payment(self, reference: str, cents: int) -> Asked:  # noqa: ARG002 -- the code says it all
        """Give the code to be shown."""
        return Asked(reference)

    def payment_confirmed(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> Paid:  # noqa: ARG002 -- as every provider is asked
        """Refuse: at the counter people sign in."""
        raise ConfirmationRefused("the counter confirms nothing by itself")


def read_signed(body: bytes, headers: Mapping[str, str], *, secret: bytes, now: datetime) -> Paid:
    """
    Read a confirmation signed as `Baytide-Signature: t=<seconds>,v1=<HMAC-SHA256 of "<seconds>.<body>">`.

    For providers that sign so, and as an example for those that do not.

    Raises
    ------
    ConfirmationRefused
        It is not signed with the secret, too old, or not understood.
    """
    parts = dict(part.split("=", 1) for part in headers.get("baytide-signature", "").split(",") if "=" in part)
    stamp, shown = parts.get("t", ""), parts.get("v1", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 11):
        raise ConfirmationRefused("no signature")
    right = hmac.digest(secret, stamp.encode() + b"." + body, "sha256").hex()
    if not hmac.compare_digest(right.encode(), shown.encode()):
        raise ConfirmationRefused("not the provider's signature")
    if abs(datetime.fromtimestamp(int(stamp), UTC) - now) > _LATEST:
        raise ConfirmationRefused("too old")
    try:
        read = json.loads(body)
        return Paid(str(read["code"]), int(read["cents"]), str(read["receipt"]))
    except (ValueError, TypeError, KeyError) as error:
        raise ConfirmationRefused("not understood") from error
