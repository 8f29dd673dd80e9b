"""Many facilities from one file: all of them or none, and every fault named at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import Engine

from api.facilities.bulk_import import MOST_BYTES
from tests.api.supply import DRAFTS, TOWER, Lane, book, ok, open_lane, problem, tower

IMPORT = "/v1/neighbourhoods/lane-9/facilities/import"
HEADER = "facility,name,kind,lon,lat,bay_group,bay_kind,days,from,to,bays,last_entry,season_from,season_to,buffer_bays"
ROWS = (
    "mall,Mall,public_car_park,121.5190,31.2665,std,standard large,workdays,18:00,32:00,40,22:00,,,2",
    "mall,,,,,std,,rest_days,00:00,32:00,60,,11-01,02-28,",
    "mall,,,,,ev,ev,mon tue,18:00,31:00,5,,,,",
    "office,Office,office_tower,121.5195,31.2660,std,standard,daily,17:30,32:30,20,,,,",
)
MAP = """<?xml version="1.0" encoding="UTF-8"?>
<osm version="0.6">
<node id="1" lat="31.2660" lon="121.5180"><tag k="amenity" v="parking"/><tag k="capacity" v="35"/></node>
<node id="2" lat="31.2661" lon="121.5182"><tag k="amenity" v="parking"/><tag k="name" v="Corner"/></node>
<node id="3" lat="31.2670" lon="121.5200"/><node id="4" lat="31.2670" lon="121.5202"/>
<node id="5" lat="31.2672" lon="121.5202"/>
<way id="9"><nd ref="3"/><nd ref="4"/><nd ref="5"/><nd ref="3"/><tag k="building" v="office"/></way>
</osm>
"""


@pytest.fixture
def town(engine: Engine, lane: Path) -> Iterator[Lane]:
    with open_lane(engine, lane) as town:
        yield town


def sheet(*rows: str) -> str:
    return "\n".join((HEADER, *rows)) + "\n"


def send(client: TestClient, content: str | bytes, media_type: str = "text/csv", **query: str | int | bool) -> Response:
    return client.post(IMPORT, content=content, params=query, headers={"Content-Type": media_type})


def faults(answer: Response) -> list[tuple[int, str]]:
    return [(error["line"], error["field"]) for error in problem(answer, 422)["errors"]]


def test_a_sheet_becomes_drafts_with_groups_and_windows(town: Lane) -> None:
    made = ok(send(town.owner, sheet(*ROWS)))
    assert (made["facilities"], made["bays"], len(made["ids"]), made["published"]) == (2, 85, 2, False)
    mall, office = ok(town.owner.get(DRAFTS))["drafts"]
    assert (mall["status"], mall["owner"], mall["feature"]["properties"]["name"]) == ("draft", town.owner_id, "Mall")
    properties = mall["feature"]["properties"]
    assert properties["buffer_bays"] == 2
    assert [(group["id"], group["kind"]) for group in properties["bay_groups"]] == [
        ("std", ["standard", "large"]),
        ("ev", ["ev"]),
    ]
    night, rest = properties["bay_groups"][0]["windows"]
    assert night == {"days": "workdays", "from": "18:00", "to": "32:00", "bays": 40, "last_entry": "22:00"}
    assert rest == {"days": "rest_days", "from": "00:00", "to": "32:00", "bays": 60, "season": ["11-01", "02-28"]}
    assert properties["bay_groups"][1]["windows"][0]["days"] == ["mon", "tue"]
    assert office["feature"]["geometry"] == {"type": "Point", "coordinates": [121.5195, 31.266]}
    assert len(ok(town.public.get("/v1/neighbourhoods/lane-9/facilities"))["features"]) == 2


FAULTS = (
    ("a,A,garage,121.5,31.2,std,standard,daily,18:00,32:00,4,,,,", "kind"),
    ("b,B,other,221.5,31.2,std,standard,daily,18:00,32:00,4,,,,", "lon"),
    ("c,C,other,121.5,31.2,std,motorbike,daily,18:00,32:00,4,,,,", "bay_kind"),
    ("d,D,other,121.5,31.2,std,standard,sundays,18:00,32:00,4,,,,", "days"),
    ("e,E,other,121.5,31.2,std,standard,daily,6 pm,32:00,4,,,,", "from"),
    ("f,F,other,121.5,31.2,std,standard,daily,18:00,08:00,4,,,,", "to"),
    ("g,G,other,121.5,31.2,std,standard,daily,18:00,32:00,-4,,,,", "bays"),
    ("h,H,other,121.5,31.2,std,standard,daily,18:00,32:00,4,12:00,,,", "last_entry"),
    ("i,I,other,121.5,31.2,std,standard,daily,18:00,32:00,4,,02-30,03-01,", "season_from"),
    ("j,J,other,121.5,31.2,std,standard,daily,18:00,32:00,4,,,,many", "buffer_bays"),
    ("k,K,other,121.5,31.2,,standard,daily,18:00,32:00,4,,,,", "bay_group"),
    ("l,L,other,here,31.2,std,standard,daily,18:00,32:00,4,,,,", "lon"),
    ("m,M,other,121.5,31.2,std,standard,daily,18:00,32:00,,,,,", "bays"),
    ("n,N,other,121.5,31.2,std,standard,daily,18:00,32:00,4,,05-01,,", "season_to"),
)


def test_every_kind_of_fault_in_a_sheet_is_named_by_line_and_column_at_once(town: Lane) -> None:
    answer = send(town.owner, sheet(ROWS[0], *(row for row, _ in FAULTS)))
    assert faults(answer) == [(line, column) for line, (_, column) in enumerate(FAULTS, start=3)]
    assert ok(town.owner.get(DRAFTS))["drafts"] == []


@pytest.mark.parametrize(
    ("rows", "line", "column"),
    [
        ((ROWS[0], ROWS[1].replace("mall,,", "mall,Another,")), 3, "name"),
        ((ROWS[0], ROWS[1].replace("std,,", "std,ev,")), 3, "bay_kind"),
        ((ROWS[0], "too,few"), 3, "row"),
        ((), 1, "row"),
        ((ROWS[0], ROWS[3], ROWS[1].replace("00:00", "25:99")), 4, "from"),
    ],
)
def test_rows_that_do_not_go_together_are_faults(town: Lane, rows: tuple[str, ...], line: int, column: str) -> None:
    assert faults(send(town.owner, sheet(*rows))) == [(line, column)]


def test_a_sheet_without_a_column_it_needs_is_a_fault(town: Lane) -> None:
    assert faults(send(town.owner, sheet(*ROWS).replace("bay_kind", "bay_sort", 1))) == [(1, "bay_kind")]


def test_a_sheet_that_is_not_utf_8_is_a_fault(town: Lane) -> None:
    assert faults(send(town.owner, sheet(ROWS[0].replace("Mall", "商场")).encode("gbk"))) == [(2, "encoding")]


def test_a_dry_run_looks_and_stores_nothing(town: Lane) -> None:
    made = ok(send(town.owner, sheet(*ROWS), dry_run=True))
    assert (made["dry_run"], made["facilities"], made["ids"]) == (True, 2, [])
    assert ok(town.owner.get(DRAFTS))["drafts"] == []
    assert faults(send(town.owner, sheet(FAULTS[0][0]), dry_run=True)) == [(2, "kind")]


def test_what_is_there_already_is_a_fault_of_its_line_also_where_it_is_anothers_draft(town: Lane) -> None:
    ok(town.other.post(DRAFTS, json=tower(id="office")), 201)
    park = ROWS[0].replace("mall", "park")
    assert faults(send(town.owner, sheet(park, ROWS[3]))) == [(2, "id"), (3, "id")]
    assert ok(town.owner.get(DRAFTS))["drafts"] == []


def test_a_planner_may_publish_at_once_and_an_owner_may_not(town: Lane) -> None:
    problem(send(town.owner, sheet(*ROWS), publish=True), 403)
    made = ok(send(town.planner, sheet(*ROWS), publish=True, owner=town.owner_id))
    assert made["published"] is True
    assert len(ok(town.public.get("/v1/neighbourhoods/lane-9/facilities"))["features"]) == 4
    assert ok(town.owner.get(DRAFTS))["drafts"] == []
    ok(book(town.resident(), made["ids"][1], days=1), 201)
    history = ok(town.owner.get(f"/v1/facilities/{made['ids'][1]}/history"))["history"]
    assert [entry["act"] for entry in history] == ["published", "submitted", "drafted"]


def test_geojson_is_read_with_the_line_of_each_fault(town: Lane) -> None:
    features = [TOWER, tower(id="t2", kind="castle"), tower(id="t3", buffer_bays=-1), tower(id="t3")]
    lines = ",\n".join(json.dumps(feature) for feature in features)
    collection = '{"type": "FeatureCollection", "features": [\n' + lines + "\n]}"
    answer = send(town.owner, collection, "application/geo+json")
    assert faults(answer) == [(3, "kind"), (4, "buffer_bays"), (5, "id")]
    good = '{"type": "FeatureCollection", "features": [' + json.dumps(TOWER) + "]}"
    assert len(ok(send(town.owner, good, "application/json; charset=utf-8"))["ids"]) == 1
    assert faults(send(town.owner, good, "application/geo+json")) == [(1, "id")]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"type": "FeatureCollection", "features": []}', "\xff", "[" * 5000]
)
def test_geojson_that_is_none_is_a_fault(town: Lane, content: str) -> None:
    assert faults(send(town.owner, content.encode("latin-1"), "application/geo+json"))[0][0] == 1


def test_places_of_openstreetmap_become_drafts(town: Lane) -> None:
    made = ok(send(town.owner, MAP, "application/xml", **{"from": "19:00", "to": "31:00"}))
    assert (made["facilities"], made["bays"]) == (2, 55)
    assert "1 of 2" in made["warnings"][0]
    counted, guessed = (draft["feature"]["properties"] for draft in ok(town.owner.get(DRAFTS))["drafts"])
    assert (counted["id"], counted["bays_from"], guessed["name"]) == ("n1", "capacity", "Corner")
    assert counted["bay_groups"][0]["windows"] == [{"days": "daily", "from": "19:00", "to": "31:00", "bays": 35}]
    offices = ok(send(town.owner, MAP, "text/xml", kind="office_tower"))
    assert offices["facilities"] == 1


def test_a_map_that_is_broken_or_empty_or_hours_that_are_wrong_are_faults(town: Lane) -> None:
    assert faults(send(town.owner, MAP[:-40], "application/xml")) == [(1, "file")]
    assert faults(send(town.owner, MAP, "application/xml", kind="park_garage")) == [(1, "file")]
    assert faults(send(town.owner, MAP, "application/xml", **{"from": "late"})) == [(1, "from")]


def test_a_file_of_another_kind_or_too_long_a_one_is_refused(town: Lane) -> None:
    problem(send(town.owner, "x", "application/pdf"), 415)
    problem(send(town.owner, b"x" * (MOST_BYTES + 1)), 413)
    large = sheet(ROWS[0], *("mall,,,,,std,,daily,18:00,32:00,1,,,," for _ in range(20_000)))
    assert len(large) > 512 * 1024
    assert ok(send(town.owner, large, dry_run=True))["facilities"] == 1


def test_strangers_import_nothing(town: Lane) -> None:
    problem(send(town.public, sheet(*ROWS)), 401)
    problem(send(town.resident(), sheet(*ROWS)), 403)
    problem(send(town.other, sheet(*ROWS), owner=town.owner_id), 403)
