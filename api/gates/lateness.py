"""What gate sessions say of stays: who left late, who never came, and how many cars stood there when."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, text

from api.openings.permit_queries import rights_of_worker

# A row still tells of its stay where it was removed only because the household changed its car. All cars listed while a
# stay lasted are judged, each if it came in while it was listed; cars come up to two hours early.
_TELLS_OF_ITS_STAY = """
    (r.removed_at IS NULL OR r.removed_at >= r.ends_at
     OR (s.state = 'confirmed' OR s.state = 'given_back' AND s.ended_at > r.starts_at
         OR EXISTS (SELECT FROM bay_claims c WHERE c.stay_id = s.id))
        AND s.bay_id = r.bay_id AND s.during = tstzrange(r.starts_at, r.ends_at)
        AND r.removed_at > r.starts_at - interval '2 hours')
"""
_LATE = f"""
    WITH ended AS (
        SELECT DISTINCT ON (r.stay_id) r.stay_id, r.facility_id, s.household_id,
               CASE WHEN s.state = 'given_back' AND c.stay_id IS NULL THEN least(s.ended_at, r.ends_at)
                    ELSE r.ends_at END AS leave_by
        FROM allow_list_rows r JOIN stays s ON s.id = r.stay_id LEFT JOIN bay_claims c ON c.stay_id = r.stay_id
        WHERE r.ends_at >= :since AND r.starts_at < :until AND {_TELLS_OF_ITS_STAY} {{chosen}}
          -- Whoever got another bay at the same place has its stay there to be judged by.
          AND NOT EXISTS (
              SELECT FROM stays other JOIN bays b ON b.id = other.bay_id JOIN bay_groups y ON y.id = b.bay_group_id
              WHERE other.id = c.new_stay_id AND y.facility_id = r.facility_id
          )
        ORDER BY r.stay_id, r.id DESC
    ), over AS (
        SELECT e.stay_id, e.facility_id, e.household_id, e.leave_by, p.plate_hash,
               CASE WHEN bool_and(p.removed_at IS NOT NULL) THEN max(p.removed_at) END AS listed_until
        FROM ended e JOIN allow_list_rows p ON p.stay_id = e.stay_id AND p.facility_id = e.facility_id
        WHERE e.leave_by >= :since AND e.leave_by < :until
          AND (p.removed_at IS NULL OR p.removed_at > p.starts_at - interval '2 hours')
        GROUP BY e.stay_id, e.facility_id, e.household_id, e.leave_by, p.plate_hash
    )
    SELECT o.stay_id, o.household_id, o.facility_id, o.leave_by, g.id AS gate_session_id, g.entered_at, g.left_at,
           NOT EXISTS (
               SELECT FROM (VALUES ('entry', g.entered_at), ('exit', g.left_at)) AS seen (direction, at)
               WHERE seen.at IS NOT NULL AND NOT EXISTS (
                   SELECT FROM gate_events e
                   WHERE e.facility_id = g.facility_id AND e.plate_hash = g.plate_hash
                     AND e.happened_at BETWEEN seen.at AND seen.at + interval '2 minutes'
                     AND e.direction = seen.direction AND e.match IN ('exact', 'assigned') AND e.source <> 'self'
               )
           ) AS is_sure,
           (SELECT min(n.starts_at) FROM allow_list_rows n
            WHERE n.facility_id = o.facility_id AND n.plate_hash = o.plate_hash AND n.stay_id <> o.stay_id
              AND n.starts_at <= :until AND n.ends_at > o.leave_by
              AND (n.removed_at IS NULL OR n.removed_at > n.starts_at)) AS next_at
    FROM over o
    JOIN gate_sessions g ON g.facility_id = o.facility_id AND g.plate_hash = o.plate_hash
    WHERE (g.entered_at < least(o.leave_by, o.listed_until) OR g.state = 'no_entry' AND g.stay_id = o.stay_id)
      AND (g.left_at > o.leave_by OR g.state = 'open')
    ORDER BY o.leave_by, o.stay_id, g.began_at
"""
_LATE_OF_ALL = text(_LATE.format(chosen=""))
_LATE_OF_SOME = text(_LATE.format(chosen="AND r.stay_id = ANY(:stays)"))
_NO_SHOWS = text(f"""
    SELECT DISTINCT r.stay_id, s.household_id, r.facility_id, r.ends_at
    FROM allow_list_rows r JOIN stays s ON s.id = r.stay_id
    WHERE r.ends_at >= :since AND r.ends_at < :until AND s.state = 'confirmed'
      AND upper(s.during) = r.ends_at AND {_TELLS_OF_ITS_STAY}
      AND EXISTS (
          SELECT FROM gate_events e
          WHERE e.facility_id = r.facility_id AND e.happened_at BETWEEN r.starts_at AND r.ends_at
      )
      AND NOT EXISTS (
          SELECT FROM gate_sessions g JOIN allow_list_rows p ON p.plate_hash = g.plate_hash
          WHERE p.stay_id = r.stay_id AND g.facility_id = r.facility_id AND (
              p.removed_at IS NULL OR g.began_at < p.removed_at
          ) AND (
              g.stay_id = r.stay_id
              OR g.began_at < r.ends_at AND (g.state = 'open' OR g.left_at > r.starts_at)
          )
      )
    ORDER BY r.ends_at, r.stay_id
