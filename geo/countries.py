"""Where countries lie, roughly: to notice coordinates that are swapped, shifted or from somewhere else."""

from __future__ import annotations

import csv
import io
from functools import cache
from importlib.resources import files

Box = tuple[float, float, float, float]
"""(min_lon, min_lat, max_lon, max_lat) in WGS 84 degrees."""


def country_box(country: str) -> Box | None:
    """
    Find the bounding box of a country by its ISO 3166-1 alpha-2 code; None for a code that is not known.

    The box holds the land, the islands that belong to the code (not territories with a code of their own) and the
    waters between them, with 0.05 degrees to spare. Countries on both sides of the 180th meridian span all longitudes.

    Notes
    -----
    The table `countries.csv` holds the areas of use that the EPSG registry states for the countries of the world;
    Guernsey, Jersey and the Isle of Man, which have none there, from their coasts. `XK` is Kosovo.
    """
    return _boxes().get(country.upper())


@cache
def _boxes() -> dict[str, Box]:
    table = files("geo").joinpath("countries.csv").read_text(encoding="utf-8")
    return {
        row["country"]: (float(row["min_lon"]), float(row["min_lat"]), float(row["max_lon"]), float(row["max_lat"]))
        for row in csv.DictReader(io.StringIO(table))
    }
