"""Permits: nights given back are free for others, the right stays, and nobody gives back what is not theirs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from api.bookings.service import Refused, Wish
from api.permits.service import AbsenceImpossible, PermitNotFound, give_back_nights
from tests.api.booking_town import HOUR, Household, Town, book, make_household, make_town

DAY = timedelta(days=1)


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


@pytest.fixture
def town(connection: Connection) -> Town:
    return make_town(connection, bays=1, far_bays=0)


@pytest.fixture
def holder(connection: Connection, town: Town) -> Household:
    return make_household(connection, town)


@pytest.fixture
def today() -> date:
    return datetime.now(ZoneInfo("Asia/Shanghai")).date()


@pytest.fixture
def permit(connection: Connection, town: Town, holder: Household, today: date) -> int:
    """Give the holder three weeks, and bays for the coming three nights."""
    made = connection.execute(
        text(
            "INSERT INTO permits (household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min) "
            "VALUES (:household, :vehicle, :group, daterange(:first, :last), 'daily', 1140, 1860) RETURNING id"
        ),
        {
            "household": holder.id,
            "vehicle": holder.vehicle,
            "group": town.near_group,
            "first": today,
            "last": today + 21 * DAY,
        },
    ).scalar_one()
    bay = connection.execute(text("SELECT id FROM bays LIMIT 1")).scalar_one()
    for night in range(3):
        begin = datetime.now(UTC) + HOUR + night * DAY
        connection.execute(
            text(
                "INSERT INTO stays (bay_id, household_id, permit_id, night, during, kind, state) "
                "VALUES (:bay, :household, :permit, :night, tstzrange(:start, :end), 'permit', 'confirmed')"
            ),
            {
                "bay": bay,
                "household": holder.id,
                "permit": made,
                "night": today + night * DAY,
                "start": begin,
                "end": begin + 12 * HOUR,
            },
        )
    return int(made)


def rival_gets(connection: Connection, town: Town, *, night: int) -> bool:
    rival = make_household(connection, town)
    begin = datetime.now(UTC) + 2 * HOUR + night * DAY
    wish = Wish(town.near, None, begin, begin + HOUR, None, confirm=True)
    return not isinstance(book(connection, rival, wish), Refused)


def test_a_permits_night_cannot_be_booked_by_others(connection: Connection, town: Town, permit: int) -> None:
    assert permit
    assert not rival_gets(connection, town, night=1)


def test_a_night_given_back_is_free_for_others_and_the_next_is_not(
    connection: Connection, town: Town, holder: Household, permit: int, today: date
) -> None:
    row, freed = give_back_nights(
        connection, permit, household_id=holder.id, first=today + DAY, last=today + DAY, now=datetime.now(UTC)
    )
    assert (row.state, freed) == ("active", 1)
    assert rival_gets(connection, town, night=1)
    assert not rival_gets(connection, town, night=2)


def test_nights_beyond_the_horizon_are_kept_as_given_back(
    connection: Connection, holder: Household, permit: int, today: date
) -> None:
    row, freed = give_back_nights(
        connection, permit, household_id=holder.id, first=today + 17 * DAY, last=today + 20 * DAY, now=datetime.now(UTC)
    )
    assert freed == 0
    assert row.absences == [[(today + 17 * DAY).isoformat(), (today + 20 * DAY).isoformat()]]


@pytest.mark.parametrize(("first", "last"), [(-1, 1), (2, 1), (20, 21), (25, 26)])
def test_nights_that_are_over_or_outside_the_term_cannot_be_given_back(
    connection: Connection, holder: Household, permit: int, today: date, first: int, last: int
) -> None:
    with pytest.raises(AbsenceImpossible):
        give_back_nights(
            connection,
            permit,
            household_id=holder.id,
            first=today + first * DAY,
            last=today + last * DAY,
            now=datetime.now(UTC),
        )


def test_a_night_is_given_back_once(connection: Connection, holder: Household, permit: int, today: date) -> None:
    give_back_nights(
        connection, permit, household_id=holder.id, first=today + DAY, last=today + 2 * DAY, now=datetime.now(UTC)
    )
    with pytest.raises(AbsenceImpossible):
        give_back_nights(
            connection,
            permit,
            household_id=holder.id,
            first=today + 2 * DAY,
            last=today + 3 * DAY,
            now=datetime.now(UTC),
        )


def test_nobody_gives_back_anothers_nights(connection: Connection, town: Town, permit: int, today: date) -> None:
    stranger = make_household(connection, town)
    with pytest.raises(PermitNotFound):
        give_back_nights(
            connection, permit, household_id=stranger.id, first=today + DAY, last=today + DAY, now=datetime.now(UTC)
        )


def test_the_database_refuses_a_second_permit_and_more_nights_than_the_ledger_has(
    connection: Connection, town: Town, permit: int
) -> None:
    with pytest.raises(IntegrityError, match="permits_household_id_term_excl"), connection.begin_nested():
        connection.execute(
            text(
                "INSERT INTO permits (household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min) "
                "SELECT household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min FROM permits "
                "WHERE id = :id"
            ),
            {"id": permit},
        )
    connection.execute(
        text("INSERT INTO ledger_nights (bay_group_id, night, bays, taken) VALUES (:group, '2027-01-01', 2, 2)"),
        {"group": town.near_group},
    )
    with pytest.raises(IntegrityError, match="ledger_nights_taken_check"), connection.begin_nested():
        connection.execute(text("UPDATE ledger_nights SET taken = taken + 1"))
