"""facilities.geojson read: every way it can be wrong is told with the line of its feature and the path of the field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.neighbourhoods.model import Window
from api.neighbourhoods.read import read_folder
from tests.api.tiny import BEFORE_THE_TERM, copy_of_tiny, edit_facilities, faults_of, rewrite, warnings_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_of_tiny(tmp_path / "tiny")


def park(folder: Path, **changes: object) -> None:
    """Change properties of the park, which then stands in line 2."""
    edit_facilities(folder, lambda features: features["park"]["properties"].update(changes))


def window(**changes: object) -> list[dict[str, Any]]:
    own = {"days": "daily", "from": "18:00", "to": "31:30", "bays": 3, **changes}
    return [
        {"id": "std", "kind": "standard", "windows": [{key: value for key, value in own.items() if value != "gone"}]}
    ]


def test_a_syntax_error_is_named_with_its_line(folder: Path) -> None:
    rewrite(folder / "facilities.geojson", '"bays": 4}', '"bays": 4},')
    (found,) = faults_of(folder)
    assert found.startswith("facilities.geojson:9: file: is not JSON: ")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("[]", "1: file: is not a GeoJSON FeatureCollection with a list of features"),
        ('{"type": "FeatureCollection", "features": {}}', "1: file: is not a GeoJSON FeatureCollection"),
        ('{"type": "Feature"}', "1: file: is not a GeoJSON FeatureCollection"),
        ('{"type": "FeatureCollection", "features": [', "1: file: is not JSON: "),
        ("id,name\n1,park\n", "1: file: is not JSON: "),
        ("[" * 200_000, "1: file: is nested too deeply to be GeoJSON"),
        (
            '{"type": "FeatureCollection", "features": [], "n": ' + "9" * 5000 + "}",
            "1: file: is not JSON that can be used",
        ),
        ('{"type": "FeatureCollection", "features": [{"n": "\\ud800"}]}', "1: file: is not JSON that can be used"),
        (
            '{"type": "FeatureCollection",\n"features": [1,\n{"type": "Polygon"}]}',
            "2: feature: is not a GeoJSON Feature",
        ),
        ('{"type": "FeatureCollection", "features": [\n{"type": "Feature"}]}', "2: properties: is missing"),
    ],
)
def test_what_is_not_geojson_is_said_so(folder: Path, content: str, fault: str) -> None:
    (folder / "facilities.geojson").write_text(content)
    found = faults_of(folder)
    assert any(line.startswith(f"facilities.geojson:{fault}") for line in found), found


@pytest.mark.parametrize(
    ("geometry", "fault"),
    [
        (None, "is None, expected Point, Polygon or LineString"),
        ({"type": "MultiPolygon", "coordinates": []}, "is 'MultiPolygon', expected Point, Polygon or LineString"),
        ({"type": "point", "coordinates": [121.5, 31.2]}, "is 'point', expected Point"),
        ({"type": "Point"}, "is broken"),
        ({"type": "Point", "coordinates": None}, "is broken"),
        ({"type": "Point", "coordinates": []}, "is empty"),
        ({"type": "Point", "coordinates": [121.5]}, "is broken"),
        ({"type": "Point", "coordinates": ["121.5", "31.2"]}, "is broken"),
        ({"type": "Point", "coordinates": [float("nan"), 31.2]}, "has the point"),
        ({"type": "Point", "coordinates": [float("inf"), 31.2]}, "has the point"),
        ({"type": "Point", "coordinates": [31.2, 121.5]}, "has the point [31.2, 121.5], which is off the earth"),
        ({"type": "LineString", "coordinates": [[121.5, 31.2]]}, "is broken"),
        ({"type": "LineString", "coordinates": [[121.5, 31.2], [121.5, 31.2]]}, "is broken"),
        ({"type": "LineString", "coordinates": [121.5, 31.2]}, "is broken"),
        ({"type": "Polygon", "coordinates": [[[121.5, 31.2], [121.6, 31.2]]]}, "is broken"),
        (
            {"type": "Polygon", "coordinates": [[[121.5, 31.2], [121.6, 31.2], [121.5, 31.2], [121.5, 31.2]]]},
            "is broken",
        ),
        ({"type": "Polygon", "coordinates": "everywhere"}, "is broken"),
        ({"type": "Polygon", "coordinates": [[[[121.5, 31.2]]]]}, "is broken"),
    ],
)
def test_a_wrong_geometry_is_a_fault(folder: Path, geometry: object, fault: str) -> None:
    edit_facilities(folder, lambda features: features["park"].update(geometry=geometry))
    (found,) = faults_of(folder)
    assert found.startswith(f"facilities.geojson:2: geometry: {fault}")


def test_a_polygon_that_crosses_itself_is_mended_with_a_warning(folder: Path) -> None:
    bow = [[121.519, 31.267], [121.520, 31.268], [121.520, 31.267], [121.519, 31.268], [121.519, 31.267]]
    edit_facilities(
        folder, lambda features: features["park"].update(geometry={"type": "Polygon", "coordinates": [bow]})
    )
    (warning,) = warnings_of(folder)
    assert warning.startswith("facilities.geojson:2: geometry: was mended to its largest part (Self-intersection")


def test_heights_above_the_sea_are_dropped(folder: Path) -> None:
    edit_facilities(
        folder, lambda f: f["park"].update(geometry={"type": "Point", "coordinates": [121.519, 31.267, 4.5]})
    )
    assert not read_folder(folder, on=BEFORE_THE_TERM).facilities[0].geometry.has_z


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"id": None}, "id: is missing"),
        ({"id": ""}, "id: is '', expected a text"),
        ({"id": ["park"]}, "id: is ['park'], expected a text"),
        ({"kind": "garage"}, "kind: is 'garage', expected one of park_garage, office_tower"),
        ({"kind": None}, "kind: is missing"),
        ({"name": 5}, "name: is 5, expected a text"),
        ({"bay_groups": None}, "bay_groups: is missing"),
        ({"bay_groups": {"id": "std"}}, "bay_groups: is {'id': 'std'}, expected a list"),
        ({"bay_groups": ["std"]}, "bay_groups[0]: is not an object"),
        ({"bay_groups": [{"kind": "standard", "windows": []}]}, "bay_groups[0].id: is missing"),
        ({"bay_groups": [{"id": "a", "kind": "standard"}]}, "bay_groups[0].windows: is missing"),
        (
            {"bay_groups": [{"id": "a", "kind": "standard", "windows": []}] * 2},
            "bay_groups[1].id: 'a' stands twice in this facility",
        ),
        (
            {"bay_groups": [{"id": "a", "kind": "vip", "windows": []}]},
            "bay_groups[0].kind: is 'vip', expected one of standard",
        ),
        ({"bay_groups": [{"id": "a", "kind": [], "windows": []}]}, "bay_groups[0].kind: is an empty list"),
        ({"bay_groups": [{"id": "a", "kind": ["ev", 3], "windows": []}]}, "bay_groups[0].kind: is 3, expected one of"),
        ({"bay_groups": [{"id": "a", "windows": []}]}, "bay_groups[0].kind: is missing"),
        (
            {"bay_groups": [{"id": "a", "kind": "ev", "windows": ["night"]}]},
            "bay_groups[0].windows[0]: is not an object",
        ),
        ({"buffer_bays": -1}, "buffer_bays: is -1, expected a whole number between 0 and 100000"),
        ({"buffer_bays": 0.5}, "buffer_bays: is 0.5, expected a whole number"),
        ({"buffer_bays": True}, "buffer_bays: is True, expected a whole number"),
        ({"monthly_price_cents": -100}, "monthly_price_cents: is -100, expected a whole number"),
        ({"max_height_m": "2.0"}, "max_height_m: is '2.0', expected metres between 0 and 100"),
        ({"max_height_m": -2}, "max_height_m: is -2, expected metres"),
        ({"max_height_m": float("nan")}, "max_height_m: is nan, expected metres"),
        ({"entrances": [[31.2, 121.5]]}, "entrances[0]: is [31.2, 121.5], expected [longitude, latitude] on the earth"),
        ({"entrances": [121.5, 31.2]}, "entrances[0]: is 121.5, expected [longitude, latitude]"),
        ({"entrances": [["a", "b"]]}, "entrances[0]: is ['a', 'b'], expected"),
        ({"entrances": "north"}, "entrances: is 'north', expected a list"),
        ({"no_movement": "23:00-06:00"}, "no_movement: is '23:00-06:00', expected"),
        ({"no_movement": {"from": "23:00"}}, "no_movement.to: is missing"),
        ({"no_movement": {"from": "23:00", "to": "23:00"}}, "no_movement.to: is the same hour as from = 23:00"),
        ({"closures": {"from": "2026-09-21"}}, "closures: is {'from': '2026-09-21'}, expected a list"),
        ({"closures": [{"from": "2026-09-21T00:00"}]}, "closures[0].to: is missing"),
        (
            {"closures": [{"from": "2026-09-21T00:00", "to": "2026-09-20T00:00"}]},
            "closures[0].to: is 2026-09-20T00:00, must be after",
        ),
        (
            {"closures": [{"from": "2026-09-21T00:00Z", "to": "2026-09-22T00:00"}]},
            "closures[0].from: is '2026-09-21T00:00Z', expected a local",
        ),
        (
            {"closures": [{"from": "21.09.2026", "to": "2026-09-22T00:00"}]},
            "closures[0].from: is '21.09.2026', expected a local",
        ),
        (
            {"closures": [{"from": "9999-12-31T24:00", "to": "9999-12-31T24:00"}]},
            "closures[0].from: is '9999-12-31T24:00', expected",
        ),
        (
            {"closures": [{"from": 20260921, "to": "2026-09-22T00:00"}]},
            "closures[0].from: is 20260921, expected a local",
        ),
    ],
)
def test_a_wrong_property_is_a_fault_with_its_path(folder: Path, changes: dict[str, object], fault: str) -> None:
    rewrite(folder / "demands.csv", ",park,", ",,")  # who holds a place without an id is another fault
    park(folder, **changes)
    found = faults_of(folder)
    assert any(line.startswith(f"facilities.geojson:2: {fault}") for line in found), found


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"to": "08:00"}, "to: is 08:00, must be after from = 18:00; write 32:00 for next morning"),
        ({"to": "18:00"}, "to: is 18:00, must be after from = 18:00; write 42:00 for next morning"),
        ({"from": "28:00", "to": "27:00"}, "to: is 27:00, must be after from = 28:00"),
        ({"to": "48:30"}, "to: is 48:30, expected at most 48:00"),
        ({"to": "gone"}, "to: is missing"),
        ({"from": 18}, "from: is 18, expected hours and minutes like '18:00'"),
        ({"from": "18.00"}, "from: is '18.00', expected hours and minutes"),
        ({"from": "18:60"}, "from: is '18:60', expected hours and minutes"),
        ({"bays": -3}, "bays: is -3, expected a whole number between 0 and 100000"),
        ({"bays": 3.5}, "bays: is 3.5, expected a whole number"),
        ({"bays": "3"}, "bays: is '3', expected a whole number"),
        ({"bays": 1_000_000_000}, "bays: is 1000000000, expected a whole number between 0 and 100000"),
        ({"bays": float("inf")}, "bays: is inf, expected a whole number"),
        ({"bays": float("nan")}, "bays: is nan, expected a whole number"),
        ({"bays": None}, "bays: is missing"),
        ({"days": "weekdays"}, "days: is 'weekdays', expected daily, workdays, rest_days"),
        ({"days": []}, "days: is [], expected daily"),
        ({"days": ["mon", "funday"]}, "days: is 'mon funday', expected daily"),
        ({"days": ["workdays"]}, "days: is ['workdays'], expected daily"),
        ({"days": [1, 2]}, "days: is [1, 2], expected daily"),
        ({"days": "gone"}, "days: is missing"),
        ({"last_entry": "06:00"}, "last_entry: is 06:00, before from = 18:00; write 30:00 for next morning"),
        ({"last_entry": "late"}, "last_entry: is 'late', expected hours"),
        ({"season": "summer"}, "season: is 'summer', expected two days of the year"),
        ({"season": ["05-01"]}, "season: is ['05-01'], expected two days of the year"),
        ({"season": ["05-01", "09-31"]}, "season[1]: is '09-31', expected a day of the year like '05-01'"),
        ({"season": [501, 930]}, "season[0]: is 501, expected a day of the year"),
    ],
)
def test_a_wrong_window_is_a_fault_with_its_path(folder: Path, changes: dict[str, object], fault: str) -> None:
    park(folder, bay_groups=window(**changes))
    assert [line.partition(fault)[0] for line in faults_of(folder)] == [
        "facilities.geojson:2: bay_groups[0].windows[0]."
    ]


def test_a_facility_twice_is_a_fault_at_the_second(folder: Path) -> None:
    rewrite(folder / "facilities.geojson", '"id": "mall"', '"id": "park"')
    assert faults_of(folder)[0] == "facilities.geojson:14: id: 'park' is already in line 2"


def test_the_fault_of_a_facility_does_not_make_its_id_unknown_elsewhere(folder: Path) -> None:
    park(folder, kind="garage")
    assert len(faults_of(folder)) == 1


def test_all_faults_of_all_facilities_are_told(folder: Path) -> None:
    def spoil(features: dict[str, dict[str, Any]]) -> None:
        for feature in features.values():
            feature["properties"]["kind"] = "garage"
            feature["properties"]["buffer_bays"] = -1

    edit_facilities(folder, spoil)
    assert [line.split(": ")[0] for line in faults_of(folder)] == [f"facilities.geojson:{2 + n // 2}" for n in range(8)]


def test_a_window_with_everything_is_read_whole(folder: Path) -> None:
    park(folder, bay_groups=window(days=["tue", "mon"], bays=3.0, last_entry="22:00", season=["11-01", "02-29"]))
    (group,) = read_folder(folder, on=BEFORE_THE_TERM).facilities[0].bay_groups
    assert group.windows == (Window("mon tue", 1080, 1890, 3, 1320, ((11, 1), (2, 29))),)


def test_a_single_weekday_may_stand_in_a_list_or_alone(folder: Path) -> None:
    park(folder, bay_groups=[*window(days=["fri"]), {**window(days="fri")[0], "id": "two"}])
    groups = read_folder(folder, on=BEFORE_THE_TERM).facilities[0].bay_groups
    assert [group.windows[0].days for group in groups] == ["fri", "fri"]


def test_no_facilities_at_all_is_no_fault(folder: Path) -> None:
    (folder / "facilities.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    rewrite(folder / "demands.csv", ",park,", ",,")
    assert read_folder(folder, on=BEFORE_THE_TERM).facilities == ()


def in_one_line(folder: Path) -> None:
    path = folder / "facilities.geojson"
    path.write_text(path.read_text(encoding="utf-8").replace("\n", " "), encoding="utf-8")


def test_a_fault_in_a_file_of_one_line_names_the_feature(folder: Path) -> None:
    park(folder, buffer_bays=-3)
    in_one_line(folder)
    (fault,) = faults_of(folder)
    assert fault == (
        "facilities.geojson:1: features[0].buffer_bays: is -3, expected a whole number between 0 and 100000 "
        "(facility 'park')"
    )


@pytest.mark.parametrize("coordinates", [[10**400, 1], [True, False]])
def test_coordinates_that_are_no_usable_numbers_are_a_fault(folder: Path, coordinates: list[object]) -> None:
    edit_facilities(folder, lambda features: features["park"]["geometry"].update(coordinates=coordinates, type="Point"))
    (fault,) = faults_of(folder)
    assert fault.startswith("facilities.geojson:2: geometry: is broken: ")


@pytest.mark.parametrize("point", [[10**400, 1], [True, False]])
def test_an_entrance_that_is_no_place_is_a_fault(folder: Path, point: list[object]) -> None:
    park(folder, entrances=[point])
    (fault,) = faults_of(folder)
    assert fault.startswith("facilities.geojson:2: entrances[0]: is ")


def test_a_key_that_stands_twice_is_a_fault(folder: Path) -> None:
    park(folder, bay_groups=window())
    rewrite(folder / "facilities.geojson", '"bays": 3', '"bays": 3, "bays": 9')
    assert faults_of(folder) == ["facilities.geojson:2: feature: 'bays' stands twice in one object"]


def test_a_misspelt_key_is_warned_of_and_other_properties_are_free(folder: Path) -> None:
    park(folder, bay_groups=window(last_entr="22:00"), max_hieght_m=2, operator="somebody", no_movement=None)
    facility, bays = warnings_of(folder)
    assert facility == (
        "facilities.geojson:2: feature: 'max_hieght_m' is not known and is ignored; is it meant to be 'max_height_m'?"
    )
    assert bays == (
        "facilities.geojson:2: bay_groups[0].windows[0]: 'last_entr' is not known and is ignored; "
        "is it meant to be 'last_entry'?"
    )


def test_unknown_keys_of_groups_closures_and_quiet_hours_are_warned_of(folder: Path) -> None:
    (group,) = window()
    park(
        folder,
        bay_groups=[{**group, "colour": "red"}],
        closures=[{"from": "2026-09-20T10:00", "to": "2026-09-20T12:00", "why": "fair"}],
        no_movement={"from": "02:00", "to": "03:00", "until": "04:00"},
    )
    assert [line.split(" is not")[0] for line in warnings_of(folder)] == [
        "facilities.geojson:2: bay_groups[0]: 'colour'",
        "facilities.geojson:2: closures[0]: 'why'",
        "facilities.geojson:2: no_movement: 'until'",
    ]


@pytest.mark.parametrize("moment", ["2026-W38-1T18:00", "20260914T1800"])
def test_a_closure_is_dated_in_one_way_only(folder: Path, moment: str) -> None:
    park(folder, closures=[{"from": moment, "to": "2026-12-20T12:00"}])
    (fault,) = faults_of(folder)
    assert fault.startswith(f"facilities.geojson:2: closures[0].from: is {moment!r}")


def test_a_facility_or_bay_group_with_a_control_character_in_its_id_is_a_fault(folder: Path) -> None:
    (group,) = window()
    park(folder, bay_groups=[{**group, "id": "s\x1btd"}])
    edit_facilities(folder, lambda features: features["road"]["properties"].update(id="ro\x1bad"))
    found = [line for line in faults_of(folder) if "control character" in line]
    assert [line.split(": is")[0] for line in found] == [
        "facilities.geojson:2: bay_groups[0].id",
        "facilities.geojson:4: id",
    ]
