"""Bookings: a bay is never sold twice, whatever is asked at once, and every no says why."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError, OperationalError

from api.bookings import service
from api.bookings.errors import (
    BookingNotFound,
    ImpossiblePeriod,
    KeyReused,
    NoSuchPlace,
    NotBookableYet,
    RequestInFlight,
    VehicleUnclear,
)
from api.bookings.queries import Booking
from api.bookings.rules import BookingRules
from api.bookings.service import Outcome, Refused, Wish
from tests.api.booking_town import HOUR, Household, Town, book, cancel, confirm, make_household, make_town

NEVER_COOL = BookingRules(cooldown=timedelta(0))


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that the test may commit."""
    with engine.connect() as connection:
        yield connection


@pytest.fixture
def town(connection: Connection) -> Town:
    made = make_town(connection)
    connection.commit()
    return made


def tonight(*, facility: int | None = None, hours: int = 12, after: timedelta = HOUR) -> Wish:
    """Ask for so many hours, from an hour from now on."""
    begin = datetime.now(UTC) + after
    return Wish(facility, None, begin, begin + hours * HOUR, None, confirm=True)


def held(wish: Wish) -> Wish:
    return Wish(wish.facility, wish.bay, wish.start, wish.end, wish.vehicle, confirm=False)


def refusal(outcome: Outcome) -> str:
    assert isinstance(outcome, Refused), outcome
    return outcome.reason


def booking(outcome: Outcome) -> Booking:
    assert not isinstance(outcome, Refused), outcome
    return outcome


def test_the_nearest_facility_with_a_free_bay_is_booked(connection: Connection, town: Town) -> None:
    places = [booking(book(connection, make_household(connection, town), tonight())).name for _ in range(4)]
    assert places == ["near", "near", "far", "far"]
    outcome = book(connection, make_household(connection, town), tonight())
    assert refusal(outcome) == "full"


def test_a_booking_carries_walk_state_and_period(connection: Connection, town: Town) -> None:
    wish = tonight(hours=3)
    made = booking(book(connection, make_household(connection, town), wish))
    assert (made.state, made.walk_m, made.expires_at) == ("confirmed", 100, None)
    assert made.ends_at - made.starts_at == 3 * HOUR
    assert wish.start is not None
    assert made.starts_at == wish.start.replace(second=0, microsecond=0)


def test_a_bay_is_free_again_right_after_a_stay(connection: Connection, town: Town) -> None:
    first, second, third = (make_household(connection, town) for _ in range(3))
    early, late = tonight(facility=town.near, hours=2), tonight(facility=town.near, hours=2, after=3 * HOUR)
    for who in (first, second):
        assert booking(book(connection, who, early)).state == "confirmed"
    assert refusal(book(connection, third, early)) == "full"
    assert booking(book(connection, third, late)).state == "confirmed"


def test_a_full_answer_names_what_else_there_is(connection: Connection, town: Town) -> None:
    for _ in range(2):
        book(connection, make_household(connection, town), tonight(facility=town.near))
    outcome = book(connection, make_household(connection, town), tonight(facility=town.near))
    assert isinstance(outcome, Refused)
    assert 1 <= len(outcome.alternatives) <= 3
    assert outcome.alternatives[0]["facility"] == town.far


def test_one_household_has_one_bay_at_a_time(connection: Connection, town: Town) -> None:
    who = make_household(connection, town)
    made = booking(book(connection, who, tonight()))
    outcome = book(connection, who, tonight(facility=town.far, after=5 * HOUR))
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.booking_id) == ("overlapping", made.id)
    assert booking(book(connection, who, tonight(after=20 * HOUR))).state == "confirmed"


