"""Small instances full of odd cycles: a bay or two, and permits for nights that overlap two by two."""

from __future__ import annotations

import numpy as np

from allocator.instance import Instance
from tests.allocator.building import Ask, build


def knotted(seed: int) -> Instance:
    """Draw four to nine demands for some of up to five nights at up to three bay groups of one or two bays."""
    random = np.random.default_rng(seed)
    nights, bay_groups = int(random.integers(3, 6)), int(random.integers(1, 4))
    covers = [
        [(3 * night, 3 * night + 2) for night in sorted(random.choice(nights, size=size, replace=False).tolist())]
        for size in random.integers(1, nights, size=20).tolist()
    ]
    asks = []
    for _ in range(int(random.integers(4, 10))):
        near = random.choice(bay_groups, size=int(random.integers(1, bay_groups + 1)), replace=False)
        cover, tier = int(random.integers(20)), int(random.choice([150, 100, 50], p=[0.1, 0.2, 0.7]))
        asks.append(Ask({int(place): (cover, tier - int(random.integers(40))) for place in near}))
    return build(asks, covers=covers, capacity=[[(0, int(random.integers(1, 3)))] for _ in range(bay_groups)])
