"""The main job: a neighbourhood folder in, a certified plan out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from allocator.clock import Clock
from allocator.errors import LocksConflict, PlanRejected
from allocator.solve import solve
from api.errors import NoPlan
from api.neighbourhoods.model import Neighbourhood
from api.neighbourhoods.read import read_folder
from api.planning.base_plan import BasePlan, base_note, read_base
from api.planning.basing import base_of
from api.planning.check import faults_of_plan
from api.planning.check_nights import faults_of_nights
from api.planning.closed_bays import price_closed_bays
from api.planning.compiling import Compiled, compile_neighbourhood
from api.planning.interrupting import WARNING, Interruption, interruptible
from api.planning.nightly import Nights, nights_of
from api.planning.outcomes import outcomes_of, reasons_of
from api.planning.report import certificate_of, plan_of
from api.planning.rows import in_memory
from api.planning.walking import walks_of
from api.planning.writing import require_place, write_plan
from geo.pairs import WalkPairs

Progress = Callable[[str, str], None]
"""Hears (stage, words)."""


@dataclass(frozen=True, slots=True, eq=False)
class Allocation:
    """A neighbourhood with its walks, and its plan and certificate as JSON objects."""

    neighbourhood: Neighbourhood
    walks: WalkPairs
    answer: dict[str, Any]
    """The plan, whose assignments and refusals are `Rows`: objects only while somebody looks at them."""
    certificate: dict[str, Any]
    nights: Nights

    @property
    def plan(self) -> dict[str, Any]:
        """The whole plan in memory, made anew at each call."""
        return in_memory(self.answer)


def allocate_folder(
    folder: Path,
    *,
    out: Path | None = None,
    seed: int | None = None,
    time_limit_s: float | None = None,
    gap: float = 0.0,
    base: Path | None = None,
    progress: Progress = lambda _stage, _words: None,
) -> Allocation:
    """
    Read a folder, solve it, check the plan from scratch and, with `out`, write it.

    Parameters
    ----------
    seed
        Orders the public draw; the folder's own without.
    time_limit_s
        Stop refining the plan after so many seconds; there is a plan whatever the limit.
    gap
        Stop refining at this (bound − value) / value.
    base
        A plan to start from, its certificate beside it; the new plan names it and says how much has changed.

    Raises
    ------
    FolderFaults
        With every fault of the folder, or of the base; nothing is written.
    UnusablePlace
        When `out` cannot be written.
    NoPlan
        When a reviewer's locks contradict the folder or each other.
    PlanRejected
        When the checker does not accept the plan; nothing is written.
    SystemExit
        When it is interrupted before there is a plan, or twice; nothing is written. Interrupted once, it ends the
        search and goes on with the best plan so far, which says so in a warning.
    """
    if out is not None:
        require_place(out)
    begin = time.perf_counter()
    progress("read", "reading the folder")
    with interruptible() as interruption:
        start = None if base is None else read_base(base)
        neighbourhood = read_folder(folder)
        allocation = allocate(
            neighbourhood,
            read_s=time.perf_counter() - begin,
            seed=seed,
            time_limit_s=time_limit_s,
            gap=gap,
            base=start,
            progress=progress,
            interruption=interruption,
        )
        interruption.require_wanted()
        if out is not None:
            progress("write", "writing the plan")
            write_plan(out, neighbourhood, allocation.answer, allocation.certificate, nights=allocation.nights.rows)
    return allocation


def allocate(
    neighbourhood: Neighbourhood,
    *,
    read_s: float = 0.0,
    seed: int | None = None,
    time_limit_s: float | None = None,
    gap: float = 0.0,
    base: BasePlan | None = None,
    progress: Progress = lambda _stage, _words: None,
    interruption: Interruption | None = None,
) -> Allocation:
    """Allocate a neighbourhood already in memory; see `allocate_folder`."""
    begin = time.perf_counter()
    progress("walk", "measuring walks")
    walks = walks_of(neighbourhood, progress=lambda done, total: progress("walk", f"{done} of {total} facilities"))
    walk = time.perf_counter() - begin
    left = None if time_limit_s is None else max(0.0, time_limit_s - walk)
    # What solving needs is gone when this returns: checking and writing need memory of their own.
    answer, certificate, nights = _solved(
        neighbourhood,
        walks,
        seed=neighbourhood.seed if seed is None else seed,
        time_limit_s=left,
        gap=gap,
        base=base,
        seconds={"read": read_s, "walk": walk},
        progress=progress,
        interruption=interruption or Interruption(),
    )
    progress("check", "checking the plan from scratch")
    faults = faults_of_plan(neighbourhood, walks, answer, certificate)
    faults += faults_of_nights(neighbourhood, answer, nights.lines())
    if faults:
        raise PlanRejected("the checker does not accept the plan: " + "; ".join(faults[:5]))
    return Allocation(neighbourhood, walks, answer, certificate, nights)


def _solved(
    neighbourhood: Neighbourhood,
    walks: WalkPairs,
    *,
    seed: int,
    time_limit_s: float | None,
    gap: float,
    base: BasePlan | None,
    seconds: dict[str, float],
    progress: Progress,
    interruption: Interruption,
) -> tuple[dict[str, Any], dict[str, Any], Nights]:
    """Compile and solve; the plan, its certificate and the bay of every permit."""
    begin = time.perf_counter()
    progress("solve", "compiling the term")
    compiled = compile_neighbourhood(neighbourhood, walks)
    clock = Clock(None if time_limit_s is None else max(0.0, time_limit_s - (time.perf_counter() - begin)))
    interruption.stops(clock)
    try:
        solution = solve(
            compiled.instance,
            base=None if base is None else base_of(compiled, base),
            gap=gap,
            clock=clock,
            progress=lambda stage, value, bound: progress(
                "solve", f"{stage}: value {value:,} m of at most {bound:,} m"
            ),
        )
    except LocksConflict as conflict:
        raise NoPlan(_conflicting_locks(compiled, conflict)) from conflict
    warnings = (*neighbourhood.warnings, *walks.warnings, *([WARNING] if interruption.heard else []))
    if not clock.is_over() and (lost := solution.work.get("unplanned_districts", 0)):
        warnings += (f"{lost} districts were left half planned because worker processes died: out of memory?",)
    progress("reasons", "drawing among equals and finding reasons")
    solution, estimated = price_closed_bays(compiled, solution)
    outcomes = outcomes_of(compiled, solution, seed=str(seed))
    reasons = reasons_of(compiled, solution)
    progress("nights", "giving every permit a bay for each night")
    nights = nights_of(compiled, outcomes)
    answer = plan_of(
        compiled,
        solution,
        outcomes,
        reasons,
        estimated=estimated,
        seed=seed,
        seconds={**seconds, "solve": time.perf_counter() - begin},
        warnings=warnings,
    )
    answer["nightly_bays"] = nights.summary
    if base is not None:
        answer["base"] = base_note(base, input_sha256=neighbourhood.input_sha256, plan=answer)
    return answer, certificate_of(compiled, solution), nights


def _conflicting_locks(compiled: Compiled, conflict: LocksConflict) -> str:
    """Name the demands whose locks cannot all hold."""
    ids = compiled.neighbourhood.demands["id"]
    stuck = np.isin(compiled.group_of_class[compiled.class_of], conflict.groups)
    named = [ids[demand] for demand in np.flatnonzero(stuck).tolist()]
    return (
        "no plan keeps every lock: there are not enough bays for all of them; lift one of "
        + ", ".join(named[:20])
        + (" …" if len(named) > 20 else "")
    )
