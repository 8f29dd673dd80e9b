"""What a change of the calendar asks of stays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

_STAY = (
    "s.id, s.household_id, s.permit_id, s.night, s.kind, s.bay_id, g.facility_id, lower(s.during) AS starts_at, "
    "upper(s.during) AS ends_at"
)
_FROM = "FROM stays s JOIN bays b ON b.id = s.bay_id JOIN bay_groups g ON g.id = b.bay_group_id"


def list_sold(connection: Connection, neighbourhood_id: int) -> list[int]:
    """List the facilities of a neighbourhood that have been opened for booking."""
    query = text(
        "SELECT id FROM facilities WHERE neighbourhood_id = :id AND materialised_until IS NOT NULL ORDER BY id"
    )
    return list(connection.scalars(query, {"id": neighbourhood_id}))


def stays_of_permits(connection: Connection, permit_ids: Sequence[int], *, now: datetime) -> list[Row[Any]]:
    """List the nights of permits that have their bay and are not over, in order."""
    query = text(
        f"SELECT {_STAY} {_FROM} WHERE s.permit_id = ANY(:ids) AND s.state = 'confirmed' "
        "AND upper(s.during) > :now ORDER BY s.id"
    )
    return list(connection.execute(query, {"ids": list(permit_ids), "now": now}))


def stays_by_id(connection: Connection, ids: Sequence[int]) -> list[Row[Any]]:
    """Return stays in order of their ids."""
    return list(
        connection.execute(text(f"SELECT {_STAY} {_FROM} WHERE s.id = ANY(:ids) ORDER BY s.id"), {"ids": list(ids)})
    )


def cancel_stays(connection: Connection, ids: Sequence[int], *, now: datetime) -> None:
    """End stays whose right is gone."""
    query = text("UPDATE stays SET state = 'cancelled', ended_at = :now WHERE id = ANY(:ids) AND state = 'confirmed'")
    connection.execute(query, {"ids": list(ids), "now": now})


def lengthen_stay(connection: Connection, stay_id: int, *, end: datetime) -> bool:
    """
    Let a stay end later; tell whether it was possible.

    It is where its bay is open and not out of use, nobody else has it, and its household has no other stay.
    """
    query = text(
        "UPDATE stays s SET during = tstzrange(lower(s.during), :end) FROM bays b "
        "WHERE s.id = :id AND b.id = s.bay_id AND NOT EXISTS ("
        "SELECT FROM stays o WHERE (o.bay_id = s.bay_id OR o.household_id = s.household_id) AND o.id <> s.id "
        "AND o.state IN ('held', 'confirmed') AND o.during && tstzrange(upper(s.during), :end)) "
        "AND NOT EXISTS (SELECT FROM bays_out_of_use u WHERE u.bay_id = s.bay_id AND u.ends_at > upper(s.during) "
        "AND u.starts_at < CAST(:end AS timestamptz)) "
        "AND EXISTS (SELECT FROM openings o WHERE o.bay_group_id = b.bay_group_id "
        "AND b.number BETWEEN o.first_number AND o.last_number "
        "AND o.during @> tstzrange(upper(s.during), :end) AND o.ends @> CAST(:end AS timestamptz))"
    )
    return connection.execute(query, {"id": stay_id, "end": end}).rowcount == 1


def alternatives_for(connection: Connection, stay_id: int, household_id: int, *, most: int) -> list[dict[str, Any]]:
    """List what a household could have instead of a stay that was taken from it; asked in the household's own name."""
    before = connection.scalar(text("SELECT current_setting('baytide.household_id', true)"))
    _act_for(connection, str(household_id))
    query = text(
        "SELECT alternatives(h.id, h.home_id, s.during, string_to_array(v.needs, ' '), v.height_m, "
        "ARRAY[g.facility_id], :most) FROM stays s JOIN bays b ON b.id = s.bay_id "
        "JOIN bay_groups g ON g.id = b.bay_group_id JOIN households h ON h.id = s.household_id "
        "JOIN vehicles v ON v.household_id = h.id AND v.withdrawn_at IS NULL WHERE s.id = :stay"
    )
    found = connection.scalar(query, {"stay": stay_id, "most": most})
    _act_for(connection, before or "")
    return [{key: value for key, value in each.items() if key != "name"} for each in found or ()]


def _act_for(connection: Connection, household: str) -> None:
    connection.execute(text("SELECT set_config('baytide.household_id', :household, true)"), {"household": household})
