"""What permits ask the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import IntegrityError


def list_permits(connection: Connection, household_id: int) -> Sequence[Row[Any]]:
    """Return the permits of a household that are or were in force, the newest first, with the nights it is away."""
    query = """
        SELECT p.id, p.state, lower(p.term) AS first, upper(p.term) - 1 AS last, p.days, p.arrive_min, p.leave_min,
               p.stay_through, p.vehicle_id, p.days_left_out, p.walk_m, p.monthly_price_cents, p.ended_at, p.end_reason,
               f.id AS facility_id, f.name, g.code AS bay_group, n.timezone,
               COALESCE((SELECT json_agg(json_build_array(lower(a.nights), upper(a.nights) - 1) ORDER BY a.nights)
                         FROM permit_absences a WHERE a.permit_id = p.id), '[]') AS absences
        FROM permits p
        JOIN bay_groups g ON g.id = p.bay_group_id
        JOIN facilities f ON f.id = g.facility_id
        JOIN neighbourhoods n ON n.id = f.neighbourhood_id
        WHERE p.household_id = :household AND p.state <> 'offered' AND p.end_reason IS DISTINCT FROM 'declined'
          AND p.end_reason IS DISTINCT FROM 'lapsed'
        ORDER BY p.id DESC
    """
    return connection.execute(text(query), {"household": household_id}).all()


def list_ended(connection: Connection, permit_ids: Sequence[int]) -> Sequence[Row[Any]]:
    """Return permits that have ended, with the last night that they took."""
    query = """
        SELECT p.id, p.household_id, p.end_reason, g.facility_id,
               COALESCE(upper(range_merge(p.nights)) - 1, (p.ended_at AT TIME ZONE n.timezone)::date) AS last
        FROM permits p JOIN bay_groups g ON g.id = p.bay_group_id JOIN facilities f ON f.id = g.facility_id
        JOIN neighbourhoods n ON n.id = f.neighbourhood_id
        WHERE p.id = ANY(:ids) AND p.state = 'ended' ORDER BY p.id
    """
    return connection.execute(text(query), {"ids": list(permit_ids)}).all()


def list_stays(connection: Connection, permit_id: int, *, now: datetime) -> Sequence[Row[Any]]:
    """Return the nights of a permit that have their bay already and are not over, in order."""
    query = """
        SELECT s.night, s.state, b.number, lower(s.during) AS starts_at, upper(s.during) AS ends_at
        FROM stays s JOIN bays b ON b.id = s.bay_id
        WHERE s.permit_id = :permit AND s.state IN ('confirmed', 'given_back') AND upper(s.during) > :now
        ORDER BY s.night
    """
    return connection.execute(text(query), {"permit": permit_id, "now": now}).all()


def lock_permit(connection: Connection, permit_id: int) -> None:
    """Let one transaction at a time change a permit's nights, or place them; the caller acts as the worker."""
    connection.execute(text("SELECT FROM permits WHERE id = :permit FOR UPDATE"), {"permit": permit_id})


def add_absence(connection: Connection, permit_id: int, *, first: date, last: date) -> bool:
    """Note that a household is away from one night to another, both included; tell whether that was new."""
    query = "INSERT INTO permit_absences (permit_id, nights) VALUES (:permit, daterange(:first, :last, '[]'))"
    try:
        with connection.begin_nested():
            connection.execute(text(query), {"permit": permit_id, "first": first, "last": last})
    except IntegrityError:
        return False
    return True


def give_back(connection: Connection, permit_id: int, *, first: date, last: date, now: datetime) -> int:
    """Free the bays of nights that have not begun; return how many."""
    query = """
        UPDATE stays SET state = 'given_back', ended_at = :now
        WHERE permit_id = :permit AND state = 'confirmed' AND night BETWEEN :first AND :last AND lower(during) > :now
    """
    values = {"permit": permit_id, "first": first, "last": last, "now": now}
    return connection.execute(text(query), values).rowcount


def remove_absence(connection: Connection, permit_id: int, *, first: date) -> date | None:
    """Forget an absence that begins on a night; return its last night, or None where there is no such absence."""
    query = """
        DELETE FROM permit_absences WHERE permit_id = :permit AND lower(nights) = :first RETURNING upper(nights) - 1
    """
    last: date | None = connection.scalar(text(query), {"permit": permit_id, "first": first})
    return last