def test_the_database_itself_refuses_a_second_car_on_a_bay_or_of_a_household(
    connection: Connection, town: Town
) -> None:
    first, second = make_household(connection, town), make_household(connection, town)
    made = booking(book(connection, first, tonight()))
    again = text(
        "INSERT INTO stays (bay_id, household_id, during, kind, state) "
        "SELECT :bay, :household, during, 'booking', 'confirmed' FROM stays WHERE id = :stay"
    )
    other_bay = connection.scalar(text("SELECT id FROM bays WHERE id <> :bay LIMIT 1"), {"bay": made.bay_id})
    for bay, household, rule in (
        (made.bay_id, second.id, "stays_bay_id_during_excl"),
        (other_bay, first.id, "stays_household_id_during_excl"),
    ):
        with pytest.raises(IntegrityError, match=rule), connection.begin_nested():
            connection.execute(again, {"bay": bay, "household": household, "stay": made.id})


def test_a_hold_keeps_the_bay_until_it_is_confirmed_or_runs_out(connection: Connection, town: Town) -> None:
    who, rival = make_household(connection, town), make_household(connection, town)
    wish = Wish(None, _a_bay(connection, town), *_hours(2), None, confirm=False)
    hold = booking(book(connection, who, wish))
    assert hold.state == "held"
    assert refusal(book(connection, rival, wish)) == "full"
    done = confirm(connection, who, hold.id)
    assert booking(done).state == "confirmed"
    assert booking(confirm(connection, who, hold.id)).state == "confirmed"


def test_a_dead_hold_is_in_nobodys_way_and_cannot_be_confirmed(connection: Connection, town: Town) -> None:
    who, rival = make_household(connection, town), make_household(connection, town)
    wish = Wish(None, _a_bay(connection, town), *_hours(2), None, confirm=False)
    hold = booking(book(connection, who, wish))
    _run_out(connection, hold.id)
    assert refusal(confirm(connection, who, hold.id)) == "hold_expired"
    assert booking(book(connection, rival, wish)).state == "held"
    assert refusal(confirm(connection, who, hold.id)) == "hold_expired"


def test_after_a_hold_ran_out_its_household_waits_a_little_for_the_next(connection: Connection, town: Town) -> None:
    who = make_household(connection, town)
    hold = booking(book(connection, who, held(tonight())))
    _run_out(connection, hold.id)
    outcome = book(connection, who, held(tonight()))
    assert isinstance(outcome, Refused)
    assert outcome.reason == "cooldown"
    assert outcome.again_at is not None
    assert booking(book(connection, who, held(tonight()), NEVER_COOL)).state == "held"


def test_a_household_holds_one_bay_at_a_time(connection: Connection, town: Town) -> None:
    who = make_household(connection, town)
    hold = booking(book(connection, who, held(tonight())))
    outcome = book(connection, who, held(tonight(after=30 * HOUR)))
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.booking_id) == ("held", hold.id)


def test_a_household_has_so_many_bookings_ahead_at_most(connection: Connection, town: Town) -> None:
    who = make_household(connection, town)
    few = BookingRules(most_ahead=3)
    for night in range(3):
        assert booking(book(connection, who, tonight(after=(1 + 24 * night) * HOUR), few)).state == "confirmed"
    assert refusal(book(connection, who, tonight(after=80 * HOUR), few)) == "too_many"


def test_a_cancelled_bay_is_free_at_once_and_cancelling_twice_is_as_once(connection: Connection, town: Town) -> None:
    who, rival = make_household(connection, town), make_household(connection, town)
    wish = Wish(None, _a_bay(connection, town), *_hours(2), None, confirm=True)
    made = booking(book(connection, who, wish))
    assert booking(cancel(connection, who, made.id)).state == "cancelled"
    assert booking(cancel(connection, who, made.id)).state == "cancelled"
    assert booking(book(connection, rival, wish)).state == "confirmed"


