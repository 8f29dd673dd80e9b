"""Demands as numbers, and the classes of those that no rule can tell apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from api.neighbourhoods.model import Neighbourhood

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Demands as numbers, each column (D,)."""

    pattern_keys: list[tuple[str, int, int, bool]]
    pattern: Ints
    home: Ints
    needs: Ints
    """Bit 0 accessible, bit 1 ev."""
    height_m: NDArray[np.float64]
    """−1 where unknown."""
    limit_m: NDArray[np.float64]
    base_value_m: Ints
    """What tier and rounds waited are worth."""
    tier: Ints
    rounds_waited: Ints
    holds: Ints
    """Facility index or −1."""
    decision: Ints
    """0, or 1 + index of a distinct set of decisions."""
    locked: Ints
    """Facility index or −1."""
    rejected: tuple[frozenset[int] | None, ...]
    """By decision set: facilities rejected, None for every one; the first entry is of demands without decisions."""


def columns_of(neighbourhood: Neighbourhood) -> Columns:
    """Read the demands and what reviewers have decided about them."""
    demands, policy = neighbourhood.demands, neighbourhood.policy
    facility_index = {facility.id: index for index, facility in enumerate(neighbourhood.facilities)}
    keys = demands.select("days", "arrive_min", "leave_min", "stay_through")
    distinct = keys.unique(maintain_order=True).with_row_index("pattern")
    pattern = keys.join(distinct, on=keys.columns, how="left", maintain_order="left")["pattern"]
    homes = pl.DataFrame({"home": neighbourhood.homes["id"]}).with_row_index("index")
    home = demands.select("home").join(homes, on="home", how="left", maintain_order="left")["index"]
    needs = demands["needs"].str.contains("accessible").cast(pl.Int64) + 2 * demands["needs"].str.contains("ev").cast(
        pl.Int64
    )
    tier = demands["tier"].to_numpy().astype(np.int64)
    rounds = demands["rounds_waited"].to_numpy().astype(np.int64)
    decision, locked, rejected = _decisions(neighbourhood, facility_index)
    return Columns(
        pattern_keys=distinct.select(keys.columns).rows(),
        pattern=pattern.to_numpy().astype(np.int64),
        home=home.to_numpy().astype(np.int64),
        needs=needs.to_numpy().astype(np.int64),
        height_m=demands["height_m"].fill_null(-1.0).to_numpy(),
        limit_m=demands["max_walk_m"].fill_null(policy.max_walk_m).to_numpy(),
        base_value_m=np.array(policy.tier_value_m, dtype=np.int64)[tier - 1] + policy.waiting_value_m * rounds,
        tier=tier,
        rounds_waited=rounds,
        holds=demands["holds"]
        .replace_strict(list(facility_index), list(facility_index.values()), default=-1, return_dtype=pl.Int64())
        .fill_null(-1)
        .to_numpy(),
        decision=decision,
        locked=locked,
        rejected=rejected,
    )


def _decisions(
    neighbourhood: Neighbourhood, facility_index: dict[str, int]
) -> tuple[Ints, Ints, tuple[frozenset[int] | None, ...]]:
    """Decision set and locked facility of each demand, and the facilities each set rejects."""
    count = len(neighbourhood.demands)
    decision, locked = np.zeros(count, dtype=np.int64), np.full(count, -1, dtype=np.int64)
    rejected: list[frozenset[int] | None] = [frozenset()]
    if not len(neighbourhood.decisions):
        return decision, locked, tuple(rejected)
    words: dict[str, list[tuple[str | None, str]]] = {}
    for demand, facility, word in neighbourhood.decisions.rows():
        words.setdefault(demand, []).append((facility, word))
    row_of = {demand: row for row, demand in enumerate(neighbourhood.demands["id"].to_list()) if demand in words}
    everything = frozenset(facility_index.values())
    known: dict[tuple[frozenset[int] | None, int], int] = {}
    for demand, said in words.items():
        lock = next((facility_index[facility] for facility, word in said if word == "lock" and facility), -1)
        refused = {facility for facility, word in said if word == "reject"}
        away = None if None in refused else frozenset(facility_index[facility] for facility in refused if facility)
        if lock >= 0:
            away = everything - {lock}
        if (away, lock) not in known:
            rejected.append(away)
            known[away, lock] = len(rejected) - 1
        decision[row_of[demand]], locked[row_of[demand]] = known[away, lock], lock
    return decision, locked, tuple(rejected)


def classes_of(columns: Columns, ids: pl.Series) -> tuple[Ints, Ints]:
    """Class of each demand and the representative of each class, classes in order of their smallest id."""
    heights = np.unique(columns.height_m, return_inverse=True)[1]
    limits = np.unique(columns.limit_m, return_inverse=True)[1]
    key = np.zeros(len(ids), dtype=np.int64)
    parts = (columns.home, columns.pattern, columns.needs, heights, limits, columns.tier, columns.rounds_waited)
    for part in (*parts, columns.holds + 1, columns.decision):
        if not len(part):
            continue
        width = int(part.max()) + 1
        if int(key.max()) + 1 > np.iinfo(np.int64).max // width:
            key = np.unique(key, return_inverse=True)[1].astype(np.int64)
        key = key * width + part
    rank = np.empty(len(ids), dtype=np.int64)
    rank[ids.arg_sort().to_numpy()] = np.arange(len(ids))
    order = np.lexsort((rank, key))
    fresh = np.ones(len(ids), dtype=np.bool_)
    fresh[1:] = key[order][1:] != key[order][:-1]
    smallest = order[fresh]
    label = np.empty(len(ids), dtype=np.int64)
    label[order] = np.cumsum(fresh) - 1
    canonical = np.argsort(rank[smallest])
    position = np.empty(len(smallest), dtype=np.int64)
    position[canonical] = np.arange(len(smallest))
    return position[label], smallest[canonical]
