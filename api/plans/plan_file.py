"""plan.json and certificate.json as they come from a planner: checked for shape and for the folder they belong to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.errors import Fault, FolderFaults
from api.neighbourhoods.files import RepeatedKey, find_obstacle, require_json_once


class _Part(BaseModel):
    """A part of a plan; what later versions add is kept aside, never refused."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Assignment(_Part):
    """A served demand."""

    demand: str
    facility: str
    bay_group: str
    walk_m: int = Field(ge=0)
    days_left_out: list[date] = []


class Option(_Part):
    """A bay group that an unserved demand could reach, and why it did not get it."""

    facility: str
    bay_group: str
    walk_m: int | None = Field(default=None, ge=0)
    why: str
    short_m: int | None = None


class Unserved(_Part):
    """A demand without a bay, and the reason."""

    demand: str
    reason: str
    options: list[Option] = []


class BayValue(_Part):
    """What one more bay of a group would add."""

    facility: str
    bay_group: str
    value_m: int
    exact_m: int | None = None


class WalkFigures(_Part):
    """Walks of the served."""

    total: float = 0
    mean: float = 0
    p95: float = 0
    max: float = 0


class PlanFile(_Part):
    """The content of plan.json."""

    status: Literal["optimal", "feasible"]
    value_m: int
    bound_m: int
    gap: float
    demands: int = Field(ge=0)
    served: int = Field(ge=0)
    served_by_tier: dict[str, int] = {}
    walk_m: WalkFigures = WalkFigures()
    assignments: list[Assignment]
    unserved: list[Unserved]
    bay_values: list[BayValue] = []
    seed: int = 0
    input_sha256: dict[str, str] = {}
    version: str = ""
    warnings: list[str] = []


@dataclass(frozen=True, slots=True, eq=False)
class PlanFiles:
    """A plan as read, with its certificate."""

    name: str
    plan: Mapping[str, Any]
    """The content of plan.json."""
    checked: PlanFile
    """The same with types."""
    certificate: Mapping[str, Any] | None


def read_plan(path: Path, *, folder: Path | None = None, certificate: Path | None = None) -> PlanFiles:
    """
    Read a plan with its certificate.

    Parameters
    ----------
    folder
        The folder it must have been made from; every file the plan names must be there with the same content.
    certificate
        Its certificate; without, `certificate.json` beside it if there is one.

    Raises
    ------
    FolderFaults
        Not a plan, or a plan of something else.
    """
    content = _read_object(path)
    try:
        plan = PlanFile.model_validate(content)
    except ValidationError as error:
        raise FolderFaults(
            Fault(path.name, 1, ".".join(str(step) for step in fault["loc"]), fault["msg"]) for fault in error.errors()
        ) from error
    if folder is not None:
        _require_same_inputs(path.name, plan, folder)
    beside = certificate or path.with_name("certificate.json")
    found = _read_object(beside) if certificate or beside.is_file() else None
    return PlanFiles(name=path.name, plan=content, checked=plan, certificate=_of_this_plan(found, plan, certificate))


def _of_this_plan(found: Mapping[str, Any] | None, plan: PlanFile, named: Path | None) -> Mapping[str, Any] | None:
    """Return a certificate that proves this plan's bound; one that only lies beside it may belong to another plan."""
    if found is None or found.get("bound_m") == plan.bound_m:
        return found
    if named is None:
        return None
    raise FolderFaults([Fault(named.name, 1, "bound_m", f"is {found.get('bound_m')}, the plan's is {plan.bound_m}")])


def _read_object(path: Path) -> dict[str, Any]:
    obstacle = find_obstacle(path)
    if obstacle is not None:
        raise FolderFaults([Fault(path.name, 1, "file", obstacle)])
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"), object_pairs_hook=require_json_once)
    except RepeatedKey as error:
        raise FolderFaults([Fault(path.name, 1, error.key or "key", "stands twice in one object")]) from None
    except UnicodeDecodeError:
        raise FolderFaults([Fault(path.name, 1, "file", "is not UTF-8")]) from None
    except json.JSONDecodeError as error:
        raise FolderFaults([Fault(path.name, error.lineno, "file", f"is not JSON: {error.msg}")]) from None
    if not isinstance(content, dict):
        raise FolderFaults([Fault(path.name, 1, "file", "is not a JSON object")])
    return content


def _require_same_inputs(name: str, plan: PlanFile, folder: Path) -> None:
    faults = []
    for file, digest in plan.input_sha256.items():
        try:
            path = folder / file
            same = path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest
        except OSError:
            same = False
        if not same:
            faults.append(
                Fault(name, 1, f"input_sha256.{file}", "the plan was made from another file than the folder's")
            )
    if faults:
        raise FolderFaults(faults)
