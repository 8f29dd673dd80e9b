"""A neighbourhood folder into the database: everything or nothing."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import shapely
from sqlalchemy import ColumnElement, Connection, Engine, delete, exists, func, insert, literal_column, select, text

from api.db import account_tables, tables
from api.db.copying import copy_rows, reserve_ids
from api.errors import ApiError
from api.neighbourhoods.feature_values import FILE as FACILITIES_FILE
from api.neighbourhoods.model import Neighbourhood
from api.neighbourhoods.street_rows import copy_streets
from api.neighbourhoods.supply_rows import Supply, copy_supply, hex_wkb
from api.neighbourhoods.walk_rows import Progress, copy_walk_rows
from api.openings.service import materialise
from api.plans.importing import copy_plan
from api.plans.plan_file import read_plan

_LOCK = 0x62617975  # one import at a time in a database: they are seconds long and may replace each other


class NeighbourhoodExists(ApiError):
    """A neighbourhood of this name is there already, and nobody asked to replace it."""


class NeighbourhoodInUse(ApiError):
    """A neighbourhood cannot be replaced: households that signed up live in it."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import has stored."""

    slug: str
    name: str
    replaced: bool
    facilities: int
    bays: int
    homes: int
    demands: int
    walks: int
    streets: int
    plan_id: int | None


