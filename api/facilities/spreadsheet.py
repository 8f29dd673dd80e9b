"""
A spreadsheet of facilities as features: one row for each bay group and window.

A row names its facility, bay group and window; what belongs to the facility (`name`, `kind`, `lon`, …) stands in one of
its rows and may be repeated or left empty in the others. Faults come back with the line and the column of the sheet.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.errors import Fault
from api.facilities.errors import UnusableFacilities
from api.facilities.offers import Offers, offers_in
from api.neighbourhoods.files import Findings
from api.neighbourhoods.tables import Table, read_table

FILE = "facilities.csv"
REQUIRED = ("facility", "kind", "lon", "lat", "bay_group", "bay_kind", "days", "from", "to", "bays")
OPTIONAL = (
    "name",
    "last_entry",
    "season_from",
    "season_to",
    "entrance_lon",
    "entrance_lat",
    "max_height_m",
    "monthly_price_cents",
    "night_price_cents",
    "buffer_bays",
    "notice_days",
    "no_movement_from",
    "no_movement_to",
)
_NUMBERS = ("max_height_m", "monthly_price_cents", "night_price_cents", "buffer_bays", "notice_days")
_OF_FACILITY = (
    "name",
    "kind",
    "lon",
    "lat",
    "entrance_lon",
    "entrance_lat",
    "no_movement_from",
    "no_movement_to",
    *_NUMBERS,
)
_COLUMNS = {
    "season": "season_from",
    "windows": "bay_group",
    "id": "facility",
    "geometry": "lon",
    "entrances": "entrance_lon",
}
"""Where a fault of a feature's field stands in the sheet, for fields that have no column of their name."""


@dataclass(slots=True)
class _Facility:
    """A facility as its rows say: cells with the line each was first said in, and bay groups with their lines."""

    line: int
    cells: dict[str, str] = field(default_factory=dict)
    said: dict[str, int] = field(default_factory=dict)
    groups: dict[str, _Group] = field(default_factory=dict)


@dataclass(slots=True)
class _Group:
    line: int
    kind: str
    windows: list[tuple[int, Mapping[str, str | None]]] = field(default_factory=list)


def read_sheet(content: bytes, *, crs: str) -> Offers:
    """
    Read a CSV file.

    Raises
    ------
    UnusableFacilities
        With every fault by line and column.
    """
    findings = Findings()
    facilities = _facilities(content, findings)
    features = [(_feature(name, facility), index + 1, ()) for index, (name, facility) in enumerate(facilities.items())]
    read = Findings()
    offers = offers_in(features, read, crs=crs)
    by_index = list(facilities.values())
    findings.faults += [_in_sheet(fault, by_index[fault.line - 1]) for fault in read.faults]
    if findings.faults:
        raise UnusableFacilities(findings.faults)
    warnings = (*findings.warnings, *(re.sub(r"^[^:]*:[0-9]+: ", "", warning) for warning in read.warnings))
    return Offers(tuple(offers), warnings, {name: facility.line for name, facility in facilities.items()})


def _facilities(content: bytes, findings: Findings) -> dict[str, _Facility]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        path.write_bytes(content)
        table = read_table(path, findings, required=REQUIRED, optional=OPTIONAL)
    if table is None:
        return {}
    if not table.frame.height:
        findings.fault(FILE, 1, "row", "there is no row below the header")
    found: dict[str, _Facility] = {}
    ragged = {fault.line for fault in findings.faults}
    for row, cells in enumerate(table.frame.iter_rows(named=True)):
        if table.lines[row] not in ragged:  # of a row with too many or too few cells nothing else is sure
            _add_row(found, table, row, cells)
    return found


def _add_row(found: dict[str, _Facility], table: Table, row: int, cells: Mapping[str, str | None]) -> None:
    line = table.lines[row]
    name, code = cells["facility"], cells["bay_group"]
    for column in ("facility", "bay_group"):
        if cells[column] is None:
            table.fault(row, column, "is empty")
    if name is None or code is None:
        return
    facility = found.setdefault(name, _Facility(line))
    for column in _OF_FACILITY:
        _say(facility, table, row, column, cells[column])
    group = facility.groups.setdefault(code, _Group(line, cells["bay_kind"] or ""))
    if cells["bay_kind"] not in (None, group.kind):
        table.fault(row, "bay_kind", f"is {cells['bay_kind']!r}, but line {group.line} says {group.kind!r}")
    group.windows.append((line, cells))


def _say(facility: _Facility, table: Table, row: int, column: str, cell: str | None) -> None:
    if cell is None:
        return
    known = facility.cells.setdefault(column, cell)
    line = facility.said.setdefault(column, table.lines[row])
    if known != cell:
        table.fault(row, column, f"is {cell!r}, but line {line} says {known!r} of this facility")


def _feature(name: str, facility: _Facility) -> dict[str, Any]:
    cells = facility.cells
    properties: dict[str, Any] = {
        "id": name,
        "name": cells.get("name"),
        "kind": cells.get("kind"),
        "bay_groups": [
            {"id": code, "kind": group.kind.split() or None, "windows": [_window(cells) for _, cells in group.windows]}
            for code, group in facility.groups.items()
        ],
        **{column: _number(cells[column]) for column in _NUMBERS if column in cells},
    }
    if "no_movement_from" in cells or "no_movement_to" in cells:
        properties["no_movement"] = {"from": cells.get("no_movement_from"), "to": cells.get("no_movement_to")}
    if "entrance_lon" in cells or "entrance_lat" in cells:
        properties["entrances"] = [[_number(cells.get("entrance_lon")), _number(cells.get("entrance_lat"))]]
    coordinates = [_number(cells.get("lon")), _number(cells.get("lat"))]
    return {"type": "Feature", "geometry": {"type": "Point", "coordinates": coordinates}, "properties": properties}


def _window(cells: Mapping[str, str | None]) -> dict[str, Any]:
    window: dict[str, Any] = {key: cells[key] for key in ("days", "from", "to")}
    window["bays"] = _number(cells["bays"])
    if cells["last_entry"] is not None:
        window["last_entry"] = cells["last_entry"]
    if cells["season_from"] is not None or cells["season_to"] is not None:
        window["season"] = [cells["season_from"], cells["season_to"]]
    return window


def _number(text: str | None) -> int | float | str | None:
    """Return the number a cell holds; a text that is none as it is, for the reader of features to name."""
    if text is None:
        return None
    try:
        return float(text) if "." in text or "e" in text.lower() else int(text)
    except ValueError:
        return text


def _in_sheet(fault: Fault, facility: _Facility) -> Fault:
    """Say where in the sheet a fault of a feature stands."""
    steps: Sequence[str] = re.findall(r"[^.\[\]]+", fault.field)
    line, column = facility.line, fault.field
    if steps[:1] == ["bay_groups"] and len(steps) > 1:
        group = list(facility.groups.values())[int(steps[1])]
        line, column = group.line, {"kind": "bay_kind", "id": "bay_group"}.get(steps[2], steps[2])
        if steps[2] == "windows" and len(steps) > 4:
            line, column = group.windows[int(steps[3])][0], _window_column(steps[4:])
    elif steps[:1] == ["no_movement"]:
        column = "no_movement_to" if "to" in steps[1:] else "no_movement_from"
    elif steps:
        column = steps[0]
    column = _COLUMNS.get(column, column)
    return Fault(FILE, facility.said.get(column, line), column, fault.message)


def _window_column(steps: Sequence[str]) -> str:
    return "season_to" if steps[:2] == ["season", "1"] else steps[0]
