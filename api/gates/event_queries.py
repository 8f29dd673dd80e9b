"""What gate events and gate sessions ask of the database."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from api.gates.gate_sessions import GateSession, ListedStay, Passage

_KNOWN = text("""
    SELECT name, content_hash FROM gate_events
    WHERE facility_id = :facility AND name = ANY(:names)
      AND (device_id = :device OR CAST(:device AS bigint) IS NULL AND device_id IS NULL AND source = :source)
""")
_ADD = text("""
    INSERT INTO gate_events (facility_id, device_id, source, name, content_hash, direction, happened_at, received_at,
        confidence, read_sealed, plate_hash, plate_sealed, match)
    VALUES (:facility, :device, :source, :name, :content, :direction, :at, :now, :confidence, :read_sealed, :plate_hash,
        :plate_sealed, :match)
    ON CONFLICT DO NOTHING
""")
_LISTED = text("""
    SELECT plate_hash, plate_sealed, stay_id, starts_at, ends_at, removed_at FROM allow_list_rows
    WHERE facility_id = :facility
      AND starts_at < CAST(:last AS timestamptz) + interval '2 hours'
      AND ends_at > CAST(:first AS timestamptz) - interval '24 hours'
      AND (removed_at IS NULL OR removed_at > starts_at - interval '2 hours')
    ORDER BY id
""")
_REGISTERED = text("SELECT plate_hash FROM vehicles WHERE plate_hash = ANY(:hashes) AND withdrawn_at IS NULL")
_PASSAGES = text("""
    SELECT plate_hash, direction, happened_at, plate_sealed FROM gate_events
    WHERE facility_id = :facility AND plate_hash = ANY(:hashes)
""")
_STAYS = text("""
    SELECT plate_hash, stay_id, starts_at, ends_at, removed_at FROM allow_list_rows
    WHERE facility_id = :facility AND plate_hash = ANY(:hashes) AND (removed_at IS NULL OR removed_at > starts_at)
""")
_PUT = text("""
    INSERT INTO gate_sessions (facility_id, plate_hash, plate_sealed, began_at, entered_at, left_at, state, stay_id)
    VALUES (:facility, :plate_hash, :plate_sealed, :began_at, :entered_at, :left_at, :state, :stay)
    ON CONFLICT (facility_id, plate_hash, began_at) DO UPDATE
    SET entered_at = excluded.entered_at, left_at = excluded.left_at, state = excluded.state, stay_id = excluded.stay_id
    WHERE (gate_sessions.entered_at, gate_sessions.left_at, gate_sessions.state, gate_sessions.stay_id)
        IS DISTINCT FROM (excluded.entered_at, excluded.left_at, excluded.state, excluded.stay_id)
""")
_CLEAR = text("""
    DELETE FROM gate_sessions g
    WHERE g.facility_id = :facility AND g.plate_hash = ANY(:hashes) AND NOT g.disputed AND NOT EXISTS (
        SELECT FROM jsonb_to_recordset(CAST(:kept AS jsonb)) k (plate TEXT, began TIMESTAMP WITH TIME ZONE)
        WHERE decode(k.plate, 'hex') = g.plate_hash AND k.began = g.began_at
    )
""")
_DISPUTE = text("""
    UPDATE gate_sessions g SET disputed = :disputed
    FROM allow_list_rows r
    WHERE r.stay_id = :stay AND g.facility_id = r.facility_id AND g.plate_hash = r.plate_hash
      AND (g.stay_id = :stay OR g.began_at < r.ends_at + interval '24 hours'
           AND COALESCE(g.left_at, r.ends_at) > r.starts_at - interval '2 hours')
""")
_END_FORGOTTEN = text("""
    UPDATE gate_sessions SET state = 'no_exit' WHERE state = 'open' AND entered_at < :before
""")
_REVIEW = text("""
    SELECT e.id, e.direction, e.happened_at, e.confidence, e.read_sealed, d.label AS device, e.match,
           CASE WHEN e.match <> 'unknown' THEN e.plate_sealed END AS plate_sealed
    FROM gate_events e LEFT JOIN gate_devices d ON d.id = e.device_id
    WHERE e.facility_id = :facility AND e.match = :match AND e.id < :before
      AND (e.match = 'unknown' OR e.happened_at > :since)
    ORDER BY e.id DESC LIMIT :limit
