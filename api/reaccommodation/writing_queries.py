"""What re-accommodation writes into the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

Columns = Mapping[str, Sequence[Any]]

_SHORTEN = text(
    """
    UPDATE permits p SET
        nights = CAST(w.nights AS datemultirange),
        end_reason = 'withdrawn',
        term = CASE WHEN w.until > lower(p.term) THEN daterange(lower(p.term), w.until) ELSE p.term END,
        state = CASE WHEN w.until > greatest(lower(p.term), w.today) AND p.state = 'active' THEN p.state
                     ELSE 'ended' END,
        ended_at = CASE WHEN w.until > greatest(lower(p.term), w.today) AND p.state = 'active' THEN NULL
                        ELSE CAST(:now AS timestamptz) END
    FROM unnest(CAST(:permits AS bigint[]), CAST(:nights AS text[]), CAST(:until AS date[]), CAST(:today AS date[]))
        AS w (permit, nights, until, today)
    WHERE p.id = w.permit
    """
)
_SET_NIGHTS = text(
    "UPDATE permits p SET nights = CAST(w.nights AS datemultirange) "
    "FROM unnest(CAST(:permits AS bigint[]), CAST(:nights AS text[])) AS w (permit, nights) WHERE p.id = w.permit"
)
_ADD_PERMITS = text(
    """
    WITH wanted AS (
        SELECT * FROM unnest(
            CAST(:replaced AS bigint[]), CAST(:groups AS bigint[]), CAST(:terms AS text[]), CAST(:walks AS int[]),
            CAST(:left_out AS text[]), CAST(:nights AS text[])
        ) WITH ORDINALITY AS w (replaced, bay_group, term, walk, left_out, nights, place)
    ), made AS (
        INSERT INTO permits (household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min, stay_through,
            state, created_at, application_id, nights, days_left_out, walk_m, monthly_price_cents)
        SELECT p.household_id, p.vehicle_id, w.bay_group, CAST(w.term AS daterange), p.days, p.arrive_min, p.leave_min,
               p.stay_through, 'active', :now, p.application_id, CAST(w.nights AS datemultirange),
               CAST(w.left_out AS date[]), w.walk, least(p.monthly_price_cents, f.monthly_price_cents)
        FROM wanted w JOIN permits p ON p.id = w.replaced JOIN bay_groups g ON g.id = w.bay_group
        JOIN facilities f ON f.id = g.facility_id
        ORDER BY w.place
        RETURNING id, household_id, bay_group_id
    ), offered AS (
        INSERT INTO offers (permit_id, household_id, source, state, made_at, decided_at)
        SELECT id, household_id, 're_accommodation', 'accepted', :now, :now FROM made
    )
    SELECT m.id, w.replaced
    FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM made) AS m JOIN wanted w USING (place)
    """
)
_WITHDRAW_OFFERS = text(
    "UPDATE offers SET state = 'withdrawn', decided_at = :now WHERE permit_id = ANY(:permits) AND state = 'pending'"
)
_ADD_DETOURS = text(
    """
    INSERT INTO permit_detours (permit_id, withdrawal_id, evenings, nights, bay_group_id, walk_m, created_at)
    SELECT w.permit, :withdrawal, CAST(w.evenings AS datemultirange), CAST(w.nights AS datemultirange), w.bay_group,
           w.walk, :now
    FROM unnest(CAST(:permits AS bigint[]), CAST(:evenings AS text[]), CAST(:nights AS text[]),
                CAST(:groups AS bigint[]), CAST(:walks AS int[])) AS w (permit, evenings, nights, bay_group, walk)
    """
)
_SHORTEN_DETOURS = text(
    "UPDATE permit_detours d SET evenings = d.evenings - CAST(w.evenings AS datemultirange), "
    "nights = d.nights - CAST(w.nights AS datemultirange) "
    "FROM unnest(CAST(:detours AS bigint[]), CAST(:evenings AS text[]), CAST(:nights AS text[])) "
    "AS w (detour, evenings, nights) WHERE d.id = w.detour"
)
_DROP_EMPTY_DETOURS = text("DELETE FROM permit_detours WHERE id = ANY(:detours) AND isempty(evenings)")
_NOTE_PERMITS = text(
    """
    INSERT INTO withdrawal_permits (withdrawal_id, permit_id, household_id, tier, outcome, bay_group_id, walk_m, nights,
        nights_lost, last, new_permit_id, new_bay_group_id, new_walk_m)
    SELECT :withdrawal, w.permit, w.household, w.tier, w.outcome, w.bay_group, w.walk,
           CAST(w.nights AS datemultirange), w.lost, w.last, w.new_permit, w.new_group, w.new_walk
    FROM unnest(CAST(:permits AS bigint[]), CAST(:households AS bigint[]), CAST(:tiers AS int[]),
                CAST(:outcomes AS text[]), CAST(:groups AS bigint[]), CAST(:walks AS int[]), CAST(:nights AS text[]),
                CAST(:lost AS int[]), CAST(:last AS date[]), CAST(:new_permits AS bigint[]),
                CAST(:new_groups AS bigint[]), CAST(:new_walks AS int[]))
        AS w (permit, household, tier, outcome, bay_group, walk, nights, lost, last, new_permit, new_group, new_walk)
    ON CONFLICT (withdrawal_id, permit_id) DO NOTHING
    """
)
_LOWER_LEDGER = text(
    "UPDATE ledger_nights l SET bays = w.bays "
    "FROM unnest(CAST(:groups AS bigint[]), CAST(:nights AS date[]), CAST(:bays AS int[])) AS w (g, night, bays) "
    "WHERE l.bay_group_id = w.g AND l.night = w.night"
)


def shorten_permits(connection: Connection, columns: Columns, *, now: datetime) -> None:
    """End permits before the day `until`: at once where that has come, or where they have not begun by then."""
    connection.execute(_SHORTEN, {**columns, "now": now})


def set_nights(connection: Connection, columns: Columns) -> None:
    """Say what permits take of their own group's ledger."""
    connection.execute(_SET_NIGHTS, columns)


