"""Gate sessions: what the passages of a car come to, the same in whatever order and however often they are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.gates.gate_sessions import (
    FORGOTTEN_AFTER,
    GateSession,
    ListedStay,
    Passage,
    gate_sessions_of,
    stay_of,
)

DAY = datetime(2026, 12, 1, tzinfo=UTC)
NOW = DAY + timedelta(days=3)


def at(hour: float) -> datetime:
    return DAY + timedelta(hours=hour)


def seen(story: str, *, now: datetime = NOW) -> list[tuple[float | None, float | None, str]]:
    """Tell the sessions of a story as `in 18, out 32`, with hours since the day began."""
    words = [part.split() for part in story.split(",") if part.strip()]
    passages = [Passage(at(float(hour)), {"in": "entry", "out": "exit"}[what]) for what, hour in words]
    return [(_hour(s.entered_at), _hour(s.left_at), s.state) for s in gate_sessions_of(passages, now=now)]


def _hour(moment: datetime | None) -> float | None:
    return None if moment is None else (moment - DAY) / timedelta(hours=1)


@pytest.mark.parametrize(
    ("story", "sessions"),
    [
        ("", []),
        ("in 18, out 32", [(18, 32, "closed")]),
        ("out 32, in 18", [(18, 32, "closed")]),
        ("in 18", [(18, None, "open")]),
        ("out 8", [(None, 8, "no_entry")]),
        ("out 8, in 18, out 32", [(None, 8, "no_entry"), (18, 32, "closed")]),
        ("in 18, in 42, out 56", [(18, None, "no_exit"), (42, 56, "closed")]),
        ("in 18, out 19, in 20, out 32", [(18, 19, "closed"), (20, 32, "closed")]),
        ("in 18, in 18.02, out 32, out 32.03", [(18, 32, "closed")]),
        ("in 18, out 20, in 20, out 22", [(18, 20, "closed"), (20, 22, "closed")]),
        ("out 20, in 20", [(20, 20, "closed")]),
    ],
)
def test_passages_come_to_these_gate_sessions(
    story: str, sessions: list[tuple[float | None, float | None, str]]
) -> None:
    assert seen(story) == sessions


def test_a_car_never_seen_to_leave_is_given_up_after_a_while() -> None:
    assert seen("in 18", now=at(18) + FORGOTTEN_AFTER) == [(18, None, "open")]
    assert seen("in 18", now=at(18) + FORGOTTEN_AFTER + timedelta(minutes=1)) == [(18, None, "no_exit")]


minutes = st.integers(0, 60).map(lambda minute: DAY + timedelta(minutes=minute))
stories = st.lists(st.builds(Passage, at=minutes, direction=st.sampled_from(["entry", "exit"])), max_size=12)


@given(stories, st.data())
def test_neither_the_order_nor_repetition_changes_the_sessions(story: list[Passage], data: st.DataObject) -> None:
    repeated = story + (data.draw(st.lists(st.sampled_from(story), max_size=6)) if story else [])
    shuffled = data.draw(st.permutations(repeated))
    assert gate_sessions_of(shuffled, now=NOW) == gate_sessions_of(story, now=NOW)


@given(stories)
def test_sessions_follow_each_other_and_each_begins_at_a_moment_of_its_own(story: list[Passage]) -> None:
    made = gate_sessions_of(story, now=NOW)
    begun = [one.began_at for one in made]
    assert len(set(begun)) == len(begun)
    assert begun == sorted(begun)
    for one, after in pairwise(made):
        assert (one.left_at or one.began_at) <= after.began_at
        assert one.state != "open"
    if story:
        entries = sum(one.entered_at is not None for one in made)
        assert entries <= len({p for p in story if p.direction == "entry"})
        assert made


NIGHTS = [ListedStay(1, at(18), at(32)), ListedStay(2, at(42), at(56))]


@pytest.mark.parametrize(
    ("entered", "left", "stay"),
    [
        (18.2, 31.5, 1),
        (17, 31, 1),  # an hour early
        (15.5, 31, 1),  # far too early, but there for the stay all the same
        (15.5, 15.8, None),
        (18, 45, 1),  # stayed on into the next
        (33, 34, None),
        (42, None, 2),
        (30, None, 1),
        (35, None, None),
        (None, 31.9, 1),
        (None, 34, 1),  # late
        (None, 43, 2),
        (None, 17, None),
    ],
)
def test_a_session_belongs_to_the_stay_that_the_car_came_for(
    entered: float | None, left: float | None, stay: int | None
) -> None:
    state = "no_entry" if entered is None else "open" if left is None else "closed"
    one = GateSession(
        None if entered is None else at(entered),
        None if left is None else at(left),
        state,  # type: ignore[arg-type]  # one of the four
    )
    assert stay_of(one, NIGHTS) == stay