""")
_FIND = text("SELECT id, facility_id, plate_hash, match FROM gate_events WHERE id = :event")
_SET_MATCH = text("""
    UPDATE gate_events SET plate_hash = :plate_hash, plate_sealed = :plate_sealed, match = :match, reviewed_at = :now,
        reviewed_by = :account, read_sealed = CASE WHEN :match = 'assigned' THEN read_sealed END
    WHERE id = :event AND (match = 'unknown' OR match <> 'exact' AND happened_at > :since)
""")
_SESSIONS = """
    SELECT g.id, g.facility_id, f.name, n.timezone, g.entered_at, g.left_at, g.state, g.stay_id, b.number,
           y.code AS bay_group, s.household_id
    FROM gate_sessions g
    JOIN facilities f ON f.id = g.facility_id
    JOIN neighbourhoods n ON n.id = f.neighbourhood_id
    LEFT JOIN stays s ON s.id = g.stay_id
    LEFT JOIN bays b ON b.id = s.bay_id
    LEFT JOIN bay_groups y ON y.id = b.bay_group_id
"""
_SESSIONS_AT = text(
    f"{_SESSIONS} WHERE g.facility_id = :facility AND g.began_at < :until AND COALESCE(g.left_at, :until) >= :since"
    " ORDER BY g.began_at, g.id LIMIT :limit"
)
_SESSIONS_OF = text(f"{_SESSIONS} WHERE s.household_id = :household AND g.id < :before ORDER BY g.id DESC LIMIT :limit")
_FORGET = (
    text("""
        DELETE FROM gate_events e WHERE e.happened_at < :before AND NOT EXISTS (
            SELECT FROM gate_sessions g
            WHERE g.disputed AND g.facility_id = e.facility_id AND g.plate_hash = e.plate_hash
              AND e.happened_at BETWEEN g.began_at AND COALESCE(g.left_at, g.began_at)
        )
    """),
    text("DELETE FROM gate_sessions WHERE began_at < :before AND NOT disputed"),
    text("""
        DELETE FROM allow_list_rows r WHERE r.ends_at < :before AND NOT EXISTS (
            SELECT FROM gate_sessions g WHERE g.disputed AND g.stay_id = r.stay_id
        )
    """),
    text("DELETE FROM plates_off_list WHERE ends_at < :before"),
)


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event as it is stored."""

    name: str
    content: bytes
    direction: str
    at: datetime
    confidence: float | None
    read_sealed: bytes | None
    plate_hash: bytes | None
    plate_sealed: bytes | None
    match: str


def known_events(
    connection: Connection, facility_id: int, names: Collection[str], *, device_id: int | None, source: str
) -> dict[str, bytes]:
    """Return what is known by these names already: name → hash of the content."""
    values = {"facility": facility_id, "names": list(names), "device": device_id, "source": source}
    return {row.name: bytes(row.content_hash) for row in connection.execute(_KNOWN, values).all()}


def add_events(
    connection: Connection,
    facility_id: int,
    events: Iterable[NewEvent],
    *,
    device_id: int | None,
    source: str,
    now: datetime,
) -> None:
    """Store events; those that somebody has stored meanwhile are left alone."""
    shared = {"facility": facility_id, "device": device_id, "source": source, "now": now}
    rows = [{**shared, **{name: getattr(event, name) for name in NewEvent.__slots__}} for event in events]
    if rows:
        connection.execute(_ADD, rows)


def listed_around(connection: Connection, facility_id: int, *, first: datetime, last: datetime) -> Sequence[Row[Any]]:
    """Return rows of the list that events between two moments may belong to, also such as were removed meanwhile."""
    return connection.execute(_LISTED, {"facility": facility_id, "first": first, "last": last}).all()


def registered_among(connection: Connection, hashes: Collection[bytes]) -> set[bytes]:
    """Tell which plates stand for a household's car."""
    return {bytes(found) for found in connection.scalars(_REGISTERED, {"hashes": list(hashes)})}


def passages_of(
    connection: Connection, facility_id: int, hashes: Collection[bytes]
) -> tuple[dict[bytes, list[Passage]], dict[bytes, bytes]]:
    """Return the passages of plates at a facility, and a seal of each plate."""
    passages: dict[bytes, list[Passage]] = defaultdict(list)
    sealed: dict[bytes, bytes] = {}
    for row in connection.execute(_PASSAGES, {"facility": facility_id, "hashes": list(hashes)}).all():
        plate = bytes(row.plate_hash)
        passages[plate].append(Passage(row.happened_at, row.direction))
        sealed[plate] = bytes(row.plate_sealed)
    return passages, sealed


