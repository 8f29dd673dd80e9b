"""What a plan file says of each demand, as columns for the checker; what is not of the contract's shape is refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import polars as pl

from api.planning.charges import Charges
from api.planning.numbered import NOBODY, Ints, positions
from api.planning.verdicts import FULL, REASONS, Judged, Place, Verdicts

Json = dict[str, Any]
ABSENT = -1
"""Stands for no shortfall, and for a word that is none of the fixed ones."""
_CHUNK = 20_000
"""Rows turned into columns at a time, so that few need to exist as objects where they are made one by one."""


@dataclass(frozen=True, slots=True, eq=False)
class Assigned:
    """Who is said to stand where, (A,) each, by demand; unknown names stand as `NOBODY`, first."""

    demand: Ints
    place: Ints
    walk_m: Ints
    left_out: Ints
    """Index in `days`."""
    days: list[tuple[str, ...]]
    unknown: list[str]

    def of(self, judged: Judged) -> slice:
        """Rows of some demands."""
        return _slice(self.demand, judged)


@dataclass(frozen=True, slots=True, eq=False)
class Refused:
    """
    Who is said to go without, (U,) each, by demand, and the options told, (O,) each, by demand and then by place.

    `reason` and `why` index `REASONS` or are `ABSENT`, as is `short_m` where it is not told.
    """

    demand: Ints
    reason: Ints
    unknown: list[str]
    option_demand: Ints
    place: Ints
    walk_m: Ints
    why: Ints
    short_m: Ints

    def reason_of(self, demand: int) -> str | None:
        """Reason told to a demand; None when it is none of the fixed words."""
        reason = int(self.reason[np.searchsorted(self.demand, demand)])
        return None if reason == ABSENT else REASONS[reason]

    def told(self, demand: int) -> list[tuple[int, int, str | None]]:
        """(place, walk, why) of the options told to a demand."""
        mine = slice(*np.searchsorted(self.option_demand, (demand, demand + 1)).tolist())
        rows = zip(self.place[mine].tolist(), self.walk_m[mine].tolist(), self.why[mine].tolist(), strict=True)
        return [(place, walk_m, None if why == ABSENT else REASONS[why]) for place, walk_m, why in rows]


def read_assigned(rows: Iterable[Json], verdicts: Verdicts) -> Assigned:
    """Read the assignments of a plan; KeyError, TypeError or ValueError when they are not of the contract's shape."""
    known: dict[tuple[str, ...], int] = {}
    names: list[str] = []
    parts: list[tuple[Ints, Ints, Ints]] = [_nothing(3)]
    for chunk in _chunks(rows):
        names += _texts([row["demand"] for row in chunk], "demand")
        places = _places([(row["facility"], row["bay_group"]) for row in chunk], verdicts.place_of)
        left_out = [known.setdefault(tuple(row["days_left_out"]), len(known)) for row in chunk]
        parts.append((places, _whole([row["walk_m"] for row in chunk], "walk_m"), np.array(left_out)))
    demand, unknown = _rows_of(names, verdicts)
    order = np.argsort(demand, kind="stable")
    place, walk_m, left_out_ = (np.concatenate(column)[order] for column in zip(*parts, strict=True))
    return Assigned(demand[order], place, walk_m, left_out_, list(known), unknown)


