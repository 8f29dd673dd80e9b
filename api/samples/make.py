"""Make a neighbourhood folder from an OpenStreetMap file."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from api.errors import ApiError
from api.samples.demand import COLUMNS, make_demands
from api.samples.places import Place, find_place
from api.samples.supply import bays_to_share, facility_features
from geo.crs import LocalMetres, local_metres
from geo.osm.candidates import Candidate, find_candidates
from geo.osm.features import Feature, MapFeatures, read_features
from geo.osm.homes import Home, find_homes
from geo.osm.streets import read_streets

TERM_FROM, TERM_TO = date(2026, 12, 1), date(2027, 2, 28)

CARS_PER_HOUSEHOLD = 0.35
"""
Cars that look for a night bay per household: those parked per public-housing dwelling of Singapore (2022-08-01,
04:59).
"""

SUPPLY_SHARE = 2 / 3
"""Bays per demand: so scarce that some go unserved, and no more than cities report."""

SIPING_PARK_BAYS = 100
"""
The "hundred-odd" bays under Jiangpu Park, from which the idea comes, put under the largest park of the Siping sample.
"""

_NAMING_REACH_M = 150.0
"""How far the street may be after which a place without a name or an estate is called."""

_NAMES_SHOWN = 10


class SampleError(ApiError):
    """A sample that cannot be made as asked."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was written."""

    folder: Path
    homes: int
    households: int
    facilities: int
    bays: int
    demands: int
    warnings: tuple[str, ...]
    """What of the map is not in the sample, in plain words."""


