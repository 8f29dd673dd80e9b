"""Entries and exits as devices send them: each once, in any order, matched to a car, and made into gate sessions."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row

from api.accounts.keys import Keys
from api.errors import ApiError
from api.gates import event_queries as queries
from api.gates.allow_list import refresh_allow_list
from api.gates.event_queries import NewEvent
from api.gates.gate_sessions import EARLY, FORGOTTEN_AFTER, UNSEEN_ENTRY, gate_sessions_of, stay_of
from api.gates.matching import PlateIndex, clean_reading, match_plate
from api.openings.permit_queries import rights_of_worker
from api.vehicles.plates import hash_plate, normalise_plate, open_plate, seal_plate
from api.webhooks.service import tell_owner

Source = Literal["gate", "file", "self", "code"]
Reason = Literal["from_the_future", "too_old", "other_content"]
AHEAD = timedelta(minutes=5)
"""So much a device's clock may be fast."""
KEPT = timedelta(days=90)
"""Movements are deleted after this, unless disputed; older ones are not taken."""
MENDED_WITHIN = timedelta(days=14)
"""So long can be changed whose car an event is of, and are strikes taken back that rest on it."""


class EventNotFound(ApiError):
    """No event of this id at a facility of one's own."""


class EventReviewed(ApiError):
    """An event whose plate was read exactly, or whose car was named, corrected or dismissed too long ago."""


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """A car as a device saw it; `name` is the device's own for this event, `at` aware."""

    name: str
    direction: str
    at: datetime
    plate: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class EventAnswer:
    """What became of an event: taken (now or before), or why not."""

    name: str
    refused: Reason | None


def record_events(
    connection: Connection,
    keys: Keys,
    facility_id: int,
    events: Sequence[SeenEvent],
    *,
    source: Source,
    device_id: int | None = None,
    now: datetime,
) -> list[EventAnswer]:
    """
    Take events of a facility, and bring the gate sessions of their plates up to date.

    An event that came before is answered as it was then; one of the same name with another content is refused, as are
    those from the future and those older than movements are kept. The others are taken all the same.
    """
    refresh_allow_list(connection, facility_id, now=now)  # nobody else takes events of this facility meanwhile
    with rights_of_worker(connection):
        names = {event.name for event in events}
        known = queries.known_events(connection, facility_id, names, device_id=device_id, source=source)
        answers, fresh = [], []
        for event in events:
            content = _content_of(keys, event)
            refused = _reason_against(event, content, known=known, now=now)
            answers.append(EventAnswer(event.name, refused))
            if refused is None and event.name not in known:
                known[event.name] = content
                fresh.append((event, content))
        if fresh:
            made = _matched(connection, keys, facility_id, fresh)
            queries.add_events(connection, facility_id, made, device_id=device_id, source=source, now=now)
            _rebuild(connection, facility_id, {e.plate_hash for e in made if e.plate_hash is not None}, now=now)
            unclear = sum(e.match == "unknown" for e in made)
            if unclear:
                facts = {"unclear": unclear, "received_at": now.isoformat()}
                tell_owner(connection, facility_id, "gate_review", facts, now=now)
    return answers


def rebuild_gate_sessions(
    connection: Connection, facility_id: int, hashes: Collection[bytes], *, now: datetime
) -> None:
    """Make the gate sessions of some plates at a facility anew from all their events."""
    refresh_allow_list(connection, facility_id, now=now)
    with rights_of_worker(connection):
        _rebuild(connection, facility_id, hashes, now=now)


def assign_event(
    connection: Connection, keys: Keys, event_id: int, *, plate: str, account_id: int | None, now: datetime
) -> None:
    """
    Say whose car an event is of, for the first time or otherwise than a person or the rule did within `MENDED_WITHIN`.

    Raises
    ------
    EventNotFound, EventReviewed
        There is no such event at a facility of one's own; its car is known and cannot be changed.
    PlateUnknown
        No known format.
    """
    normal = normalise_plate(plate)
    hashed, sealed = hash_plate(keys, normal), seal_plate(keys, normal)
    _review(connection, event_id, "assigned", plate_hash=hashed, plate_sealed=sealed, account_id=account_id, now=now)


def dismiss_event(connection: Connection, event_id: int, *, account_id: int | None, now: datetime) -> None:
    """Say that an event is none of a car that matters; raises as `assign_event`."""
    _review(connection, event_id, "dismissed", plate_hash=None, plate_sealed=None, account_id=account_id, now=now)


def mark_disputed(connection: Connection, stay_id: int, *, disputed: bool) -> int:
    """Keep the movements of a stay from being deleted while something about it is in dispute; return how many."""
    with rights_of_worker(connection):
        return queries.set_disputed(connection, stay_id, disputed=disputed)


