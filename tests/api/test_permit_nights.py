"""Permits' nights get their bays, the same wherever possible, before anybody can buy the nights around them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, Engine, text

from api.calendars.clock import day_number
from api.calendars.day_kinds import day_kinds
from api.jobs.service import finish_due_withdrawals, place_nights_of_permits, roll_horizon
from api.neighbourhoods.model import Window
from api.openings.permit_nights import Night, Nights, Permit
from api.openings.service import Materialised, materialise
from api.openings.ticks import utc_minute, utc_moment
from tests.api.test_openings import EVENING, NIGHT, add_stay, at, garage, store

NOON = EVENING - timedelta(hours=12)
"""1 December 2026, a Tuesday, half past eleven in the morning in Shanghai."""


def permit(**own: object) -> Permit:
    fields: dict[str, object] = {
        "id": 1,
        "household_id": 1,
        "bay_group_id": 1,
        "first": date(2026, 11, 1),
        "last": date(2027, 1, 31),
        "days": "daily",
        "arrive_min": 19 * 60,
        "leave_min": 31 * 60,
        "stay_through": False,
        **own,
    }
    return Permit(**fields)  # type: ignore[arg-type]  # the types of a Permit


def nights(holder: Permit, *, until: datetime) -> list[Night]:
    """Nights in UTC from 1 December 2026 on, by weekends alone."""
    kinds = day_kinds("ZZ", first=date(2026, 10, 20), last=date(2027, 1, 31))
    found = Nights(kinds, ZoneInfo("Etc/UTC"), day_number(date(2026, 12, 1)), utc_minute(until)).of(holder)
    return [Night(begin, end, holder.id, night) for night, begin, end in found if night >= date(2026, 12, 1)]


def spans(found: list[Night]) -> list[tuple[str, str]]:
    return [(f"{utc_moment(n.begin_min):%d %H:%M}", f"{utc_moment(n.end_min):%d %H:%M}") for n in found]


def test_every_asked_night_of_the_term_is_a_stay_up_to_what_is_sold() -> None:
    assert spans(nights(permit(days="tue thu"), until=at("10T19:01"))) == [
        ("01 19:00", "02 07:00"),
        ("03 19:00", "04 07:00"),
        ("08 19:00", "09 07:00"),
        ("10 19:00", "11 07:00"),
    ]
    assert nights(permit(last=date(2026, 11, 30)), until=at("10T12:00")) == []


def test_a_night_given_back_is_no_stay() -> None:
    away = ((date(2026, 12, 2), date(2026, 12, 3)),)
    assert spans(nights(permit(absences=away), until=at("05T12:00"))) == [
        ("01 19:00", "02 07:00"),
        ("04 19:00", "05 07:00"),
    ]


def test_a_stay_through_a_weekend_is_one_and_the_nights_inside_have_none_of_their_own() -> None:
    # 4 December 2026 is a Friday.
    assert spans(nights(permit(stay_through=True), until=at("08T12:00"))) == [
        ("01 19:00", "02 07:00"),
        ("02 19:00", "03 07:00"),
        ("03 19:00", "04 07:00"),
        ("04 19:00", "07 07:00"),
        ("07 19:00", "08 07:00"),
    ]


def test_a_weekend_begun_before_today_is_still_one_stay() -> None:
    saturday = [n for n in nights(permit(stay_through=True), until=at("08T12:00")) if n.night == date(2026, 12, 5)]
    assert saturday == []


def test_nights_that_overlap_follow_each_other() -> None:
    assert spans(nights(permit(leave_min=44 * 60), until=at("03T12:00"))) == [
        ("01 20:00", "02 20:00"),
        ("02 20:00", "03 20:00"),
    ]


# ----------------------------------------------------------------------------------------------------- in the database


def add_permit(connection: Connection, **own: object) -> int:
    """Give a household of its own a permit for the only bay group."""
    fields = {"days": "daily", "arrive": 19 * 60, "leave": 31 * 60, "through": False, "from": "2026-11-01", **own}
    query = """
        WITH home AS (
            INSERT INTO homes (neighbourhood_id, code, position, geometry)
            SELECT id, gen_random_uuid()::text, 0, 'SRID=4326;POINT(121.5 31.2)' FROM neighbourhoods RETURNING id
        ), household AS (INSERT INTO households (home_id) SELECT id FROM home RETURNING id),
        vehicle AS (
            INSERT INTO vehicles (household_id, plate_hash, plate_sealed)
            SELECT id, decode(md5(id::text), 'hex'), '' FROM household RETURNING id, household_id
        )
        INSERT INTO permits (household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min, stay_through)
        SELECT v.household_id, v.id, g.id, daterange(:from, '2027-02-01'), :days, :arrive, :leave, :through
        FROM vehicle v, bay_groups g RETURNING id
    """
    return int(connection.execute(text(query), fields).scalar_one())


def nights_in(connection: Connection, permit_id: int) -> list[tuple[date, int, str]]:
    rows = connection.execute(
        text(
            "SELECT s.night, b.number, s.state FROM stays s JOIN bays b ON b.id = s.bay_id "
            "WHERE s.permit_id = :id ORDER BY s.night, s.id"
        ),
        {"id": permit_id},
    )
    return [(row.night, row.number, row.state) for row in rows]


def bays_of(connection: Connection, permit_id: int) -> set[int]:
    return {number for _, number, _ in nights_in(connection, permit_id)}


@contextmanager
def garage_of_three(engine: Engine) -> Iterator[tuple[Connection, int]]:
    """Give a transaction with a garage of three bays that nobody has sold anything of yet."""
    with engine.connect() as connection:
        yield connection, store(connection, garage(NIGHT))


def sell(connection: Connection, neighbourhood: int, now: datetime = NOON) -> Materialised:
    return materialise(connection, neighbourhood_id=neighbourhood, now=now)


def test_each_night_of_a_permit_has_a_bay_and_always_the_same(engine: Engine) -> None:
    with garage_of_three(engine) as (connection, here):
        holders = [add_permit(connection) for _ in range(3)]
        sold = sell(connection, here)
        assert (sold.nights.placed, sold.nights.without_bay) == (42, ())
        assert sorted(bays_of(connection, holder).pop() for holder in holders) == [1, 2, 3]
        for holder in holders:
            assert len(bays_of(connection, holder)) == 1
            assert [night for night, _, _ in nights_in(connection, holder)] == [
                date(2026, 12, 1) + timedelta(days=k) for k in range(14)
            ]


def test_another_day_adds_another_night_on_the_same_bay(engine: Engine) -> None:
    with garage_of_three(engine) as (connection, here):
        holder = add_permit(connection)
        sell(connection, here)
        before = nights_in(connection, holder)
        assert sell(connection, here, NOON + timedelta(days=1)).nights.placed == 1
        assert nights_in(connection, holder) == [*before, (date(2026, 12, 15), before[0][1], "confirmed")]
        assert sell(connection, here, NOON + timedelta(days=1)).nights.placed == 0


def test_nights_that_were_given_back_are_not_taken_again(engine: Engine) -> None:
    with garage_of_three(engine) as (connection, here):
        holder = add_permit(connection)
        sell(connection, here)
        connection.execute(text("UPDATE stays SET state = 'given_back' WHERE night = '2026-12-04'"))
        connection.execute(
            text("INSERT INTO permit_absences (permit_id, nights) VALUES (:id, '[2026-12-15,2026-12-16)')"),
            {"id": holder},
        )
        assert sell(connection, here, NOON + timedelta(days=2)).nights.placed == 1
        assert [night.day for night, _, state in nights_in(connection, holder) if state == "confirmed"] == [
            *(day for day in range(1, 15) if day != 4),
            16,
        ]


def test_a_permit_has_the_bay_that_is_free_on_most_of_its_nights(engine: Engine) -> None:
    with garage_of_three(engine) as (connection, here):
        sell(connection, here)
        add_stay(connection, 1, at("05T11:00"), at("05T20:00"))
        holder = add_permit(connection)
        sell(connection, here)
        assert bays_of(connection, holder) == {2}


def test_a_permit_moves_when_its_bay_is_taken_and_does_not_move_back(engine: Engine) -> None:
    with garage_of_three(engine) as (connection, here):
        sell(connection, here)
        for number, day in ((1, "05"), (2, "03"), (3, "03"), (3, "07")):
            add_stay(connection, number, at(f"{day}T11:00"), at(f"{day}T20:00"))
        holder = add_permit(connection)
        sell(connection, here)
        assert [number for _, number, _ in nights_in(connection, holder)] == [1] * 4 + [2] * 10


def test_a_night_without_a_bay_is_told_and_placed_as_soon_as_there_is_one(engine: Engine) -> None:
    with garage_of_three(engine) as (connection, here):
        sell(connection, here)
        taken = [add_stay(connection, number, at("05T11:00"), at("05T20:00")) for number in (1, 2, 3)]
        holder = add_permit(connection)
        sold = sell(connection, here)
        assert sold.nights.placed == 13
        assert [(n.permit_id, n.night) for n in sold.nights.without_bay] == [(holder, date(2026, 12, 5))]
        connection.execute(text("UPDATE stays SET state = 'cancelled' WHERE id = :id"), {"id": taken[1]})
        again = sell(connection, here)
        assert (again.nights.placed, again.nights.without_bay) == (1, ())
        assert (date(2026, 12, 5), 2, "confirmed") in nights_in(connection, holder)


def test_a_household_that_stands_elsewhere_has_one_car_there(engine: Engine) -> None:
    with garage_of_three(engine) as (connection, here):
        sell(connection, here)
        holder = add_permit(connection)
        connection.execute(
            text(
                "INSERT INTO stays (bay_id, household_id, during, kind, state) "
                "SELECT b.id, p.household_id, '[2026-12-05 12:00Z,2026-12-05 20:00Z)', 'booking', 'confirmed' "
                "FROM bays b, permits p WHERE b.number = 3"
            )
        )
        sold = sell(connection, here)
        assert [n.night for n in sold.nights.without_bay] == [date(2026, 12, 5)]
        assert sold.nights.placed == 13
        assert len(nights_in(connection, holder)) == 13


def test_a_stay_that_runs_beyond_what_is_sold_is_placed_whole(engine: Engine) -> None:
    rest = Window("rest_days", 0, 32 * 60, 3)
    with engine.connect() as connection:
        here = store(connection, garage(NIGHT, rest))
        holder = add_permit(connection, through=True)
        # Sold to Saturday 19 December: Friday's stay runs on to Monday.
        sell(connection, here, NOON + timedelta(days=4))
        friday = connection.execute(
            text("SELECT lower(during), upper(during) FROM stays WHERE permit_id = :id AND night = '2026-12-18'"),
            {"id": holder},
        ).one()
        assert (friday[0], friday[1]) == (at("18T11:00"), at("20T23:00"))
        sell(connection, here, NOON + timedelta(days=6))
        assert [n.day for n, _, _ in nights_in(connection, holder)][-2:] == [17, 18]
        assert sell(connection, here, NOON + timedelta(days=7)).nights.without_bay == ()


def test_a_night_that_a_closure_hits_has_no_bay(engine: Engine) -> None:
    with garage_of_three(engine) as (connection, here):
        connection.execute(
            text(
                "INSERT INTO closures (facility_id, position, closed_from, closed_to, reason) "
                "SELECT id, 0, '2026-12-06 03:00', '2026-12-06 05:00', '' FROM facilities"
            )
        )
        holder = add_permit(connection)
        sold = sell(connection, here)
        assert [n.night for n in sold.nights.without_bay] == [date(2026, 12, 5)]
        assert date(2026, 12, 5) not in [night for night, _, _ in nights_in(connection, holder)]


def test_an_owner_who_publishes_sells_no_permits_night_though_permits_are_none_of_its_business(engine: Engine) -> None:
    with garage_of_three(engine) as (connection, here):
        holder = add_permit(connection)
        connection.execute(text("INSERT INTO owners (id, name) VALUES (7, 'Park')"))
        connection.execute(text("UPDATE facilities SET owner_id = 7"))
        connection.execute(
            text(
                "SELECT set_config('role', 'baytide_service', true), set_config('baytide.roles', 'owner', true), "
                "set_config('baytide.owner_ids', '{7}', true)"
            )
        )
        assert sell(connection, here).nights.placed == 14
        assert connection.scalar(text("SELECT count(*) FROM permits")) == 0
        assert connection.scalar(text("SELECT current_setting('baytide.roles', true)")) == "owner"
        connection.execute(text("SELECT set_config('role', 'none', true)"))
        assert len(nights_in(connection, holder)) == 14


@pytest.fixture
def kept(engine: Engine) -> Iterator[Engine]:
    """Give a database in which transactions are committed, and empty it afterwards."""
    yield engine
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE neighbourhoods, accounts, owners CASCADE"))


def test_the_worker_places_nights_of_new_permits_and_of_new_days(kept: Engine) -> None:
    with kept.begin() as connection:
        store(connection, garage(NIGHT))
        connection.execute(text("UPDATE facilities SET materialised_until = NULL"))
    assert roll_horizon(kept, now=NOON)["nights_placed"] == 0
    with kept.begin() as connection:
        holder = add_permit(connection)
    assert place_nights_of_permits(kept, now=NOON)["nights_placed"] == 14
    assert place_nights_of_permits(kept, now=NOON)["nights_placed"] == 0  # they have their bays
    assert roll_horizon(kept, now=NOON + timedelta(days=1))["nights_placed"] == 1
    with kept.connect() as connection:
        assert len(nights_in(connection, holder)) == 15


def test_the_worker_takes_a_facility_off_the_list_when_its_closure_for_good_begins(kept: Engine) -> None:
    with kept.begin() as connection:
        store(connection, garage(NIGHT))
        connection.execute(
            text(
                "INSERT INTO closures (facility_id, position, closed_from, closed_to, reason) "
                "SELECT id, 0, :start, '2199-12-31', '' FROM facilities"
            ),
            {"start": datetime.now(UTC).replace(tzinfo=None) + timedelta(days=2)},
        )
    assert finish_due_withdrawals(kept) == {"facilities": 0}
    with kept.begin() as connection:
        connection.execute(text("UPDATE closures SET closed_from = closed_from - interval '3 days'"))
    assert finish_due_withdrawals(kept) == {"facilities": 1}


def test_an_offered_permit_has_its_bays_from_tomorrow_on_and_tonight_is_for_bookings(engine: Engine) -> None:
    with garage_of_three(engine) as (connection, here):
        holder = add_permit(connection)
        connection.execute(text("UPDATE permits SET state = 'offered'"))
        assert sell(connection, here).nights.placed == 13
        assert nights_in(connection, holder)[0][0] == date(2026, 12, 2)
        connection.execute(text("UPDATE permits SET state = 'active'"))
        assert sell(connection, here).nights.placed == 1  # accepted: tonight too, since nobody has booked it


def test_a_day_left_out_and_a_permit_that_has_ended_have_no_bay(engine: Engine) -> None:
    with garage_of_three(engine) as (connection, here):
        holder = add_permit(connection)
        connection.execute(text("UPDATE permits SET days_left_out = '{2026-12-03}'"))
        assert sell(connection, here).nights.placed == 13
        assert date(2026, 12, 3) not in [night for night, _, _ in nights_in(connection, holder)]
        gone = add_permit(connection)
        connection.execute(text("UPDATE permits SET state = 'ended' WHERE id = :id"), {"id": gone})
        assert sell(connection, here).nights.placed == 0
