"""
The job of a run: what is to be planned into a folder, a plan of it by `baytide allocate`, stored beside the others.

Killed at any moment it is begun anew, and no plan is stored twice: the plan's rows and the end of the run are one
transaction, which nobody finishes who has lost the run.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row
from sqlalchemy.exc import OperationalError

from api.errors import ApiError, FolderFaults
from api.failures import kinds_of, places_of
from api.jobs.queries import work
from api.neighbourhoods.exporting import export_folder
from api.plans.plan_file import PlanFile, PlanFiles, read_plan
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


@dataclass(frozen=True, slots=True)
class Recipe:
    """
    What runs of one kind are made from, and where their plans go.

    Attributes
    ----------
    commands
        Writes the folder, which is not there yet, of a run; names the commands of ours that make its plan from it, one
        after the other. They leave `plan.json` beside the folder, and write none that its checker does not accept.
    store
        Stores the plan of a run, as the tables' owner, in the transaction that ends it; returns its id, and whether
        the run itself keeps that id.
    """

    commands: Callable[[Engine, Row[Any], Path], Sequence[Sequence[str]]]
    store: Callable[[Connection, Row[Any], PlanFiles, Path], tuple[int, bool]]


def _neighbourhood_commands(engine: Engine, run: Row[Any], folder: Path) -> list[list[str]]:
    export_folder(engine, run.slug, folder)
    return [["allocate", str(folder), "--out", str(folder.with_name("plan.json")), *options_of(run)]]


def _store_neighbourhood(connection: Connection, run: Row[Any], files: PlanFiles, _folder: Path) -> tuple[int, bool]:
    return store_plan(connection, run.neighbourhood_id, files), True


NEIGHBOURHOOD = Recipe(_neighbourhood_commands, _store_neighbourhood)
"""A neighbourhood as it is when the run begins."""


def compute_run(
    engine: Engine,
    run_id: int,
    *,
    recipe: Recipe = NEIGHBOURHOOD,
    asked_to_end: Callable[[], bool] = lambda: False,
) -> None:
    """
    Compute a run that waits, or that a worker died of; do nothing where it has ended.

    Parameters
    ----------
    recipe
        What it is made from, and where its plan goes.
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
        plan_id = _compute(engine, run, recipe=recipe, asked_to_end=asked_to_end)
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


def _compute(engine: Engine, run: Row[Any], *, recipe: Recipe, asked_to_end: Callable[[], bool]) -> int:
    """Make the plan of a run and store it; return its id."""
    if run.attempt > MOST_ATTEMPTS:
        raise _Failed(f"begun {MOST_ATTEMPTS} times, and each time the worker was lost; is there too little memory?")
    with tempfile.TemporaryDirectory(prefix="baytide-run-", ignore_cleanup_errors=True) as place:
        folder, plan, note = Path(place) / "folder", Path(place) / "plan.json", Path(place) / "note.json"

        def look() -> None:
            _note_progress(engine, run, read_note(note))
            if asked_to_end():
                raise RunPutBack("the worker ends")

        for words in recipe.commands(engine, run, folder):
            ended = run_command([*words, "--note", str(note)], said=Path(place) / "said.txt", while_waiting=look)
            _require_done(ended)
        return _store(engine, run, plan, folder=folder, recipe=recipe)


def options_of(run: Row[Any]) -> list[str]:
    """Return the parameters of a run as the command has them; one word each, since numbers may be negative."""
    named = {"seed": "--seed", "time_limit_s": "--time-limit", "gap": "--gap"}
    return [f"{word}={run.parameters[name]}" for name, word in named.items() if name in run.parameters]


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


def _store(engine: Engine, run: Row[Any], path: Path, *, folder: Path, recipe: Recipe = NEIGHBOURHOOD) -> int:
    """Store the plan and end the run, as the owner of the tables, who may copy rows; both or neither."""
    try:
        files = read_plan(path, folder=folder)
        with engine.begin() as connection:
            if not queries.lock_run(connection, run.id, attempt=run.attempt):
                raise _Lost("no longer ours")
            plan_id, kept = recipe.store(connection, run, files, folder)
            queries.finish_run(
                connection,
                run.id,
                attempt=run.attempt,
                plan_id=plan_id if kept else None,
                progress=_summary(files.checked),
            )
    except FolderFaults as faults:
        raise _Failed(f"what was planned changed while its plan was made: {faults.faults[0]}") from faults
    return plan_id


def _summary(plan: PlanFile) -> dict[str, str]:
    words = f"{plan.served:,} of {plan.demands:,} served: value {plan.value_m:,} m of at most {plan.bound_m:,} m"
    return {"stage": "done", "words": words}


def _fail(engine: Engine, run: Row[Any], *, said: str) -> None:
    with work(engine) as connection:
        queries.fail_run(connection, run.id, attempt=run.attempt, said=said)
    _logger.warning("run_failed run=%d attempt=%d", run.id, run.attempt)
