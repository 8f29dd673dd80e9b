"""
The booking service under load: `./dev load --help`.

A durable private cluster with two neighbourhoods, the service with two workers, residents by the thousand; then every
invariant is looked up in the database, and what the machine could do at best is measured beside it.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from sqlalchemy import Engine

from api.db.cluster import PrivateCluster
from api.db.connection import make_engine
from api.db.migrating import migrate
from api.db.preparing import check_database
from api.errors import ApiError
from api.planning.writing import require_file_place
from loadtests.ceilings import measure_ceilings, require_durable
from loadtests.efforts import FULL, QUICK, Effort
from loadtests.errors import BenchError
from loadtests.invariants import Told, check_invariants, num_bookings_at
from loadtests.load_figures import Found, PlaceFound, RushFound, as_json, as_words
from loadtests.locusts import run_journeys, run_rush
from loadtests.places import RUSH_BAYS, RUSH_RESIDENTS, LoadPlace, load_place, singapore_like, siping
from loadtests.service_processes import Service, peak_mb, python, running, workers_of
from loadtests.settling import Settled, settle
from loadtests.wrk import Posted, Posting, post, require_wrk

HOLDS, BROKEN, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
WORKERS = 2
Say = Callable[[str], None]
Writer = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class _Stage:
    """What a load test stands on: folder, cluster, and the database as its superuser."""

    place: Path
    cluster: PrivateCluster
    engine: Engine
    effort: Effort
    say: Say


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the load test: 0 everything holds, 1 something does not, 2 nonsense was asked for, 130 interrupted."""
    asked = _parser().parse_args(arguments)
    asked_to_end = _hear_interruptions()
    try:
        if asked.json is not None:
            require_file_place(asked.json)
        require_wrk()
    except (BenchError, ApiError, OSError) as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    try:
        found = load_test(QUICK if asked.quick else FULL, writers_of(asked.singapore), say=_speaker())
    except BaseException as error:
        if asked_to_end.is_set():  # compiled code that is interrupted may end in an error or a panic of its own
            return _interrupted()
        if not isinstance(error, (BenchError, ApiError, OSError)):
            raise
        print(f"the load test failed: {error}", file=sys.stderr)
        return BROKEN
    if asked_to_end.is_set():  # while something was being stopped, which was then finished first
        return _interrupted()
    print(as_words(found))
    if asked.json is not None:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(as_json(found), indent=1) + "\n", encoding="utf-8")
    return HOLDS if found.holds() else BROKEN


def _interrupted() -> int:
    print("interrupted: the service and its database are stopped", file=sys.stderr)
    return INTERRUPTED


def _hear_interruptions() -> threading.Event:
    """Raise KeyboardInterrupt at SIGINT and SIGTERM, so that nothing is left behind, and set what is returned."""
    heard = threading.Event()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        heard.set()
        raise KeyboardInterrupt

    for asked in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked, interrupt)
    return heard


def writers_of(tables: tuple[Path, Path] | None) -> dict[str, Writer]:
    """Return what writes the folders of the places, from the smallest to the largest, by name."""
    return {"siping": siping, "singapore": lambda folder: singapore_like(folder, tables=tables)}


def load_test(effort: Effort, writers: Mapping[str, Writer], *, say: Say) -> Found:
    """
    Run everything; nothing is left behind, neither processes nor files.

    Parameters
    ----------
    writers
        What writes the folders of the places, from the smallest to the largest, by name.

    Raises
    ------
    LoadFailed
        A program is missing, a process died, or the database is not durable.
    """
    with _stage(effort, say) as stage:
        settings = require_durable(stage.engine)
        places = [_load(stage, name, write) for name, write in writers.items()]
        settled = [
            _settle(stage, place, bookers=effort.bookers if place is places[-1] else 0, seed=seed)
            for seed, place in enumerate(places)
        ]
        say("starting the service")
        environment = {
            "BAYTIDE_DATA": str(stage.cluster.folder),
            "DATABASE_URL": "",
            "BAYTIDE_REQUESTS_PER_S": "0",  # everybody comes from one address
        }
        command = python("api.cli", "serve", "--port", "0", "--workers", str(WORKERS))
        with running(command, environment, log=stage.place / "service.log") as service:
            rushes = [_rush(stage, service, place, members) for place, members in zip(places, settled, strict=True)]
            nearest, told = _nearest(stage, service, places[-1], settled[-1])
            found = [
                _journeys(stage, service, *at, rates=effort.large_rates if at[0] is places[-1] else effort.small_rates)
                for at in zip(places, settled, rushes, strict=True)
            ]
            workers_mb = tuple(peak_mb(process) for process in workers_of(service))
        for place in found:
            told |= place.rush.answers.told() | place.journeys.told()
        say("looking at every invariant")
        with stage.engine.begin() as connection:
            broken = check_invariants(connection, told)
        say("measuring ceilings")
        ceilings = measure_ceilings(
            stage.engine, stage.cluster, bays=places[-1].bays, seconds=effort.ceiling_s, place=stage.place
        )
    return Found(tuple(found), nearest, ceilings, broken, settings, workers_mb, rush_size=(RUSH_BAYS, RUSH_RESIDENTS))


