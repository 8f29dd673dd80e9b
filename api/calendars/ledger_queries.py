"""What a change of the calendar asks of permits and their ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import Connection, text

from api.calendars.turning import Held
from api.openings.permit_nights import Permit
from api.permits.nights import multirange_of


def list_held(connection: Connection, neighbourhood_id: int, *, since: date) -> list[Held]:
    """List the permits and offers of a neighbourhood that end on a date or later."""
    query = text(
        "SELECT p.id, p.household_id, p.bay_group_id, g.facility_id, p.state, lower(p.term) AS first, "
        "upper(p.term) - 1 AS last, p.days, p.arrive_min, p.leave_min, p.stay_through, p.days_left_out, "
        "a.tier, a.rounds_waited, away.first AS away_first, away.last AS away_last, p.nights IS NULL AS uncounted, "
        "ARRAY(SELECT CAST(generate_series(lower(r), upper(r) - 1, interval '1 day') AS date) FROM unnest(p.nights) r) "
        "AS nights, elsewhere.first AS elsewhere_first, elsewhere.last AS elsewhere_last, "
        "elsewhere.bay_group AS elsewhere_group "
        "FROM permits p JOIN bay_groups g ON g.id = p.bay_group_id JOIN facilities f ON f.id = g.facility_id "
        "LEFT JOIN applications a ON a.id = p.application_id CROSS JOIN LATERAL ("
        "SELECT array_agg(lower(b.nights) ORDER BY b.nights) AS first, "
        "array_agg(upper(b.nights) - 1 ORDER BY b.nights) AS last "
        "FROM permit_absences b WHERE b.permit_id = p.id) away "
        "CROSS JOIN LATERAL (SELECT array_agg(lower(run)) AS first, array_agg(upper(run) - 1) AS last, "
        "array_agg(d.bay_group_id) AS bay_group FROM permit_detours d CROSS JOIN LATERAL unnest(d.evenings) AS run "
        "WHERE d.permit_id = p.id) elsewhere "
        "WHERE f.neighbourhood_id = :neighbourhood AND p.state IN ('offered', 'active') AND upper(p.term) > :since "
        "ORDER BY p.id"
    )
    return [
        Held(
            right=Permit(
                id=row.id,
                household_id=row.household_id,
                bay_group_id=row.bay_group_id,
                first=row.first,
                last=row.last,
                days=row.days,
                arrive_min=row.arrive_min,
                leave_min=row.leave_min,
                stay_through=row.stay_through,
                absences=tuple(zip(row.away_first or (), row.away_last or (), strict=True)),
                days_left_out=frozenset(row.days_left_out),
                offered=row.state == "offered",
                detours=tuple(
                    zip(row.elsewhere_first or (), row.elsewhere_last or (), row.elsewhere_group or (), strict=True)
                ),
            ),
            facility_id=row.facility_id,
            nights=None if row.uncounted else frozenset(row.nights),
            rank=(3 if row.tier is None else row.tier, -(row.rounds_waited or 0), row.id),
        )
        for row in connection.execute(query, {"neighbourhood": neighbourhood_id, "since": since}).all()
    ]


def list_groups(connection: Connection, neighbourhood_id: int) -> list[int]:
    """List the bay groups of a neighbourhood."""
    query = text(
        "SELECT g.id FROM bay_groups g JOIN facilities f ON f.id = g.facility_id "
        "WHERE f.neighbourhood_id = :neighbourhood ORDER BY 1"
    )
    return list(connection.scalars(query, {"neighbourhood": neighbourhood_id}))


def ledger_facilities(connection: Connection, neighbourhood_id: int, *, first: date, last: date) -> list[int]:
    """List the facilities of a neighbourhood of which the ledger knows some nights."""
    query = text(
        "SELECT DISTINCT g.facility_id FROM ledger_nights l JOIN bay_groups g ON g.id = l.bay_group_id "
        "JOIN facilities f ON f.id = g.facility_id "
        "WHERE f.neighbourhood_id = :neighbourhood AND l.night BETWEEN :first AND :last ORDER BY 1"
    )
    return list(connection.scalars(query, {"neighbourhood": neighbourhood_id, "first": first, "last": last}))


def save_nights(connection: Connection, permits: Sequence[Held]) -> None:
    """Store what permits take of the ledger and which days they leave out."""
    query = text(
        "UPDATE permits SET nights = CAST(:nights AS datemultirange), days_left_out = :left_out WHERE id = :id"
    )
    values = [
        {
            "id": held.right.id,
            "nights": None if held.nights is None else multirange_of(sorted(held.nights)),
            "left_out": sorted(held.right.days_left_out),
        }
        for held in permits
    ]
    if values:
        connection.execute(query, values)
