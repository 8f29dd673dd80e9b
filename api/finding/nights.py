"""Tonight, as a neighbourhood means it: from now, or from when its bays open, until its usual leave-by."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from api.calendars.clock import DAY_MIN, day_number, minute_of, moment_of
from api.facilities.availability import instant_of
from api.finding.period import Period
from api.finding.queries import find_usual_night

TYPICAL_NIGHT = (18 * 60, 32 * 60)
"""18:00 to 08:00, as most schemes have it, where no window says otherwise."""

_REMEMBERED_S = 60.0


@dataclass(frozen=True, slots=True)
class NightHours:
    """The usual night of a neighbourhood: minutes of the day it begins on, up to the morning after."""

    from_min: int
    to_min: int

    def night_of(self, moment: datetime, *, zone: ZoneInfo) -> Period:
        """
        Return the rest of the night that `moment` lies in, or the whole of the next one.

        A moment counts to the minute, rounded down, so that what is asked twice in a minute is asked for once.
        """
        local = minute_of(moment.astimezone(zone).replace(tzinfo=None))
        today = day_number(moment_of(local).date()) * DAY_MIN
        # At two in the morning yesterday's night is still on.
        begins = today if local >= today + self.to_min - DAY_MIN else today - DAY_MIN
        opens = instant_of(moment_of(begins + self.from_min), zone)
        leave_by = instant_of(moment_of(begins + self.to_min), zone)
        return Period(max(opens, moment.astimezone(UTC).replace(second=0, microsecond=0)), leave_by)


@dataclass(slots=True)
class UsualNights:
    """
    The usual nights of neighbourhoods, asked for once a minute.

    The window over midnight that most bays have decides. Windows change seldom and a search that names its period
    does not depend on them.
    """

    _known: dict[int, tuple[float, NightHours]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def known(self, neighbourhood_id: int) -> NightHours | None:
        """Return the night hours of a neighbourhood if they are remembered."""
        with self._lock:
            known = self._known.get(neighbourhood_id)
        return known[1] if known is not None and time.monotonic() < known[0] else None

    def of(self, connection: Connection, neighbourhood_id: int) -> NightHours:
        """Return the night hours of a neighbourhood."""
        known = self.known(neighbourhood_id)
        if known is not None:
            return known
        hours = NightHours(*(find_usual_night(connection, neighbourhood_id) or TYPICAL_NIGHT))
        with self._lock:
            self._known = {key: entry for key, entry in self._known.items() if time.monotonic() < entry[0]}
            self._known[neighbourhood_id] = time.monotonic() + _REMEMBERED_S, hours
        return hours
