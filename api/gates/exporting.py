"""Allow-lists for the command line, whose user has the database anyway; written down like every export."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast, get_args
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, Row

from api.accounts.keys import Keys
from api.errors import TellsWhy
from api.gates import list_queries
from api.gates.allow_list import AllowList, read_allow_list, refresh_allow_list
from api.gates.field_csv import Encoding, field_csv, field_list, not_sayable_csv
from api.jobs.queries import work


class PlaceUnclear(TellsWhy):
    """No facility of this number or id."""


def get_place(connection: Connection, facility: str) -> Row[Any]:
    """Return a facility named by its number or as `neighbourhood/facility`; raise PlaceUnclear without one."""
    place = (
        list_queries.find_place(connection, int(facility))
        if facility.isdecimal() and len(facility) < len(str(2**63))
        else list_queries.find_place_named(connection, *_names(facility))
    )
    if place is None:
        raise PlaceUnclear(f"there is no facility {facility}: give its number, or `neighbourhood/facility`")
    return place


def export_allow_list(
    engine: Engine, keys: Keys, facility: str, *, since: int | None, now: datetime
) -> tuple[Row[Any], AllowList]:
    """Read a facility's list, brought up to date; return the facility too."""
    with work(engine) as connection:
        place = get_place(connection, facility)
        version = refresh_allow_list(connection, place.id, now=now)
        found = read_allow_list(connection, keys, place.id, version=version, since=since, now=now)
        list_queries.note_export(
            connection, place.id, way="command", version=version, num_rows=len(found.added), now=now
        )
    return place, found


def export_csv(found: AllowList, timezone: str, *, encoding: str) -> tuple[bytes, bytes, int]:
    """Write a list as the field's CSV, what that cannot say as another, and count the latter."""
    if encoding not in get_args(Encoding):
        raise PlaceUnclear(f"the encoding must be one of {', '.join(get_args(Encoding))}")
    zone, written = ZoneInfo(timezone), cast("Encoding", encoding)
    said = field_list(found.added, zone)
    unsaid = not_sayable_csv(said.not_sayable, zone, encoding=written)
    return field_csv(said.rows, encoding=written), unsaid, len(said.not_sayable)


def _names(facility: str) -> tuple[str, str]:
    neighbourhood, _, code = facility.partition("/")
    return neighbourhood, code