""")
_SPANS = text("""
    SELECT g.entered_at, COALESCE(g.left_at, CASE WHEN g.state = 'open' THEN CAST(:until AS timestamptz) END) AS left_at
    FROM gate_sessions g
    WHERE g.facility_id = :facility AND g.began_at < :until AND g.state IN ('open', 'closed')
      AND COALESCE(g.left_at, :until) > :since
""")


UNCLEAR_AFTER = timedelta(days=1)
"""Beyond this nobody is late without anybody having seen to it; see `LateExit.is_unclear`."""


@dataclass(frozen=True, slots=True)
class LateExit:
    """
    A car that stood on after its stay was over.

    Attributes
    ----------
    left_at
        None while it stands there still.
    late_until
        Until when it had no right to: it left, or its next stay began; None while neither has happened.
    entry_seen
        Without, nobody saw it come: that it was there when the stay ended is likely, not certain.
    is_sure
        What was seen of it rests on plates that were read exactly or assigned by a person, not on a reading that was
        corrected by a rule, nor on what a household said itself.
    """

    stay_id: int
    household_id: int
    facility_id: int
    gate_session_id: int
    leave_by: datetime
    left_at: datetime | None
    late_until: datetime | None
    entry_seen: bool
    is_sure: bool

    def is_unclear(self, now: datetime) -> bool:
        """
        Whether it seems to have stood there for more than a day too long.

        An exit and the next entry that the gate has missed both look just so: people have to look.
        """
        return (self.late_until or now) - self.leave_by > UNCLEAR_AFTER


@dataclass(frozen=True, slots=True)
class NoShow:
    """A stay that is over and that nobody came for, at a facility whose gate saw others meanwhile."""

    stay_id: int
    household_id: int
    facility_id: int
    ends_at: datetime


def late_exits(
    connection: Connection, *, since: datetime, until: datetime, stay_ids: Collection[int] | None = None
) -> list[LateExit]:
    """
    List cars that stood on after stays, or some stays, which ended in [since, until), by when they should have left.

    A stay that is given back while it lasts ends then. Whoever goes on with another stay at the same facility without a
    gap need not leave; whoever found somebody else on the bay has until its stay would have ended. Cars that came back
    without having been seen to leave are left out: when they left is not known. Who changes cars is judged by those
    that were listed while the stay lasted, whatever is listed now: a stay is there twice where two of them stood on.
    """
    with rights_of_worker(connection):
        if stay_ids is None:
            rows = connection.execute(_LATE_OF_ALL, {"since": since, "until": until}).all()
        else:
            rows = connection.execute(_LATE_OF_SOME, {"since": since, "until": until, "stays": list(stay_ids)}).all()
    return [
        LateExit(
            stay_id=row.stay_id,
            household_id=row.household_id,
            facility_id=row.facility_id,
            gate_session_id=row.gate_session_id,
            leave_by=row.leave_by,
            left_at=row.left_at,
            late_until=min((at for at in (row.left_at, row.next_at) if at is not None), default=None),
            entry_seen=row.entered_at is not None,
            is_sure=row.is_sure,
        )
        for row in rows
        if row.next_at is None or row.next_at > row.leave_by
    ]


def no_shows(connection: Connection, *, since: datetime, until: datetime) -> list[NoShow]:
    """List stays that ended in [since, until) and that nobody came for."""
    with rights_of_worker(connection):
        rows = connection.execute(_NO_SHOWS, {"since": since, "until": until}).all()
    return [NoShow(row.stay_id, row.household_id, row.facility_id, row.ends_at) for row in rows]


def occupancy_of(
    connection: Connection,
    facility_id: int,
    *,
    since: datetime,
    until: datetime,
    step: timedelta = timedelta(minutes=15),
) -> npt.NDArray[np.int64]:
    """
    Count the cars at a facility at since, since + step, … before `until`.

    Cars count from their entry to their exit, those that stand there still to `until`. Where one of the two was not
    seen the car does not count, so that a gate which misses some reads low.

    Returns
    -------
    numpy.ndarray
        Cars, (ceil((until − since) / step),).
    """
    with rights_of_worker(connection):
        rows = connection.execute(_SPANS, {"facility": facility_id, "since": since, "until": until}).all()
    at = np.arange(0, (until - since).total_seconds(), step.total_seconds())
    entered = np.sort([(row.entered_at - since).total_seconds() for row in rows])
    left = np.sort([(row.left_at - since).total_seconds() for row in rows])
    inside = np.searchsorted(entered, at, side="right") - np.searchsorted(left, at, side="right")
    return np.asarray(inside, dtype=np.int64)
