"""What the nights of permits ask of the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

from api.openings.permit_nights import Night, Occupancy, Permit, PlacedNight
from api.openings.ticks import utc_minute, utc_moment

_ALMOST_A_MINUTE = timedelta(seconds=59, microseconds=999_999)
# Whoever ends a permit or gives nights of it back locks it first: it sees what we store, or we do not store it.
_STILL_HELD = text(
    "SELECT id FROM permits WHERE id = ANY(:ids) AND state IN ('offered', 'active') ORDER BY id FOR KEY SHARE"
)


@contextmanager
def rights_of_worker(connection: Connection) -> Iterator[None]:
    """Act as the worker for a while: owners who publish may not see permits, whose nights come first all the same."""
    before = connection.scalar(text("SELECT current_setting('baytide.roles', true)"))
    _set_roles(connection, "worker")
    yield  # after an error the transaction is over, and the setting with it
    _set_roles(connection, before or "")


def _set_roles(connection: Connection, roles: str) -> None:
    connection.execute(text("SELECT set_config('baytide.roles', :roles, true)"), {"roles": roles})


def active_permits(
    connection: Connection, facility_ids: Sequence[int], *, ids: Sequence[int] | None = None, since: date
) -> list[Permit]:
    """
    List the permits and offers at facilities whose term does not end before a date, with the nights given back.

    Permits that spend nights there although their own bay group is elsewhere are among them.
    """
    query = text(
        "SELECT p.id, p.household_id, p.bay_group_id, lower(p.term) AS first, upper(p.term) - 1 AS last, p.days, "
        "p.arrive_min, p.leave_min, p.stay_through, p.days_left_out, p.state, "
        "away.first AS away_first, away.last AS away_last "
        "FROM permits p JOIN bay_groups usual ON usual.id = p.bay_group_id "
        "JOIN facilities f ON f.id = usual.facility_id JOIN neighbourhoods n ON n.id = f.neighbourhood_id "
        "CROSS JOIN LATERAL ("
        "SELECT array_agg(lower(a.nights) ORDER BY a.nights) AS first, "
        "array_agg(upper(a.nights) - 1 ORDER BY a.nights) AS last "
        "FROM (SELECT nights FROM permit_absences WHERE permit_id = p.id "
        # A plate that no gate lets in needs no bay.
        "UNION ALL SELECT daterange(CAST(o.starts_at AT TIME ZONE n.timezone AS date), "
        "CAST(o.ends_at AT TIME ZONE n.timezone AS date)) FROM plates_off_list o "
        "WHERE o.household_id = p.household_id AND o.ends_at > o.starts_at) AS a "
        "WHERE NOT isempty(a.nights)) AS away "
        "WHERE p.id IN (SELECT o.id FROM permits o JOIN bay_groups g ON g.id = o.bay_group_id "
        "WHERE g.facility_id = ANY(:ids) UNION ALL SELECT d.permit_id FROM permit_detours d "
        "JOIN bay_groups g ON g.id = d.bay_group_id WHERE g.facility_id = ANY(:ids)) "
        "AND p.state IN ('offered', 'active') AND upper(p.term) > :since "
        "AND (CAST(:permits AS bigint[]) IS NULL OR p.id = ANY(:permits)) ORDER BY p.id"
    )
    values = {"ids": list(facility_ids), "since": since, "permits": None if ids is None else list(ids)}
    rows = connection.execute(query, values).all()
    detours = _detours(connection, [row.id for row in rows])
    return [_permit(row, detours.get(row.id, ())) for row in rows]


def _detours(connection: Connection, permit_ids: Sequence[int]) -> dict[int, tuple[tuple[date, date, int | None], ...]]:
    """Return the nights that permits spend elsewhere, as a permit has them."""
    query = text(
        "SELECT d.permit_id, lower(run) AS first, upper(run) - 1 AS last, d.bay_group_id "
        "FROM permit_detours d CROSS JOIN LATERAL unnest(d.evenings) AS run WHERE d.permit_id = ANY(:ids) ORDER BY d.id"
    )
    found: dict[int, list[tuple[date, date, int | None]]] = defaultdict(list)
    for row in connection.execute(query, {"ids": list(permit_ids)}).all():
        found[row.permit_id].append((row.first, row.last, row.bay_group_id))
    return {permit: tuple(runs) for permit, runs in found.items()}


def _permit(row: Row[Any], detours: tuple[tuple[date, date, int | None], ...]) -> Permit:
    return Permit(
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
        detours=detours,
    )


def list_facilities_with_permits(connection: Connection, *, since: date) -> list[int]:
    """List the published facilities at which permits are in force or offered whose term does not end before a date."""
    query = text(
        "SELECT DISTINCT f.id FROM ("
        "SELECT p.bay_group_id FROM permits p WHERE p.state IN ('offered', 'active') AND upper(p.term) > :since "
        "UNION ALL SELECT d.bay_group_id FROM permit_detours d JOIN permits p ON p.id = d.permit_id "
        "WHERE p.state = 'active' AND upper(d.evenings) > :since"
        ") AS held JOIN bay_groups g ON g.id = held.bay_group_id JOIN facilities f ON f.id = g.facility_id "
        "WHERE f.status = 'published' ORDER BY f.id"
    )
    return list(connection.scalars(query, {"since": since}))


def numbered_bays(connection: Connection, group_ids: Sequence[int]) -> dict[int, dict[int, int]]:
    """Return bay ids by bay group and number."""
    found: dict[int, dict[int, int]] = defaultdict(dict)
    query = text("SELECT bay_group_id, number, id FROM bays WHERE bay_group_id = ANY(:ids)")
    for row in connection.execute(query, {"ids": list(group_ids)}).all():
        found[row.bay_group_id][row.number] = row.id
    return found


def occupancy(connection: Connection, permits: Sequence[Permit], nights: Sequence[Night]) -> Occupancy:
    """Return what is taken, while nights are to be placed, of the bays and households of their permits."""
    values = {
        "groups": sorted({group for permit in permits for group in permit.bay_group_ids}),
        "households": [permit.household_id for permit in permits],
        "since": utc_moment(min(night.begin_min for night in nights)),
        "until": utc_moment(max(night.end_min for night in nights)),
    }
    of_bays = text(
        "SELECT s.bay_id AS taken_of, lower(s.during) AS starts_at, upper(s.during) AS ends_at FROM bays b "
        "JOIN stays s ON s.bay_id = b.id AND s.bay_id IS NOT NULL "
        "WHERE b.bay_group_id = ANY(:groups) AND s.state IN ('held', 'confirmed') "
        "AND s.during && tstzrange(:since, :until) "
        "UNION ALL SELECT u.bay_id, u.starts_at, u.ends_at FROM bays_out_of_use u JOIN bays b ON b.id = u.bay_id "
        "WHERE b.bay_group_id = ANY(:groups) AND u.starts_at < :until AND u.ends_at > :since"
    )
    of_households = text(
        "SELECT s.household_id AS taken_of, lower(s.during) AS starts_at, upper(s.during) AS ends_at "
        "FROM unnest(CAST(:households AS bigint[])) AS h (id) "
        "JOIN stays s ON s.household_id = h.id AND s.household_id IS NOT NULL "
        "WHERE s.state IN ('held', 'confirmed') AND s.during && tstzrange(:since, :until)"
    )
    last = text(
        "SELECT p.id AS permit_id, s.bay_id FROM unnest(CAST(:ids AS bigint[])) AS p (id) CROSS JOIN LATERAL ("
        "SELECT bay_id FROM stays WHERE permit_id = p.id AND state IN ('confirmed', 'given_back') "
        "ORDER BY night DESC LIMIT 1) AS s"
    )
    ids = [permit.id for permit in permits]
    last_bays = {row.permit_id: row.bay_id for row in connection.execute(last, {"ids": ids}).all()}
    return Occupancy(
        _spans(connection.execute(of_bays, values).all()),
        _spans(connection.execute(of_households, values).all()),
        last_bays,
    )


def _spans(rows: Iterable[Row[Any]]) -> dict[int, list[tuple[int, int]]]:
    """Return (begin, end) in minutes UTC by what takes them; a started minute counts as taken."""
    spans: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row in rows:
        spans[row.taken_of].append((utc_minute(row.starts_at), utc_minute(row.ends_at + _ALMOST_A_MINUTE)))
    return dict(spans)


def placed_before(connection: Connection, permits: Sequence[Permit], *, since: date) -> dict[int, list[date]]:
    """Return the nights of permits from a date on that have their stay, or were given back; without, not in it."""
    query = text(
        "SELECT permit_id, array_agg(night) FROM stays "
        "WHERE permit_id = ANY(:ids) AND state IN ('held', 'confirmed', 'given_back') AND night >= :since "
        "GROUP BY permit_id"
    )
    rows = connection.execute(query, {"ids": [permit.id for permit in permits], "since": since}).all()
    return {row[0]: row[1] for row in rows}


def insert_nights(
    connection: Connection, placed: Sequence[PlacedNight], permits: Mapping[int, Permit]
) -> set[tuple[int, date]]:
    """
    Store nights as stays, and return (permit, night) of each.

    A night whose bay was taken at this moment is left out, and so is one that was given back, or whose permit ended,
    since permits were read.
    """
    live = set(connection.scalars(_STILL_HELD, {"ids": sorted({each.night.permit_id for each in placed})}))
    query = text(
        "INSERT INTO stays (bay_id, household_id, permit_id, night, during, kind, state) "
        "SELECT bay, household, permit, night, tstzrange(starts_at, ends_at), 'permit', 'confirmed' "
        "FROM unnest(CAST(:bays AS bigint[]), CAST(:households AS bigint[]), CAST(:permits AS bigint[]), "
        "CAST(:nights AS date[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[])) "
        "AS wanted (bay, household, permit, night, starts_at, ends_at) "
        "WHERE NOT EXISTS (SELECT FROM permit_absences a WHERE a.permit_id = permit AND a.nights @> wanted.night) "
        "ON CONFLICT DO NOTHING "
        "RETURNING permit_id, night"
    )
    placed = [each for each in placed if each.night.permit_id in live]
    nights = [each.night for each in placed]
    values = {
        "bays": [each.bay_id for each in placed],
        "households": [permits[night.permit_id].household_id for night in nights],
        "permits": [night.permit_id for night in nights],
        "nights": [night.night for night in nights],
        "starts": [utc_moment(night.begin_min) for night in nights],
        "ends": [utc_moment(night.end_min) for night in nights],
    }
    return {(permit, night) for permit, night in connection.execute(query, values).all()}
