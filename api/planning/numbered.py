"""Demands and bay groups as numbers for the checker: what each demand asks and each bay group offers, in arrays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from api.neighbourhoods.model import Facility, Neighbourhood
from api.planning.rulebook import Pattern, kinds_suit

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
NOBODY = -1
"""Stands for no facility, no bay group, no demand."""


@dataclass(frozen=True, slots=True, eq=False)
class Asks:
    """What demands ask, (D,) each, in the order of demands.csv."""

    patterns: list[Pattern]
    pattern: Ints
    home: Ints
    tier: Ints
    worth_m: Ints
    """What tier and rounds waited are worth."""
    limit_m: Floats
    wants: list[str]
    want: Ints
    """Index in `wants`, the distinct needs."""
    height_m: Floats
    """NaN where unknown, which is higher than nothing."""
    holds: Ints
    """Facility, or `NOBODY`."""
    decisions: dict[int, list[tuple[int, str]]]
    """(facility, word) by demand; `NOBODY` for none at all."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """What bay groups offer, (P,) each, by facility in the order of facilities.geojson; those of f are ptr[f:f + 1]."""

    ptr: Ints
    names: list[tuple[str, str]]
    """(facility, bay group)."""
    facility: Ints
    position: Ints
    """Of a bay group in its facility."""
    alike: Ints
    """Equal for bay groups that admit the same stays."""
    offers: list[tuple[str, ...]]
    offer: Ints
    """Index in `offers`, the distinct lists of kinds."""
    max_height_m: Floats
    """NaN where nothing is too high."""

    def suit(self, wants: Sequence[str]) -> NDArray[np.bool_]:
        """Whether bays of each offer suit each want, (wants, offers)."""
        return np.array([[kinds_suit(want, kinds) for kinds in self.offers] for want in wants], dtype=np.bool_)


def asks_of(neighbourhood: Neighbourhood) -> Asks:
    """Read what demands ask."""
    demands, policy = neighbourhood.demands, neighbourhood.policy
    facilities = pl.Series([facility.id for facility in neighbourhood.facilities], dtype=pl.String)
    patterns, pattern = numbered(demands.select("days", "arrive_min", "leave_min", "stay_through"))
    wants, want = numbered(demands.select("needs"))
    tier = demands["tier"].to_numpy().astype(np.int64)
    rounds = demands["rounds_waited"].to_numpy().astype(np.int64)
    return Asks(
        patterns=patterns,
        pattern=pattern,
        home=positions(demands["home"], neighbourhood.homes["id"]),
        tier=tier,
        worth_m=np.array(policy.tier_value_m, dtype=np.int64)[tier - 1] + policy.waiting_value_m * rounds,
        limit_m=demands["max_walk_m"].fill_null(policy.max_walk_m).to_numpy(),
        wants=[needs for (needs,) in wants],
        want=want,
        height_m=demands["height_m"].fill_null(float("nan")).to_numpy(),
        holds=positions(demands["holds"], facilities),
        decisions=_decisions(neighbourhood, facilities),
    )


def _decisions(neighbourhood: Neighbourhood, facilities: pl.Series) -> dict[int, list[tuple[int, str]]]:
    said = neighbourhood.decisions
    demand = positions(said["demand"], neighbourhood.demands["id"]).tolist()
    facility = positions(said["facility"], facilities).tolist()
    decisions: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for row, place, word in zip(demand, facility, said["decision"].to_list(), strict=True):
        decisions[row].append((place, word))
    return {row: sorted(words) for row, words in sorted(decisions.items())}


def places_of(facilities: Sequence[Facility]) -> Places:
    """
    Read what bay groups offer, and number them by what decides about their hours.

    Only whether a window has more bays than the buffer matters for who may stand there, not how many; what is left of
    the buffer for later groups depends on the hours of those before, so they stand alone.
    """
    groups = [(f, at, group) for f, facility in enumerate(facilities) for at, group in enumerate(facility.bay_groups)]
    known: dict[object, int] = {}
    offers: dict[tuple[str, ...], int] = {}
    alike = []
    for f, at, group in groups:
        facility = facilities[f]
        buffer = facility.buffer_bays
        alone = (f, at) if buffer and at else None
        windows = tuple(
            (w.days, w.from_min, w.to_min, w.bays > buffer, w.last_entry_min, w.season) for w in group.windows
        )
        key = windows, alone, facility.closures, facility.no_movement
        alike.append(known.setdefault(key, len(known)))
    heights = [facilities[f].max_height_m for f, _, _ in groups]
    return Places(
        ptr=np.cumsum([0, *(len(facility.bay_groups) for facility in facilities)]),
        names=[(facilities[f].id, group.id) for f, _, group in groups],
        facility=np.array([f for f, _, _ in groups], dtype=np.int64),
        position=np.array([at for _, at, _ in groups], dtype=np.int64),
        alike=np.array(alike, dtype=np.int64),
        offer=np.array([offers.setdefault(group.kinds, len(offers)) for _, _, group in groups], dtype=np.int64),
        offers=list(offers),
        max_height_m=np.array([float("nan") if height is None else height for height in heights], dtype=np.float64),
    )


def positions(names: pl.Series, among: pl.Series) -> Ints:
    """Position of each name among others, which are distinct; `NOBODY` where it is not there."""
    known = pl.DataFrame({"name": among}).with_row_index("at")
    found = pl.DataFrame({"name": names}).join(known, on="name", how="left", maintain_order="left")["at"]
    return found.cast(pl.Int64).fill_null(NOBODY).to_numpy()


def numbered(rows: pl.DataFrame) -> tuple[list[Any], Ints]:
    """Distinct rows, and which of them each row is."""
    distinct = rows.unique(maintain_order=True).with_row_index("number")
    number = rows.join(distinct, on=rows.columns, how="left", maintain_order="left")["number"]
    return distinct.select(rows.columns).rows(), number.to_numpy().astype(np.int64)


def spread(begins: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """List the numbers of ranges one after the other: which range each is of, and the number itself."""
    which = np.repeat(np.arange(len(counts)), counts)
    ahead = np.cumsum(counts) - counts
    return which, np.arange(len(which)) - np.repeat(ahead - begins, counts)
