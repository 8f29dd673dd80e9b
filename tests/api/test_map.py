"""The map file: one file, nothing fetched, safe whatever a name holds, and drawn by a real browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api.maps.standalone import write_map
from api.neighbourhoods.importing import extra_properties
from api.neighbourhoods.read import read_folder
from api.plans.plan_file import read_plan
from geo.tiles import base_map_geojson
from tests.api.browser import CHROMIUM, opened
from tests.api.test_pages import HOSTILE, Page


def drawn(folder: Path, plan: Path) -> Path:
    """Write the map of a plan, as the command does."""
    out = folder.parent / "map.html"
    neighbourhood = read_folder(folder)
    files = read_plan(plan, folder=folder)
    write_map(
        neighbourhood,
        files.plan,
        files.certificate,
        out,
        extra=extra_properties(folder),
        streets_geojson=base_map_geojson(neighbourhood.streets) if neighbourhood.streets else None,
    )
    return out


def data_of(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Page(out.read_text()).data)
    return content


def test_the_file_holds_everything_and_asks_for_nothing(lane: Path, lane_plan: Path) -> None:
    page = Page(drawn(lane, lane_plan).read_text())
    assert not [
        own for _, own in page.elements if str(own.get("src") or "") or str(own.get("href") or "").startswith("http")
    ]
    assert [own["href"] for tag, own in page.elements if tag == "link" and str(own["href"])[:5] != "data:"] == []
    policy = next(
        str(own["content"]) for tag, own in page.elements if own.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert {own.get("id") for tag, own in page.elements if tag == "script"} >= {
        "map-data",
        "source-library",
        "source-worker",
    }


def test_the_list_and_the_figures_are_those_of_the_service(lane: Path, lane_plan: Path) -> None:
    words = " ".join(Page(drawn(lane, lane_plan).read_text()).words.split())
    for expected in ("Park garage (synthetic bays)", "2 of 4", "No plan whatsoever can exceed 25,334 m", "synthetic"):
        assert expected in words, expected


def test_the_base_map_is_in_the_file_with_its_source_named(lane: Path, lane_plan: Path) -> None:
    out = drawn(lane, lane_plan)
    streets = data_of(out)["base"]["streets"]["features"]
    assert {feature["properties"].get("name") for feature in streets} == {"赤峰路", None}
    assert "© OpenStreetMap contributors" in Page(out.read_text()).words


def test_without_streets_there_is_a_map_all_the_same(lane: Path, lane_plan: Path) -> None:
    (lane / "streets.osm").unlink()
    out = drawn(lane, lane_plan)
    assert data_of(out)["base"] is None
    assert "OpenStreetMap" not in Page(out.read_text()).words


def test_the_same_plan_gives_the_same_file(lane: Path, lane_plan: Path) -> None:
    first = drawn(lane, lane_plan).read_bytes()
    assert drawn(lane, lane_plan).read_bytes() == first


@pytest.fixture
def hostile(lane: Path) -> Path:
    """Give every name in the folder a text that would run, if it were ever taken for markup."""
    content = json.loads((lane / "facilities.geojson").read_text())
    for feature in content["features"]:
        feature["properties"]["name"] = HOSTILE
    content["features"][0]["properties"]["closures"][0]["reason"] = HOSTILE
    (lane / "facilities.geojson").write_text(json.dumps(content))
    quoted = HOSTILE.replace('"', '""')
    (lane / "homes.csv").write_text(
        f'id,lon,lat,name\nh1,121.5181,31.2661,"{quoted}"\nh2,121.52,31.266,\nh3,121.521,31.2664,\n'
    )
    toml = (lane / "neighbourhood.toml").read_text().replace('"Lane 9"', json.dumps(HOSTILE))
    (lane / "neighbourhood.toml").write_text(toml)
    streets = (
        (lane / "streets.osm").read_text().replace("赤峰路", "&lt;/script&gt;&lt;script&gt;alert(3)&lt;/script&gt;")
    )
    (lane / "streets.osm").write_text(streets)
    return lane


def test_hostile_names_stay_names(hostile: Path, lane_plan: Path) -> None:
    out = drawn(hostile, lane_plan)
    page = Page(out.read_text())
    assert HOSTILE in page.words
    assert data_of(out)["facilities"]["features"][0]["properties"]["name"] == HOSTILE
    assert not [tag for tag, _ in page.elements if tag == "img"]
    # The data, four packed sources and the starter; nothing that a name brought along.
    assert len([tag for tag, _ in page.elements if tag == "script"]) == 6
    assert not [key for _, own in page.elements for key in own if key.startswith("on")]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine to draw with")
def test_a_browser_draws_the_file_from_the_disk(hostile: Path, lane_plan: Path) -> None:
    out = drawn(hostile, lane_plan)
    with opened(out.as_uri(), profile=out.parent / "profile") as tab:
        tab.wait_for_map()
        assert tab.value("document.documentElement.dataset.map") == "idle"
        assert tab.value("document.querySelector('canvas.maplibregl-canvas').width > 0")
        # Choosing in the list moves the map and opens a note, in which the hostile name is words.
        tab.value("document.querySelector('#facility-list a').click()")
        assert tab.value("document.querySelector('.maplibregl-popup b').textContent") == HOSTILE
        assert tab.value("document.querySelector('#facility-list [aria-current]') !== null")
        assert tab.value("document.querySelectorAll('img').length") == 0
        assert (
            tab.value("performance.getEntriesByType('resource').filter((r) => r.name.startsWith('http')).length") == 0
        )
        assert tab.said == []


def test_a_city_of_a_hundred_thousand_becomes_a_file_that_opens(lane: Path) -> None:
    """Lines are added up by home and facility, so that the file grows with the pairs and not with the households."""
    num = 20_000
    (lane / "demands.csv").write_text(
        "id,home,days,arrive,leave\n" + "".join(f"d{n},h1,daily,19:00,31:00\n" for n in range(num))
    )
    (lane / "decisions.csv").unlink()
    row = {"facility": "park", "bay_group": "std", "walk_m": 120, "days_left_out": []}
    plan = {
        "status": "feasible",
        "value_m": 1,
        "bound_m": 2,
        "gap": 1.0,
        "demands": num,
        "served": num,
        "served_by_tier": {"3": num},
        "walk_m": {"total": 120 * num, "mean": 120, "p95": 120, "max": 120},
        "assignments": [{"demand": f"d{n}", **row} for n in range(num)],
        "unserved": [],
        "bay_values": [],
    }
    path = lane.parent / "plan.json"
    path.write_text(json.dumps(plan))
    out = drawn(lane, path)
    [flow] = data_of(out)["flows"]["features"]
    assert flow["properties"]["households"] == num
    assert out.stat().st_size < 1_500_000