def read_refused(rows: Iterable[Json], verdicts: Verdicts) -> Refused:
    """Read the refusals of a plan; KeyError, TypeError or ValueError when they are not of the contract's shape."""
    words = {word: number for number, word in enumerate(REASONS)}
    names: list[str] = []
    reasons: list[int] = []
    counts: list[int] = []
    parts: list[tuple[Ints, Ints, Ints, Ints]] = [_nothing(4)]
    for chunk in _chunks(rows):
        names += _texts([row["demand"] for row in chunk], "demand")
        reasons += [words.get(row["reason"], ABSENT) for row in chunk]
        counts += [len(row["options"]) for row in chunk]
        options = [option for row in chunk for option in row["options"]]
        parts.append(
            (
                _places([(option["facility"], option["bay_group"]) for option in options], verdicts.place_of),
                _whole([option["walk_m"] for option in options], "walk_m"),
                np.array([words.get(option["why"], ABSENT) for option in options], dtype=np.int8),
                _whole([option.get("short_m", ABSENT) for option in options], "short_m"),
            )
        )
    demand, unknown = _rows_of(names, verdicts)
    order = np.argsort(demand, kind="stable")
    option_demand = np.repeat(demand, counts)
    place, walk_m, why, short_m = (np.concatenate(column) for column in zip(*parts, strict=True))
    by_place = np.lexsort((place, option_demand))
    return Refused(
        demand[order],
        np.array(reasons, dtype=np.int64)[order],
        unknown,
        option_demand[by_place],
        place[by_place],
        walk_m[by_place],
        why[by_place],
        short_m[by_place],
    )


def wrongly_refused(judged: Judged, refused: Refused, charges: Charges) -> Ints:
    """Demands told another reason than the rules give, or other options than those, or another shortfall."""
    asked, told = _slice(refused.demand, judged), _slice(refused.option_demand, judged)
    demand = refused.demand[asked] - judged.first
    wrong = np.zeros(len(judged.reason), dtype=np.bool_)
    wrong[demand] = judged.reason[demand] != refused.reason[asked]
    said = np.bincount(refused.option_demand[told] - judged.first, minlength=len(wrong))
    wrong |= (said != np.diff(judged.ptr)) & np.isin(np.arange(len(wrong)), demand)
    # Those that are left have as many options here as there, in the same order of places.
    alike = np.isin(np.arange(len(wrong)), demand) & ~wrong
    here = np.flatnonzero(alike[judged.demand - judged.first])
    there = told.start + np.flatnonzero(alike[refused.option_demand[told] - judged.first])
    differs = (judged.place[here] != refused.place[there]) | (judged.walk_m[here] != refused.walk_m[there])
    differs |= judged.why[here] != refused.why[there]
    full = judged.why[here] == FULL
    differs[full] |= charges.short_m(judged, here[full]) != refused.short_m[there[full]]
    wrong[judged.demand[here[differs]] - judged.first] = True
    return judged.first + np.flatnonzero(wrong)


def _slice(demand: Ints, judged: Judged) -> slice:
    return slice(*np.searchsorted(demand, (judged.first, judged.first + len(judged.reason))).tolist())


def _chunks(rows: Iterable[Json]) -> Iterator[list[Json]]:
    left = iter(rows)
    while chunk := list(islice(left, _CHUNK)):
        yield chunk


def _rows_of(names: list[str], verdicts: Verdicts) -> tuple[Ints, list[str]]:
    """Row of each demand by its name, and the names that nobody has."""
    rows = positions(pl.Series(names, dtype=pl.String), verdicts.ids)
    return rows, [names[at] for at in np.flatnonzero(rows == NOBODY).tolist()]


def _places(names: Sequence[Place], place_of: dict[Place, int]) -> Ints:
    return np.array([place_of.get(name, NOBODY) for name in names], dtype=np.int32)


def _texts(values: list[str], name: str) -> list[str]:
    if not set(map(type, values)) <= {str}:
        raise ValueError(f"{name} {next(value for value in values if type(value) is not str)!r} is not a text")
    return values


def _whole(values: list[int], name: str) -> Ints:
    """Whole numbers as an array; no truth, no fraction and no text is one."""
    if not set(map(type, values)) <= {int} or not all(-(2**31) < value < 2**63 for value in values):
        raise ValueError(f"a {name} is not a whole number of metres that can be")
    return np.array(values, dtype=np.int64)


def _nothing(columns: int) -> tuple[Any, ...]:
    return (np.zeros(0, dtype=np.int32),) * columns
