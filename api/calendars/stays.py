"""Openings and stays of a neighbourhood under another calendar, as far as they are sold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import Connection

from api.calendars import stay_queries as queries
from api.calendars.day_kinds import DayKinds
from api.calendars.turning import Held, Shift, Shifting, Turn
from api.openings.leaving import leave_by, shorten_stays, soonest_to_leave
from api.openings.queries import list_stays_outside, lock_exclusively
from api.openings.service import materialise
from api.openings.ticks import utc_minute, utc_moment
from api.openings.unrolling import LOOK_AHEAD_DAYS, LOOK_BACK_DAYS

MOST_ALTERNATIVES = 3


@dataclass(frozen=True, slots=True)
class Hit:
    """A stay that could not stay as it was: it ends at `until`, or not at all where that is None."""

    stay_id: int
    household_id: int
    permit_id: int | None
    facility_id: int
    start: datetime
    end: datetime
    until: datetime | None
    lost_cents: int = 0
    alternatives: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Rewritten:
    """
    Stays rewritten: how many nights of permits, the others one by one, and nights for which there is no bay.

    `standing` are the nights of permits whose car stands there at this moment, by permit, each with the moment at which
    it ends now, None where that is as before.
    """

    nights: int = 0
    hits: tuple[Hit, ...] = ()
    without_bay: Mapping[int, tuple[date, ...]] = field(default_factory=dict)
    standing: Mapping[int, Mapping[date, datetime | None]] = field(default_factory=dict)


def is_sold(turn: Turn) -> bool:
    """Whether a changed day touches the nights that are sold."""
    return any(turn.today - LOOK_BACK_DAYS <= day <= turn.today + LOOK_AHEAD_DAYS for day in turn.changed) or any(
        _next_workdays_differ(turn, day) for day in range(turn.today - LOOK_BACK_DAYS, turn.today + LOOK_AHEAD_DAYS + 1)
    )


def _next_workdays_differ(turn: Turn, day: int) -> bool:
    """Whether a stay that runs through rest days from a day ends on another one."""
    before: DayKinds = turn.before
    return before.next_workday(day) != turn.after.next_workday(day)


def rewrite_stays(
    connection: Connection, turn: Turn, shifts: Mapping[int, tuple[Held, Shift]], shifting: Shifting, *, now: datetime
) -> Rewritten:
    """
    Rewrite openings, and the stays that do not fit them or their permits any more.

    A night of a permit that is shorter now ends earlier on the same bay; one that begins or ends later is placed anew,
    on the same bay wherever that is free. What stands on a bay at this moment stays there until the bay shuts, or
    longer where its household could not leave by then.
    Bookings to come that no opening holds any more are cancelled, with alternatives.

    Parameters
    ----------
    shifts
        What differs of permits, by their ids.
    """
    facilities = queries.list_sold(connection, turn.neighbourhood_id)
    if not facilities or not is_sold(turn):
        return Rewritten()
    lock_exclusively(connection, facilities)
    before = _standing(connection, list(shifts), now=now)
    outside_before = {row.id for row in list_stays_outside(connection, facilities, now=now)}
    nights, longer = _turn_nights(connection, turn, shifts, shifting, now=now)
    written = materialise(connection, facility_ids=facilities, now=now)
    outside = [row.id for row in list_stays_outside(connection, facilities, now=now) if row.id not in outside_before]
    hits = _end_outside(connection, outside, now=now)
    if hits and written.nights.without_bay:  # a bay may have come free
        written = materialise(connection, facility_ids=facilities, now=now)
    for stay, end in longer.items():
        nights += queries.lengthen_stay(connection, stay, end=end)
    without: dict[int, tuple[date, ...]] = {}
    for night in written.nights.without_bay:
        if night.permit_id in shifts and night.night in shifts[night.permit_id][1].come:
            without[night.permit_id] = (*without.get(night.permit_id, ()), night.night)
    after = _standing(connection, list(before), now=now)
    standing = {
        permit: {night: end if end != before[permit].get(night) else None for night, end in ends.items()}
        for permit, ends in after.items()
    }
    return Rewritten(nights, tuple(hits), without, standing)


def _standing(connection: Connection, permit_ids: Sequence[int], *, now: datetime) -> dict[int, dict[date, datetime]]:
    """Return when the nights of permits that are under way end, by permit."""
    found: dict[int, dict[date, datetime]] = {}
    for row in queries.stays_of_permits(connection, permit_ids, now=now):
        if row.starts_at <= now:
            found.setdefault(row.permit_id, {})[row.night] = row.ends_at
    return found


def _turn_nights(
    connection: Connection, turn: Turn, shifts: Mapping[int, tuple[Held, Shift]], shifting: Shifting, *, now: datetime
) -> tuple[int, dict[int, datetime]]:
    """Cancel and shorten nights of permits; return how many, and later ends of stays under way."""
    cancelled: list[int] = []
    shorter: dict[int, datetime] = {}
    longer: dict[int, datetime] = {}
    soonest = soonest_to_leave(now, turn.zone)
    for row in queries.stays_of_permits(connection, list(shifts), now=now):
        wanted = shifting.stays(shifts[row.permit_id][0], turn.after).get(row.night)
        under_way = row.starts_at <= now
        if wanted is None:
            if not under_way:  # whoever stands there is looked at with all the others
                cancelled.append(row.id)
            continue
        end, starts_as_before = utc_moment(wanted.end_min), wanted.begin_min == utc_minute(row.starts_at)
        if under_way and end < row.ends_at:
            end = min(max(end, soonest), row.ends_at)
        if end < row.ends_at and (under_way or starts_as_before):
            shorter[row.id] = end
        elif under_way and end > row.ends_at:
            longer[row.id] = end
        elif not under_way and (end != row.ends_at or not starts_as_before):
            cancelled.append(row.id)
    queries.cancel_stays(connection, cancelled, now=now)
    shorten_stays(connection, shorter)
    return len(cancelled) + len(shorter), longer


def _end_outside(connection: Connection, stay_ids: Sequence[int], *, now: datetime) -> list[Hit]:
    """End the stays that no opening holds: at once, or in time for whoever stands there to leave."""
    ends = leave_by(connection, stay_ids, now=now)
    # Whoever leaves by then anyway is not hit.
    rows = [row for row in queries.stays_by_id(connection, stay_ids) if ends.get(row.id) != row.ends_at]
    lost = shorten_stays(connection, {row.id: ends[row.id] for row in rows if row.id in ends})
    queries.cancel_stays(connection, [row.id for row in rows if row.id not in ends], now=now)
    return [
        Hit(
            stay_id=row.id,
            household_id=row.household_id,
            permit_id=row.permit_id,
            facility_id=row.facility_id,
            start=row.starts_at,
            end=row.ends_at,
            until=ends.get(row.id),
            lost_cents=lost.get(row.id, 0),
            alternatives=()
            if row.permit_id is not None or row.id in ends
            else tuple(queries.alternatives_for(connection, row.id, row.household_id, most=MOST_ALTERNATIVES)),
        )
        for row in rows
    ]
