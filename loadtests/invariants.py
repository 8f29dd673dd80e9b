"""
What must hold in the database after any load, in plain SQL that shares nothing with the service.

Read as the database's own superuser: row-level security hides nothing. Each rule is one function that counts the rows
that break it; zero is the only good answer. Overlaps are looked for without indexes, so that a broken one cannot hide
what it let pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from sqlalchemy import Connection, text

_INDEX_WAYS = ("indexscan", "indexonlyscan", "bitmapscan")

_PAIRS = """
    SELECT count(*) FROM stays a JOIN stays b ON a.{key} = b.{key} AND a.id < b.id AND a.during && b.during
    WHERE a.state IN ('held', 'confirmed') AND b.state IN ('held', 'confirmed')
"""

_OUTSIDE = """
    SELECT count(*) FROM stays s
    WHERE s.kind = 'booking' AND s.state IN ('held', 'confirmed') AND NOT EXISTS (
        SELECT FROM bays b JOIN openings o ON o.bay_group_id = b.bay_group_id
        WHERE b.id = s.bay_id AND b.number BETWEEN o.first_number AND o.last_number
          AND s.during <@ o.during AND NOT isempty(s.during)
          AND lower(s.during) <@ o.starts AND upper(s.during) <@ o.ends
    )
"""

# The buffer comes off the bay groups in their order. However few of the groups before are open at a moment, a group
# keeps back at least what all their bays together leave of it; the numbers above the rest are never for sale.
_IN_BUFFER = """
    WITH offered AS (
        SELECT g.id, g.facility_id, g.position, coalesce(max(w.bays), 0) AS bays
        FROM bay_groups g LEFT JOIN share_windows w ON w.bay_group_id = g.id GROUP BY g.id
    ), for_sale AS (
        SELECT o.id, o.bays - greatest(0, f.buffer_bays - coalesce(sum(o.bays) OVER before, 0)) AS highest
        FROM offered o JOIN facilities f ON f.id = o.facility_id
        WINDOW before AS (
            PARTITION BY o.facility_id ORDER BY o.position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    )
    SELECT count(*) FROM stays s JOIN bays b ON b.id = s.bay_id JOIN for_sale g ON g.id = b.bay_group_id
    WHERE s.kind = 'booking' AND s.state IN ('held', 'confirmed') AND b.number > g.highest
"""

_LOST = """
    SELECT count(*) FROM unnest(CAST(:kept AS bigint[])) AS told(id)
    WHERE NOT EXISTS (
        SELECT FROM bookings b JOIN stays s ON s.id = b.stay_id
        WHERE s.id = told.id AND s.kind = 'booking' AND s.state = 'confirmed'
    )
"""

_STILL_THERE = """
    SELECT count(*) FROM unnest(CAST(:cancelled AS bigint[])) AS told(id) JOIN stays s USING (id)
    WHERE s.state NOT IN ('cancelled', 'given_back')
"""

_NOBODY_S = """
    SELECT count(*) FROM stays s
    WHERE s.kind = 'booking' AND s.state IN ('held', 'confirmed')
      AND (SELECT count(*) FROM bookings b WHERE b.stay_id = s.id AND b.household_id = s.household_id) <> 1
"""


@dataclass(frozen=True, slots=True)
class Told:
    """
    What the load generators were told, by booking id.

    Attributes
    ----------
    confirmed, cancelled
        Bookings that an answer called confirmed, and those that an answer called cancelled or given back.
    unsure
        Bookings that somebody asked to cancel, without hearing whether they are.
    unanswered
        Requests that may have confirmed or cancelled something without the answer being heard.
    """

    confirmed: frozenset[int]
    cancelled: frozenset[int] = frozenset()
    unsure: frozenset[int] = frozenset()
    unanswered: int = 0

    def __or__(self, other: Told) -> Told:
        """Put together what two generators heard."""
        return Told(
            self.confirmed | other.confirmed,
            self.cancelled | other.cancelled,
            self.unsure | other.unsure,
            self.unanswered + other.unanswered,
        )


@dataclass(frozen=True, slots=True)
class Broken:
    """Rows that break each rule; all zero where everything holds."""

    overlapping_on_bays: int
    overlapping_of_households: int
    lost: int
    cancelled_but_there: int
    outside_openings: int
    in_buffers: int
    without_booking: int
    unaccounted: int

    def any(self) -> bool:
        """Tell whether any rule is broken."""
        return any(getattr(self, field.name) for field in fields(self))


def check_invariants(connection: Connection, told: Told) -> Broken:
    """Count the rows that break each rule."""
    return Broken(
        overlapping_on_bays=overlapping_on_bays(connection),
        overlapping_of_households=overlapping_of_households(connection),
        lost=lost(connection, told),
        cancelled_but_there=cancelled_but_there(connection, told),
        outside_openings=outside_openings(connection),
        in_buffers=in_buffers(connection),
        without_booking=without_booking(connection),
        unaccounted=unaccounted(connection, told),
    )


def overlapping_on_bays(connection: Connection) -> int:
    """Count pairs of stays, held or confirmed, on one bay at one moment."""
    return _overlapping(connection, "bay_id")


def overlapping_of_households(connection: Connection) -> int:
    """Count pairs of stays, held or confirmed, of one household at one moment."""
    return _overlapping(connection, "household_id")


def lost(connection: Connection, told: Told) -> int:
    """Count bookings that somebody was told are confirmed, and not that they are cancelled, which are not there."""
    return _count(connection, _LOST, kept=told.confirmed - told.cancelled - told.unsure)


def cancelled_but_there(connection: Connection, told: Told) -> int:
    """Count bookings that somebody was told are cancelled and which still take a bay."""
    return _count(connection, _STILL_THERE, cancelled=told.cancelled)


def outside_openings(connection: Connection) -> int:
    """Count bookings on a bay, or at hours, that no opening covers: from entering to leaving."""
    return _count(connection, _OUTSIDE)


def in_buffers(connection: Connection) -> int:
    """Count bookings on bays that are numbered into what the owner keeps back, worked out from the windows alone."""
    return _count(connection, _IN_BUFFER)


def without_booking(connection: Connection) -> int:
    """Count stays that take a bay for a household which has no booking for it."""
    return _count(connection, _NOBODY_S)


def unaccounted(connection: Connection, told: Told) -> int:
    """
    Count by how much confirmed rows and answers differ.

    Nobody knows what became of a request without an answer: each may have added a row, or taken one away.
    """
    rows = _count(connection, "SELECT count(*) FROM stays WHERE kind = 'booking' AND state = 'confirmed'")
    heard = len(told.confirmed - told.cancelled)
    return max(0, abs(rows - heard) - told.unanswered)


def num_bookings_at(connection: Connection, facility: int) -> int:
    """Count the confirmed bookings at a facility."""
    query = """
        SELECT count(*) FROM stays s JOIN bays b ON b.id = s.bay_id JOIN bay_groups g ON g.id = b.bay_group_id
        WHERE g.facility_id = :facility AND s.kind = 'booking' AND s.state = 'confirmed'
    """
    return int(connection.execute(text(query), {"facility": facility}).scalar_one())


def _overlapping(connection: Connection, key: str) -> int:
    # The constraint's own index is what is under test; sorting and hashing read the rows themselves.
    for way in _INDEX_WAYS:
        connection.execute(text(f"SET LOCAL enable_{way} = off"))
    found = _count(connection, _PAIRS.format(key=key))
    for way in _INDEX_WAYS:
        connection.execute(text(f"SET LOCAL enable_{way} = on"))
    return found


def _count(connection: Connection, query: str, **ids: Iterable[int]) -> int:
    return int(connection.execute(text(query), {name: sorted(values) for name, values in ids.items()}).scalar_one())
