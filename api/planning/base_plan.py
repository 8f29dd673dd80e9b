"""A plan solved before, read from its files to start from; and what a plan says about its base."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.calendars.clock import minute_of
from api.errors import Fault, FolderFaults
from api.neighbourhoods.files import RepeatedKey, find_obstacle, require_json_once

Json = dict[str, Any]
Outcome = str | None
"""The facility that a demand was given; None for none."""

CERTIFICATE = "certificate.json"
_INSTANT = "%Y-%m-%dT%H:%M"
_MOST = 2**53
"""Prices and scales of a base stay below this: far above anything that is solved, and sums of them fit 64 bits."""
_ITEMS_AT_ONCE = 1000
PLACE = {"facility": pl.String(), "bay_group": pl.String()}


class _Part(BaseModel):
    """What a base needs of a file; all else is left aside."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class _Assignment(_Part):
    demand: str
    facility: str
    bay_group: str


class _Refusal(_Part):
    demand: str


class _Place(_Part):
    facility: str
    bay_group: str


class _Plan(_Part):
    value_m: int
    bound_m: int
    input_sha256: dict[str, str]
    assignments: list[_Assignment]
    unserved: list[_Refusal]
    bay_values: list[_Place]


class _Price(_Part):
    facility: str
    bay_group: str
    at: str
    price: Annotated[int, Field(ge=0, lt=_MOST)]


class _Certificate(_Part):
    scale: Annotated[int, Field(ge=1, lt=_MOST)]
    bound_m: int
    prices: list[_Price]


_Shape = TypeVar("_Shape", bound=_Part)


@dataclass(frozen=True, slots=True, eq=False)
class BasePlan:
    """
    A plan and its certificate as read, in the words of the folder it was made from.

    Attributes
    ----------
    name
        File name of the plan, for faults.
    plan_sha256
        See `plan_hash`.
    input_sha256
        Hash of each file that it was made from.
    assignments
        `demand`, `facility` and `bay_group` of those served.
    refused
        Demands that got nothing.
    places
        `facility` and `bay_group` of all bay groups there were.
    prices
        `facility`, `bay_group`, `at` (minutes from 1970-01-01T00:00, local) and `price` in 1/scale metre.
    scale
        Parts of a metre that prices count.
    gap_m
        Metres between its value and its bound, not below zero.
    """

    name: str
    plan_sha256: str
    input_sha256: Mapping[str, str]
    assignments: pl.DataFrame
    refused: tuple[str, ...]
    places: pl.DataFrame
    prices: pl.DataFrame
    scale: int
    gap_m: int

    def outcomes(self) -> dict[str, Outcome]:
        """Tell what every demand got."""
        given = dict(self.assignments.select("demand", "facility").iter_rows())
        return {**dict.fromkeys(self.refused), **given}


def read_base(path: Path) -> BasePlan:
    """
    Read a plan to start from, and `certificate.json` beside it.

    Raises
    ------
    FolderFaults
        With every fault of the first of the two files that is missing, broken, of another shape, or not the plan's.
    """
    content = _read_object(path)
    plan = _shaped(path.name, content, _Plan)
    beside = path.with_name(CERTIFICATE)
    certificate = _shaped(beside.name, _read_object(beside), _Certificate)
    if certificate.bound_m != plan.bound_m:
        words = f"is {certificate.bound_m}, that of {path.name} is {plan.bound_m}: it belongs to another plan"
        raise FolderFaults([Fault(beside.name, 1, "bound_m", words)])
    _require_one_answer_each(path.name, plan)
    return BasePlan(
        name=path.name,
        plan_sha256=plan_hash(content),
        input_sha256=plan.input_sha256,
        assignments=pl.DataFrame(
            [(row.demand, row.facility, row.bay_group) for row in plan.assignments],
            schema={"demand": pl.String(), **PLACE},
            orient="row",
        ),
        refused=tuple(row.demand for row in plan.unserved),
        places=pl.DataFrame([(row.facility, row.bay_group) for row in plan.bay_values], schema=PLACE, orient="row"),
        prices=pl.DataFrame(
            list(_dated(beside.name, certificate)),
            schema={**PLACE, "at": pl.Int64(), "price": pl.Int64()},
            orient="row",
        ),
        scale=certificate.scale,
        gap_m=max(0, plan.bound_m - plan.value_m),
    )


def plan_hash(plan: Mapping[str, Any]) -> str:
    """
    SHA-256 of a plan without its `seconds`, as canonical JSON in UTF-8; hexadecimal.

    Canonical is what `json.dumps(plan, sort_keys=True, separators=(",", ":"), ensure_ascii=False)` writes, so that
    neither the order of keys nor blanks between them matter.
    """
    digest = hashlib.sha256()
    for part in _canonical_parts({key: value for key, value in plan.items() if key != "seconds"}):
        digest.update(part.encode())
    return digest.hexdigest()