def stays_of(connection: Connection, facility_id: int, hashes: Collection[bytes]) -> dict[bytes, list[ListedStay]]:
    """Return the stays of plates at a facility as its list had them, without those called off before they began."""
    stays: dict[bytes, list[ListedStay]] = defaultdict(list)
    for row in connection.execute(_STAYS, {"facility": facility_id, "hashes": list(hashes)}).all():
        stays[bytes(row.plate_hash)].append(ListedStay(row.stay_id, row.starts_at, row.ends_at, row.removed_at))
    return stays


def put_gate_sessions(
    connection: Connection,
    facility_id: int,
    made: Mapping[bytes, Sequence[tuple[GateSession, int | None]]],
    *,
    sealed: Mapping[bytes, bytes],
) -> None:
    """Let these be all gate sessions of some plates at a facility; one that was there keeps its id."""
    kept = [
        {"plate": plate.hex(), "began": seen.began_at.isoformat()} for plate, parts in made.items() for seen, _ in parts
    ]
    connection.execute(_CLEAR, {"facility": facility_id, "hashes": list(made), "kept": json.dumps(kept)})
    rows = [
        {
            "facility": facility_id,
            "plate_hash": plate,
            "plate_sealed": sealed[plate],
            "began_at": seen.began_at,
            "entered_at": seen.entered_at,
            "left_at": seen.left_at,
            "state": seen.state,
            "stay": stay,
        }
        for plate, parts in made.items()
        for seen, stay in parts
    ]
    if rows:
        connection.execute(_PUT, rows)


def set_disputed(connection: Connection, stay_id: int, *, disputed: bool) -> int:
    """Note whether the gate sessions around a stay are in dispute; return how many these are."""
    return connection.execute(_DISPUTE, {"stay": stay_id, "disputed": disputed}).rowcount


def end_forgotten(connection: Connection, *, before: datetime) -> int:
    """Take cars that came before a moment and were never seen to leave for gone; return how many."""
    return connection.execute(_END_FORGOTTEN, {"before": before}).rowcount


def list_to_review(
    connection: Connection, facility_id: int, *, match: str, since: datetime, before: int, limit: int
) -> Sequence[Row[Any]]:
    """List events whose car is not known, or was found in another way than exactly since a moment, the newest first."""
    values = {"facility": facility_id, "match": match, "since": since, "before": before, "limit": limit}
    return connection.execute(_REVIEW, values).all()


def find_event(connection: Connection, event_id: int) -> Row[Any] | None:
    """Return an event of a facility of one's own."""
    return connection.execute(_FIND, {"event": event_id}).one_or_none()


def set_match(
    connection: Connection,
    event_id: int,
    *,
    match: str,
    plate_hash: bytes | None,
    plate_sealed: bytes | None,
    account_id: int | None,
    since: datetime,
    now: datetime,
) -> bool:
    """Write down whose car an event is of, as a person said; tell whether it waited for that, or has happened since."""
    values = {"event": event_id, "match": match, "plate_hash": plate_hash, "plate_sealed": plate_sealed}
    return connection.execute(_SET_MATCH, {**values, "account": account_id, "since": since, "now": now}).rowcount > 0


def list_gate_sessions(
    connection: Connection, facility_id: int, *, since: datetime, until: datetime, limit: int
) -> Sequence[Row[Any]]:
    """List a facility's gate sessions that touch a time."""
    values = {"facility": facility_id, "since": since, "until": until, "limit": limit}
    return connection.execute(_SESSIONS_AT, values).all()


def list_gate_sessions_of(connection: Connection, household_id: int, *, before: int, limit: int) -> Sequence[Row[Any]]:
    """List the gate sessions of a household's stays, the newest first."""
    return connection.execute(_SESSIONS_OF, {"household": household_id, "before": before, "limit": limit}).all()


def forget_movements(connection: Connection, *, before: datetime) -> dict[str, int]:
    """Delete movements from before a moment but for those in dispute; return how many rows of each table."""
    tables = ("gate_events", "gate_sessions", "allow_list_rows", "plates_off_list")
    return {
        table: connection.execute(statement, {"before": before}).rowcount
        for table, statement in zip(tables, _FORGET, strict=True)
    }
