"""Where a page of a search ended, as one opaque word."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from api.finding.period import Period
from api.problems import BadRange

_LONGEST = 200
_LAST_INSTANT = 2**33
"""Seconds: the year 2242, beyond anything that is asked for."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """
    The last facility of a page and the period that was searched.

    The period goes along because "until tonight's leave-by, from now on" means another period on every page.
    """

    walk_m: int
    facility_id: int
    period: Period

    def word(self) -> str:
        """Write it into an address."""
        fields = [self.walk_m, self.facility_id, self.period.start.timestamp(), self.period.end.timestamp()]
        return base64.urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).decode().rstrip("=")


def read_cursor(word: str) -> Cursor:
    """Read what `Cursor.word` wrote; raise BadRange for anything else."""
    try:
        if len(word) > _LONGEST:
            raise ValueError("too long")
        walk_m, facility_id, start, end = json.loads(base64.urlsafe_b64decode(word + "=" * (-len(word) % 4)))
        if not (type(walk_m) is type(facility_id) is int and 0 <= facility_id < 2**63 and 0 <= walk_m < 2**31):
            raise ValueError("not of ours")
        return Cursor(walk_m, facility_id, Period(_instant(start), _instant(end)))
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise BadRange("`cursor` must be the `next` of the page before.") from error


def _instant(seconds: float) -> datetime:
    if not 0 <= seconds <= _LAST_INSTANT:
        raise ValueError("not of ours")
    return datetime.fromtimestamp(seconds, UTC)
