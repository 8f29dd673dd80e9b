"""Distances in a city: walks in round steps, so that many are equal, and who lives next to what."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from api.neighbourhoods.model import WALKS_SCHEMA
from geo.pairs import DETOUR_FACTOR

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEP_M = 50
LIMIT_M = 500


def rounded_walks(homes_m: Floats, places_m: Floats, *, home_ids: pl.Series, facility_ids: pl.Series) -> pl.DataFrame:
    """Give walks of up to 500 m rounded to 50 m, for places in metres, (H, 2) and (F, 2)."""
    reach = (LIMIT_M + STEP_M / 2) / DETOUR_FACTOR
    near = cKDTree(homes_m).sparse_distance_matrix(cKDTree(places_m), reach, output_type="ndarray")
    walk_m = np.rint(near["v"] * DETOUR_FACTOR / STEP_M).astype(np.int64) * STEP_M
    kept = walk_m <= LIMIT_M
    home, facility = near["i"][kept], near["j"][kept]
    order = np.lexsort((facility, home))
    columns = {
        "home": home_ids.gather(home[order]),
        "facility": facility_ids.gather(facility[order]),
        "walk_m": walk_m[kept][order],
    }
    return pl.DataFrame(columns).cast(WALKS_SCHEMA)  # type: ignore[arg-type]  # a schema of types is a mapping


def nearest_places(homes_m: Floats, places_m: Floats) -> Ints:
    """Return the nearest place of each home, (H,)."""
    return np.asarray(cKDTree(places_m).query(homes_m)[1], dtype=np.int64)
