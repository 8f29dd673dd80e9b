"""
How fast walks are found: a perturbed grid city, all homes within the limit of every entrance.

    python -m loadtests.walk_bench [--nodes 1000000] [--entrances 20000] [--homes 100000] [--limit 600] [--seeds 3]

Prints one JSON object: medians over the seeds, in seconds, and what was found. Building the network, putting homes
and entrances on their edges, and the searches are timed apart; compiling is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import time
from typing import Any

import numpy as np
import shapely

from geo.crs import LocalMetres
from geo.network import WalkNetwork, graph_of
from geo.snap import StreetIndex
from geo.walk import nearest_sources, walks_within

SPACING_M = 60.0
"""Metres between neighbouring crossings before they are moved."""
KEPT = 0.85
"""Share of the grid's links that are streets."""
MOVED_M = 15.0
"""Crossings are moved by up to so many metres east and north."""


def grid_city(nodes: int, *, seed: int) -> WalkNetwork:
    """Make a square grid of about `nodes` crossings, moved at random, with `KEPT` of its links."""
    rng = np.random.default_rng(seed)
    side = round(nodes**0.5)
    column, row = np.meshgrid(np.arange(side), np.arange(side))
    x = (column * SPACING_M + rng.uniform(-MOVED_M, MOVED_M, (side, side))).ravel()
    y = (row * SPACING_M + rng.uniform(-MOVED_M, MOVED_M, (side, side))).ravel()
    number = np.arange(side * side).reshape(side, side)
    links = np.concatenate(
        [
            np.column_stack([number[:, :-1].ravel(), number[:, 1:].ravel()]),
            np.column_stack([number[:-1].ravel(), number[1:].ravel()]),
        ]
    )
    links = links[rng.random(len(links)) < KEPT].astype(np.int32)
    ends = np.stack([np.column_stack([x[links[:, i]], y[links[:, i]]]) for i in (0, 1)], axis=1)
    shapes = np.asarray(shapely.linestrings(ends), dtype=object)
    return graph_of(LocalMetres(121.5, 31.28), x, y, links[:, 0], links[:, 1], shapes)


def measure(*, nodes: int, entrances: int, homes: int, limit_m: float, seed: int) -> dict[str, float]:
    """Time one city; seconds by step."""
    seconds: dict[str, float] = {}
    started = time.perf_counter()
    network = grid_city(nodes, seed=seed)
    seconds["build"] = time.perf_counter() - started
    rng = np.random.default_rng(seed + 1)
    far = np.array([network.node_x.max(), network.node_y.max()])
    started = time.perf_counter()
    index = StreetIndex(network)
    seconds["index"] = time.perf_counter() - started
    started = time.perf_counter()
    at_home = index.attach(*(rng.random((homes, 2)) * far).T)
    doors = index.attach(*(rng.random((entrances, 2)) * far).T)
    seconds["snap"] = time.perf_counter() - started
    source = np.arange(entrances, dtype=np.int32)
    started = time.perf_counter()
    walks = walks_within(network, doors, source, at_home, num_sources=entrances, limit_m=limit_m)
    seconds["walks_within"] = time.perf_counter() - started
    started = time.perf_counter()
    nearest_sources(network, doors, source, at_home, num_sources=entrances)
    seconds["nearest"] = time.perf_counter() - started
    return {**seconds, "pairs": len(walks.source), "edges": network.num_edges}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--entrances", type=int, default=20_000)
    parser.add_argument("--homes", type=int, default=100_000)
    parser.add_argument("--limit", type=float, default=600.0)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    measure(nodes=400, entrances=10, homes=10, limit_m=asked.limit, seed=0)
    runs = [
        measure(nodes=asked.nodes, entrances=asked.entrances, homes=asked.homes, limit_m=asked.limit, seed=seed)
        for seed in range(asked.seeds)
    ]
    report: dict[str, Any] = {
        "nodes": asked.nodes,
        "entrances": asked.entrances,
        "homes": asked.homes,
        "limit_m": asked.limit,
        "seeds": asked.seeds,
        "processors": os.cpu_count(),
        "median": {key: round(statistics.median(run[key] for run in runs), 3) for key in runs[0]},
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
