"""
A made-up city of Singapore's size, for load tests without the open data that `loadtests.singapore` reads.

    python -m loadtests.made_singapore OUT

As large as the real one: 1,748 car parks with 275,000 bays that stand free at night, among 10,000 blocks in 24 towns.
Nothing in it is a real place; equal seeds give equal cities. It is written through the two tables that
`loadtests.singapore` reads, so that both go the same way.
"""

from __future__ import annotations

import csv
import re
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loadtests.singapore import write_singapore

CAR_PARKS, BAYS, BLOCKS, TOWNS = 1748, 275_000, 10_000, 24
NAME = "A made-up city of Singapore's size"
DWELLINGS_PER_BLOCK = 20
"""Fewer than the real hundred: load tests ask for bays through the service, and need few demands of a round."""
_WEST, _SOUTH, _EAST, _NORTH = 103.68, 1.28, 103.97, 1.45
_TOWN_SPREAD_DEGREES = 0.008
_WALK_SPREAD_DEGREES = 0.0012
"""About 130 m: how far blocks lie from the car park they were built with."""

Floats = NDArray[np.float64]


def write_made_singapore(out: Path, *, seed: int = 1) -> tuple[int, int, int]:
    """Write the folder; returns how many homes, facilities and demands it has."""
    rng = np.random.default_rng(seed)
    town = rng.integers(0, TOWNS, CAR_PARKS)
    centres = rng.uniform((_WEST, _SOUTH), (_EAST, _NORTH), (TOWNS, 2))
    car_parks = centres[town] + rng.normal(0, _TOWN_SPREAD_DEGREES, (CAR_PARKS, 2))
    built_with = np.concatenate([np.arange(CAR_PARKS), rng.integers(0, CAR_PARKS, BLOCKS - CAR_PARKS)])
    blocks = car_parks[built_with] + rng.normal(0, _WALK_SPREAD_DEGREES, (BLOCKS, 2))
    with tempfile.TemporaryDirectory() as place:
        tables = Path(place) / "blocks.csv", Path(place) / "car_parks.csv"
        _write_blocks(tables[0], blocks, town=town[built_with])
        _write_car_parks(tables[1], car_parks, bays=shared_out(rng.lognormal(0, 0.8, CAR_PARKS), total=BAYS))
        counts = write_singapore(*tables, out)
    settings = out / "neighbourhood.toml"
    settings.write_text(re.sub(r'^name = ".*"$', f'name = "{NAME}"', settings.read_text("utf-8"), flags=re.MULTILINE))
    return counts


def shared_out(weights: Floats, *, total: int) -> NDArray[np.int64]:
    """Share out a total in proportion to weights, at least one each, summing to it exactly."""
    edges = np.rint(np.cumsum(weights) / weights.sum() * (total - len(weights))).astype(np.int64)
    shares: NDArray[np.int64] = np.diff(edges, prepend=0) + 1
    return shares


def _write_blocks(file: Path, points: Floats, *, town: NDArray[np.int64]) -> None:
    titles = ("block_id", "blk_no", "street", "town", "lon", "lat", "dwelling_units")
    rows = (
        (f"b{number}", number, "Made Road", f"Town {of}", f"{lon:.6f}", f"{lat:.6f}", DWELLINGS_PER_BLOCK)
        for number, ((lon, lat), of) in enumerate(zip(points.tolist(), town.tolist(), strict=True))
    )
    _write(file, titles, rows)


def _write_car_parks(file: Path, points: Floats, *, bays: NDArray[np.int64]) -> None:
    titles = ("car_park_no", "address", "night_parking", "gantry_height", "lon", "lat", "free_lots_0459")
    rows = (
        (f"P{number}", f"Car park {number}", "YES", "0", f"{lon:.6f}", f"{lat:.6f}", count)
        for number, ((lon, lat), count) in enumerate(zip(points.tolist(), bays.tolist(), strict=True))
    )
    _write(file, titles, rows)


def _write(file: Path, titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(titles)
        writer.writerows(rows)


if __name__ == "__main__":
    counts = write_made_singapore(Path(sys.argv[1]))
    sys.stdout.write("{} homes, {} facilities, {} demands\n".format(*counts))