def add_permits(connection: Connection, columns: Columns, *, now: datetime) -> dict[int, int]:
    """Give permits in place of others, accepted; return their ids by the permits they replace."""
    rows = connection.execute(_ADD_PERMITS, {**columns, "now": now})
    return {row.replaced: row.id for row in rows}


def withdraw_offers(connection: Connection, permit_ids: Sequence[int], *, now: datetime) -> None:
    """Take back the offers of permits that nobody has accepted yet."""
    connection.execute(_WITHDRAW_OFFERS, {"permits": list(permit_ids), "now": now})


def add_detours(connection: Connection, withdrawal_id: int, columns: Columns, *, now: datetime) -> None:
    """Let permits spend evenings elsewhere, or (no bay group) not at all."""
    connection.execute(_ADD_DETOURS, {**columns, "withdrawal": withdrawal_id, "now": now})


def shorten_detours(connection: Connection, columns: Columns) -> None:
    """Take evenings out of detours; what is left of none goes."""
    connection.execute(_SHORTEN_DETOURS, columns)
    connection.execute(_DROP_EMPTY_DETOURS, {"detours": columns["detours"]})


def note_permits(connection: Connection, withdrawal_id: int, columns: Columns) -> None:
    """Keep what became of permits."""
    connection.execute(_NOTE_PERMITS, {**columns, "withdrawal": withdrawal_id})


def lower_ledger(connection: Connection, rows: Sequence[tuple[int, Any, int]]) -> None:
    """Say how many bays nights have: (bay group, night, bays)."""
    values = {"groups": [g for g, _, _ in rows], "nights": [n for _, n, _ in rows], "bays": [b for _, _, b in rows]}
    connection.execute(_LOWER_LEDGER, values)


_NEARBY_BAYS = text(
    """
    WITH found AS MATERIALIZED (
        SELECT w.stay AS old, w.home, t.stay, t.place, t.price_cents
        FROM unnest(CAST(:stays AS bigint[]), CAST(:homes AS bigint[]), CAST(:households AS bigint[]),
                    CAST(:places AS text[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]),
                    CAST(:needs AS text[]), CAST(:heights AS float[]))
            AS w (stay, home, household, places, starts_at, ends_at, needs, height)
        CROSS JOIN LATERAL take_bay(
            w.household, CAST(w.places AS bigint[]), tstzrange(w.starts_at, w.ends_at), NULL,
            string_to_array(w.needs, ' '), w.height, NULL
        ) AS t
    )
    SELECT f.old, f.stay, f.place, f.price_cents, k.walk_m
    FROM found f JOIN walk_pairs k ON k.home_id = f.home AND k.facility_id = f.place
    WHERE f.stay IS NOT NULL
    """
)
_INSTEAD = text(
    """
    SELECT DISTINCT ON (s.id) s.id AS old, o.id AS stay, g.facility_id AS place, k.walk_m
    FROM stays s JOIN stays o ON o.household_id = s.household_id AND o.during && s.during AND o.state = 'confirmed'
    JOIN bays b ON b.id = o.bay_id JOIN bay_groups g ON g.id = b.bay_group_id
    JOIN households h ON h.id = s.household_id
    JOIN walk_pairs k ON k.home_id = h.home_id AND k.facility_id = g.facility_id
    WHERE s.id = ANY(:ids) ORDER BY s.id, lower(o.during)
    """
)
_MOVE_BOOKINGS = text(
    "INSERT INTO bookings (stay_id, household_id, vehicle_id, booked_by, walk_m, price_cents) "
    "SELECT w.new, b.household_id, b.vehicle_id, b.booked_by, w.walk, least(b.price_cents, w.price) "
    "FROM unnest(CAST(:old AS bigint[]), CAST(:new AS bigint[]), CAST(:walks AS int[]), CAST(:prices AS bigint[])) "
    "AS w (old, new, walk, price) JOIN bookings b ON b.stay_id = w.old"
)
_MAKE_NIGHTS = text(
    "UPDATE stays s SET kind = 'permit', permit_id = w.permit, night = w.night "
    "FROM unnest(CAST(:new AS bigint[]), CAST(:permits AS bigint[]), CAST(:nights AS date[])) "
    "AS w (new, permit, night) WHERE s.id = w.new"
)
_NOTE_STAYS = text(
    "INSERT INTO withdrawal_stays (withdrawal_id, stay_id, household_id, new_stay_id, refund_cents) "
    "SELECT :withdrawal, * FROM unnest(CAST(:stays AS bigint[]), CAST(:households AS bigint[]), "
    "CAST(:new AS bigint[]), CAST(:refunds AS bigint[]))"
)
_STAYS = text(
    """
    SELECT s.id, s.household_id, s.kind, s.permit_id, s.night, lower(s.during) AS starts_at, upper(s.during) AS ends_at,
           h.home_id, v.needs, v.height_m, b.price_cents, g.facility_id, g.id AS bay_group_id,
           COALESCE(CAST(n.policy ->> 'max_walk_m' AS float), 500) AS most_walk_m,
           EXISTS (SELECT FROM stays o WHERE o.household_id = s.household_id AND o.during && s.during
                   AND o.state IN ('held', 'confirmed')) AS is_placed,
           p.state AS permit_state
    FROM stays s
    JOIN households h ON h.id = s.household_id
    JOIN homes a ON a.id = h.home_id
    JOIN neighbourhoods n ON n.id = a.neighbourhood_id
    JOIN bays y ON y.id = s.bay_id
    JOIN bay_groups g ON g.id = y.bay_group_id
    LEFT JOIN bookings b ON b.stay_id = s.id
    LEFT JOIN permits p ON p.id = s.permit_id
    JOIN vehicles v ON v.id = COALESCE(b.vehicle_id, p.vehicle_id)
    WHERE s.id = ANY(:ids) ORDER BY lower(s.during), s.id
    """
)


