"""Openings in the database: what is written, what is left alone, and whom it hits."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import Point
from sqlalchemy import Connection, Engine, Row, text
from sqlalchemy.exc import DBAPIError

from api.neighbourhoods.importing import import_folder
from api.neighbourhoods.model import BayGroup, Closure, Facility, Window
from api.neighbourhoods.read import read_folder
from api.neighbourhoods.supply_rows import copy_supply
from api.openings.service import Materialised, materialise

NIGHT = Window("daily", 18 * 60, 32 * 60, 3)
EVENING = datetime(2026, 12, 1, 15, 30, tzinfo=UTC)
"""Half past eleven at night in Shanghai, in the middle of a window."""


def garage(*windows: Window, **own: object) -> Facility:
    group = BayGroup("std", ("standard",), windows)
    return Facility(id="f", name="F", kind="other", geometry=Point(121.5, 31.2), bay_groups=(group,), **own)  # type: ignore[arg-type]  # the fields of a Facility


def store(connection: Connection, *facilities: Facility) -> int:
    """Store facilities in a neighbourhood in Shanghai; return its id."""
    neighbourhood = connection.execute(
        text(
            "INSERT INTO neighbourhoods (slug, name, timezone, country, crs, seed, term_from, term_to, policy, "
            "has_walks, input_sha256, warnings) VALUES ('x', 'X', 'Asia/Shanghai', 'CN', 'EPSG:4326', 1, '2026-01-01', "
            "'2026-12-31', '{}', true, '{}', '[]') RETURNING id"
        )
    ).scalar_one()
    copy_supply(connection, neighbourhood, facilities, extra={})
    return int(neighbourhood)


def open_bays(connection: Connection) -> list[tuple[int, int, datetime, datetime]]:
    rows = connection.execute(
        text("SELECT first_number, last_number, lower(during), upper(during) FROM openings ORDER BY during, 1")
    )
    return [(row[0], row[1], row[2].astimezone(UTC), row[3].astimezone(UTC)) for row in rows]


def rows_of(connection: Connection) -> dict[int, Row[Any]]:
    return {row.id: row for row in connection.execute(text("SELECT * FROM openings"))}


def at(moment: str) -> datetime:
    """A moment in December 2026, UTC."""
    return datetime.fromisoformat(f"2026-12-{moment}").replace(tzinfo=UTC)


def change_bays(connection: Connection, bays: int) -> None:
    connection.execute(text("UPDATE share_windows SET bays = :bays"), {"bays": bays})


def add_stay(connection: Connection, number: int, start: datetime, end: datetime, state: str = "confirmed") -> int:
    """Let a household of its own stay on a bay."""
    stay = connection.execute(
        text(
            """
            WITH home AS (
                INSERT INTO homes (neighbourhood_id, code, position, geometry)
                SELECT id, gen_random_uuid()::text, 0, 'SRID=4326;POINT(121.5 31.2)' FROM neighbourhoods RETURNING id
            ), household AS (INSERT INTO households (home_id) SELECT id FROM home RETURNING id)
            INSERT INTO stays (bay_id, household_id, during, kind, state, expires_at)
            SELECT b.id, h.id, tstzrange(:start, :end), 'booking', :state,
                   CASE WHEN :state = 'held' THEN now() + interval '10 minutes' END
            FROM bays b, household h WHERE b.number = :number RETURNING id
            """
        ),
        {"number": number, "start": start, "end": end, "state": state},
    )
    return int(stay.scalar_one())


@contextmanager
def town(engine: Engine, *facilities: Facility) -> Iterator[tuple[Connection, int]]:
    """Give a transaction in which the facilities are stored and open since the afternoon; nothing of it stays."""
    with engine.connect() as connection:
        neighbourhood = store(connection, *facilities)
        materialise(connection, neighbourhood_id=neighbourhood, now=EVENING - timedelta(hours=8))
        yield connection, neighbourhood


def test_a_neighbourhood_is_open_for_booking_as_soon_as_it_is_imported(engine: Engine, lane: Path) -> None:
    import_folder(engine, read_folder(lane, on=date(2026, 9, 1)), lane)
    with engine.connect() as connection:
        found = connection.execute(
            text(
                "SELECT f.code, f.materialised_until, count(*) FROM openings JOIN facilities f ON f.id = facility_id "
                "GROUP BY f.id ORDER BY f.code"
            )
        ).all()
    assert [row.code for row in found] == ["park", "road"]
    for row in found:
        assert timedelta(days=13) < row.materialised_until - datetime.now(UTC) < timedelta(days=16)


def test_a_garage_is_sold_for_fourteen_nights(engine: Engine) -> None:
    with town(engine, garage(NIGHT)) as (connection, _):
        nights = open_bays(connection)
        assert nights[0] == (1, 3, at("01T10:00"), at("02T00:00"))
        assert nights[-1] == (1, 3, at("14T10:00"), at("15T00:00"))
        assert len(nights) == 14
        until = connection.scalar(text("SELECT materialised_until FROM facilities"))
        assert until == at("15T04:00")


def test_writing_twice_changes_nothing(engine: Engine) -> None:
    with town(engine, garage(NIGHT, Window("rest_days", 0, 2880, 5, 1200), buffer_bays=1)) as (connection, here):
        before = rows_of(connection)
        again = materialise(connection, neighbourhood_id=here, now=EVENING)
        assert rows_of(connection) == before
        assert (again.added, again.removed) == (0, 0)


def test_a_new_day_adds_a_night_and_leaves_the_others_alone(engine: Engine) -> None:
    with town(engine, garage(NIGHT)) as (connection, here):
        before = rows_of(connection)
        rolled = materialise(connection, neighbourhood_id=here, now=EVENING + timedelta(days=1))
        after = rows_of(connection)
        assert (rolled.added, rolled.removed) == (1, 0)
        assert before.items() <= after.items()
        assert open_bays(connection)[-1][2] == at("15T10:00")


def test_what_is_past_stays_as_it_was_when_bays_are_taken_back_in_the_night(engine: Engine) -> None:
    with town(engine, garage(NIGHT)) as (connection, here):
        change_bays(connection, 1)
        materialise(connection, neighbourhood_id=here, now=EVENING)
        assert open_bays(connection)[:3] == [
            (2, 3, at("01T10:00"), EVENING),
            (1, 1, at("01T10:00"), at("02T00:00")),
            (1, 1, at("02T10:00"), at("03T00:00")),
        ]


def test_bays_added_in_the_night_are_open_from_now_on(engine: Engine) -> None:
    with town(engine, garage(NIGHT)) as (connection, here):
        change_bays(connection, 5)
        connection.execute(
            text("INSERT INTO bays (bay_group_id, number) SELECT id, n FROM bay_groups, generate_series(4, 5) n")
        )
        materialise(connection, neighbourhood_id=here, now=EVENING)
        assert open_bays(connection)[:3] == [
            (1, 3, at("01T10:00"), at("02T00:00")),
            (4, 5, EVENING, at("02T00:00")),
            (1, 5, at("02T10:00"), at("03T00:00")),
        ]


def test_a_garage_that_never_shuts_stays_one_opening_however_often_it_is_rolled(engine: Engine) -> None:
    with town(engine, garage(Window("daily", 0, 1440, 2))) as (connection, here):
        for day in range(1, 4):
            materialise(connection, neighbourhood_id=here, now=EVENING + timedelta(days=day))
        assert open_bays(connection) == [(1, 2, EVENING - timedelta(hours=8), at("18T04:00"))]


def test_confirmed_stays_that_a_closure_hits_are_told_and_holds_end(engine: Engine) -> None:
    with town(engine, garage(NIGHT)) as (connection, here):
        hit = add_stay(connection, 1, at("05T11:00"), at("05T23:00"))
        held = add_stay(connection, 2, at("05T12:00"), at("05T20:00"), "held")
        spared = add_stay(connection, 3, at("04T11:00"), at("04T23:00"))
        over = add_stay(connection, 3, at("05T11:00"), at("05T23:00"), "cancelled")
        connection.execute(
            text(
                "INSERT INTO closures (facility_id, position, closed_from, closed_to, reason) "
                "SELECT id, 0, '2026-12-06 03:00', '2026-12-06 05:00', 'cleaning' FROM facilities"
            )
        )
        written = materialise(connection, neighbourhood_id=here, now=EVENING)
        assert [(s.stay_id, s.kind) for s in written.stays_outside] == [(hit, "booking")]
        assert written.holds_ended == (held,)
        states = {row.id: row.state for row in connection.execute(text("SELECT id, state FROM stays"))}
        assert states == {hit: "confirmed", held: "cancelled", spared: "confirmed", over: "cancelled"}


@pytest.mark.parametrize(
    ("change", "hit"),
    [
        ("UPDATE share_windows SET bays = 2", True),
        ("UPDATE share_windows SET to_min = 31 * 60", True),
        ("UPDATE share_windows SET last_entry_min = 19 * 60 - 1", True),
        ("UPDATE share_windows SET last_entry_min = 19 * 60", False),
        ("UPDATE facilities SET no_movement_from_min = 1320, no_movement_to_min = 1921", True),
        ("UPDATE facilities SET no_movement_from_min = 1320, no_movement_to_min = 1860", False),
        ("UPDATE facilities SET buffer_bays = 1", True),
        ("UPDATE facilities SET status = 'withdrawn'", True),
        ("UPDATE facilities SET name = 'Another'", False),
    ],
)
def test_a_change_hits_a_stay_exactly_when_it_could_not_be_booked_any_more(
    engine: Engine, change: str, *, hit: bool
) -> None:
    with town(engine, garage(NIGHT)) as (connection, here):
        stay = add_stay(connection, 3, at("05T11:00"), at("05T23:30"))  # 19:00 to 07:30 in Shanghai
        connection.execute(text(change))
        written = materialise(connection, neighbourhood_id=here, now=EVENING)
        assert [s.stay_id for s in written.stays_outside] == ([stay] if hit else [])


def test_a_stay_that_has_begun_is_hit_only_by_what_is_still_to_come(engine: Engine) -> None:
    with town(engine, garage(NIGHT)) as (connection, here):
        add_stay(connection, 1, at("01T11:00"), at("01T23:00"))
        connection.execute(text("UPDATE share_windows SET last_entry_min = 18 * 60"))
        assert materialise(connection, neighbourhood_id=here, now=EVENING).stays_outside == ()


def test_a_facility_that_is_withdrawn_and_published_again_is_open_again(engine: Engine) -> None:
    with town(engine, garage(NIGHT)) as (connection, here):
        connection.execute(text("UPDATE facilities SET status = 'withdrawn'"))
        materialise(connection, neighbourhood_id=here, now=EVENING)
        assert open_bays(connection) == [(1, 3, at("01T10:00"), EVENING)]
        connection.execute(text("UPDATE facilities SET status = 'published'"))
        materialise(connection, neighbourhood_id=here, now=EVENING + timedelta(minutes=10))
        assert len(open_bays(connection)) == 15


def test_a_draft_is_never_open(engine: Engine) -> None:
    with engine.connect() as connection:
        here = store(connection, garage(NIGHT))
        connection.execute(text("UPDATE facilities SET status = 'draft'"))
        materialise(connection, neighbourhood_id=here, now=EVENING)
        assert open_bays(connection) == []
        assert connection.scalar(text("SELECT materialised_until FROM facilities")) is None


def test_some_facilities_are_written_by_their_ids_alone(engine: Engine) -> None:
    with engine.connect() as connection:
        store(connection, garage(NIGHT), replace(garage(NIGHT), id="g"))
        [first, second] = connection.scalars(text("SELECT id FROM facilities ORDER BY id"))
        written = materialise(connection, facility_ids=[second], now=EVENING)
        assert written.facilities == 1
        assert set(connection.scalars(text("SELECT facility_id FROM openings"))) == {second} != {first}


def test_the_folders_own_word_on_a_day_is_followed(engine: Engine) -> None:
    with engine.connect() as connection:
        here = store(connection, garage(Window("rest_days", 0, 1440, 1)))
        connection.execute(
            text(
                "INSERT INTO calendar_days (neighbourhood_id, date, kind) "
                "SELECT id, '2026-12-03', 'rest_day' FROM neighbourhoods"
            )
        )
        materialise(connection, neighbourhood_id=here, now=EVENING)
        assert open_bays(connection)[0] == (1, 1, at("02T16:00"), at("03T16:00"))


def test_bays_that_are_taken_back_wait_for_the_booking_under_way_and_then_see_it(engine: Engine) -> None:
    with engine.begin() as connection:
        here = store(connection, garage(NIGHT))
        materialise(connection, neighbourhood_id=here, now=EVENING - timedelta(hours=8))
        [facility] = connection.scalars(text("SELECT id FROM facilities"))

    def take_back() -> Materialised:
        with engine.begin() as changing:
            change_bays(changing, 1)
            return materialise(changing, facility_ids=[facility], now=EVENING)

    with ThreadPoolExecutor(1) as pool, engine.begin() as booking:
        booking.execute(text("SELECT pg_advisory_xact_lock_shared(:id)"), {"id": facility})
        stay = add_stay(booking, 3, at("05T11:00"), at("05T23:00"))
        taking_back = pool.submit(take_back)
        with pytest.raises(TimeoutError):
            taking_back.result(timeout=1)
        booking.commit()
        assert [s.stay_id for s in taking_back.result(timeout=20).stays_outside] == [stay]
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE stays, households CASCADE"))


def test_a_new_night_waits_for_no_booking(engine: Engine) -> None:
    with engine.begin() as connection:
        here = store(connection, garage(NIGHT), replace(garage(Window("daily", 0, 1440, 2)), id="g"))
        materialise(connection, neighbourhood_id=here, now=EVENING)
        ids = list(connection.scalars(text("SELECT id FROM facilities")))
    with engine.begin() as booking, engine.begin() as rolling:
        booking.execute(text("SELECT pg_advisory_xact_lock_shared(id) FROM facilities"))
        rolling.execute(text("SET LOCAL lock_timeout = '2s'"))
        rolled = materialise(rolling, facility_ids=ids, now=EVENING + timedelta(days=1))
        assert rolled.added == 2


def test_nobody_but_planners_owners_and_the_worker_writes_openings(engine: Engine) -> None:
    def write(roles: str, owners: str) -> None:
        with engine.connect() as connection:
            here = store(connection, garage(NIGHT))
            connection.execute(
                text(
                    "SELECT set_config('role', 'baytide_service', true), set_config('baytide.roles', :roles, true), "
                    "set_config('baytide.owner_ids', :owners, true)"
                ),
                {"roles": roles, "owners": owners},
            )
            materialise(connection, neighbourhood_id=here, now=EVENING)
            assert len(open_bays(connection)) == 14

    write("planner", "{}")
    write("worker", "{}")
    for roles, owners in (("", "{}"), ("owner", "{7}")):
        with pytest.raises(DBAPIError, match="row-level security"):
            write(roles, owners)


def test_the_database_refuses_two_openings_of_a_bay_at_one_moment(engine: Engine) -> None:
    with (
        town(engine, garage(NIGHT)) as (connection, _),
        pytest.raises(DBAPIError, match="openings_bay_group_id_numbers"),
    ):
        connection.execute(
            text(
                "INSERT INTO openings (facility_id, bay_group_id, first_number, last_number, during, starts, ends) "
                "SELECT facility_id, bay_group_id, 3, 9, during, '{}', '{}' FROM openings LIMIT 1"
            )
        )


def test_a_closure_in_the_night_cuts_it_in_two(engine: Engine) -> None:
    closure = Closure(datetime(2026, 12, 3, 2), datetime(2026, 12, 3, 4))  # noqa: DTZ001 -- local time of the place
    with town(engine, garage(NIGHT, closures=(closure,))) as (connection, _):
        assert open_bays(connection)[1:3] == [
            (1, 3, at("02T10:00"), at("02T18:00")),
            (1, 3, at("02T20:00"), at("03T00:00")),
        ]
