"""Openings against every minute of the nights that are sold, looked at one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from shapely.geometry import Point

from api.calendars.clock import day_number
from api.calendars.day_kinds import day_kinds
from api.facilities.availability import instant_of
from api.neighbourhoods.model import BayGroup, Closure, Facility, Window
from api.openings.continuing import continued, keeps_all
from api.openings.ticks import Ticks, utc_minute, utc_moment
from api.openings.unrolling import LOOK_AHEAD_DAYS, LOOK_BACK_DAYS, Opening, unroll_openings
from tests.properties.by_the_minute import in_season
from tests.properties.neighbourhoods import UNKNOWN_COUNTRY, facilities

SOME = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
DAY = 1440
TODAYS = [date(2026, 9, 30), date(2026, 3, 20), date(2026, 10, 20), date(2027, 2, 26), date(2026, 12, 24)]
ZONES = ["Asia/Shanghai", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo"]


def openings_of(facility: Facility, zone: str, today: date) -> dict[str, list[Opening]]:
    kinds = day_kinds(
        UNKNOWN_COUNTRY, first=today - timedelta(days=LOOK_BACK_DAYS), last=today + timedelta(days=LOOK_AHEAD_DAYS)
    )
    return unroll_openings(facility, kinds, ZoneInfo(zone), today=day_number(today))


class EveryMinute:
    """A facility's local minutes from two days before today to three beyond the last evening, one entry each."""

    def __init__(self, facility: Facility, today: date) -> None:
        self.facility = facility
        self.first = today - timedelta(days=2)
        self.size = 20 * DAY
        self.midnight = datetime.combine(self.first, datetime.min.time())
        self.end = 16 * DAY + 720
        for group in facility.bay_groups:
            for window in group.windows:
                if self.opens(window, 15):
                    self.end = max(self.end, 15 * DAY + window.to_min)

    def opens(self, window: Window, day: int) -> bool:
        """Whether a window belongs to the day so many days after the first."""
        moment = self.first + timedelta(days=day)
        resting = moment.weekday() >= 5
        fits = {"daily": True, "workdays": not resting, "rest_days": resting}.get(
            window.days, moment.strftime("%a").lower() in window.days.split()
        )
        return fits and in_season(moment, window)

    def bays(self) -> dict[str, NDArray[np.int64]]:
        """How many bays of every group can be booked, minute by minute."""
        left = np.full(self.size, self.facility.buffer_bays)
        found = {}
        for group in self.facility.bay_groups:
            shared = np.zeros(self.size, dtype=np.int64)
            for window in group.windows:
                for day in range(17):  # today is day 2, the last evening day 15
                    if self.opens(window, day):
                        hours = slice(day * DAY + window.from_min, day * DAY + window.to_min)
                        shared[hours] = np.maximum(shared[hours], window.bays)
            kept_back = np.minimum(left, shared)
            left = left - kept_back
            shared = shared - kept_back
            shared[[minute for minute in np.flatnonzero(shared) if self.closed(int(minute))]] = 0
            shared[self.end :] = 0
            found[group.id] = shared
        return found

    def closed(self, minute: int) -> bool:
        begin = self.midnight + timedelta(minutes=minute)
        return any(c.start < begin + timedelta(minutes=1) and c.end > begin for c in self.facility.closures)

    def may_begin(self, group: BayGroup, minute: int) -> bool:
        return self.may_move(minute) and any(
            window.from_min <= minute - day * DAY < window.to_min
            and (window.last_entry_min is None or minute - day * DAY <= window.last_entry_min)
            for window in group.windows
            for day in range(17)
            if self.opens(window, day)
        )

    def edges(self, group: BayGroup) -> list[int]:
        """Minutes at which something may change for a group, those beside them, and some hours for good measure."""
        of_day = [0, 720, 1080, 1440, *(self.facility.no_movement or ())]
        for window in group.windows:
            of_day += [window.from_min, window.to_min, window.last_entry_min or 0]
        found = {day * DAY + minute + shift for day in (5, 6, 7, 14, 15) for minute in of_day for shift in (-1, 0, 1)}
        return sorted(found)

    def instant(self, minute: int, zone: str) -> datetime:
        return instant_of(self.midnight + timedelta(minutes=minute), ZoneInfo(zone))

    def was_shown(self, minute: int, zone: str) -> bool:
        """Whether the clock ever showed a minute."""
        shown = self.instant(minute, zone).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        return shown == self.midnight + timedelta(minutes=minute)

    def may_move(self, minute: int) -> bool:
        if self.facility.no_movement is None:
            return True
        begin, end = self.facility.no_movement
        return not any(begin < minute % DAY + shift < end for shift in (0, DAY))


