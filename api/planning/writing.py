"""plan.json and what stands beside it: certificate.json, plan.csv, nights.csv and plan.geojson, all or nothing."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import shapely
from shapely.geometry.base import BaseGeometry

from api.errors import UnusablePlace
from api.neighbourhoods.model import Neighbourhood
from api.planning.rows import Rows
from api.sheets import harmless

Json = dict[str, Any]
CERTIFICATE = "certificate.json"
NIGHTS = "nights.csv"
_CHUNK = 5000
"""Rows of a list that are written at a time."""
COMPANIONS = (CERTIFICATE, "plan.csv", NIGHTS, "plan.geojson")


def write_plan(
    out: Path, neighbourhood: Neighbourhood, plan: Json, certificate: Json, *, nights: pl.DataFrame
) -> list[Path]:
    """
    Write a plan and its companions beside it, each file replaced in one move; returns what was written.

    The companions have fixed names, so one folder holds one plan.

    Parameters
    ----------
    nights
        Rows of nights.csv: the bay of each permit.
    """
    files: dict[Path, Iterable[bytes]] = {
        out.with_name(CERTIFICATE): _object(certificate),
        out.with_name("plan.csv"): _rows(plan),
        out.with_name(NIGHTS): [nights.write_csv().encode()],
        out.with_name("plan.geojson"): _features(neighbourhood, plan),
        out: _object(plan),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    staged: list[tuple[Path, Path]] = []
    try:
        for path, content in files.items():
            staged.append((path, _staged(path, content)))
        for path, temporary in staged:
            temporary.replace(path)
    finally:
        for _, temporary in staged:
            temporary.unlink(missing_ok=True)
    return list(files)


def require_place(out: Path) -> None:
    """
    Refuse a place for a plan that cannot hold it, before the work of making one.

    Raises
    ------
    UnusablePlace
        With what is in the way.
    """
    if out.name in COMPANIONS:
        raise UnusablePlace(
            f"{out} is the name of a file that goes beside the plan; name the plan otherwise, as plan.json"
        )
    for path in (out, *(out.with_name(name) for name in COMPANIONS)):
        require_file_place(path)


def require_file_place(out: Path) -> None:
    """
    Refuse a place where a file cannot be put: a folder, a pipe, a device, or below what is no folder.

    Raises
    ------
    UnusablePlace
        With what is in the way.
    """
    if out.is_dir():
        raise UnusablePlace(f"{out} is a folder; name a file")
    if out.exists() and not out.is_file():  # a device would be replaced by a file, a pipe be waited for
        raise UnusablePlace(f"{out} is not a file and is left as it is; name a file")
    nearest = next(parent for parent in out.absolute().parents if parent.exists())
    if not nearest.is_dir():
        raise UnusablePlace(f"{nearest} is not a folder, so {out} cannot be written")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UnusablePlace(f"{nearest} may not be written to")


def _staged(path: Path, content: Iterable[bytes]) -> Path:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.writelines(content)
    temporary = Path(name)
    temporary.chmod(0o644)
    return temporary


def _object(content: Json) -> Iterator[bytes]:
    """Write a JSON object with its lists of objects a few rows at a time; a metropolis has millions of them."""
    opening = b"{"
    for key, value in content.items():
        yield opening + b"\n  " + orjson.dumps(key) + b": "
        opening = b","
        if isinstance(value, Rows) or (isinstance(value, list) and len(value) > _CHUNK):
            yield from _list(value)
        else:
            yield _indented(orjson.dumps(value, option=orjson.OPT_INDENT_2))
    yield b"{}" if opening == b"{" else b"\n}"


def _list(rows: Sequence[Json]) -> Iterator[bytes]:
    opening = b"["
    for begin in range(0, len(rows), _CHUNK):
        some = orjson.dumps(rows[begin : begin + _CHUNK], option=orjson.OPT_INDENT_2)
        yield opening + _indented(some[1:-2])  # between the brackets, each on its own line
        opening = b","
    yield b"[]" if opening == b"[" else b"\n  ]"


def _indented(text: bytes) -> bytes:
    """Move all lines but the first to the right: a line break inside a text is written as two letters."""
    return text.replace(b"\n", b"\n  ")


def _rows(plan: Json) -> Iterator[bytes]:
    """One row a demand: where it goes, or why it goes nowhere in words. People read it; nothing reads it back."""
    line = _Line()
    writer = csv.writer(line, lineterminator="\n")
    writer.writerow(["demand", "facility", "bay_group", "walk_m", "days_left_out", "reason", "text"])
    yield line.text
    for row in plan["assignments"]:
        days = " ".join(row["days_left_out"])
        named = [harmless(row[name]) for name in ("demand", "facility", "bay_group")]
        writer.writerow([*named, row["walk_m"], days, "", ""])
        yield line.text
    for row in plan["unserved"]:
        text = "; ".join(map(option_text, row["options"])) or NOTHING
        writer.writerow([harmless(row["demand"]), "", "", "", "", row["reason"], harmless(text)])
        yield line.text


class _Line:
    """Keep what was written last."""

    text = b""

    def write(self, text: str) -> None:
        self.text = text.encode()


NOTHING = "no facility can be reached on foot"
_WORDS = {
    "too_far": "beyond the walking limit",
    "no_day": "no day of the term is asked for",
    "no_window": "its hours do not cover the stay",
    "no_suitable_bay": "no bay that fits the car and its needs",
    "rejected": "rejected by a reviewer",
    "no_value": "the walk outweighs what a bay is worth",
}


def option_text(option: Json) -> str:
    """Say why one option failed, in words with numbers."""
    where = f"{option['facility']} ({option['bay_group']}) {option['walk_m']} m"
    if option["why"] != "full":
        return f"{where}: {_WORDS[option['why']]}"
    if option["short_m"] == 0:
        return f"{where}: full; tied, lost in the draw or within the gap of the plan"
    return f"{where}: full; {option['short_m']} m of value short"


def _features(neighbourhood: Neighbourhood, plan: Json) -> Iterator[bytes]:
    opening = b'{"type":"FeatureCollection","features":['
    for feature in _each_feature(neighbourhood, plan):
        yield opening + orjson.dumps(feature)
        opening = b","
    yield b"]}" if opening == b"," else opening + b"]}"


def _each_feature(neighbourhood: Neighbourhood, plan: Json) -> Iterator[Json]:
    """Lines from homes to the bays they were given, and points of homes that go without."""
    homes = {identity: (lon, lat) for identity, lon, lat in neighbourhood.homes.select("id", "lon", "lat").iter_rows()}
    home_of = dict(neighbourhood.demands.select("id", "home").iter_rows())
    doors = {facility.id: _door(facility.entrances, facility.geometry) for facility in neighbourhood.facilities}
    for row in plan["assignments"]:
        line = [homes[home_of[row["demand"]]], doors[row["facility"]]]
        yield _feature({"type": "LineString", "coordinates": line}, {**row, "home": home_of[row["demand"]]})
    for row in plan["unserved"]:
        place = homes[home_of[row["demand"]]]
        properties = {"demand": row["demand"], "home": home_of[row["demand"]], "reason": row["reason"]}
        yield _feature({"type": "Point", "coordinates": place}, properties)


def _door(entrances: tuple[tuple[float, float], ...], geometry: BaseGeometry) -> tuple[float, float]:
    if entrances:
        return entrances[0]
    point = shapely.point_on_surface(geometry)
    return float(point.x), float(point.y)


def _feature(geometry: Json, properties: Json) -> Json:
    return {"type": "Feature", "geometry": geometry, "properties": properties}
