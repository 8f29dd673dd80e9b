"""Cells of CSV files that people open in a spreadsheet."""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
"""What makes a sheet compute a cell instead of showing it; wide letters do so where Chinese is typed."""


def harmless(cell: str) -> str:
    """Return a text as a sheet shows it: what it would take for a formula begins with `'`."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
