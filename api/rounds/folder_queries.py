"""What a round's folder asks of the database; its tables come out as CSV, never as rows in Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, text

from api.db.whole import reading_whole_tables
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


def _line(columns: Mapping[str, str]) -> str:
    """Return a row as COPY writes it into CSV: where a column is NULL, there is nothing."""
    return " || ',' || ".join(f"COALESCE(CAST({column} AS text), '')" for column in columns.values()) + " || E'\\n'"


_APPLIED = "FROM applications a WHERE a.round_id = :round AND a.state = 'submitted'"
_OFFERED = (
    "SELECT f.id, f.code FROM round_facilities rf JOIN facilities f ON f.id = rf.facility_id"
    " WHERE rf.round_id = :round AND f.status = 'published'"
)
_HOME = {
    "id": _quoted("h.code"),
    "lon": "ST_X(h.geometry)",
    "lat": "ST_Y(h.geometry)",
    "estate": _quoted("h.estate"),
}
_HOMES = f"""
    SELECT count(*) AS number, string_agg({_line(_HOME)}, '' ORDER BY h.code COLLATE "C") AS lines
    FROM homes h WHERE h.id IN (SELECT a.home_id {_APPLIED})
"""
_DEMAND = {
    "id": "'h' || a.household_id",
    "home": _quoted("h.code"),
    "days": _quoted("a.days"),
    "arrive": "lpad(CAST(a.arrive_min / 60 AS text), 2, '0') || ':' || lpad(CAST(a.arrive_min % 60 AS text), 2, '0')",
    "leave": "lpad(CAST(a.leave_min / 60 AS text), 2, '0') || ':' || lpad(CAST(a.leave_min % 60 AS text), 2, '0')",
    "tier": "a.tier",
    "max_walk_m": "a.max_walk_m",
    "needs": _quoted("NULLIF(a.needs, '')"),
    "height_m": "a.height_m",
    "stay_through": "CASE WHEN a.stay_through THEN 'yes' END",
    "rounds_waited": "a.rounds_waited",
    "holds": _quoted("o.code"),
}
_DEMANDS = f"""
    WITH offered AS ({_OFFERED})
    SELECT count(*) AS number, string_agg({_line(_DEMAND)}, '' ORDER BY a.household_id) AS lines
    FROM (SELECT a.* {_APPLIED}) a JOIN homes h ON h.id = a.home_id
    LEFT JOIN offered o ON o.id = a.holds_facility_id
"""
# A word on a place that is not offered any more is void; without its place it would mean all of them.
_DECISION = {"demand": "'h' || a.household_id", "facility": _quoted("o.code"), "decision": "d.decision"}
_DECIDED = f"""
    WITH offered AS ({_OFFERED})
    SELECT count(*) AS number,
           string_agg({_line(_DECISION)}, '' ORDER BY a.household_id, o.code COLLATE "C" NULLS FIRST) AS lines
    FROM round_decisions d JOIN applications a ON a.id = d.application_id AND a.state = 'submitted'
    LEFT JOIN offered o ON o.id = d.facility_id
    WHERE d.round_id = :round AND (d.facility_id IS NULL OR o.id IS NOT NULL)
"""
# The ends of a home's lines are put together first: half a million rows cost more to write one by one than to find.
_WALK = ("home", "facility", "walk_m")
_WALKED = f"""
    WITH offered AS (SELECT f.id, {_quoted("f.code")} AS code FROM ({_OFFERED}) AS f),
    applied AS MATERIALIZED (
        SELECT h.id, {_quoted("h.code")} AS code FROM homes h WHERE h.id IN (SELECT a.home_id {_APPLIED})
    ),
    widest AS (
        SELECT GREATEST(
            (SELECT max(a.max_walk_m) {_APPLIED}),
            (SELECT COALESCE(CAST(r.policy->>'max_walk_m' AS float), 500) FROM rounds r WHERE r.id = :round)
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
    SELECT count(*) AS number, string_agg(
        h.code || COALESCE(array_to_string(n.ends, E'\\n' || h.code), ',' || o.code || ',' || f.walk_m) || E'\\n',
        '' ORDER BY h.id
    ) AS lines
    FROM applied h LEFT JOIN near n ON n.home_id = h.id LEFT JOIN nearest f ON f.home_id = h.id
    LEFT JOIN offered o ON o.id = f.facility_id
    WHERE n.home_id IS NOT NULL OR f.home_id IS NOT NULL
"""
FILES = {
    "homes.csv": (tuple(_HOME), text(_HOMES)),
    "demands.csv": (tuple(_DEMAND), text(_DEMANDS)),
    DECISIONS: (tuple(_DECISION), text(_DECIDED)),
    WALKS: (_WALK, text(_WALKED)),
}
"""File → header and question; each is answered by the same lines whoever asks, as long as nothing changes."""


def get_settings(connection: Connection, round_id: int) -> Row[Any]:
    """Return what neighbourhood.toml says of a round, and the ids of its published facilities."""
    row = connection.execute(_SETTINGS, {"round": round_id}).one_or_none()
    if row is None:
        raise RoundNotFound("no such round")
    return row


def lines_of(connection: Connection, name: str, round_id: int) -> tuple[int, bytes]:
    """Return how many rows, or homes with walks, one of FILES has, and the file: CSV with a header, in UTF-8."""
    header, question = FILES[name]
    with reading_whole_tables(connection):
        found = connection.execute(question, {"round": round_id}).one()
    return int(found.number), (",".join(header) + "\n" + (found.lines or "")).encode()
