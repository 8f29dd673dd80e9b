"""What drafts and publications ask the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

from sqlalchemy import Connection, Row, delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from api.db import tables
from api.db.account_tables import owners
from api.db.copying import reserve_ids
from api.db.supply_tables import facility_drafts, facility_history

_f, _n, _d = tables.facilities, tables.neighbourhoods, facility_drafts


def lock_facility(connection: Connection, facility_id: int) -> None:
    """Keep bookings and other changes of a facility waiting until this transaction ends; wait for those under way."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": facility_id})


# ------------------------------------------------------------------------------------------------------------ owners


def find_owner(connection: Connection, owner_id: int) -> Row[Any] | None:
    """Return an owner."""
    return connection.execute(select(owners).where(owners.c.id == owner_id)).one_or_none()


# ------------------------------------------------------------------------------------------------------------ drafts


def reserve_facility_id(connection: Connection) -> int:
    """Take the id that a facility keeps for good."""
    return int(reserve_ids(connection, _f, count=1)[0])


def find_facility(connection: Connection, facility_id: int) -> Row[Any] | None:
    """Return a facility that has ever been published, with its neighbourhood's zone."""
    query = (
        select(
            _f.c.id,
            _f.c.neighbourhood_id,
            _f.c.owner_id,
            _f.c.code,
            _f.c.status,
            _f.c.version,
            _f.c.notice_days,
            _f.c.night_price_cents,
            _f.c.position,
            _f.c.extra,
            _f.c.materialised_until,
            _n.c.timezone,
        )
        .join(_n, _n.c.id == _f.c.neighbourhood_id)
        .where(_f.c.id == facility_id)
    )
    return cast("Row[Any] | None", connection.execute(query).one_or_none())


def find_draft(connection: Connection, facility_id: int) -> Row[Any] | None:
    """Return the draft of a facility, where there is one and the account may see it."""
    query = (
        select(_d, _n.c.slug, _n.c.timezone)
        .join(_n, _n.c.id == _d.c.neighbourhood_id)
        .where(_d.c.facility_id == facility_id)
    )
    return connection.execute(query).one_or_none()


def list_drafts(connection: Connection, neighbourhood_id: int, *, after: int, limit: int) -> list[Row[Any]]:
    """List the drafts that the account may see, by facility id from `after` on."""
    query = (
        select(_d, _n.c.slug)
        .join(_n, _n.c.id == _d.c.neighbourhood_id)
        .where(_d.c.neighbourhood_id == neighbourhood_id, _d.c.facility_id > after)
        .order_by(_d.c.facility_id)
        .limit(limit)
    )
    return list(connection.execute(query))


def is_code_taken(connection: Connection, neighbourhood_id: int, code: str) -> bool:
    """Whether a facility that has ever been published has this code."""
    query = select(_f.c.id).where(_f.c.neighbourhood_id == neighbourhood_id, _f.c.code == code)
    return connection.execute(query).first() is not None


def codes_taken(connection: Connection, neighbourhood_id: int, codes: Sequence[str]) -> list[str]:
    """Return which codes a facility or a draft of a neighbourhood has; drafts of others too, whoever asks."""
    query = text("SELECT taken_facility_codes(:neighbourhood, :codes)")
    return list(connection.scalars(query, {"neighbourhood": neighbourhood_id, "codes": list(codes)}))


