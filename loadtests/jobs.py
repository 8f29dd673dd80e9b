"""Jobs for processes of their own: `python -m loadtests.jobs JOB.json ANSWER.json`, as `loadtests.processes` does."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allocator.check import capacity_never_exceeded, each_demand_at_most_once, faults_of, value_is_the_sum
from allocator.instance import Instance
from allocator.presolve import presolve
from allocator.solve import Solution, solve
from api.planning.allocate import allocate_folder
from api.planning.base_plan import read_base
from api.planning.basing import base_of
from api.planning.check import check_folder
from api.planning.compiling import Compiled
from loadtests.cases import Case, compile_case
from loadtests.certificates import certificate_of, faults_of_certificate, hash_of, hash_of_folder, write_certificate
from loadtests.cities import City, make_city
from loadtests.edits import EDITS
from loadtests.peers import BY_PRIORITY, FIRST_COME, FLOW
from loadtests.peers.answers import PeerAnswer
from loadtests.peers.engines import solve_whole
from loadtests.peers.flow import flow
from loadtests.peers.greedy import by_priority, first_come
from loadtests.reference_sweep import reference_sweep_s

Json = dict[str, Any]
SORTED_LISTS: Mapping[str, Callable[[Compiled], PeerAnswer]] = MappingProxyType(
    {FIRST_COME: first_come, BY_PRIORITY: by_priority}
)
LEVELS_M = (1.0, 0.5, 0.25, 0.15, 0.1, 0.05, 0.02, 0.01, 0.0)
"""Certified gaps, metres per demand, at which a solve is asked when it reached them."""
_WARM_UP = City(demands=300, seed=0, facilities_per_km2=100)


def solve_case(job: Json) -> Json:
    """Solve the instance of a case, and count what it is made of and how long its reference sweep takes."""
    compiled = compile_case(Case(**job["case"]).neighbourhood())
    warm_up()
    answer = solved(compiled, lambda instance, hear: solve(instance, progress=hear))
    return {"shape": shape_of(compiled), **answer}


def shape_of(compiled: Compiled) -> Json:
    """Count what a case is made of, and time its reference sweep."""
    return {
        "demands": compiled.neighbourhood.demands.height,
        "facilities": len(compiled.neighbourhood.facilities),
        "groups": compiled.instance.num_groups,
        "pairs": compiled.instance.num_pairs,
        "rows": presolve(compiled.instance).num_rows,
        "sweep_s": reference_sweep_s(compiled.instance),
    }


Hear = Callable[[str, int, int], None]


def solved(compiled: Compiled, solving: Callable[[Instance, Hear], Solution]) -> Json:
    """Time a way of solving a compiled case; every plan is checked."""
    begin = time.monotonic()
    trace: list[tuple[float, int, int]] = []

    def hear(_stage: str, value_m: int, bound_m: int) -> None:
        trace.append((time.monotonic() - begin, value_m, bound_m))

    solution = solving(compiled.instance, hear)
    end = time.monotonic()
    proven_m = solution.value_m if solution.is_optimal else solution.bound_m
    trace.append((end - begin, solution.value_m, proven_m))
    demands = compiled.neighbourhood.demands.height
    return {
        "seconds": end - begin,
        "begin_s": begin,
        "end_s": end,
        "value_m": solution.value_m,
        "bound_m": solution.bound_m,
        "status": "optimal" if solution.is_optimal else "feasible",
        "gap_m": (proven_m - solution.value_m) / max(1, demands),
        "served": int(solution.taken.sum()),
        "work": solution.work,
        "first_s": trace[0][0],
        "trace": [(seconds, (bound_m - value_m) / max(1, demands)) for seconds, value_m, bound_m in trace],
        "steps": [step_at(trace, level, demands=demands) for level in LEVELS_M],
        "plan_sha256": hashlib.sha256(solution.taken.tobytes()).hexdigest(),
        "faults": faults_of_solution(compiled.instance, solution),
    }


def step_at(trace: Sequence[tuple[float, int, int]], level_m: float, *, demands: int) -> Json:
    """Tell when value and bound first lay within so many metres per demand of each other, and the value then."""
    for seconds, value_m, bound_m in trace:
        if bound_m - value_m <= level_m * demands:
            return {"gap_m": level_m, "seconds": seconds, "value_m": value_m}
    return {"gap_m": level_m, "seconds": None, "value_m": None}


def faults_of_solution(instance: Instance, solution: Solution) -> list[str]:
    """Everything that the plain checker finds wrong with a solution."""
    return faults_of(
        instance,
        solution.taken.tolist(),
        value_m=solution.value_m,
        bound_m=solution.bound_m,
        prices=zip(solution.price_bay_group.tolist(), solution.price_at.tolist(), solution.price.tolist(), strict=True),
        scale=solution.scale,
        branches=solution.branches,
    )


def warm_up() -> None:
    """Compile the loops, or read what was compiled, so that no run pays for it."""
    solve(compile_case(make_city(_WARM_UP)).instance)


def certify_case(job: Json) -> Json:
    """Solve the instance of a case and write plan and proof for others to verify."""
    compiled = compile_case(Case(**job["case"]).neighbourhood())
    solution = solve(compiled.instance)
    certificate = certificate_of(solution)
    write_certificate(Path(job["certificate"]), certificate)
    return {
        "folder_sha256": hash_of_folder(Case(**job["case"])),
        "sha256": hash_of(compiled.instance),
        "shape": {key: number for key, number in shape_of(compiled).items() if key != "sweep_s"},
        "value_m": solution.value_m,
        "bound_m": solution.bound_m,
        "status": "optimal" if solution.is_optimal else "feasible",
        "proof": "branches" if solution.branches else "prices",
        "faults": faults_of_certificate(compiled.instance, certificate),
    }


def allocate_case(job: Json) -> Json:
    """Read a folder, allocate and write the plan: all that `baytide allocate` does."""
    begin = time.monotonic()
    plan = allocate_folder(Path(job["folder"]), out=Path(job["out"])).plan
    seconds = time.monotonic() - begin
    kept = ("status", "value_m", "bound_m", "demands", "served", "walk_m", "seconds")
    return {"whole_s": seconds, **{key: plan[key] for key in kept}, "faults": []}


def check_case(job: Json) -> Json:
    """Check a written plan from scratch, as `baytide check` does."""
    begin = time.monotonic()
    faults = check_folder(Path(job["folder"]), Path(job["plan"]))
    return {"seconds": time.monotonic() - begin, "faults": faults}


def ask_peer(job: Json) -> Json:
    """Let a peer solve the instance of a case; `applies` is false where it cannot."""
    compiled = compile_case(Case(**job["case"]).neighbourhood())
    begin = time.monotonic()
    answer = _answer_of(compiled, job)
    end = time.monotonic()
    if answer is None:
        return {"applies": False, "faults": []}
    taken = answer.taken
    value_m = None if taken is None else int(taken @ compiled.instance.pair_value_m)
    return {
        "applies": True,
        "seconds": end - begin,
        "begin_s": begin,
        "end_s": end,
        "ended": answer.ended,
        "value_m": value_m,
        "bound_m": answer.bound_m,
        "served": None if taken is None else int(taken.sum()),
        "faults": [] if taken is None or value_m is None else faults_of_plan(compiled.instance, taken, value_m),
    }


def solve_edit(job: Json) -> Json:
    """Solve an edited case twice, from nothing and from the base plan; telling the base in new terms counts as work."""
    compiled = compile_case(EDITS[job["edit"]](Case(**job["case"]).neighbourhood()))
    held = read_base(Path(job["plan"]))
    warm_up()
    cold = solved(compiled, lambda instance, hear: solve(instance, progress=hear))
    warm = solved(compiled, lambda instance, hear: solve(instance, base=base_of(compiled, held), progress=hear))
    return {
        "demands": compiled.neighbourhood.demands.height,
        "cold": cold,
        "warm": warm,
        "faults": [*cold["faults"], *warm["faults"]],
    }


def _answer_of(compiled: Compiled, job: Json) -> PeerAnswer | None:
    peer = job["peer"]
    if peer in SORTED_LISTS:
        SORTED_LISTS[peer](compile_case(make_city(_WARM_UP)))  # compiles its loop
        return SORTED_LISTS[peer](compiled)
    if peer == FLOW:
        return flow(compiled)
    return solve_whole(compiled, engine=peer, target_m=job["target_m"], limit_s=job["limit_s"])


def faults_of_plan(instance: Instance, taken: NDArray[np.int64], value_m: int) -> list[str]:
    """Everything that the plain checker finds wrong with a plan that comes without prices."""
    plan = taken.tolist()
    return [
        *each_demand_at_most_once(instance, plan),
        *capacity_never_exceeded(instance, plan),
        *value_is_the_sum(instance, plan, value_m),
    ]


JOBS: Mapping[str, Callable[[Json], Json]] = MappingProxyType(
    {
        "solve": solve_case,
        "allocate": allocate_case,
        "check": check_case,
        "certify": certify_case,
        "peer": ask_peer,
        "edit": solve_edit,
    }
)


def main() -> None:
    """Do one job."""
    asked, answered = (Path(argument) for argument in sys.argv[1:3])
    job = json.loads(asked.read_text(encoding="utf-8"))
    answered.write_text(json.dumps(JOBS[job["kind"]](job)), encoding="utf-8")


if __name__ == "__main__":
    main()
