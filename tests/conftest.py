"""A real PostGIS for the tests: one private cluster a run, one database a worker, empty before every test."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from api.db.cluster import PrivateCluster
from api.db.connection import make_engine
from api.db.migrating import migrate
from api.db.preparing import check_database
from api.db.schema import metadata

_TEMPLATE = "template_migrated"


def pytest_configure() -> None:
    """Hear the interrupt key even where whoever started the tests, as a shell does in the background, ignores it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Look for garbage only in what tests make: all that is imported by now stays, and is a million objects."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def cluster(worker_id: str) -> Iterator[PrivateCluster]:
    """Start the cluster that all workers of this run share; the last one to leave removes it."""
    # Not pytest's own folder: that one is closed to the account a database runs under when the tests run as root.
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"{os.getpid()}")[:12]
    folder = Path(tempfile.gettempdir()) / f"baytide-tests-{run}"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    cluster = PrivateCluster(folder, durable=False)
    cluster.start()
    yield cluster
    cluster.stop()
    if not cluster.is_running() or worker_id == "master":
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def worker_engine(cluster: PrivateCluster, worker_id: str) -> Iterator[Engine]:
    """Clone a migrated template, which the first worker makes, into a database of this worker's own."""
    own = f"worker_{worker_id}"
    administration = make_engine(cluster.url("postgres"))
    with administration.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SELECT pg_advisory_lock(1)"))
        if not connection.scalar(text("SELECT true FROM pg_database WHERE datname = :name"), {"name": _TEMPLATE}):
            connection.execute(text(f"CREATE DATABASE {_TEMPLATE}_new"))
            template = make_engine(cluster.url(f"{_TEMPLATE}_new"))
            check_database(template)
            migrate(template)
            template.dispose()
            connection.execute(text(f"ALTER DATABASE {_TEMPLATE}_new RENAME TO {_TEMPLATE}"))
        connection.execute(text(f"CREATE DATABASE {own} TEMPLATE {_TEMPLATE}"))
        connection.execute(text("SELECT pg_advisory_unlock(1)"))
    administration.dispose()
    engine = make_engine(cluster.url(own))
    yield engine
    engine.dispose()


@pytest.fixture
def engine(worker_engine: Engine) -> Engine:
    """Give this worker's database, empty."""
    empty_database(worker_engine)
    return worker_engine


def empty_database(engine: Engine) -> None:
    """Delete all rows unchecked, in no order: a twentieth of the time that truncating so many tables takes."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("; ".join(f"DELETE FROM {table}" for table in metadata.tables)))
