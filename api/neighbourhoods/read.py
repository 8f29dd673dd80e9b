"""A neighbourhood folder read whole: every fault found is told at once, nothing is guessed."""

from __future__ import annotations

import hashlib
import os
from datetime import date
from pathlib import Path
from xml.parsers import expat

import polars as pl
import shapely

from api.calendars.clock import DAY_MIN, hours_text, parse_hours
from api.calendars.day_kinds import REST_DAY, WORKDAY, day_kinds, today
from api.errors import Fault, FolderFaults
from api.neighbourhoods.feature_values import FILE as FACILITIES_FILE
from api.neighbourhoods.files import Findings
from api.neighbourhoods.model import (
    DECISIONS_SCHEMA,
    DEMANDS_SCHEMA,
    HOMES_SCHEMA,
    WALKS_SCHEMA,
    Facility,
    Neighbourhood,
)
from api.neighbourhoods.read_facilities import read_facilities, read_facility_ids
from api.neighbourhoods.read_settings import FILE as SETTINGS_FILE
from api.neighbourhoods.read_settings import Settings, read_settings
from api.neighbourhoods.tables import Table, read_table
from api.neighbourhoods.words import one_of, parse_date, parse_days, parse_needs, parse_yes
from geo.countries import country_box
from geo.crs import geometry_to_wgs84, to_wgs84
from geo.errors import GeoError, MapFileError
from geo.osm.source import is_pbf, require_map_file

WALKS_FILE = "walks.csv"
STREETS_FILES = ("streets.osm.pbf", "streets.osm")
_MOST_WALK_M = 100_000
_MOST_SUM_M = 2**52
"""Prices count thousandths of a metre; this leaves them room."""
_EXAMPLES = 5


def read_folder(folder: Path, *, on: date | None = None) -> Neighbourhood:
    """
    Read and check a neighbourhood folder.

    Parameters
    ----------
    folder
        The folder of NEIGHBOURHOOD.md's files; files not named there are ignored.
    on
        The day on which it is read, for the warning about a term in the past; today without.

    Raises
    ------
    FolderFaults
        With every fault found, by file, line and field.
    """
    findings = Findings()
    if not folder.is_dir():
        raise FolderFaults(
            [Fault(str(folder), 1, "folder", "is missing" if not folder.exists() else "is not a folder")]
        )
    settings = read_settings(folder, findings)
    crs = settings.crs if settings else "EPSG:4326"
    facilities = read_facilities(folder, findings, to_wgs84=lambda geometry: geometry_to_wgs84(geometry, crs=crs))
    facility_ids = read_facility_ids(folder)
    homes, home_ids = _homes(folder, findings, crs)
    demands, demand_ids = _demands(folder, findings, home_ids, facility_ids)
    decisions = _decisions(folder, findings, demand_ids, facility_ids)
    walks = _walks(folder, findings, home_ids)
    overrides = _calendar(folder, findings)
    streets = _streets(folder, findings)
    if settings is not None:
        _check_sums(settings, demands, findings)
    if settings is None or findings.faults:
        raise FolderFaults(findings.faults)
    _warn_of_place(settings, facilities, homes, findings)
    _warn_of_dates(settings, overrides, on or today(), findings)
    return Neighbourhood(
        name=settings.name,
        timezone=settings.timezone,
        country=settings.country,
        crs=settings.crs,
        seed=settings.seed,
        term_from=settings.term_from,
        term_to=settings.term_to,
        policy=settings.policy,
        facilities=facilities,
        homes=homes,
        demands=demands,
        decisions=decisions,
        walks=walks,
        streets=streets,
        calendar_overrides=overrides,
        input_sha256=dict(sorted(findings.sha256.items())),
        warnings=tuple(findings.warnings),
    )


def _homes(folder: Path, findings: Findings, crs: str) -> tuple[pl.DataFrame, pl.Series | None]:
    """Homes and their ids; None where nothing is known of them, so that one fault breeds no others elsewhere."""
    optional = ("name", "estate", "households")
    table = read_table(folder / "homes.csv", findings, required=("id", "lon", "lat"), optional=optional)
    if table is None:
        return pl.DataFrame(schema=HOMES_SCHEMA), None
    ids = table.unique_ids()
    lon = _required_number(table, "lon", low=-180, high=180, what="degrees between -180 and 180")
    lat = _required_number(table, "lat", low=-90, high=90, what="degrees between -90 and 90")
    households = table.whole_numbers(
        "households", low=0, high=10**7, what="a whole number of households", dtype=pl.Int64()
    )
    if crs != "EPSG:4326" and not (lon.is_null().any() or lat.is_null().any()):
        moved = to_wgs84(lon.to_numpy(), lat.to_numpy(), crs=crs)
        lon, lat = pl.Series("lon", moved[0]), pl.Series("lat", moved[1])
    frame = table.frame.with_columns(lon.alias("lon"), lat.alias("lat"), households.alias("households"))
    return frame.select(list(HOMES_SCHEMA)).cast(HOMES_SCHEMA), ids  # type: ignore[arg-type]


