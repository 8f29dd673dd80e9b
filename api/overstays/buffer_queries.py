"""What buffers ask the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, text

from api.overstays.buffering import STEPS_MIN, Counts, Mornings

_STAYS_SEEN = text("""
    SELECT g.facility_id, CAST(upper(s.during) AT TIME ZONE n.timezone AS date) AS morning,
           array_agg(DISTINCT s.id) AS stays, max(upper(s.during)) AS leave_by,
           COALESCE(bool_or(b.gate_sees_all), false) AS gate_sees_all
    FROM gate_sessions g
    JOIN stays s ON s.id = g.stay_id
    JOIN facilities f ON f.id = g.facility_id
    JOIN neighbourhoods n ON n.id = f.neighbourhood_id
    LEFT JOIN buffer_settings b ON b.facility_id = f.id
    WHERE upper(s.during) >= :since AND upper(s.during) < :until AND s.state = 'confirmed' AND g.entered_at IS NOT NULL
    GROUP BY g.facility_id, morning
    HAVING min(CAST(upper(s.during) AT TIME ZONE n.timezone AS date))
           > CAST(CAST(:since AS timestamptz) AT TIME ZONE max(n.timezone) AS date)
    ORDER BY g.facility_id, morning
""")
_OWN_CARS = text("""
    SELECT (
        SELECT count(*) FROM gate_sessions g
        WHERE g.facility_id = :facility AND g.stay_id IS NULL AND g.state IN ('open', 'closed')
          AND g.entered_at <= at.moment AND (g.left_at IS NULL OR g.left_at > at.moment)
    ) AS cars
    FROM unnest(CAST(:steps AS integer[])) WITH ORDINALITY AS step (minutes, place)
    CROSS JOIN LATERAL (SELECT CAST(:leave_by AS timestamptz) + make_interval(mins => step.minutes) AS moment) AS at
    ORDER BY step.place
""")
_PUT_MORNING = text("""
    INSERT INTO late_mornings (facility_id, morning, cars, still, late_cars, late_min, own_cars)
    VALUES (:facility_id, :morning, :cars, :still, :late_cars, :late_min, :own_cars)
    ON CONFLICT (facility_id, morning) DO UPDATE SET cars = EXCLUDED.cars, still = EXCLUDED.still,
        late_cars = EXCLUDED.late_cars, late_min = EXCLUDED.late_min, own_cars = EXCLUDED.own_cars
""")
_PLACES = """
    SELECT f.id, f.neighbourhood_id, f.owner_id, f.version, f.buffer_bays, n.timezone,
           COALESCE(b.confidence, 0.95) AS confidence, COALESCE(b.automatic, false) AS automatic,
           COALESCE(b.owner_from_min, 0) AS owner_from_min, COALESCE(b.gate_sees_all, false) AS gate_sees_all, b.places,
           (SELECT count(*) FROM bays y JOIN bay_groups g ON g.id = y.bay_group_id WHERE g.facility_id = f.id) AS bays
    FROM facilities f
    JOIN neighbourhoods n ON n.id = f.neighbourhood_id
    LEFT JOIN buffer_settings b ON b.facility_id = f.id
    WHERE f.status = 'published'
"""
_DUE = text(f"""
    {_PLACES} AND f.id = COALESCE(:facility, f.id) AND EXISTS (SELECT FROM late_mornings m WHERE m.facility_id = f.id)
      AND NOT EXISTS (
          SELECT FROM buffer_estimates e
          WHERE e.facility_id = f.id AND e.day = CAST(CAST(:now AS timestamptz) AT TIME ZONE n.timezone AS date)
      )
    ORDER BY f.id
""")
_PLACE = text(f"{_PLACES} AND f.id = :facility")
_RECORD = text("""
    SELECT m.facility_id = :facility AS own, m.cars, m.still, m.own_cars
    FROM late_mornings m JOIN facilities f ON f.id = m.facility_id
    WHERE f.neighbourhood_id = :neighbourhood AND m.morning >= :since AND m.morning <= :until
    ORDER BY m.facility_id, m.morning
""")
_ADD_ESTIMATE = text("""
    INSERT INTO buffer_estimates (facility_id, day, made_at, confidence, basis, mornings, cars, late_share, pool_cars,
        pool_late_share, pool_weight, bays, buffer_before, buffer_bays, state, applied_at)
    VALUES (:facility_id, :day, :made_at, :confidence, :basis, :mornings, :cars, :late_share, :pool_cars,
        :pool_late_share, :pool_weight, :bays, :buffer_before, :buffer_bays, :state, :applied_at)
    ON CONFLICT DO NOTHING
""")
_ESTIMATES = text("SELECT * FROM buffer_estimates WHERE facility_id = :facility ORDER BY day DESC LIMIT :limit")
_MARK_APPLIED = text("UPDATE buffer_estimates SET state = 'applied', applied_at = :now WHERE id = :id")
_SET_BUFFER = text("UPDATE facilities SET buffer_bays = :bays, version = :version WHERE id = :facility")
_LAST_NIGHT = text("""
    SELECT max(l.night) FROM ledger_nights l JOIN bay_groups g ON g.id = l.bay_group_id WHERE g.facility_id = :facility
