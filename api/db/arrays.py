"""Columns of many rows as literals: the driver looks at each value of a list, which takes longer than storing it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date


def array_text(values: Iterable[int | bool | date | None]) -> str:
    """
    Write numbers or dates as an array of PostgreSQL, for a parameter that the statement casts to one.

    `None` is NULL. No texts: those would need quotes.
    """
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"
