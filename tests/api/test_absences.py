"""Nights given back and taken back again, as far as nobody has booked them meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from api.offers.service import accept_offer, make_offers
from api.openings.service import materialise
from api.permits.service import (
    AbsenceNotFound,
    PermitEnded,
    end_permit,
    give_back_nights,
    give_up,
    take_back_nights,
)
from api.waitlist.service import follow, join_waitlist
from tests.api.round_town import NOW, RoundTown, make_round_town

MORNING = datetime(2026, 12, 1, 2, 0, tzinfo=UTC)
"""Ten in the morning of the first day of the term."""


@pytest.fixture
def town(engine: Engine) -> Iterator[RoundTown]:
    with engine.connect() as connection:
        yield make_round_town(connection)


@pytest.fixture
def holder(town: RoundTown) -> dict[str, int]:
    """Give a permit at `a`, which has one bay, with its nights on it."""
    who = town.apply()
    (offer,) = make_offers(town.connection, [town.wanted(who)], source="plan", now=NOW)
    accept_offer(town.connection, offer, household_id=who["household"], account_id=None, now=NOW)
    materialise(town.connection, neighbourhood_id=town.neighbourhood, now=MORNING)
    return {**who, "permit": town.count("SELECT id FROM permits")}


def night(day: int) -> date:
    return date(2026, 12, day)


def give_back(town: RoundTown, holder: dict[str, int], first: int, last: int) -> int:
    _, freed = give_back_nights(
        town.connection,
        holder["permit"],
        household_id=holder["household"],
        first=night(first),
        last=night(last),
        now=MORNING,
    )
    return freed


def take_back(town: RoundTown, holder: dict[str, int], first: int, *, now: datetime = MORNING) -> list[int]:
    _, gone = take_back_nights(
        town.connection, holder["permit"], household_id=holder["household"], first=night(first), now=now
    )
    return [one.day for one in gone]


def kept(town: RoundTown, holder: dict[str, int]) -> set[int]:
    nights = town.connection.scalars(
        text("SELECT night FROM stays WHERE permit_id = :id AND state = 'confirmed'"), {"id": holder["permit"]}
    )
    return {one.day for one in nights}


def somebody_books(town: RoundTown, day: int) -> None:
    """Let a household of its own stay on the only bay of `a` on a night."""
    town.connection.execute(
        text(
            "INSERT INTO stays (bay_id, household_id, during, kind, state) "
            "SELECT b.id, :household, tstzrange(:start, :end), 'booking', 'confirmed' "
            "FROM bays b WHERE b.bay_group_id = :group"
        ),
        {
            "household": town.apply()["household"],
            "group": town.groups["a"],
            "start": datetime(2026, 12, day, 12, tzinfo=UTC),
            "end": datetime(2026, 12, day, 20, tzinfo=UTC),
        },
    )


def test_nights_that_nobody_booked_are_taken_back(town: RoundTown, holder: dict[str, int]) -> None:
    assert give_back(town, holder, 5, 8) == 4
    assert kept(town, holder) == set(range(1, 15)) - {5, 6, 7, 8}
    assert take_back(town, holder, 5) == []
    assert kept(town, holder) == set(range(1, 15))
    assert town.count("SELECT count(*) FROM permit_absences") == 0


def test_a_night_that_somebody_booked_stays_given_back_and_is_named(town: RoundTown, holder: dict[str, int]) -> None:
    give_back(town, holder, 5, 8)
    somebody_books(town, 6)
    assert take_back(town, holder, 5) == [6]
    assert kept(town, holder) == set(range(1, 15)) - {6}
    assert town.connection.scalars(text("SELECT lower(nights) FROM permit_absences")).all() == [night(6)]


def test_what_is_over_stays_given_back(town: RoundTown, holder: dict[str, int]) -> None:
    give_back(town, holder, 5, 8)
    assert take_back(town, holder, 5, now=MORNING + timedelta(days=6)) == []  # the morning of the 7th
    assert kept(town, holder) == set(range(1, 15)) - {5, 6}
    assert town.connection.scalars(text("SELECT upper(nights) FROM permit_absences")).all() == [night(7)]


def test_nights_beyond_the_horizon_are_taken_back_too(town: RoundTown, holder: dict[str, int]) -> None:
    assert give_back(town, holder, 20, 25) == 0
    assert take_back(town, holder, 20) == []
    materialise(town.connection, neighbourhood_id=town.neighbourhood, now=MORNING + timedelta(days=14))
    assert kept(town, holder) >= set(range(15, 28))


@pytest.mark.parametrize("placed_before", [True, False])
def test_tonight_is_not_taken_back_once_it_has_begun(
    town: RoundTown, holder: dict[str, int], *, placed_before: bool
) -> None:
    """At eight in the evening; the bay may have been booked since seven, or may never have been this permit's."""
    give_back(town, holder, 5, 8)
    if not placed_before:
        town.connection.execute(text("DELETE FROM stays WHERE state = 'given_back'"))
    evening = datetime(2026, 12, 5, 12, tzinfo=UTC)
    assert take_back(town, holder, 5, now=evening) == [5]
    assert kept(town, holder) == set(range(1, 15)) - {5}
    assert town.connection.scalars(text("SELECT upper(nights) FROM permit_absences")).all() == [night(6)]


def test_only_what_was_given_back_can_be_taken_back(town: RoundTown, holder: dict[str, int]) -> None:
    give_back(town, holder, 5, 8)
    with pytest.raises(AbsenceNotFound):
        take_back(town, holder, 6)
    end_permit(town.connection, holder["permit"], reason="given_up", now=MORNING)
    with pytest.raises(AbsenceNotFound):
        take_back(town, holder, 5)


def test_a_permit_given_up_has_tonight_and_no_bay_after_it(town: RoundTown, holder: dict[str, int]) -> None:
    for _ in range(2):
        ended = give_up(town.connection, holder["permit"], household_id=holder["household"], now=MORNING)
        assert (ended.state, ended.end_reason) == ("ended", "given_up")
    assert kept(town, holder) == {1}
    assert town.told(holder["household"])[-1] == "permit_ended"


def test_a_permit_that_ended_otherwise_cannot_be_given_up(town: RoundTown, holder: dict[str, int]) -> None:
    end_permit(town.connection, holder["permit"], reason="strikes", now=MORNING)
    with pytest.raises(PermitEnded):
        give_up(town.connection, holder["permit"], household_id=holder["household"], now=MORNING)


def test_who_follows_has_its_bays_at_once_from_tomorrow_on(town: RoundTown, holder: dict[str, int]) -> None:
    waiting = town.apply()
    join_waitlist(town.connection, [town.entry(waiting)], now=NOW)
    give_up(town.connection, holder["permit"], household_id=holder["household"], now=MORNING)
    nights = town.connection.scalars(
        text("SELECT night FROM stays WHERE household_id = :id AND state = 'confirmed' ORDER BY night"),
        {"id": waiting["household"]},
    ).all()
    assert [one.day for one in nights] == list(range(2, 15))
    assert follow(town.connection, list(town.groups.values()), now=MORNING) == []
