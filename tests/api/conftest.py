"""A small neighbourhood with a plan, written by hand: every field of the folder contract is in it somewhere."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from api.cli import main
from tests.api.running import Run

SETTINGS = """name = "Lane 9"
timezone = "Asia/Shanghai"
country = "CN"
crs = "EPSG:4326"
seed = 7

[term]
from = 2026-09-14
to = 2026-10-11

[policy]
waiting_value_m = 400
"""

HOMES = """id,lon,lat,name,estate,households
h1,121.5181234567,31.2661234567,"Block ""A"", east",East,40
h2,121.5205,31.2660,,,
h3,121.5212,31.2664,西北一楼,国康路,178
"""

DEMANDS = """id,home,days,arrive,leave,tier,max_walk_m,needs,height_m,stay_through,rounds_waited,holds
d1,h1,daily,19:00,31:00,1,,,,,,park
d2,h1,workdays,18:30,32:00,2,300,,1.95,yes,2,
d3,h2,mon tue,20:00,30:30,,,accessible ev,,,,
d4,h3,daily,19:00,31:00,3,,,,,1,
"""

WALKS = "home,facility,walk_m\nh1,park,120\nh1,not-yet-offered,90\nh2,park,210\nh3,road,60\n"

STREETS = """<?xml version="1.0" encoding="UTF-8"?>
<osm version="0.6">
<node id="1" lat="31.2660" lon="121.5180"/><node id="2" lat="31.2660" lon="121.5200"/>
<node id="3" lat="31.2670" lon="121.5200"/><node id="4" lat="31.2670" lon="121.5180"/>
<way id="10"><nd ref="1"/><nd ref="2"/><nd ref="3"/>
<tag k="highway" v="residential"/><tag k="name" v="赤峰路"/></way>
<way id="11"><nd ref="3"/><nd ref="4"/><tag k="highway" v="footway"/></way>
<way id="12"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="4"/><nd ref="1"/><tag k="leisure" v="park"/></way>
</osm>
"""


def facility(
    identity: str, geometry: dict[str, Any], kind: str, groups: list[dict[str, Any]], **properties: object
) -> dict[str, Any]:
    """Write a facility as a feature of facilities.geojson."""
    own = {"id": identity, "kind": kind, "bay_groups": groups, **properties}
    return {"type": "Feature", "geometry": geometry, "properties": own}


def facilities() -> list[dict[str, Any]]:
    """Give the facilities of Lane 9: a park garage with two groups, and a road."""
    night = {"days": "daily", "from": "18:00", "to": "31:30", "bays": 3, "last_entry": "22:00"}
    rest = {"days": "rest_days", "from": "00:00", "to": "32:00", "bays": 5, "season": ["11-01", "02-28"]}
    corner = [[121.519, 31.267], [121.5195, 31.267], [121.5195, 31.2674], [121.519, 31.267]]
    park = facility(
        "park",
        {"type": "Polygon", "coordinates": [corner]},
        "park_garage",
        [
            {"id": "std", "kind": ["standard", "large"], "windows": [night, rest]},
            {"id": "acc", "kind": ["accessible", "ev"], "windows": [{**night, "days": ["mon", "tue"], "bays": 1}]},
        ],
        name="Park garage",
        entrances=[[121.51912345, 31.26701234]],
        max_height_m=2.1,
        monthly_price_cents=30000,
        buffer_bays=1,
        closures=[{"from": "2026-09-21T00:00", "to": "2026-09-22T12:00", "reason": "cleaning"}],
        synthetic=True,
        source={"osm": "w12"},
    )
    road = facility(
        "road",
        {"type": "LineString", "coordinates": [[121.517, 31.265], [121.518, 31.265]]},
        "off_peak_road",
        [
            {
                "id": "std",
                "kind": "standard",
                "windows": [{"days": "workdays", "from": "20:00", "to": "31:00", "bays": 2}],
            }
        ],
        name="Road",
        no_movement={"from": "23:00", "to": "06:00"},
    )
    return [park, road]


@pytest.fixture
def lane(tmp_path: Path) -> Path:
    """Write the folder."""
    folder = tmp_path / "lane-9"
    folder.mkdir()
    (folder / "neighbourhood.toml").write_text(SETTINGS)
    (folder / "homes.csv").write_text(HOMES)
    (folder / "demands.csv").write_text(DEMANDS)
    (folder / "walks.csv").write_text(WALKS)
    (folder / "decisions.csv").write_text("demand,facility,decision\nd4,park,reject\nd1,park,lock\n")
    (folder / "calendar.csv").write_text("date,kind\n2026-09-19,workday\n2026-09-18,rest_day\n")
    (folder / "streets.osm").write_text(STREETS)
    content = {"type": "FeatureCollection", "features": facilities()}
    (folder / "facilities.geojson").write_text(json.dumps(content))
    return folder


def plan_content(folder: Path) -> dict[str, Any]:
    """Give a plan of Lane 9: two served in the park, two without a bay."""
    served = {"facility": "park", "bay_group": "std"}
    option = {"facility": "park", "bay_group": "std", "walk_m": 210, "why": "full", "short_m": 340}
    return {
        "status": "feasible",
        "value_m": 25_310,
        "bound_m": 25_334,
        "gap": 24 / 25_310,
        "demands": 4,
        "served": 2,
        "served_by_tier": {"1": 1, "2": 1, "3": 0},
        "walk_m": {"total": 240, "mean": 120.0, "p95": 120, "max": 120},
        "assignments": [
            {"demand": "d2", **served, "walk_m": 120, "days_left_out": ["2026-09-21"]},
            {"demand": "d1", **served, "walk_m": 120, "days_left_out": ["2026-09-20", "2026-09-21"]},
        ],
        "unserved": [
            {"demand": "d4", "reason": "rejected", "options": []},
            {"demand": "d3", "reason": "full", "options": [option]},
        ],
        "bay_values": [{**served, "value_m": 4210, "exact_m": None}],
        "seed": 7,
        "input_sha256": {"demands.csv": hashlib.sha256((folder / "demands.csv").read_bytes()).hexdigest()},
        "version": "0.1.0",
        "work": {"sweeps": 12},
        "warnings": ["made by hand"],
        "seconds": {"read": 0, "walk": 0, "solve": 0},
    }


@pytest.fixture
def lane_plan(lane: Path) -> Path:
    """Write the plan and its certificate beside the folder."""
    path = lane.parent / "plan.json"
    path.write_text(json.dumps(plan_content(lane)))
    prices = [{"facility": "park", "bay_group": "std", "at": "2026-09-14T02:00", "price": 12}]
    certificate = {"scale": 1000, "bound_m": 25_334, "prices": prices}
    (lane.parent / "certificate.json").write_text(json.dumps(certificate))
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process; what libraries print below Python is caught too."""

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["baytide", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        said = capfd.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return command
