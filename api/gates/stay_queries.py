"""What a household's stay at a gate asks of the database: codes, checks, and a bay that somebody else is on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

_STAY = text("""
    SELECT s.id, s.household_id, s.state, s.kind, s.bay_id, s.ended_at, lower(s.during) AS starts_at,
           upper(s.during) AS ends_at, g.facility_id, f.name, n.timezone, g.code AS bay_group, b.number
    FROM stays s JOIN bays b ON b.id = s.bay_id JOIN bay_groups g ON g.id = b.bay_group_id
    JOIN facilities f ON f.id = g.facility_id JOIN neighbourhoods n ON n.id = f.neighbourhood_id
    WHERE s.id = :stay
""")
_CAR = text(
    "SELECT id, plate_sealed, height_m, needs FROM vehicles WHERE household_id = :household AND withdrawn_at IS NULL"
)
_INSIDE = text("""
    SELECT g.plate_sealed FROM allow_list_rows r
    JOIN gate_sessions g ON g.facility_id = r.facility_id AND g.plate_hash = r.plate_hash
    WHERE r.stay_id = :stay AND g.state = 'open' AND (r.removed_at IS NULL OR g.entered_at < r.removed_at)
    ORDER BY g.entered_at DESC LIMIT 1
""")
_CONTACT = text("SELECT name, phone FROM facility_contacts WHERE facility_id = :facility")
_SET_CONTACT = text("""
    INSERT INTO facility_contacts (facility_id, name, phone) VALUES (:facility, :name, :phone)
    ON CONFLICT (facility_id) DO UPDATE SET name = excluded.name, phone = excluded.phone
""")
_HAS_GATE = text("""
    SELECT EXISTS (SELECT FROM gate_devices WHERE facility_id = :facility AND kind = 'gate' AND revoked_at IS NULL)
""")
_LOCK_HOUSEHOLD = text("SELECT pg_advisory_xact_lock(1, hashint8(:household))")
_LOCK_DEVICE = text("SELECT pg_advisory_xact_lock(7, hashint8(:device))")
_CODES_MADE = text("""
    SELECT made_at FROM gate_codes WHERE household_id = :household AND made_at > :since ORDER BY made_at DESC
""")
_END_CODES = text(
    "UPDATE gate_codes SET expires_at = greatest(made_at, :now) WHERE stay_id = :stay AND expires_at > :now"
)
_ADD_CODE = text("""
    INSERT INTO gate_codes (stay_id, household_id, facility_id, code_hash, made_at, expires_at)
    VALUES (:stay, :household, :facility, :code_hash, :now, :expires_at)
""")
_LIVE_CODES = text("""
    SELECT id, stay_id, household_id, code_hash, entry_used_at, exit_used_at FROM gate_codes
    WHERE facility_id = :facility AND expires_at > :now ORDER BY id
""")
_USE_CODE = text("""
    UPDATE gate_codes SET
        entry_used_at = CASE WHEN :direction = 'entry' THEN :now ELSE entry_used_at END,
        exit_used_at = CASE WHEN :direction = 'exit' THEN :now ELSE exit_used_at END
    WHERE id = :code
""")
_CHECKED = text("""
    SELECT at FROM gate_checks
    WHERE device_id = :device AND kind = :kind AND at > :since AND (:kind = 'plate' OR NOT allowed) ORDER BY at DESC
""")
_NOTE_CHECK = text("""
    INSERT INTO gate_checks (device_id, facility_id, kind, allowed, at)
    VALUES (:device, :facility, :kind, :allowed, :now)
""")
_ALLOWED_UNTIL = text("""
    SELECT max(ends_at) FROM allow_list_rows
    WHERE facility_id = :facility AND plate_hash = :plate AND removed_version IS NULL
      AND starts_at <= :now AND ends_at > :now
""")
_CHECKED_IN = text("""
    SELECT direction, happened_at FROM gate_events
    WHERE facility_id = :facility AND source = 'self' AND name = ANY(:names)
