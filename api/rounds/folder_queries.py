"""What a round's folder asks of the database; its tables come out as CSV, never as rows in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Row, text

from api.rounds.errors import RoundNotFound

DECISIONS, WALKS = "decisions.csv", "walks.csv"

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


def _quoted(column: str) -> str:
    """Return a text as COPY writes it into CSV."""
    needs = f"""{column} = '' OR {column} ~ '[",\n\r]'"""
    return f"""CASE WHEN {needs} THEN '"' || replace({column}, '"', '""') || '"' ELSE {column} END"""


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
# Lines as COPY writes CSV, but one text a home: half a million rows cost more to hand over than to find.
_WALKS = f"""
    WITH offered AS (SELECT f.id, {_quoted("f.code")} AS code FROM ({_OFFERED}) AS f),
    applied AS MATERIALIZED (
        SELECT h.id, {_quoted("h.code")} AS code FROM homes h WHERE h.id IN (SELECT a.home_id {_APPLIED})
    ),
    widest AS (
        SELECT GREATEST(
            (SELECT max(a.max_walk_m) {_APPLIED}),
            (SELECT COALESCE((r.policy->>'max_walk_m')::float, 500) FROM rounds r WHERE r.id = %(round)s)
        ) AS m
    ),
    near AS MATERIALIZED (
        SELECT w.home_id, array_agg(',' || o.code || ',' || w.walk_m ORDER BY w.walk_m, w.facility_id) AS ends
        FROM walk_pairs w JOIN offered o ON o.id = w.facility_id
        WHERE w.walk_m <= (SELECT m FROM widest) GROUP BY w.home_id
    ),
    nearest AS (
        SELECT h.id AS home_id, w.facility_id, w.walk_m
        FROM (SELECT id FROM applied h WHERE NOT EXISTS (SELECT FROM near n WHERE n.home_id = h.id)) AS h
        CROSS JOIN LATERAL (
            SELECT w.facility_id, w.walk_m FROM walk_pairs w
            WHERE w.home_id = h.id AND w.facility_id = ANY(ARRAY(SELECT id FROM offered))
            ORDER BY w.walk_m, w.facility_id LIMIT 1
        ) AS w
    )
    SELECT h.code || COALESCE(array_to_string(n.ends, E'\\n' || h.code), ',' || o.code || ',' || f.walk_m) || E'\\n'
    FROM applied h LEFT JOIN near n ON n.home_id = h.id LEFT JOIN nearest f ON f.home_id = h.id
    LEFT JOIN offered o ON o.id = f.facility_id
    WHERE n.home_id IS NOT NULL OR f.home_id IS NOT NULL ORDER BY h.id
"""
FILES = {"homes.csv": _HOMES, "demands.csv": _DEMANDS, DECISIONS: _DECISIONS, WALKS: _WALKS}
"""File → question; each answers the same rows in the same order whoever asks, as long as nothing changes."""


def get_settings(connection: Connection, round_id: int) -> Row[Any]:
    """Return what neighbourhood.toml says of a round, and the ids of its published facilities."""
    row = connection.execute(_SETTINGS, {"round": round_id}).one_or_none()
    if row is None:
        raise RoundNotFound("no such round")
    return row


def copy_out(connection: Connection, name: str, round_id: int, write: Callable[[bytes], object]) -> int:
    """Hand one of FILES to `write`, as CSV with a header; return how many rows, or homes with walks, it has."""
    # Tables are read whole: a plan that looks rows up one by one, made while a table was small, would take minutes.
    connection.execute(text("SELECT set_config('enable_nestloop', 'off', true)"))
    cursor, values = connection.connection.cursor(), {"round": round_id}
    if name == WALKS:
        write(b"home,facility,walk_m\n")
        for (lines,) in cursor.execute(FILES[name], values):
            write(lines.encode())
    else:
        with cursor.copy(f"COPY ({FILES[name]}) TO STDOUT (FORMAT csv, HEADER)", values) as rows:
            for part in rows:
                write(part)
    connection.execute(text("SELECT set_config('enable_nestloop', 'on', true)"))
    return int(cursor.rowcount)
