"""A folder and a plan of it that its checker accepts: what can be solved again and compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.errors import Fault, FolderFaults
from api.neighbourhoods.model import Neighbourhood
from api.neighbourhoods.read import read_folder
from api.planning.base_plan import CERTIFICATE, BasePlan, read_base
from api.planning.check import faults_of_plan
from api.planning.walking import walks_of
from api.plans.plan_file import read_plan
from geo.pairs import WalkPairs

Progress = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, eq=False)
class HeldPlan:
    """A neighbourhood with its walks, and a plan of it as JSON and as a base."""

    neighbourhood: Neighbourhood
    walks: WalkPairs
    plan: Mapping[str, Any]
    base: BasePlan


def read_held_plan(folder: Path, plan_path: Path, *, progress: Progress = lambda _stage, _words: None) -> HeldPlan:
    """
    Read a folder and a plan of it, and check the plan from scratch.

    Raises
    ------
    FolderFaults
        When one of the two cannot be read, the plan is of other files, or its checker does not accept it.
    """
    progress("read", "reading the folder")
    neighbourhood = read_folder(folder)
    base = read_base(plan_path)
    require_same_files(plan_path.name, base.input_sha256, neighbourhood)
    files = read_plan(plan_path, certificate=plan_path.with_name(CERTIFICATE))
    progress("walk", "measuring walks")
    walks = walks_of(neighbourhood)
    progress("check", "checking the plan from scratch")
    faults = faults_of_plan(neighbourhood, walks, dict(files.plan), dict(files.certificate or {}))
    if faults:
        raise FolderFaults(Fault(plan_path.name, 1, "plan", fault) for fault in faults)
    return HeldPlan(neighbourhood, walks, files.plan, base)


def require_same_files(name: str, input_sha256: Mapping[str, str], neighbourhood: Neighbourhood) -> None:
    """
    Refuse a plan that was made from other files than those of a folder, or from fewer or more of them.

    Raises
    ------
    FolderFaults
        With every file that differs.
    """
    now = neighbourhood.input_sha256
    differ = sorted(file for file in {*input_sha256, *now} if input_sha256.get(file) != now.get(file))
    if differ:
        words = "the plan was made from another file than the folder's"
        raise FolderFaults(Fault(name, 1, f"input_sha256.{file}", words) for file in differ)
