"""What the dates of the waitlist ask of the database: the lists, the record, and what was told before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from api.offers.deadlines import OFFER_LASTS, TAKEN_AS_DELIVERED_AFTER

_ROUND = text(
    "SELECT r.id, r.neighbourhood_id, r.published_at, lower(r.term) AS first, upper(r.term) - 1 AS last, n.country, "
    "n.timezone FROM rounds r JOIN neighbourhoods n ON n.id = r.neighbourhood_id WHERE r.id = :round"
)
_ROUNDS = text("SELECT id FROM rounds WHERE state IN ('published', 'active') ORDER BY id")
_ENTRIES = text(
    """
    SELECT e.id, e.household_id, a.days FROM waitlist_entries e JOIN applications a ON a.id = e.application_id
    WHERE e.round_id = :round AND e.state = 'waiting' AND e.joined_at <= :now
    ORDER BY e.tier, e.rounds_waited DESC, e.draw, e.id
    """
)
_OPTIONS = text(
    """
    SELECT o.entry_id, o.bay_group_id FROM waitlist_options o JOIN waitlist_entries e ON e.id = o.entry_id
    JOIN bay_groups g ON g.id = o.bay_group_id JOIN facilities f ON f.id = g.facility_id
    WHERE e.round_id = :round AND e.state = 'waiting' AND f.status = 'published' ORDER BY o.entry_id, o.bay_group_id
    """
)
_GROUPS = text(
    """
    SELECT g.id, g.facility_id FROM bay_groups g WHERE g.id IN (
        SELECT o.bay_group_id FROM waitlist_options o JOIN waitlist_entries e ON e.id = o.entry_id
        WHERE e.round_id = :round AND e.state = 'waiting'
    ) ORDER BY g.id
    """
)
_FREE = text(
    "SELECT bay_group_id, CAST(extract(isodow FROM night) AS int) - 1 AS weekday, min(bays - taken) AS free "
    "FROM ledger_nights WHERE bay_group_id = ANY(:groups) AND night > CAST(:today AS date) "
    "AND night <= CAST(:last AS date) AND bays > 0 GROUP BY 1, 2"
)
_PERMITS = text(
    # Of this round and to its end only: what another term's holders give up, and whoever stays until an owner takes the
    # bay back, frees no bay for this list.
    "SELECT p.bay_group_id, p.days FROM permits p JOIN applications a ON a.id = p.application_id "
    "WHERE a.round_id = :round AND p.state = 'active' AND p.bay_group_id = ANY(:groups) "
    "AND upper(p.term) > CAST(:last AS date) ORDER BY p.id"
)
_PENDING = text(
    """
    SELECT p.bay_group_id, p.days, o.source = 'waitlist' AS listed, o.made_at, o.expires_at
    FROM offers o JOIN permits p ON p.id = o.permit_id JOIN applications a ON a.id = p.application_id
    WHERE a.round_id = :round AND o.state = 'pending' AND p.bay_group_id = ANY(:groups) ORDER BY o.id
    """
)
_SEEN_OFFERS = text(
    # Whoever answers before anything is delivered has no expiry; without them, those quick to accept would be missing.
    """
    SELECT s.facility_id, s.listed, s.refused, extract(epoch FROM s.made_at - :now) / 86400 AS made_d,
           extract(epoch FROM s.decided_at - s.made_at) / extract(epoch FROM s.over_at - s.made_at) AS share
    FROM (
        SELECT o.id, g.facility_id, o.source = 'waitlist' AS listed, o.state <> 'accepted' AS refused, o.made_at,
               o.decided_at, coalesce(o.expires_at, o.made_at + :lasts) AS over_at
        FROM offers o JOIN permits p ON p.id = o.permit_id JOIN bay_groups g ON g.id = p.bay_group_id
        JOIN facilities f ON f.id = g.facility_id
        WHERE f.neighbourhood_id = :neighbourhood AND o.state IN ('accepted', 'declined', 'lapsed')
          AND o.made_at > :since
    ) s WHERE s.over_at <= :now ORDER BY s.id
    """
)
_SEEN_PERMITS = text(
    """
    SELECT s.facility_id, extract(epoch FROM least(s.from_at, s.to_at) - :now) / 86400 AS from_d,
           extract(epoch FROM s.to_at - :now) / 86400 AS to_d, s.ended
    FROM (
        SELECT p.id, g.facility_id,
               least(:now, greatest(o.decided_at, lower(p.term)::timestamp AT TIME ZONE n.timezone)) AS from_at,
               least(:now, p.ended_at, upper(p.term)::timestamp AT TIME ZONE n.timezone) AS to_at,
               coalesce(p.end_reason IN ('given_up', 'moved', 'strikes', 'ineligible'), false) AS ended
        FROM offers o JOIN permits p ON p.id = o.permit_id JOIN bay_groups g ON g.id = p.bay_group_id
        JOIN facilities f ON f.id = g.facility_id JOIN neighbourhoods n ON n.id = f.neighbourhood_id
        WHERE f.neighbourhood_id = :neighbourhood AND o.state = 'accepted' AND o.decided_at < :now
          AND upper(p.term) > CAST(:since AS date)
    ) s ORDER BY s.id
    """
)
_SEEN_WAITS = text(
    """
    SELECT extract(epoch FROM e.joined_at - :now) / 86400 AS from_d,
           least(0, extract(epoch FROM least(e.reached_at, e.ended_at, upper(r.term)) - :now) / 86400) AS to_d,
           e.state = 'left' AND e.reached_at IS NULL AS gone
    FROM waitlist_entries e JOIN rounds r ON r.id = e.round_id
    WHERE r.neighbourhood_id = :neighbourhood AND e.joined_at > :since AND e.joined_at < :now ORDER BY e.id
    """
)
_SEEN = text(
    """
    SELECT (SELECT count(*) FROM waitlist_releases w JOIN rounds r ON r.id = w.round_id
            WHERE r.neighbourhood_id = :neighbourhood AND w.cause NOT IN ('withdrawn', 'added')
              AND w.released_at > :since AND w.released_at <= :now) AS releases,
           (SELECT extract(epoch FROM :now - min(lower(r.term)::timestamp AT TIME ZONE n.timezone)) / 86400
            FROM rounds r JOIN neighbourhoods n ON n.id = r.neighbourhood_id
            WHERE r.neighbourhood_id = :neighbourhood AND r.published_at > :since AND r.published_at <= :now
           ) AS observed_d
    """
)
_NEWEST = text(
    "SELECT DISTINCT ON (d.entry_id) d.entry_id, (d.made_at AT TIME ZONE CAST(:zone AS text))::date AS made_on, "
    "d.half_by, d.most_by, d.not_before, d.why FROM date_estimates d JOIN waitlist_entries e ON e.id = d.entry_id "
    "WHERE e.round_id = :round AND e.state = 'waiting' ORDER BY d.entry_id, d.id DESC"
)
_TOLD = text(
    # Reached by the first offer after it was told: whoever lost a bay that was taken back waits again, and was reached.
    """
    SELECT (d.made_at AT TIME ZONE n.timezone)::date AS made_on, d.half_by, d.most_by,
           (SELECT (min(o.made_at) AT TIME ZONE n.timezone)::date FROM permits p JOIN offers o ON o.permit_id = p.id
            WHERE p.application_id = e.application_id AND o.source = 'waitlist' AND o.made_at > d.made_at) AS reached,
           least((e.ended_at AT TIME ZONE n.timezone)::date, (r.ended_at AT TIME ZONE n.timezone)::date,
                 upper(r.term) - 1) AS seen_until
    FROM date_estimates d JOIN waitlist_entries e ON e.id = d.entry_id JOIN rounds r ON r.id = e.round_id
    JOIN neighbourhoods n ON n.id = r.neighbourhood_id
    WHERE d.half_by IS NOT NULL AND d.made_at > :since
      AND r.neighbourhood_id = :neighbourhood AND (CAST(:round AS bigint) IS NULL OR r.id = :round) ORDER BY d.id
    """
)
_ADD = text(
    "INSERT INTO date_estimates (entry_id, made_at, position, half_by, most_by, not_before, why) "
    "SELECT w.entry, :now, w.position, w.half, w.most, w.earliest, w.why FROM unnest(CAST(:entry AS bigint[]), "
    "CAST(:position AS int[]), CAST(:half_by AS date[]), CAST(:most_by AS date[]), CAST(:not_before AS date[]), "
    "CAST(:why AS text[])) AS w (entry, position, half, most, earliest, why)"
)


def find_round(connection: Connection, round_id: int) -> Row[Any] | None:
    """Find a round with the clock of its neighbourhood."""
    return connection.execute(_ROUND, {"round": round_id}).one_or_none()


def list_running_rounds(connection: Connection) -> list[int]:
    """List the rounds that are published and not over."""
    return list(connection.scalars(_ROUNDS))


def zone_of(connection: Connection, neighbourhood_id: int) -> str:
    """Return the time zone of a neighbourhood."""
    query = text("SELECT timezone FROM neighbourhoods WHERE id = :id")
    return str(connection.execute(query, {"id": neighbourhood_id}).scalar_one())


def list_entries(connection: Connection, round_id: int, *, now: datetime) -> list[Row[Any]]:
    """List who waits in a round, best rank first."""
    return list(connection.execute(_ENTRIES, {"round": round_id, "now": now}))


def list_options(connection: Connection, round_id: int) -> list[Row[Any]]:
    """List (entry, bay group) of all who wait in a round, as far as the facility is still offered."""
    return list(connection.execute(_OPTIONS, {"round": round_id}))


def list_groups(connection: Connection, round_id: int) -> list[Row[Any]]:
    """List the bay groups that somebody waits for in a round."""
    return list(connection.execute(_GROUPS, {"round": round_id}))


def list_free(connection: Connection, groups: Sequence[int], *, today: date, last: date) -> list[Row[Any]]:
    """List how many bays of groups are free on every night of a weekday from tomorrow to the last."""
    return list(connection.execute(_FREE, {"groups": list(groups), "today": today, "last": last}))


def list_permits(connection: Connection, round_id: int, groups: Sequence[int], *, last: date) -> list[Row[Any]]:
    """List what permits of a round take of bay groups, as far as they last to its term's last day."""
    return list(connection.execute(_PERMITS, {"round": round_id, "groups": list(groups), "last": last}))


