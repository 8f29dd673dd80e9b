"""A period somebody wants a bay for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Period:
    """[start, end) as aware instants, start before end."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a period is between two instants: a time zone is missing")
        if self.start >= self.end:
            raise ValueError("a period must end after it starts")

    def nights_later(self, nights: int, *, zone: ZoneInfo) -> Period:
        """Return the same hours on the wall clock so many days later, however long those nights are."""

        def later(moment: datetime) -> datetime:
            return (moment.astimezone(zone) + timedelta(days=nights)).astimezone(UTC)

        return Period(later(self.start), later(self.end))