def open_minutes(openings: list[Opening], number: int, *, first: int, size: int) -> NDArray[np.int64]:
    """In how many openings a bay is, minute by minute."""
    found = np.zeros(size, dtype=np.int64)
    for opening in openings:
        if opening.first_number <= number <= opening.last_number:
            found[opening.begin_min - first : opening.end_min - first] += 1
    return found


def has(ticks: Ticks, minute: int) -> bool:
    return any(first <= 2 * minute < past for first, past in ticks)


def bookable(openings: list[Opening], number: int, begin: int, end: int) -> bool:
    """Whether one opening holds a stay, as the database asks it."""
    return any(
        o.first_number <= number <= o.last_number
        and o.begin_min <= begin < end <= o.end_min
        and has(o.starts, begin)
        and has(o.ends, end)
        for o in openings
    )


cases = st.tuples(st.sampled_from(ZONES), st.sampled_from(TODAYS)).flatmap(
    lambda pair: st.tuples(st.just(pair[0]), st.just(pair[1]), facilities("f", pair[1]))
)


@SOME
@given(cases)
def test_a_bay_is_open_exactly_in_the_minutes_the_rules_open_it(case: tuple[str, date, Facility]) -> None:
    zone, today, facility = case
    truth = EveryMinute(facility, today)
    openings = openings_of(facility, zone, today)
    for name, bays in truth.bays().items():
        changes = [0, *(np.flatnonzero(np.diff(bays)) + 1).tolist(), truth.size]
        edges = [utc_minute(truth.instant(minute, zone)) for minute in changes]
        for number in range(1, int(bays.max(initial=0)) + 2):
            found = open_minutes(openings[name], number, first=edges[0], size=edges[-1] - edges[0])
            assert (found == np.repeat(bays[changes[:-1]] >= number, np.diff(edges))).all()


@SOME
@given(cases, st.data())
def test_a_period_is_bookable_exactly_when_every_rule_allows_it(
    case: tuple[str, date, Facility], data: st.DataObject
) -> None:
    zone, today, facility = case
    truth = EveryMinute(facility, today)
    bays = truth.bays()
    openings = openings_of(facility, zone, today)
    for group in facility.bay_groups:
        for _ in range(20):
            begin, end = sorted(
                data.draw(st.lists(st.sampled_from(truth.edges(group)), min_size=2, max_size=2, unique=True))
            )
            if not (truth.was_shown(begin, zone) and truth.was_shown(end, zone)):
                continue
            number = data.draw(st.integers(1, 3))
            allowed = (
                truth.may_begin(group, begin)
                and truth.may_move(end)
                and end <= truth.end
                and bool((bays[group.id][begin:end] >= number).all())
            )
            event(f"bookable: {allowed}")
            utc = [utc_minute(truth.instant(minute, zone)) for minute in (begin, end)]
            assert bookable(openings[group.id], number, *utc) == allowed


@SOME
@given(cases)
def test_openings_are_maximal(case: tuple[str, date, Facility]) -> None:
    zone, today, facility = case
    for openings in openings_of(facility, zone, today).values():
        for one in openings:
            for other in openings:
                share = one.first_number <= other.last_number and other.first_number <= one.last_number
                assert not (share and one.end_min == other.begin_min), "touching openings of a bay are one"
                same_time = (one.begin_min, one.end_min) == (other.begin_min, other.end_min)
                assert not (same_time and one.last_number + 1 == other.first_number), "neighbouring bays are one row"


# -------------------------------------------------------------------------------- what is stored, and what is wanted


def little_changes(before: Facility) -> st.SearchStrategy[Facility]:
    """The same facility but for one of its own rules."""
    still = st.sampled_from([None, (1380, 1800), (120, 361), (1320, 1440)])
    return st.one_of(
        still.map(lambda hours: replace(before, no_movement=hours)),
        st.integers(0, 2).map(lambda bays: replace(before, buffer_bays=bays)),
    )


