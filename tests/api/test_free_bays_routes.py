"""Free bays as residents' pages and programs ask for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import Engine

from api.app import create_app
from api.settings import Settings
from tests.api.supplied import NIGHT, Supplied

HERE = "http://127.0.0.1"
PATH = "/v1/neighbourhoods/n/free-bays"
TONIGHT = {"from": "2030-05-06T20:00", "to": "2030-05-07T06:00"}


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(), engine), base_url=HERE, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def home(engine: Engine) -> int:
    """Open two bays 100 m from a home and one 300 m away, from hour 18 to hour 32, and around the present time."""
    now = (datetime.now(UTC) - NIGHT) / timedelta(hours=1)
    with engine.begin() as connection:
        supplied = Supplied(connection)
        for walk_m, bays in ((100, 2), (300, 1)):
            ids = supplied.add_group(supplied.add_facility(walk_m, night_price_cents=500), bays)
            supplied.add_opening(ids[0], (18, 32), numbers=(1, bays))
            supplied.add_opening(ids[0], (now - 24, now + 72), numbers=(1, bays))
        return supplied.home


def shown(answer: Response) -> Any:  # noqa: ANN401 -- JSON
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_free_bays_are_geojson_in_walking_order(client: TestClient, home: int) -> None:
    answer = client.get(PATH, params={"home": home, **TONIGHT})
    content = shown(answer)
    assert answer.headers["content-type"] == "application/geo+json"
    assert (content["type"], content["walk_by"], content["next"], content["max_walk_m"]) == (
        "FeatureCollection",
        "pairs",
        None,
        500,
    )
    assert (content["from"], content["to"]) == ("2030-05-06T20:00:00Z", "2030-05-07T06:00:00Z")
    near, far = content["features"]
    assert near["geometry"] == {"type": "Point", "coordinates": [121.5, 31.25]}
    properties = near["properties"]
    assert (properties["walk_m"], properties["walk_min"], properties["free_bays"]) == (100, 2, 2)
    assert (properties["leave_by"], properties["leave_by_local"]) == ("2030-05-07T08:00:00Z", "2030-05-07T08:00:00")
    assert (far["properties"]["walk_m"], far["properties"]["night_price_cents"]) == (300, 500)


def test_a_search_by_post_finds_the_same(client: TestClient, home: int) -> None:
    got = shown(client.get(PATH, params={"home": home, **TONIGHT}))
    assert shown(client.post(PATH, json={"home": home, **TONIGHT})) == got


def test_pages_follow_each_other_and_keep_the_period(client: TestClient, home: int) -> None:
    first = shown(client.get(PATH, params={"home": home, "limit": 1}))
    second = shown(client.get(PATH, params={"home": home, "limit": 1, "cursor": first["next"]}))
    assert [f["properties"]["walk_m"] for f in first["features"] + second["features"]] == [100, 300]
    assert (second["from"], second["to"], second["next"]) == (first["from"], first["to"], None)


def test_without_a_period_tonight_is_meant(client: TestClient, home: int) -> None:
    """No window says otherwise: from 18:00, or now if that is later, until 08:00."""
    content = shown(client.get(PATH, params={"home": home}))
    start, end = datetime.fromisoformat(content["from"]), datetime.fromisoformat(content["to"])
    assert end.hour == 8
    assert start.hour == 18 or abs(start - datetime.now(UTC)) < timedelta(minutes=2)
    assert timedelta(0) < end - start <= timedelta(hours=14)
    assert len(content["features"]) == 2


def test_an_answer_that_did_not_change_is_not_sent_again(client: TestClient, home: int) -> None:
    first = client.get(PATH, params={"home": home, **TONIGHT})
    again = client.get(PATH, params={"home": home, **TONIGHT}, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get(
        PATH, params={"home": home, **TONIGHT, "limit": 1}, headers={"If-None-Match": first.headers["etag"]}
    )
    assert other.status_code == 200


def test_filters_reach_the_search(client: TestClient, home: int) -> None:
    def count(**wishes: object) -> int:
        return len(shown(client.post(PATH, json={"home": home, **TONIGHT, **wishes}))["features"])

    assert count() == 2
    assert count(max_walk_m=299) == 1
    assert count(max_price_cents=499) == 0
    assert count(needs=["ev"]) == 0
    assert count(height_m=2.5) == 2
    assert count(to="2030-05-07T09:00") == 0


@pytest.mark.parametrize(
    "wishes",
    [
        {},
        {"home": 1, "place": {"lon": 121.5, "lat": 31.25}},
        {"home": 0},
        {"home": "x"},
        {"place": {"lon": 181, "lat": 0}},
        {"place": {"lon": 121.5}},
        {"home": 1, "from": "2030-05-06T20:00", "to": "2030-05-06T20:00"},
        {"home": 1, "from": "2030-05-06T20:00", "to": "2030-06-07T20:00"},
        {"home": 1, "to": "2001-01-01T00:00"},
        {"home": 1, "from": "0001-01-01T00:00+14:00"},
        {"home": 1, "from": "9999-12-31T23:59-12:00"},
        {"home": 1, "needs": ["large"]},
        {"home": 1, "height_m": -1},
        {"home": 1, "max_walk_m": 1e9},
        {"home": 1, "limit": 0},
        {"home": 1, "cursor": "nonsense"},
        {"home": 1, "plate": "沪A12345"},
    ],
)
@pytest.mark.usefixtures("home")
def test_a_search_that_makes_no_sense_is_a_problem(client: TestClient, wishes: dict[str, Any]) -> None:
    answer = client.post(PATH, json=wishes)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "沪A12345" not in answer.text


@pytest.mark.parametrize("near", ["121.5", "121.5,31.25,0", "200,0", "nan,0", "121.5,91", "1e2,3"])
@pytest.mark.usefixtures("home")
def test_a_place_that_is_none_is_a_problem(client: TestClient, near: str) -> None:
    assert client.get(PATH, params={"near": near}).status_code == 422


def test_unknown_homes_and_neighbourhoods_are_not_found(client: TestClient, home: int) -> None:
    assert client.get(PATH, params={"home": home + 1}).status_code == 404
    assert client.get("/v1/neighbourhoods/elsewhere/free-bays", params={"home": home}).status_code == 404


def test_a_place_on_the_map_is_measured_straight_where_no_street_is_known(client: TestClient, engine: Engine) -> None:
    """A door 100 m east: 130 m on foot by the factor of 1.3; one 400 m away is 520 m, too far."""
    with engine.begin() as connection:
        supplied = Supplied(connection)
        for aside_m in (100, 400):
            place = supplied.add_facility(0)
            supplied.add_opening(supplied.add_group(place, 1)[0], (18, 32), numbers=(1, 1))
            supplied.add_door(place, aside_m)
    content = shown(client.get(PATH, params={"near": "121.5,31.25", **TONIGHT}))
    assert (content["walk_by"], [f["properties"]["walk_m"] for f in content["features"]]) == ("straight", [130])
    posted = client.post(PATH, json={"place": {"lon": 121.5, "lat": 31.25}, **TONIGHT, "max_walk_m": 520})
    assert [f["properties"]["walk_m"] for f in shown(posted)["features"]] == [130, 520]
