"""Dates for those who wait, from what the database knows: stored when they are news, told, and measured."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from sqlalchemy import Engine, text

from api.offers.service import (
    accept_offer,
    decline_offer,
    deliver_late_offers,
    lapse_offers,
    make_offers,
    note_delivered,
)
from api.permits import service as permits
from api.reaccommodation.writing_queries import wait_again
from api.rounds.errors import RoundNotFound
from api.waitlist import date_queries
from api.waitlist.dates import Why
from api.waitlist.estimating import calibration_of, calibration_of_neighbourhood, estimate_dates
from api.waitlist.jobs import refresh_dates
from api.waitlist.record import best_positions, read_lists, read_record, weekdays_of
from api.waitlist.service import join_waitlist, leave_waitlist
from tests.api.round_town import DAY, FIRST, HOUR, LAST, NOW, RoundTown, make_round_town, small_garage

BAYS = 40
LATER = NOW + 14 * DAY
TODAY = date(2026, 12, 9)
"""The day of `LATER` in Shanghai."""


@pytest.fixture
def town(engine: Engine) -> Iterator[RoundTown]:
    with engine.connect() as connection:
        yield make_round_town(connection, small_garage("a", BAYS), small_garage("b", 1))


def publish(town: RoundTown, *, declined: int = 0, waiting: int = 3) -> list[int]:
    """Offer every bay of `a`, let so many wait for one, and the first offers be declined; return the entries."""
    offers = {}
    households = [town.apply() for _ in range(BAYS)]
    made = make_offers(town.connection, [town.wanted(who) for who in households], source="plan", now=NOW)
    note_delivered(town.connection, made, now=NOW)
    for row in town.connection.execute(text("SELECT id, household_id FROM offers")):
        offers[row.household_id] = row.id
    entries = join_waitlist(town.connection, [town.entry(town.apply()) for _ in range(waiting)], now=NOW)
    for k, who in enumerate(households):
        act, moment = (decline_offer, NOW + (1 + k) * HOUR) if k < declined else (accept_offer, NOW + 40 * HOUR)
        act(town.connection, offers[who["household"]], household_id=who["household"], account_id=None, now=moment)
    return entries


def accept_all(town: RoundTown, *, now: datetime) -> None:
    """Let everybody whom the list reached accept."""
    pending = text("SELECT id, household_id FROM offers WHERE state = 'pending'")
    for row in town.connection.execute(pending).all():
        note_delivered(town.connection, [row.id], now=now)
        accept_offer(town.connection, row.id, household_id=row.household_id, account_id=None, now=now)


def give_up(town: RoundTown, many: int, *, ahead: timedelta = DAY) -> None:
    """Write into the record that so many permits were given up, one by one, without anybody following."""
    town.connection.execute(
        text(
            "WITH ended AS (UPDATE permits SET state = 'ended', end_reason = 'given_up', ended_at = :at "
            "WHERE id IN (SELECT p.id FROM permits p WHERE p.state = 'active' ORDER BY p.id LIMIT :many) "
            "RETURNING id, bay_group_id) "
            "INSERT INTO waitlist_releases (round_id, bay_group_id, permit_id, cause, released_at) "
            "SELECT :round, bay_group_id, id, 'given_up', :at FROM ended"
        ),
        {"at": LATER - ahead, "many": many, "round": town.round},
    )


def estimates(town: RoundTown, entry: int) -> list[tuple[date | None, date | None, str | None]]:
    rows = town.connection.execute(
        text("SELECT half_by, most_by, why FROM date_estimates WHERE entry_id = :e ORDER BY id"), {"e": entry}
    )
    return [(row.half_by, row.most_by, row.why) for row in rows]


def tell_dates(town: RoundTown, entry: int, *, half: date, most: date, made: datetime = NOW) -> None:
    values = {"entry": entry, "at": made, "half": half, "most": most}
    town.connection.execute(
        text(
            "INSERT INTO date_estimates (entry_id, made_at, position, half_by, most_by) "
            "VALUES (:entry, :at, 1, :half, :most)"
        ),
        values,
    )


def give_one_up(town: RoundTown, *, now: datetime) -> None:
    """Let a holder give a permit up, so that the first in rank is made an offer."""
    row = town.connection.execute(
        text("SELECT id, household_id FROM permits WHERE state = 'active' ORDER BY id LIMIT 1")
    ).one()
    permits.give_up(town.connection, row.id, household_id=row.household_id, now=now)


def household_of(town: RoundTown, entry: int) -> int:
    return town.count("SELECT household_id FROM waitlist_entries WHERE id = :e", e=entry)


def test_without_a_record_everybody_is_told_why_there_is_no_date_and_once(town: RoundTown) -> None:
    entries = publish(town)
    assert estimate_dates(town.connection, round_id=town.round, now=NOW + HOUR) == 3
    assert estimate_dates(town.connection, round_id=town.round, now=NOW + DAY) == 0
    assert estimates(town, entries[0]) == [(None, None, Why.RECORD_TOO_SHORT)]
    assert town.told(household_of(town, entries[0])) == ["waitlisted"]


def test_with_a_record_those_ahead_get_dates_in_their_order_and_those_too_far_back_none(town: RoundTown) -> None:
    entries = publish(town, declined=12, waiting=60)
    accept_all(town, now=NOW + 60 * HOUR)
    give_up(town, 10)
    estimate_dates(town.connection, round_id=town.round, now=LATER)
    waiting = [entry for entry in entries if estimates(town, entry)]
    assert len(waiting) == 60 - 12, "those who were reached need no date"
    whys = [estimates(town, entry)[-1][2] for entry in waiting]
    first = whys.index(None)
    assert set(whys[:first]) <= {Why.ANY_DAY}, "only those who may be reached at any moment stand before them"
    half, most, _ = estimates(town, waiting[first])[-1]
    assert half is not None
    assert most is not None
    assert TODAY <= half <= most <= LAST
    assert estimates(town, waiting[-1])[-1][2] == Why.TOO_FAR_BACK
    dates = [found for found in (estimates(town, entry)[-1][0] for entry in waiting) if found is not None]
    assert dates == sorted(dates)
    positions = town.connection.scalars(text("SELECT position FROM date_estimates ORDER BY entry_id"))
    assert list(positions) == list(range(1, 49))


def test_what_is_held_and_offered_for_another_term_frees_no_bay_for_a_list(town: RoundTown) -> None:
    """A term's permits run on while the next round's list begins, whose offers wait while the old list ends."""
    publish(town, declined=2, waiting=5)

    def standing() -> tuple[int, int]:
        place = date_queries.find_round(town.connection, town.round)
        assert place is not None
        lists = read_lists(town.connection, place, now=NOW + 41 * HOUR).lists
        return len(lists.permit_group), len(lists.offer_group)

    permits, offers = standing()
    assert permits > 0
    assert offers == 2
    other = town.count(
        "INSERT INTO rounds (neighbourhood_id, name, opens_at, closes_at, publishes_at, term, policy, work,"
        " number_source) SELECT neighbourhood_id, 'next', opens_at, closes_at, publishes_at, term, policy, work,"
        " number_source"
        " FROM rounds WHERE id = :round RETURNING id",
        round=town.round,
    )
    town.connection.execute(
        text("UPDATE applications SET round_id = :other WHERE id IN (SELECT application_id FROM permits)"),
        {"other": other},
    )
    assert standing() == (0, 0)


def test_a_household_is_told_its_dates_with_what_comes_next(town: RoundTown) -> None:
    publish(town, declined=12, waiting=60)
    accept_all(town, now=NOW + 60 * HOUR)
    give_up(town, 10)
    estimate_dates(town.connection, round_id=town.round, now=LATER)
    query = (
        "SELECT n.facts, d.half_by, d.most_by FROM notices n "
        "JOIN waitlist_entries e ON e.household_id = n.household_id "
        "JOIN date_estimates d ON d.entry_id = e.id WHERE n.kind = 'date_changed' ORDER BY n.id"
    )
    told = town.connection.execute(text(query)).all()
    assert told
    for row in told:
        assert row.facts["next_date"] == row.facts["half_by"] == row.half_by.isoformat()
        assert row.facts["most_by"] == row.most_by.isoformat()
    assert estimate_dates(town.connection, round_id=town.round, now=LATER + HOUR) == 0


def test_dates_are_measured_against_when_households_were_reached(town: RoundTown) -> None:
    entries = publish(town, declined=0, waiting=3)
    for entry in entries:
        tell_dates(town, entry, half=FIRST, most=FIRST + 10 * DAY)
    give_one_up(town, now=NOW + 2 * DAY)
    leave_waitlist(
        town.connection, entries[1], household_id=household_of(town, entries[1]), now=NOW + 3 * DAY
    )  # before the first date: at risk until then
    found = calibration_of(town.connection, round_id=town.round, now=NOW + 30 * DAY)
    assert (found.estimates, found.censored, found.median_width_days) == (3, 1, 10.0)
    assert found.reached_by_p50 == pytest.approx(1 / 3)
    assert found == calibration_of_neighbourhood(town.connection, town.neighbourhood, now=NOW + 30 * DAY)


def test_whoever_was_reached_and_lost_the_bay_again_was_reached_all_the_same(town: RoundTown) -> None:
    (entry,) = publish(town, declined=0, waiting=1)
    tell_dates(town, entry, half=FIRST, most=FIRST + 10 * DAY)
    give_one_up(town, now=NOW + 2 * DAY)
    application = town.count("SELECT application_id FROM waitlist_entries WHERE id = :e", e=entry)
    assert len(wait_again(town.connection, [application])) == 1
    tell_dates(town, entry, half=FIRST + 40 * DAY, most=FIRST + 50 * DAY, made=NOW + 4 * DAY)
    (before, after) = date_queries.list_told(town.connection, town.neighbourhood, since=NOW - DAY)
    assert before.reached == (NOW + 2 * DAY).date()
    assert after.reached is None, "the later date is of another wait"


def test_a_round_that_is_not_there_has_no_dates_and_no_calibration(town: RoundTown) -> None:
    with pytest.raises(RoundNotFound):
        estimate_dates(town.connection, round_id=town.round + 1, now=NOW)
    with pytest.raises(RoundNotFound):
        calibration_of(town.connection, round_id=town.round + 1, now=NOW)


def test_the_lists_are_read_as_they_stand(town: RoundTown) -> None:
    entries = publish(town, declined=2, waiting=4)
    town.connection.execute(
        text("UPDATE applications SET days = 'sat sun' WHERE id = (SELECT application_id FROM waitlist_entries "
             "WHERE id = :e)"),
        {"e": entries[3]},
    )  # fmt: skip
    place = date_queries.find_round(town.connection, town.round)
    assert place is not None
    standing = read_lists(town.connection, place, now=NOW + 50 * HOUR)
    assert standing.entry_ids.tolist() == entries[2:]
    assert standing.position.tolist() == [1, 2]
    assert standing.lists.entry_days.tolist() == [127, 96]
    assert len(standing.lists.permit_group) == BAYS - 2
    assert standing.lists.offer_listed.tolist() == [True, True]
    assert len(standing.lists.window_d) == (LAST - date(2026, 11, 27)).days + 1
    assert standing.lists.window_d[0] == pytest.approx(3.5), "made at noon of a Friday: to the end of Monday"
    assert standing.lists.day_part == pytest.approx(0.5), "ten in the morning and fifty hours"
    assert standing.lists.free.tolist() == [[0] * 7]


def test_only_offers_whose_time_is_over_are_in_the_record(town: RoundTown) -> None:
    publish(town, declined=12, waiting=20)
    accept_all(town, now=NOW + 60 * HOUR)
    place = date_queries.find_round(town.connection, town.round)
    assert place is not None
    facilities = np.array([town.facilities["a"]])
    young = read_record(town.connection, place, facilities, now=NOW + 71 * HOUR)
    assert len(young.offer_facility) == 0
    whole = read_record(town.connection, place, facilities, now=NOW + 9 * DAY)
    assert len(whole.offer_facility) == BAYS + 12
    assert int(whole.offer_refused.sum()) == whole.releases == 12
    assert int(whole.offer_listed.sum()) == 12
    assert whole.permit_ended.sum() == 0
    assert (whole.wait_to_d > whole.wait_from_d).all()


def test_offers_that_lapse_count_as_refused_after_all_their_time(town: RoundTown) -> None:
    (offer,) = make_offers(town.connection, [town.wanted(town.apply())], source="plan", now=NOW)
    note_delivered(town.connection, [offer], now=NOW)
    assert lapse_offers(town.connection, now=NOW + 73 * HOUR) == 1
    place = date_queries.find_round(town.connection, town.round)
    assert place is not None
    record = read_record(town.connection, place, np.array([town.facilities["a"]]), now=NOW + 4 * DAY)
    assert record.offer_refused.tolist() == [True]
    assert record.offer_share.tolist() == [1.0]


def test_whoever_answers_before_anything_is_delivered_is_in_the_record(town: RoundTown) -> None:
    applied = [town.apply() for _ in range(4)]
    make_offers(town.connection, [town.wanted(who) for who in applied], source="plan", now=NOW)
    rows = town.connection.execute(text("SELECT id, household_id FROM offers ORDER BY id")).all()
    for k, row in enumerate(rows[:3]):  # the last goes without an answer
        act = decline_offer if k == 0 else accept_offer
        act(town.connection, row.id, household_id=row.household_id, account_id=None, now=NOW + 12 * HOUR)
    deliver_late_offers(town.connection, now=NOW + 24 * HOUR)
    place = date_queries.find_round(town.connection, town.round)
    assert place is not None
    facility = np.array([town.facilities["a"]])
    early, late = (read_record(town.connection, place, facility, now=NOW + k * HOUR) for k in (95, 97))
    assert len(early.offer_refused) == 0, "those who are slow to decide are not known yet"
    assert late.offer_refused.tolist() == [True, False, False]
    assert late.offer_share.tolist() == pytest.approx([0.125] * 3)


def test_permits_count_from_the_first_day_of_their_term(town: RoundTown) -> None:
    publish(town)
    place = date_queries.find_round(town.connection, town.round)
    assert place is not None
    first = datetime.combine(FIRST, time(), ZoneInfo("Asia/Shanghai"))
    facility = np.array([town.facilities["a"]])
    before, after = (read_record(town.connection, place, facility, now=first + k * DAY) for k in (-1, 3))
    assert before.permit_to_d.sum() - before.permit_from_d.sum() == 0
    assert before.observed_d < 0 < after.observed_d
    assert (after.permit_to_d - after.permit_from_d).tolist() == pytest.approx([3.0] * BAYS)
    assert read_lists(town.connection, place, now=first - 2 * DAY).lists.begins_d == pytest.approx(2.0)


def test_the_best_position_is_that_in_the_list_where_one_stands_furthest_ahead() -> None:
    # entries 0, 1 and 2 wait for groups {0}, {0, 1} and {0}
    assert best_positions(np.array([0, 1, 3, 4]), np.array([0, 0, 1, 0])).tolist() == [1, 1, 3]


def test_weekdays_are_those_of_a_week_without_holidays() -> None:
    assert [weekdays_of(days) for days in ("daily", "workdays", "rest_days", "mon wed sun")] == [127, 31, 96, 69]


def test_the_job_looks_at_every_round_that_runs(engine: Engine) -> None:
    assert refresh_dates(engine, now=NOW) == {"dates": 0}
