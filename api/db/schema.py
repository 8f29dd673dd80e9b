"""Every table there is, known to the one metadata as soon as this is imported."""

from __future__ import annotations

from api.db import (
    account_tables,
    calendar_tables,
    gate_tables,
    money_tables,
    notice_tables,
    offer_tables,
    opening_tables,
    overstay_tables,
    round_tables,
    run_tables,
    stay_tables,
    supply_tables,
    walk_tables,
    withdrawal_tables,
)
from api.db.tables import metadata

__all__ = [
    "account_tables",
    "calendar_tables",
    "gate_tables",
    "metadata",
    "money_tables",
    "notice_tables",
    "offer_tables",
    "opening_tables",
    "overstay_tables",
    "round_tables",
    "run_tables",
    "stay_tables",
    "supply_tables",
    "walk_tables",
    "withdrawal_tables",
]