def insert_draft(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Store a draft; False where the facility or its code has one already."""
    found = connection.execute(
        text(
            "INSERT INTO facility_drafts (facility_id, neighbourhood_id, owner_id, code, version, base_version,"
            " feature, changed_by) VALUES (:facility_id, :neighbourhood_id, :owner_id, :code, :version, :base_version,"
            " CAST(:feature AS json), :changed_by) ON CONFLICT DO NOTHING"
        ),
        values,
    )
    return found.rowcount == 1


def next_version(connection: Connection, facility_id: int) -> int:
    """Return the version after every one that a facility and its drafts ever had: none comes twice."""
    query = text(
        "SELECT 1 + GREATEST((SELECT max(version) FROM facility_history WHERE facility_id = :id),"
        " (SELECT version FROM facilities WHERE id = :id), 0)"
    )
    return int(connection.execute(query, {"id": facility_id}).scalar_one())


def change_draft(
    connection: Connection,
    facility_id: int,
    *,
    seen: int,
    **values: Any,  # noqa: ANN401 -- columns
) -> Row[Any] | None:
    """Change a draft if it still has the version seen; return it as it is then, None where somebody was faster."""
    statement = (
        update(_d)
        .where(_d.c.facility_id == facility_id, _d.c.version == seen)
        .values(changed_at=func.clock_timestamp(), version=next_version(connection, facility_id), **values)
        .returning(_d.c.facility_id)
    )
    if connection.execute(statement).one_or_none() is None:
        return None
    return find_draft(connection, facility_id)


def delete_draft(connection: Connection, facility_id: int, *, version: int) -> bool:
    """Remove a draft if it still has this version."""
    statement = delete(_d).where(_d.c.facility_id == facility_id, _d.c.version == version)
    return connection.execute(statement).rowcount == 1


# ----------------------------------------------------------------------------------------------------------- history


def add_history(connection: Connection, **values: Any) -> None:  # noqa: ANN401 -- columns
    """Note what was done to a facility."""
    connection.execute(insert(facility_history).values(**values))


def list_history(connection: Connection, facility_id: int, *, before: int, limit: int) -> list[Row[Any]]:
    """List what was done to a facility, the newest first, as far as the account may see it."""
    t = facility_history
    query = select(t).where(t.c.facility_id == facility_id, t.c.id < before).order_by(t.c.id.desc()).limit(limit)
    return list(connection.execute(query))


# ------------------------------------------------------------------------------------------------------ publications


def next_position(connection: Connection, neighbourhood_id: int) -> int:
    """Return the place after the last facility of a neighbourhood."""
    last = connection.scalar(select(func.max(_f.c.position)).where(_f.c.neighbourhood_id == neighbourhood_id))
    return 0 if last is None else int(last) + 1


def put_facility(connection: Connection, values: Mapping[str, Any]) -> None:
    """Store a facility's own row, or replace what it says; the id, neighbourhood, code and place stay."""
    changing = [name for name in values if name not in ("id", "neighbourhood_id", "code", "position", "geometry")]
    columns = ", ".join([*changing, "id", "neighbourhood_id", "code", "position", "geometry"])
    given = ", ".join(f"CAST(:{name} AS json)" if name == "extra" else f":{name}" for name in changing)
    changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in (*changing, "geometry"))
    connection.execute(
        text(
            f"INSERT INTO facilities ({columns}) VALUES ({given}, :id, :neighbourhood_id, :code, :position,"
            f" ST_GeomFromEWKB(decode(:geometry, 'hex'))) ON CONFLICT (id) DO UPDATE SET {changes}"
        ),
        values,
    )


def replace_parts(
    connection: Connection,
    facility_id: int,
    *,
    entrances: Sequence[Mapping[str, Any]],
    closures: Sequence[Mapping[str, Any]],
) -> None:
    """Put entrances and closures in place of those there are."""
    for table, rows in ((tables.entrances, entrances), (tables.closures, closures)):
        connection.execute(delete(table).where(table.c.facility_id == facility_id))
        if rows:
            connection.execute(insert(table), list(rows))


def group_ids_of(connection: Connection, facility_id: int) -> dict[str, int]:
    """Return the ids of a facility's bay groups by code."""
    g = tables.bay_groups
    rows = connection.execute(select(g.c.code, g.c.id).where(g.c.facility_id == facility_id))
    return {row.code: row.id for row in rows}


