"""What a planner changes in a solved neighbourhood: one facility, or something that concerns everybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import polars as pl
import shapely

from api.neighbourhoods.model import Facility, Neighbourhood, Window

Edit = Callable[[Neighbourhood], Neighbourhood]

NEXT_DOOR_DEGREES = 0.001
"""A hundred metres or so."""
MORE_DEMAND = 10
"""One household in so many asks a second time, under a new name: ten per cent more."""
LIMIT_M = 400


def _usual_facility(neighbourhood: Neighbourhood) -> int:
    """Return the facility of middle size that is nearest to the middle of the homes, so that an edit touches many."""
    bays = np.array([_bays(facility) for facility in neighbourhood.facilities])
    low, high = np.quantile(bays, [0.4, 0.8])
    middle = neighbourhood.homes.select(pl.col("lon", "lat").median()).row(0)
    places = shapely.centroid(np.array([facility.geometry for facility in neighbourhood.facilities], dtype=object))
    away = np.hypot(shapely.get_x(places) - middle[0], shapely.get_y(places) - middle[1])
    return int(np.argmin(np.where((low <= bays) & (bays <= high), away, np.inf)))


def _bays(facility: Facility) -> int:
    return sum(window.bays for group in facility.bay_groups for window in group.windows)


def _with_windows(neighbourhood: Neighbourhood, changed: Callable[[Window], Window]) -> Neighbourhood:
    """Change all windows of the usual facility."""
    index = _usual_facility(neighbourhood)
    facility = neighbourhood.facilities[index]
    groups = tuple(replace(g, windows=tuple(changed(window) for window in g.windows)) for g in facility.bay_groups)
    return _with_facility(neighbourhood, index, replace(facility, bay_groups=groups))


def _with_facility(neighbourhood: Neighbourhood, index: int, facility: Facility) -> Neighbourhood:
    before, after = neighbourhood.facilities[:index], neighbourhood.facilities[index + 1 :]
    return replace(neighbourhood, facilities=(*before, facility, *after))


def facility_opens(neighbourhood: Neighbourhood) -> Neighbourhood:
    """Open a facility next door to the usual one, and like it; listed walks to it are as to that one."""
    facility = neighbourhood.facilities[_usual_facility(neighbourhood)]
    moved = shapely.transform(facility.geometry, lambda points: points + NEXT_DOOR_DEGREES)
    opened = replace(facility, id="opened", name="Opened", geometry=moved, entrances=())
    walks = neighbourhood.walks
    if walks is not None:
        to_it = walks.filter(pl.col("facility") == facility.id).with_columns(facility=pl.lit("opened"))
        walks = pl.concat([walks, to_it])
    return replace(neighbourhood, facilities=(*neighbourhood.facilities, opened), walks=walks)


def facility_closes(neighbourhood: Neighbourhood) -> Neighbourhood:
    """Close the usual facility for good; nobody holds a permit there any more."""
    index = _usual_facility(neighbourhood)
    closed = neighbourhood.facilities[index].id
    left = neighbourhood.facilities[:index] + neighbourhood.facilities[index + 1 :]
    held = pl.col("holds")
    demands = neighbourhood.demands.with_columns(holds=pl.when(held != closed).then(held))
    return replace(neighbourhood, facilities=left, demands=demands)


def window_changes(neighbourhood: Neighbourhood) -> Neighbourhood:
    """Let the usual facility's windows end an hour earlier."""
    return _with_windows(
        neighbourhood, lambda window: replace(window, to_min=max(window.from_min + 60, window.to_min - 60))
    )


def bays_change(neighbourhood: Neighbourhood) -> Neighbourhood:
    """Give the usual facility half as many bays again, and ten."""
    return _with_windows(neighbourhood, lambda window: replace(window, bays=window.bays * 3 // 2 + 10))


def limit_changes(neighbourhood: Neighbourhood) -> Neighbourhood:
    """Let nobody walk farther than 400 m."""
    return replace(neighbourhood, policy=replace(neighbourhood.policy, max_walk_m=LIMIT_M))


def weights_change(neighbourhood: Neighbourhood) -> Neighbourhood:
    """Bring the tiers closer together: 15000 / 10000 / 5000 becomes 12000 / 9000 / 6000."""
    low = neighbourhood.policy.tier_value_m[2]
    tiers = (low * 12 // 5, low * 9 // 5, low * 6 // 5)
    return replace(neighbourhood, policy=replace(neighbourhood.policy, tier_value_m=tiers))


def demand_grows(neighbourhood: Neighbourhood) -> Neighbourhood:
    """Add a demand like every tenth."""
    more = neighbourhood.demands.gather_every(MORE_DEMAND).with_columns(id=pl.format("more-{}", "id"))
    return replace(neighbourhood, demands=pl.concat([neighbourhood.demands, more]))


LOCAL: Mapping[str, Edit] = MappingProxyType(
    {
        "facility opens": facility_opens,
        "facility closes": facility_closes,
        "window changes": window_changes,
        "bays change": bays_change,
    }
)
GLOBAL: Mapping[str, Edit] = MappingProxyType(
    {"limit 400 m": limit_changes, "weights change": weights_change, "demand + 10 %": demand_grows}
)
EDITS: Mapping[str, Edit] = MappingProxyType({**LOCAL, **GLOBAL})