@st.composite
def changes(draw: st.DrawFn) -> tuple[date, int, Facility, Facility]:
    today = draw(st.sampled_from(TODAYS))
    before = draw(facilities("f", today))
    return today, draw(st.integers(0, 14 * DAY)), before, draw(little_changes(before) | facilities("f", today))


@SOME
@given(changes())
def test_the_past_stays_as_stored_and_the_future_becomes_as_wanted(case: tuple[date, int, Facility, Facility]) -> None:
    today, later, before, after = case
    now = utc_minute(datetime.combine(today, datetime.min.time(), tzinfo=UTC)) + later
    stored = [o for o in openings_of(before, "Etc/UTC", today)["g0"] if o.end_min > now]
    wanted = openings_of(after, "Etc/UTC", today + timedelta(days=later // DAY))["g0"]
    kept = continued(stored, wanted, now_min=now)
    first, size = now - 5 * DAY, 30 * DAY
    for number in range(1, 5):
        past, future, found = (open_minutes(o, number, first=first, size=size) for o in (stored, wanted, kept))
        assert (found == np.concatenate((past[: now - first], future[now - first :]))).all()
        for begin in (now, now + 1, *{o.begin_min for o in wanted if o.begin_min > now}):
            for end in (begin + 1, *{o.end_min for o in wanted if begin < o.end_min <= begin + 3 * DAY}):
                assert bookable(kept, number, begin, end) == bookable(wanted, number, begin, end)
    standing = [o for o in kept if o.end_min > now]
    assert continued(standing, wanted, now_min=now) == standing
    for opening in stored:
        numbers = range(opening.first_number, opening.last_number + 1)
        assert keeps_all(opening, kept, now_min=now) is not any(lost(opening, n, kept, now) for n in numbers)


def lost(stored: Opening, number: int, kept: list[Opening], now: int) -> bool:
    """Whether some of a bay's open time after now, or a moment to begin or end at, is gone."""
    begin = max(stored.begin_min, now)
    holding = [o for o in kept if o.first_number <= number <= o.last_number and o.begin_min <= begin < o.end_min]
    if not holding or holding[0].end_min < stored.end_min:
        return True
    edges = {tick // 2 for o in (stored, holding[0]) for pair in (*o.starts, *o.ends) for tick in pair}
    minutes = {m for edge in edges for m in (edge - 1, edge, edge + 1) if begin <= m <= stored.end_min}
    return any(
        (has(stored.starts, m) and not has(holding[0].starts, m))
        or (has(stored.ends, m) and not has(holding[0].ends, m))
        for m in minutes
    )


def garage(*windows: Window, **own: object) -> Facility:
    group = BayGroup("std", ("standard",), windows)
    return Facility(id="f", name="F", kind="other", geometry=Point(2.3, 48.8), bay_groups=(group,), **own)  # type: ignore[arg-type]  # the fields of a Facility


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_capacity_steps_become_rows_of_bay_numbers() -> None:
    # 2026-09-30 is a Wednesday: 3 bays every night, 5 on the rest days 3 and 4 October, of which one is kept back.
    facility = garage(Window("daily", 18 * 60, 32 * 60, 3), Window("rest_days", 0, 32 * 60, 5), buffer_bays=1)
    openings = openings_of(facility, "Etc/UTC", date(2026, 9, 30))["std"]
    weekend = [o for o in openings if o.begin_min < utc_minute(utc("2026-10-04T12:00")) < o.end_min]
    assert [(o.first_number, o.last_number, utc_moment(o.begin_min), utc_moment(o.end_min)) for o in weekend] == [
        (1, 2, utc("2026-10-02T18:00"), utc("2026-10-05T08:00")),
        (3, 4, utc("2026-10-03T00:00"), utc("2026-10-05T08:00")),
    ]


def test_fourteen_nights_are_sold_to_their_ends() -> None:
    openings = openings_of(garage(Window("daily", 18 * 60, 32 * 60, 1)), "Asia/Shanghai", date(2026, 9, 30))["std"]
    future = [o for o in openings if o.end_min > utc_minute(utc("2026-09-30T04:00"))]
    assert len(future) == 14
    assert utc_moment(future[-1].begin_min) == utc("2026-10-13T10:00")
    assert utc_moment(future[-1].end_min) == utc("2026-10-14T00:00")


def test_a_garage_that_never_shuts_is_sold_to_the_noon_after_the_last_night() -> None:
    [opening] = openings_of(garage(Window("daily", 0, DAY, 1)), "Etc/UTC", date(2026, 9, 30))["std"]
    assert utc_moment(opening.end_min) == utc("2026-10-14T12:00")


def test_last_entry_is_a_moment_one_may_still_begin_at() -> None:
    facility = garage(Window("daily", 18 * 60, 32 * 60, 1, 22 * 60), no_movement=(23 * 60, 30 * 60))
    opening = openings_of(facility, "Etc/UTC", date(2026, 9, 30))["std"][-1]
    last = utc_minute(utc("2026-10-13T22:00"))
    assert opening.starts == ((2 * utc_minute(utc("2026-10-13T18:00")), 2 * last + 1),)
    begin, still, moving, end = (
        utc_minute(utc(f"2026-10-{moment}")) for moment in ("13T18:00", "13T23:00", "14T06:00", "14T08:00")
    )
    assert opening.ends == ((2 * begin, 2 * still + 1), (2 * moving, 2 * end + 1))


@pytest.mark.parametrize(
    ("today", "no_movement", "left_out"),
    [
        # Paris leaves out 02:00 to 03:00 on 29 March 2026: at the jump it is 03:00, inside hours that begin at 02:30
        # and after those that end then.
        (date(2026, 3, 28), (150, 360), True),
        (date(2026, 3, 28), (0, 150), False),
    ],
)
def test_the_moment_of_the_jump_comes_after_all_that_spring_leaves_out(
    today: date, no_movement: tuple[int, int], *, left_out: bool
) -> None:
    facility = garage(Window("daily", 0, DAY, 1), no_movement=no_movement)
    jump = utc_minute(utc("2026-03-29T01:00"))
    [opening] = openings_of(facility, "Europe/Paris", today)["std"]
    assert has(opening.starts, jump) is not left_out
    assert has(opening.ends, jump) is not left_out


@pytest.mark.parametrize(
    ("window", "no_movement", "kept"),
    [
        # Nobody may begin after 22:00 anyway: what is lost between 23:00 and 06:00 is moments to end at.
        (Window("daily", 18 * 60, 32 * 60, 2, 22 * 60), (23 * 60, 30 * 60), False),
        (Window("daily", 18 * 60, 32 * 60, 2, 21 * 60), None, False),
        (Window("daily", 18 * 60, 32 * 60, 1, 22 * 60), None, False),
        (Window("daily", 18 * 60, 31 * 60, 2, 22 * 60), None, False),
        (Window("daily", 17 * 60, 33 * 60, 3, 23 * 60), None, True),
    ],
)
def test_an_opening_is_kept_only_with_every_bay_hour_and_moment_of_it(
    window: Window, no_movement: tuple[int, int] | None, *, kept: bool
) -> None:
    today = date(2026, 9, 30)
    before = openings_of(garage(Window("daily", 18 * 60, 32 * 60, 2, 22 * 60)), "Etc/UTC", today)["std"][-1]
    after = openings_of(garage(window, no_movement=no_movement), "Etc/UTC", today)["std"]
    assert keeps_all(before, after, now_min=before.begin_min - 1) is kept


def test_a_closure_with_seconds_takes_the_whole_minute() -> None:
    closure = Closure(datetime(2026, 10, 1, 20, 0, 30), datetime(2026, 10, 1, 20, 59, 30))  # noqa: DTZ001 -- local
    openings = openings_of(
        garage(Window("daily", 18 * 60, 32 * 60, 1), closures=(closure,)), "Etc/UTC", date(2026, 9, 30)
    )
    edges = [(utc_moment(o.begin_min).time(), utc_moment(o.end_min).time()) for o in openings["std"]]
    assert ("18:00:00", "20:00:00") in [(str(a), str(b)) for a, b in edges]
    assert ("21:00:00", "08:00:00") in [(str(a), str(b)) for a, b in edges]
