"""Neighbourhoods to test under load: written as folders, opened from today on, with a garage for the rush in each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection, Engine, text

from api.neighbourhoods.importing import import_folder
from api.neighbourhoods.read import read_folder
from api.openings.service import materialise
from api.samples.make import siping_sample
from loadtests.made_singapore import write_made_singapore
from loadtests.singapore import write_singapore

RUSH_BAYS = 40
RUSH_RESIDENTS = 1000
_RUSH_GARAGE = "six-o-clock-garage"
_NEAR_DEGREES = 0.003
_TERM = timedelta(days=90)
_NIGHT_STARTS_MIN, _NIGHT_ENDS_MIN = 20 * 60, 31 * 60
"""A night that every kind of window covers: from 20:00 to 07:00."""
_NIGHTS = 12


@dataclass(frozen=True, slots=True)
class LoadPlace:
    """A neighbourhood in the database: its facilities and bays, homes with a facility in reach, and nights to book."""

    name: str
    slug: str
    neighbourhood_id: int
    bays: int
    facilities: tuple[int, ...]
    homes: tuple[int, ...]
    nights: tuple[tuple[datetime, datetime], ...]
    rush_facility: int
    rush_homes: tuple[int, ...]


def siping(folder: Path) -> None:
    """Write the Siping sample."""
    siping_sample(folder)


def singapore_like(folder: Path, *, tables: tuple[Path, Path] | None) -> None:
    """Write Singapore's public housing from its two tables, or the made-up city of its size without them."""
    if tables is None:
        write_made_singapore(folder)
    else:
        write_singapore(*tables, folder)


def load_place(engine: Engine, folder: Path, write: Callable[[Path], None]) -> LoadPlace:
    """Write a folder, store it, and work out its openings; the place is called as the folder."""
    write(folder)
    _start_term_today(folder / "neighbourhood.toml")
    _add_rush_garage(folder / "facilities.geojson")
    report = import_folder(engine, read_folder(folder), folder)
    with engine.begin() as connection:
        neighbourhood = int(
            connection.execute(
                text("SELECT id FROM neighbourhoods WHERE slug = :slug"), {"slug": report.slug}
            ).scalar_one()
        )
        materialise(connection, neighbourhood_id=neighbourhood, now=datetime.now(UTC))
    with engine.begin() as connection:
        connection.execute(text("ANALYZE"))
        return _look_at(connection, neighbourhood, name=folder.name)


def _start_term_today(file: Path) -> None:
    """Move a folder's term to the days in which the load test runs: nothing is sold outside of it."""
    first, last = (date.fromordinal(datetime.now(UTC).date().toordinal() - 2), datetime.now(UTC).date() + _TERM)
    content = file.read_text(encoding="utf-8")
    content = re.sub(r"^from = .*$", f"from = {first.isoformat()}", content, flags=re.MULTILINE)
    file.write_text(re.sub(r"^to = .*$", f"to = {last.isoformat()}", content, flags=re.MULTILINE), encoding="utf-8")


def _add_rush_garage(file: Path) -> None:
    """Put a garage of forty bays where most facilities are around: refused residents have somewhere to go."""
    content = json.loads(file.read_text(encoding="utf-8"))
    points = np.array([_first_point(feature["geometry"]["coordinates"]) for feature in content["features"]])
    near = np.abs(points[:, None] - points[None]).sum(axis=2) < _NEAR_DEGREES
    middle = points[np.argmax(near.sum(axis=1))]
    window = {"days": "daily", "from": "18:00", "to": "32:00", "bays": RUSH_BAYS}
    garage = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": middle.tolist()},
        "properties": {
            "id": _RUSH_GARAGE,
            "name": "Six o'clock garage (synthetic bays)",
            "kind": "public_car_park",
            "bay_groups": [{"id": "std", "kind": "standard", "windows": [window]}],
        },
    }
    content["features"].append(garage)
    file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _first_point(coordinates: Any) -> list[float]:  # noqa: ANN401 -- GeoJSON nests as deep as its kind
    return coordinates if isinstance(coordinates[0], (int, float)) else _first_point(coordinates[0])


def _look_at(connection: Connection, neighbourhood: int, *, name: str) -> LoadPlace:
    row = connection.execute(
        text(
            "SELECT n.slug, n.timezone, (n.policy->>'max_walk_m')::float AS max_walk_m, "
            "(SELECT count(*) FROM bays b JOIN bay_groups g ON g.id = b.bay_group_id JOIN facilities f "
            " ON f.id = g.facility_id WHERE f.neighbourhood_id = n.id) AS bays, "
            "(SELECT f.id FROM facilities f WHERE f.neighbourhood_id = n.id AND f.code = :rush) AS rush "
            "FROM neighbourhoods n WHERE n.id = :id"
        ),
        {"id": neighbourhood, "rush": _RUSH_GARAGE},
    ).one()
    near = {"id": neighbourhood, "walk_m": row.max_walk_m, "rush": row.rush}
    return LoadPlace(
        name=name,
        slug=row.slug,
        neighbourhood_id=neighbourhood,
        bays=row.bays,
        facilities=_ids(
            connection, "SELECT id FROM facilities WHERE neighbourhood_id = :id AND id <> :rush ORDER BY id", near
        ),
        homes=_ids(
            connection,
            "SELECT h.id FROM homes h WHERE h.neighbourhood_id = :id AND EXISTS (SELECT FROM walk_pairs p "
            "WHERE p.home_id = h.id AND p.walk_m <= :walk_m AND p.facility_id <> :rush) ORDER BY 1",
            near,
        ),
        nights=tuple(_nights(ZoneInfo(row.timezone))),
        rush_facility=row.rush,
        rush_homes=_ids(
            connection,
            "SELECT home_id FROM walk_pairs WHERE facility_id = :rush AND walk_m <= :walk_m ORDER BY 1",
            near,
        ),
    )


def _ids(connection: Connection, query: str, values: dict[str, Any]) -> tuple[int, ...]:
    return tuple(connection.execute(text(query), values).scalars())


def _nights(zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
    """List nights that have not begun, the next one first."""
    today = datetime.now(zone).date()
    nights = []
    for day in range(_NIGHTS + 1):
        midnight = datetime.combine(today + timedelta(days=day), datetime.min.time())
        start, end = (
            (midnight + timedelta(minutes=minute)).replace(tzinfo=zone)
            for minute in (_NIGHT_STARTS_MIN, _NIGHT_ENDS_MIN)
        )
        if start > datetime.now(zone) + timedelta(minutes=30):
            nights.append((start, end))
    return nights[:_NIGHTS]
