"""Where the next page of a list begins, as a word that callers hand back and need not understand."""

from __future__ import annotations

import base64
import binascii

from api.problems import BadRange

_HIGHEST = 2**63


def cursor_of(row_id: int, *, of: str) -> str:
    """Return the cursor of the page after a row; `of` names the list, so that no other takes it for its own."""
    return base64.urlsafe_b64encode(f"{of}:{row_id}".encode()).decode().rstrip("=")


def id_before(cursor: str | None, *, of: str) -> int:
    """
    Return the id that all rows of a page are below; without a cursor, one that no row reaches.

    Raises
    ------
    BadRange
        The cursor is none of this list's.
    """
    if cursor is None:
        return _HIGHEST - 1
    try:
        plain = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        number = int(plain.removeprefix(f"{of}:")) if plain.startswith(f"{of}:") else 0
    except (binascii.Error, ValueError):
        number = 0
    if not 0 < number < _HIGHEST:
        raise BadRange("`cursor` must be the `next` of the page before.")
    return number
