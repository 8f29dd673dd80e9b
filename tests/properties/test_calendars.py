"""After a notice has landed, openings and nights are those that the new calendar gives from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from api.calendars.day_kinds import day_kinds
from api.calendars.landing import land_notice
from api.calendars.years import Day
from api.neighbourhoods.model import Facility
from api.neighbourhoods.supply_rows import copy_supply
from api.openings.service import materialise
from api.permits.ledger import fill_ledger, take_nights
from api.permits.nights import ledger_nights_of, multirange_of
from tests.properties.neighbourhoods import UNKNOWN_COUNTRY, days_words, facilities, stay_hours

SOME = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
TODAY = date(2026, 9, 30)
FIRST, LAST = TODAY - timedelta(days=3), date(2026, 12, 20)
YEARS_DAYS = st.lists(
    st.builds(
        Day,
        st.one_of(st.integers(-2, 18), st.integers(-2, 75)).map(lambda n: TODAY + timedelta(days=n)),
        st.sampled_from(["workday", "rest_day"]),
    ),
    max_size=6,
    unique_by=lambda day: day.date,
)


def store(connection: Connection, facility: Facility) -> int:
    here = connection.execute(
        text(
            "INSERT INTO neighbourhoods (slug, name, timezone, country, crs, seed, term_from, term_to, policy, "
            "has_walks, input_sha256, warnings) VALUES ('x', 'X', 'Europe/Paris', :country, 'EPSG:4326', 1, "
            "'2026-01-01', '2026-12-31', '{}', true, '{}', '[]') RETURNING id"
        ),
        {"country": UNKNOWN_COUNTRY},
    ).scalar_one()
    copy_supply(connection, here, [facility], extra={})
    return int(here)


def add_permit(connection: Connection, group: str, days: str, hours: tuple[int, int], *, through: bool) -> None:
    """Let a household have a permit at a bay group of the facility."""
    connection.execute(
        text(
            """
            WITH home AS (
                INSERT INTO homes (neighbourhood_id, code, position, geometry)
                SELECT id, 'h', 0, 'SRID=4326;POINT(121.5 31.2)' FROM neighbourhoods RETURNING id
            ), household AS (INSERT INTO households (home_id) SELECT id FROM home RETURNING id),
            vehicle AS (
                INSERT INTO vehicles (household_id, plate_hash, plate_sealed)
                SELECT id, '', '' FROM household RETURNING household_id, id
            )
            INSERT INTO permits (household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min,
                stay_through)
            SELECT v.household_id, v.id, g.id, daterange(:first, :last, '[]'), :days, :arrive, :leave, :through
            FROM vehicle v, bay_groups g WHERE g.code = :group
            """
        ),
        {
            "first": FIRST,
            "last": LAST,
            "days": days,
            "arrive": hours[0],
            "leave": hours[1],
            "through": through,
            "group": group,
        },
    )


def openings(connection: Connection, now: datetime) -> list[tuple[Any, ...]]:
    """Give what is open from now on, bay by bay."""
    rows = connection.execute(
        text(
            "SELECT bay_group_id, n, CAST(range_agg(during * tstzrange(:now, NULL)) AS text), "
            "CAST(COALESCE(range_agg(m * tstzrange(:now, NULL)), '{}') AS text) FROM openings CROSS JOIN "
            "generate_series(first_number, last_number) n LEFT JOIN LATERAL unnest(starts) m ON true "
            "WHERE upper(during) > :now GROUP BY 1, 2 ORDER BY 1, 2"
        ),
        {"now": now},
    )
    return [tuple(row) for row in rows]


def nights(connection: Connection, now: datetime) -> list[tuple[Any, ...]]:
    """Give the nights of permits to come, without their bays."""
    query = (
        "SELECT permit_id, night, during FROM stays WHERE state = 'confirmed' AND lower(during) > :now ORDER BY 1, 2"
    )
    return [tuple(row) for row in connection.execute(text(query), {"now": now})]


@given(
    facilities("f", TODAY),
    days_words(),
    stay_hours(),
    st.booleans(),
    YEARS_DAYS,
    YEARS_DAYS,
    st.integers(0, 24 * 60),
)
@SOME
def test_landing_gives_what_the_new_calendar_gives_from_scratch(
    engine: Engine,
    facility: Facility,
    days: str,
    hours: tuple[int, int],
    through: bool,
    first: Sequence[Day],
    second: Sequence[Day],
    minute: int,
) -> None:
    now = datetime(2026, 9, 30, tzinfo=UTC) + timedelta(minutes=minute)
    with engine.connect() as connection:
        here = store(connection, facility)
        materialise(connection, neighbourhood_id=here, now=now - timedelta(days=1))
        add_permit(connection, facility.bay_groups[0].id, days, hours, through=through)
        land(connection, here, first, now=now - timedelta(hours=9))
        materialise(connection, neighbourhood_id=here, now=now)  # rolled to the day it is, as jobs do
        hit = land(connection, here, second, now=now)
        event(f"stays hit: {bool(hit)}")
        landed = openings(connection, now), nights(connection, now)
        connection.execute(text("DELETE FROM openings"))
        connection.execute(text("DELETE FROM notices"))
        connection.execute(text("DELETE FROM stays WHERE state <> 'confirmed' OR lower(during) > :now"), {"now": now})
        materialise(connection, neighbourhood_id=here, now=now)
        assert landed == (openings(connection, now), nights(connection, now))


def land(connection: Connection, here: int, days: Sequence[Day], *, now: datetime) -> int:
    landing = land_notice(connection, neighbourhood_id=here, year=2026, days=days, source="x", account_id=None, now=now)
    return landing.hits.stays


@given(facilities("f", TODAY), days_words(), stay_hours(), st.booleans(), YEARS_DAYS)
@SOME
def test_the_ledger_after_landing_is_what_the_new_calendar_takes_and_undoing_restores_it(
    engine: Engine,
    facility: Facility,
    days: str,
    hours: tuple[int, int],
    through: bool,
    wanted: Sequence[Day],
) -> None:
    now = datetime(2026, 9, 30, 9, tzinfo=UTC)
    with engine.connect() as connection:
        here = store(connection, facility)
        materialise(connection, neighbourhood_id=here, now=now)
        add_permit(connection, facility.bay_groups[0].id, days, hours, through=through)
        if not promise(connection, days, hours, through=through):
            event("never possible")
            return
        before = promised(connection)
        land(connection, here, wanted, now=now)
        taken, bays = promised(connection)[:2]
        assert all(night in bays and bays[night][1] == 1 for night in taken if night >= TODAY)
        assert sum(number for _, number in bays.values()) == len([night for night in taken if night >= TODAY])
        fill(connection)
        assert promised(connection)[1] == bays, "as many bays as counted from scratch"
        event(f"changed: {promised(connection) != before}")
        land(connection, here, (), now=now)
        after = promised(connection)
        assert after[1].keys() == before[1].keys()
        if not after[2]:
            assert after == before


def fill(connection: Connection) -> None:
    ids = list(connection.scalars(text("SELECT id FROM facilities")))
    fill_ledger(connection, ids, first=TODAY, last=LAST)


def promise(connection: Connection, days: str, hours: tuple[int, int], *, through: bool) -> bool:
    """Take what the permit asks from the ledger, as an offer does; tell whether there is room."""
    fill(connection)
    [group] = connection.scalars(text("SELECT bay_group_id FROM permits"))
    asked = asked_nights(days, hours, through=through)
    room = {
        row.night
        for row in connection.execute(
            text("SELECT night FROM ledger_nights WHERE bay_group_id = :g AND bays > 0"), {"g": group}
        )
    }
    if not asked or not set(asked) <= room:
        return False
    take_nights(connection, {group: dict.fromkeys(asked, 1)})
    connection.execute(
        text("UPDATE permits SET term = daterange(:first, :last, '[]'), nights = CAST(:nights AS datemultirange)"),
        {"first": TODAY, "last": LAST, "nights": multirange_of(asked)},
    )
    return True


def asked_nights(days: str, hours: tuple[int, int], *, through: bool) -> list[date]:
    kinds = day_kinds(UNKNOWN_COUNTRY, first=TODAY - timedelta(days=40), last=LAST + timedelta(days=40))
    return ledger_nights_of(
        days=days, arrive_min=hours[0], leave_min=hours[1], stay_through=through, first=TODAY, last=LAST, kinds=kinds
    )


def promised(connection: Connection) -> tuple[list[date], dict[date, tuple[int, int]], list[date]]:
    row = connection.execute(
        text(
            "SELECT bay_group_id, days_left_out, ARRAY(SELECT CAST(generate_series(lower(r), upper(r) - 1, "
            "interval '1 day') AS date) FROM unnest(nights) r) AS nights FROM permits"
        )
    ).one()
    ledger = connection.execute(
        text("SELECT night, bays, taken FROM ledger_nights WHERE bay_group_id = :g ORDER BY 1"), {"g": row.bay_group_id}
    )
    return row.nights, {each.night: (each.bays, each.taken) for each in ledger}, row.days_left_out
