"""A neighbourhood out of the database into a folder that reads back the same."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import shapely
from sqlalchemy import Connection, Engine, select

from api.calendars.clock import hours_text
from api.db import tables
from api.errors import ApiError
from api.facilities.queries import find_newest_plan_id
from api.neighbourhoods.loading import get_neighbourhood_row, load_extra_properties, load_neighbourhood
from api.neighbourhoods.model import BayGroup, Facility, Neighbourhood, Window
from api.plans.queries import get_plan, load_plan_content


class FolderInTheWay(ApiError):
    """The folder to write into holds something already."""


def export_folder(engine: Engine, name: str, out: Path) -> Neighbourhood:
    """
    Write a neighbourhood, by slug or name, as a folder; all of it or nothing.

    Coordinates are kept as WGS 84, so the folder says `crs = "EPSG:4326"` whatever it was imported from: turning them
    back would move them by centimetres each time. The newest plan, if there is one, lies beside as `plan.json` with its
    `certificate.json`; it keeps the hashes of the files it was made from and of the base it was solved from.

    Raises
    ------
    NeighbourhoodNotFound
        There is none of this name.
    FolderInTheWay
        `out` is there and not empty.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FolderInTheWay(f"{out} is there already: name a folder that is new or empty")
    with engine.connect() as connection:
        neighbourhood = load_neighbourhood(connection, name)
        owner = int(get_neighbourhood_row(connection, name).id)
        extra = load_extra_properties(connection, owner)
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as unfinished:
            folder = Path(unfinished) / "folder"
            folder.mkdir()
            write_folder(neighbourhood, folder, extra=extra)
            _write_streets(connection, owner, folder)
            _write_newest_plan(connection, owner, folder)
            if out.exists():
                out.rmdir()
            shutil.move(folder, out)
    return neighbourhood


def write_folder(
    neighbourhood: Neighbourhood, folder: Path, *, extra: Mapping[str, Mapping[str, object]] | None = None
) -> None:
    """Write everything but the street file into a folder; `extra` properties by facility id."""
    write_supply(neighbourhood, folder, extra=extra)
    neighbourhood.homes.write_csv(folder / "homes.csv")
    _demands_table(neighbourhood.demands).write_csv(folder / "demands.csv")
    if neighbourhood.decisions.height:
        neighbourhood.decisions.write_csv(folder / "decisions.csv")
    if neighbourhood.walks is not None:
        neighbourhood.walks.write_csv(folder / "walks.csv")


def write_supply(
    neighbourhood: Neighbourhood, folder: Path, *, extra: Mapping[str, Mapping[str, object]] | None = None
) -> None:
    """Write settings, facilities and calendar of a neighbourhood: all that is not about homes and who lives there."""
    (folder / "neighbourhood.toml").write_text(_settings_text(neighbourhood), encoding="utf-8")
    (folder / "facilities.geojson").write_text(_facilities_text(neighbourhood, extra or {}), encoding="utf-8")
    if neighbourhood.calendar_overrides:
        days = sorted(neighbourhood.calendar_overrides.items())
        pl.DataFrame(days, schema={"date": pl.Date(), "kind": pl.String()}, orient="row").write_csv(
            folder / "calendar.csv"
        )


def _write_streets(connection: Connection, owner: int, folder: Path) -> None:
    t = tables.street_files
    row = connection.execute(select(t.c.name, t.c.content).where(t.c.neighbourhood_id == owner)).one_or_none()
    if row is not None:
        (folder / row.name).write_bytes(row.content)


