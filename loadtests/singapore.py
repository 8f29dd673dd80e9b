"""
The whole of Singapore's public housing as a neighbourhood folder, from open data.

    python -m loadtests.singapore BLOCKS.csv CAR_PARKS.csv OUT

Blocks need the columns `block_id, blk_no, street, town, lon, lat, dwelling_units`; car parks `car_park_no, address,
night_parking, gantry_height, lon, lat, free_lots_0459`. Bays are the lots that stood free at 04:59 in car parks with
night parking; demands are made up: one for ten dwellings, every night 19:00 to 31:00. Source of the data: Housing &
Development Board and Land Transport Authority, Singapore Open Data Licence 1.0.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

DEMANDS_PER_DWELLING = 0.1
SETTINGS = """\
name = "Singapore public housing (demands made up)"
timezone = "Asia/Singapore"
country = "SG"
crs = "EPSG:4326"

[term]
from = 2026-12-01
to = 2027-02-28
"""


def write_singapore(blocks: Path, car_parks: Path, out: Path) -> tuple[int, int, int]:
    """Write the folder; returns how many homes, facilities and demands it has."""
    out.mkdir(parents=True, exist_ok=True)
    homes = _rows(blocks)
    facilities = [feature for row in _rows(car_parks) if (feature := _facility(row)) is not None]
    demands = list(_demands(homes))
    (out / "neighbourhood.toml").write_text(SETTINGS, encoding="utf-8")
    collection = {"type": "FeatureCollection", "features": facilities}
    (out / "facilities.geojson").write_text(json.dumps(collection), encoding="utf-8")
    named = [
        [
            row["block_id"],
            row["lon"],
            row["lat"],
            f"{row['blk_no']} {row['street']}",
            row["town"],
            row["dwelling_units"],
        ]
        for row in homes
    ]
    _write(out / "homes.csv", ("id", "lon", "lat", "name", "estate", "households"), named)
    _write(out / "demands.csv", ("id", "home", "days", "arrive", "leave"), demands)
    return len(homes), len(facilities), len(demands)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _facility(row: Mapping[str, str]) -> dict[str, object] | None:
    if row["night_parking"] != "YES" or not row["free_lots_0459"] or int(row["free_lots_0459"]) < 1:
        return None
    window = {"days": "daily", "from": "18:00", "to": "32:00", "bays": int(row["free_lots_0459"])}
    height_m = float(row["gantry_height"])
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [float(row["lon"]), float(row["lat"])]},
        "properties": {
            "id": row["car_park_no"],
            "name": row["address"],
            "kind": "public_car_park",
            **({"max_height_m": height_m} if height_m > 0 else {}),
            "bay_groups": [{"id": "std", "kind": "standard", "windows": [window]}],
        },
    }


def _demands(homes: Iterable[Mapping[str, str]]) -> Iterable[tuple[str, str, str, str, str]]:
    """One demand for ten dwellings, counted through so that small blocks lose none."""
    dwellings = asked = 0
    for row in homes:
        dwellings += int(row["dwelling_units"])
        due = round(dwellings * DEMANDS_PER_DWELLING)
        for number in range(due - asked):
            yield f"{row['block_id']}-{number + 1}", row["block_id"], "daily", "19:00", "31:00"
        asked = due


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    counts = write_singapore(*(Path(argument) for argument in sys.argv[1:4]))
    sys.stdout.write("{} homes, {} facilities, {} demands\n".format(*counts))
