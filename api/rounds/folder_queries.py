"""What a round's folder asks of the database; its tables come out as CSV, never as rows in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Row, text

from api.rounds.errors import RoundNotFound

DECISIONS = "decisions.csv"

_SETTINGS = text(
    """
    SELECT n.id AS neighbourhood_id, n.name, n.timezone, n.country, r.policy, r.seed, lower(r.term) AS first,
           upper(r.term) - 1 AS last, ARRAY(
               SELECT f.id FROM round_facilities rf JOIN facilities f ON f.id = rf.facility_id
               WHERE rf.round_id = r.id AND f.status = 'published'
           ) AS facility_ids
    FROM rounds r JOIN neighbourhoods n ON n.id = r.neighbourhood_id WHERE r.id = :round
    """
)
_APPLIED = "FROM applications a WHERE a.round_id = %(round)s AND a.state = 'submitted'"
_OFFERED = (
    "SELECT f.id, f.code FROM round_facilities rf JOIN facilities f ON f.id = rf.facility_id"
    " WHERE rf.round_id = %(round)s AND f.status = 'published'"
)
_HOMES = f"""
    SELECT h.code AS id, ST_X(h.geometry) AS lon, ST_Y(h.geometry) AS lat, h.estate
    FROM homes h WHERE h.id IN (SELECT a.home_id {_APPLIED}) ORDER BY h.code COLLATE "C"
"""
_DEMANDS = f"""
    WITH offered AS ({_OFFERED})
    SELECT 'h' || a.household_id AS id, h.code AS home, a.days,
           lpad((a.arrive_min / 60)::text, 2, '0') || ':' || lpad((a.arrive_min %% 60)::text, 2, '0') AS arrive,
           lpad((a.leave_min / 60)::text, 2, '0') || ':' || lpad((a.leave_min %% 60)::text, 2, '0') AS leave,
           a.tier, a.max_walk_m, NULLIF(a.needs, '') AS needs, a.height_m,
           CASE WHEN a.stay_through THEN 'yes' END AS stay_through, a.rounds_waited, o.code AS holds
    FROM (SELECT a.* {_APPLIED}) a JOIN homes h ON h.id = a.home_id
    LEFT JOIN offered o ON o.id = a.holds_facility_id ORDER BY a.household_id
"""
# A word on a place that is not offered any more is void; without its place it would mean all of them.
_DECISIONS = f"""
    WITH offered AS ({_OFFERED})
    SELECT 'h' || a.household_id AS demand, o.code AS facility, d.decision
    FROM round_decisions d JOIN applications a ON a.id = d.application_id AND a.state = 'submitted'
    LEFT JOIN offered o ON o.id = d.facility_id
    WHERE d.round_id = %(round)s AND (d.facility_id IS NULL OR o.id IS NOT NULL)
    ORDER BY a.household_id, o.code COLLATE "C" NULLS FIRST
"""
_WALKS = f"""
    WITH offered AS MATERIALIZED ({_OFFERED}),
    applied AS MATERIALIZED (
        SELECT h.id, h.code FROM homes h WHERE h.id IN (SELECT a.home_id {_APPLIED})
    ),
    widest AS (
        SELECT GREATEST(
            (SELECT max(a.max_walk_m) {_APPLIED}),
            (SELECT COALESCE((r.policy->>'max_walk_m')::float, 500) FROM rounds r WHERE r.id = %(round)s)
        ) AS m
    ),
    near AS MATERIALIZED (
        SELECT w.home_id, w.facility_id, w.walk_m
        FROM walk_pairs w JOIN offered o ON o.id = w.facility_id JOIN applied h ON h.id = w.home_id
        WHERE w.walk_m <= (SELECT m FROM widest)
    ),
    lonely AS MATERIALIZED (SELECT id FROM applied EXCEPT SELECT home_id FROM near),
    nearest AS (
        SELECT DISTINCT ON (w.home_id) w.home_id, w.facility_id, w.walk_m
        FROM walk_pairs w JOIN offered o ON o.id = w.facility_id JOIN lonely h ON h.id = w.home_id
        ORDER BY w.home_id, w.walk_m, w.facility_id
    )
    SELECT h.code AS home, o.code AS facility, w.walk_m FROM (TABLE near UNION ALL TABLE nearest) w
    JOIN offered o ON o.id = w.facility_id JOIN applied h ON h.id = w.home_id
    ORDER BY w.home_id, w.walk_m, w.facility_id
"""
FILES = {"homes.csv": _HOMES, "demands.csv": _DEMANDS, DECISIONS: _DECISIONS, "walks.csv": _WALKS}
"""File → question; each answers the same rows in the same order whoever asks, as long as nothing changes."""


def get_settings(connection: Connection, round_id: int) -> Row[Any]:
    """Return what neighbourhood.toml says of a round, and the ids of its published facilities."""
    row = connection.execute(_SETTINGS, {"round": round_id}).one_or_none()
    if row is None:
        raise RoundNotFound("no such round")
    return row


def copy_out(connection: Connection, question: str, round_id: int, write: Callable[[bytes], object]) -> int:
    """Hand the answer to a question to `write`, as CSV with a header; return how many rows it has."""
    # Tables are read whole: a plan that looks rows up one by one, made while a table was small, would take minutes.
    connection.execute(text("SELECT set_config('enable_nestloop', 'off', true)"))
    cursor = connection.connection.cursor()
    with cursor.copy(f"COPY ({question}) TO STDOUT (FORMAT csv, HEADER)", {"round": round_id}) as rows:
        for part in rows:
            write(bytes(part))
    connection.execute(text("SELECT set_config('enable_nestloop', 'on', true)"))
    return int(cursor.rowcount)
