"""Pairs of homes and facilities with their walk: the record, and how it is put together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NO_FACILITY = -1
NO_WALK = -1


@dataclass(frozen=True, slots=True, eq=False)
class WalkPairs:
    """J pairs of a home and a facility within the limit, for H homes; distances are metres rounded once."""

    home: NDArray[np.int32]
    """(J,) index into the homes, sorted by (home, facility)."""
    facility: NDArray[np.int32]
    walk_m: NDArray[np.int32]
    """(J,) shortest over the facility's entrances."""
    home_reaches: NDArray[np.bool_]
    """(H,) some facility can be reached at any distance."""
    nearest_facility: NDArray[np.int32]
    """(H,) at any distance; `NO_FACILITY` where none can be reached."""
    nearest_m: NDArray[np.int32]
    """(H,) `NO_WALK` where none can be reached."""
    warnings: tuple[str, ...]
    """In plain words, naming who is concerned."""


def pairs_within(
    home: NDArray[np.integer], facility: NDArray[np.integer], walk_m: NDArray[np.float64], limit_m: float
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Pairs whose rounded metres are within the limit, by home and facility."""
    within = np.flatnonzero(walk_m <= limit_m)
    order = within[np.lexsort((facility[within], home[within]))]
    return home[order].astype(np.int32), facility[order].astype(np.int32), walk_m[order].astype(np.int32)


def walk_pairs_of(
    home: NDArray[np.int32],
    facility: NDArray[np.int32],
    walk_m: NDArray[np.int32],
    *,
    nearest: NDArray[np.int32],
    nearest_m: NDArray[np.float64],
    warnings: tuple[str, ...],
) -> WalkPairs:
    """Sorted pairs with the nearest facility of each home, (H,), at infinite metres where there is none."""
    reaches = np.isfinite(nearest_m)
    return WalkPairs(
        home=home,
        facility=facility,
        walk_m=walk_m,
        home_reaches=reaches,
        nearest_facility=np.where(reaches, nearest, NO_FACILITY).astype(np.int32),
        nearest_m=np.where(reaches, np.rint(np.where(reaches, nearest_m, 0)), NO_WALK).astype(np.int32),
        warnings=warnings,
    )


def no_pairs(num_homes: int, warnings: tuple[str, ...]) -> WalkPairs:
    """Tell that no home knows a walk to anywhere."""
    nothing = np.zeros(0, dtype=np.int32)
    return WalkPairs(
        home=nothing,
        facility=nothing,
        walk_m=nothing,
        home_reaches=np.zeros(num_homes, dtype=bool),
        nearest_facility=np.full(num_homes, NO_FACILITY, dtype=np.int32),
        nearest_m=np.full(num_homes, NO_WALK, dtype=np.int32),
        warnings=warnings,
    )