def import_folder(
    engine: Engine,
    neighbourhood: Neighbourhood,
    folder: Path,
    *,
    plan: Path | None = None,
    certificate: Path | None = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """
    Store a neighbourhood, and with it a plan, in one transaction.

    Parameters
    ----------
    neighbourhood
        The folder as read and checked.
    folder
        The same on disk: street file and properties of facilities that no rule reads are taken from there.
    plan
        A plan of exactly this folder.
    certificate
        Its certificate; without, `certificate.json` beside the plan if there is one.
    replace
        Whether a neighbourhood of the same name gives way, with its plans; refused otherwise.
    progress
        Called with (facilities done, facilities in all) while walks are worked out along streets.

    Raises
    ------
    NeighbourhoodExists
        The name is taken and `replace` was not asked for.
    FolderFaults
        The plan is broken, names what is not in the folder, or was made from other inputs; or walks depend on streets
        that cannot be read in full.
    UnstorableText
        A text holds a zero character.
    """
    plan_file = read_plan(plan, folder=folder, certificate=certificate) if plan else None
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        replaced = _make_room(connection, neighbourhood.name, replace=replace)
        owner = _insert_neighbourhood(connection, neighbourhood)
        supply = copy_supply(connection, owner, neighbourhood.facilities, extra=extra_properties(folder))
        homes = _copy_homes(connection, owner, neighbourhood.homes)
        demands = _copy_demands(connection, owner, neighbourhood.demands, homes, supply)
        _copy_decisions(connection, owner, neighbourhood.decisions, demands, supply)
        _copy_calendar(connection, owner, neighbourhood)
        walks = _copy_walks(connection, neighbourhood.walks, homes)
        copy_walk_rows(connection, owner, neighbourhood, homes=homes, facilities=supply.facilities, progress=progress)
        materialise(connection, neighbourhood_id=owner, now=datetime.now(UTC))
        streets = copy_streets(connection, owner, neighbourhood.streets)
        plan_id = copy_plan(connection, owner, plan_file, demands=demands, groups=supply.groups) if plan_file else None
        slug = connection.scalar(select(tables.neighbourhoods.c.slug).where(tables.neighbourhoods.c.id == owner))
    return ImportReport(
        slug=slug or "",
        name=neighbourhood.name,
        replaced=replaced,
        facilities=len(neighbourhood.facilities),
        bays=supply.num_bays,
        homes=neighbourhood.homes.height,
        demands=neighbourhood.demands.height,
        walks=walks,
        streets=streets,
        plan_id=plan_id,
    )


def extra_properties(folder: Path) -> Mapping[str, Mapping[str, object]]:
    """Return the properties of each facility as the file has them, by id; the file has been checked before."""
    content = json.loads((folder / FACILITIES_FILE).read_text(encoding="utf-8-sig"))
    return {str(feature["properties"]["id"]).strip(): feature["properties"] for feature in content["features"]}


def _make_room(connection: Connection, name: str, *, replace: bool) -> bool:
    """Remove a neighbourhood of this name when that was asked for; tell whether there was one."""
    there = tables.neighbourhoods.c.name == name
    if not connection.scalar(select(func.count()).select_from(tables.neighbourhoods).where(there)):
        return False
    if not replace:
        raise NeighbourhoodExists(
            f"a neighbourhood called {name!r} is in the database already: import with --replace to put this one in its "
            "place (its plans go too), or change `name` in neighbourhood.toml."
        )
    if connection.scalar(select(literal_column("true")).where(there, _lived_in())):
        raise NeighbourhoodInUse(
            f"households live in the neighbourhood {name!r}, and their bookings and permits would go with it: change "
            "its facilities in the service, or import under another `name` in neighbourhood.toml."
        )
    connection.execute(delete(tables.neighbourhoods).where(there))
    return True


def _lived_in() -> ColumnElement[bool]:
    """Whether a neighbourhood has households that signed up, whom no import may send away."""
    at_home = (account_tables.households.c.home_id == tables.homes.c.id) & (
        tables.homes.c.neighbourhood_id == tables.neighbourhoods.c.id
    )
    return exists().where(at_home)


def _insert_neighbourhood(connection: Connection, neighbourhood: Neighbourhood) -> int:
    row = {
        "slug": _free_slug(connection, neighbourhood.name),
        "name": neighbourhood.name,
        "timezone": neighbourhood.timezone,
        "country": neighbourhood.country,
        "crs": neighbourhood.crs,
        "seed": neighbourhood.seed,
        "term_from": neighbourhood.term_from,
        "term_to": neighbourhood.term_to,
        "policy": asdict(neighbourhood.policy),
        "has_walks": neighbourhood.walks is not None,
        "input_sha256": dict(neighbourhood.input_sha256),
        "warnings": list(neighbourhood.warnings),
    }
    statement = insert(tables.neighbourhoods).values(row).returning(tables.neighbourhoods.c.id)
    return int(connection.execute(statement).scalar_one())


def slug_of(name: str) -> str:
    """Return a name for addresses: the Latin letters and digits of a name, or a digest of a name without any."""
    latin = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", latin).strip("-")[:60].rstrip("-")
    return slug or f"n-{_digest(name)}"


def _free_slug(connection: Connection, name: str) -> str:
    slug = slug_of(name)
    taken = connection.scalar(select(literal_column("true")).where(tables.neighbourhoods.c.slug == slug))
    return f"{slug}-{_digest(name)}" if taken else slug


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def _copy_homes(connection: Connection, owner: int, homes: pl.DataFrame) -> pl.DataFrame:
    """Store the homes; return their ids by code."""
    points = shapely.points(homes.select("lon", "lat").to_numpy().reshape(-1, 2))
    frame = homes.rename({"id": "code"}).select(
        reserve_ids(connection, tables.homes, count=homes.height),
        pl.lit(owner).alias("neighbourhood_id"),
        "code",
        pl.int_range(pl.len()).alias("position"),
        "name",
        "estate",
        "households",
        pl.Series("geometry", hex_wkb(points), dtype=pl.String()),
    )
    copy_rows(connection, tables.homes, frame)
    return frame.select("code", "id")


def _copy_demands(
    connection: Connection, owner: int, demands: pl.DataFrame, homes: pl.DataFrame, supply: Supply
) -> pl.DataFrame:
    """Store the demands; return their ids by code."""
    frame = (
        demands.rename({"id": "code"})
        .join(homes.rename({"code": "home", "id": "home_id"}), on="home", how="left", maintain_order="left")
        .join(
            supply.facilities.rename({"code": "holds", "id": "holds_facility_id"}),
            on="holds",
            how="left",
            maintain_order="left",
        )
        .drop("home", "holds")
        .with_columns(
            reserve_ids(connection, tables.demands, count=demands.height),
            pl.lit(owner).alias("neighbourhood_id"),
            pl.int_range(pl.len()).alias("position"),
        )
    )
    copy_rows(connection, tables.demands, frame)
    return frame.select("code", "id")


def _copy_decisions(
    connection: Connection, owner: int, decisions: pl.DataFrame, demands: pl.DataFrame, supply: Supply
) -> None:
    frame = (
        decisions.join(
            demands.rename({"code": "demand", "id": "demand_id"}), on="demand", how="left", maintain_order="left"
        )
        .join(
            supply.facilities.rename({"code": "facility", "id": "facility_id"}),
            on="facility",
            how="left",
            maintain_order="left",
        )
        .select(
            pl.lit(owner).alias("neighbourhood_id"),
            pl.int_range(pl.len()).alias("position"),
            "demand_id",
            "facility_id",
            "decision",
        )
    )
    copy_rows(connection, tables.decisions, frame)


def _copy_calendar(connection: Connection, owner: int, neighbourhood: Neighbourhood) -> None:
    overrides = neighbourhood.calendar_overrides
    frame = pl.DataFrame(
        {"date": list(overrides), "kind": list(overrides.values())}, schema={"date": pl.Date(), "kind": pl.String()}
    )
    copy_rows(connection, tables.calendar_days, frame.with_columns(pl.lit(owner).alias("neighbourhood_id")))


def _copy_walks(connection: Connection, walks: pl.DataFrame | None, homes: pl.DataFrame) -> int:
    if walks is None:
        return 0
    frame = walks.join(
        homes.rename({"code": "home", "id": "home_id"}), on="home", how="left", maintain_order="left"
    ).select("home_id", "facility", pl.int_range(pl.len()).alias("position"), "walk_m")
    return copy_rows(connection, tables.walks, frame)
