"""Stays under way whose bay shuts or is taken back: until when the car may stand there, and what its booking loses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from api.calendars.clock import DAY_MIN

TIME_TO_LEAVE = timedelta(hours=2)
"""A car that has to leave sooner than planned has at least so long: to hear of it, walk there and drive away."""
_NIGHT = (22 * 60, 7 * 60)
"""Whoever would have to leave between these minutes of the day sleeps: it is the morning then."""

_STANDING = text(
    """
    SELECT s.id, upper(s.during) AS ends_at, n.timezone, f.no_movement_from_min AS still_from,
           f.no_movement_to_min AS still_to, (
               SELECT upper(o.during) FROM openings o
               WHERE o.bay_group_id = g.id AND b.number BETWEEN o.first_number AND o.last_number
                 AND o.during @> CAST(:now AS timestamptz) AND o.ends @> upper(o.during)
           ) AS shuts_at
    FROM stays s JOIN bays b ON b.id = s.bay_id JOIN bay_groups g ON g.id = b.bay_group_id
    JOIN facilities f ON f.id = g.facility_id JOIN neighbourhoods n ON n.id = f.neighbourhood_id
    WHERE s.id = ANY(:ids) AND s.during @> CAST(:now AS timestamptz)
    """
)
_LOSE = text(
    """
    WITH lost AS (
        SELECT s.id, CAST(ceil((b.price_cents - b.lost_cents) * extract(epoch FROM upper(s.during) - w.until)
                          / extract(epoch FROM upper(s.during) - lower(s.during))) AS bigint) AS cents
        FROM unnest(CAST(:ids AS bigint[]), CAST(:ends AS timestamptz[])) AS w (id, until)
        JOIN stays s ON s.id = w.id JOIN bookings b ON b.stay_id = s.id
        WHERE upper(s.during) > w.until AND b.price_cents > 0
    )
    UPDATE bookings b SET lost_cents = b.lost_cents + lost.cents FROM lost WHERE b.stay_id = lost.id
    RETURNING b.stay_id, lost.cents
    """
)
_SHORTEN = text(
    "UPDATE stays s SET during = tstzrange(lower(s.during), w.until) "
    "FROM unnest(CAST(:ids AS bigint[]), CAST(:ends AS timestamptz[])) AS w (id, until) "
    "WHERE s.id = w.id AND upper(s.during) > w.until"
)


def soonest_to_leave(now: datetime, zone: ZoneInfo, *, still: tuple[int, int] | None = None) -> datetime:
    """Return by when whoever is told now has to leave at the soonest; `still`: minutes without movement."""
    soonest = now + TIME_TO_LEAVE
    for begin, end in [_NIGHT] if still is None else [_NIGHT, still]:
        local = soonest.astimezone(zone)
        into, length = (local.hour * 60 + local.minute - begin) % DAY_MIN, (end - begin) % DAY_MIN
        if 0 < into < length:
            soonest += timedelta(minutes=length - into)
    return soonest


def leave_by(
    connection: Connection, stay_ids: Sequence[int], *, now: datetime, earliest: datetime | None = None
) -> dict[int, datetime]:
    """
    Return until when those of some stays that are under way may last.

    It is when their bay shuts, but not before `earliest` nor sooner than whoever is told now can be expected to leave;
    and never later than they end anyway.
    """
    found = {}
    for row in connection.execute(_STANDING, {"ids": list(stay_ids), "now": now}).all():
        still = None if row.still_from is None else (row.still_from, row.still_to)
        soonest = soonest_to_leave(now, ZoneInfo(row.timezone), still=still)
        found[row.id] = min(row.ends_at, max(soonest, earliest or now, row.shuts_at or now))
    return found


def shorten_stays(connection: Connection, ends: Mapping[int, datetime]) -> dict[int, int]:
    """
    Let stays end earlier, through nobody's fault who has them; the caller acts as the worker.

    Returns
    -------
    dict
        What bookings lose of their price by it, in cents, by stay: the share of their time, rounded up.
    """
    lost = lose_part(connection, ends)
    cut_stays(connection, ends)
    return lost


def lose_part(connection: Connection, ends: Mapping[int, datetime]) -> dict[int, int]:
    """Note what bookings lose by ending earlier, before they do; see `shorten_stays`."""
    if not ends:
        return {}
    values = {"ids": list(ends), "ends": list(ends.values())}
    return {row.stay_id: row.cents for row in connection.execute(_LOSE, values).all()}


def cut_stays(connection: Connection, ends: Mapping[int, datetime]) -> None:
    """Let stays end earlier, whatever they cost."""
    if ends:
        connection.execute(_SHORTEN, {"ids": list(ends), "ends": list(ends.values())})
