"""What the allow-list asks of the database, and what it writes there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

_MAKE = text("INSERT INTO allow_lists (facility_id) VALUES (:facility) ON CONFLICT DO NOTHING")
_LOCK = text("SELECT version FROM allow_lists WHERE facility_id = :facility FOR UPDATE")
_DIFFERS = text("""
    SELECT EXISTS (
        SELECT FROM allowed_stays(:facility, :now) w
        FULL JOIN (
            SELECT * FROM allow_list_rows
            WHERE facility_id = :facility AND removed_version IS NULL
              AND ends_at > CAST(:now AS timestamptz) - interval '2 days'
        ) r ON r.stay_id = w.stay_id AND r.bay_id = w.bay_id AND r.plate_hash = w.plate_hash
            AND r.starts_at = w.starts_at AND r.ends_at = w.ends_at
        WHERE w.stay_id IS NULL OR r.stay_id IS NULL
    )
""")
_REMOVE = text("""
    UPDATE allow_list_rows r SET removed_version = :version, removed_at = :now
    WHERE r.facility_id = :facility AND r.removed_version IS NULL
      AND r.ends_at > CAST(:now AS timestamptz) - interval '2 days'
      AND (r.stay_id, r.bay_id, r.plate_hash, r.starts_at, r.ends_at) NOT IN (
          SELECT w.stay_id, w.bay_id, w.plate_hash, w.starts_at, w.ends_at FROM allowed_stays(:facility, :now) w
      )
""")
_ADD = text("""
    INSERT INTO allow_list_rows (facility_id, stay_id, bay_id, kind, plate_hash, plate_sealed, starts_at, ends_at,
        added_version)
    SELECT :facility, w.stay_id, w.bay_id, w.kind, w.plate_hash, w.plate_sealed, w.starts_at, w.ends_at, :version
    FROM allowed_stays(:facility, :now) w
    WHERE w.stay_id NOT IN (
        SELECT r.stay_id FROM allow_list_rows r
        WHERE r.facility_id = :facility AND r.removed_version IS NULL
          AND r.ends_at > CAST(:now AS timestamptz) - interval '2 days'
    )
    ORDER BY w.starts_at, w.stay_id
    ON CONFLICT (stay_id) WHERE removed_version IS NULL DO NOTHING
""")
_SET_VERSION = text("UPDATE allow_lists SET version = :version WHERE facility_id = :facility")
_ROWS = text("""
    SELECT r.id, r.plate_sealed, r.starts_at, r.ends_at, r.kind, g.code AS bay_group, b.number
    FROM allow_list_rows r JOIN bays b ON b.id = r.bay_id JOIN bay_groups g ON g.id = b.bay_group_id
    WHERE r.facility_id = :facility AND r.removed_version IS NULL AND r.added_version > :since AND r.ends_at > :now
    ORDER BY r.starts_at, r.id
""")
_REMOVED = text("""
    SELECT r.id FROM allow_list_rows r
    WHERE r.facility_id = :facility AND (r.added_version <= :since OR :came_and_went) AND r.removed_version > :since
      AND r.ends_at > :now
    ORDER BY r.id
""")
_NOTE = text("""
    INSERT INTO allow_list_exports (facility_id, device_id, account_id, way, version, num_rows, at)
    VALUES (:facility, :device, :account, :way, :version, :rows, :now)
""")
_EXPORTS = text("""
    SELECT e.id, e.at, e.way, e.version, e.num_rows, e.device_id, d.label AS device, e.account_id
    FROM allow_list_exports e LEFT JOIN gate_devices d ON d.id = e.device_id
    WHERE e.facility_id = :facility ORDER BY e.id DESC LIMIT :limit
""")
_WITH_GATES = text("""
    SELECT d.facility_id FROM gate_devices d WHERE d.revoked_at IS NULL
    UNION SELECT l.facility_id FROM allow_lists l ORDER BY 1
""")
_OFF_LIST = text("""
    INSERT INTO plates_off_list (household_id, starts_at, ends_at, reason)
    VALUES (:household, :starts_at, :ends_at, :reason) RETURNING id
