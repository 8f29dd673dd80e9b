"""Plain text tables for people: columns as wide as they must be, numbers to the right."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

Cell = str | int | float | None
NOTHING = "–"


def table_of(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Lay out rows under a head; a column of numbers stands to the right, and what is not known is a dash."""
    from rich.cells import cell_len  # 四平路 is six cells wide

    texts = [[_text(cell) for cell in row] for row in rows]
    widths = [max(cell_len(text) for text in column) for column in zip(head, *texts, strict=True)]
    right = [any(isinstance(row[at], int | float) for row in rows) for at in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            " " * (width - cell_len(text)) + text if to_right else text + " " * (width - cell_len(text))
            for text, width, to_right in zip(cells, widths, right, strict=True)
        )
        return "  ".join(padded).rstrip()

    return "\n".join(line(cells) for cells in (head, *texts))


def percent(share: float | None) -> str:
    """`0.6` as `60.0 %`."""
    return NOTHING if share is None else f"{100 * share:.1f} %"


def minute(moment: datetime | None) -> str | None:
    """`2026-12-01 18:04`, on the clock that the moment is on."""
    return None if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def minute_utc(moment: datetime | None) -> str | None:
    """As `minute`, by UTC: what belongs to no neighbourhood has no other clock."""
    return None if moment is None else minute(moment.astimezone(UTC))


def number(one: int | None) -> str | None:
    """Write an id, which has no separators and stands to the left."""
    return None if one is None else str(one)


def _text(cell: Cell) -> str:
    if cell is None:
        return NOTHING
    if isinstance(cell, int):
        return f"{cell:,}"
    # Words that somebody else has written neither move a terminal's cursor nor break a line.
    return "".join(letter if letter.isprintable() else " " for letter in str(cell))
