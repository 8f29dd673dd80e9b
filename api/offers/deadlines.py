"""Until when an offer can be answered."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from api.calendars.clock import DAY_MIN, day_number, minute_of
from api.calendars.day_kinds import DayKinds, day_kinds
from api.facilities.queries import calendar_overrides
from api.openings.ticks import utc_moment, utc_of

OFFER_LASTS = timedelta(hours=72)
REMINDED_BEFORE = timedelta(hours=24)
TAKEN_AS_DELIVERED_AFTER = timedelta(hours=24)
"""An offer that no channel has delivered by then waits in the inbox for everybody to see, and its time begins."""
_LONGEST_REST_DAYS = 31


def expiry_of(delivered: datetime, *, kinds: DayKinds, zone: ZoneInfo) -> datetime:
    """
    Return when an offer expires: 72 hours after it was delivered, with a whole working day in them.

    Where no working day lies within the 72 hours from its first minute to its last, the offer lasts to the end of the
    next one that begins after delivery.

    Parameters
    ----------
    delivered
        Aware.
    kinds
        The calendar from the day of delivery until the rest days after are over.
    """
    local = delivered.astimezone(zone).replace(tzinfo=None)
    today = day_number(local.date())
    begins_now = minute_of(local) == today * DAY_MIN and not local.second and not local.microsecond
    first_workday = kinds.next_workday(today - 1 if begins_now else today)
    end_of_workday = utc_moment(utc_of((first_workday + 1) * DAY_MIN, zone)[0])
    return max(delivered + OFFER_LASTS, end_of_workday)


def calendar_from(connection: Connection, neighbourhood_id: int, *, country: str, today: date) -> DayKinds:
    """Return a neighbourhood's calendar over whatever an offer of today waits for."""
    overrides = calendar_overrides(connection, neighbourhood_id)
    return day_kinds(
        country,
        first=today - timedelta(days=1),
        last=today + timedelta(days=_LONGEST_REST_DAYS + len(overrides)),
        overrides=overrides,
    )
