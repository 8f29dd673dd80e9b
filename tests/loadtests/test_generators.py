"""Those who generate load: they ask once each, and tell what they were answered."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests.answers import Answers
from loadtests.errors import LoadFailed
from loadtests.journey_plan import JourneyPlan, RushPlan
from loadtests.locusts import run_journeys, run_rush
from loadtests.service_processes import Service, python, running, workers_of
from loadtests.wrk import Posting, post, require_wrk
from tests.loadtests.bookable_stub import BAYS

NIGHT = ("2030-01-01T20:00:00+08:00", "2030-01-02T07:00:00+08:00")
needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk comes with ./dev load")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("stub") / "stub.log"
    with running(python("tests.loadtests.bookable_stub"), {}, log=log) as service:
        yield service


def num_asked(service: Service, run: str) -> int:
    with urllib.request.urlopen(f"{service.address}/readyz") as answer:
        return int(json.load(answer)[run])


def test_in_a_rush_everybody_asks_once_and_hears_one_answer(service: Service, tmp_path: Path) -> None:
    tokens = [f"token-{number}" for number in range(150)]
    plan = RushPlan(tokens, facility=7, night=NIGHT, run="r", answers=str(tmp_path / "answers.json"))
    answers = run_rush(plan, address=service.address, place=tmp_path)
    assert num_asked(service, "r") == 150
    assert (answers.num(low=201, high=201), answers.num_refused(), answers.num()) == (BAYS, 150 - BAYS, 150)
    assert (len(answers.confirmed), answers.without_alternatives, answers.may_have_booked) == (BAYS, 0, 0)


def test_arrivals_come_at_the_rate_of_their_step_and_are_all_answered(service: Service, tmp_path: Path) -> None:
    plan = journey_plan(tmp_path, steps=[(20.0, 2.0), (40.0, 2.0)])
    answers = run_journeys(plan, address=service.address, place=tmp_path)
    assert answers.num_unexpected() == 0
    assert {"nearby", "facility", "hold", "book at once", "gate", "owner's facility"} <= set(answers.routes())
    first, second, steady = (answers.of_steps([step]).num() for step in range(3))
    assert 30 <= first < second, "about 40 and 80 arrivals of one to three requests"
    assert 10 <= steady < second, "about 24 arrivals"
    assert len(set(answers.confirmed)) <= BAYS
    assert answers.may_have_booked == 0


def test_no_more_arrive_than_there_are_nights_to_book(service: Service, tmp_path: Path) -> None:
    plan = journey_plan(tmp_path, steps=[(500.0, 1.0)], most_arrivals=10, run="few")
    answers = run_journeys(plan, address=service.address, place=tmp_path)
    assert 10 <= answers.num() <= 30


def journey_plan(
    place: Path, *, steps: list[tuple[float, float]], most_arrivals: int = 1000, run: str = "j"
) -> JourneyPlan:
    return JourneyPlan(
        neighbourhood="town",
        residents=[(f"token-{number}", number) for number in range(100)],
        owners=[("owner", 1)],
        gates=[("gate", 1)],
        nights=[NIGHT],
        steps=steps,
        steady_share=0.6,
        steady_s=1.0,
        most_arrivals=most_arrivals,
        seed=1,
        run=run,
        answers=str(place / "answers.json"),
    )


@needs_wrk
def test_wrk_uses_every_token_once_and_keeps_what_was_confirmed(service: Service, tmp_path: Path) -> None:
    tokens, kept = tmp_path / "tokens.txt", tmp_path / "confirmed.txt"
    tokens.write_text("".join(f"token-{number}\n" for number in range(100)))
    posting = Posting('{"confirm": true}', tokens, kept, "w")
    posted = post(f"{service.address}/v1/bookings", posting, seconds=5, connections=8, place=tmp_path)
    assert (posted.sent, posted.created, posted.refused) == (100, BAYS, 100 - BAYS)
    assert (posted.unanswered, posted.failed, posted.other, posted.socket_errors) == (0, 0, 0, 0)
    assert posted.seconds < 4, "time stops with the last answer"
    assert len({int(line) for line in kept.read_text().split()}) == len(kept.read_text().split()) == BAYS


@needs_wrk
def test_a_hold_is_not_kept_as_confirmed(service: Service, tmp_path: Path) -> None:
    tokens, kept = tmp_path / "tokens.txt", tmp_path / "confirmed.txt"
    tokens.write_text("token\ntoken\n")
    posting = Posting('{"confirm": false}', tokens, kept, "holds")
    assert post(f"{service.address}/v1/bookings", posting, seconds=3, connections=1, place=tmp_path).created == 2
    assert kept.read_text() == ""


def test_a_missing_wrk_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LoadFailed, match="apt-get install wrk"):
        require_wrk()


def test_a_service_that_does_not_come_up_fails_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no luck today')"]
    with pytest.raises(LoadFailed, match="no luck today"), running(command, {}, log=tmp_path / "log"):
        pass


def test_nothing_is_left_of_a_service_however_its_block_is_left(tmp_path: Path) -> None:
    pids = []

    def interrupted() -> None:
        with running(python("tests.loadtests.bookable_stub"), {}, log=tmp_path / "log") as service:
            assert workers_of(service) == []
            pids.append(service.pid)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    left = subprocess.run(["ps", "-o", "pid=", "-s", str(pids[0])], capture_output=True, check=False)
    assert left.stdout == b""


def test_a_generator_that_dies_fails_the_test_with_its_last_words(tmp_path: Path) -> None:
    plan = journey_plan(tmp_path, steps=[])
    with pytest.raises(LoadFailed, match=r"(?s)exit status 1.*IndexError"):
        run_journeys(plan, address="http://127.0.0.1:9", place=tmp_path)


def test_answers_that_never_came_are_told_apart(tmp_path: Path) -> None:
    plan = RushPlan(["token"] * 3, facility=7, night=NIGHT, run="r", answers=str(tmp_path / "answers.json"))
    answers: Answers = run_rush(plan, address="http://127.0.0.1:9", place=tmp_path)
    assert (answers.num(high=0), answers.may_have_booked, answers.confirmed) == (3, 3, [])