def test_the_rest_of_a_stay_that_has_begun_is_given_back(connection: Connection, town: Town) -> None:
    who = make_household(connection, town)
    now = datetime.now(UTC)
    made = booking(book(connection, who, Wish(None, None, now - timedelta(minutes=1), now + HOUR, None, confirm=True)))
    assert booking(cancel(connection, who, made.id)).state in ("given_back", "cancelled")
    assert booking(book(connection, who, tonight(after=timedelta(minutes=5)))).state == "confirmed"


def test_nobody_else_confirms_or_cancels_a_booking(connection: Connection, town: Town) -> None:
    who, stranger = make_household(connection, town), make_household(connection, town)
    made = booking(book(connection, who, held(tonight())))
    for act in (confirm, cancel):
        with pytest.raises(BookingNotFound):
            act(connection, stranger, made.id)
    with pytest.raises(BookingNotFound):
        service.get_booking(connection, made.id, household_id=stranger.id)
    assert service.get_booking(connection, made.id, household_id=who.id).state == "held"


def test_a_car_gets_bays_that_fit_it(connection: Connection, town: Town) -> None:
    connection.execute(text("UPDATE bay_groups SET kinds = '{ev}' WHERE id = :id"), {"id": town.near_group})
    connection.execute(text("UPDATE facilities SET max_height_m = 2.0 WHERE id = :id"), {"id": town.far})
    electric = make_household(connection, town, needs="ev")
    high = make_household(connection, town, height_m=2.1)
    low = make_household(connection, town, height_m=2.0)
    assert booking(book(connection, electric, tonight())).name == "near"
    assert refusal(book(connection, high, tonight())) == "full"
    assert booking(book(connection, low, tonight())).name == "far"


@pytest.mark.parametrize("change", ["starts = '{}'", "ends = '{}'", "during = tstzrange(now() + '9h', upper(during))"])
def test_a_stay_lies_within_an_opening_and_begins_and_ends_when_it_may(
    connection: Connection, town: Town, change: str
) -> None:
    if change.startswith("during"):
        change += ", starts = '{}', ends = '{}'"
    connection.execute(text(f"UPDATE openings SET {change} WHERE facility_id = :id"), {"id": town.near})
    who = make_household(connection, town)
    assert refusal(book(connection, who, tonight(facility=town.near))) == "full"
    assert booking(book(connection, who, tonight())).name == "far"


def test_a_bay_of_the_buffer_is_never_booked(connection: Connection, town: Town) -> None:
    connection.execute(text("UPDATE openings SET last_number = 1 WHERE facility_id = :id"), {"id": town.near})
    assert booking(book(connection, make_household(connection, town), tonight(facility=town.near))).number == 1
    assert refusal(book(connection, make_household(connection, town), tonight(facility=town.near))) == "full"


@pytest.mark.parametrize("status", ["draft", "submitted", "verified", "withdrawn"])
def test_what_is_not_published_is_not_there(connection: Connection, town: Town, status: str) -> None:
    connection.execute(text("UPDATE facilities SET status = :s WHERE id = :id"), {"s": status, "id": town.near})
    who = make_household(connection, town)
    with pytest.raises(NoSuchPlace):
        book(connection, who, tonight(facility=town.near))


def test_nothing_is_sold_beyond_what_has_been_opened(connection: Connection, town: Town) -> None:
    who = make_household(connection, town)
    connection.execute(text("UPDATE facilities SET materialised_until = now() + interval '10 hours'"))
    with pytest.raises(NotBookableYet):
        book(connection, who, tonight(hours=12))
    assert booking(book(connection, who, tonight(hours=8))).state == "confirmed"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (timedelta(hours=-2), timedelta(hours=2)),
        (timedelta(hours=3), timedelta(hours=2)),
        (timedelta(hours=2), timedelta(hours=2)),
        (timedelta(hours=1), timedelta(days=13)),
    ],
)
def test_periods_that_cannot_be_are_refused(
    connection: Connection, town: Town, start: timedelta, end: timedelta
) -> None:
    now = datetime.now(UTC)
    with pytest.raises(ImpossiblePeriod):
        book(connection, make_household(connection, town), Wish(None, None, now + start, now + end, None, confirm=True))


