"""
What this machine can do at best with the one insert a booking cannot do without, measured beside every load test.

Two ceilings: pgbench with the bare insert, and a FastAPI route that does only that insert through the service's kind
of pool, driven by wrk. Both write to a table of the shape of `stays` in a schema of its own, as durably as the service.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text

from api.db.binaries import find_binaries
from api.db.cluster import PrivateCluster
from loadtests.errors import LoadFailed
from loadtests.service_processes import python, running
from loadtests.wrk import Posting, post

DURABLE = ("fsync", "full_page_writes", "synchronous_commit")
_SCRIPT = Path(__file__).with_name("ceiling_insert.sql")
_PGBENCH_CLIENTS = 32
_CONNECTIONS = 64
_SPARE_S = 60


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Inserts that were committed a second."""

    pgbench_per_s: float
    fastapi_per_s: float


def require_durable(engine: Engine) -> dict[str, str]:
    """
    Return the settings by which a commit waits for the disk.

    Raises
    ------
    LoadFailed
        One of them is off: figures without it are worth nothing.
    """
    with engine.connect() as connection:
        found = {name: str(connection.scalar(text(f"SHOW {name}"))) for name in DURABLE}
    if off := [name for name, value in found.items() if value != "on"]:
        raise LoadFailed(f"the database does not wait for its disk: {', '.join(off)} is off")
    return found


def measure_ceilings(engine: Engine, cluster: PrivateCluster, *, bays: int, seconds: int, place: Path) -> Ceilings:
    """
    Measure both, one after the other, each on an empty table.

    Raises
    ------
    LoadFailed
        A program is missing or fails, or the database is not durable.
    """
    require_durable(engine)
    make_ceiling_table(engine)
    pgbench = pgbench_per_s(engine, cluster, bays=bays, seconds=seconds)
    make_ceiling_table(engine)
    fastapi = fastapi_per_s(cluster, bays=bays, seconds=seconds, place=place)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA ceiling CASCADE"))
    return Ceilings(pgbench, fastapi)


def make_ceiling_table(engine: Engine) -> None:
    """Make an empty table with the columns, checks, indexes and exclusion constraints of `stays`, and no references."""
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA IF EXISTS ceiling CASCADE"))
        connection.execute(text("CREATE SCHEMA ceiling"))
        connection.execute(text("CREATE TABLE ceiling.stays (LIKE public.stays INCLUDING ALL)"))
        connection.execute(text("GRANT USAGE ON SCHEMA ceiling TO baytide_service"))
        connection.execute(text("GRANT SELECT, INSERT ON ceiling.stays TO baytide_service"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))  # each measurement pays for its own pages


def pgbench_per_s(engine: Engine, cluster: PrivateCluster, *, bays: int, seconds: int) -> float:
    """Return the rows that pgbench inserts a second: those that an exclusion constraint let in."""
    command = [str(find_binaries().folder / "pgbench"), "-n", "-M", "prepared", "-f", str(_SCRIPT)]
    command += ["-c", str(_PGBENCH_CLIENTS), "-j", "2", "-T", str(seconds), "-D", f"bays={bays}"]
    command += ["-h", str(cluster.socket_folder), "-U", engine.url.username or "", engine.url.database or ""]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=seconds + _SPARE_S, check=False)
    if done.returncode:
        raise LoadFailed(f"pgbench ended with exit status {done.returncode}: {done.stderr[-500:]}")
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM ceiling.stays")) or 0) / seconds


def fastapi_per_s(cluster: PrivateCluster, *, bays: int, seconds: int, place: Path) -> float:
    """Return the rows that the bare route inserts a second."""
    environment = {"DATABASE_URL": cluster.url(), "CEILING_BAYS": str(bays)}
    with running(python("loadtests.ceiling_app"), environment, log=place / "ceiling.log") as service:
        url = f"{service.address}/insert"
        post(url, Posting(), seconds=1, connections=_CONNECTIONS, place=place)  # connections are made
        posted = post(url, Posting(), seconds=seconds, connections=_CONNECTIONS, place=place)
    if posted.failed or posted.other:
        raise LoadFailed(f"the bare route failed {posted.failed + posted.other} times; see {os.fspath(place)}")
    return posted.created_per_s
