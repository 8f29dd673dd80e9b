"""What a bay that somebody else is on asks of the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

_PLACES = text("""
    SELECT w.facility_id FROM walk_pairs w JOIN households h ON h.home_id = w.home_id WHERE h.id = :household
    UNION SELECT CAST(:facility AS bigint) ORDER BY 1
""")
_LOCK = text("""
    SELECT pg_advisory_xact_lock_shared(place.id) FROM (SELECT unnest(CAST(:places AS bigint[])) AS id ORDER BY 1) place
""")
_CLAIM = text("""
    SELECT id, facility_id, outcome, new_stay_id, due_cents FROM bay_claims WHERE stay_id = :stay
""")
_COUNT = text("""
    SELECT count(*) FROM bay_claims WHERE household_id = :household AND (until > :now OR claimed_at > :since)
""")
# Whoever was let in by a code counts as seen.
_IS_SEEN = text("""
    SELECT EXISTS (
        SELECT FROM gate_sessions g JOIN vehicles v ON v.plate_hash = g.plate_hash AND v.withdrawn_at IS NULL
        WHERE g.facility_id = :facility AND g.state = 'open' AND v.household_id = :household
    )
""")
# What a claim has put in the place of a permit's night costs nothing itself.
_PAID = text("""
    WITH RECURSIVE before (stay_id) AS (
        SELECT CAST(:stay AS bigint)
        UNION SELECT c.stay_id FROM before b JOIN bay_claims c ON c.new_stay_id = b.stay_id
    )
    SELECT o.price_cents - o.lost_cents AS price_cents, p.monthly_price_cents, s.night
    FROM before b
    JOIN stays s ON s.id = b.stay_id
    LEFT JOIN bookings o ON o.stay_id = s.id
    LEFT JOIN permits p ON p.id = s.permit_id
    ORDER BY s.id LIMIT 1
""")
_END = text("UPDATE stays SET state = :state, ended_at = :now WHERE id = :stay AND state = 'confirmed'")
_EXPIRE = text("""
    UPDATE stays s SET state = 'expired', ended_at = s.expires_at, expires_at = NULL
    FROM bays b JOIN bay_groups g ON g.id = b.bay_group_id
    WHERE b.id = s.bay_id AND g.facility_id = ANY(:places) AND s.state = 'held' AND s.expires_at <= :now
""")
# Whoever stands in the facility already need not come before last entry.
_FREE = text("""
    SELECT b.id, w.walk_m
    FROM facilities f
    JOIN openings o ON o.facility_id = f.id
    JOIN bay_groups g ON g.id = o.bay_group_id
    JOIN bays b ON b.bay_group_id = g.id AND b.number BETWEEN o.first_number AND o.last_number
    JOIN households h ON h.id = :household
    LEFT JOIN walk_pairs w ON w.facility_id = f.id AND w.home_id = h.home_id
    WHERE f.id = ANY(:places) AND f.status = 'published' AND f.materialised_until >= :ends_at
      AND (f.max_height_m IS NULL OR CAST(:height AS double precision) IS NULL OR :height <= f.max_height_m)
      AND o.during @> tstzrange(:starts_at, :ends_at) AND o.ends @> CAST(:ends_at AS timestamptz)
      AND (f.id = :facility OR o.starts @> CAST(:starts_at AS timestamptz))
      AND g.kinds @> CAST(:needs AS text[])
      AND (cardinality(CAST(:needs AS text[])) > 0 OR g.kinds && ARRAY['standard', 'large'])
      AND b.id <> :bay
      AND NOT EXISTS (
          SELECT FROM stays s
          WHERE s.bay_id = b.id AND s.bay_id IS NOT NULL AND s.during && tstzrange(:starts_at, :ends_at)
            AND s.state IN ('held', 'confirmed')
      )
      AND NOT EXISTS (
          SELECT FROM bays_out_of_use u
          WHERE u.bay_id = b.id AND u.starts_at < :ends_at AND u.ends_at > :starts_at
      )
    ORDER BY f.id <> :facility, w.walk_m, f.id, cardinality(g.kinds), g.position, b.number LIMIT 8
""")
_TAKE = text("""
    INSERT INTO stays (bay_id, household_id, during, kind, state, created_at)
    VALUES (:bay, :household, tstzrange(:starts_at, :ends_at), 'booking', 'confirmed', :now)
    ON CONFLICT DO NOTHING RETURNING id
""")
_BOOK = text("""
    INSERT INTO bookings (stay_id, household_id, vehicle_id, booked_by, walk_m, price_cents)
    VALUES (:new, :household, :vehicle, :account, :walk_m,
        COALESCE((SELECT price_cents - lost_cents FROM bookings WHERE stay_id = :stay), 0))
""")
_ADD = text("""
    INSERT INTO bay_claims (stay_id, household_id, facility_id, bay_id, until, claimed_at, evidence, outcome,
        new_stay_id, due_cents)
    SELECT :stay, :household, :facility, :bay, :until, :now, :evidence,
        CASE WHEN CAST(:new AS bigint) IS NULL THEN 'money_back' ELSE 'moved' END, :new, :due
    RETURNING id, facility_id, outcome, new_stay_id, due_cents
