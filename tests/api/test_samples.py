from __future__ import annotations

import csv
import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.neighbourhoods.read import read_folder
from api.samples.make import CARS_PER_HOUSEHOLD, SIPING_PARK_BAYS, SUPPLY_SHARE, SampleError, make_sample, siping_sample
from api.samples.places import find_place
from geo.errors import GeoError
from geo.osm.features import read_features
from geo.osm.homes import find_homes
from geo.osm.streets import read_streets
from geo.pairs import network_pairs

ROOT = Path(__file__).parents[2]
SIPING = ROOT / "api" / "samples" / "data" / "siping.osm.pbf"
MONACO = ROOT / "tests" / "geo" / "data" / "monaco.osm.pbf"
BEFORE_THE_TERM = date(2026, 11, 1)


@pytest.fixture(scope="module")
def siping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples") / "siping"
    siping_sample(folder)
    return folder


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def features(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "facilities.geojson").read_text(encoding="utf-8"))["features"]
    return found


def test_the_siping_sample_is_a_neighbourhood_without_faults(siping: Path) -> None:
    read = read_folder(siping, on=BEFORE_THE_TERM)
    assert (read.country, read.timezone, read.crs) == ("CN", "Asia/Shanghai", "EPSG:4326")
    assert (read.term_from, read.term_to) == (date(2026, 12, 1), date(2027, 2, 28))
    assert read.streets == siping / "streets.osm.pbf"
    assert len(read.homes) >= 74
    assert len(read.facilities) >= 20
    assert not any("outside" in warning for warning in read.warnings)


def test_homes_are_the_buildings_of_the_map_with_their_households(siping: Path) -> None:
    mapped = {home.id: home.households for home in find_homes(read_features(SIPING)).homes}
    written = {row["id"]: int(row["households"]) for row in rows(siping, "homes.csv")}
    assert written == mapped
    assert all(row["estate"] for row in rows(siping, "homes.csv"))


def test_the_streets_are_copied_byte_by_byte(siping: Path) -> None:
    assert (siping / "streets.osm.pbf").read_bytes() == SIPING.read_bytes()


def test_everything_made_up_says_so(siping: Path) -> None:
    assert all(facility["properties"]["synthetic"] is True for facility in features(siping))
    assert all("(synthetic bays)" in facility["properties"]["name"] for facility in features(siping))
    assert "synthetic" in (siping / "neighbourhood.toml").read_text(encoding="utf-8")
    readme = (siping / "README.txt").read_text(encoding="utf-8")
    assert "Synthetic" in readme
    assert "© OpenStreetMap contributors, Open Database License 1.0" in readme


def test_what_the_map_has_and_the_sample_lacks_is_listed(siping: Path) -> None:
    readme = (siping / "README.txt").read_text(encoding="utf-8")
    assert "not for people on foot" in readme
    assert "not residential by their tag: w" in readme
    assert "roads shorter than 30 m: w" in readme


def test_bays_are_scarce_and_one_garage_lies_under_a_park(siping: Path) -> None:
    homes, demands = rows(siping, "homes.csv"), rows(siping, "demands.csv")
    assert len(demands) == round(CARS_PER_HOUSEHOLD * sum(int(home["households"]) for home in homes))
    assert _bays(siping) == pytest.approx(SUPPLY_SHARE * len(demands), rel=0.05)
    parks = [facility for facility in features(siping) if facility["properties"]["kind"] == "park_garage"]
    assert SIPING_PARK_BAYS in [_bays_of(park) for park in parks]


def test_demands_are_mixed_and_no_household_asks_twice(siping: Path) -> None:
    demands = rows(siping, "demands.csv")
    days = Counter(row["days"] for row in demands)
    assert {"daily", "workdays", "rest_days"} < set(days)
    assert len(days) > 5
    assert {row["tier"] for row in demands} == {"1", "2", "3"}
    assert min(row["arrive"] for row in demands) == "17:30"
    assert max(row["arrive"] for row in demands) == "22:00"
    assert min(row["leave"] for row in demands) == "29:30"
    assert max(row["leave"] for row in demands) == "32:00"
    assert {row["needs"] for row in demands} >= {"", "ev", "accessible"}
    for optional in ("max_walk_m", "stay_through", "rounds_waited", "holds"):
        share = np.mean([bool(row[optional]) for row in demands])
        assert 0.0 < share < 0.5, optional
    asked = Counter(row["home"] for row in demands)
    households = {row["id"]: int(row["households"]) for row in rows(siping, "homes.csv")}
    assert all(asked[home] <= households[home] for home in asked)


def test_most_homes_can_walk_to_some_facility_and_the_rest_are_named(siping: Path) -> None:
    read = read_folder(siping, on=BEFORE_THE_TERM)
    assert read.streets is not None
    pairs = network_pairs(
        streets=read.streets,
        home_ids=read.homes["id"].to_list(),
        home_lon=read.homes["lon"].to_numpy(),
        home_lat=read.homes["lat"].to_numpy(),
        facility_ids=[facility.id for facility in read.facilities],
        geometries=[facility.geometry for facility in read.facilities],
        entrances=[facility.entrances for facility in read.facilities],
        limit_m=500.0,
    )
    # The drives of the Balin estate are joined to no street of the extract: its 13 buildings cannot reach anything.
    assert np.count_nonzero(~pairs.home_reaches) == 13
    assert any("without any facility: w435088971" in warning for warning in pairs.warnings)
    assert np.array_equal(np.unique(pairs.home), np.flatnonzero(pairs.home_reaches))


