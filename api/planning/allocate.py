"""The main job: a neighbourhood folder in, a certified plan out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from allocator.errors import LocksConflict, PlanRejected
from allocator.solve import solve
from api.errors import NoPlan
from api.neighbourhoods.model import Neighbourhood
from api.neighbourhoods.read import read_folder
from api.planning.check import faults_of_plan
from api.planning.closed_bays import price_closed_bays
from api.planning.compiling import Compiled, compile_neighbourhood
from api.planning.outcomes import outcomes_of, reasons_of
from api.planning.report import certificate_of, plan_of
from api.planning.walking import walks_of
from api.planning.writing import require_place, write_plan
from geo.pairs import WalkPairs

Progress = Callable[[str, str], None]
"""Hears (stage, words)."""


@dataclass(frozen=True, slots=True, eq=False)
class Allocation:
    """A neighbourhood with its walks, its plan and its certificate, both as JSON objects."""

    neighbourhood: Neighbourhood
    walks: WalkPairs
    plan: dict[str, Any]
    certificate: dict[str, Any]


def allocate_folder(
    folder: Path,
    *,
    out: Path | None = None,
    seed: int | None = None,
    time_limit_s: float | None = None,
    gap: float = 0.0,
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

    Raises
    ------
    FolderFaults
        With every fault of the folder; nothing is written.
    UnusablePlace
        When `out` cannot be written.
    NoPlan
        When a reviewer's locks contradict the folder or each other.
    PlanRejected
        When the checker does not accept the plan; nothing is written.
    """
    if out is not None:
        require_place(out)
    begin = time.perf_counter()
    progress("read", "reading the folder")
    neighbourhood = read_folder(folder)
    read = time.perf_counter() - begin
    allocation = allocate(neighbourhood, read_s=read, seed=seed, time_limit_s=time_limit_s, gap=gap, progress=progress)
    if out is not None:
        write_plan(out, neighbourhood, allocation.plan, allocation.certificate)
    return allocation


def allocate(
    neighbourhood: Neighbourhood,
    *,
    read_s: float = 0.0,
    seed: int | None = None,
    time_limit_s: float | None = None,
    gap: float = 0.0,
    progress: Progress = lambda _stage, _words: None,
) -> Allocation:
    """Allocate a neighbourhood already in memory; see `allocate_folder`."""
    begin = time.perf_counter()
    progress("walk", "measuring walks")
    walks = walks_of(neighbourhood, progress=lambda done, total: progress("walk", f"{done} of {total} facilities"))
    walked = time.perf_counter()
    progress("solve", "compiling the term")
    compiled = compile_neighbourhood(neighbourhood, walks)
    left = None if time_limit_s is None else max(0.0, time_limit_s - (time.perf_counter() - begin))
    try:
        solution = solve(
            compiled.instance,
            gap=gap,
            time_limit_s=left,
            progress=lambda stage, value, bound: progress(
                "solve", f"{stage}: value {value:,} m of at most {bound:,} m"
            ),
        )
    except LocksConflict as conflict:
        raise NoPlan(_conflicting_locks(compiled, conflict)) from conflict
    draw_seed = neighbourhood.seed if seed is None else seed
    solution, estimated = price_closed_bays(compiled, solution)
    outcomes = outcomes_of(compiled, solution, seed=str(draw_seed))
    reasons = reasons_of(compiled, solution)
    solved = time.perf_counter()
    plan = plan_of(
        compiled,
        solution,
        outcomes,
        reasons,
        estimated=estimated,
        seed=draw_seed,
        seconds={"read": read_s, "walk": walked - begin, "solve": solved - walked},
        warnings=(*neighbourhood.warnings, *walks.warnings),
    )
    certificate = certificate_of(compiled, solution)
    progress("check", "checking the plan from scratch")
    faults = faults_of_plan(neighbourhood, walks, plan, certificate)
    if faults:
        raise PlanRejected("the checker does not accept the plan: " + "; ".join(faults[:5]))
    return Allocation(neighbourhood, walks, plan, certificate)


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
