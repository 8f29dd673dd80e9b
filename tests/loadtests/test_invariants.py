"""Every invariant of a load test is proven on a database broken on purpose: a rule that cannot fail is none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, text

from loadtests.invariants import Broken, Told, check_invariants, num_bookings_at
from tests.api.booking_town import Household, Town, make_household, make_town

NIGHT = timedelta(hours=12)
NOTHING = Told(frozenset())


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """Give a transaction of the database's superuser that is never kept."""
    with engine.connect() as connection:
        yield connection


@pytest.fixture
def town(connection: Connection) -> Town:
    """Two facilities with three bays each, of which windows offer all."""
    town = make_town(connection, bays=3)
    connection.execute(
        text(
            "INSERT INTO share_windows (bay_group_id, position, days, from_min, to_min, bays) "
            "SELECT id, 0, 'daily', 0, 1440, 3 FROM bay_groups"
        )
    )
    return town


def drop_constraint(connection: Connection, name: str) -> None:
    connection.execute(text(f"ALTER TABLE stays DROP CONSTRAINT {name}"))


def book(
    connection: Connection,
    town: Town,
    household: Household,
    *,
    number: int = 1,
    start: datetime | None = None,
    state: str = "confirmed",
) -> int:
    """Put a stay with its booking on a bay of the near facility, past every rule of the service."""
    start = start or town.start
    stay = connection.execute(
        text(
            "INSERT INTO stays (bay_id, household_id, during, kind, state, expires_at) "
            "SELECT id, :household, tstzrange(:start, :end), 'booking', :state, "
            "       CASE WHEN :state = 'held' THEN now() + interval '10 minutes' END "
            "FROM bays WHERE bay_group_id = :group AND number = :number RETURNING id"
        ),
        {
            "household": household.id,
            "start": start,
            "end": start + NIGHT,
            "state": state,
            "group": town.near_group,
            "number": number,
        },
    ).scalar_one()
    connection.execute(
        text("INSERT INTO bookings (stay_id, household_id, vehicle_id, booked_by) VALUES (:stay, :h, :v, :a)"),
        {"stay": stay, "h": household.id, "v": household.vehicle, "a": household.account},
    )
    return int(stay)


def broken(connection: Connection, told: Told) -> dict[str, int]:
    """Give the rules that are broken, with the number of rows."""
    found = check_invariants(connection, told)
    counts = {name: getattr(found, name) for name in Broken.__dataclass_fields__}
    assert found.any() == any(counts.values())
    return {name: number for name, number in counts.items() if number}


def test_an_honest_night_breaks_nothing(connection: Connection, town: Town) -> None:
    one, two, three = (make_household(connection, town) for _ in range(3))
    kept = book(connection, town, one)
    after = book(connection, town, two, start=town.start + NIGHT)
    given_up = book(connection, town, three, state="cancelled")
    book(connection, town, three, number=2, state="held")
    told = Told(frozenset({kept, after, given_up}), frozenset({given_up}))
    assert broken(connection, told) == {}
    assert num_bookings_at(connection, town.near) == 2
    assert num_bookings_at(connection, town.far) == 0


def test_two_cars_on_one_bay_are_found(connection: Connection, town: Town) -> None:
    drop_constraint(connection, "stays_bay_id_during_excl")
    ids = {
        book(connection, town, make_household(connection, town), start=town.start + hours * timedelta(hours=1))
        for hours in (0, 5)
    }
    assert broken(connection, Told(frozenset(ids))) == {"overlapping_on_bays": 1}


def test_a_hold_and_a_booking_on_one_bay_are_found(connection: Connection, town: Town) -> None:
    drop_constraint(connection, "stays_bay_id_during_excl")
    kept = book(connection, town, make_household(connection, town))
    book(connection, town, make_household(connection, town), state="held")
    assert broken(connection, Told(frozenset({kept}))) == {"overlapping_on_bays": 1}


def test_two_bays_of_one_household_are_found(connection: Connection, town: Town) -> None:
    drop_constraint(connection, "stays_household_id_during_excl")
    household = make_household(connection, town)
    ids = {book(connection, town, household, number=number) for number in (1, 2, 3)}
    assert broken(connection, Told(frozenset(ids))) == {"overlapping_of_households": 3}


def test_a_booking_that_was_promised_and_is_gone_is_found(connection: Connection, town: Town) -> None:
    kept = book(connection, town, make_household(connection, town))
    gone = book(connection, town, make_household(connection, town), number=2)
    connection.execute(text("DELETE FROM stays WHERE id = :id"), {"id": gone})
    assert broken(connection, Told(frozenset({kept, gone}))) == {"lost": 1, "unaccounted": 1}


def test_a_booking_that_was_promised_and_is_only_held_is_found(connection: Connection, town: Town) -> None:
    held = book(connection, town, make_household(connection, town), state="held")
    assert broken(connection, Told(frozenset({held}))) == {"lost": 1, "unaccounted": 1}


