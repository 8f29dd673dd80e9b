"""How evenly something is spread, as two indices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PLACES = 4


def gini(values: NDArray[np.int64]) -> float:
    """Gini coefficient Σᵢ Σⱼ |xᵢ − xⱼ| / (2 n² mean): 0 when all are equal, and for nothing at all."""
    total = int(values.sum())
    if not total:
        return 0.0
    count = len(values)
    ranks = 2 * np.arange(1, count + 1) - count - 1
    return round(float(ranks @ np.sort(values)) / (count * total), _PLACES)


def jain(values: NDArray[np.int64]) -> float:
    """Jain's index (Σ x)² / (n Σ x²): 1 when all are equal, and for nothing at all (Jain, Chiu & Hawe 1984)."""
    squares = int((values**2).sum())
    return round(int(values.sum()) ** 2 / (len(values) * squares), _PLACES) if squares else 1.0