def _write_newest_plan(connection: Connection, owner: int, folder: Path) -> None:
    plan_id = find_newest_plan_id(connection, owner)
    if plan_id is None:
        return
    contents = {
        "plan.json": load_plan_content(connection, plan_id),
        "certificate.json": get_plan(connection, plan_id).certificate,
    }
    for name, content in contents.items():
        if content is not None:
            (folder / name).write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _settings_text(neighbourhood: Neighbourhood) -> str:
    policy = neighbourhood.policy
    lines = [
        f"name = {_toml_text(neighbourhood.name)}",
        f"timezone = {_toml_text(neighbourhood.timezone)}",
        f"country = {_toml_text(neighbourhood.country)}",
        'crs = "EPSG:4326"',
        f"seed = {neighbourhood.seed}",
        "",
        "[term]",
        f"from = {neighbourhood.term_from.isoformat()}",
        f"to = {neighbourhood.term_to.isoformat()}",
        "",
        "[policy]",
        f"tier_value_m = {list(policy.tier_value_m)}",
        f"waiting_value_m = {policy.waiting_value_m}",
        f"keep_value_m = {policy.keep_value_m}",
        f"max_walk_m = {policy.max_walk_m}",
    ]
    return "\n".join(lines) + "\n"


def _toml_text(text: str) -> str:
    """Quote a text for TOML, whose basic strings take JSON's escapes except for the delete character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _facilities_text(neighbourhood: Neighbourhood, extra: Mapping[str, Mapping[str, object]]) -> str:
    """Write one feature a line, so that a fault's line number names a facility."""
    features = [json.dumps(feature_of(f, extra.get(f.id, {})), ensure_ascii=False) for f in neighbourhood.facilities]
    return '{"type": "FeatureCollection", "features": [\n' + ",\n".join(features) + "\n]}\n"


def feature_of(facility: Facility, extra: Mapping[str, object]) -> dict[str, Any]:
    """Return a facility as its feature in facilities.geojson, with `extra` properties."""
    properties: dict[str, object] = {"id": facility.id, "name": facility.name, "kind": facility.kind}
    if facility.entrances:
        properties["entrances"] = [list(point) for point in facility.entrances]
    if facility.max_height_m is not None:
        properties["max_height_m"] = facility.max_height_m
    if facility.monthly_price_cents is not None:
        properties["monthly_price_cents"] = facility.monthly_price_cents
    if facility.buffer_bays:
        properties["buffer_bays"] = facility.buffer_bays
    if facility.closures:
        properties["closures"] = [
            {"from": c.start.isoformat(), "to": c.end.isoformat(), "reason": c.reason} for c in facility.closures
        ]
    if facility.no_movement:
        start, end = facility.no_movement
        properties["no_movement"] = {"from": hours_text(start), "to": hours_text(end)}
    properties["bay_groups"] = [_bay_group(group) for group in facility.bay_groups]
    geometry = json.loads(shapely.to_geojson(facility.geometry))
    return {"type": "Feature", "geometry": geometry, "properties": {**properties, **extra}}


def _bay_group(group: BayGroup) -> dict[str, object]:
    return {"id": group.id, "kind": list(group.kinds), "windows": [_window(window) for window in group.windows]}


def _window(window: Window) -> dict[str, object]:
    weekdays = window.days not in ("daily", "workdays", "rest_days")
    written: dict[str, object] = {
        "days": window.days.split() if weekdays else window.days,
        "from": hours_text(window.from_min),
        "to": hours_text(window.to_min),
        "bays": window.bays,
    }
    if window.last_entry_min is not None:
        written["last_entry"] = hours_text(window.last_entry_min)
    if window.season is not None:
        written["season"] = [f"{month:02d}-{day:02d}" for month, day in window.season]
    return written


def _demands_table(demands: pl.DataFrame) -> pl.DataFrame:
    """Return the demands as their file has them: hours as text, `yes` for a stay through rest days."""
    return demands.select(
        "id",
        "home",
        "days",
        _hours("arrive_min").alias("arrive"),
        _hours("leave_min").alias("leave"),
        "tier",
        "max_walk_m",
        pl.when(pl.col("needs") == "").then(None).otherwise(pl.col("needs")).alias("needs"),
        "height_m",
        pl.when(pl.col("stay_through")).then(pl.lit("yes")).alias("stay_through"),
        "rounds_waited",
        "holds",
    )


def _hours(column: str) -> pl.Expr:
    minutes = pl.col(column)
    hours = (minutes // 60).cast(pl.String()).str.zfill(2)
    return hours + ":" + (minutes % 60).cast(pl.String()).str.zfill(2)