def put_bay_group(
    connection: Connection, group_id: int, *, facility_id: int, code: str, position: int, kinds: list[str]
) -> None:
    """Store a bay group, or change the one of this id."""
    connection.execute(
        text(
            "INSERT INTO bay_groups (id, facility_id, code, position, kinds) VALUES (:id, :facility, :code, :position,"
            " :kinds) ON CONFLICT (id) DO UPDATE SET position = EXCLUDED.position, kinds = EXCLUDED.kinds"
        ),
        {"id": group_id, "facility": facility_id, "code": code, "position": position, "kinds": kinds},
    )


def move_bay_group(connection: Connection, group_id: int, *, position: int) -> None:
    """Put a bay group at another place among those of its facility."""
    g = tables.bay_groups
    connection.execute(update(g).where(g.c.id == group_id).values(position=position))


def remove_unused_groups(connection: Connection, ids: Sequence[int]) -> None:
    """Remove bay groups that nobody ever stood in or was planned into."""
    query = text(
        "DELETE FROM bay_groups g WHERE g.id = :id"
        " AND NOT EXISTS (SELECT FROM stays s JOIN bays b ON b.id = s.bay_id WHERE b.bay_group_id = g.id)"
        " AND NOT EXISTS (SELECT FROM assignments a WHERE a.bay_group_id = g.id)"
        " AND NOT EXISTS (SELECT FROM ledger_nights n WHERE n.bay_group_id = g.id)"
    )
    for group_id in ids:
        # Permits and plans of rounds are not the owner's to see, but the database knows that they name a group.
        with suppress(IntegrityError), connection.begin_nested():
            connection.execute(query, {"id": group_id})


def replace_windows(connection: Connection, group_ids: Sequence[int], rows: Sequence[Mapping[str, Any]]) -> None:
    """Put windows in place of those that bay groups have."""
    w = tables.share_windows
    connection.execute(delete(w).where(w.c.bay_group_id.in_(group_ids)))
    if rows:
        connection.execute(insert(w), list(rows))


def put_bays(connection: Connection, group_id: int, *, count: int, places: Sequence[str]) -> None:
    """
    Give a group bays numbered from 1 to `count`; those above go, but for bays that somebody ever stood in.

    Parameters
    ----------
    places
        Where the first bays are, as extended WKB in hex.
    """
    connection.execute(
        text(
            "INSERT INTO bays (bay_group_id, number) SELECT :group, generate_series(1, :count) ON CONFLICT DO NOTHING"
        ),
        {"group": group_id, "count": count},
    )
    connection.execute(
        text(
            "DELETE FROM bays b WHERE b.bay_group_id = :group AND b.number > :count"
            " AND NOT EXISTS (SELECT FROM stays s WHERE s.bay_id = b.id)"
        ),
        {"group": group_id, "count": count},
    )
    connection.execute(
        text(
            "UPDATE bays b SET geometry = ST_GeomFromEWKB(decode(drawn.place, 'hex'))"
            " FROM (SELECT * FROM generate_series(1, (SELECT max(number) FROM bays WHERE bay_group_id = :group))"
            "       AS number LEFT JOIN unnest(CAST(:places AS text[])) WITH ORDINALITY AS given (place, at)"
            "       ON at = number) drawn"
            " WHERE b.bay_group_id = :group AND b.number = drawn.number"
        ),
        {"group": group_id, "places": list(places)},
    )


def drawn_places(connection: Connection, facility_id: int) -> dict[str, list[bytes]]:
    """Return where the bays of a facility are, by the code of their group, as WKB from number 1 on."""
    b, g = tables.bays, tables.bay_groups
    query = (
        select(g.c.code, func.ST_AsBinary(b.c.geometry).label("wkb"))
        .join(g, g.c.id == b.c.bay_group_id)
        .where(g.c.facility_id == facility_id, b.c.geometry.is_not(None))
        .order_by(g.c.position, b.c.number)
    )
    places: dict[str, list[bytes]] = {}
    for row in connection.execute(query).all():
        places.setdefault(row.code, []).append(bytes(row.wkb))
    return places
