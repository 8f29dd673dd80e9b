"""A case measured from all sides: ours, the whole command, the peers, the edits; a plan that does not hold ends it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.cases import Case
from loadtests.errors import BenchFailed
from loadtests.peers import ENGINES
from loadtests.processes import JobEnd, run_job

Json = dict[str, Any]
Say = Callable[[str], None]
Moment = tuple[float, float]

TARGETS_M = ((10_000, 0.05), (100_000, 0.15))
"""Certified gap in metres per demand that is asked of cases of up to so many demands; `LARGEST_TARGET_M` beyond."""
LARGEST_TARGET_M = 0.25
GRACE = 1.5
"""A peer that does not stop by itself at its limit is ended at so many times the limit, and `SETTLING_S` more."""
SETTLING_S = 60.0
ROUNDING_S = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to measure beside our solve: the whole command, peers up to so many times our time, and edits, by name."""

    whole: bool = True
    peers: tuple[str, ...] = ()
    peer_times: float = 60.0
    edits: tuple[str, ...] = ()


def target_gap_m(demands: int) -> float:
    """Return the certified gap that is asked of a case, metres per demand."""
    return next((gap for most, gap in TARGETS_M if demands <= most), LARGEST_TARGET_M)


def run_case(case: Case, wanted: Wanted, *, say: Say) -> Json:
    """
    Measure a case.

    Raises
    ------
    BenchFailed
        When a plan does not pass its checker, or a process dies.
    """
    say(f"{case.name}: ours")
    solved = _checked(case, "ours", run_job({"kind": "solve", "case": case.as_json()}))
    ours = _ours(solved)
    record: Json = {"name": case.name, "case": case.as_json(), "shape": _answer(solved)["shape"], "ours": ours}
    if wanted.whole or wanted.edits:
        with tempfile.TemporaryDirectory() as place:
            record["whole"] = _whole(case, Path(place), sweep_s=record["shape"]["sweep_s"], say=say)
            if wanted.edits:
                record["edits"] = _edits(case, wanted.edits, plan=Path(place) / "plan" / "plan.json", say=say)
    if wanted.peers:
        record["peers"] = _peers(case, wanted, record, say=say)
    return record


def _answer(end: JobEnd) -> Json:
    if end.answer is None:
        raise BenchFailed("a job without a limit was ended by one")
    return end.answer


def _checked(case: Case, who: str, end: JobEnd) -> JobEnd:
    """Refuse an answer whose plan does not hold."""
    faults = _answer(end)["faults"] if end.answer is not None else []
    if faults:
        raise BenchFailed(f"{case.name}: the plan of {who} does not hold: {'; '.join(faults[:5])}")
    return end


def _ours(end: JobEnd) -> Json:
    answer = _answer(end)
    demands, sweep_s = answer["shape"]["demands"], answer["shape"]["sweep_s"]
    target_m = target_gap_m(demands)
    step = next(step for step in answer["steps"] if step["gap_m"] == target_m)
    reached = step["seconds"] is not None
    kept = ("value_m", "bound_m", "status", "gap_m", "served", "work", "first_s", "steps", "plan_sha256")
    return {
        "seconds": round(answer["seconds"], ROUNDING_S),
        "sweeps": round(answer["seconds"] / sweep_s),
        "target_gap_m": target_m,
        "target_s": step["seconds"],
        "target_sweeps": round(step["seconds"] / sweep_s) if reached else None,
        "target_value_m": step["value_m"],
        "peak_mb": round(end.peak_mb(begin_s=answer["begin_s"], end_s=answer["end_s"])),
        **{key: answer[key] for key in kept},
    }


