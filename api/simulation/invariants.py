"""
What must hold after any season, in plain SQL that shares nothing with what it looks at.

Each rule counts the rows that break it; zero is the only good answer. Read as the database's own superuser, so that
row-level security hides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy import Connection, text

RULES: Mapping[str, str] = MappingProxyType(
    {
        "no_bay_has_two_cars": """
            SELECT count(*) FROM stays a JOIN stays b ON a.bay_id = b.bay_id AND a.id < b.id AND a.during && b.during
            WHERE a.state IN ('held', 'confirmed') AND b.state IN ('held', 'confirmed')
        """,
        "no_household_stands_twice": """
            SELECT count(*) FROM stays a
            JOIN stays b ON a.household_id = b.household_id AND a.id < b.id AND a.during && b.during
            WHERE a.state IN ('held', 'confirmed') AND b.state IN ('held', 'confirmed')
        """,
        "every_stay_lies_in_an_opening": """
            SELECT count(*) FROM stays s JOIN bays b ON b.id = s.bay_id
            JOIN bay_groups g ON g.id = b.bay_group_id JOIN facilities f ON f.id = g.facility_id
            WHERE s.state = 'confirmed' AND upper(s.during) <= f.materialised_until AND NOT EXISTS (
                SELECT FROM openings o
                WHERE o.bay_group_id = g.id AND b.number BETWEEN o.first_number AND o.last_number
                  AND s.during <@ o.during
            ) AND NOT EXISTS (
                -- Bays taken back are not sold any more at once, and whoever has one keeps it until they are gone.
                SELECT FROM withdrawals w
                WHERE w.facility_id = f.id AND w.confirmed_at < upper(s.during) AND upper(s.during) <= w.effective_from
            ) AND NOT EXISTS (
                -- Whoever stands there when a notice lands has time to leave, until the morning at the latest.
                SELECT FROM calendar_notices c
                WHERE s.during @> c.landed_at AND upper(s.during) <= c.landed_at + interval '11 hours'
            )
        """,
        "the_ledger_gives_what_there_is": "SELECT count(*) FROM ledger_nights WHERE taken > bays OR taken < 0",
        "the_ledger_holds_what_permits_take": """
            WITH held AS (
                SELECT p.bay_group_id, day::date AS night, count(*) AS taken
                FROM (
                    SELECT bay_group_id, nights FROM permits WHERE nights IS NOT NULL
                    UNION ALL SELECT bay_group_id, nights FROM permit_detours WHERE bay_group_id IS NOT NULL
                ) p CROSS JOIN LATERAL unnest(p.nights) AS span
                CROSS JOIN LATERAL generate_series(lower(span), upper(span) - 1, interval '1 day') AS day
                GROUP BY 1, 2
            )
            SELECT count(*) FROM ledger_nights l
            FULL JOIN held h ON h.bay_group_id = l.bay_group_id AND h.night = l.night
            WHERE COALESCE(l.taken, 0) <> COALESCE(h.taken, 0)
        """,
        "one_household_one_permit": """
            SELECT count(*) FROM permits a JOIN permits b ON a.household_id = b.household_id AND a.id < b.id
            WHERE a.term && b.term AND a.state IN ('offered', 'active') AND b.state IN ('offered', 'active')
        """,
        "every_application_has_an_answer": """
            SELECT count(*) FROM applications a JOIN rounds r ON r.id = a.round_id
            WHERE r.published_at IS NOT NULL AND a.state = 'submitted' AND NOT EXISTS (
                SELECT FROM round_outcomes o WHERE o.plan_id = r.plan_id AND o.application_id = a.id
            )
        """,
        "every_no_has_a_reason": """
            SELECT count(*) FROM round_outcomes WHERE bay_group_id IS NULL AND COALESCE(reason, '') = ''
        """,
        "every_published_plan_was_checked": """
            SELECT count(*) FROM rounds r JOIN round_plans p ON p.id = r.plan_id
            WHERE r.published_at IS NOT NULL AND p.checked_at IS NULL
        """,
        "whoever_is_served_got_an_offer": """
            SELECT count(*) FROM rounds r JOIN round_outcomes o ON o.plan_id = r.plan_id
            WHERE r.published_at IS NOT NULL AND o.bay_group_id IS NOT NULL AND NOT EXISTS (
                SELECT FROM permits p JOIN offers f ON f.permit_id = p.id WHERE p.application_id = o.application_id
            )
        """,
        "every_offer_waits_for_three_days": """
            SELECT count(*) FROM offers
            WHERE expires_at - delivered_at < interval '72 hours' AND source <> 're_accommodation'
        """,
        "what_was_accepted_is_a_permit": """
            SELECT count(*) FROM offers o JOIN permits p ON p.id = o.permit_id
            WHERE o.state = 'accepted' AND (p.state = 'offered' OR p.state = 'ended' AND p.end_reason IS NULL)
        """,
        "what_was_refused_is_none": """
            SELECT count(*) FROM offers o JOIN permits p ON p.id = o.permit_id
            WHERE o.state IN ('declined', 'lapsed', 'withdrawn') AND p.state <> 'ended'
        """,
        "one_offer_at_a_time": """
            SELECT count(*) FROM offers a JOIN offers b ON a.household_id = b.household_id AND a.id < b.id
            WHERE a.state = 'pending' AND b.state = 'pending'
        """,
        "everybody_is_told_of_offers": """
            SELECT count(*) FROM offers o WHERE o.source <> 're_accommodation' AND NOT EXISTS (
                SELECT FROM notices n
                WHERE n.household_id = o.household_id AND n.kind = 'offer_made' AND (n.facts ->> 'offer')::bigint = o.id
            )
        """,
        "nights_of_permits_have_their_bay": """
            SELECT count(*) FROM permits p JOIN bay_groups g ON g.id = p.bay_group_id
            JOIN facilities f ON f.id = g.facility_id JOIN neighbourhoods n ON n.id = f.neighbourhood_id
            CROSS JOIN LATERAL unnest(p.nights) AS span
            CROSS JOIN LATERAL generate_series(lower(span), upper(span) - 1, interval '1 day') AS day
            WHERE p.state = 'active' AND p.days NOT IN ('rest_days') AND NOT p.stay_through
              AND day::date > (simulated.now() AT TIME ZONE n.timezone)::date
              AND day::date < (f.materialised_until AT TIME ZONE n.timezone)::date - 1
              AND NOT EXISTS (
                  SELECT FROM stays s WHERE s.permit_id = p.id AND s.night = day::date
                    AND s.state IN ('confirmed', 'given_back'))
              AND NOT EXISTS (SELECT FROM permit_absences a WHERE a.permit_id = p.id AND a.nights @> day::date)
              AND NOT day::date = ANY (p.days_left_out)
              AND NOT EXISTS (
                  SELECT FROM plates_off_list o
                  WHERE o.household_id = p.household_id AND o.ends_at > o.starts_at
                    AND tstzrange(o.starts_at, o.ends_at)
                        && tstzrange(day AT TIME ZONE n.timezone, (day + interval '2 days') AT TIME ZONE n.timezone)
              )
        """,
    }
)
"""Rule, by what it ensures → how many rows break it."""


def broken_rules(connection: Connection) -> dict[str, int]:
    """Return the rules that are broken, with how often."""
    found = {name: int(connection.execute(text(rule)).scalar_one()) for name, rule in RULES.items()}
    return {name: number for name, number in found.items() if number}