def list_pending(connection: Connection, round_id: int, groups: Sequence[int]) -> list[Row[Any]]:
    """List the offers of a round in bay groups that nobody has answered."""
    return list(connection.execute(_PENDING, {"round": round_id, "groups": list(groups)}))


def seen_offers(connection: Connection, neighbourhood_id: int, *, since: datetime, now: datetime) -> list[Row[Any]]:
    """List what became of the offers of a neighbourhood whose time is over, counted from when they were made."""
    values = {**_seen(neighbourhood_id, since, now), "lasts": TAKEN_AS_DELIVERED_AFTER + OFFER_LASTS}
    return list(connection.execute(_SEEN_OFFERS, values))


def seen_permits(connection: Connection, neighbourhood_id: int, *, since: datetime, now: datetime) -> list[Row[Any]]:
    """List how long permits have been in force, and whether they were given up."""
    return list(connection.execute(_SEEN_PERMITS, _seen(neighbourhood_id, since, now)))


def seen_waits(connection: Connection, neighbourhood_id: int, *, since: datetime, now: datetime) -> list[Row[Any]]:
    """List how long households have waited unreached, and whether they left."""
    return list(connection.execute(_SEEN_WAITS, _seen(neighbourhood_id, since, now)))


def how_much_was_seen(connection: Connection, neighbourhood_id: int, *, since: datetime, now: datetime) -> Row[Any]:
    """Return how many bays came free for lists, and days since the first term began."""
    return connection.execute(_SEEN, _seen(neighbourhood_id, since, now)).one()


def newest_estimates(connection: Connection, round_id: int, *, zone: str) -> dict[int, Row[Any]]:
    """Return what those who wait in a round were told last, by entry."""
    return {row.entry_id: row for row in connection.execute(_NEWEST, {"round": round_id, "zone": zone}).all()}


def list_told(
    connection: Connection, neighbourhood_id: int, *, since: datetime, round_id: int | None = None
) -> list[Row[Any]]:
    """List every pair of dates told, in order, with what became of the wait."""
    values = {"neighbourhood": neighbourhood_id, "since": since, "round": round_id}
    return list(connection.execute(_TOLD, values))


def add_estimates(connection: Connection, columns: Mapping[str, Sequence[Any]], *, now: datetime) -> None:
    """Store estimates."""
    connection.execute(_ADD, {**columns, "now": now})


def _seen(neighbourhood_id: int, since: datetime, now: datetime) -> dict[str, Any]:
    return {"neighbourhood": neighbourhood_id, "since": since, "now": now}