def _required_number(table: Table, column: str, *, low: float, high: float, what: str) -> pl.Series:
    table.required(column)
    return table.numbers(column, low=low, high=high, what=what)


def _demands(
    folder: Path, findings: Findings, home_ids: pl.Series | None, facility_ids: pl.Series | None
) -> tuple[pl.DataFrame, pl.Series | None]:
    required = ("id", "home", "days", "arrive", "leave")
    optional = ("tier", "max_walk_m", "needs", "height_m", "stay_through", "rounds_waited", "holds")
    table = read_table(folder / "demands.csv", findings, required=required, optional=optional)
    if table is None:
        return pl.DataFrame(schema=DEMANDS_SCHEMA), None
    ids = table.unique_ids()
    for column in required[1:]:
        table.required(column)
    arrive = table.parsed("arrive", parse_hours, pl.Int32())
    leave = table.parsed("leave", parse_hours, pl.Int32())
    _check_stays(table, arrive, leave)
    whole = "a whole number of rounds"
    frame = pl.DataFrame(
        {
            "id": ids,
            "home": table.known("home", home_ids, "homes.csv"),
            "days": table.parsed("days", parse_days, pl.String()),
            "arrive_min": arrive,
            "leave_min": leave,
            "tier": table.whole_numbers("tier", low=1, high=3, what="1, 2 or 3", dtype=pl.Int8()).fill_null(3),
            "max_walk_m": table.numbers("max_walk_m", low=0, high=_MOST_WALK_M, what="metres, not negative"),
            "needs": table.parsed("needs", parse_needs, pl.String(), default=""),
            "height_m": table.numbers("height_m", low=0, high=100, what="metres between 0 and 100"),
            "stay_through": table.parsed("stay_through", parse_yes, pl.Boolean(), default=False),
            "rounds_waited": table.whole_numbers(
                "rounds_waited", low=0, high=10_000, what=whole, dtype=pl.Int32()
            ).fill_null(0),
            "holds": table.known("holds", facility_ids, FACILITIES_FILE),
        }
    )
    return frame.cast(DEMANDS_SCHEMA), ids  # type: ignore[arg-type]


def _check_stays(table: Table, arrive: pl.Series, leave: pl.Series) -> None:
    def message(row: int) -> str:
        start, end = arrive[row], leave[row]
        next_day = end + DAY_MIN
        hint = f"; write {hours_text(next_day)} for next morning" if start < next_day <= 2 * DAY_MIN else ""
        return f"is {hours_text(end)}, must be after arrive = {hours_text(start)}{hint}"

    table.faults_where(leave <= arrive, "leave", message)


def _decisions(
    folder: Path, findings: Findings, demand_ids: pl.Series | None, facility_ids: pl.Series | None
) -> pl.DataFrame:
    path = folder / "decisions.csv"
    table = read_table(path, findings, required=("demand", "facility", "decision")) if os.path.lexists(path) else None
    if table is None:
        return pl.DataFrame(schema=DECISIONS_SCHEMA)
    table.required("demand")
    table.required("decision")
    frame = pl.DataFrame(
        {
            "demand": table.known("demand", demand_ids, "demands.csv"),
            "facility": table.known("facility", facility_ids, FACILITIES_FILE),
            "decision": table.parsed("decision", one_of("lock", "reject"), pl.String()),
        },
        schema=DECISIONS_SCHEMA,
    )
    _check_decisions(table, frame)
    return frame


def _check_decisions(table: Table, frame: pl.DataFrame) -> None:
    """Find decisions that say nothing, say something twice, or contradict each other."""
    locks = frame["decision"] == "lock"
    named = frame["demand"].is_not_null()
    nowhere = locks & frame["facility"].is_null()
    table.faults_where(nowhere, "facility", lambda _: "is empty, a lock names a facility")
    table.faults_where(_repeated(frame) & named, "demand", lambda row: f"{frame['demand'][row]!r}: said twice")
    locked = frame.filter(locks & named).select("demand", "facility").unique()
    torn = locked.filter(locked["demand"].is_duplicated())["demand"]
    table.faults_where(
        locks & frame["demand"].is_in(torn.implode()),
        "facility",
        lambda row: f"{frame['demand'][row]!r} is locked to two facilities",
    )
    refused = set(frame.filter(frame["decision"] == "reject").select("demand", "facility").rows())
    contradicted = [
        word == "lock" and ((demand, facility) in refused or (demand, None) in refused)
        for demand, facility, word in frame.rows()
    ]
    table.faults_where(
        pl.Series(contradicted, dtype=pl.Boolean()) & named,
        "decision",
        lambda row: f"{frame['demand'][row]!r} is both locked and rejected there",
    )


def _repeated(frame: pl.DataFrame) -> pl.Series:
    """Flag rows that stand further up already."""
    duplicated = frame.is_duplicated()
    if not duplicated.any():
        return duplicated
    return ~frame.select(pl.struct(pl.all()).is_first_distinct()).to_series()