""")
_BACK_ON_LIST = text("""
    UPDATE plates_off_list SET ends_at = greatest(starts_at, CAST(:now AS timestamptz))
    WHERE household_id = :household AND ends_at > :now
""")
_PLACE = text("""
    SELECT f.id, f.code, f.name, n.timezone FROM facilities f JOIN neighbourhoods n ON n.id = f.neighbourhood_id
    WHERE f.id = :facility
""")
_PLACE_NAMED = text("""
    SELECT f.id, f.code, f.name, n.timezone FROM facilities f JOIN neighbourhoods n ON n.id = f.neighbourhood_id
    WHERE n.slug = :neighbourhood AND f.code = :code
""")


def find_place_named(connection: Connection, neighbourhood: str, code: str) -> Row[Any] | None:
    """Return a facility by its neighbourhood's name in addresses and its own id."""
    return connection.execute(_PLACE_NAMED, {"neighbourhood": neighbourhood, "code": code}).one_or_none()


def lock_list(connection: Connection, facility_id: int) -> int:
    """Keep others from changing a facility's list until the transaction ends; return the version it has."""
    connection.execute(_MAKE, {"facility": facility_id})
    return int(connection.execute(_LOCK, {"facility": facility_id}).scalar_one())


def bring_up_to_date(connection: Connection, facility_id: int, *, version: int, now: datetime) -> int:
    """Write what has changed since the list's version as the next one; return the version it has then."""
    values = {"facility": facility_id, "version": version + 1, "now": now}
    if not connection.scalar(_DIFFERS, values):
        return version
    changed = connection.execute(_REMOVE, values).rowcount + connection.execute(_ADD, values).rowcount
    if not changed:
        return version
    connection.execute(_SET_VERSION, values)
    return version + 1


def list_rows(connection: Connection, facility_id: int, *, since: int, now: datetime) -> Sequence[Row[Any]]:
    """List rows in force that came after a version and are not over."""
    return connection.execute(_ROWS, {"facility": facility_id, "since": since, "now": now}).all()


def list_removed(
    connection: Connection, facility_id: int, *, since: int, came_and_went: bool, now: datetime
) -> list[int]:
    """
    List the ids of rows that were in force in a version and are no more, though their time is not over.

    Parameters
    ----------
    came_and_went
        Also those that came after the version.
    """
    values = {"facility": facility_id, "since": since, "came_and_went": came_and_went, "now": now}
    return list(connection.scalars(_REMOVED, values))


def note_export(
    connection: Connection,
    facility_id: int,
    *,
    way: str,
    version: int,
    num_rows: int,
    now: datetime,
    device_id: int | None = None,
    account_id: int | None = None,
) -> None:
    """Write down that somebody took a list away."""
    values = {"facility": facility_id, "way": way, "version": version, "rows": num_rows, "now": now}
    connection.execute(_NOTE, {**values, "device": device_id, "account": account_id})


def list_exports(connection: Connection, facility_id: int, *, limit: int) -> Sequence[Row[Any]]:
    """List who took a facility's list away, the newest first."""
    return connection.execute(_EXPORTS, {"facility": facility_id, "limit": limit}).all()


def list_facilities_with_gates(connection: Connection) -> list[int]:
    """List the facilities whose list somebody reads."""
    return list(connection.scalars(_WITH_GATES))


def add_off_list(
    connection: Connection, household_id: int, *, starts_at: datetime, ends_at: datetime, reason: str
) -> int:
    """Keep a household's plate off every list for a while."""
    values = {"household": household_id, "starts_at": starts_at, "ends_at": ends_at, "reason": reason}
    return int(connection.execute(_OFF_LIST, values).scalar_one())


def end_off_list(connection: Connection, household_id: int, *, now: datetime) -> int:
    """Let a household's plate be on lists again; return how many bans that ended."""
    return connection.execute(_BACK_ON_LIST, {"household": household_id, "now": now}).rowcount


def find_place(connection: Connection, facility_id: int) -> Row[Any] | None:
    """Return a facility's id, code, name and time zone."""
    return connection.execute(_PLACE, {"facility": facility_id}).one_or_none()