@contextmanager
def _stage(effort: Effort, say: Say) -> Iterator[_Stage]:
    """Start a durable cluster in a temporary place, migrated; stop and remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="baytide-load-") as folder:
        place = Path(folder)
        place.chmod(0o755)  # the database may run under another account
        with PrivateCluster(place / "data") as cluster:
            engine = make_engine(cluster.url())
            try:
                check_database(engine)
                migrate(engine)
                yield _Stage(place, cluster, engine, effort, say)
            finally:
                engine.dispose()


def _load(stage: _Stage, name: str, write: Writer) -> LoadPlace:
    stage.say(f"{name}: importing, and working out its openings")
    place = load_place(stage.engine, stage.place / name, write)
    stage.say(f"{name}: {len(place.facilities) + 1:,} facilities, {place.bays:,} bays, {len(place.homes):,} homes")
    return place


def _settle(stage: _Stage, place: LoadPlace, *, bookers: int, seed: int) -> Settled:
    stage.say(f"{place.name}: settling residents")
    with stage.engine.begin() as connection:
        return settle(connection, place, stage.effort, bookers=bookers, seed=seed)


def _rush(stage: _Stage, service: Service, place: LoadPlace, settled: Settled) -> RushFound:
    stage.say(f"{place.name}: six o'clock, {RUSH_RESIDENTS:,} residents and {RUSH_BAYS} bays")
    answers = run_rush(
        settled.rush_plan(place, answers=stage.place / "rush-answers.json"),
        address=service.address,
        place=stage.place,
    )
    with stage.engine.connect() as connection:
        return RushFound(answers, num_bookings_at(connection, place.rush_facility))


def _nearest(stage: _Stage, service: Service, place: LoadPlace, settled: Settled) -> tuple[Posted, Told]:
    """Let wrk book the nearest free bay, each time for another household."""
    stage.say(f"{place.name}: booking the nearest free bay, as fast as it goes")
    tokens, answers = stage.place / "tokens.txt", stage.place / "confirmed.txt"
    tokens.write_text("".join(f"{member.token}\n" for member in settled.bookers), encoding="ascii")
    start, end = (moment.isoformat() for moment in place.nights[0])
    body = json.dumps({"from": start, "to": end, "confirm": True})
    posting = Posting(body, tokens, answers, "nearest")
    posted = post(
        f"{service.address}/v1/bookings",
        posting,
        seconds=stage.effort.nearest_s,
        connections=stage.effort.connections,
        place=stage.place,
    )
    confirmed = frozenset(int(line) for line in answers.read_text(encoding="ascii").split())
    return posted, Told(confirmed, unanswered=posted.unanswered)


def _journeys(
    stage: _Stage,
    service: Service,
    place: LoadPlace,
    settled: Settled,
    rush: RushFound,
    *,
    rates: Sequence[float],
) -> PlaceFound:
    stage.say(f"{place.name}: journeys")
    plan = settled.journey_plan(place, stage.effort, rates=rates, answers=stage.place / "journey-answers.json")
    answers = run_journeys(plan, address=service.address, place=stage.place)
    return PlaceFound(place.name, place.bays, rush, answers, tuple(rates))


def _speaker() -> Say:
    begin = time.monotonic()
    return lambda words: print(f"[{time.monotonic() - begin:6.1f} s] {words}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./dev load",
        description="Put the booking service under load on this machine, and check every invariant afterwards.",
        epilog="Exit status: 0 every invariant holds, no rush was unjust and the server made no error; 1 otherwise; "
        "2 nonsense was asked for, or a program is missing. Targets of speed are told and decide nothing: "
        "they depend on the machine. The JSON tells of the larger place's rush.",
    )
    parser.add_argument("--quick", action="store_true", help="in two minutes: shorter steps, fewer residents")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, with fixed keys")
    parser.add_argument(
        "--singapore",
        nargs=2,
        type=Path,
        metavar=("BLOCKS.csv", "CAR_PARKS.csv"),
        help="Singapore's public housing as loadtests/singapore.py reads it; without, a made-up city of that size",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
