"""Walks of a neighbourhood: the folder's own where it has them, else routed on its streets, else the straight line."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from api.errors import Fault, FolderFaults
from api.neighbourhoods.model import Neighbourhood
from geo.errors import GeoError
from geo.pairs import NO_FACILITY, NO_WALK, WalkPairs, network_pairs, straight_line_pairs


def walks_of(neighbourhood: Neighbourhood, *, progress: Callable[[int, int], None] | None = None) -> WalkPairs:
    """
    Pairs of homes and facilities with their walk in whole metres, up to the largest limit that anybody has.

    Indices are positions in `homes` and `facilities`. Walks that the folder lists are the truth and all of them are
    given, longer ones too.

    Raises
    ------
    FolderFaults
        When the streets cannot be read in full.
    """
    if neighbourhood.walks is not None:
        return _listed_walks(neighbourhood)
    facilities = neighbourhood.facilities
    arguments = {
        "home_ids": neighbourhood.homes["id"].to_list(),
        "home_lon": neighbourhood.homes["lon"].to_numpy(),
        "home_lat": neighbourhood.homes["lat"].to_numpy(),
        "facility_ids": [facility.id for facility in facilities],
        "geometries": [facility.geometry for facility in facilities],
        "entrances": [facility.entrances for facility in facilities],
        "limit_m": widest_limit_m(neighbourhood),
    }
    if neighbourhood.streets is None:
        return straight_line_pairs(**arguments)  # type: ignore[arg-type]  # the values are what the names say
    try:
        return network_pairs(streets=neighbourhood.streets, progress=progress, **arguments)  # type: ignore[arg-type]
    except GeoError as error:
        words = str(error).removeprefix(f"{neighbourhood.streets}: ")
        raise FolderFaults([Fault(neighbourhood.streets.name, 1, "file", words)]) from error


def widest_limit_m(neighbourhood: Neighbourhood) -> float:
    """Return the largest walking limit of any demand, the policy's where a demand has none."""
    limits = neighbourhood.demands["max_walk_m"].fill_null(neighbourhood.policy.max_walk_m)
    largest = limits.max()
    return float(largest) if isinstance(largest, int | float) else float(neighbourhood.policy.max_walk_m)


def _listed_walks(neighbourhood: Neighbourhood) -> WalkPairs:
    assert neighbourhood.walks is not None  # noqa: S101  (the caller has asked)
    home_ids = pl.DataFrame({"home": neighbourhood.homes["id"]}).with_row_index("home_index")
    facility_ids = pl.DataFrame(
        {"facility": [facility.id for facility in neighbourhood.facilities]}, schema={"facility": pl.String()}
    ).with_row_index("facility_index")
    listed = (
        neighbourhood.walks.join(home_ids, on="home")
        .join(facility_ids, on="facility")
        .sort("home_index", "facility_index")
    )
    home = listed["home_index"].to_numpy().astype(np.int32)
    facility = listed["facility_index"].to_numpy().astype(np.int32)
    walk_m = listed["walk_m"].to_numpy().astype(np.int32)
    nearest_facility = np.full(len(home_ids), NO_FACILITY, dtype=np.int32)
    nearest_m = np.full(len(home_ids), NO_WALK, dtype=np.int32)
    order = np.lexsort((facility, walk_m, home))
    fresh = np.diff(home[order], prepend=-1) > 0
    nearest_facility[home[order][fresh]], nearest_m[home[order][fresh]] = facility[order][fresh], walk_m[order][fresh]
    unreached = int((nearest_facility == NO_FACILITY).sum())
    warnings = (f"walks.csv lists no facility of this folder for {unreached} homes",) if unreached else ()
    return WalkPairs(
        home=home,
        facility=facility,
        walk_m=walk_m,
        home_reaches=nearest_facility != NO_FACILITY,
        nearest_facility=nearest_facility,
        nearest_m=nearest_m,
        warnings=warnings,
    )
