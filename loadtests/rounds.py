"""
A whole round of many applications, timed: `python -m loadtests.rounds --applications 50000`.

A synthetic city in a durable private database of its own: households apply, the round is closed, allocated by the job
that the worker runs, published, and everything promised is counted again in the database.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text

from api.accounts.keys import Keys
from api.cli.acting import opened_as_planner
from api.db.cluster import PrivateCluster
from api.db.connection import make_engine
from api.db.migrating import migrate
from api.db.preparing import check_database
from api.errors import ApiError
from api.neighbourhoods.importing import import_folder
from api.neighbourhoods.read import read_folder
from api.planning.writing import require_file_place
from api.rounds import queries
from api.rounds.allocating import allocate_round, ask_for_allocation
from api.rounds.publishing import publish_plan
from api.rounds.service import RoundDraft, close_due_rounds, create_round, enter_number, open_round, secret_of
from api.runs.queries import get_run
from api.settings import Settings
from loadtests.ceilings import require_durable
from loadtests.cities.__main__ import write_city
from loadtests.cities.making import TERM_FROM, TERM_TO
from loadtests.cities.regimes import REGIMES, city_of
from loadtests.errors import BadCity, BenchError, BenchFailed

DONE, FAILED, BAD_INPUT = 0, 1, 2
MOST_REVIEWABLE_S, MOST_PUBLISHED_S = 120.0, 10.0
"""What a round of 50,000 is promised to take on two cores, the database with it."""
_PUBLISHES = datetime(2026, 9, 25, 4, tzinfo=UTC)
_CLOSES, _OPENS = _PUBLISHES - timedelta(days=7), _PUBLISHES - timedelta(days=28)
_A_GAP = 0.0001

_APPLY = (
    "INSERT INTO households (id, home_id) SELECT id, home_id FROM demands",
    """INSERT INTO vehicles (household_id, plate_hash, plate_sealed, needs, height_m)
       SELECT id, decode(md5(CAST(id AS text)), 'hex'), '', needs, height_m FROM demands""",
    """INSERT INTO applications (round_id, household_id, vehicle_id, plate_hash, home_id, days, arrive_min, leave_min,
           stay_through, max_walk_m, needs, height_m, claimed_tier, tier, submitted_at, changed_at)
       SELECT :round, d.id, v.id, v.plate_hash, d.home_id, d.days, d.arrive_min, d.leave_min, d.stay_through,
           d.max_walk_m, d.needs, d.height_m, d.tier, d.tier, :now, :now
       FROM demands d JOIN vehicles v ON v.household_id = d.id""",
)
_PAST = text(
    "UPDATE applications a SET rounds_waited = d.rounds_waited, holds_facility_id = d.holds_facility_id"
    " FROM demands d WHERE d.id = a.household_id"
)
"""What closing would find if there had been rounds before."""
_NOT_SOLD_YET = text("DELETE FROM openings; UPDATE facilities SET materialised_until = NULL")
"""An import sells the coming nights, but the round lives in a season of its own."""


@dataclass(slots=True)
class Timed:
    """Seconds by step, in order, and counts."""

    seconds: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Take the time of a step, and say it at once."""
        begun = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - begun, 2)
        print(f"{name:<12} {self.seconds[name]:8.2f} s", flush=True)

    @property
    def reviewable_s(self) -> float:
        """From closed to reviewable."""
        return self.seconds["allocate"]

    def as_json(self) -> dict[str, Any]:
        """Give all figures."""
        return {"seconds": self.seconds, "counts": self.counts}


def run_round(engine: Engine, folder: Path, *, gap: float = _A_GAP) -> Timed:
    """
    Live through a round of a city on a database that is empty.

    Raises
    ------
    BenchFailed
        The run ended without a plan, or the database does not hold what was promised.
    """
    timed, keys = Timed(), Keys(Settings(secret="a secret of the load test, and of nothing else"))  # type: ignore[arg-type]
    with timed.step("import"):
        slug = import_folder(engine, read_folder(folder), folder).slug
        with engine.begin() as connection:
            connection.execute(_NOT_SOLD_YET)
    with timed.step("open"), opened_as_planner(engine) as connection:
        round_id = create_round(connection, slug, _draft(gap), account_id=None, now=_OPENS).id
        open_round(connection, keys, round_id, now=_OPENS)
    with timed.step("apply"):
        _apply(engine, round_id)
    with timed.step("close"), opened_as_planner(engine) as connection:
        close_due_rounds(connection, now=_CLOSES)
    with engine.begin() as connection:
        connection.execute(_PAST)
        connection.execute(text("ANALYZE"))
    with timed.step("allocate"):
        with opened_as_planner(engine) as connection:
            enter_number(connection, keys, round_id, number="8 14 22 27 31 33 + 6", now=_CLOSES)
            run_id = ask_for_allocation(connection, round_id, asked_by=None).id
        allocate_round(engine, run_id, now=_CLOSES)
    with timed.step("publish"), opened_as_planner(engine) as connection:
        run = get_run(connection, run_id)
        if run.plan_id is None:
            raise BenchFailed(f"the run is {run.state}: {run.said}")
        secret = secret_of(keys, queries.get_round(connection, round_id))
        done = publish_plan(connection, round_id, run.plan_id, secret=secret, now=_PUBLISHES)
    timed.counts = {"offers": done.offers, "waiting": done.waiting, "refused": done.refused}
    with engine.connect() as connection:
        _require_promised(connection, timed.counts)
    return timed


