"""
The instance set: cities to be made again by seed, with the best plan known, a bound that no plan exceeds, and proofs.

    python -m loadtests.instance_set verify [NAME …]
    python -m loadtests.instance_set solve --demands 10000 --regimes all --seeds 3
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from loadtests.cases import Case, compile_case
from loadtests.certificates import faults_of_certificate, hash_of, hash_of_folder, read_certificate
from loadtests.cities import REGIMES
from loadtests.errors import BadCity, BenchError, BenchFailed
from loadtests.processes import run_job

Json = dict[str, Any]

SET_FILE = Path(__file__).with_name("instances.json")
DONE, BENCH_FAILED, BAD_INPUT = 0, 1, 2
MOST_KEPT_BYTES = 40_000
"""Larger certificates are left out; their entry says so."""


def name_of(case: Case) -> str:
    """Name of a case in the set."""
    return f"{case.regime}-{case.demands}-{case.seed}"


def read_set(set_file: Path) -> dict[str, Json]:
    """Entries by name; none when there is no set yet."""
    if not set_file.is_file():
        return {}
    entries: dict[str, Json] = json.loads(set_file.read_text(encoding="utf-8"))["instances"]
    return entries


def write_set(set_file: Path, entries: dict[str, Json]) -> None:
    """Write the entries, the smaller cities first."""
    ordered = sorted(entries.items(), key=lambda item: (item[1]["city"]["demands"], item[0]))
    content = {"format": 1, "instances": dict(ordered)}
    set_file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def solve_entry(case: Case, set_file: Path) -> Json:
    """
    Solve a city in a process of its own and keep the answer if it is the best known; returns the entry that is kept.

    Raises
    ------
    BenchFailed
        When the answer does not pass the checker.
    """
    name = name_of(case)
    file = set_file.with_name("instances") / f"{name}.json.gz"
    found = file.with_suffix(".found")
    answer = run_job({"kind": "certify", "case": case.as_json(), "certificate": str(found.absolute())}).answer
    if answer is None or answer["faults"]:
        raise BenchFailed(f"{name}: {'; '.join(answer['faults'][:5]) if answer else 'no answer'}")
    entries = read_set(set_file)
    entry = {key: answer[key] for key in ("folder_sha256", "sha256", "shape", "value_m", "bound_m", "status", "proof")}
    entry = {"city": {"regime": case.regime, "demands": case.demands, "seed": case.seed}, **entry}
    if name in entries and _rank(entries[name]) >= _rank(entry):
        found.unlink()
        return entries[name]
    if found.stat().st_size <= MOST_KEPT_BYTES:
        found.replace(file)
        entry["certificate"] = f"{file.parent.name}/{file.name}"
    else:
        found.unlink()
        file.unlink(missing_ok=True)
        entry["certificate"] = None
    write_set(set_file, {**entries, name: entry})
    return entry


def _rank(entry: Json) -> tuple[int, int, bool]:
    """Better entries rank higher: more value, then a lower bound, then a certificate that is kept."""
    return entry["value_m"], -entry["bound_m"], entry["status"] == "optimal"


def faults_of_entry(name: str, set_file: Path) -> Iterator[str]:
    """Make an instance again by its seed, and say what of its entry does not hold."""
    entry = read_set(set_file)[name]
    case = Case(**entry["city"])
    instance = compile_case(case.neighbourhood()).instance
    if hash_of_folder(case) != entry["folder_sha256"]:
        yield f"{name}: the folder made by seed {entry['city']['seed']} is another one (packages of other versions?)"
    if hash_of(instance) != entry["sha256"]:
        yield f"{name}: the instance compiled from it is another one: solve it again"
        return
    if entry["certificate"] is None:
        return
    certificate = read_certificate(set_file.parent / entry["certificate"])
    for key in ("value_m", "bound_m"):
        if certificate[key] != entry[key]:
            yield f"{name}: {key} is {entry[key]}, its certificate says {certificate[key]}"
    if (entry["status"] == "optimal") != (bool(certificate["branches"]) or entry["value_m"] == entry["bound_m"]):
        yield f"{name}: the status {entry['status']} does not follow from the certificate"
    yield from (f"{name}: {fault}" for fault in faults_of_certificate(instance, certificate))


def main(arguments: Sequence[str] | None = None) -> int:
    """Solve or verify entries: 0 done, 1 something does not hold, 2 nonsense was asked for."""
    asked = _parser().parse_args(arguments)
    try:
        return _solve(asked) if asked.command == "solve" else _verify(asked)
    except BadCity as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    except BenchError as error:
        print(error, file=sys.stderr)
        return BENCH_FAILED


def _solve(asked: argparse.Namespace) -> int:
    regimes = tuple(REGIMES) if "all" in asked.regimes else asked.regimes
    for demands in asked.demands:
        for regime in regimes:
            for seed in range(1, asked.seeds + 1):
                case = Case(regime=regime, demands=demands, seed=seed)
                case.require_possible()
                entry = solve_entry(case, asked.set)
                print(
                    f"{name_of(case)}: {entry['value_m']:,} of at most {entry['bound_m']:,} m, {entry['status']}",
                    flush=True,
                )
    return DONE


def _verify(asked: argparse.Namespace) -> int:
    entries = read_set(asked.set)
    names = asked.names or list(entries)
    for name in names:
        if name not in entries:
            raise BadCity(f"{name!r} is not in {asked.set}")
    faults = 0
    for name in names:
        found = list(faults_of_entry(name, asked.set))
        faults += len(found)
        proven = (
            "instance, plan and bound hold" if entries[name]["certificate"] else "instance holds; no certificate kept"
        )
        print("\n".join(found) if found else f"{name}: {proven}", flush=True)
    return BENCH_FAILED if faults else DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.instance_set", description="Solve or verify the instance set."
    )
    parser.add_argument("--set", type=Path, default=SET_FILE, help="the set's file (loadtests/instances.json)")
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser("verify", help="make instances again and check hash, plan and bound")
    verify.add_argument("names", nargs="*", help="entries to verify (all)")
    solve = commands.add_parser("solve", help="solve cities and keep what is the best known")
    solve.add_argument("--demands", type=int, nargs="+", default=[1000], metavar="N")
    solve.add_argument("--regimes", nargs="+", default=["balanced"], choices=[*REGIMES, "all"], metavar="REGIME")
    solve.add_argument("--seeds", type=int, default=3, metavar="N")
    return parser


if __name__ == "__main__":
    sys.exit(main())
