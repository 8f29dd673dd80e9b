"""The hand-solved neighbourhood, to be copied and spoilt."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from api.errors import FolderFaults
from api.neighbourhoods.model import Neighbourhood
from api.neighbourhoods.read import read_folder

TINY = Path(__file__).parents[1] / "data/tiny"
BEFORE_THE_TERM = date(2026, 9, 1)


def copy_of_tiny(target: Path) -> Path:
    shutil.copytree(TINY, target)
    return target


def faults_of(folder: Path) -> list[str]:
    """Every fault found, as the command line shows them; none when the folder is good."""
    try:
        read_folder(folder, on=BEFORE_THE_TERM)
    except FolderFaults as error:
        return [str(fault) for fault in error.faults]
    return []


def warnings_of(folder: Path, *, on: date = BEFORE_THE_TERM) -> tuple[str, ...]:
    return read_folder(folder, on=on).warnings


def rewrite(path: Path, old: str, new: str) -> None:
    """Replace the first place of a text in a file; the text must be there."""
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new, 1), encoding="utf-8")


def edit_facilities(folder: Path, change: Callable[[dict[str, dict[str, Any]]], object]) -> None:
    """Change features by facility id; the file is written with one feature a line, the first in line 2."""
    path = folder / "facilities.geojson"
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    change({feature["properties"]["id"]: feature for feature in features})
    lines = ",\n".join(json.dumps(feature, ensure_ascii=False) for feature in features)
    path.write_text('{"type": "FeatureCollection", "features": [\n' + lines + "\n]}\n", encoding="utf-8")


D06 = "d06,h1,workdays,22:30,31:00,3,,,,,,\n"
"""Without this row tiny has one best plan but for the draw: with it on the road d14 takes a bay of d01 to d04's."""


def one_best_plan() -> Neighbourhood:
    """Tiny without the demand that makes two plans equally good."""
    folder = read_folder(TINY)
    return replace(folder, demands=folder.demands.filter(pl.col("id") != D06[:3]))
