"""Free bays near a home: every rule with a twin that fails it, and the count against counting bay by bay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from api.finding.cursor import Cursor, read_cursor
from api.finding.period import Period
from api.finding.service import Page, Search
from api.finding.walking import walk_min
from api.finding.wanted import Wanted
from api.problems import BadRange
from tests.api.supplied import Supplied, hours, moment


@pytest.fixture
def supplied(engine: Engine) -> Iterator[Supplied]:
    with engine.connect() as connection:
        yield Supplied(connection)
        connection.rollback()


def find(supplied: Supplied, start: float, end: float, *, limit: int = 20, **wishes: Any) -> Page:  # noqa: ANN401 -- passed on
    after, max_walk_m = wishes.pop("after", None), wishes.pop("max_walk_m", 500)
    search = Search(Wanted(hours(start, end), **wishes), max_walk_m, limit, after)
    statement = search.near_home(supplied.home)
    return search.page(supplied.connection.exec_driver_sql(statement.sql, statement.values).all(), walk_by="pairs")


def free(supplied: Supplied, start: float, end: float, **wishes: Any) -> dict[int, int]:  # noqa: ANN401 -- passed on
    return {row.id: int(row.free_bays) for row in find(supplied, start, end, **wishes).rows}


def one_place(supplied: Supplied, bays: int = 2, **facility: Any) -> tuple[int, list[int]]:  # noqa: ANN401 -- passed on
    """Open some bays from hour 18 to hour 32 at 100 m."""
    place = supplied.add_facility(100, **facility)
    ids = supplied.add_group(place, bays)
    supplied.add_opening(ids[0], (18, 32), numbers=(1, bays))
    return place, ids


def test_a_bay_is_free_within_its_opening_and_not_beyond(supplied: Supplied) -> None:
    place, _ = one_place(supplied)
    assert free(supplied, 18, 32) == {place: 2}
    assert free(supplied, 20, 30) == {place: 2}
    assert free(supplied, 17.5, 30) == {}
    assert free(supplied, 20, 32.5) == {}


def test_a_stay_begins_and_ends_only_when_its_opening_lets_it(supplied: Supplied) -> None:
    """Last entry is at 22, nobody moves from 22 to 30."""
    place = supplied.add_facility(100)
    ids = supplied.add_group(place, 2)
    supplied.add_opening(ids[0], (18, 32), numbers=(1, 2), starts=[(18, 22)], ends=[(18, 22), (30, 32)])
    assert free(supplied, 21, 31) == {place: 2}
    assert free(supplied, 22.5, 31) == {}
    assert free(supplied, 21, 25) == {}


def test_only_stays_in_the_period_take_a_bay(supplied: Supplied) -> None:
    place, ids = one_place(supplied)
    supplied.add_stay(ids[0], (20, 26))
    assert free(supplied, 19, 21) == {place: 1}
    assert free(supplied, 26, 31) == {place: 2}
    assert free(supplied, 18, 20) == {place: 2}


def test_two_stays_on_one_bay_take_one_bay(supplied: Supplied) -> None:
    place, ids = one_place(supplied)
    supplied.add_stay(ids[0], (18, 22))
    supplied.add_stay(ids[0], (28, 32))
    assert free(supplied, 20, 30) == {place: 1}


def test_a_hold_takes_a_bay_until_it_runs_out(supplied: Supplied) -> None:
    place, ids = one_place(supplied)
    supplied.add_stay(ids[0], (18, 32), state="held", expires_s=600)
    assert free(supplied, 20, 30) == {place: 1}
    supplied.add_stay(ids[1], (18, 32), state="held", expires_s=-1)
    assert free(supplied, 20, 30) == {place: 1}


@pytest.mark.parametrize("state", ["cancelled", "expired", "given_back"])
def test_what_has_ended_takes_nothing(supplied: Supplied, state: str) -> None:
    place, ids = one_place(supplied)
    supplied.add_stay(ids[0], (18, 32), state=state)
    assert free(supplied, 20, 30) == {place: 2}


def test_a_full_place_is_not_shown(supplied: Supplied) -> None:
    _, ids = one_place(supplied, bays=1)
    supplied.add_stay(ids[0], (18, 32))
    assert free(supplied, 20, 30) == {}


@pytest.mark.parametrize("status", ["draft", "submitted", "verified", "withdrawn"])
def test_only_what_is_published_is_shown(supplied: Supplied, status: str) -> None:
    one_place(supplied, status=status)
    assert free(supplied, 20, 30) == {}


def test_nothing_is_free_beyond_what_has_been_worked_out(supplied: Supplied) -> None:
    place, _ = one_place(supplied, sold_until=30)
    assert free(supplied, 20, 30) == {place: 2}
    assert free(supplied, 20, 31) == {}


def test_a_car_must_fit_below_the_ceiling(supplied: Supplied) -> None:
    place, _ = one_place(supplied, max_height_m=1.9)
    assert free(supplied, 20, 30, height_m=1.9) == {place: 2}
    assert free(supplied, 20, 30, height_m=1.91) == {}
    assert free(supplied, 20, 30) == {place: 2}


def test_a_price_is_a_limit_and_no_price_is_none(supplied: Supplied) -> None:
    place, _ = one_place(supplied, night_price_cents=500)
    unpriced, _ = one_place(supplied)
    assert free(supplied, 20, 30, max_price_cents=500) == {place: 2, unpriced: 2}
    assert free(supplied, 20, 30, max_price_cents=499) == {unpriced: 2}


def test_needs_ask_for_the_kind_of_a_bay_and_other_cars_leave_those_alone(supplied: Supplied) -> None:
    place = supplied.add_facility(100)
    for bays, kinds in ((1, ["standard"]), (2, ["ev"]), (4, ["accessible", "ev"]), (8, ["large"])):
        ids = supplied.add_group(place, bays, kinds)
        supplied.add_opening(ids[0], (18, 32), numbers=(1, bays))
    assert free(supplied, 20, 30) == {place: 1 + 8}
    assert free(supplied, 20, 30, needs=("ev",)) == {place: 2 + 4}
    assert free(supplied, 20, 30, needs=("accessible",)) == {place: 4}
    assert free(supplied, 20, 30, needs=("accessible", "ev")) == {place: 4}


def test_what_is_too_far_is_not_shown(supplied: Supplied) -> None:
    place, _ = one_place(supplied)
    assert free(supplied, 20, 30, max_walk_m=100) == {place: 2}
    assert free(supplied, 20, 30, max_walk_m=99.9) == {}


def test_numbers_of_a_group_open_apart(supplied: Supplied) -> None:
    """Two bays are open for the night, two more only until 26."""
    place = supplied.add_facility(100)
    ids = supplied.add_group(place, 4)
    supplied.add_opening(ids[0], (18, 32), numbers=(1, 2))
    supplied.add_opening(ids[0], (18, 26), numbers=(3, 4))
    supplied.add_stay(ids[3], (18, 20))
    assert free(supplied, 20, 25) == {place: 4}
    assert free(supplied, 19, 25) == {place: 3}
    assert free(supplied, 19, 27) == {place: 2}


def test_bays_that_came_later_are_counted_like_the_others(supplied: Supplied) -> None:
    """Between bays 1 and 2 of the one place lie all of another, with a stay that is not ours."""
    place = supplied.add_facility(100)
    [first] = supplied.add_group(place, 1)
    other = supplied.add_facility(200)
    others = supplied.add_group(other, 2)
    second = supplied.add_bay(supplied.group_of(first), 2)
    supplied.add_opening(first, (18, 32), numbers=(1, 2))
    supplied.add_opening(others[0], (18, 32), numbers=(1, 2))
    supplied.add_stay(others[0], (18, 32))
    assert free(supplied, 20, 30) == {place: 2, other: 1}
    supplied.add_stay(second, (18, 32))
    assert free(supplied, 20, 30) == {place: 1, other: 1}


def test_a_group_knows_its_first_bay_while_its_bays_lie_side_by_side(supplied: Supplied) -> None:
    def known() -> int | None:
        query = text("SELECT g.first_bay_id FROM bay_groups g WHERE g.id = :group")
        found: int | None = supplied.connection.scalar(query, {"group": group})
        return found

    ids = supplied.add_group(supplied.add_facility(100), 3)
    group = supplied.group_of(ids[0])
    assert known() == ids[0]
    supplied.connection.execute(text("DELETE FROM bays WHERE id = :last"), {"last": ids[2]})
    assert known() == ids[0]
    supplied.add_group(supplied.add_facility(200), 1)
    later = supplied.add_bay(group, 3)
    assert known() is None
    supplied.connection.execute(text("DELETE FROM bays WHERE id = :later"), {"later": later})
    assert known() == ids[0]
    supplied.connection.execute(text("DELETE FROM bays WHERE bay_group_id = :group"), {"group": group})
    assert known() is None


def test_the_leave_by_is_the_latest_of_openings_with_a_free_bay(supplied: Supplied) -> None:
    place = supplied.add_facility(100)
    ids = supplied.add_group(place, 2)
    supplied.add_opening(ids[0], (18, 32), numbers=(1, 1))
    supplied.add_opening(ids[0], (18, 40), numbers=(2, 2))
    assert find(supplied, 20, 30).rows[0].leave_by == hours(20, 40).end
    supplied.add_stay(ids[1], (18, 40))
    assert find(supplied, 20, 30).rows[0].leave_by == hours(20, 32).end


def test_the_pages_of_a_search_hold_everything_once_and_in_walking_order(supplied: Supplied) -> None:
    places = []
    for walk_m in (300, 100, 200, 100, 400, 100, 500):
        place = supplied.add_facility(walk_m)
        supplied.add_opening(supplied.add_group(place, 1)[0], (18, 32), numbers=(1, 1))
        places.append((walk_m, place))
    seen, after, pages = [], None, 0
    while True:
        page = find(supplied, 20, 30, limit=2, after=after)
        seen += [(row.walk_m, row.id) for row in page.rows]
        pages += 1
        if page.after is None:
            break
        after = read_cursor(page.after.word())
        assert after == page.after
    assert seen == sorted(places)
    assert pages == 4


@pytest.mark.parametrize(
    "word", ["", "x", "W10", "bnVsbA", "WzEsMiwzLDRd" * 30, "WzEsMSwyLDFd", "é", "WzFlOTk5LDEsMiwzXQ"]
)
def test_a_cursor_of_nobodys_is_refused(word: str) -> None:
    with pytest.raises(BadRange):
        read_cursor(word)


def test_a_cursor_keeps_the_period_to_the_second() -> None:
    cursor = Cursor(123, 2**62, hours(18.5, 31.25))
    assert read_cursor(cursor.word()) == cursor


def test_walking_order_is_by_metres_then_by_id(supplied: Supplied) -> None:
    places = [supplied.add_facility(walk_m) for walk_m in (300, 100, 100)]
    for place in places:
        supplied.add_opening(supplied.add_group(place, 1)[0], (18, 32), numbers=(1, 1))
    far, near, same = places
    assert [(row.id, row.walk_m) for row in find(supplied, 20, 30).rows] == [(near, 100), (same, 100), (far, 300)]
    assert [row.id for row in find(supplied, 20, 30, max_walk_m=100).rows] == [near, same]


@pytest.mark.parametrize(("walk_m", "minutes"), [(0, 0), (1, 1), (80, 1), (81, 2), (500, 7)])
def test_minutes_on_foot_are_counted_when_they_begin(walk_m: int, minutes: int) -> None:
    assert walk_min(walk_m) == minutes


# ------------------------------------------------------------------------------------------------ against brute force


@dataclass(frozen=True)
class Night:
    """Random openings and stays of one place in hours 0 to 12, and what is asked for."""

    bays: int
    openings: list[tuple[int, int, tuple[int, int], tuple[int, int], tuple[int, int]]]
    """(first, last, during, starts, ends), no bay in two at a moment."""
    stays: list[tuple[int, tuple[int, int], str, float]]
    """(bay index, during, state, seconds until it runs out), none overlapping on a bay when live."""
    asked: tuple[int, int]
    apart: bool
    """Whether a bay of another place, with a stay, was made between those of this one."""

    def count(self) -> int:
        """Count bay by bay."""
        start, end = self.asked
        return sum(self._open(number, start, end) and not self._taken(number - 1) for number in range(1, self.bays + 1))

    def _open(self, number: int, start: int, end: int) -> bool:
        return any(
            first <= number <= last
            and during[0] <= start
            and end <= during[1]
            and starts[0] <= start < starts[1]
            and ends[0] <= end <= ends[1]
            for first, last, during, starts, ends in self.openings
        )

    def _taken(self, bay: int) -> bool:
        start, end = self.asked
        return any(
            where == bay
            and during[0] < end
            and start < during[1]
            and (state == "confirmed" or (state == "held" and left_s > 0))
            for where, during, state, left_s in self.stays
        )


def spans(first: int, last: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(first, last), st.integers(first, last)).filter(lambda s: s[0] < s[1])


@st.composite
def nights(draw: st.DrawFn) -> Night:
    bays = draw(st.integers(1, 4))
    openings: list[Any] = []
    for _ in range(draw(st.integers(0, 3))):
        first, last = sorted((draw(st.integers(1, bays)), draw(st.integers(1, bays))))
        during = draw(spans(0, 12))
        taken = any(a <= last and first <= b and d[0] < during[1] and during[0] < d[1] for a, b, d, _, _ in openings)
        if not taken:
            openings.append((first, last, during, draw(spans(*during)), draw(spans(*during))))
    stays: list[Any] = []
    for _ in range(draw(st.integers(0, 6))):
        bay, during = draw(st.integers(0, bays - 1)), draw(spans(0, 12))
        state = draw(st.sampled_from(["confirmed", "held", "cancelled"]))
        live = [s for s in stays if s[0] == bay and s[2] != "cancelled"]
        if state == "cancelled" or all(during[1] <= s[1][0] or s[1][1] <= during[0] for s in live):
            stays.append((bay, during, state, draw(st.sampled_from([-5.0, 600.0]))))
    return Night(bays, openings, stays, draw(spans(0, 12)), draw(st.booleans()))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(night=nights())
def test_the_count_is_that_of_looking_at_every_bay(engine: Engine, night: Night) -> None:
    with engine.connect() as connection:
        supplied = Supplied(connection)
        place = supplied.add_facility(10)
        ids = supplied.add_group(place, 1)
        if night.apart:
            supplied.add_stay(supplied.add_group(supplied.add_facility(900), 1)[0], (0, 12))
        ids += [supplied.add_bay(supplied.group_of(ids[0]), number) for number in range(2, night.bays + 1)]
        for first, last, during, starts, ends in night.openings:
            supplied.add_opening(ids[0], during, numbers=(first, last), starts=[starts], ends=[ends])
        for bay, during, state, left_s in night.stays:
            supplied.add_stay(ids[bay], during, state=state, expires_s=left_s)
        expected = night.count()
        assert free(supplied, *night.asked) == ({place: expected} if expected else {})
        connection.rollback()


# ------------------------------------------------------------------------------------------------------ alternatives


def offered(
    supplied: Supplied,
    start: float,
    end: float,
    *,
    exclude: Sequence[int] = (),
    needs: Sequence[str] = (),
    height_m: float | None = None,
    limit: int = 3,
) -> list[tuple[str, int, int, Period]]:
    period = hours(start, end)
    query = text("SELECT alternatives(0, :home, tstzrange(:start, :end), :needs, :height_m, :asked, :limit)")
    values = {
        "home": supplied.home,
        "start": period.start,
        "end": period.end,
        "needs": list(needs),
        "height_m": height_m,
        "asked": list(exclude),
        "limit": limit,
    }
    instant = datetime.fromisoformat
    return [
        (found["why"], found["facility"], found["free_bays"], Period(instant(found["from"]), instant(found["to"])))
        for found in supplied.connection.execute(query, values).scalar_one()
    ]


def test_another_place_a_part_of_the_night_and_the_night_after_are_offered(supplied: Supplied) -> None:
    """The one bay asked for is free from 18 to 19 and from 26 to 30: the longer part is offered."""
    asked, ids = one_place(supplied, bays=1)
    supplied.add_opening(ids[0], (42, 56), numbers=(1, 1))
    other = supplied.add_facility(300)
    supplied.add_opening(supplied.add_group(other, 3)[0], (18, 32), numbers=(1, 3))
    supplied.add_stay(ids[0], (19, 26))
    assert offered(supplied, 18, 30, exclude=[asked]) == [
        ("other_facility", other, 3, hours(18, 30)),
        ("part_of_period", asked, 1, hours(26, 30)),
        ("later_night", asked, 1, hours(42, 54)),
    ]


def test_a_part_of_the_night_keeps_last_entry_and_hours_without_movement(supplied: Supplied) -> None:
    """Free from 19 and until 27: in by 21, out by 24 or from 26 on."""
    asked = supplied.add_facility(100)
    ids = supplied.add_group(asked, 1)
    supplied.add_opening(ids[0], (18, 32), numbers=(1, 1), starts=[(18, 21)], ends=[(18, 24), (26, 32)])
    supplied.add_stay(ids[0], (27, 32))
    assert offered(supplied, 19, 31, exclude=[asked]) == [("part_of_period", asked, 1, hours(19, 27))]
    supplied.add_stay(ids[0], (25, 27))
    assert offered(supplied, 19, 31, exclude=[asked]) == [("part_of_period", asked, 1, hours(19, 24))]


def test_no_part_is_offered_while_its_bay_is_out_of_use(supplied: Supplied) -> None:
    """Free from 18 to 30 but for the hours 20 to 24 that somebody stands there without a right to."""
    asked, ids = one_place(supplied, bays=1)
    supplied.connection.execute(
        text("INSERT INTO bays_out_of_use (bay_id, starts_at, ends_at) VALUES (:bay, :start, :end)"),
        {"bay": ids[0], "start": moment(20), "end": moment(24)},
    )
    assert offered(supplied, 18, 30, exclude=[asked]) == [("part_of_period", asked, 1, hours(24, 30))]


def test_nothing_is_offered_where_nothing_is_left(supplied: Supplied) -> None:
    asked, ids = one_place(supplied, bays=1)
    supplied.add_stay(ids[0], (18, 32))
    assert offered(supplied, 18, 30, exclude=[asked]) == []


def test_a_hold_that_has_run_out_is_offered_again(supplied: Supplied) -> None:
    asked, ids = one_place(supplied, bays=1)
    supplied.add_stay(ids[0], (22, 32), state="held", expires_s=-1)
    supplied.add_stay(ids[0], (18, 20))
    assert offered(supplied, 18, 30, exclude=[asked]) == [("part_of_period", asked, 1, hours(20, 30))]


def test_no_more_than_asked_for_is_offered_and_the_nearest_first(supplied: Supplied) -> None:
    places = []
    for walk_m in (400, 300, 200, 100):
        place = supplied.add_facility(walk_m)
        supplied.add_opening(supplied.add_group(place, 1)[0], (18, 32), numbers=(1, 1))
        places.append(place)
    assert offered(supplied, 18, 30, exclude=[places[3]]) == [
        ("other_facility", places[2], 1, hours(18, 30)),
        ("other_facility", places[1], 1, hours(18, 30)),
        ("other_facility", places[0], 1, hours(18, 30)),
    ]
    assert len(offered(supplied, 18, 30, limit=2)) == 2


def test_alternatives_fit_the_car(supplied: Supplied) -> None:
    asked, ids = one_place(supplied, bays=1)
    supplied.add_stay(ids[0], (18, 32))
    low = supplied.add_facility(200, max_height_m=1.8)
    supplied.add_opening(supplied.add_group(low, 1)[0], (18, 32), numbers=(1, 1))
    assert offered(supplied, 18, 30, exclude=[asked], height_m=1.9) == []
    assert offered(supplied, 18, 30, exclude=[asked], needs=["ev"]) == []
    assert [o[1] for o in offered(supplied, 18, 30, exclude=[asked], height_m=1.8)] == [low]
