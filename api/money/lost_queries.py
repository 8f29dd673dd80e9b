"""What money asks of the database about nights that were paid for and lost, and about strikes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

# A stay is gone where nothing took its place: by a claim, by a withdrawal, or what a claim had put in its place is.
_NIGHTS_LOST = text(
    """
    WITH RECURSIVE gone (stay_id, reason) AS (
        SELECT c.stay_id, 'bay_taken' FROM bay_claims c WHERE c.outcome = 'money_back'
        UNION SELECT w.stay_id, 'withdrawn' FROM withdrawal_stays w WHERE w.new_stay_id IS NULL
        UNION SELECT n.stay_id, 'withdrawn' FROM notices n
              WHERE n.kind = 'stay_withdrawn' AND n.stay_id IS NOT NULL AND n.facts ->> 'new_stay' IS NULL
        UNION SELECT c.stay_id, g.reason FROM gone g JOIN bay_claims c ON c.new_stay_id = g.stay_id
    ), lost AS (
        SELECT s.permit_id, s.night, g.reason FROM gone g JOIN stays s ON s.id = g.stay_id
        WHERE s.permit_id IS NOT NULL AND (g.reason = 'bay_taken' OR upper(s.during) <= :now)
          AND (s.state = 'given_back' OR s.state IN ('cancelled', 'leaving') AND NOT EXISTS (
              SELECT FROM stays o WHERE o.permit_id = s.permit_id AND o.night = s.night
                AND o.state IN ('confirmed', 'given_back')))
        UNION ALL
        -- Nights that a permit spends nowhere, whether or not they had been placed.
        SELECT d.permit_id, evening.night, 'withdrawn'
        FROM permit_detours d
        JOIN permits p ON p.id = d.permit_id
        JOIN bay_groups g ON g.id = p.bay_group_id
        JOIN facilities f ON f.id = g.facility_id
        JOIN neighbourhoods n ON n.id = f.neighbourhood_id
        CROSS JOIN LATERAL unnest(d.evenings) AS run
        CROSS JOIN LATERAL generate_series(
            lower(run), least(upper(run), CAST(CAST(:now AS timestamptz) AT TIME ZONE n.timezone AS date)) - 1,
            interval '1 day'
        ) AS t (moment)
        CROSS JOIN LATERAL (SELECT CAST(t.moment AS date) AS night) AS evening
        WHERE d.bay_group_id IS NULL AND NOT EXISTS (
            SELECT FROM stays o WHERE o.permit_id = d.permit_id AND o.night = evening.night
              AND o.state IN ('confirmed', 'given_back'))
    )
    SELECT l.permit_id, l.night, min(l.reason) AS reason FROM lost l
    WHERE EXISTS (SELECT FROM journal j
                  WHERE j.reference = 'permit ' || l.permit_id || ' month ' || to_char(l.night, 'YYYY-MM') || ' fee')
      AND NOT EXISTS (SELECT FROM journal j
                      WHERE j.reference = 'permit ' || l.permit_id || ' day ' || l.night || ' refund')
    GROUP BY 1, 2 ORDER BY 1, 2 LIMIT :most
    """
)
# All of a booking that was cancelled when it had begun, or what it lost as its stay was made to end earlier.
_BOOKINGS_LOST = text(
    """
    SELECT s.id, CASE WHEN s.state = 'cancelled' THEN b.price_cents ELSE b.lost_cents END - refunded.cents AS cents,
           CASE WHEN EXISTS (SELECT FROM bay_claims c WHERE c.stay_id = s.id) THEN 'bay_taken'
                WHEN s.state = 'cancelled' THEN 'withdrawn' ELSE 'ends_earlier' END AS reason
    FROM (
        SELECT j.stay_id FROM journal j JOIN stays s ON s.id = j.stay_id
        WHERE j.kind = 'booking' AND s.state = 'cancelled'
          AND NOT EXISTS (SELECT FROM journal r WHERE r.reference = 'booking ' || s.id || ' refund')
        UNION
        SELECT b.stay_id FROM bookings b JOIN journal j ON j.stay_id = b.stay_id AND j.kind = 'booking'
        WHERE b.lost_cents > 0
    ) AS one
    JOIN stays s ON s.id = one.stay_id JOIN bookings b ON b.stay_id = s.id
    CROSS JOIN LATERAL (
        SELECT COALESCE(-sum(e.cents), 0) AS cents FROM journal j JOIN journal_entries e ON e.journal_id = j.id
        WHERE j.stay_id = s.id AND j.reference LIKE 'booking %' AND j.kind = 'refund' AND e.account = 'receivable'
    ) AS refunded
    WHERE CASE WHEN s.state = 'cancelled' THEN b.price_cents ELSE b.lost_cents END > refunded.cents
    ORDER BY s.id LIMIT :most
    """
)
_STRIKES_TO_CHARGE = text(
    """
    SELECT k.id, k.household_id, k.stay_id, k.facility_id, f.owner_id, k.amount_cents AS cents
    FROM strikes k JOIN facilities f ON f.id = k.facility_id
    WHERE k.act = 'fee' AND k.state = 'standing' AND k.effect = 'done'
      AND NOT EXISTS (SELECT FROM journal j WHERE j.reference = 'strike ' || k.id || ' fee ' || k.amount_cents)
    ORDER BY k.id LIMIT :most
    """
)
_STRIKES_TO_REFUND = text(
    """
    SELECT k.id, k.household_id, k.stay_id, k.facility_id, f.owner_id, charged.cents,
           CASE WHEN k.state = 'lifted' THEN 'lifted' ELSE 'weighs_less' END AS reason
    FROM strikes k JOIN facilities f ON f.id = k.facility_id
    JOIN journal j ON j.stay_id = k.stay_id AND j.kind = 'fee'
    CROSS JOIN LATERAL (SELECT CAST(split_part(j.reference, ' ', 4) AS bigint) AS cents) AS charged
    WHERE (k.act, k.state, k.effect, k.amount_cents) IS DISTINCT FROM ('fee', 'standing', 'done', charged.cents)
      AND NOT EXISTS (SELECT FROM journal r WHERE r.reference = j.reference || ' refund')
    ORDER BY k.id LIMIT :most
    """
)


def nights_lost(connection: Connection, *, now: datetime, most: int) -> list[Row[Any]]:
    """
    List the nights of permits that their households paid for and could not have, and that are not refunded.

    Nights that owners took back are listed when they are over, those whose bay was taken at once; each night once,
    however many ways it is found.
    """
    return list(connection.execute(_NIGHTS_LOST, {"now": now, "most": most}))


def bookings_lost(connection: Connection, *, most: int) -> list[Row[Any]]:
    """List what bookings that were charged when they began have lost since, in cents, and why; not what is refunded."""
    return list(connection.execute(_BOOKINGS_LOST, {"most": most}))


def strikes_to_charge(connection: Connection, *, most: int) -> Sequence[Row[Any]]:
    """List strikes whose fee has come due and is not charged, at most so many."""
    return connection.execute(_STRIKES_TO_CHARGE, {"most": most}).all()


def strikes_to_refund(connection: Connection, *, most: int) -> Sequence[Row[Any]]:
    """List strikes whose fee was charged and no longer stands, with what was charged and why; not those refunded."""
    return connection.execute(_STRIKES_TO_REFUND, {"most": most}).all()
