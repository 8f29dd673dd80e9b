"""Tiles of facilities, read back by GDAL."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyogrio
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from api.app import create_app
from api.settings import Settings
from api.tiles.recent import RecentTiles
from tests.api.supplied import NIGHT, Supplied

HERE = "http://127.0.0.1"
LON, LAT = 121.5, 31.25


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(), engine), base_url=HERE, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def supplied(engine: Engine) -> list[int]:
    """Open three bays and two at the same place around the present time; return the ids of the three."""
    now = (datetime.now(UTC) - NIGHT) / timedelta(hours=1)
    with engine.begin() as connection:
        supplied = Supplied(connection)
        groups = []
        for bays in (3, 2):
            ids = supplied.add_group(supplied.add_facility(100, night_price_cents=500), bays)
            supplied.add_opening(ids[0], (now - 24, now + 72), numbers=(1, bays))
            groups.append(ids)
        supplied.add_facility(100, status="draft")
        supplied.add_stay(groups[0][1], (now - 24, now + 72))
        return groups[0]


def path(z: int) -> str:
    x = int((LON + 180) / 360 * 2**z)
    y = int((1 - math.asinh(math.tan(math.radians(LAT))) / math.pi) / 2 * 2**z)
    return f"/v1/tiles/facilities/{z}/{x}/{y}.mvt"


def features(client: TestClient, z: int, folder: Path) -> list[dict[str, object]]:
    answer = client.get(path(z))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    tile = folder / "tile.mvt"
    tile.write_bytes(answer.content)
    meta, _, _, columns = pyogrio.raw.read(tile, layer="facilities")
    rows = zip(*columns, strict=True)
    return [dict(zip(meta["fields"], row, strict=True)) for row in rows]


@pytest.mark.usefixtures("supplied")
@pytest.mark.parametrize("z", [12, 15, 22])
def test_a_tile_tells_what_is_free_tonight(client: TestClient, tmp_path: Path, z: int) -> None:
    shown = features(client, z, tmp_path)
    assert [(f["name"], f["kind"], f["free_bays"], f["night_price_cents"]) for f in shown] == [
        ("f1", "other", 2, 500),
        ("f2", "other", 2, 500),
    ]


@pytest.mark.usefixtures("supplied")
@pytest.mark.parametrize("z", [0, 8, 11])
def test_far_out_facilities_are_told_together(client: TestClient, tmp_path: Path, z: int) -> None:
    assert [(f["facilities"], f["free_bays"]) for f in features(client, z, tmp_path)] == [(2, 4)]


@pytest.mark.usefixtures("supplied")
def test_a_tile_without_facilities_is_empty(client: TestClient) -> None:
    answer = client.get("/v1/tiles/facilities/14/0/0.mvt")
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.usefixtures("supplied")
def test_a_tile_that_did_not_change_is_not_sent_again(client: TestClient) -> None:
    first = client.get(path(14))
    assert first.headers["cache-control"] == "public, max-age=15"
    again = client.get(path(14), headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("tile", ["0/1/0", "1/0/2", "23/0/0", "-1/0/0", "2/x/0", "3/0/-1", "22/4194304/0"])
def test_a_tile_that_cannot_be_is_a_problem(client: TestClient, tile: str) -> None:
    answer = client.get(f"/v1/tiles/facilities/{tile}.mvt")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_recent_tile_is_made_once_and_each_place_has_its_own() -> None:
    recent, made = RecentTiles(), []

    def make() -> bytes:
        made.append(1)
        return b"%d" % len(made)

    assert [recent.get(key, make) for key in ((0, 0, 0), (0, 0, 0), (1, 0, 0))] == [b"1", b"1", b"2"]