def _review(
    connection: Connection,
    event_id: int,
    match: str,
    *,
    plate_hash: bytes | None,
    plate_sealed: bytes | None,
    account_id: int | None,
    now: datetime,
) -> None:
    event = queries.find_event(connection, event_id)
    if event is None:
        raise EventNotFound("no such event")
    refresh_allow_list(connection, event.facility_id, now=now)  # nobody else reviews events of this facility meanwhile
    with rights_of_worker(connection):
        before = queries.find_event(connection, event_id)
        if before is None or not queries.set_match(
            connection,
            event_id,
            match=match,
            plate_hash=plate_hash,
            plate_sealed=plate_sealed,
            account_id=account_id,
            since=now - MENDED_WITHIN,
            now=now,
        ):
            raise EventReviewed("its plate was read exactly, or it is too old")
        touched = {bytes(found) for found in (before.plate_hash, plate_hash) if found is not None}
        _rebuild(connection, event.facility_id, touched, now=now)


def _content_of(keys: Keys, event: SeenEvent) -> bytes:
    """Return what tells one content from another without telling the plate."""
    parts = (event.direction, event.at.astimezone(UTC).isoformat(), clean_reading(event.plate), repr(event.confidence))
    return hmac.digest(keys.plate_hash, b"gate event\0" + "\0".join(parts).encode("utf-8"), "sha256")


def _reason_against(event: SeenEvent, content: bytes, *, known: Mapping[str, bytes], now: datetime) -> Reason | None:
    if event.name in known:
        return None if hmac.compare_digest(known[event.name], content) else "other_content"
    if event.at > now + AHEAD:
        return "from_the_future"
    return "too_old" if event.at <= now - KEPT else None


def _matched(
    connection: Connection, keys: Keys, facility_id: int, fresh: Sequence[tuple[SeenEvent, bytes]]
) -> list[NewEvent]:
    """Find out whose cars were seen."""
    moments = [event.at for event, _ in fresh]
    listed = queries.listed_around(connection, facility_id, first=min(moments), last=max(moments))
    readings = {event.plate: clean_reading(event.plate) for event, _ in fresh}
    hashes = {reading: hash_plate(keys, reading) for reading in readings.values() if reading}
    registered = queries.registered_among(connection, hashes.values())
    # Plates are opened only where a reading is in doubt.
    rows: dict[str, list[Row[Any]]] = {}
    if not hashes.keys() <= {reading for reading, hashed in hashes.items() if hashed in registered}:
        rows = _rows_by_plate(keys, listed)
    index = PlateIndex(rows)
    made = []
    for event, content in fresh:
        reading = readings[event.plate]
        match = match_plate(
            reading,
            index,
            confidence=event.confidence,
            is_registered=hashes.get(reading) in registered,
            is_expected=lambda plate, at=event.at: any(_is_around(row, at) for row in rows[plate]),  # type: ignore[misc]
        )
        plate = match.plate or reading
        made.append(
            NewEvent(
                name=event.name,
                content=content,
                direction=event.direction,
                at=event.at,
                confidence=event.confidence,
                read_sealed=seal_plate(keys, reading) if reading else None,
                plate_hash=hash_plate(keys, plate) if plate else None,
                plate_sealed=seal_plate(keys, plate) if plate else None,
                match=match.how,
            )
        )
    return made


def _is_around(row: Row[Any], at: datetime) -> bool:
    """Tell whether a row of the list may be meant by an event at a moment."""
    return bool(
        row.starts_at - EARLY <= at < row.ends_at + UNSEEN_ENTRY
        and (row.removed_at is None or row.removed_at > at - UNSEEN_ENTRY)
    )


def _rows_by_plate(keys: Keys, listed: Sequence[Row[Any]]) -> dict[str, list[Row[Any]]]:
    """Open the plates of a list, each once."""
    by_hash: dict[bytes, list[Row[Any]]] = {}
    for row in listed:
        by_hash.setdefault(bytes(row.plate_hash), []).append(row)
    return {open_plate(keys, bytes(rows[0].plate_sealed)): rows for rows in by_hash.values()}


def _rebuild(connection: Connection, facility_id: int, hashes: Collection[bytes], *, now: datetime) -> None:
    passages, sealed = queries.passages_of(connection, facility_id, hashes)
    stays = queries.stays_of(connection, facility_id, hashes)
    made = {
        plate: [
            (seen, stay_of(seen, stays.get(plate, ()))) for seen in gate_sessions_of(passages.get(plate, ()), now=now)
        ]
        for plate in hashes
    }
    queries.put_gate_sessions(connection, facility_id, made, sealed=sealed)


def end_forgotten_gate_sessions(connection: Connection, *, now: datetime) -> int:
    """Take cars that were not seen to leave for so long as gone; return how many."""
    with rights_of_worker(connection):
        return queries.end_forgotten(connection, before=now - FORGOTTEN_AFTER)
