"""Samples of a load test, and what they say."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from loadtests.answers import Answers
from loadtests.invariants import Told


@pytest.fixture
def answers() -> Answers:
    answers = Answers()
    for took_ms in range(1, 101):
        answers.add(step=took_ms % 2, route="nearby", status=200, took_ms=float(took_ms))
    for status in (201, 409, 404, 500, 503, 0):
        answers.add(step=2, route="hold", status=status, took_ms=1000.0)
    return answers


def test_percentiles_are_of_one_route_or_of_all(answers: Answers) -> None:
    assert answers.percentile_ms(50, route="nearby") == 50.5
    assert answers.percentile_ms(100, route="nearby") == 100
    assert answers.percentile_ms(100) == 1000
    assert math.isnan(answers.percentile_ms(50, route="cancel"))


def test_steps_are_told_apart(answers: Answers) -> None:
    assert answers.of_steps([1]).percentile_ms(0) == 1
    assert answers.of_steps([0]).percentile_ms(0) == 2
    assert answers.of_steps([0, 2]).routes() == ["nearby", "hold"]


def test_refusals_are_no_errors_and_errors_no_refusals(answers: Answers) -> None:
    assert answers.num() == 106
    assert answers.num_refused() == 1
    assert answers.num_failed() == 3, "500, 503, and one never heard"
    assert answers.num_unexpected() == 4, "and a 404, which nobody should have met"
    assert answers.num_unexpected(route="nearby") == 0


def test_what_is_told_of_bookings_is_kept() -> None:
    answers = Answers(may_have_booked=2, unsure=[4])
    for booking, state in ((1, "held"), (1, "confirmed"), (2, "confirmed"), (2, "cancelled"), (3, "given_back")):
        answers.note_booking({"id": booking, "state": state})
    assert answers.told() == Told(frozenset({1, 2}), frozenset({2, 3}), frozenset({4}), 2)


def test_answers_come_back_from_their_file(answers: Answers, tmp_path: Path) -> None:
    answers.write(tmp_path / "answers.json")
    assert Answers.read(tmp_path / "answers.json") == answers