def list_ended_stays(connection: Connection, stay_ids: Sequence[int]) -> list[Row[Any]]:
    """List stays with their households' homes and cars, the first to begin first."""
    return list(connection.execute(_STAYS, {"ids": list(stay_ids)}))


def take_bays_nearby(connection: Connection, columns: Columns) -> dict[int, Row[Any]]:
    """Take the nearest free bay at the same times for each stay, in their order; return what was found by stay."""
    return {row.old: row for row in connection.execute(_NEARBY_BAYS, columns).all()}


def list_instead(connection: Connection, stay_ids: Sequence[int]) -> dict[int, Row[Any]]:
    """Return the stays that households of stays have elsewhere meanwhile: `stay`, `place` and `walk_m`, by stay."""
    return {row.old: row for row in connection.execute(_INSTEAD, {"ids": list(stay_ids)}).all()}


def move_bookings(connection: Connection, columns: Columns) -> None:
    """Make bookings of the stays that take the place of others; nobody pays more than before."""
    connection.execute(_MOVE_BOOKINGS, columns)


def make_nights(connection: Connection, columns: Columns) -> None:
    """Let stays be nights of permits."""
    connection.execute(_MAKE_NIGHTS, columns)


def note_stays(connection: Connection, withdrawal_id: int, columns: Columns) -> None:
    """Keep what became of stays."""
    connection.execute(_NOTE_STAYS, {**columns, "withdrawal": withdrawal_id})


_PUT_OUT_OF_USE = text(
    "INSERT INTO bays_out_of_use (bay_id, starts_at, ends_at) "
    "SELECT bay_id, :now, upper(during) FROM stays WHERE id = ANY(:ids) AND upper(during) > :now"
)


def put_out_of_use(connection: Connection, stay_ids: Sequence[int], *, now: datetime) -> None:
    """Send nobody to the bays of stays until these are over, even where they are open again before."""
    connection.execute(_PUT_OUT_OF_USE, {"ids": list(stay_ids), "now": now})


_WAIT_AGAIN = text(
    "UPDATE waitlist_entries e SET state = 'waiting', reached_at = NULL, ended_at = NULL FROM rounds r "
    "WHERE r.id = e.round_id AND e.application_id = ANY(:applications) "
    "RETURNING e.id, e.application_id, e.household_id, e.round_id, upper(r.term) - 1 AS last"
)


def wait_again(connection: Connection, application_ids: Sequence[int]) -> list[Row[Any]]:
    """Let entries of applications wait again with the rank they have; return those there are."""
    return list(connection.execute(_WAIT_AGAIN, {"applications": list(application_ids)}))


_SERVED_LATER = text(
    "SELECT p.application_id FROM permits p JOIN applications a ON a.id = p.application_id "
    "JOIN rounds r ON r.id = a.round_id WHERE p.application_id = ANY(:applications) "
    "AND p.state IN ('offered', 'active') AND upper(p.term) >= upper(r.term)"
)


def list_served_later(connection: Connection, application_ids: Sequence[int | None]) -> set[int]:
    """Return those of some applications that have a permit or an offer until the end of their round's term."""
    return set(connection.scalars(_SERVED_LATER, {"applications": list(application_ids)}))
