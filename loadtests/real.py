"""
Real places as neighbourhood folders, ready for `./dev bench --folders`: `python -m loadtests.real OUT`.

Siping and Monaco are made from the map extracts that come with the sources. Singapore needs two tables of open data:
`--singapore BLOCKS.csv CAR_PARKS.csv` (see `loadtests.singapore`). Demands are made up everywhere.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from api.errors import ApiError
from api.samples.make import make_sample
from loadtests.singapore import write_singapore

ROOT = Path(__file__).parents[1]
MAPS = {"siping": ROOT / "api/samples/data/siping.osm.pbf", "monaco": ROOT / "tests/geo/data/monaco.osm.pbf"}
SINGAPORE = "singapore"
DONE, BAD_INPUT = 0, 2


def write_places(out: Path, *, singapore: tuple[Path, Path] | None = None) -> list[Path]:
    """Write each place into a folder of its own below `out`."""
    written = []
    for name, streets in MAPS.items():
        make_sample(streets, out / name)
        written.append(out / name)
    if singapore is not None:
        write_singapore(*singapore, out / SINGAPORE)
        written.append(out / SINGAPORE)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the places."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.real", description="Write real places as folders.")
    parser.add_argument("out", type=Path, help="a new or empty folder")
    parser.add_argument("--singapore", nargs=2, type=Path, metavar=("BLOCKS", "CAR_PARKS"), help="tables of open data")
    asked = parser.parse_args(arguments)
    try:
        for folder in write_places(asked.out, singapore=asked.singapore):
            print(folder)
    except (ApiError, OSError, KeyError) as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    return DONE


if __name__ == "__main__":
    sys.exit(main())