def test_a_booking_that_was_promised_to_nobody_in_particular_is_found(connection: Connection, town: Town) -> None:
    kept = book(connection, town, make_household(connection, town))
    connection.execute(text("DELETE FROM bookings"))
    assert broken(connection, Told(frozenset({kept}))) == {"lost": 1, "without_booking": 1}


def test_a_cancelled_booking_that_still_takes_its_bay_is_found(connection: Connection, town: Town) -> None:
    there = book(connection, town, make_household(connection, town))
    told = Told(frozenset({there}), frozenset({there}))
    assert broken(connection, told) == {"cancelled_but_there": 1, "unaccounted": 1}


def test_a_booking_that_begins_before_the_opening_is_found(connection: Connection, town: Town) -> None:
    early = book(connection, town, make_household(connection, town), start=town.start - timedelta(minutes=1))
    assert broken(connection, Told(frozenset({early}))) == {"outside_openings": 1}


def test_a_booking_that_ends_after_the_opening_is_found(connection: Connection, town: Town) -> None:
    last = town.end - NIGHT
    good = book(connection, town, make_household(connection, town), start=last)
    late = book(connection, town, make_household(connection, town), number=2, start=last + timedelta(minutes=1))
    assert broken(connection, Told(frozenset({good, late}))) == {"outside_openings": 1}


@pytest.mark.parametrize(("moments", "shift"), [("starts", timedelta()), ("ends", NIGHT)])
def test_entering_or_leaving_when_nothing_may_move_is_found(
    connection: Connection, town: Town, moments: str, shift: timedelta
) -> None:
    booked = book(connection, town, make_household(connection, town))
    assert broken(connection, Told(frozenset({booked}))) == {}
    connection.execute(
        text(f"UPDATE openings SET {moments} = {moments} - tstzmultirange(tstzrange(:moment, :moment, '[]'))"),
        {"moment": town.start + shift},
    )
    assert broken(connection, Told(frozenset({booked}))) == {"outside_openings": 1}


def test_a_bay_numbered_beyond_its_opening_is_found(connection: Connection, town: Town) -> None:
    connection.execute(text("UPDATE openings SET last_number = 2"))
    ids = {book(connection, town, make_household(connection, town), number=number) for number in (2, 3)}
    assert broken(connection, Told(frozenset(ids))) == {"outside_openings": 1}


def test_a_bay_of_the_buffer_is_found_even_when_it_was_opened(connection: Connection, town: Town) -> None:
    connection.execute(text("UPDATE facilities SET buffer_bays = 1"))
    ids = {book(connection, town, make_household(connection, town), number=number) for number in (1, 2, 3)}
    assert broken(connection, Told(frozenset(ids))) == {"in_buffers": 1}


def test_a_buffer_comes_off_the_groups_in_their_order(connection: Connection, town: Town) -> None:
    first = connection.execute(
        text("INSERT INTO bay_groups (facility_id, code, position, kinds) VALUES (:f, 'a', -1, '{ev}') RETURNING id"),
        {"f": town.near},
    ).scalar_one()
    connection.execute(
        text(
            "INSERT INTO share_windows (bay_group_id, position, days, from_min, to_min, bays) "
            "VALUES (:g, 0, 'daily', 0, 1440, 2)"
        ),
        {"g": first},
    )
    connection.execute(text("UPDATE facilities SET buffer_bays = 2"))
    booked = book(connection, town, make_household(connection, town), number=3)
    assert broken(connection, Told(frozenset({booked}))) == {}
    connection.execute(text("UPDATE facilities SET buffer_bays = 3"))
    assert broken(connection, Told(frozenset({booked}))) == {"in_buffers": 1}


def test_rows_nobody_was_told_of_are_found_unless_answers_went_unheard(connection: Connection, town: Town) -> None:
    for number in (1, 2):
        book(connection, town, make_household(connection, town), number=number)
    assert broken(connection, NOTHING) == {"unaccounted": 2}
    assert broken(connection, Told(frozenset(), unanswered=1)) == {"unaccounted": 1}
    assert broken(connection, Told(frozenset(), unanswered=2)) == {}


def test_a_cancellation_without_an_answer_may_have_been_done_or_not(connection: Connection, town: Town) -> None:
    done = book(connection, town, make_household(connection, town), state="cancelled")
    not_done = book(connection, town, make_household(connection, town), number=2)
    both = frozenset({done, not_done})
    assert broken(connection, Told(both, unsure=both, unanswered=2)) == {}
    assert broken(connection, Told(both)) == {"lost": 1, "unaccounted": 1}


def test_what_two_generators_heard_adds_up() -> None:
    one = Told(frozenset({1, 2}), frozenset({2}), unanswered=1)
    two = Told(frozenset({3}), unsure=frozenset({3}), unanswered=2)
    assert one | two == Told(frozenset({1, 2, 3}), frozenset({2}), frozenset({3}), 3)
