"""Jobs by name, and when the clock asks for them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from procrastinate import App, JobContext, RetryStrategy
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from api.facilities.import_jobs import JOB as IMPORT
from api.facilities.import_jobs import store_import
from api.failures import kinds_of, places_of
from api.gates.jobs import end_forgotten, forget_movements, refresh_allow_lists
from api.gates.pushing import push_allow_lists
from api.jobs.service import (
    Counts,
    expire_due_holds,
    finish_due_withdrawals,
    forget,
    place_nights_of_permits,
    remind_to_leave,
    roll_horizon,
)
from api.jobs.upkeep import forget_finished_jobs, retry_stalled_jobs
from api.money.jobs import book_money
from api.notices.carrying import deliver_notices
from api.offers.jobs import lapse_offers, remind_of_offers
from api.overstays.jobs import remind_holders, size_buffers, strike_late_cars
from api.permits.jobs import follow_new_cars, tell_of_terms_ending, turn_rounds
from api.rounds.allocating import JOB as ALLOCATION
from api.rounds.allocating import allocate_round
from api.rounds.jobs import close_rounds
from api.runs.computing import RunPutBack, compute_run
from api.runs.service import JOB as RUN
from api.settings import Settings
from api.waitlist.jobs import refresh_dates
from api.webhooks.jobs import deliver_webhooks

_logger = logging.getLogger("baytide")

_WORK: dict[str, Callable[[Engine], Counts]] = {
    "expire_holds": expire_due_holds,
    "remind_to_leave": remind_to_leave,
    "roll_horizon": roll_horizon,
    "place_nights_of_permits": place_nights_of_permits,
    "close_rounds": close_rounds,
    "turn_rounds": turn_rounds,
    "tell_of_terms_ending": tell_of_terms_ending,
    "follow_new_cars": follow_new_cars,
    "lapse_offers": lapse_offers,
    "remind_of_offers": remind_of_offers,
    "refresh_dates": refresh_dates,
    "finish_withdrawals": finish_due_withdrawals,
    "refresh_allow_lists": refresh_allow_lists,
    "end_forgotten_gate_sessions": end_forgotten,
    "forget_movements": forget_movements,
    "remind_permit_holders": remind_holders,
    "strike_late_cars": strike_late_cars,
    "size_buffers": size_buffers,
    "book_money": book_money,
    "forget_old_rows": forget,
}
_WORK_OUTSIDE: dict[str, Callable[..., Counts]] = {
    "deliver_notices": deliver_notices,
    "deliver_webhooks": deliver_webhooks,
    "push_allow_lists": push_allow_lists,
}
"""Jobs that speak to other machines or open what is sealed: they take `settings` too."""
_UPKEEP = {"retry_stalled_jobs": retry_stalled_jobs, "forget_finished_jobs": forget_finished_jobs}
CLOCK = {
    "retry_stalled_jobs": "* * * * *",
    "expire_holds": "* * * * *",
    "remind_to_leave": "* * * * *",
    "deliver_notices": "* * * * *",
    "deliver_webhooks": "* * * * *",
    "roll_horizon": "*/10 * * * *",  # days begin at another hour in every zone; most of the time nothing is late
    "place_nights_of_permits": "5-55/10 * * * *",
    "close_rounds": "* * * * *",
    "turn_rounds": "*/10 * * * *",
    "tell_of_terms_ending": "52 * * * *",
    "follow_new_cars": "2-52/10 * * * *",
    "lapse_offers": "* * * * *",
    "remind_of_offers": "*/5 * * * *",
    "refresh_dates": "7 20 * * *",  # before people in China get up
    "finish_withdrawals": "22 * * * *",
    "refresh_allow_lists": "* * * * *",
    "push_allow_lists": "* * * * *",
    "end_forgotten_gate_sessions": "12 * * * *",
    "forget_movements": "37 * * * *",
    "remind_permit_holders": "* * * * *",
    "strike_late_cars": "*/5 * * * *",
    "size_buffers": "27 * * * *",  # each facility once a day of its own
    "book_money": "27 * * * *",
    "forget_old_rows": "32 * * * *",
    "forget_finished_jobs": "42 * * * *",
}
"""Name → minutes at which the clock asks for it (cron, UTC). What fails is not tried again: the clock asks again."""


def add_tasks(app: App, engine: Engine, settings: Settings) -> None:
    """Tell a queue what our jobs do on the database of an engine."""
    outside = {name: partial(does, settings=settings) for name, does in _WORK_OUTSIDE.items()}
    for name, does in (_WORK | outside).items():
        task = app.task(name=name, lock=name, queueing_lock=name)(_told(name, does, engine))
        app.periodic(cron=CLOCK[name])(task)
    for name, keeps in _UPKEEP.items():
        # Without a lock: a dead worker's would keep everybody else from finding out.
        upkeep = app.task(name=name, queueing_lock=name, pass_context=True)(keeps)
        app.periodic(cron=CLOCK[name])(upkeep)
    again = RetryStrategy(retry_exceptions=(RunPutBack, OperationalError))
    for name, computes in ((RUN, compute_run), (ALLOCATION, allocate_round)):
        app.task(name=name, retry=again, pass_context=True)(_runs_on(engine, computes))
    app.task(name=IMPORT, retry=again)(lambda number: store_import(engine, number))


class _Computes(Protocol):
    def __call__(self, engine: Engine, run_id: int, *, asked_to_end: Callable[[], bool]) -> None: ...


def _runs_on(engine: Engine, computes: _Computes) -> Callable[[JobContext, int], None]:
    """Return the job that computes a run; it makes way when its worker has to end."""

    def compute(context: JobContext, run: int) -> None:
        computes(engine, run, asked_to_end=context.should_abort)

    return compute


def _told(name: str, does: Callable[[Engine], Counts], engine: Engine) -> Callable[[int], None]:
    """Return a job that says in one line what it did, if it did anything, or that it failed."""

    def do_and_tell(timestamp: int = 0) -> None:  # noqa: ARG001 -- the queue says for which minute the clock asked
        begun = time.monotonic()
        try:
            done = does(engine)
        except Exception as error:
            _logger.error("job_failed job=%s kind=%s at=%s", name, kinds_of(error), places_of(error))
            raise
        fields = " ".join(f"{field}={number}" for field, number in done.items())
        level = logging.INFO if any(done.values()) else logging.DEBUG
        _logger.log(level, "job_done job=%s %s seconds=%.3f", name, fields, time.monotonic() - begun)

    return do_and_tell
