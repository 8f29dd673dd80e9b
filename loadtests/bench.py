"""
The benchmark: `./dev bench --help`.

Cities by regime, size and seed, and real places as folders, are solved by Baytide and, where asked, by its peers; each
run has a process of its own, and every plan is checked.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from api.errors import ApiError
from api.planning.writing import require_file_place
from loadtests.cases import Case
from loadtests.cities import REGIMES
from loadtests.edits import EDITS
from loadtests.errors import BadCity, BenchError
from loadtests.peers import PEERS
from loadtests.runs import Say, Wanted, run_case
from loadtests.tables import TABLES, as_text, growth

Json = dict[str, Any]

DONE, BENCH_FAILED, BAD_INPUT = 0, 1, 2
EVERYTHING = "all"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark: 0 done, 1 a plan does not hold or a run died, 2 nonsense was asked for."""
    asked = _parser().parse_args(arguments)
    try:
        if asked.out is not None:
            require_file_place(asked.out)
        known = records_in(asked.out) if asked.add else []
        cases = cases_of(asked)
        wanted = _wanted(asked)
    except (BenchError, ApiError, OSError) as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    try:
        result = bench(cases, wanted, out=asked.out, known=known, say=_speaker())
    except BenchError as error:
        print(f"the benchmark failed: {error}", file=sys.stderr)
        return BENCH_FAILED
    print(json.dumps(result, indent=2) if asked.json else words_of(result))
    return DONE


def bench(cases: Sequence[Case], wanted: Wanted, *, out: Path | None, known: Sequence[Json] = (), say: Say) -> Json:
    """
    Measure cases one after the other; what is there is written to `out` after each.

    Parameters
    ----------
    known
        Records of before; their cases are not measured again.

    Raises
    ------
    BenchFailed
        When a plan does not pass its checker, or a process dies.
    """
    result: Json = {
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": {name: version(name) for name in ("baytide", "ortools", "numba", "numpy", "scipy", "polars")},
        "records": list(known),
    }
    there = [record["case"] for record in known]
    cases = [case for case in cases if case.as_json() not in there]
    for number, case in enumerate(cases, start=1):
        say(f"case {number} of {len(cases)}")
        result["records"].append(run_case(case, wanted, say=say))
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def records_in(file: Path) -> list[Json]:
    """
    Return the records of a file of results; none when there is no file.

    Raises
    ------
    BadCity
        When the file holds something else.
    """
    if not file.is_file():
        return []
    try:
        records: list[Json] = json.loads(file.read_text(encoding="utf-8"))["records"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadCity(f"{file} holds no results of the benchmark, so nothing can be added to it") from error
    return records


def machine() -> Json:
    """Tell what the figures are measured on, and how busy it is at the start."""
    models = [line.partition(":")[2].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    memory = [line.split()[1] for line in _lines(Path("/proc/meminfo")) if line.startswith("MemTotal")]
    return {
        "cores": os.cpu_count(),
        "processor": models[0] if models else platform.machine(),
        "memory_gib": round(int(memory[0]) / 2**20, 1) if memory else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


def words_of(result: Json) -> str:
    """Write the tables that have something to say."""
    tables = [as_text(rows) for rows in (table(result["records"]) for table in TABLES.values()) if len(rows) > 1]
    grown = growth(result["records"])
    if grown is not None:
        tables.append(f"growth: a million demands take {grown:.1f} times as long as a hundred thousand, both to 0.25 m")
    return "\n\n".join(tables)


def cases_of(asked: argparse.Namespace) -> list[Case]:
    """
    List what was asked for: every regime at every size with every seed, then the folders.

    Raises
    ------
    BadCity
        When there is no such case.
    """
    regimes = tuple(REGIMES) if EVERYTHING in asked.regimes else asked.regimes
    sizes = asked.demands or ([] if asked.folders else [10_000])
    if asked.seeds < 1:
        raise BadCity(f"--seeds is {asked.seeds}, expected 1 or more")
    if not asked.peer_times > 0:
        raise BadCity(f"--peer-times is {asked.peer_times}, expected more than 0")
    cases = [
        Case(regime=regime, demands=demands, seed=seed)
        for demands in sizes
        for regime in regimes
        for seed in range(1, asked.seeds + 1)
    ]
    cases += [Case(folder=str(folder.absolute())) for folder in asked.folders]
    for case in cases:
        case.require_possible()
    return cases


def _wanted(asked: argparse.Namespace) -> Wanted:
    def named(given: list[str] | None, names: Sequence[str]) -> tuple[str, ...]:
        return () if given is None else tuple(given or names)

    return Wanted(
        whole=not asked.no_whole,
        peers=named(asked.peers, PEERS),
        peer_times=asked.peer_times,
        edits=named(asked.edits, tuple(EDITS)),
    )


def _speaker() -> Say:
    begin = time.monotonic()
    return lambda words: print(f"[{time.monotonic() - begin:6.0f} s] {words}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description="Solve synthetic cities and real places, check every plan, and tell gap, time and memory.",
        epilog="Exit status: 0 done; 1 a plan does not hold or a run died; 2 nonsense was asked for. "
        "Time is told in seconds and in reference sweeps (docs/benchmarks.md). The page is written by "
        "`.venv/bin/python -m loadtests.page`, the instance set verified by "
        "`.venv/bin/python -m loadtests.instance_set`, "
        "a city written as a folder by `.venv/bin/python -m loadtests.cities`.",
    )
    parser.add_argument(
        "--demands", type=int, metavar="N", nargs="+", action="extend", help="sizes of the cities (10000)"
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="cities of each regime and size (3)")
    parser.add_argument(
        "--regimes", nargs="+", default=["balanced"], choices=[*REGIMES, EVERYTHING], metavar="REGIME",
        help=f"kinds of cities (balanced): {', '.join(REGIMES)}, or {EVERYTHING}",
    )  # fmt: skip
    parser.add_argument(
        "--folders", nargs="+", type=Path, default=[], metavar="FOLDER", help="neighbourhood folders to solve as well"
    )
    parser.add_argument(
        "--peers", nargs="*", choices=PEERS, metavar="PEER", help=f"solve with peers too (all): {', '.join(PEERS)}"
    )
    parser.add_argument(
        "--peer-times", type=float, default=60.0, metavar="N", help="end a peer after so many times our time (60)"
    )
    parser.add_argument(
        "--edits",
        nargs="*",
        choices=EDITS,
        metavar="EDIT",
        help="solve edited cases again (all): " + ", ".join(EDITS).replace("%", "%%"),
    )
    parser.add_argument("--no-whole", action="store_true", help="leave out the whole command, from folder to plan")
    parser.add_argument(
        "--out", type=Path, default=Path("build/bench.json"), help="where to write the results (build/bench.json)"
    )
    parser.add_argument(
        "--add", action="store_true", help="add to the results that are there, and leave out what they have"
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON instead of tables")
    return parser


if __name__ == "__main__":
    sys.exit(main())