def test_a_time_without_a_zone_is_the_neighbourhoods_own(connection: Connection, town: Town) -> None:
    shanghai = (datetime.now(UTC) + timedelta(hours=8)).replace(tzinfo=None, second=0, microsecond=0)
    wish = Wish(None, None, shanghai + HOUR, shanghai + 2 * HOUR, None, confirm=True)
    made = booking(book(connection, make_household(connection, town), wish))
    assert abs(made.starts_at - (datetime.now(UTC) + HOUR)) < timedelta(minutes=2)


def test_a_vehicle_must_be_the_households_own(connection: Connection, town: Town) -> None:
    who, other = make_household(connection, town), make_household(connection, town)
    wish = tonight()
    with pytest.raises(VehicleUnclear):
        book(connection, who, Wish(None, None, wish.start, wish.end, other.vehicle, confirm=True))


def test_a_thousand_at_once_get_forty_bays_and_nobody_gets_anothers(engine: Engine, connection: Connection) -> None:
    town = make_town(connection, bays=30, far_bays=10)
    households = [make_household(connection, town) for _ in range(200)]
    connection.commit()
    wish = tonight()

    def rush(who: Household) -> str:
        with engine.begin() as own:
            outcome = book(own, who, wish)
            return outcome.reason if isinstance(outcome, Refused) else "booked"

    with ThreadPoolExecutor(12) as crowd:
        outcomes = Counter(crowd.map(rush, households))
    assert outcomes == {"booked": 40, "full": 160}
    sold = connection.execute(text("SELECT bay_id FROM stays WHERE state = 'confirmed'")).scalars().all()
    assert len(sold) == len(set(sold)) == 40


def test_one_household_that_asks_twenty_times_at_once_gets_one_bay(engine: Engine, connection: Connection) -> None:
    town = make_town(connection, bays=40)
    who = make_household(connection, town)
    connection.commit()
    wish = tonight()

    def ask(_: int) -> str:
        with engine.begin() as own:
            outcome = book(own, who, wish)
            return outcome.reason if isinstance(outcome, Refused) else "booked"

    with ThreadPoolExecutor(8) as crowd:
        assert Counter(crowd.map(ask, range(20))) == {"booked": 1, "overlapping": 19}


def test_confirming_and_expiring_at_once_leave_one_winner(engine: Engine, connection: Connection) -> None:
    town = make_town(connection, bays=1, far_bays=0)
    who, rival = make_household(connection, town), make_household(connection, town)
    wish = Wish(town.near, None, *_hours(2), None, confirm=False)
    hold = booking(book(connection, who, wish))
    connection.execute(
        text("UPDATE stays SET expires_at = clock_timestamp() + interval '30 ms' WHERE id = :id"), {"id": hold.id}
    )
    connection.commit()

    def confirm_it(_: int) -> str:
        with engine.begin() as own:
            outcome = confirm(own, who, hold.id)
            return outcome.reason if isinstance(outcome, Refused) else "confirmed"

    def take(_: int) -> str:
        with engine.begin() as own:
            outcome = book(own, rival, wish)
            return outcome.reason if isinstance(outcome, Refused) else "held"

    with ThreadPoolExecutor(6) as crowd:
        confirmed = [crowd.submit(confirm_it, n) for n in range(20)]
        taken = [crowd.submit(take, n) for n in range(20)]
        told = {future.result() for future in confirmed}, {future.result() for future in taken}
    live = (
        connection.execute(
            text("SELECT household_id FROM stays WHERE state = 'confirmed' OR state = 'held' AND expires_at > now()")
        )
        .scalars()
        .all()
    )
    assert len(live) == 1
    assert ("confirmed" in told[0]) == (live == [who.id])
    assert ("held" in told[1]) == (live == [rival.id])


