"""
The job of a run: the neighbourhood into a folder, a plan of it by `baytide allocate`, stored beside the others.

Killed at any moment it is begun anew, and no plan is stored twice: the plan's rows and the end of the run are one
transaction, which nobody finishes who has lost the run.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Row
from sqlalchemy.exc import OperationalError

from api.errors import ApiError, FolderFaults
from api.failures import kinds_of, places_of
from api.jobs.queries import work
from api.neighbourhoods.exporting import export_folder
from api.plans.plan_file import PlanFile, read_plan
from api.plans.storing import store_plan
from api.runs import queries
from api.runs.child import UNEXPECTED, Ended, read_note, run_command, words_of

_logger = logging.getLogger("baytide")

MOST_ATTEMPTS = 3
"""Whatever ends so many workers is not tried again."""


class RunPutBack(ApiError):
    """The worker has to end before the run is done: another one begins it anew."""


class _Lost(ApiError):
    """The run was cancelled, or another worker has begun it anew."""


class _Failed(ApiError):
    """There will be no plan; says why."""


def compute_run(engine: Engine, run_id: int, *, asked_to_end: Callable[[], bool] = lambda: False) -> None:
    """
    Compute a run that waits, or that a worker died of; do nothing where it has ended.

    Parameters
    ----------
    asked_to_end
        Whether the worker has to end; looked at about once a second.

    Raises
    ------
    RunPutBack
        It had to end; the run waits again.
    """
    begun = time.monotonic()
    with work(engine) as connection:
        run = queries.take_run(connection, run_id)
    if run is None:
        return
    try:
        plan_id = _compute(engine, run, asked_to_end=asked_to_end)
    except _Lost:
        _logger.info("run_left run=%d attempt=%d", run.id, run.attempt)
    except _Failed as failure:
        _fail(engine, run, said=str(failure))
    except RunPutBack:
        with work(engine) as connection:
            queries.put_back(connection, run.id, attempt=run.attempt)
        _logger.info("run_put_back run=%d", run.id)
        raise
    except OperationalError:
        _logger.warning("run_interrupted run=%d attempt=%d", run.id, run.attempt)
        raise  # no database at the moment: the run is begun anew when there is one
    except Exception as error:
        places = places_of(error)
        _logger.error("run_crashed run=%d attempt=%d kind=%s at=%s", run.id, run.attempt, kinds_of(error), places)
        _fail(engine, run, said=UNEXPECTED)
        raise
    else:
        _logger.info("run_done run=%d plan=%d seconds=%.1f", run.id, plan_id, time.monotonic() - begun)


def _compute(engine: Engine, run: Row[Any], *, asked_to_end: Callable[[], bool]) -> int:
    """Make the plan of a run and store it; return its id."""
    if run.attempt > MOST_ATTEMPTS:
        raise _Failed(f"begun {MOST_ATTEMPTS} times, and each time the worker was lost; is there too little memory?")
    with tempfile.TemporaryDirectory(prefix="baytide-run-", ignore_cleanup_errors=True) as place:
        folder, plan, note = Path(place) / "folder", Path(place) / "plan.json", Path(place) / "note.json"

        def look() -> None:
            _note_progress(engine, run, read_note(note))
            if asked_to_end():
                raise RunPutBack("the worker ends")

        export_folder(engine, run.slug, folder)
        # It writes no plan that its checker does not accept.
        words = ["allocate", str(folder), "--out", str(plan), "--note", str(note), *_options(run)]
        _require_done(run_command(words, said=Path(place) / "said.txt", while_waiting=look))
        return _store(engine, run, plan, folder=folder)


def _options(run: Row[Any]) -> list[str]:
    """Return the parameters of a run as the command has them; one word each, since numbers may be negative."""
    named = {"seed": "--seed", "time_limit_s": "--time-limit", "gap": "--gap"}
    return [f"{named[name]}={value}" for name, value in run.parameters.items()]


def _require_done(ended: Ended) -> None:
    if ended.code:
        _logger.warning("run_command_failed code=%d crash=%s", ended.code, ended.crash)
        raise _Failed(words_of(ended))


def _note_progress(engine: Engine, run: Row[Any], step: dict[str, str] | None) -> None:
    """Keep the newest step, and find out whether the run is still ours."""
    try:
        with work(engine) as connection:
            ours = queries.note_progress(connection, run.id, attempt=run.attempt, progress=step)
    except OperationalError:
        return  # looked at again in a second; without a database the worker ends anyway
    if not ours:
        raise _Lost("no longer ours")


def _store(engine: Engine, run: Row[Any], path: Path, *, folder: Path) -> int:
    """Store the plan and end the run, as the owner of the tables, who may copy rows; both or neither."""
    try:
        files = read_plan(path, folder=folder)
        with engine.begin() as connection:
            if not queries.lock_run(connection, run.id, attempt=run.attempt):
                raise _Lost("no longer ours")
            plan_id = store_plan(connection, run.neighbourhood_id, files)
            queries.finish_run(
                connection, run.id, attempt=run.attempt, plan_id=plan_id, progress=_summary(files.checked)
            )
    except FolderFaults as faults:
        raise _Failed(f"the neighbourhood changed while its plan was made: {faults.faults[0]}") from faults
    return plan_id


def _summary(plan: PlanFile) -> dict[str, str]:
    words = f"{plan.served:,} of {plan.demands:,} served: value {plan.value_m:,} m of at most {plan.bound_m:,} m"
    return {"stage": "done", "words": words}


def _fail(engine: Engine, run: Row[Any], *, said: str) -> None:
    with work(engine) as connection:
        queries.fail_run(connection, run.id, attempt=run.attempt, said=said)
    _logger.warning("run_failed run=%d attempt=%d", run.id, run.attempt)