""")
_PUT_OUT_OF_USE = text("INSERT INTO bays_out_of_use (bay_id, starts_at, ends_at) VALUES (:bay, :now, :until)")
_BACK_IN_USE = text("DELETE FROM bays_out_of_use WHERE ends_at <= :now")
_WALK = text("SELECT walk_m FROM bookings WHERE stay_id = :stay")
_CLAIMS = text("""
    SELECT c.id, c.claimed_at, c.stay_id, c.bay_id, g.code AS bay_group, b.number, c.outcome, c.due_cents, c.evidence
    FROM bay_claims c JOIN bays b ON b.id = c.bay_id JOIN bay_groups g ON g.id = b.bay_group_id
    WHERE c.facility_id = :facility ORDER BY c.id DESC LIMIT :limit
""")


def places_near(connection: Connection, household_id: int, facility_id: int) -> list[int]:
    """List a facility and those within a walk of a household's home, by id."""
    return list(connection.scalars(_PLACES, {"household": household_id, "facility": facility_id}))


def lock_places(connection: Connection, places: Sequence[int]) -> None:
    """Keep these facilities from shrinking until the transaction ends, as a booking does."""
    connection.execute(_LOCK, {"places": list(places)})


def find_claim(connection: Connection, stay_id: int) -> Row[Any] | None:
    """Return the claim of a stay."""
    return connection.execute(_CLAIM, {"stay": stay_id}).one_or_none()


def count_claims(connection: Connection, household_id: int, *, since: datetime, now: datetime) -> int:
    """Count a household's claims since a moment, and those for stays that would still go on."""
    return int(connection.execute(_COUNT, {"household": household_id, "since": since, "now": now}).scalar_one())


def is_seen(connection: Connection, household_id: int, facility_id: int) -> bool:
    """Tell whether the gate of a facility saw a household's car come in, and not leave."""
    return bool(connection.scalar(_IS_SEEN, {"household": household_id, "facility": facility_id}))


def what_was_paid(connection: Connection, stay_id: int) -> Row[Any]:
    """Return the price of a stay, or of the one that it took the place of, or its permit's monthly price and night."""
    return connection.execute(_PAID, {"stay": stay_id}).one()


def end_stay(connection: Connection, stay_id: int, *, state: str, now: datetime) -> None:
    """End a stay, so that its household can have another."""
    connection.execute(_END, {"stay": stay_id, "state": state, "now": now})


def take_other_bay(
    connection: Connection,
    stay: Row[Any],
    car: Row[Any],
    places: Sequence[int],
    *,
    starts_at: datetime,
    account_id: int,
    now: datetime,
) -> int | None:
    """
    Take a bay for the rest of a stay, at the same facility first, then by walk; return the new stay, None without.

    Bays that were reported as taken are passed over while that lasts.
    """
    connection.execute(_EXPIRE, {"places": list(places), "now": now})
    values = {
        "household": stay.household_id,
        "facility": stay.facility_id,
        "places": list(places),
        "bay": stay.bay_id,
        "starts_at": starts_at,
        "ends_at": stay.ends_at,
        "height": car.height_m,
        "needs": car.needs.split(),
        "now": now,
    }
    for free in connection.execute(_FREE, values).all():
        taken = connection.scalar(_TAKE, {**values, "bay": free.id})
        if taken is not None:
            booked = {"new": taken, "household": stay.household_id, "stay": stay.id, "vehicle": car.id}
            connection.execute(_BOOK, {**booked, "account": account_id, "walk_m": free.walk_m})
            return int(taken)
    return None


def add_claim(
    connection: Connection,
    stay: Row[Any],
    *,
    new_stay_id: int | None,
    due_cents: int,
    evidence: str | None,
    now: datetime,
) -> Row[Any]:
    """Write a claim down with what became of it."""
    values = {
        "stay": stay.id,
        "household": stay.household_id,
        "facility": stay.facility_id,
        "bay": stay.bay_id,
        "until": stay.ends_at,
        "now": now,
        "evidence": evidence,
        "new": new_stay_id,
        "due": due_cents,
    }
    return connection.execute(_ADD, values).one()


def put_out_of_use(connection: Connection, bay_id: int, *, until: datetime, now: datetime) -> None:
    """Send nobody to a bay until a moment; forget bays whose time is over. The caller acts as the worker."""
    connection.execute(_BACK_IN_USE, {"now": now})
    connection.execute(_PUT_OUT_OF_USE, {"bay": bay_id, "until": until, "now": now})


def walk_of(connection: Connection, stay_id: int) -> int | None:
    """Return the walk of a booking."""
    walk: int | None = connection.scalar(_WALK, {"stay": stay_id})
    return walk


def list_claims(connection: Connection, facility_id: int, *, limit: int) -> Sequence[Row[Any]]:
    """List claims at a facility, the newest first."""
    return connection.execute(_CLAIMS, {"facility": facility_id, "limit": limit}).all()