def make_sample(
    osm: Path,
    out: Path,
    *,
    name: str | None = None,
    seed: int = 0,
    demands: int | None = None,
    country: str | None = None,
    timezone: str | None = None,
    term_from: date = TERM_FROM,
    term_to: date = TERM_TO,
    park_bays: int | None = None,
) -> Sample:
    """
    Make a neighbourhood folder: streets and buildings as mapped, bays and demands made up and marked as such.

    Parameters
    ----------
    osm
        An `.osm` or `.osm.pbf` file.
    out
        A folder that does not exist or is empty.
    name
        Default: the known place, else the name of the file.
    seed
        The same file, arguments and seed give the same folder.
    demands
        Default: `CARS_PER_HOUSEHOLD` of the estimated households.
    country, timezone
        ISO 3166 alpha-2 code and IANA zone; needed unless the map lies in a known place.
    term_from, term_to
        Inclusive dates.
    park_bays
        Bays under the largest park; default: by its size like everything else.

    Raises
    ------
    SampleError
        If the folder is not empty, the map has no homes or no facilities, or country or time zone are not known.
    GeoError
        If the file cannot be read in full or has no walkable street.
    """
    if term_to < term_from:
        raise SampleError(f"the term ends {term_to}, before it starts on {term_from}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SampleError(f"{out}: not an empty folder; a sample never writes over anything")
    streets = read_streets(osm)
    features = read_features(osm)
    found, places = find_homes(features), find_candidates(features)
    homes, candidates = found.homes, places.candidates
    place = _place(homes, country=country, timezone=timezone, osm=osm)
    if not candidates:
        raise SampleError(f"{osm}: no car park, office, park or minor road that could be a facility")
    households = np.array([home.households for home in homes], dtype=np.int64)
    num_demands = round(CARS_PER_HOUSEHOLD * int(households.sum())) if demands is None else demands
    if not 0 <= num_demands <= households.sum():
        raise SampleError(
            f"demands is {num_demands}, must be between 0 and {households.sum()}, the households of the map"
        )

    plane = local_metres([home.lon for home in homes], [home.lat for home in homes])
    home_points = plane.points([home.lon for home in homes], [home.lat for home in homes])
    shapes = plane.project_all([candidate.geometry for candidate in candidates])
    rng = np.random.default_rng(seed)
    bays = bays_to_share(
        candidates,
        bays=round(num_demands * SUPPLY_SHARE),
        rng=rng,
        fixed=_bays_under_largest_park(candidates, park_bays),
    )
    facilities = facility_features(candidates, bays, _nearest_streets(shapes, features, plane), rng=rng)
    rows = make_demands(
        home_ids=[home.id for home in homes],
        households=households,
        homes=home_points,
        facility_ids=[candidate.id for candidate in candidates],
        facilities=shapes,
        demands=num_demands,
        rng=rng,
    )
    warnings = (
        *streets.warnings(),
        *features.warnings(),
        *(_left_out("buildings", reason, ids) for reason, ids in found.left_out.items()),
        *(_left_out("places", reason, ids) for reason, ids in places.left_out.items()),
    )
    sample = Sample(
        folder=out,
        homes=len(homes),
        households=int(households.sum()),
        facilities=len(facilities),
        bays=int(bays.sum()),
        demands=num_demands,
        warnings=warnings,
    )

    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(osm, out / ("streets.osm.pbf" if osm.name.lower().endswith(".pbf") else "streets.osm"))
    title = f"{name or place.name} (synthetic bays and demands)"
    (out / "neighbourhood.toml").write_text(
        _settings(title, place, seed=seed, term_from=term_from, term_to=term_to), encoding="utf-8"
    )
    _write_geojson(out / "facilities.geojson", facilities)
    near_homes = _nearest_streets(home_points, features, plane)
    _write_csv(out / "homes.csv", ("id", "lon", "lat", "name", "estate", "households"), _home_rows(homes, near_homes))
    _write_csv(out / "demands.csv", COLUMNS, rows)
    (out / "README.txt").write_text(_readme(sample, title, osm=osm, seed=seed), encoding="utf-8")
    return sample


def siping_sample(out: Path, *, seed: int = 0, demands: int | None = None) -> Sample:
    """Make the sample the demo opens on: Siping Road in Yangpu, Shanghai, with a garage under its largest park."""
    with as_file(files("api.samples").joinpath("data/siping.osm.pbf")) as osm:
        return make_sample(
            osm, out, name="Siping Road, Shanghai", seed=seed, demands=demands, park_bays=SIPING_PARK_BAYS
        )


def _place(homes: Sequence[Home], *, country: str | None, timezone: str | None, osm: Path) -> Place:
    if not homes:
        raise SampleError(f"{osm}: no residential buildings; a sample needs homes")
    known = find_place([home.lon for home in homes], [home.lat for home in homes])
    if known is not None:
        country, timezone = country or known.country, timezone or known.timezone
    if country is None or timezone is None:
        raise SampleError(f"{osm}: where is this? Name the country (as in FR) and the time zone (as in Europe/Paris)")
    stem = osm.name.removesuffix(".pbf").removesuffix(".osm")
    return Place(known.name if known else stem, country, timezone, (-180.0, -90.0, 180.0, 90.0))


def _bays_under_largest_park(candidates: Sequence[Candidate], park_bays: int | None) -> Mapping[str, int]:
    parks = [candidate for candidate in candidates if candidate.kind == "park_garage"]
    if park_bays is None or not parks:
        return {}
    return {max(parks, key=lambda park: park.bays).id: park_bays}


def _nearest_streets(shapes: NDArray[np.object_], features: MapFeatures, plane: LocalMetres) -> list[str | None]:
    """Name the nearest street of each shape, None where no street with a name is near."""
    near: list[str | None] = [None] * len(shapes)
    streets: list[Feature] = [line for line in features.lines if "highway" in line.tags and line.name]
    if not streets:
        return near
    tree = shapely.STRtree(plane.project_all([street.geometry for street in streets]))
    shape, street = tree.query_nearest(shapes, max_distance=_NAMING_REACH_M, all_matches=True)
    for at in np.lexsort((street, shape))[::-1]:
        near[shape[at]] = streets[street[at]].name
    return near


def _home_rows(homes: Sequence[Home], near: Sequence[str | None]) -> list[dict[str, str]]:
    return [
        {
            "id": home.id,
            "lon": f"{home.lon:.7f}",
            "lat": f"{home.lat:.7f}",
            "name": home.name or "",
            "estate": home.estate or street or "",
            "households": str(home.households),
        }
        for home, street in zip(homes, near, strict=True)
    ]


def _settings(title: str, place: Place, *, seed: int, term_from: date, term_to: date) -> str:
    # A JSON string is a TOML basic string: both escape quotes, backslashes and control characters alike.
    return (
        "# Streets and buildings: © OpenStreetMap contributors, ODbL 1.0. Bays, windows and demands are synthetic.\n"
        f"name = {json.dumps(title, ensure_ascii=False)}\n"
        f"timezone = {json.dumps(place.timezone)}\n"
        f"country = {json.dumps(place.country)}\n"
        'crs = "EPSG:4326"\n'
        f"seed = {seed}\n\n"
        "[term]\n"
        f"from = {term_from.isoformat()}\n"
        f"to = {term_to.isoformat()}\n"
    )


def _readme(sample: Sample, title: str, *, osm: Path, seed: int) -> str:
    notes = "".join(f"- {warning}\n" for warning in sample.warnings)
    return (
        f"{title}\n\n"
        f"Real: the streets and the {sample.homes} residential buildings of {osm.name},\n"
        "© OpenStreetMap contributors, Open Database License 1.0 (https://www.openstreetmap.org/copyright).\n"
        f"Estimated: their {sample.households} households, from storeys and area where flats are not mapped.\n"
        f"Synthetic, drawn with seed {seed}: all bays ({sample.bays}), windows, prices and heights of the\n"
        f"{sample.facilities} facilities, and the {sample.demands} demands.\n"
        + (f"\nNot in here:\n{notes}" if notes else "")
    )


def _left_out(what: str, reason: str, ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:_NAMES_SHOWN])
    rest = f" and {len(ids) - _NAMES_SHOWN} more" if len(ids) > _NAMES_SHOWN else ""
    return f"{what} left out: {len(ids)} {reason}: {shown}{rest}"


def _write_geojson(path: Path, features: Iterable[Mapping[str, Any]]) -> None:
    lines = ",\n".join(json.dumps(feature, ensure_ascii=False) for feature in features)
    path.write_text(f'{{"type": "FeatureCollection", "features": [\n{lines}\n]}}\n', encoding="utf-8")


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