""")
_PUT_SETTINGS = text("""
    INSERT INTO buffer_settings (facility_id, confidence, automatic, owner_from_min, gate_sees_all, places, changed_by,
        changed_at)
    VALUES (:facility_id, :confidence, :automatic, :owner_from_min, :gate_sees_all, :places, :changed_by, :changed_at)
    ON CONFLICT (facility_id) DO UPDATE SET confidence = EXCLUDED.confidence, automatic = EXCLUDED.automatic,
        owner_from_min = EXCLUDED.owner_from_min, gate_sees_all = EXCLUDED.gate_sees_all, places = EXCLUDED.places,
        changed_by = EXCLUDED.changed_by, changed_at = EXCLUDED.changed_at
""")


def list_mornings_seen(connection: Connection, *, since: datetime, until: datetime) -> Sequence[Row[Any]]:
    """List mornings on which stays ended whose cars were seen, by facility; the day of `since` is cut and left out."""
    return connection.execute(_STAYS_SEEN, {"since": since, "until": until}).all()


def own_cars(connection: Connection, facility_id: int, *, leave_by: datetime) -> list[int]:
    """Count cars without a stay at each of `STEPS_MIN` after a moment."""
    values = {"facility": facility_id, "leave_by": leave_by, "steps": list(STEPS_MIN)}
    return list(connection.scalars(_OWN_CARS, values))


def put_mornings(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store mornings, in place of what was known of them."""
    if rows:
        connection.execute(_PUT_MORNING, list(rows))


def list_due(connection: Connection, *, now: datetime, facility_id: int | None = None) -> Sequence[Row[Any]]:
    """List published facilities, or the one, with a record and no estimate of today, with their owners' settings."""
    return connection.execute(_DUE, {"now": now, "facility": facility_id}).all()


def find_place(connection: Connection, facility_id: int) -> Row[Any] | None:
    """Return a published facility with its owner's settings."""
    return connection.execute(_PLACE, {"facility": facility_id}).one_or_none()


def read_record(
    connection: Connection, facility_id: int, *, neighbourhood_id: int, since: date, until: date
) -> tuple[Mornings, Mornings, Counts]:
    """Return a facility's mornings, those of the others of its neighbourhood, and its owner's own cars."""
    values = {"facility": facility_id, "neighbourhood": neighbourhood_id, "since": since, "until": until}
    rows = connection.execute(_RECORD, values).all()
    own = [row for row in rows if row.own]
    seen = [row.own_cars for row in own if row.own_cars is not None]
    return (
        _mornings(own),
        _mornings([row for row in rows if not row.own]),
        np.array(seen, dtype=np.int64).reshape(len(seen), len(STEPS_MIN)),
    )


def _mornings(rows: Sequence[Row[Any]]) -> Mornings:
    still = np.array([row.still for row in rows], dtype=np.int64).reshape(len(rows), len(STEPS_MIN))
    return Mornings(np.array([row.cars for row in rows], dtype=np.int64), still)


def add_estimate(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Store an estimate; False where the day has one already."""
    return connection.execute(_ADD_ESTIMATE, values).rowcount == 1


def list_estimates(connection: Connection, facility_id: int, *, limit: int) -> Sequence[Row[Any]]:
    """List a facility's estimates, the newest first."""
    return connection.execute(_ESTIMATES, {"facility": facility_id, "limit": limit}).all()


def mark_applied(connection: Connection, estimate_id: int, *, now: datetime) -> None:
    """Note that an estimate has become the buffer."""
    connection.execute(_MARK_APPLIED, {"id": estimate_id, "now": now})


def set_buffer(connection: Connection, facility_id: int, *, bays: int, version: int) -> None:
    """Change how many bays a facility keeps back."""
    connection.execute(_SET_BUFFER, {"facility": facility_id, "bays": bays, "version": version})


def last_ledger_night(connection: Connection, facility_id: int) -> date | None:
    """Return the last night that the ledger knows of a facility."""
    last: date | None = connection.scalar(_LAST_NIGHT, {"facility": facility_id})
    return last


def group_ids(connection: Connection, facility_id: int) -> list[int]:
    """List the bay groups of a facility."""
    query = text("SELECT id FROM bay_groups WHERE facility_id = :facility ORDER BY id")
    return list(connection.scalars(query, {"facility": facility_id}))


def find_settings(connection: Connection, facility_id: int) -> Row[Any] | None:
    """Return what an owner wants of its buffer."""
    query = text("SELECT * FROM buffer_settings WHERE facility_id = :facility")
    return connection.execute(query, {"facility": facility_id}).one_or_none()


def put_settings(connection: Connection, values: Mapping[str, Any]) -> None:
    """Store what an owner wants of its buffer."""
    connection.execute(_PUT_SETTINGS, values)