def forget_given_back(connection: Connection, permit_id: int, *, first: date, last: date, now: datetime) -> None:
    """Let nights that were given back and have not begun be placed anew."""
    query = """
        UPDATE stays SET state = 'cancelled'
        WHERE permit_id = :permit AND state = 'given_back' AND night BETWEEN :first AND :last AND lower(during) > :now
    """
    connection.execute(text(query), {"permit": permit_id, "first": first, "last": last, "now": now})


def takes_night(connection: Connection, permit_id: int, night: date) -> bool:
    """Tell whether a permit takes a night; one from before the ledger takes every night of its term."""
    query = "SELECT COALESCE(nights @> CAST(:night AS date), true) FROM permits WHERE id = :permit"
    return bool(connection.scalar(text(query), {"permit": permit_id, "night": night}))


def follow_waiting_cars(
    connection: Connection, *, household_ids: Sequence[int] | None, round_id: int | None
) -> list[int]:
    """
    Let applications that wait be for the car that their household has, and what it needs; return those changed.

    Those of some households, or of one round: of any with `None`.
    """
    query = """
        UPDATE applications a SET vehicle_id = v.id, height_m = v.height_m,
               needs = CASE WHEN v.needs = old.needs THEN a.needs ELSE v.needs END
        FROM waitlist_entries e, vehicles v, vehicles old
        WHERE e.application_id = a.id AND e.state IN ('waiting', 'offered') AND v.household_id = a.household_id
          AND v.withdrawn_at IS NULL AND (v.id <> a.vehicle_id OR v.height_m IS DISTINCT FROM a.height_m)
          AND old.id = a.vehicle_id
          AND (CAST(:households AS bigint[]) IS NULL OR a.household_id = ANY(:households))
          AND (CAST(:round AS bigint) IS NULL OR e.round_id = :round)
        RETURNING a.id
    """
    return list(connection.scalars(text(query), {**_households(household_ids), "round": round_id}))


def follow_cars(connection: Connection, household_ids: Sequence[int] | None) -> Sequence[Row[Any]]:
    """
    Let permits be for the car that their household has; return those that changed.

    A permit does not follow a car that is too high for its place, or needs what the place has not.
    """
    query = """
        UPDATE permits p SET vehicle_id = v.id
        FROM vehicles v, vehicles old, bay_groups g, facilities f, neighbourhoods n
        WHERE v.household_id = p.household_id AND v.withdrawn_at IS NULL AND v.id <> p.vehicle_id
          AND old.id = p.vehicle_id
          AND p.state IN ('offered', 'active') AND g.id = p.bay_group_id AND f.id = g.facility_id
          AND n.id = f.neighbourhood_id
          AND (CAST(:households AS bigint[]) IS NULL OR p.household_id = ANY(:households))
          AND (v.height_m IS NULL OR f.max_height_m IS NULL OR v.height_m <= f.max_height_m)
          AND NOT EXISTS (
              SELECT unnest(string_to_array(v.needs, ' ')) EXCEPT SELECT unnest(string_to_array(old.needs, ' '))
              EXCEPT SELECT unnest(g.kinds)
          )
        RETURNING p.id, p.household_id, g.facility_id, n.timezone, v.plate_hash <> old.plate_hash AS has_other_plate
    """
    return connection.execute(text(query), _households(household_ids)).all()


def _households(household_ids: Sequence[int] | None) -> dict[str, list[int] | None]:
    return {"households": None if household_ids is None else list(household_ids)}