def _canonical_parts(content: Mapping[str, Any]) -> Iterator[str]:
    """Canonical JSON piece by piece: the lists of a metropolis's plan are never one text in memory."""
    for number, key in enumerate(sorted(content)):
        yield ("," if number else "{") + _canonical(key) + ":"
        value = content[key]
        if not isinstance(value, list):
            yield _canonical(value)
            continue
        yield "["
        for begin in range(0, len(value), _ITEMS_AT_ONCE):
            yield ("," if begin else "") + _canonical(value[begin : begin + _ITEMS_AT_ONCE])[1:-1]
        yield "]"
    yield "}" if content else "{}"


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def edits_hash(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """
    SHA-256 of what was edited: canonical JSON of {file: [hash before, hash after]} of the files that differ.

    A file that was not there, or is there no more, has null in its place.
    """
    files = sorted({*before, *after})
    changed = {name: [before.get(name), after.get(name)] for name in files if before.get(name) != after.get(name)}
    return hashlib.sha256(_canonical(changed).encode()).hexdigest()


def base_note(base: BasePlan, *, input_sha256: Mapping[str, str], plan: Mapping[str, Any]) -> Json:
    """
    Note for a plan which base it has: both hashes, and how many of the demands in both have another outcome.

    An outcome is a facility or none; `changed` is the sum of those `moved` to another facility, `newly_served` and
    `no_longer_served`.
    """
    before = base.outcomes()
    after: dict[str, Outcome] = {row["demand"]: None for row in plan["unserved"]}
    after.update((row["demand"], row["facility"]) for row in plan["assignments"])
    differ = [(before[name], now) for name, now in after.items() if name in before and before[name] != now]
    newly, no_longer = (sum(pair[side] is None for pair in differ) for side in (0, 1))
    return {
        "plan_sha256": base.plan_sha256,
        "edits_sha256": edits_hash(base.input_sha256, input_sha256),
        "changed": len(differ),
        "moved": len(differ) - newly - no_longer,
        "newly_served": newly,
        "no_longer_served": no_longer,
    }


def _read_object(path: Path) -> Json:
    obstacle = find_obstacle(path)
    if obstacle is not None:
        raise FolderFaults([Fault(path.name, 1, "file", obstacle)])
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"), object_pairs_hook=require_json_once)
    except RepeatedKey as error:
        raise FolderFaults([Fault(path.name, 1, error.key or "key", "stands twice in one object")]) from None
    except OSError as error:
        raise FolderFaults([Fault(path.name, 1, "file", f"cannot be read: {error.strerror}")]) from None
    except json.JSONDecodeError as error:
        raise FolderFaults([Fault(path.name, error.lineno, "file", f"is not JSON: {error.msg}")]) from None
    except (ValueError, RecursionError) as error:  # not UTF-8, a number of thousands of digits, nested without end
        raise FolderFaults([Fault(path.name, 1, "file", f"is not JSON in UTF-8: {error}")]) from None
    if not isinstance(content, dict):
        raise FolderFaults([Fault(path.name, 1, "file", "is not a JSON object")])
    return content


def _shaped(name: str, content: Json, shape: type[_Shape]) -> _Shape:
    try:
        return shape.model_validate(content)
    except ValidationError as error:
        raise FolderFaults(
            Fault(name, 1, ".".join(str(step) for step in fault["loc"]), fault["msg"])
            for fault in error.errors(include_url=False, include_input=False)
        ) from None


def _require_one_answer_each(name: str, plan: _Plan) -> None:
    names = [row.demand for row in plan.assignments] + [row.demand for row in plan.unserved]
    answered = pl.Series(names, dtype=pl.String())
    twice = answered.filter(answered.is_duplicated()).unique().sort()
    if len(twice):
        raise FolderFaults(Fault(name, 1, "demand", f"{demand!r} is answered more than once") for demand in twice)


def _dated(name: str, certificate: _Certificate) -> Iterator[tuple[str, str, int, int]]:
    """Rows of prices with their instants as minutes."""
    minutes: dict[str, int] = {}
    for number, row in enumerate(certificate.prices):
        if row.at not in minutes:
            try:
                moment = datetime.strptime(row.at, _INSTANT)  # noqa: DTZ007  (local wall-clock time)
            except ValueError:
                words = f"is {row.at!r}, expected an instant like 2026-12-01T02:00"
                raise FolderFaults([Fault(name, 1, f"prices.{number}.at", words)]) from None
            minutes[row.at] = minute_of(moment)
        yield row.facility, row.bay_group, minutes[row.at], row.price