def _draft(gap: float) -> RoundDraft:
    return RoundDraft(
        name="Autumn",
        opens_at=_OPENS,
        closes_at=_CLOSES,
        publishes_at=_PUBLISHES,
        first=TERM_FROM,
        last=TERM_TO,
        number_source="the lottery of the evening of closing",
        work={"gap": gap},
    )


def _apply(engine: Engine, round_id: int) -> None:
    with engine.begin() as connection:
        for statement in _APPLY:
            connection.execute(text(statement), {"round": round_id, "now": _OPENS} if ":round" in statement else {})
    with engine.begin() as connection:
        connection.execute(text("ANALYZE"))


def _require_promised(connection: Connection, counts: dict[str, int]) -> None:
    """Count again: everybody was told one thing, and no night has more permits than bays."""

    def number(question: str) -> int:
        return int(connection.execute(text(question)).scalar_one())

    applied = number("SELECT count(*) FROM applications")
    found = {
        "offers": number("SELECT count(*) FROM offers WHERE state = 'pending'"),
        "waiting": number("SELECT count(*) FROM waitlist_entries"),
        "refused": number("SELECT count(*) FROM notices WHERE kind = 'application_refused'"),
    }
    if found != counts or sum(found.values()) != applied:
        raise BenchFailed(f"{applied} applied and {counts} was promised; the database has {found}")
    if number("SELECT count(*) FROM ledger_nights WHERE taken > bays"):
        raise BenchFailed("a night has more permits than bays")
    counts |= {"applications": applied, "walk_pairs": number("SELECT count(*) FROM walk_pairs")}
    counts["nights_taken"] = number("SELECT sum(taken) FROM ledger_nights")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one round: 0 done, 1 something does not hold or took longer than promised, 2 nonsense was asked for."""
    asked = _parser().parse_args(arguments)
    try:
        if asked.json is not None:
            require_file_place(asked.json)
        city = city_of(asked.regime, demands=asked.applications, seed=asked.seed)
    except (BadCity, ApiError, OSError) as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    try:
        with tempfile.TemporaryDirectory(prefix="baytide-load-") as place:
            Path(place).chmod(0o755)  # the database may run under another account
            write_city(city, Path(place) / "city")
            with _database(Path(place)) as engine:
                timed = run_round(engine, Path(place) / "city", gap=asked.gap)
    except (BenchError, ApiError, OSError) as error:
        print(f"the round failed: {error}", file=sys.stderr)
        return FAILED
    print(" ".join(f"{name}={count:,}" for name, count in timed.counts.items()))
    if asked.json is not None:
        asked.json.write_text(json.dumps(timed.as_json(), indent=1) + "\n", encoding="utf-8")
    return DONE if _is_kept(timed) else FAILED


def _is_kept(timed: Timed) -> bool:
    late = {"allocate": MOST_REVIEWABLE_S, "publish": MOST_PUBLISHED_S}
    for name, most in late.items():
        if timed.seconds[name] > most:
            print(f"{name} took {timed.seconds[name]} s, promised are {most:.0f} s", file=sys.stderr)
    return all(timed.seconds[name] <= most for name, most in late.items())


@contextmanager
def _database(place: Path) -> Iterator[Engine]:
    with PrivateCluster(place / "data") as cluster:
        engine = make_engine(cluster.url())
        try:
            check_database(engine)
            migrate(engine)
            require_durable(engine)
            yield engine
        finally:
            engine.dispose()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtests.rounds", description=__doc__)
    parser.add_argument("--applications", type=int, default=5000, help="how many (default: 5000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same city (default: 1)")
    parser.add_argument("--regime", choices=tuple(REGIMES), default="balanced", help="kind of city (default: balanced)")
    parser.add_argument("--gap", type=float, default=_A_GAP, help=f"where allocating may stop (default: {_A_GAP})")
    parser.add_argument("--json", type=Path, help="write the figures here")
    return parser


if __name__ == "__main__":
    sys.exit(main())