def list_places(connection: Connection, household_id: int, *, now: datetime) -> Sequence[Row[Any]]:
    """List where a household's car has a place or an offer of one, by `what`, with the car that it was given to."""
    query = """
        SELECT w.what, f.name, f.max_height_m, g.kinds, v.height_m, v.needs
        FROM (
            SELECT CASE p.state WHEN 'offered' THEN 'offer' ELSE 'permit' END AS what, p.bay_group_id, p.vehicle_id
            FROM permits p WHERE p.household_id = :household AND p.state IN ('offered', 'active')
            UNION
            SELECT 'permit', d.bay_group_id, p.vehicle_id FROM permit_detours d JOIN permits p ON p.id = d.permit_id
            WHERE p.household_id = :household AND p.state = 'active' AND upper(range_merge(d.evenings)) >= :today
            UNION
            SELECT 'booking', b.bay_group_id, k.vehicle_id
            FROM stays s JOIN bays b ON b.id = s.bay_id JOIN bookings k ON k.stay_id = s.id
            WHERE s.household_id = :household AND s.state IN ('held', 'confirmed') AND upper(s.during) > :now
        ) AS w
        JOIN bay_groups g ON g.id = w.bay_group_id JOIN facilities f ON f.id = g.facility_id
        JOIN vehicles v ON v.id = w.vehicle_id
        ORDER BY w.what DESC, f.id
    """
    return connection.execute(text(query), {"household": household_id, "now": now, "today": now.date()}).all()


def get_place(connection: Connection, household_id: int, permit_id: int) -> Row[Any] | None:
    """
    Return the place of a permit or an offer, and its household's car of now; None without a car.

    `missing` is what that car needs, the car that the place was given to did not, and the bays are not.
    """
    query = """
        SELECT f.name, f.max_height_m, v.height_m, ARRAY(
            SELECT unnest(string_to_array(v.needs, ' ')) EXCEPT SELECT unnest(string_to_array(old.needs, ' '))
            EXCEPT SELECT unnest(g.kinds) ORDER BY 1
        ) AS missing
        FROM permits p JOIN bay_groups g ON g.id = p.bay_group_id JOIN facilities f ON f.id = g.facility_id
        JOIN vehicles old ON old.id = p.vehicle_id
        JOIN vehicles v ON v.household_id = p.household_id AND v.withdrawn_at IS NULL
        WHERE p.id = :permit AND p.household_id = :household
    """
    return connection.execute(text(query), {"permit": permit_id, "household": household_id}).one_or_none()


def under_way(connection: Connection, permit_ids: Sequence[int], *, now: datetime) -> set[int]:
    """Return those of some permits whose car stands there, or may, at a moment."""
    query = "SELECT permit_id FROM stays WHERE permit_id = ANY(:ids) AND state = 'confirmed' AND during @> :now"
    return set(connection.scalars(text(query), {"ids": list(permit_ids), "now": now}))


def list_permits_of(
    connection: Connection, neighbourhood_id: int, *, state: str | None, limit: int
) -> Sequence[Row[Any]]:
    """List the newest permits and offers of a neighbourhood for a planner, those in a state or all."""
    query = """
        SELECT p.id, p.state, p.end_reason, lower(p.term) AS first, upper(p.term) - 1 AS last, p.days, p.household_id,
               f.code AS facility, f.name, g.code AS bay_group
        FROM permits p JOIN bay_groups g ON g.id = p.bay_group_id JOIN facilities f ON f.id = g.facility_id
        WHERE f.neighbourhood_id = :neighbourhood AND (CAST(:state AS text) IS NULL OR p.state = :state)
        ORDER BY p.id DESC LIMIT :limit
    """
    values = {"neighbourhood": neighbourhood_id, "state": state, "limit": limit}
    return connection.execute(text(query), values).all()


def find_permit(connection: Connection, permit_id: int) -> Row[Any] | None:
    """Return a permit or an offer, whoever's it is, with how many nights it takes."""
    query = """
        SELECT p.id, p.state, p.end_reason, p.ended_at, lower(p.term) AS first, upper(p.term) - 1 AS last, p.days,
               p.arrive_min, p.leave_min, p.stay_through, p.days_left_out, p.household_id, p.walk_m, f.name,
               g.code AS bay_group,
               (SELECT COALESCE(sum(upper(run) - lower(run)), 0) FROM unnest(p.nights) AS run) AS nights
        FROM permits p JOIN bay_groups g ON g.id = p.bay_group_id JOIN facilities f ON f.id = g.facility_id
        WHERE p.id = :permit
    """
    return connection.execute(text(query), {"permit": permit_id}).one_or_none()
