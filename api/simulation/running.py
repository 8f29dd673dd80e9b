"""
`baytide simulate`: a season of Siping Road on a database of its own.

Everybody acts through the service's own functions, with the rights they have there, on a real database; only the clock
and the chances are made up. The same seed lives the same season.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import SecretStr
from sqlalchemy import Connection, Engine, text

from api.accounts.keys import Keys
from api.accounts.principal import PLANNER, Principal
from api.db.cluster import PrivateCluster
from api.db.connection import make_engine
from api.db.migrating import migrate
from api.db.preparing import check_database
from api.jobs.service import place_nights_of_permits, roll_horizon
from api.kpis.service import season_kpis
from api.neighbourhoods.importing import import_folder
from api.neighbourhoods.read import read_folder
from api.samples.make import siping_sample
from api.settings import Settings
from api.simulation.clock import SimulatedClock, let_time_run
from api.simulation.days import daily_round
from api.simulation.gates import set_up_gates
from api.simulation.invariants import broken_rules
from api.simulation.owners import close_at_once, leave, take_some_back
from api.simulation.people import settle_people
from api.simulation.planners import PREPARATION, prepare_round
from api.simulation.residents import Residents
from api.simulation.season import Season

FIRST_EVENING = date(2026, 1, 19)
"""Of the first term. It has the Spring Festival with its two make-up days in it, whose notice is known."""
TERM_DAYS = 90
DEMANDS, BAYS_KEPT = 1400, 0.6
"""Scarcer than the sample: a list that nobody waits on says nothing of dates."""
_SECRET = "a simulation has no secrets, only the length of one"


@dataclass(frozen=True, slots=True)
class Lived:
    """A season that was lived through: what `--json` writes, and what happened by name."""

    report: dict[str, Any]
    broken: dict[str, int]
    tally: dict[str, int]


def simulate(
    *,
    days: int,
    seed: int,
    demands: int | None = None,
    progress: Callable[[str], None] = lambda _words: None,
) -> Lived:
    """
    Live through some days from the first evening of a term on, and count what came of it.

    Parameters
    ----------
    days
        From 1 on; every ninety days another term begins, with a round of its own before it.
    seed
        Equal seeds live equal seasons.
    demands
        Households with a car that ask; `DEMANDS` without.
    progress
        Told in words how far it is.

    Raises
    ------
    DatabaseUnavailable
        The programs of PostgreSQL are missing.
    """
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="baytide-simulation-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)  # the server's account must get through to its files
        cluster = stack.enter_context(PrivateCluster(folder / "database", durable=False))
        engine = make_engine(cluster.url())
        stack.callback(engine.dispose)
        progress("preparing Siping Road")
        season = _prepared(engine, folder / "siping", seed=seed, demands=demands)
        return _lived(season, days=days, progress=progress)


def _prepared(engine: Engine, folder: Path, *, seed: int, demands: int | None) -> Season:
    """Make the sample, import it, and let people live in it; nothing has been announced yet."""
    check_database(engine)
    migrate(engine)
    siping_sample(folder, seed=seed, demands=demands or DEMANDS)
    neighbourhood = read_folder(folder)
    import_folder(engine, neighbourhood, folder)
    zone = ZoneInfo(neighbourhood.timezone)
    start = datetime.combine(FIRST_EVENING, time(9), tzinfo=zone) - PREPARATION - timedelta(days=1)
    with engine.begin() as connection:  # it was opened for today's nights, and those are far away
        connection.execute(text("DELETE FROM openings"))
        connection.execute(text("UPDATE facilities SET materialised_until = NULL"))
        connection.execute(
            text("UPDATE share_windows SET bays = greatest(1, round(bays * :kept))"), {"kept": BAYS_KEPT}
        )
        connection.execute(text("UPDATE facilities SET night_price_cents = monthly_price_cents / 25"))
        slug = str(connection.scalar(text("SELECT slug FROM neighbourhoods")))
    clock = SimulatedClock(start.astimezone(UTC))
    let_time_run(engine, clock)
    keys = Keys(Settings(secret=SecretStr(_SECRET), data=folder.parent))
    return Season(engine, keys, clock, zone, slug, np.random.default_rng([seed, 1]))


def _lived(season: Season, *, days: int, progress: Callable[[str], None]) -> Lived:
    with season.engine.begin() as connection:
        people = settle_people(connection, season.keys, neighbourhood=season.neighbourhood, rng=season.rng)
        season.planner = _planner(connection)
    season.tally["households"] = len(people)
    residents = Residents(people, season.rng)
    set_up_gates(season)
    roll_horizon(season.engine, now=season.now)
    since, end = season.now, _evening(season, days)
    for first in range(0, days, TERM_DAYS):
        begins = FIRST_EVENING + timedelta(days=first)
        prepare_round(season, people, first=begins, last=begins + timedelta(days=TERM_DAYS - 1))
    for day, act in ((24, take_some_back), (47, close_at_once), (66, leave)):
        for first in range(day, days, TERM_DAYS):
            season.at(_evening(season, first), act)
    daily_round(season, residents, end=end, progress=progress)
    season.live_until(end)
    roll_horizon(season.engine, now=season.now)
    place_nights_of_permits(season.engine, now=season.now)
    return _told(season, since=since)


def _planner(connection: Connection) -> Principal:
    """Let somebody into the planners' office."""
    account = connection.scalar(
        text("INSERT INTO accounts (issuer, subject) VALUES ('simulation', 'planner') RETURNING id")
    )
    return Principal(account, None, frozenset({PLANNER}), frozenset(), "bearer_token")


def _evening(season: Season, days: int) -> datetime:
    return datetime.combine(FIRST_EVENING + timedelta(days=days), time(12), tzinfo=season.zone).astimezone(UTC)


def _told(season: Season, *, since: datetime) -> Lived:
    """Look at every invariant, and count the figures."""
    with season.engine.begin() as connection:
        broken = broken_rules(connection)
        owner = int(connection.execute(text("SELECT id FROM neighbourhoods")).scalar_one())
    with season.acting(season.planner) as connection:
        kpis = season_kpis(connection, owner, zone=season.zone, since=since, until=season.now)
    tally = {name: int(number) for name, number in sorted(season.tally.items())}
    report = {
        "invariants_broken": sum(broken.values()),
        "kpis": {**kpis, "happened": tally},
        "dates": kpis["dates"],
    }
    return Lived(report, broken, tally)