def test_a_hold_confirmed_just_before_it_ran_out_stays_confirmed_whatever_its_household_asks_next(
    engine: Engine, connection: Connection
) -> None:
    """The household books while its confirmation, in time, is not yet committed, and the hold would be dead by now."""
    town = make_town(connection, bays=2, far_bays=0)
    who = make_household(connection, town)
    wish = Wish(town.near, None, *_hours(2), None, confirm=False)
    hold = booking(book(connection, who, wish))
    in_a_moment = text("UPDATE stays SET expires_at = clock_timestamp() + interval '200 ms' WHERE id = :id")
    connection.execute(in_a_moment, {"id": hold.id})
    connection.commit()

    def ask_again() -> str:
        with engine.begin() as own:
            return refusal(book(own, who, wish))

    with engine.connect() as confirming, ThreadPoolExecutor(1) as other:
        assert booking(confirm(confirming, who, hold.id)).state == "confirmed"
        time.sleep(0.25)
        answer = other.submit(ask_again)
        with pytest.raises(TimeoutError):
            answer.result(0.25)
        confirming.commit()
        assert answer.result() == "overlapping"
    assert connection.scalar(text("SELECT state FROM stays WHERE id = :id"), {"id": hold.id}) == "confirmed"


def test_the_same_key_and_request_is_answered_the_same_and_done_once(connection: Connection, town: Town) -> None:
    who = make_household(connection, town)
    wish = tonight()
    made = booking(book(connection, who, wish, key="k"))
    cancel(connection, who, made.id)
    assert book(connection, who, wish, key="k") == made
    with pytest.raises(KeyReused):
        book(connection, who, held(wish), key="k")


def test_a_key_that_is_being_answered_is_in_flight(engine: Engine, connection: Connection, town: Town) -> None:
    who = make_household(connection, town)
    connection.commit()
    book(connection, who, tonight(), key="k")
    with engine.begin() as other, pytest.raises(RequestInFlight):
        book(other, who, tonight(), key="k")


def test_what_is_rolled_back_has_not_been_answered(connection: Connection, town: Town) -> None:
    who = make_household(connection, town)
    connection.commit()
    book(connection, who, tonight(), key="k")
    connection.rollback()
    assert booking(book(connection, who, held(tonight()), key="k")).state == "held"


def test_a_night_of_its_permit_placed_at_the_same_moment_ends_the_search(
    engine: Engine, connection: Connection, town: Town
) -> None:
    """The stay is not there when limits are looked at, and is when the bay is taken."""
    who = make_household(connection, town)
    wish = tonight(facility=town.near)
    connection.commit()
    placed = text(
        "INSERT INTO stays (bay_id, household_id, during, kind, state) SELECT min(id), :household, "
        "tstzrange(:start, :end), 'booking', 'confirmed' FROM bays WHERE bay_group_id = :group"
    )
    values = {"household": who.id, "start": wish.start, "end": wish.end, "group": town.far_group}

    def ask() -> Outcome:
        with engine.begin() as own:
            return book(own, who, wish)

    with ThreadPoolExecutor(1) as asker:
        connection.execute(placed, values)
        waiting = asker.submit(ask)  # sees nothing yet, and waits at the exclusion constraint
        time.sleep(0.5)
        connection.commit()
        assert refusal(waiting.result(timeout=10)) == "overlapping"


def test_a_household_with_a_hold_on_another_night_books_a_bay_that_a_dead_hold_is_on(
    connection: Connection, town: Town
) -> None:
    who, gone = make_household(connection, town), make_household(connection, town)
    bay = _a_bay(connection, town)
    dead = booking(book(connection, gone, Wish(None, bay, *_hours(2), None, confirm=False)))
    _run_out(connection, dead.id)
    assert booking(book(connection, who, held(tonight(after=30 * HOUR)))).state == "held"
    assert booking(book(connection, who, Wish(None, bay, *_hours(2), None, confirm=True))).bay_id == bay


