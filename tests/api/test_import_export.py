"""A folder goes into the database whole or not at all, and comes out the same."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from shapely.geometry import Point
from sqlalchemy import Engine, func, select, text

from api.db import tables
from api.db.copying import UnstorableText
from api.errors import FolderFaults
from api.neighbourhoods.exporting import FolderInTheWay, export_folder
from api.neighbourhoods.importing import (
    ImportReport,
    NeighbourhoodExists,
    NeighbourhoodInUse,
    import_folder,
    slug_of,
)
from api.neighbourhoods.loading import NeighbourhoodNotFound, load_neighbourhood
from api.neighbourhoods.model import Neighbourhood
from api.neighbourhoods.read import read_folder
from api.planning.base_plan import read_base
from api.plans.queries import load_plan_content


def imported(engine: Engine, folder: Path, *, plan: Path | None = None, replace: bool = False) -> ImportReport:
    return import_folder(engine, read_folder(folder), folder, plan=plan, replace=replace)


def count(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(tables.metadata.tables[table])) or 0)


def assert_same(one: Neighbourhood, other: Neighbourhood) -> None:
    for field in ("name", "timezone", "country", "seed", "term_from", "term_to", "policy", "facilities"):
        assert getattr(one, field) == getattr(other, field), field
    assert dict(one.calendar_overrides) == dict(other.calendar_overrides)
    for field in ("homes", "demands", "decisions", "walks"):
        first, second = getattr(one, field), getattr(other, field)
        assert (first is None) == (second is None), field
        if first is not None:
            assert_frame_equal(first, second)


def test_what_is_imported_is_counted(engine: Engine, lane: Path) -> None:
    report = imported(engine, lane)
    assert (report.slug, report.name, report.replaced, report.plan_id) == ("lane-9", "Lane 9", False, None)
    assert (report.facilities, report.homes, report.demands, report.walks, report.streets) == (2, 3, 4, 4, 2)
    # 5 in the park's standard group (its largest window), 1 accessible, 2 on the road.
    assert report.bays == 8 == count(engine, "bays")


def test_bays_of_a_group_are_numbered_from_one(engine: Engine, lane: Path) -> None:
    imported(engine, lane)
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT f.code, g.code, array_agg(b.number ORDER BY b.id) "
                "FROM bays b JOIN bay_groups g ON g.id = bay_group_id JOIN facilities f ON f.id = facility_id "
                "GROUP BY 1, 2 ORDER BY 1, 2"
            )
        ).all()
    assert [tuple(row) for row in rows] == [
        ("park", "acc", [1]),
        ("park", "std", [1, 2, 3, 4, 5]),
        ("road", "std", [1, 2]),
    ]


def test_a_folder_comes_out_as_it_went_in(engine: Engine, lane: Path, tmp_path: Path) -> None:
    imported(engine, lane)
    export_folder(engine, "lane-9", tmp_path / "out")
    assert_same(read_folder(lane), read_folder(tmp_path / "out"))
    assert (tmp_path / "out/streets.osm").read_bytes() == (lane / "streets.osm").read_bytes()


def test_what_no_rule_reads_comes_out_too(engine: Engine, lane: Path, tmp_path: Path) -> None:
    imported(engine, lane)
    export_folder(engine, "Lane 9", tmp_path / "out")
    park = json.loads((tmp_path / "out/facilities.geojson").read_text())["features"][0]["properties"]
    assert park["synthetic"] is True
    assert park["source"] == {"osm": "w12"}


def test_a_second_trip_changes_nothing_any_more(engine: Engine, lane: Path, tmp_path: Path) -> None:
    imported(engine, lane)
    export_folder(engine, "lane-9", tmp_path / "one")
    imported(engine, tmp_path / "one", replace=True)
    export_folder(engine, "lane-9", tmp_path / "two")
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "two").iterdir())
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_a_shifted_coordinate_system_is_exported_as_what_is_stored(engine: Engine, lane: Path, tmp_path: Path) -> None:
    settings = (lane / "neighbourhood.toml").read_text().replace("EPSG:4326", "GCJ-02")
    (lane / "neighbourhood.toml").write_text(settings)
    imported(engine, lane)
    export_folder(engine, "lane-9", tmp_path / "out")
    before, after = read_folder(lane), read_folder(tmp_path / "out")
    assert (before.crs, after.crs) == ("GCJ-02", "EPSG:4326")
    assert_same(before, after)


def test_a_folder_with_the_least_comes_out_as_it_went_in(engine: Engine, lane: Path, tmp_path: Path) -> None:
    for name in ("walks.csv", "decisions.csv", "calendar.csv", "streets.osm"):
        (lane / name).unlink()
    (lane / "demands.csv").write_text("id,home,days,arrive,leave\n")
    imported(engine, lane)
    export_folder(engine, "lane-9", tmp_path / "out")
    after = read_folder(tmp_path / "out")
    assert after.walks is None
    assert after.streets is None
    assert_same(read_folder(lane), after)


def test_measured_walks_without_a_row_stay_measured_walks(engine: Engine, lane: Path, tmp_path: Path) -> None:
    """An empty walks.csv says that nobody reaches anything; no walks.csv says that nobody has measured."""
    (lane / "walks.csv").write_text("home,facility,walk_m\n")
    imported(engine, lane)
    export_folder(engine, "lane-9", tmp_path / "out")
    walks = read_folder(tmp_path / "out").walks
    assert walks is not None
    assert walks.height == 0


def test_odd_names_survive_the_trip(engine: Engine, lane: Path, tmp_path: Path) -> None:
    name = 'A "lane", with \\ and 西 and <b> and\ttab'
    toml = (lane / "neighbourhood.toml").read_text().replace('"Lane 9"', json.dumps(name, ensure_ascii=False))
    (lane / "neighbourhood.toml").write_text(toml)
    home = '"\\N" or "" or, comma'
    quoted = home.replace('"', '""')
    (lane / "homes.csv").write_text(f'id,lon,lat,name\nh1,121.5,31.2,"{quoted}"\nh2,121.5,31.2,\nh3,121.5,31.2,\\N\n')
    imported(engine, lane)
    export_folder(engine, name, tmp_path / "out")
    after = read_folder(tmp_path / "out")
    assert after.name == name
    assert after.homes["name"].to_list() == [home, None, "\\N"]


def test_loading_gives_what_reading_gave(engine: Engine, lane: Path) -> None:
    imported(engine, lane)
    with engine.connect() as connection:
        assert_same(read_folder(lane), load_neighbourhood(connection, "lane-9"))


def test_a_name_that_is_taken_is_refused_and_nothing_changes(engine: Engine, lane: Path) -> None:
    imported(engine, lane)
    (lane / "homes.csv").write_text("id,lon,lat\nh1,121.5,31.2\nh2,121.5,31.2\nh3,121.5,31.2\nh4,121.5,31.2\n")
    with pytest.raises(NeighbourhoodExists, match="--replace"):
        imported(engine, lane)
    assert count(engine, "homes") == 3


def test_replacing_puts_the_new_in_the_place_of_the_old(engine: Engine, lane: Path, lane_plan: Path) -> None:
    imported(engine, lane, plan=lane_plan)
    (lane / "homes.csv").write_text("id,lon,lat\nh1,121.5,31.2\nh2,121.5,31.2\nh3,121.5,31.2\nh4,121.5,31.2\n")
    assert imported(engine, lane, replace=True).replaced
    assert [count(engine, table) for table in ("neighbourhoods", "homes", "plans", "assignments")] == [1, 4, 0, 0]


def test_two_neighbourhoods_live_side_by_side(engine: Engine, lane: Path) -> None:
    imported(engine, lane)
    (lane / "neighbourhood.toml").write_text((lane / "neighbourhood.toml").read_text().replace("Lane 9", "Lane  9"))
    assert imported(engine, lane).slug.startswith("lane-9-")
    assert [count(engine, table) for table in ("neighbourhoods", "homes", "bays")] == [2, 6, 16]


def test_a_plan_comes_in_with_its_folder_and_can_be_given_back(engine: Engine, lane: Path, lane_plan: Path) -> None:
    report = imported(engine, lane, plan=lane_plan)
    assert report.plan_id is not None
    with engine.connect() as connection:
        assert load_plan_content(connection, report.plan_id) == json.loads(lane_plan.read_text())
        certificate = connection.scalar(select(tables.plans.c.certificate))
    assert certificate == json.loads((lane_plan.parent / "certificate.json").read_text())


def test_an_exported_plan_still_names_its_base_and_is_a_base_itself(
    engine: Engine, lane: Path, lane_plan: Path, tmp_path: Path
) -> None:
    note = {"plan_sha256": "ab" * 32, "edits_sha256": "cd" * 32, "changed": 1, "moved": 1}
    edited(lane_plan, base={**note, "newly_served": 0, "no_longer_served": 0})
    imported(engine, lane, plan=lane_plan)
    export_folder(engine, "lane-9", tmp_path / "out")
    plan = json.loads((tmp_path / "out/plan.json").read_text())
    assert plan == json.loads(lane_plan.read_text())
    assert plan["base"]["edits_sha256"] == "cd" * 32
    before, after = read_base(lane_plan), read_base(tmp_path / "out/plan.json")
    assert after.plan_sha256 == before.plan_sha256
    assert after.prices.equals(before.prices)
    assert_same(read_folder(lane), read_folder(tmp_path / "out"))


def test_the_certificate_of_another_plan_is_not_taken_for_this_ones(
    engine: Engine, lane: Path, lane_plan: Path
) -> None:
    (lane_plan.parent / "certificate.json").write_text('{"scale": 1000, "bound_m": 1, "prices": []}')
    imported(engine, lane, plan=lane_plan)
    with engine.connect() as connection:
        assert connection.execute(select(tables.plans.c.certificate)).scalar_one() is None


def edited(plan: Path, **changes: object) -> Path:
    plan.write_text(json.dumps({**json.loads(plan.read_text()), **changes}))
    return plan


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"status": "perfect"}, ["plan.json:1: status: "]),
        ({"served": -1, "value_m": "much"}, ["plan.json:1: served: ", "plan.json:1: value_m: "]),
        (
            {"input_sha256": {"demands.csv": "00"}},
            ["plan.json:1: input_sha256.demands.csv: the plan was made from another"],
        ),
        ({"unserved": []}, ["'d3' of demands.csv has no answer", "'d4' of demands.csv has no answer"]),
        (
            {"unserved": [{"demand": d, "reason": "full"} for d in ("d1", "d3", "d4")]},
            ["'d1' is answered more than once"],
        ),
        (
            {"bay_values": [{"facility": "park", "bay_group": "gone", "value_m": 1, "exact_m": None}]},
            ["bay_values.bay_group: 'park/gone' is not in the folder"],
        ),
    ],
)
def test_a_plan_that_does_not_fit_is_refused_with_every_fault(
    engine: Engine, lane: Path, lane_plan: Path, changes: dict[str, object], faults: list[str]
) -> None:
    with pytest.raises(FolderFaults) as raised:
        imported(engine, lane, plan=edited(lane_plan, **changes))
    lines = str(raised.value).splitlines()
    assert len(lines) == len(faults)
    assert all(fault in line for fault, line in zip(faults, lines, strict=True)), lines
    assert count(engine, "neighbourhoods") == 0


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xb0\xa1", b"null"])
def test_a_plan_that_is_no_plan_is_refused(engine: Engine, lane: Path, lane_plan: Path, content: bytes) -> None:
    lane_plan.write_bytes(content)
    with pytest.raises(FolderFaults, match=r"plan\.json:1: file: is not"):
        imported(engine, lane, plan=lane_plan)


def test_a_zero_character_is_refused_and_nothing_is_kept(engine: Engine, lane: Path) -> None:
    content = json.loads((lane / "facilities.geojson").read_text())
    content["features"][0]["properties"]["name"] = "a\u0000b"
    (lane / "facilities.geojson").write_text(json.dumps(content))
    with pytest.raises(UnstorableText, match="facilities: a text holds a zero character"):
        imported(engine, lane)
    assert count(engine, "neighbourhoods") == 0


def test_a_folder_in_the_way_is_left_alone(engine: Engine, lane: Path, tmp_path: Path) -> None:
    imported(engine, lane)
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious.txt").touch()
    with pytest.raises(FolderInTheWay):
        export_folder(engine, "lane-9", out)
    assert [path.name for path in out.iterdir()] == ["precious.txt"]


def test_an_unknown_name_is_not_exported(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(NeighbourhoodNotFound):
        export_folder(engine, "nowhere", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "slug"), [("Siping Road (上海)", "siping-road"), ("Café  de l'Été", "cafe-de-l-ete"), ("../../x", "x")]
)
def test_a_name_for_addresses_is_plain_letters(name: str, slug: str) -> None:
    assert slug_of(name) == slug


def test_a_name_without_latin_letters_gets_a_stable_one() -> None:
    assert slug_of("四平路") == slug_of("四平路")
    assert slug_of("四平路") != slug_of("江浦路")
    assert slug_of("四平路").startswith("n-")


def test_twenty_thousand_demands_are_stored_in_order(engine: Engine, lane: Path) -> None:
    rows = "".join(f"d{n},h{n % 3 + 1},daily,19:00,31:00\n" for n in range(20_000, 0, -1))
    (lane / "demands.csv").write_text("id,home,days,arrive,leave\n" + rows)
    (lane / "decisions.csv").unlink()
    imported(engine, lane)
    with engine.connect() as connection:
        demands = load_neighbourhood(connection, "lane-9").demands
    assert demands["id"].to_list() == [f"d{n}" for n in range(20_000, 0, -1)]
    assert demands.filter(pl.col("id") == "d7")["home"].item() == "h2"


def test_homes_lie_in_the_database_where_the_folder_says(engine: Engine, lane: Path) -> None:
    imported(engine, lane)
    question = "SELECT ST_X(geometry), ST_Y(geometry), ST_SRID(geometry) FROM homes WHERE code = 'h1'"
    with engine.connect() as connection:
        lon, lat, srid = connection.execute(text(question)).one()
    assert Point(lon, lat).equals(Point(121.5181234567, 31.2661234567))
    assert srid == 4326


def test_a_neighbourhood_that_households_live_in_is_not_replaced(engine: Engine, lane: Path) -> None:
    neighbourhood = read_folder(lane)
    import_folder(engine, neighbourhood, lane)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO households (home_id) SELECT min(id) FROM homes"))
    with pytest.raises(NeighbourhoodInUse, match="households live"):
        import_folder(engine, neighbourhood, lane, replace=True)
    assert count(engine, "households") == 1
