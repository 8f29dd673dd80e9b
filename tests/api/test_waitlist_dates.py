"""When households on the list are told to be reached, and that it is seldom wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.waitlist.calibration import Outcome, Told, calibration, share_reached
from api.waitlist.dates import Dates, NotBefore, Outlook, Why, answers, is_news, look_ahead, no_dates, too_thin
from api.waitlist.forward import reached_by_day
from api.waitlist.lists import Lists, Record
from api.waitlist.rates import Rates
from api.waitlist.recalibrating import HALF_RANGE, Levels, learn_levels

TODAY = date(2026, 4, 1)
DAILY, WORKDAYS, WEEKEND = 127, 31, 96


def ints(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


def lists(
    entries: list[tuple[int, list[int]]],
    *,
    offers: list[tuple[int, int, float, float]] = [],  # noqa: B006  (never changed)
    permits: list[tuple[int, int]] = [],  # noqa: B006
    groups: int = 2,
    days: int = 60,
) -> Lists:
    """Entries as (days, groups), offers as (group, days, waited, left), permits as (group, days)."""
    return Lists(
        facility=np.arange(groups),
        free=np.zeros((groups, 7), dtype=np.int64),
        entry_days=ints(*(wanted for wanted, _ in entries)),
        option_ptr=np.cumsum([0, *(len(options) for _, options in entries)]),
        option_group=ints(*(group for _, options in entries for group in options)),
        permit_group=ints(*(group for group, _ in permits)),
        permit_days=ints(*(taken for _, taken in permits)),
        offer_group=ints(*(group for group, *_ in offers)),
        offer_days=ints(*(taken for _, taken, *_ in offers)),
        offer_listed=np.zeros(len(offers), dtype=bool),
        offer_waited_d=np.array([waited for *_, waited, _ in offers]),
        offer_left_d=np.array([left for *_, left in offers]),
        window_d=np.full(days, 3.0),
        begins_d=0.0,
        day_part=0.5,
    )


def rates(*, refused: float, given_up: float = 0.0, left: float = 1e-9, after: float = 1.0, groups: int = 2) -> Rates:
    """One future in which everything is as told: offers lapse or are taken up after a share of their time."""
    whole = np.full((1, groups), refused)
    return Rates(
        whole, np.zeros((1, groups)), np.full((1, groups), given_up), np.array([left]), np.array([after]), np.ones(1)
    )


def record(*, offers: int = 200, refused: float = 0.2, ended: int = 15, observed_d: float = 60.0) -> Record:
    rng = np.random.default_rng(7)
    is_refused = np.arange(offers) < refused * offers
    return Record(
        offer_facility=np.arange(offers) % 2,
        offer_listed=np.arange(offers) % 5 == 0,
        offer_refused=is_refused,
        offer_share=np.where(is_refused & (rng.random(offers) < 0.4), 1.0, rng.random(offers)),
        offer_made_d=np.full(offers, -observed_d),
        permit_facility=np.arange(offers) % 2,
        permit_from_d=np.full(offers, -observed_d),
        permit_to_d=np.zeros(offers),
        permit_ended=np.arange(offers) < ended,
        wait_from_d=np.full(50, -observed_d),
        wait_to_d=np.zeros(50),
        wait_left=np.arange(50) < 3,
        releases=ended + int(refused * offers),
        observed_d=observed_d,
    )


@st.composite
def lists_and_records(draw: st.DrawFn) -> tuple[Lists, Record]:
    groups = draw(st.integers(1, 4))
    some = st.lists(st.integers(0, groups - 1), min_size=1, max_size=groups, unique=True).map(sorted)
    wanted = st.sampled_from((DAILY, WORKDAYS, WEEKEND))
    entries = draw(st.lists(st.tuples(wanted, some), min_size=1, max_size=12))
    group, hours = st.integers(0, groups - 1), st.floats(0.0, 2.9)
    offers = draw(st.lists(st.tuples(group, wanted, hours), max_size=12))
    permits = draw(st.lists(st.tuples(group, wanted), max_size=40))
    seen = record(refused=draw(st.floats(0.02, 0.6)), ended=draw(st.integers(0, 60)))
    return (
        lists(
            entries,
            offers=[(g, taken, waited, 3.0 - waited) for g, taken, waited in offers],
            permits=permits,
            groups=groups,
            days=draw(st.integers(1, 90)),
        ),
        seen,
    )


def told(standing: Lists, seen: Record, *, seed: int = 3, today: date = TODAY) -> list[Dates | NotBefore]:
    return answers(standing, look_ahead(standing, seen, levels=Levels(), seed=seed, futures=60), today=today)


@settings(deadline=None, max_examples=60)
@given(lists_and_records())
def test_dates_lie_in_what_is_left_of_the_term_the_first_before_the_second(both: tuple[Lists, Record]) -> None:
    standing, seen = both
    last = TODAY + timedelta(days=len(standing.window_d) - 1)
    for answer in told(standing, seen):
        if isinstance(answer, Dates):
            assert TODAY <= answer.half_by <= answer.most_by <= last
        else:
            assert TODAY <= answer.not_before <= last + timedelta(days=1)


@settings(deadline=None, max_examples=60)
@given(lists_and_records())
def test_a_better_rank_never_gets_a_later_date_for_the_same_nights_at_the_same_places(
    both: tuple[Lists, Record],
) -> None:
    standing, seen = both
    outlook = look_ahead(standing, seen, levels=Levels(), seed=5, futures=60)
    said = answers(standing, outlook, today=TODAY)
    best: dict[tuple[int, ...], int] = {}
    for k in range(standing.num_entries):
        options = standing.option_group[standing.option_ptr[k] : standing.option_ptr[k + 1]].tolist()
        before = best.setdefault((int(standing.entry_days[k]), *options), k)
        assert (outlook.chance[before] >= outlook.chance[k]).all()
        ahead, behind = said[before], said[k]
        if isinstance(ahead, Dates) and isinstance(behind, Dates):
            assert ahead.half_by <= behind.half_by
            assert ahead.most_by <= behind.most_by


@settings(deadline=None, max_examples=30)
@given(lists_and_records(), st.integers(-400, 400))
def test_the_same_lists_on_another_day_give_the_same_dates_moved(both: tuple[Lists, Record], days: int) -> None:
    standing, seen = both
    moved = timedelta(days=days)
    for here, there in zip(told(standing, seen), told(standing, seen, today=TODAY + moved), strict=True):
        if isinstance(here, Dates):
            assert there == Dates(here.half_by + moved, here.most_by + moved)
        else:
            assert there == NotBefore(here.not_before + moved, here.why)


def test_an_empty_record_gives_no_date() -> None:
    assert too_thin(record(offers=0, observed_d=0.0)) is Why.RECORD_TOO_SHORT
    assert too_thin(record(observed_d=3.0)) is Why.RECORD_TOO_SHORT
    assert (
        no_dates(Why.RECORD_TOO_SHORT, today=TODAY, entries=2)
        == [NotBefore(TODAY + timedelta(days=7), Why.RECORD_TOO_SHORT)] * 2
    )


def test_a_long_record_without_bays_that_came_free_gives_no_date() -> None:
    assert too_thin(record(refused=0.0, ended=9)) is Why.TOO_FEW_RELEASES
    assert too_thin(record(refused=0.0, ended=10)) is None


def test_nobody_is_reached_where_nothing_can_come_free() -> None:
    standing = lists([(DAILY, [0]), (DAILY, [1])], offers=[(0, DAILY, 1.0, 2.0)], permits=[(0, DAILY)])
    outlook = look_ahead(standing, record(), levels=Levels(), seed=1, futures=100)
    assert outlook.chance[0, -1] > 0
    assert outlook.chance[1, -1] == 0
    assert answers(standing, outlook, today=TODAY)[1] == NotBefore(TODAY + timedelta(days=60), Why.TOO_FAR_BACK)


def test_an_offer_that_lapses_reaches_the_first_in_rank_on_the_day_it_is_due() -> None:
    # noon of day 0, two days and a quarter left: the afternoon of day 2
    standing = lists([(DAILY, [0]), (DAILY, [0])], offers=[(0, DAILY, 0.75, 2.25)])
    reached = reached_by_day(standing, rates(refused=1.0), seed=1)
    assert reached[0, :4].tolist() == [0, 0, 1, 1]
    assert reached[1, -1] == 0


def test_no_permit_is_given_up_before_its_term_begins() -> None:
    # noon of day 0, nine days and three quarters to go: day 10, where everybody gives up as soon as they have something
    fast = rates(refused=0.0, given_up=1e9, after=0.1)
    for standing in (
        lists([(DAILY, [0])], permits=[(0, DAILY)]),
        lists([(DAILY, [0])], offers=[(0, DAILY, 0.0, 3.0)]),
    ):
        reached = reached_by_day(replace(standing, begins_d=9.75), fast, seed=1)
        assert reached[0].argmax() == 10


def test_a_bay_for_weekends_goes_past_those_who_ask_for_every_night() -> None:
    standing = lists([(DAILY, [0]), (WEEKEND, [0])], offers=[(0, WEEKEND, 0.0, 3.0)])
    assert reached_by_day(standing, rates(refused=1.0), seed=1)[:, -1].tolist() == [0, 1]


def test_two_parts_of_a_week_make_a_whole_bay() -> None:
    standing = lists([(DAILY, [0])], offers=[(0, WEEKEND, 0.0, 3.0), (0, WORKDAYS, 0.0, 3.0)])
    assert reached_by_day(standing, rates(refused=1.0), seed=1)[:, -1].tolist() == [1]


def test_those_who_leave_let_the_next_one_through_and_are_counted_as_if_they_had_stayed() -> None:
    standing = lists([(DAILY, [0]), (DAILY, [0])], offers=[(0, DAILY, 0.0, 3.0)])
    assert reached_by_day(standing, rates(refused=1.0, left=1e9), seed=1)[:, -1].tolist() == [1, 1]
    assert reached_by_day(standing, rates(refused=1.0), seed=1)[:, -1].tolist() == [1, 0]


def test_dates_on_one_day_are_split_so_that_the_chance_is_right_on_average() -> None:
    # 0.3 by day 0, 0.8 by day 1: two fifths must be told day 1 for one half to be right: 0.4 · 0.8 + 0.6 · 0.3
    places = 400
    standing = lists([(DAILY, [k]) for k in range(places)], groups=places)
    chance = np.tile([0.3, 0.8, 1.0], (places, 1))
    said = answers(standing, Outlook(chance, Levels(0.5, 0.92), 0), today=TODAY)
    later = [isinstance(answer, Dates) and answer.half_by > TODAY for answer in said]
    assert sum(later) / places == pytest.approx(0.4, abs=0.01)


def test_a_chance_that_only_just_suffices_gives_no_date() -> None:
    standing = lists([(DAILY, [0])])
    just, surely = (Outlook(np.array([[0.3, 0.6, last]]), Levels(0.5, 0.92), 0) for last in (0.925, 0.935))
    assert answers(standing, just, today=TODAY) == [NotBefore(TODAY, Why.TERM_ENDS_FIRST)]
    assert isinstance(answers(standing, surely, today=TODAY)[0], Dates)


def test_somebody_more_likely_reached_today_than_not_is_told_no_date() -> None:
    standing = lists([(DAILY, [0])])
    said = answers(standing, Outlook(np.array([[0.6, 1.0]]), Levels(), 0), today=TODAY)
    assert said == [NotBefore(TODAY, Why.ANY_DAY)]


def levels_after(*, hits: int, misses: int) -> Levels:
    """Dates come due a day each."""
    said, outcomes = [], []
    for k in range(hits + misses):
        on = TODAY + timedelta(days=k)
        said.append(Told(on, on + timedelta(days=2), on + timedelta(days=2)))
        reached = on + timedelta(days=2 if k < hits else 3)
        outcomes.append(Outcome(reached, reached))
    return learn_levels(said, outcomes, today=TODAY + timedelta(days=hits + misses + 5))


def test_levels_rise_when_dates_were_too_early_and_fall_when_too_late() -> None:
    assert levels_after(hits=0, misses=0) == Levels()
    assert levels_after(hits=0, misses=9).half > Levels().half
    assert levels_after(hits=9, misses=0).most < Levels().most
    assert levels_after(hits=0, misses=3000).half == HALF_RANGE[1]
    assert levels_after(hits=3000, misses=0).half == HALF_RANGE[0]


def test_dates_that_are_not_due_or_waits_cut_off_move_no_level() -> None:
    said = [Told(TODAY, TODAY + timedelta(days=5), TODAY + timedelta(days=9))] * 2
    left = Outcome(None, TODAY + timedelta(days=3))
    waits = Outcome(None, TODAY + timedelta(days=90))
    assert learn_levels(said, [left, left], today=TODAY + timedelta(days=50)) == Levels()
    assert learn_levels(said, [waits, waits], today=TODAY + timedelta(days=5)) == Levels()
    assert learn_levels(said, [waits, waits], today=TODAY + timedelta(days=6)).half > Levels().half


def news(before: Dates | NotBefore | None, answer: Dates | NotBefore, *, days: int, chance: float = 0.95) -> bool:
    today = TODAY + timedelta(days=days)
    return is_news(before, TODAY if before else None, answer, chance=chance, need=0.9, today=today)


def dates(half: int, most: int) -> Dates:
    return Dates(TODAY + timedelta(days=half), TODAY + timedelta(days=most))


def test_a_household_is_told_once_and_again_only_when_it_matters() -> None:
    assert news(None, dates(10, 30), days=0)
    assert not news(dates(10, 30), dates(11, 31), days=1)
    assert not news(dates(10, 30), dates(20, 45), days=3)
    assert news(dates(10, 30), dates(20, 45), days=7)
    assert not news(dates(10, 30), dates(4, 12), days=3), "good news waits as bad news does"
    assert news(dates(10, 30), dates(8, 15), days=7)
    assert news(dates(10, 30), dates(13, 31), days=11), "the first date has passed"


def test_a_date_stands_while_it_is_still_likely() -> None:
    never = NotBefore(TODAY + timedelta(days=40), Why.TERM_ENDS_FIRST)
    assert not news(dates(10, 30), never, days=8, chance=0.88)
    assert news(dates(10, 30), never, days=8, chance=0.6)
    assert not news(never, never, days=20)
    assert news(never, dates(40, 50), days=1)


def test_without_waits_cut_off_the_share_reached_is_a_plain_share() -> None:
    waited = np.array([0.2, 0.9, 1.0, 1.5, 3.0])
    assert share_reached(waited, np.ones(5, dtype=bool)) == pytest.approx(3 / 5)


def test_a_wait_cut_off_half_way_counts_as_one_that_had_not_ended_half_way() -> None:
    # of four, one is reached at 0.2; one cut off at 0.5; then one of two reached: 1 − 3/4 · 1/2
    waited, reached = np.array([0.2, 0.5, 0.8, 2.0]), np.array([True, False, True, True])
    assert share_reached(waited, reached) == pytest.approx(1 - 3 / 4 / 2)


def test_nothing_is_said_of_waits_that_were_all_cut_off() -> None:
    assert share_reached(np.array([0.2, 0.4]), np.array([False, False])) is None


def test_calibration_counts_by_whole_days() -> None:
    said = [Told(TODAY, TODAY + timedelta(days=5), TODAY + timedelta(days=20))] * 3
    ends = [5, 6, 30]
    outcomes = [Outcome(TODAY + timedelta(days=d), TODAY + timedelta(days=d)) for d in ends]
    found = calibration(said, outcomes, now=TODAY + timedelta(days=60))
    assert (found.estimates, found.censored, found.median_width_days) == (3, 0, 15.0)
    assert found.reached_by_p50 == pytest.approx(1 / 3)
    assert found.reached_by_p90 == pytest.approx(2 / 3)
    later = calibration(said, outcomes, now=TODAY + timedelta(days=10))
    assert (later.censored, later.reached_by_p90) == (1, None), "nobody has been watched up to the second date yet"


def test_no_estimates_have_no_calibration() -> None:
    assert calibration([], [], now=TODAY).reached_by_p50 is None
