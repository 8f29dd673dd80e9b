"""What the end of permits asks of the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, text

_GROUPS = text("SELECT DISTINCT bay_group_id FROM permits WHERE id = ANY(:ids) ORDER BY 1")
_LIVE = text(
    """
    SELECT p.id, p.household_id, p.application_id, p.bay_group_id, p.state, p.days, p.arrive_min, p.leave_min,
           p.stay_through, p.days_left_out, lower(p.term) AS first, upper(p.term) - 1 AS last,
           ARRAY(SELECT unnest(p.nights) AS run ORDER BY 1) AS runs,
           g.facility_id, f.neighbourhood_id, n.country, n.timezone
    FROM permits p JOIN bay_groups g ON g.id = p.bay_group_id JOIN facilities f ON f.id = g.facility_id
    JOIN neighbourhoods n ON n.id = f.neighbourhood_id
    WHERE p.id = ANY(:ids) AND p.state IN ('offered', 'active') ORDER BY p.id FOR UPDATE OF p
    """
)
_END = text(
    "UPDATE permits p SET state = 'ended', ended_at = :now, end_reason = COALESCE(p.end_reason, :reason), "
    "nights = CASE WHEN p.nights IS NULL THEN NULL ELSE CAST(w.nights AS datemultirange) END "
    "FROM unnest(CAST(:ids AS bigint[]), CAST(:nights AS text[])) AS w (id, nights) WHERE p.id = w.id"
)
_CANCEL = text(
    "UPDATE stays s SET state = 'cancelled', ended_at = :now "
    "FROM unnest(CAST(:ids AS bigint[]), CAST(:since AS date[])) AS w (id, since) "
    "WHERE s.permit_id = w.id AND s.night >= w.since AND s.state = 'confirmed' AND lower(s.during) > :now"
)
_LEAVE_OUT = text(
    "UPDATE permits SET days_left_out = CAST(:days AS date[]), nights = CAST(:nights AS datemultirange) "
    "WHERE id = :permit"
)
_WITHDRAW_OFFERS = text(
    "UPDATE offers SET state = 'withdrawn', decided_at = :now WHERE permit_id = ANY(:ids) AND state = 'pending'"
)
_LEAVE = text(
    "UPDATE waitlist_entries e SET state = 'left', ended_at = :now FROM permits p "
    "WHERE p.id = ANY(:ids) AND e.application_id = p.application_id AND e.state = 'offered' "
    # Whoever gives up what is left of a bay that is taken back may have an offer for the time after it.
    "AND NOT EXISTS (SELECT FROM permits o WHERE o.application_id = p.application_id AND o.state = 'offered')"
)
_RELEASE = text(
    "INSERT INTO waitlist_releases (round_id, bay_group_id, permit_id, cause, released_at) "
    "SELECT a.round_id, p.bay_group_id, p.id, :cause, :now FROM permits p "
    "JOIN applications a ON a.id = p.application_id "
    "WHERE p.id = ANY(:ids) ORDER BY p.id ON CONFLICT (permit_id) DO NOTHING"
)
_OVER = text(
    "SELECT p.id FROM permits p JOIN bay_groups g ON g.id = p.bay_group_id JOIN facilities f ON f.id = g.facility_id "
    "JOIN neighbourhoods n ON n.id = f.neighbourhood_id "
    "WHERE p.state IN ('offered', 'active') AND upper(p.term) <= (:now AT TIME ZONE n.timezone)::date "
    "ORDER BY p.id LIMIT :most"
)


def list_groups_of(connection: Connection, permit_ids: Sequence[int]) -> list[int]:
    """List the bay groups of permits."""
    return list(connection.scalars(_GROUPS, {"ids": list(permit_ids)}))


def lock_live_permits(connection: Connection, permit_ids: Sequence[int]) -> list[Row[Any]]:
    """Return those of some permits that are offered or in force, locked, with the runs of nights they take."""
    return list(connection.execute(_LIVE, {"ids": list(permit_ids)}))


def end(connection: Connection, kept: Mapping[int, str], *, reason: str, now: datetime) -> None:
    """End permits, each with the nights that stay taken, as a multirange."""
    connection.execute(_END, {"ids": list(kept), "nights": list(kept.values()), "reason": reason, "now": now})


def cancel_stays(connection: Connection, since: Mapping[int, date], *, now: datetime) -> int:
    """Cancel the stays of permits that have not begun, from a night on; return how many."""
    return connection.execute(_CANCEL, {"ids": list(since), "since": list(since.values()), "now": now}).rowcount


def leave_out(connection: Connection, permit_id: int, *, days: Sequence[date], nights: str) -> None:
    """Say which days are left out of a permit, and which nights it takes from the ledger, as a multirange."""
    connection.execute(_LEAVE_OUT, {"permit": permit_id, "days": list(days), "nights": nights})


def withdraw_offers(connection: Connection, permit_ids: Sequence[int], *, now: datetime) -> None:
    """Take back the offers of permits that nobody has answered."""
    connection.execute(_WITHDRAW_OFFERS, {"ids": list(permit_ids), "now": now})


def end_entries(connection: Connection, permit_ids: Sequence[int], *, now: datetime) -> None:
    """Let those who were offered permits from a list leave it: no offer waits any more that they could answer."""
    connection.execute(_LEAVE, {"ids": list(permit_ids), "now": now})


def record_releases(connection: Connection, permit_ids: Sequence[int], *, cause: str, now: datetime) -> None:
    """Record that the bays of permits came free for the waitlist; those of no round have none."""
    connection.execute(_RELEASE, {"ids": list(permit_ids), "cause": cause, "now": now})


def list_over(connection: Connection, *, most: int, now: datetime) -> list[int]:
    """List the permits and offers whose term is over, at most so many."""
    return list(connection.scalars(_OVER, {"now": now, "most": most}))