def _walks(folder: Path, findings: Findings, home_ids: pl.Series | None) -> pl.DataFrame | None:
    path = folder / WALKS_FILE
    if not os.path.lexists(path):
        return None
    table = read_table(path, findings, required=("home", "facility", "walk_m"))
    if table is None:
        return pl.DataFrame(schema=WALKS_SCHEMA)
    for column in ("home", "facility"):
        table.required(column)
    # Rounded to whole metres once, here: every rule reads the rounded ones.
    walk = _required_number(table, "walk_m", low=0, high=10_000_000, what="metres, not negative").round(
        mode="half_to_even"
    )
    frame = pl.DataFrame(
        {"home": table.known("home", home_ids, "homes.csv"), "facility": table.frame["facility"], "walk_m": walk}
    )
    pairs = frame.select("home", "facility")
    again = _repeated(pairs)
    table.faults_where(
        again, "home", lambda row: f"the pair {pairs.row(row)[0]!r}, {pairs.row(row)[1]!r} is listed twice"
    )
    return frame.cast(WALKS_SCHEMA)  # type: ignore[arg-type]


def _calendar(folder: Path, findings: Findings) -> dict[date, str]:
    path = folder / "calendar.csv"
    table = read_table(path, findings, required=("date", "kind")) if os.path.lexists(path) else None
    if table is None:
        return {}
    table.unique_ids("date")
    table.required("kind")
    dates = table.parsed("date", parse_date, pl.Date())
    kinds = table.parsed("kind", one_of(WORKDAY, REST_DAY), pl.String())
    return dict(zip(dates.to_list(), kinds.to_list(), strict=True))


def _streets(folder: Path, findings: Findings) -> Path | None:
    present = [folder / name for name in STREETS_FILES if os.path.lexists(folder / name)]
    if not present:
        return None
    if len(present) > 1:
        findings.warnings.append(f"{present[1].name} is ignored: {present[0].name} is there too")
    path = present[0]
    try:
        require_map_file(path)
        if os.path.lexists(folder / WALKS_FILE) and not is_pbf(path):
            _require_whole_xml(path)  # nothing else will read it
    except GeoError as error:
        findings.fault(path.name, 1, "file", str(error).removeprefix(f"{path}: "))
        return None
    findings.sha256[path.name] = _sha256(path)
    return path


def _require_whole_xml(path: Path) -> None:
    """Read streets to their end without keeping anything; MapFileError where they break off."""
    parser = expat.ParserCreate()
    with path.open("rb") as file:
        try:
            parser.ParseFile(file)
        except expat.ExpatError as error:
            raise MapFileError(path, f"cannot be read as OpenStreetMap data: {error}") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_sums(settings: Settings, demands: pl.DataFrame, findings: Findings) -> None:
    """Refuse weights whose sum over all demands no longer fits into whole numbers of 63 bits."""
    policy = settings.policy
    waited = demands["rounds_waited"].max()
    rounds = waited if isinstance(waited, int) else 0
    most_m = max(policy.tier_value_m) + policy.waiting_value_m * rounds + policy.keep_value_m
    if most_m * len(demands) > _MOST_SUM_M:
        findings.fault(
            SETTINGS_FILE,
            1,
            "policy",
            f"{len(demands)} demands worth up to {most_m} m each are too much to be added up",
        )


def _warn_of_place(
    settings: Settings, facilities: tuple[Facility, ...], homes: pl.DataFrame, findings: Findings
) -> None:
    box = country_box(settings.country)
    if box is None:
        return
    west, south, east, north = box
    outside = homes.filter(~(homes["lon"].is_between(west, east) & homes["lat"].is_between(south, north)))[
        "id"
    ].to_list()
    astray = [f.id for f in facilities if not shapely.box(west, south, east, north).intersects(f.geometry)]
    for ids, what in ((outside, "homes"), (astray, "facilities")):
        if ids:
            named = ", ".join(ids[:_EXAMPLES]) + (" …" if len(ids) > _EXAMPLES else "")
            findings.warnings.append(
                f"{len(ids)} {what} lie outside the bounding box of {settings.country} "
                f"(swapped or shifted coordinates?): {named}"
            )


def _warn_of_dates(settings: Settings, overrides: dict[date, str], on: date, findings: Findings) -> None:
    if settings.term_to < on:
        findings.warnings.append(f"{SETTINGS_FILE}: the term lies in the past: it ended on {settings.term_to}")
    elif settings.term_from < on:
        findings.warnings.append(f"{SETTINGS_FILE}: the term began in the past, on {settings.term_from}")
    kinds = day_kinds(settings.country, first=settings.term_from, last=settings.term_to, overrides=overrides)
    unknown = int(kinds.provisional.sum())
    if unknown:
        first = settings.term_from.toordinal() + int(kinds.provisional.argmax())
        findings.warnings.append(
            f"{SETTINGS_FILE}: holidays and make-up workdays of {settings.country} are not known yet for {unknown} "
            f"dates of the term, from {date.fromordinal(first)} on; they are provisional (weekends and statutory "
            "holidays); calendar.csv overrides them"
        )
