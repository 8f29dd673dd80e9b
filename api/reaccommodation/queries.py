"""What re-accommodation reads from the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, text

_HELD = text(
    """
    WITH held AS (
        SELECT p.id AS permit_id, CAST(NULL AS bigint) AS detour_id, p.bay_group_id, p.nights, p.walk_m,
               CAST(NULL AS datemultirange) AS evenings
        FROM permits p JOIN bay_groups g ON g.id = p.bay_group_id
        WHERE g.facility_id = :facility AND p.state IN ('offered', 'active') AND upper(p.term) > :since
        UNION ALL
        SELECT d.permit_id, d.id, d.bay_group_id, d.nights, d.walk_m, d.evenings
        FROM permit_detours d JOIN bay_groups g ON g.id = d.bay_group_id JOIN permits p ON p.id = d.permit_id
        WHERE g.facility_id = :facility AND p.state IN ('offered', 'active') AND upper(d.evenings) > :since
    )
    SELECT held.*, p.household_id, p.vehicle_id, p.state, p.created_at, lower(p.term) AS first,
           upper(p.term) - 1 AS last, p.days, p.arrive_min, p.leave_min, p.stay_through, p.days_left_out,
           p.monthly_price_cents, p.application_id, h.home_id, v.needs, v.height_m, a.tier, a.rounds_waited,
           a.max_walk_m, a.round_id, r.seed, COALESCE(r.policy, CAST(n.policy AS jsonb)) AS policy,
           (SELECT range_agg(d.evenings) FROM permit_detours d
            WHERE d.permit_id = p.id AND d.id IS DISTINCT FROM held.detour_id) AS away,
           (SELECT o.id FROM offers o WHERE o.permit_id = p.id) AS offer_id
    FROM held
    JOIN permits p ON p.id = held.permit_id
    JOIN households h ON h.id = p.household_id
    JOIN vehicles v ON v.id = p.vehicle_id
    JOIN bay_groups g ON g.id = held.bay_group_id
    JOIN facilities f ON f.id = g.facility_id
    JOIN neighbourhoods n ON n.id = f.neighbourhood_id
    LEFT JOIN applications a ON a.id = p.application_id
    LEFT JOIN rounds r ON r.id = a.round_id
    ORDER BY p.id, held.detour_id
    """
)
_WALKS = text(
    "SELECT w.home_id, w.facility_id, w.walk_m FROM walk_pairs w JOIN facilities f ON f.id = w.facility_id "
    "WHERE w.home_id = ANY(:homes) AND f.status = 'published' AND w.walk_m <= :most ORDER BY 1, 2"
)
_FREE = text(
    """
    SELECT l.bay_group_id, l.night, l.bays - l.taken AS free
    FROM ledger_nights l JOIN bay_groups g ON g.id = l.bay_group_id
    WHERE g.facility_id = ANY(:facilities) AND l.night BETWEEN :first AND :last AND l.taken < l.bays
      AND NOT EXISTS (
        SELECT FROM round_facilities t JOIN rounds r ON r.id = t.round_id
        WHERE t.facility_id = g.facility_id AND t.reserved AND t.term @> l.night
          AND r.state IN ('open', 'closed', 'allocating', 'in_review'))
    """
)
_LEDGER = text(
    "SELECT l.bay_group_id, l.night, l.bays, l.taken FROM ledger_nights l JOIN bay_groups g ON g.id = l.bay_group_id "
    "WHERE g.facility_id = :facility AND l.night >= :first ORDER BY 1, 2"
)
_PLACE = text(
    "SELECT f.id, f.code, f.status, f.neighbourhood_id, f.materialised_until, f.name, f.monthly_price_cents, "
    "f.no_movement_from_min AS still_from, f.no_movement_to_min AS still_to, "
    "n.timezone, n.country FROM facilities f JOIN neighbourhoods n ON n.id = f.neighbourhood_id WHERE f.id = ANY(:ids)"
)
_GROUPS = text("SELECT id FROM bay_groups WHERE facility_id = ANY(:ids) ORDER BY id")


def list_held(connection: Connection, facility_id: int, *, since: date) -> list[Row[Any]]:
    """List permits, offers and detours at a facility whose term does not end before a date, with whose they are."""
    return list(connection.execute(_HELD, {"facility": facility_id, "since": since}))


def walks_from(connection: Connection, home_ids: Iterable[int], *, most_m: float) -> dict[int, dict[int, int]]:
    """Return the metres to published facilities within a walk, by home and facility."""
    walks: dict[int, dict[int, int]] = {}
    for row in connection.execute(_WALKS, {"homes": sorted(set(home_ids)), "most": most_m}).all():
        walks.setdefault(row.home_id, {})[row.facility_id] = row.walk_m
    return walks


def free_nights(
    connection: Connection, facility_ids: Sequence[int], *, first: date, last: date
) -> dict[int, dict[date, int]]:
    """Return the bays that nobody has, by bay group and night; none while an open round keeps them."""
    free: dict[int, dict[date, int]] = {}
    values = {"facilities": list(facility_ids), "first": first, "last": last}
    for row in connection.execute(_FREE, values).all():
        free.setdefault(row.bay_group_id, {})[row.night] = row.free
    return free


def ledger_of(connection: Connection, facility_id: int, *, first: date) -> list[Row[Any]]:
    """List `bay_group_id`, `night`, `bays` and `taken` of a facility from a night on."""
    return list(connection.execute(_LEDGER, {"facility": facility_id, "first": first}))


def describe_facilities(connection: Connection, ids: Sequence[int]) -> dict[int, Row[Any]]:
    """Return what is to be known of facilities, by id."""
    return {row.id: row for row in connection.execute(_PLACE, {"ids": list(ids)}).all()}


def groups_of(connection: Connection, facility_ids: Sequence[int]) -> list[int]:
    """List the bay groups of facilities."""
    return list(connection.scalars(_GROUPS, {"ids": list(facility_ids)}))


_CANCEL = text(
    "UPDATE stays s SET state = CASE WHEN lower(s.during) <= :now AND upper(s.during) > :now THEN 'leaving' "
    "ELSE 'cancelled' END, ended_at = :now WHERE s.id = ANY(:ids) AND s.state = 'confirmed' "
    "RETURNING s.id"
)
_LOST_NIGHTS = text(
    """
    SELECT s.id FROM stays s JOIN bays b ON b.id = s.bay_id
    JOIN unnest(CAST(:permits AS bigint[]), CAST(:groups AS bigint[]), CAST(:evenings AS text[]))
      AS w (permit, g, evenings) ON w.permit = s.permit_id AND w.g = b.bay_group_id
    WHERE s.state = 'confirmed' AND s.night <@ CAST(w.evenings AS datemultirange) AND upper(s.during) > :after
    """
)


def cancel(connection: Connection, stay_ids: Iterable[int], *, now: datetime) -> set[int]:
    """End stays, those under way `leaving`; return those that their households have not ended themselves meanwhile."""
    return set(connection.scalars(_CANCEL, {"ids": sorted(stay_ids), "now": now}))


def those_leaving(connection: Connection, stay_ids: Iterable[int]) -> list[int]:
    """List those of some stays whose car has to leave."""
    query = text("SELECT id FROM stays WHERE id = ANY(:ids) AND state = 'leaving' ORDER BY id")
    return list(connection.scalars(query, {"ids": list(stay_ids)}))


def list_lost_stays(connection: Connection, lost: Sequence[tuple[int, int, str]], *, after: datetime) -> list[int]:
    """List the stays of (permit, bay group, evenings as a multirange) that end after a moment."""
    values = {
        "permits": [permit for permit, _, _ in lost],
        "groups": [group for _, group, _ in lost],
        "evenings": [evenings for _, _, evenings in lost],
        "after": after,
    }
    return list(connection.scalars(_LOST_NIGHTS, values))


def permits_of_stays(connection: Connection, stay_ids: Sequence[int]) -> set[int]:
    """Return the permits whose nights are among stays."""
    query = text("SELECT DISTINCT permit_id FROM stays WHERE id = ANY(:ids) AND permit_id IS NOT NULL")
    return set(connection.scalars(query, {"ids": list(stay_ids)}))
