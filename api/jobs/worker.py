"""The worker: jobs of the queue and of the clock, done until somebody asks it to end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal

from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued
from sqlalchemy import Engine

from api.db.preparing import open_database
from api.errors import DatabaseUnavailable
from api.jobs.tasks import CLOCK, add_tasks
from api.jobs.upkeep import STALLED_S
from api.settings import Settings

_logger = logging.getLogger("baytide")

_HEARTBEAT_S = 5.0
_JOBS_AT_ONCE = 3
"""A run and an import do not keep holds from expiring; jobs run in threads, and one of a name at a time."""
_A_DAY_S = 86_400.0
_PATIENCE_S = 0.5
"""For jobs under way when the worker is asked to end; then runs make way, and the others are finished all the same."""


def run_worker(settings: Settings) -> None:
    """
    Open the database and work until Ctrl-C or SIGTERM; jobs under way are finished first, but for allocation runs.

    Those are put back, for whichever worker comes next.

    Raises
    ------
    DatabaseUnavailable
        It cannot be used, or it went away.
    """
    # The default would end the process there and then, and leave a private database running.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.suppress(KeyboardInterrupt), open_database(settings) as engine:
            asyncio.run(_work_until_asked(engine, settings))
    finally:
        signal.signal(signal.SIGTERM, before)


async def _work_until_asked(engine: Engine, settings: Settings) -> None:
    working = asyncio.create_task(work_on(engine, settings=settings))
    for asked in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(asked, working.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await working
        raise DatabaseUnavailable("the worker lost its database and ended: start it again when the database is back.")
    _logger.info("worker_stopped")


async def work_on(engine: Engine, *, settings: Settings | None = None, wait: bool = True) -> None:
    """
    Work on the queue of a database that is open.

    Parameters
    ----------
    settings
        For jobs that speak to other machines or open what is sealed; those of the environment without.
    wait
        Whether to go on when nothing is left to do. Then it returns only when the database is lost; to end it, cancel.
    """
    app = job_app(engine, settings=settings)
    async with app.open_async():
        await _catch_up(app)
        _logger.info("worker_started")
        await app.run_worker_async(
            wait=wait,
            concurrency=_JOBS_AT_ONCE,
            update_heartbeat_interval=_HEARTBEAT_S,
            stalled_worker_timeout=STALLED_S,
            shutdown_graceful_timeout=_PATIENCE_S if wait else _A_DAY_S,  # without waiting it ends when all is done
            delete_jobs="successful",
            install_signal_handlers=False,
        )


async def _catch_up(app: App) -> None:
    """Ask at once for what may have become late while no worker was there."""
    for name in CLOCK:
        with contextlib.suppress(AlreadyEnqueued):
            await app.tasks[name].defer_async()


def job_app(engine: Engine, *, settings: Settings | None = None) -> App:
    """Build the queue with our jobs on the database of an engine."""
    connector = PsycopgConnector(
        conninfo=engine.url.set(drivername="postgresql").render_as_string(hide_password=False),
        kwargs={"options": "-c search_path=jobs,public"},
        min_size=1,
        max_size=4,
    )
    app = App(connector=connector)
    add_tasks(app, engine, settings or Settings())
    return app
