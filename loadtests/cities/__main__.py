"""Write a city as a neighbourhood folder, so that any solver can be run on it: `python -m loadtests.cities --help`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from api.neighbourhoods.exporting import write_folder
from loadtests.cities.knobs import City
from loadtests.cities.making import make_city
from loadtests.cities.regimes import REGIMES, city_of
from loadtests.errors import BadCity

BAD_INPUT = 2


def write_city(city: City, folder: Path) -> None:
    """
    Write a city into a new or empty folder.

    Raises
    ------
    BadCity
        When the folder is a file or holds something already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadCity(f"{folder} is there already: name a folder that is new or empty")
    folder.mkdir(parents=True, exist_ok=True)
    write_folder(make_city(city), folder)


def main() -> int:
    """Write one city."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.cities", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("folder", type=Path, help="a new or empty folder")
    parser.add_argument("--demands", type=int, default=10_000, help="how many (default: 10000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same city (default: 1)")
    parser.add_argument("--regime", choices=tuple(REGIMES), default="balanced", help="kind of city (default: balanced)")
    asked = parser.parse_args()
    try:
        write_city(city_of(asked.regime, demands=asked.demands, seed=asked.seed), asked.folder)
    except (BadCity, OSError) as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    print(f"written: {asked.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
