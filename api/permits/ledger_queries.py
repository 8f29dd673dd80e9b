"""What the ledger asks of the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, text

from api.db.arrays import array_text

_LEDGER = 0x6C6564
"""One writer of a neighbourhood's ledger at a time: nobody waits for a row in two orders."""
_WANTED = "unnest(CAST(:groups AS bigint[]), CAST(:nights AS date[]), CAST(:bays AS int[])) AS w (g, night, bays)"
_LOCK = text(
    "SELECT pg_advisory_xact_lock(:what, owner) FROM ("
    "SELECT DISTINCT CAST(f.neighbourhood_id % 2147483647 AS int) AS owner "
    "FROM bay_groups g JOIN facilities f ON f.id = g.facility_id WHERE g.id = ANY(:groups) ORDER BY 1) AS wanted"
)
_NOT_THERE = text(
    f"SELECT w.g AS bay_group_id, w.night FROM {_WANTED} "
    "LEFT JOIN ledger_nights l ON l.bay_group_id = w.g AND l.night = w.night "
    "WHERE l.bays IS NULL OR l.taken + w.bays > l.bays ORDER BY 1, 2 LIMIT 1"
)
_CHANGE = text(
    f"UPDATE ledger_nights l SET taken = l.taken + w.bays FROM {_WANTED} "
    "WHERE l.bay_group_id = w.g AND l.night = w.night"
)
_SHORT = text(
    f"SELECT l.bay_group_id, l.night, w.bays, l.taken FROM {_WANTED} "
    "JOIN ledger_nights l ON l.bay_group_id = w.g AND l.night = w.night WHERE w.bays < l.taken ORDER BY 1, 2"
)
_FILL = text(
    f"INSERT INTO ledger_nights (bay_group_id, night, bays) SELECT w.g, w.night, w.bays FROM {_WANTED} "
    "ON CONFLICT (bay_group_id, night) DO UPDATE SET bays = excluded.bays WHERE ledger_nights.bays <> excluded.bays"
)
_FREE = text(
    "SELECT bay_group_id, night, bays - taken AS free FROM ledger_nights "
    "WHERE bay_group_id = ANY(:groups) AND night >= :first AND taken < bays"
)
_FACILITIES = text(
    "SELECT f.id, f.code, f.status, f.neighbourhood_id, n.country, n.timezone FROM facilities f "
    "JOIN neighbourhoods n ON n.id = f.neighbourhood_id WHERE f.id = ANY(:ids) ORDER BY f.neighbourhood_id, f.id"
)
_GROUPS = text("SELECT id FROM bay_groups WHERE facility_id = ANY(:ids)")

Changes = tuple[Sequence[int], Sequence[date], Sequence[int]]
"""Bay groups, nights and numbers of bays, each as long as the others."""


def lock_ledger(connection: Connection, bay_group_ids: Sequence[int]) -> None:
    """Keep other writers of these groups' ledgers, and of the waitlists that stand before them, waiting."""
    connection.execute(_LOCK, {"what": _LEDGER, "groups": list(bay_group_ids)})


def find_full_night(connection: Connection, takes: Changes) -> Row[Any] | None:
    """Return the first night that has not as many bays as wanted, or is not in the ledger at all."""
    return connection.execute(_NOT_THERE, _values(takes)).one_or_none()


def change_taken(connection: Connection, changes: Changes) -> None:
    """Take bays of nights, or give them back where numbers are negative."""
    connection.execute(_CHANGE, _values(changes))


def list_short_nights(connection: Connection, bays: Changes) -> list[Row[Any]]:
    """List the nights of which more is taken than there would be."""
    return list(connection.execute(_SHORT, _values(bays)))


def set_bays(connection: Connection, bays: Changes) -> None:
    """Say how many bays there are on nights."""
    connection.execute(_FILL, _values(bays))


def free_nights(connection: Connection, bay_group_ids: Sequence[int], *, first: date) -> dict[int, dict[date, int]]:
    """Return how many bays are free, by bay group and night from `first` on; nights with none are left out."""
    free: dict[int, dict[date, int]] = {group: {} for group in bay_group_ids}
    for row in connection.execute(_FREE, {"groups": list(bay_group_ids), "first": first}).all():
        free[row.bay_group_id][row.night] = row.free
    return free


def list_facilities(connection: Connection, facility_ids: Sequence[int]) -> list[Row[Any]]:
    """List facilities with their state and calendar, by neighbourhood."""
    return list(connection.execute(_FACILITIES, {"ids": list(facility_ids)}))


def list_groups(connection: Connection, facility_ids: Sequence[int]) -> list[int]:
    """List the bay groups of facilities."""
    return list(connection.scalars(_GROUPS, {"ids": list(facility_ids)}))


def _values(changes: Changes) -> dict[str, str]:
    groups, nights, bays = changes
    return {"groups": array_text(groups), "nights": array_text(nights), "bays": array_text(bays)}
