"""What a neighbourhood folder says, read and checked: records for supply, frames for what comes by the million."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import polars as pl
from shapely.geometry.base import BaseGeometry

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_KINDS = ("daily", "workdays", "rest_days")
FACILITY_KINDS = ("park_garage", "office_tower", "public_car_park", "off_peak_road", "other")
BAY_KINDS = ("standard", "accessible", "ev", "large")
NEEDS = ("accessible", "ev")
CRS_NAMES = ("EPSG:4326", "GCJ-02", "BD-09")

HOMES_SCHEMA: dict[str, pl.DataType] = {
    "id": pl.String(),
    "lon": pl.Float64(),
    "lat": pl.Float64(),
    "name": pl.String(),
    "estate": pl.String(),
    "households": pl.Int64(),
}
"""`lon` and `lat` in WGS 84 degrees, converted from the folder's `crs`; the last three may be null."""

DEMANDS_SCHEMA: dict[str, pl.DataType] = {
    "id": pl.String(),
    "home": pl.String(),
    "days": pl.String(),
    "arrive_min": pl.Int32(),
    "leave_min": pl.Int32(),
    "tier": pl.Int8(),
    "max_walk_m": pl.Float64(),
    "needs": pl.String(),
    "height_m": pl.Float64(),
    "stay_through": pl.Boolean(),
    "rounds_waited": pl.Int32(),
    "holds": pl.String(),
}
"""`days` is a day kind or weekdays in order, `needs` is "", "accessible", "ev" or "accessible ev"; minutes count from
the start of the day the stay belongs to; `max_walk_m` (null: the policy's), `height_m` and `holds` may be null."""

DECISIONS_SCHEMA: dict[str, pl.DataType] = {
    "demand": pl.String(),
    "facility": pl.String(),
    "decision": pl.String(),
}
"""A reviewer's word: `lock` or `reject`; `facility` is null for "none at all"."""

WALKS_SCHEMA: dict[str, pl.DataType] = {"home": pl.String(), "facility": pl.String(), "walk_m": pl.Int32()}


@dataclass(frozen=True, slots=True)
class Window:
    """
    Hours in which a bay group may be used, on each day of a kind.

    Minutes count from the start of the window's own day, up to 2,880 (48:00); the interval is half-open.
    """

    days: str
    """A day kind, or weekdays in order separated by spaces (`mon tue`)."""
    from_min: int
    to_min: int
    bays: int
    last_entry_min: int | None = None
    season: tuple[tuple[int, int], tuple[int, int]] | None = None
    """((month, day), (month, day)), both inclusive, of the window's own day; it may run over New Year."""


@dataclass(frozen=True, slots=True)
class BayGroup:
    """Bays of a facility that are interchangeable."""

    id: str
    kinds: tuple[str, ...]
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class Closure:
    """Local wall-clock time during which a facility is shut, half-open."""

    start: datetime
    end: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Facility:
    """A place with bays to share; geometry and entrances in WGS 84 (lon, lat)."""

    id: str
    name: str
    kind: str
    geometry: BaseGeometry
    bay_groups: tuple[BayGroup, ...]
    entrances: tuple[tuple[float, float], ...] = ()
    """Where people on foot come out; empty: the geometry itself."""
    max_height_m: float | None = None
    monthly_price_cents: int | None = None
    buffer_bays: int = 0
    closures: tuple[Closure, ...] = ()
    no_movement: tuple[int, int] | None = None
    """(from, to) in minutes of the day, to ≤ 1,440 + from; it may run over midnight (1,380, 1,800)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The weights of SOLVER.md section 1, in whole metres."""

    tier_value_m: tuple[int, int, int] = (15000, 10000, 5000)
    waiting_value_m: int = 500
    keep_value_m: int = 1000
    max_walk_m: float = 500


@dataclass(frozen=True, slots=True, eq=False)
class Neighbourhood:
    """
    One folder, read and checked.

    Rows keep the order of their files; ids are unique; every reference between files holds (except that `walks` may
    name facilities that are not in the folder).
    """

    name: str
    timezone: str
    country: str
    crs: str
    """As written in the folder; everything in memory is WGS 84."""
    seed: int
    term_from: date
    term_to: date
    policy: Policy
    facilities: tuple[Facility, ...]
    homes: pl.DataFrame
    demands: pl.DataFrame
    decisions: pl.DataFrame
    walks: pl.DataFrame | None
    streets: Path | None
    calendar_overrides: Mapping[date, str]
    """`workday` or `rest_day` by date, from calendar.csv."""
    input_sha256: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
