"""Justified envy counted from folder, plan and seed alone; it must be zero."""

from __future__ import annotations

import hmac
from bisect import bisect_right, insort
from collections.abc import Mapping
from typing import Any

import numpy as np

from api.neighbourhoods.model import Neighbourhood
from api.planning.verdicts import Verdicts
from geo.pairs import WalkPairs


def justified_envies(neighbourhood: Neighbourhood, *, walks: WalkPairs, plan: Mapping[str, Any]) -> int:
    """
    Count pairs of demands that no rule can tell apart of which the one drawn later got more: a bay, or a shorter walk.

    Groups come from the rules as the checker reads them and the draw is repeated from the seed, so that this count
    shares nothing with what made the plan.
    """
    verdicts = Verdicts(neighbourhood, walks)
    walk_m = np.full(len(verdicts.ids), np.inf)
    for row in plan["assignments"]:
        walk_m[verdicts.demands[row["demand"]]] = row["walk_m"]
    key = str(plan["seed"]).encode()
    envies = 0
    for equals in verdicts.equals():
        walk_of = dict(zip(verdicts.ids[equals], walk_m[equals].tolist(), strict=True))
        if min(walk_of.values()) < np.inf:
            drawn = sorted(walk_of, key=lambda name: (hmac.digest(key, name.encode(), "sha256"), name))
            envies += _overtaken([walk_of[name] for name in drawn])
    return envies


def _overtaken(walks: list[float]) -> int:
    """Count pairs of which the later is smaller."""
    before: list[float] = []
    count = 0
    for walk_m in walks:
        count += len(before) - bisect_right(before, walk_m)
        insort(before, walk_m)
    return count