""")
_FORGET = (
    text("DELETE FROM gate_codes WHERE expires_at < :before"),
    text("DELETE FROM gate_checks WHERE at < :before"),
)


def find_stay(connection: Connection, stay_id: int) -> Row[Any] | None:
    """Return a stay with its place."""
    return connection.execute(_STAY, {"stay": stay_id}).one_or_none()


def find_car(connection: Connection, household_id: int) -> Row[Any] | None:
    """Return the car a household has now."""
    return connection.execute(_CAR, {"household": household_id}).one_or_none()


def plate_inside(connection: Connection, stay_id: int) -> bytes | None:
    """Return the sealed plate of the car that came in for a stay and stands there, whichever the household has now."""
    found = connection.scalar(_INSIDE, {"stay": stay_id})
    return None if found is None else bytes(found)


def find_contact(connection: Connection, facility_id: int) -> Row[Any] | None:
    """Return whom to call at a facility."""
    return connection.execute(_CONTACT, {"facility": facility_id}).one_or_none()


def set_contact(connection: Connection, facility_id: int, *, name: str, phone: str) -> None:
    """Write down whom to call at a facility."""
    connection.execute(_SET_CONTACT, {"facility": facility_id, "name": name, "phone": phone})


def has_gate(connection: Connection, facility_id: int) -> bool:
    """Tell whether a gate notes who comes to a facility and goes."""
    return bool(connection.scalar(_HAS_GATE, {"facility": facility_id}))


def lock_household(connection: Connection, household_id: int) -> None:
    """Let one request of a household at a time take or give back bays, or ask for codes."""
    connection.execute(_LOCK_HOUSEHOLD, {"household": household_id})


def lock_device(connection: Connection, device_id: int) -> None:
    """Let one check of a device at a time be counted."""
    connection.execute(_LOCK_DEVICE, {"device": device_id})


def codes_made(connection: Connection, household_id: int, *, since: datetime) -> list[datetime]:
    """List when a household asked for codes, the newest first."""
    return list(connection.scalars(_CODES_MADE, {"household": household_id, "since": since}))


def replace_code(
    connection: Connection, stay: Row[Any], *, code_hash: bytes, now: datetime, lasts: timedelta
) -> datetime:
    """Make a stay's code the only one it has; return when it runs out."""
    expires_at = now + lasts
    connection.execute(_END_CODES, {"stay": stay.id, "now": now})
    values = {"stay": stay.id, "household": stay.household_id, "facility": stay.facility_id, "code_hash": code_hash}
    connection.execute(_ADD_CODE, {**values, "now": now, "expires_at": expires_at})
    return expires_at


def live_codes(connection: Connection, facility_id: int, *, now: datetime) -> Sequence[Row[Any]]:
    """List a facility's codes that have not run out."""
    return connection.execute(_LIVE_CODES, {"facility": facility_id, "now": now}).all()


def use_code(connection: Connection, code_id: int, *, direction: str, now: datetime) -> None:
    """Note that a code has let a car through."""
    connection.execute(_USE_CODE, {"code": code_id, "direction": direction, "now": now})


def checks_made(connection: Connection, device_id: int, *, kind: str, since: datetime) -> list[datetime]:
    """List when a device asked for plates, or tried codes that were wrong, the newest first."""
    return list(connection.scalars(_CHECKED, {"device": device_id, "kind": kind, "since": since}))


def note_check(
    connection: Connection, device_id: int, facility_id: int, *, kind: str, allowed: bool, now: datetime
) -> None:
    """Write down that a device asked, and whether it may let through."""
    values = {"device": device_id, "facility": facility_id, "kind": kind, "allowed": allowed, "now": now}
    connection.execute(_NOTE_CHECK, values)


def allowed_until(connection: Connection, facility_id: int, plate: bytes, *, now: datetime) -> datetime | None:
    """Return until when a plate may stand at a facility, None where it may not."""
    until: datetime | None = connection.scalar(_ALLOWED_UNTIL, {"facility": facility_id, "plate": plate, "now": now})
    return until


def checked_in(connection: Connection, facility_id: int, names: Sequence[str]) -> dict[str, datetime]:
    """Return when a household said it came and went: direction → moment."""
    rows = connection.execute(_CHECKED_IN, {"facility": facility_id, "names": list(names)})
    return {row.direction: row.happened_at for row in rows}


def forget_codes_and_checks(connection: Connection, *, before: datetime) -> dict[str, int]:
    """Delete codes and checks from before a moment; return how many rows of each table."""
    return {
        table: connection.execute(statement, {"before": before}).rowcount
        for table, statement in zip(("gate_codes", "gate_checks"), _FORGET, strict=True)
    }
