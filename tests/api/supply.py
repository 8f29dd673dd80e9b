"""Owners and planners at work in Lane 9: what they send, and what residents then do with it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import Engine, text

from api.app import create_app
from api.neighbourhoods.importing import import_folder
from api.neighbourhoods.read import read_folder
from tests.api.accounts import make_owner, make_planner, make_resident, settings_of_tests, signed_in

HERE = "http://127.0.0.1"
ZONE = ZoneInfo("Asia/Shanghai")
_KEYS = count(1)
DRAFTS = "/v1/neighbourhoods/lane-9/facilities/drafts"

TOWER: dict[str, Any] = {
    "type": "Feature",
    "geometry": {"type": "Point", "coordinates": [121.5185, 31.2662]},
    "properties": {
        "id": "tower",
        "name": "Tower",
        "kind": "office_tower",
        "night_price_cents": 800,
        "bay_groups": [
            {
                "id": "std",
                "kind": "standard",
                "windows": [{"days": "daily", "from": "18:00", "to": "32:00", "bays": 3}],
            }
        ],
    },
}
"""Three bays every night from 18:00 to 08:00, some 80 m from home h1."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Lane 9 with an owner, another one and a planner, all signed in."""

    engine: Engine
    public: TestClient
    owner: TestClient
    other: TestClient
    planner: TestClient
    owner_id: int

    def count(self, question: str, **values: object) -> int:
        """Ask the database for a number."""
        with self.engine.connect() as connection:
            return int(connection.execute(text(question), values).scalar_one())

    def resident(self, name: str = "resident") -> TestClient:
        """Make a resident of home h1."""
        home = self.count("SELECT id FROM homes WHERE code = 'h1'")
        return signed_in(self.public, make_resident(self.engine, home, name))


@contextmanager
def open_lane(engine: Engine, folder: Path, *, streets: bool = False) -> Iterator[Lane]:
    """Import Lane 9, without its streets unless a test walks them, and sign everybody in."""
    if not streets:
        (folder / "streets.osm").unlink()
    import_folder(engine, read_folder(folder), folder)
    app = create_app(settings_of_tests(), engine)
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as public:
        owner = make_owner(engine, "owner")
        yield Lane(
            engine=engine,
            public=public,
            owner=signed_in(public, owner),
            other=signed_in(public, make_owner(engine, "other")),
            planner=signed_in(public, make_planner(engine)),
            owner_id=next(iter(owner.principal.owner_ids)),
        )


def tower(**properties: object) -> dict[str, Any]:
    """Give the tower with other properties."""
    feature = copy.deepcopy(TOWER)
    feature["properties"].update(properties)
    return feature


def with_bays(bays: int) -> dict[str, Any]:
    """Give the tower with another number of bays."""
    feature = tower()
    feature["properties"]["bay_groups"][0]["windows"][0]["bays"] = bays
    return feature


def with_group(**changes: object) -> dict[str, Any]:
    """Give the tower with another bay group; what is None is left out."""
    feature = tower()
    group = {**feature["properties"]["bay_groups"][0], **changes}
    feature["properties"]["bay_groups"] = [{key: value for key, value in group.items() if value is not None}]
    return feature


def ok(answer: Response, status: int = 200) -> Any:  # noqa: ANN401 -- JSON
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def problem(answer: Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    return found


def match(version: int) -> dict[str, str]:
    return {"If-Match": f'"{version}"'}


def publish(lane: Lane, feature: dict[str, Any] | None = None, *, by: TestClient | None = None) -> int:
    """Draft, submit and publish a facility; return its id."""
    owner = by or lane.owner
    draft = ok(owner.post(DRAFTS, json=feature or TOWER), 201)
    path = f"/v1/facilities/{draft['facility']}/draft"
    submitted = ok(owner.post(f"{path}/submission", headers=match(draft["version"])))
    ok(lane.planner.post(f"{path}/publication", headers=match(submitted["version"]), json={}))
    return int(draft["facility"])


def night(days: int) -> dict[str, str]:
    """Give the night so many days from today, 19:00 to 07:00, in local time."""
    evening = datetime.now(ZONE).replace(hour=19, minute=0, second=0, microsecond=0, tzinfo=None) + timedelta(days=days)
    return {"from": evening.isoformat(), "to": (evening + timedelta(hours=12)).isoformat()}


def book(resident: TestClient, facility: int, *, days: int) -> Response:
    """Book a night at a facility."""
    wanted = {"facility": facility, "confirm": True, **night(days)}
    return resident.post("/v1/bookings", json=wanted, headers={"Idempotency-Key": f"supply {next(_KEYS)}"})
