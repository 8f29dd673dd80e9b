"""The branches of a solution as certificate.json lists them: forks that count demands by id, and priced leaves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from allocator.certificate import Fork, Leaf
from allocator.solve import Solution
from api.calendars.clock import instant_text
from api.planning.compiling import Compiled, Ints

Json = dict[str, Any]


def branch_rows(compiled: Compiled, solution: Solution) -> list[Json]:
    """Return one object a node, the root first; none where prices alone prove the plan or nothing does."""
    return [
        _fork_row(compiled, node) if isinstance(node, Fork) else _leaf_row(compiled, node) for node in solution.branches
    ]


def _fork_row(compiled: Compiled, fork: Fork) -> Json:
    return {"count": list(_parts(compiled, fork)), "at_most": fork.at_most, "below": fork.below, "above": fork.above}


def _parts(compiled: Compiled, fork: Fork) -> Iterable[Json]:
    """Demands that count with the same weight at the same bay group, in the order of demands.csv."""
    ids, bays = compiled.neighbourhood.demands["id"], compiled.bays
    bay_group = compiled.instance.pair_bay_group[fork.pair]
    group = np.searchsorted(compiled.instance.pair_ptr, fork.pair, side="right") - 1
    group_of_demand = compiled.group_of_class[compiled.class_of]
    for place, weight in np.unique(np.column_stack((bay_group, fork.weight)), axis=0).tolist():
        mine = group[(bay_group == place) & (fork.weight == weight)]
        demands = np.flatnonzero(np.isin(group_of_demand, mine))
        yield {
            "facility": bays.facility_id[place],
            "bay_group": bays.group_id[place],
            "weight": weight,
            "demands": ids[demands].to_list(),
        }


def _leaf_row(compiled: Compiled, leaf: Leaf) -> Json:
    forks = zip(leaf.fork.tolist(), leaf.fork_price.tolist(), strict=True)
    return {
        "bound_m": leaf.bound_m,
        "forks": [{"fork": fork, "price": price} for fork, price in forks],
        "prices": price_rows(compiled, leaf.price_bay_group, leaf.price_at, leaf.price),
    }


def price_rows(compiled: Compiled, bay_group: Ints, at: Ints, price: Ints) -> list[Json]:
    """Write prices at local instants."""
    bays = compiled.bays
    return [
        {
            "facility": bays.facility_id[place],
            "bay_group": bays.group_id[place],
            "at": instant_text(minute),
            "price": number,
        }
        for place, minute, number in zip(bay_group.tolist(), at.tolist(), price.tolist(), strict=True)
    ]