def test_a_hold_that_ran_out_long_ago_lets_its_household_hold_again(connection: Connection, town: Town) -> None:
    who, rival = make_household(connection, town), make_household(connection, town)
    wish = Wish(None, _a_bay(connection, town), *_hours(2), None, confirm=False)
    hold = booking(book(connection, who, wish))
    connection.execute(
        text("UPDATE stays SET expires_at = clock_timestamp() - interval '30 min' WHERE id = :id"), {"id": hold.id}
    )
    assert booking(book(connection, rival, wish)).state == "held"
    assert booking(book(connection, who, held(tonight()))).state == "held"


def test_whoever_waited_as_told_is_answered_anew_under_the_same_key(connection: Connection, town: Town) -> None:
    who = make_household(connection, town)
    hold = booking(book(connection, who, held(tonight())))
    _run_out(connection, hold.id)
    wish = held(tonight())
    assert refusal(book(connection, who, wish, key="k")) == "cooldown"
    assert booking(book(connection, who, wish, NEVER_COOL, key="k")).state == "held"


def test_a_live_hold_counts_among_the_bookings_ahead(connection: Connection, town: Town) -> None:
    who, two = make_household(connection, town), BookingRules(most_ahead=2)
    assert booking(book(connection, who, tonight(), two)).state == "confirmed"
    assert booking(book(connection, who, held(tonight(after=30 * HOUR)), two)).state == "held"
    assert refusal(book(connection, who, tonight(after=60 * HOUR), two)) == "too_many"


def test_no_night_is_offered_on_which_the_household_has_a_bay(connection: Connection, town: Town) -> None:
    who = make_household(connection, town)
    for place in (town.near, town.far):
        for _ in range(2):
            book(connection, make_household(connection, town), tonight(facility=place))
    assert booking(book(connection, who, tonight(after=25 * HOUR))).state == "confirmed"
    outcome = book(connection, who, tonight())
    assert isinstance(outcome, Refused)
    [night] = [found for found in outcome.alternatives if found["why"] == "later_night"]
    assert datetime.fromisoformat(night["from"]) > datetime.now(UTC) + 48 * HOUR


def test_two_that_take_over_each_others_dead_holds_both_get_a_bay(engine: Engine, connection: Connection) -> None:
    """They wait for each other in a circle; whichever the database ends is asked again."""
    town = make_town(connection, bays=2, far_bays=0)
    pair = [make_household(connection, town) for _ in range(2)]
    bays = (
        connection.execute(text("SELECT id FROM bays WHERE bay_group_id = :g ORDER BY id"), {"g": town.near_group})
        .scalars()
        .all()
    )
    for who, bay in zip(pair, bays, strict=True):
        _run_out(connection, booking(book(connection, who, Wish(None, bay, *_hours(2), None, confirm=False))).id)
    connection.commit()

    def ask(who: Household, bay: int) -> str:
        for _ in range(2):
            with suppress(OperationalError), engine.begin() as own:
                return booking(book(own, who, Wish(None, bay, *_hours(2), None, confirm=True))).state
        return "ended twice"

    with ThreadPoolExecutor(2) as both:
        assert list(both.map(ask, pair, reversed(bays))) == ["confirmed"] * 2


def _a_bay(connection: Connection, town: Town) -> int:
    return int(
        connection.execute(
            text("SELECT min(id) FROM bays WHERE bay_group_id = :g"), {"g": town.near_group}
        ).scalar_one()
    )


def _hours(count: int) -> tuple[datetime, datetime]:
    begin = datetime.now(UTC) + HOUR
    return begin, begin + count * HOUR


def _run_out(connection: Connection, stay: int) -> None:
    connection.execute(
        text("UPDATE stays SET expires_at = clock_timestamp() - interval '1 second' WHERE id = :id"), {"id": stay}
    )
