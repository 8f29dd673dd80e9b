"""Every table there is, known to the one metadata as soon as this is imported."""

from __future__ import annotations

from api.db import (
    account_tables,
    notice_tables,
    opening_tables,
    run_tables,
    stay_tables,
    supply_tables,
    walk_tables,
)
from api.db.tables import metadata

__all__ = [
    "account_tables",
    "metadata",
    "notice_tables",
    "opening_tables",
    "run_tables",
    "stay_tables",
    "supply_tables",
    "walk_tables",
]