def test_the_same_seed_gives_the_same_folder_and_another_seed_another(siping: Path, tmp_path: Path) -> None:
    siping_sample(tmp_path / "again")
    for path in sorted(siping.iterdir()):
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name
    siping_sample(tmp_path / "other", seed=1)
    assert (siping / "demands.csv").read_bytes() != (tmp_path / "other" / "demands.csv").read_bytes()


def test_monaco_becomes_a_neighbourhood_of_its_own_country(tmp_path: Path) -> None:
    made = make_sample(MONACO, tmp_path / "monaco", demands=300)
    read = read_folder(tmp_path / "monaco", on=BEFORE_THE_TERM)
    assert (read.country, read.timezone) == ("MC", "Europe/Monaco")
    assert made.demands == len(read.demands) == 300
    assert made.homes == len(read.homes)
    assert made.facilities == len(read.facilities)
    assert any(facility.entrances for facility in read.facilities)
    assert "w24874398" in "\n".join(made.warnings)


def test_an_xml_map_keeps_its_form(tmp_path: Path) -> None:
    xml = tmp_path / "block.osm"
    xml.write_text(_block(121.5, 31.28), encoding="utf-8")
    make_sample(xml, tmp_path / "out", demands=2)
    assert (tmp_path / "out" / "streets.osm").read_bytes() == xml.read_bytes()
    assert read_folder(tmp_path / "out", on=BEFORE_THE_TERM).timezone == "Asia/Shanghai"


def test_an_unknown_place_must_be_told(tmp_path: Path) -> None:
    xml = tmp_path / "block.osm"
    xml.write_text(_block(2.35, 48.85), encoding="utf-8")
    with pytest.raises(SampleError, match=r"block\.osm: where is this\?"):
        make_sample(xml, tmp_path / "out")
    with pytest.raises(SampleError, match="where is this"):
        make_sample(xml, tmp_path / "out", country="FR")
    make_sample(xml, tmp_path / "out", country="FR", timezone="Europe/Paris", name='The "Marais"\\')
    read = read_folder(tmp_path / "out", on=BEFORE_THE_TERM)
    assert (read.country, read.timezone) == ("FR", "Europe/Paris")
    assert read.name.startswith('The "Marais"\\')


def test_a_folder_with_anything_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(SampleError, match="not an empty folder"):
        siping_sample(tmp_path)
    with pytest.raises(SampleError, match="not an empty folder"):
        siping_sample(tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("demands", [-1, 10**6])
def test_more_demands_than_households_are_refused(tmp_path: Path, demands: int) -> None:
    with pytest.raises(SampleError, match="must be between 0 and"):
        siping_sample(tmp_path / "out", demands=demands)
    assert not (tmp_path / "out").exists()


def test_a_term_that_ends_before_it_starts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match="before it starts"):
        make_sample(SIPING, tmp_path / "out", term_from=date(2026, 12, 2), term_to=date(2026, 12, 1))


def test_a_map_that_cannot_be_used_leaves_nothing_behind(tmp_path: Path) -> None:
    cut = tmp_path / "cut.osm.pbf"
    cut.write_bytes(SIPING.read_bytes()[:-50])
    with pytest.raises(GeoError):
        make_sample(cut, tmp_path / "out")
    bare = tmp_path / "bare.osm"
    bare.write_text(_block(121.5, 31.28).replace("apartments", "church"), encoding="utf-8")
    with pytest.raises(SampleError, match="no residential buildings"):
        make_sample(bare, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_shipped_extract_names_no_contributor_and_comes_with_its_licence() -> None:
    assert read_streets(SIPING).num_missing_nodes == 0
    assert "Open Database License 1.0" in SIPING.with_name("siping.osm.pbf.licence.txt").read_text(encoding="utf-8")


def test_places_are_known_only_where_every_point_lies_in_them() -> None:
    place = find_place([7.42], [43.73])
    assert place is not None
    assert place.country == "MC"
    assert find_place([7.42, 2.35], [43.73, 48.85]) is None
    assert find_place([43.73], [7.42]) is None


def _bays_of(facility: dict[str, Any]) -> int:
    groups = facility["properties"]["bay_groups"]
    return sum(min(window["bays"] for window in group["windows"]) for group in groups)


def _bays(folder: Path) -> int:
    return sum(_bays_of(facility) for facility in features(folder))


def _block(lon: float, lat: float) -> str:
    """Draw one block of flats beside one street."""
    corners = [(0.0, 0.0), (0.002, 0.0), (0.0002, 0.0002), (0.0006, 0.0002), (0.0006, 0.0005), (0.0002, 0.0005)]
    nodes = "".join(
        f'<node id="{i + 1}" version="1" lon="{lon + x:.7f}" lat="{lat + y:.7f}"/>' for i, (x, y) in enumerate(corners)
    )
    house = "".join(f'<nd ref="{ref}"/>' for ref in (3, 4, 5, 6, 3))
    return (
        f'<?xml version="1.0" encoding="utf-8"?><osm version="0.6">{nodes}'
        '<way id="1" version="1"><nd ref="1"/><nd ref="2"/><tag k="highway" v="residential"/></way>'
        f'<way id="2" version="1">{house}<tag k="building" v="apartments"/></way></osm>'
    )
