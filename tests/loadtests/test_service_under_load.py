"""The whole load test, as small as it gets: the real service, its real database, and figures with their fixed keys."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Engine

from loadtests.answers import Answers
from loadtests.ceilings import Ceilings, require_durable
from loadtests.efforts import Effort
from loadtests.errors import LoadFailed
from loadtests.invariants import Broken
from loadtests.load_figures import Found, PlaceFound, RushFound, as_json, as_words
from loadtests.places import siping
from loadtests.service_under_load import load_test, main
from loadtests.wrk import Posted

ROOT = Path(__file__).parents[2]
needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk comes with ./dev load")
TINY = Effort(
    ceiling_s=2,
    nearest_s=2,
    connections=4,
    bookers=300,
    travellers=200,
    small_rates=(10,),
    large_rates=(10, 15),
    step_s=2,
    steady_s=2,
)
KEYS = {
    "overlaps",
    "lost",
    "outside_window",
    "server_errors",
    "bookings_per_s",
    "fastapi_ceiling_per_s",
    "pgbench_ceiling_per_s",
    "nearby_p95_ms",
    "rush",
}


def answers(*statuses: int, route: str = "rush", took_ms: float = 100.0, step: int = 0) -> Answers:
    made = Answers()
    for status in statuses:
        made.add(step=step, route=route, status=status, took_ms=took_ms)
    return made


def found(**own: object) -> Found:
    """Give what a load test of one place finds where all is well: two bays, three in the rush."""
    rush = RushFound(answers(201, 201, 409), rows=2)
    journeys = answers(200, 200, route="nearby", took_ms=20.0)
    journeys.add(step=1, route="nearby", status=200, took_ms=30.0)
    fields = {
        "places": (PlaceFound("small", 10, rush, journeys, rates=(5.0,)),),
        "nearest": Posted(2.0, 100, 90, 6, 0, 0, 0, 1.0, 2.0, 3.0),
        "ceilings": Ceilings(pgbench_per_s=900.0, fastapi_per_s=100.0),
        "broken": Broken(*[0] * 8),
        "settings": {"fsync": "on"},
        "workers_mb": (120.0, 130.0),
        "rush_size": (2, 3),
    }
    return Found(**{**fields, **own})  # type: ignore[arg-type]  # the types of the fields above


def test_figures_have_exactly_the_keys_that_programs_rely_on() -> None:
    assert as_json(found()) == {
        "overlaps": 0,
        "lost": 0,
        "outside_window": 0,
        "server_errors": 0,
        "bookings_per_s": 45.0,
        "fastapi_ceiling_per_s": 100.0,
        "pgbench_ceiling_per_s": 900.0,
        "nearby_p95_ms": 30.0,
        "rush": {"booked": 2, "refused": 1, "p99_ms": 100.0},
    }


def test_every_broken_rule_shows_in_the_figures_and_fails_the_test() -> None:
    assert found().holds()
    for position, key in enumerate(
        ("overlaps", "overlaps", "lost", "lost", "outside_window", "outside_window", "lost", "lost")
    ):
        broken = Broken(*[int(position == number) for number in range(8)])
        assert as_json(found(broken=broken))[key] == 1
        assert not found(broken=broken).holds()


@pytest.mark.parametrize(
    "rush",
    [
        RushFound(answers(201, 201, 201), rows=3),
        RushFound(answers(201, 409, 409), rows=1),
        RushFound(answers(201, 201, 409), rows=3),
        RushFound(answers(201, 201, 404), rows=2),
        RushFound(answers(201, 201), rows=2),
    ],
    ids=["one too many", "one too few", "one nobody heard of", "no honest refusal", "one never answered"],
)
def test_an_unjust_rush_fails_the_test(rush: RushFound) -> None:
    place = PlaceFound("small", 10, rush, answers(200, route="nearby"), rates=(5.0,))
    assert not found(places=(place,)).holds()


def test_a_refusal_without_alternatives_is_not_counted_as_an_honest_one() -> None:
    made = answers(201, 201, 409)
    made.without_alternatives = 1
    assert RushFound(made, rows=2).refused == 0


def test_words_tell_what_is_met_and_what_is_not() -> None:
    words = as_words(found())
    assert "✓ bookings: 0.45 of the FastAPI ceiling" in words
    assert "✓ nearby at 60 % of saturation: p95 30 ms" in words
    slow = Posted(2.0, 100, 20, 6, 0, 0, 0, 1.0, 2.0, 3.0)
    assert "✗ bookings: 0.10 of the FastAPI ceiling" in as_words(found(nearest=slow))


def test_a_database_that_does_not_wait_for_its_disk_is_refused(engine: Engine) -> None:
    with pytest.raises(LoadFailed, match="fsync, full_page_writes, synchronous_commit is off"):
        require_durable(engine)


def test_nonsense_is_refused_before_anything_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "."]) == 2
    assert ". is a folder; name a file" in capsys.readouterr().err


@needs_wrk
def test_the_service_stands_a_small_load_and_keeps_every_promise() -> None:
    said: list[str] = []
    result = load_test(TINY, {"siping": siping}, say=said.append)
    assert result.holds(), as_words(result)
    figures = as_json(result)
    assert figures.keys() == KEYS
    assert (figures["rush"]["booked"], figures["rush"]["refused"]) == (40, 960)
    assert figures["bookings_per_s"] > 0
    assert 0 < figures["fastapi_ceiling_per_s"] < figures["pgbench_ceiling_per_s"]
    assert figures["nearby_p95_ms"] > 0
    assert result.settings == dict.fromkeys(("fsync", "full_page_writes", "synchronous_commit"), "on")
    assert len(result.workers_mb) == 2
    assert "siping: six o'clock, 1,000 residents and 40 bays" in said


@needs_wrk
@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM], ids=["interrupt key", "told to end"])
def test_an_interrupted_load_test_leaves_no_process_and_no_file(asked: signal.Signals) -> None:
    command = [sys.executable, "-m", "loadtests.service_under_load", "--quick"]
    with tempfile.TemporaryDirectory(prefix="baytide-test-") as place:
        Path(place).chmod(0o755)
        with subprocess.Popen(
            command, cwd=ROOT, stderr=subprocess.PIPE, encoding="utf-8", env={**os.environ, "TMPDIR": place}
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if "importing" in line:
                    break
            time.sleep(1)
            process.send_signal(asked)
            said = process.stderr.read()
        left = subprocess.run(["pgrep", "-f", place], capture_output=True, encoding="utf-8", check=False)
        assert left.stdout == ""
        assert list(Path(place).iterdir()) == []
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said


@needs_wrk
@pytest.mark.parametrize("error", [OSError("no more rows"), BaseException("a panic"), None])
def test_an_interruption_is_told_however_it_ends(
    error: BaseException | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def compiled_code(*_: object, **__: object) -> Found:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        if error is not None:
            raise error
        return found()

    monkeypatch.setattr("loadtests.service_under_load.load_test", compiled_code)
    before = {asked: signal.getsignal(asked) for asked in (signal.SIGINT, signal.SIGTERM)}
    try:
        assert main(["--quick"]) == 130
    finally:
        for asked, handler in before.items():
            signal.signal(asked, handler)
    assert capsys.readouterr().err == "interrupted: the service and its database are stopped\n"
