"""What the waitlist asks of the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from api.db.arrays import array_text

_JOIN = text(
    """
    INSERT INTO waitlist_entries (round_id, application_id, household_id, tier, rounds_waited, draw, joined_at)
    SELECT w.round, w.application, w.household, w.tier, w.waited, decode(w.draw, 'hex'), :now FROM unnest(
        CAST(:rounds AS bigint[]), CAST(:applications AS bigint[]), CAST(:households AS bigint[]),
        CAST(:tiers AS smallint[]), CAST(:waited AS int[]), CAST(:draws AS text[])
    ) AS w (round, application, household, tier, waited, draw)
    RETURNING id, application_id
    """
)
_ADD_OPTIONS = text(
    "INSERT INTO waitlist_options (entry_id, bay_group_id, walk_m) "
    "SELECT * FROM unnest(CAST(:entries AS bigint[]), CAST(:groups AS bigint[]), CAST(:walks AS int[])) "
    "ON CONFLICT (entry_id, bay_group_id) DO NOTHING"
)
_GROUPS = text(
    "SELECT g.id, g.code AS bay_group, g.kinds, g.facility_id, f.code AS facility, f.status, f.max_height_m, "
    "f.neighbourhood_id, n.country, n.timezone FROM bay_groups g JOIN facilities f ON f.id = g.facility_id "
    "JOIN neighbourhoods n ON n.id = f.neighbourhood_id WHERE g.id = ANY(:ids) ORDER BY g.id"
)
# The group's own list first: the database guesses few rows of lists that are new, and would look up the permits of all.
_WAITING = text(
    """
    WITH o AS MATERIALIZED (SELECT entry_id, walk_m FROM waitlist_options WHERE bay_group_id = :group),
    e AS MATERIALIZED (
        SELECT e.*, o.walk_m FROM o JOIN waitlist_entries e ON e.id = o.entry_id AND e.state = 'waiting'
    )
    SELECT e.id, e.application_id, e.household_id, e.walk_m, greatest(lower(r.term), held.until) AS term_first,
           upper(r.term) - 1 AS last, a.vehicle_id, a.height_m, a.needs, a.days, a.arrive_min, a.leave_min,
           a.stay_through
    FROM e JOIN rounds r ON r.id = e.round_id
    JOIN applications a ON a.id = e.application_id
    -- A permit that ends before the term, since its bay was taken back, leaves the rest of the term to be offered.
    CROSS JOIN LATERAL (
        SELECT max(upper(p.term)) AS until, COALESCE(bool_or(p.state = 'offered'), false) AS has_offer
        FROM permits p
        WHERE p.household_id = e.household_id AND p.state IN ('offered', 'active')
          AND p.term && (r.term * daterange(CAST(:first AS date), NULL))
    ) AS held
    WHERE r.state IN ('published', 'active')
      AND upper(r.term) > CAST(:first AS date)
      AND NOT held.has_offer AND (held.until IS NULL OR held.until < upper(r.term))
    ORDER BY lower(r.term), e.tier, e.rounds_waited DESC, e.draw, e.id
    """
)
_REACH = text(
    "UPDATE waitlist_entries SET state = 'offered', reached_at = :now WHERE id = :entry AND state = 'waiting'"
)
_NOTE_OFFERED = text(
    "UPDATE waitlist_releases SET offered_entry_id = :entry WHERE id = ("
    "SELECT id FROM waitlist_releases WHERE bay_group_id = :group AND offered_entry_id IS NULL AND round_id = ("
    "SELECT round_id FROM waitlist_entries WHERE id = :entry) ORDER BY id LIMIT 1)"
)
_PASS = text(
    "INSERT INTO waitlist_passes (offer_id, entry_id, bay_group_id, night, passed_at) "
    "SELECT :offer, w.entry, :group, w.night, :now "
    "FROM unnest(CAST(:entries AS bigint[]), CAST(:nights AS date[])) AS w (entry, night)"
)
_LEAVE = text(
    "UPDATE waitlist_entries SET state = 'left', ended_at = :now "
    "WHERE id = :entry AND household_id = :household AND state = 'waiting'"
)
_ENTRIES = text(
    """
    SELECT e.id, e.round_id, r.name AS round_name, e.application_id, e.tier, e.rounds_waited, e.state, e.joined_at,
           e.reached_at, e.ended_at, lower(r.term) AS first, upper(r.term) - 1 AS last, n.timezone,
           d.made_at, d.half_by, d.most_by, d.not_before, d.why
    FROM waitlist_entries e
    JOIN rounds r ON r.id = e.round_id
    JOIN neighbourhoods n ON n.id = r.neighbourhood_id
    LEFT JOIN LATERAL (
        SELECT * FROM date_estimates d WHERE d.entry_id = e.id ORDER BY d.id DESC LIMIT 1
    ) AS d ON true
    WHERE e.household_id = :household ORDER BY e.id DESC
    """
)
_POSITIONS = text(
    """
    SELECT o.bay_group_id, o.walk_m, g.code AS bay_group, f.id AS facility_id, f.name,
           (SELECT count(*) FROM waitlist_options other JOIN waitlist_entries b ON b.id = other.entry_id
            WHERE other.bay_group_id = o.bay_group_id AND b.round_id = e.round_id AND b.state = 'waiting'
              AND (b.tier, -b.rounds_waited, b.draw, b.id) < (e.tier, -e.rounds_waited, e.draw, e.id)) + 1 AS position,
           (SELECT count(*) FROM waitlist_options other JOIN waitlist_entries b ON b.id = other.entry_id
            WHERE other.bay_group_id = o.bay_group_id AND b.round_id = e.round_id AND b.state = 'waiting') AS waiting
    FROM waitlist_entries e
    JOIN waitlist_options o ON o.entry_id = e.id
    JOIN bay_groups g ON g.id = o.bay_group_id
    JOIN facilities f ON f.id = g.facility_id
    WHERE e.id = :entry AND e.state = 'waiting' ORDER BY o.walk_m, o.bay_group_id
    """
)
_PASSES = text(
    "SELECT w.passed_at, w.night, g.facility_id FROM waitlist_passes w JOIN bay_groups g ON g.id = w.bay_group_id "
    "WHERE w.entry_id = :entry "
    "ORDER BY w.passed_at DESC, w.offer_id DESC LIMIT :most"
)
_WAITING_OF = text(
    """
    SELECT e.id, e.household_id, e.round_id, a.id AS application_id, a.days, a.arrive_min, a.leave_min, a.stay_through,
           a.max_walk_m, a.needs, a.height_m, r.policy, lower(r.term) AS term_first, upper(r.term) - 1 AS last,
           (SELECT h.home_id FROM households h WHERE h.id = e.household_id) AS new_home_id
    FROM waitlist_entries e JOIN applications a ON a.id = e.application_id JOIN rounds r ON r.id = e.round_id
    WHERE e.household_id = ANY(:households) AND e.state = 'waiting'
      AND a.home_id <> (SELECT h.home_id FROM households h WHERE h.id = e.household_id)
    ORDER BY e.id
    """
)
_NEAR = text(
    """
    SELECT g.id, g.code AS bay_group, g.kinds, g.facility_id, f.code AS facility, f.max_height_m, f.neighbourhood_id,
           n.country, n.timezone, w.walk_m
    FROM round_facilities o
    JOIN facilities f ON f.id = o.facility_id AND f.status = 'published'
    JOIN walk_pairs w ON w.facility_id = f.id AND w.home_id = :home AND w.walk_m <= :limit_m
    JOIN neighbourhoods n ON n.id = f.neighbourhood_id
    JOIN bay_groups g ON g.facility_id = f.id
    WHERE o.round_id = :round AND NOT EXISTS (
        SELECT FROM round_decisions d WHERE d.application_id = :application AND d.decision = 'reject'
          AND COALESCE(d.facility_id, f.id) = f.id
    )
    ORDER BY w.walk_m, g.id
    """
)
_NEW_PAIRS = text(
    """
    SELECT e.id, g.id AS bay_group_id, g.kinds, f.max_height_m, f.neighbourhood_id, n.timezone, w.walk_m,
           a.days, a.arrive_min, a.leave_min, a.stay_through, a.needs, a.height_m,
           lower(r.term) AS term_first, upper(r.term) - 1 AS last
    FROM waitlist_entries e
    JOIN applications a ON a.id = e.application_id
    JOIN rounds r ON r.id = e.round_id AND r.state IN ('published', 'active')
    JOIN neighbourhoods n ON n.id = r.neighbourhood_id
    JOIN round_facilities o ON o.round_id = r.id
    JOIN facilities f ON f.id = o.facility_id AND f.status = 'published'
    JOIN walk_pairs w ON w.facility_id = f.id AND w.home_id = a.home_id
        AND w.walk_m <= COALESCE(a.max_walk_m, CAST(r.policy ->> 'max_walk_m' AS float), :limit_m)
    JOIN bay_groups g ON g.facility_id = f.id
    WHERE e.state IN ('waiting', 'offered')
      AND (CAST(:facilities AS bigint[]) IS NULL OR f.id = ANY(:facilities))
      AND (CAST(:applications AS bigint[]) IS NULL OR a.id = ANY(:applications))
      AND NOT EXISTS (SELECT FROM waitlist_options k WHERE k.entry_id = e.id AND k.bay_group_id = g.id)
      AND NOT EXISTS (
        SELECT FROM round_decisions d WHERE d.application_id = a.id AND d.decision = 'reject'
          AND COALESCE(d.facility_id, f.id) = f.id
      )
    ORDER BY f.neighbourhood_id, e.id, g.id
    """
)
_FORGET_OPTIONS = text("DELETE FROM waitlist_options WHERE entry_id = :entry")
_MOVE = text(
    "UPDATE applications SET home_id = :home WHERE id = (SELECT application_id FROM waitlist_entries WHERE id = :entry)"
)
_PERMITS = text("SELECT permit_id FROM offers WHERE id = ANY(:ids)")
_APPLICATIONS = text(
    "SELECT o.id, p.application_id FROM offers o JOIN permits p ON p.id = o.permit_id WHERE o.id = ANY(:ids)"
)
_LENGTHS = text(
    """
    SELECT f.id AS facility_id, f.name, g.id AS bay_group_id, g.code AS bay_group, r.id AS round_id,
           count(*) FILTER (WHERE e.state = 'waiting') AS waiting,
           count(*) FILTER (WHERE e.state = 'offered') AS offered,
           count(*) FILTER (WHERE e.state = 'served') AS served, count(*) FILTER (WHERE e.state = 'left') AS gone,
           (SELECT count(*) FROM waitlist_releases w WHERE w.bay_group_id = g.id AND w.round_id = r.id) AS releases
    FROM rounds r
    JOIN waitlist_entries e ON e.round_id = r.id
    JOIN waitlist_options o ON o.entry_id = e.id
    JOIN bay_groups g ON g.id = o.bay_group_id
    JOIN facilities f ON f.id = g.facility_id
    WHERE r.neighbourhood_id = :neighbourhood AND r.state IN ('published', 'active')
    GROUP BY r.id, f.id, g.id ORDER BY waiting DESC, f.id, g.id, r.id
    """
)


def add_entries(
    connection: Connection, columns: Mapping[str, Sequence[int]], draws: Sequence[bytes], *, now: datetime
) -> list[Row[Any]]:
    """Let applications wait; return the entries with their application."""
    values = {name: array_text(column) for name, column in columns.items()}
    hexes = "{" + ",".join(f'"{draw.hex()}"' for draw in draws) + "}"
    return list(connection.execute(_JOIN, {**values, "draws": hexes, "now": now}).all())


def add_options(connection: Connection, options: Sequence[tuple[int, int, int]]) -> None:
    """Store which bay groups would do: (entry, bay group, walk in metres)."""
    values = {
        "entries": array_text(entry for entry, _, _ in options),
        "groups": array_text(group for _, group, _ in options),
        "walks": array_text(walk for _, _, walk in options),
    }
    connection.execute(_ADD_OPTIONS, values)


def describe_groups(connection: Connection, bay_group_ids: Sequence[int]) -> list[Row[Any]]:
    """List bay groups with their facility and calendar."""
    return list(connection.execute(_GROUPS, {"ids": list(bay_group_ids)}))


def list_waiting(connection: Connection, bay_group_id: int, *, first: date) -> list[Row[Any]]:
    """
    List who waits for a bay group and has no place for all of its term's nights from one on, in the order to follow.

    `term_first` is the first day that a household has no place for: of the term, or after a permit that ends before it.
    """
    return list(connection.execute(_WAITING, {"group": bay_group_id, "first": first}))


def reach(connection: Connection, entry_id: int, *, bay_group_id: int, now: datetime) -> bool:
    """Note that an entry was reached, and which release it is for; False where it waits no more."""
    if not connection.execute(_REACH, {"entry": entry_id, "now": now}).rowcount:
        return False
    connection.execute(_NOTE_OFFERED, {"entry": entry_id, "group": bay_group_id})
    return True


def note_passes(
    connection: Connection, offer_id: int, passed: Mapping[int, date | None], *, bay_group_id: int, now: datetime
) -> None:
    """Record whom an offer passed over, and on which night there was no bay for them (None: hours, or height)."""
    if passed:
        values = {"entries": list(passed), "nights": list(passed.values()), "offer": offer_id, "now": now}
        values["group"] = bay_group_id
        connection.execute(_PASS, values)


def leave(connection: Connection, entry_id: int, *, household_id: int, now: datetime) -> bool:
    """Let a household leave the list while it waits; tell whether it did."""
    return bool(connection.execute(_LEAVE, {"entry": entry_id, "household": household_id, "now": now}).rowcount)


def list_entries(connection: Connection, household_id: int) -> list[Row[Any]]:
    """List the entries of a household with the newest date told, the newest first."""
    return list(connection.execute(_ENTRIES, {"household": household_id}))


def list_positions(connection: Connection, entry_id: int) -> list[Row[Any]]:
    """List the bay groups an entry waits for with its position in each, the nearest first."""
    return list(connection.execute(_POSITIONS, {"entry": entry_id}))


def list_passes(connection: Connection, entry_id: int, *, most: int) -> list[Row[Any]]:
    """List the times an entry was passed over, the newest first."""
    return list(connection.execute(_PASSES, {"entry": entry_id, "most": most}))


def permits_of(connection: Connection, offer_ids: Sequence[int]) -> list[int]:
    """Return the permits of offers."""
    return list(connection.scalars(_PERMITS, {"ids": list(offer_ids)}))


def offers_by_application(connection: Connection, offer_ids: Sequence[int]) -> dict[int | None, int]:
    """Return offers by the application that they are made for."""
    return {row.application_id: row.id for row in connection.execute(_APPLICATIONS, {"ids": list(offer_ids)})}


def list_waiting_of(connection: Connection, household_ids: Sequence[int]) -> list[Row[Any]]:
    """Return the entries of households that wait from another home, with what they asked for and where they live."""
    return list(connection.execute(_WAITING_OF, {"households": list(household_ids)}))


def list_groups_near(connection: Connection, entry: Row[Any], *, limit_m: float) -> list[Row[Any]]:
    """List the bay groups of an entry's round within a walk of its new home, the nearest first."""
    values = {"round": entry.round_id, "home": entry.new_home_id, "application": entry.application_id}
    return list(connection.execute(_NEAR, {**values, "limit_m": limit_m}))


def list_new_pairs(
    connection: Connection,
    *,
    facility_ids: Sequence[int] | None,
    application_ids: Sequence[int] | None,
    limit_m: float,
) -> list[Row[Any]]:
    """List entries with bay groups of their round within their walk that they do not wait for, by neighbourhood."""
    values = {
        "facilities": None if facility_ids is None else list(facility_ids),
        "applications": None if application_ids is None else list(application_ids),
    }
    return list(connection.execute(_NEW_PAIRS, {**values, "limit_m": limit_m}))


def replace_options(connection: Connection, entry_id: int, options: Sequence[tuple[int, int]], *, home_id: int) -> None:
    """Let an entry wait for other bay groups, from another home."""
    connection.execute(_MOVE, {"entry": entry_id, "home": home_id})
    connection.execute(_FORGET_OPTIONS, {"entry": entry_id})
    add_options(connection, [(entry_id, group, walk_m) for group, walk_m in options])


def list_lengths(connection: Connection, neighbourhood_id: int) -> list[Row[Any]]:
    """Count who waits for each bay group of a neighbourhood, by round."""
    return list(connection.execute(_LENGTHS, {"neighbourhood": neighbourhood_id}))