def _whole(case: Case, place: Path, *, sweep_s: float, say: Say) -> Json:
    """Time the whole command on a folder, and check what it wrote from scratch in yet another process."""
    say(f"{case.name}: the whole command")
    (place / "folder").mkdir()
    folder, plan = case.folder_under(place / "folder"), place / "plan" / "plan.json"
    end = run_job({"kind": "allocate", "folder": str(folder.absolute()), "out": str(plan)})
    answer = _answer(end)
    say(f"{case.name}: checking from scratch")
    check = _checked(
        case,
        "the whole command",
        run_job({"kind": "check", "folder": str(folder.absolute()), "plan": str(plan)}),
    )
    return {
        "seconds": round(answer["whole_s"], ROUNDING_S),
        "sweeps": round(answer["whole_s"] / sweep_s),
        "peak_mb": round(end.peak_mb()),
        "largest_process_mb": round(end.largest_mb),
        "parts_s": answer["seconds"],
        **{key: answer[key] for key in ("status", "value_m", "bound_m", "demands", "served", "walk_m")},
        "check_s": round(_answer(check)["seconds"], ROUNDING_S),
        "check_peak_mb": round(check.peak_mb()),
    }


def _peers(case: Case, wanted: Wanted, record: Json, *, say: Say) -> Json:
    """Let each peer try to reach what we had when our gap was small enough, within so many times our time."""
    ours = record["ours"]
    ours_s = ours["target_s"] or ours["seconds"]
    target_m = ours["target_value_m"] or ours["value_m"]
    limit_s = wanted.peer_times * ours_s
    answers: Json = {}
    for peer in wanted.peers:
        say(f"{case.name}: {peer}" + (f", up to {limit_s:.0f} s" if peer in ENGINES else ""))
        job = {"kind": "peer", "case": case.as_json(), "peer": peer, "target_m": target_m, "limit_s": limit_s}
        end = run_job(job, limit_s=GRACE * limit_s + SETTLING_S if peer in ENGINES else None)
        answers[peer] = _peer(_checked(case, peer, end), ours_s, target_m, record["shape"])
    return answers


def _peer(end: JobEnd, ours_s: float, target_m: int, shape: Json) -> Json:
    if end.answer is None:
        spent = {"seconds": round(end.seconds, ROUNDING_S), "times": round(end.seconds / ours_s, 2)}
        return {"applies": True, "ended": "killed", "reached": False, **spent}
    answer = end.answer
    if not answer["applies"]:
        return {"applies": False}
    value_m = answer["value_m"]
    reached = value_m is not None and value_m >= target_m
    return {
        "applies": True,
        "ended": answer["ended"],
        "reached": reached,
        "seconds": round(answer["seconds"], ROUNDING_S),
        "sweeps": round(answer["seconds"] / shape["sweep_s"]),
        "times": round(answer["seconds"] / ours_s, 2),
        "value_m": value_m,
        "bound_m": answer["bound_m"],
        "behind_m": None if value_m is None else (target_m - value_m) / shape["demands"],
        "behind_share": None if value_m is None else 1 - value_m / max(1, target_m),
        "served": answer["served"],
        "peak_mb": round(end.peak_mb(begin_s=answer["begin_s"], end_s=answer["end_s"])),
    }


def _edits(case: Case, names: Sequence[str], *, plan: Path, say: Say) -> Json:
    """Solve each edited case from nothing and from the base plan, and compare the times to the same gap."""
    answers: Json = {}
    for name in names:
        say(f"{case.name}: {name}")
        job = {"kind": "edit", "case": case.as_json(), "edit": name, "plan": str(plan)}
        answer = _answer(_checked(case, name, run_job(job)))
        cold, warm = answer["cold"], answer["warm"]
        level = same_level(cold["trace"], warm["trace"])
        kept = ("seconds", "first_s", "value_m", "bound_m", "status", "gap_m", "served", "work")
        answers[name] = {
            "gap_m": level[0],
            "cold_s": level[1],
            "warm_s": level[2],
            "ratio": level[2] / level[1],
            "cold": {key: cold[key] for key in kept},
            "warm": {key: warm[key] for key in kept},
        }
    return answers


def same_level(cold: Sequence[Moment], warm: Sequence[Moment]) -> tuple[float, float, float]:
    """
    Smallest gap that both solves reached, and the seconds each took to it.

    Each solve is its moments, (seconds, gap in metres per demand), in the order of time.
    """
    level = max(min(gap for _, gap in cold), min(gap for _, gap in warm))
    first, second = (next(seconds for seconds, gap in moments if gap <= level) for moments in (cold, warm))
    return level, first, second
