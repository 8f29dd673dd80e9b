"""Folders read: whatever is wrong is told at once, by file, line and field; nothing is guessed."""

from __future__ import annotations

import os
from datetime import date, datetime
from pathlib import Path

import pytest

from api.errors import FolderFaults
from api.neighbourhoods.read import read_folder
from tests.api.tiny import BEFORE_THE_TERM, copy_of_tiny, faults_of, rewrite, warnings_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_of_tiny(tmp_path / "tiny")


def test_the_tiny_neighbourhood_is_read_without_faults_or_warnings(folder: Path) -> None:
    read = read_folder(folder, on=BEFORE_THE_TERM)
    assert (read.name, read.country, read.seed) == ("Tiny: one demand for every rule", "CN", 1)
    assert (read.term_from, read.term_to) == (date(2026, 9, 14), date(2026, 10, 11))
    assert [facility.id for facility in read.facilities] == ["park", "tower", "road", "mall"]
    assert (len(read.homes), len(read.demands)) == (3, 20)
    assert read.walks is not None
    assert len(read.walks) == 9
    assert read.facilities[1].closures[0].end == datetime.fromisoformat("2026-09-23T12:00")
    assert read.facilities[2].no_movement == (23 * 60, 30 * 60)
    assert read.warnings == ()


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("demands.csv", "d06,h1,", "d06,h9,", "demands.csv:7: home: 'h9' is not in homes.csv"),
        ("demands.csv", "d07,", "d06,", "demands.csv:8: id: 'd06' is already in line 7"),
        ("demands.csv", "d07,", ",", "demands.csv:8: id: is empty"),
        (
            "demands.csv",
            "19:00,31:00",
            "19:00,08:00",
            "demands.csv:2: leave: is 08:00, must be after arrive = 19:00; write 32:00 for next morning",
        ),
        ("demands.csv", "19:00,31:00", "19:00,19:00", "demands.csv:2: leave: is 19:00, must be after arrive = 19:00"),
        ("demands.csv", "19:00,31:00", "19:00,49:00", "demands.csv:2: leave: is 49:00, expected at most 48:00"),
        ("demands.csv", "19:00,31:00", "19h,31:00", "demands.csv:2: arrive: is '19h', expected hours and minutes like"),
        (
            "demands.csv",
            "19:00,31:00",
            "-1:00,31:00",
            "demands.csv:2: arrive: is '-1:00', expected hours and minutes like",
        ),
        ("demands.csv", "19:00,31:00", ",31:00", "demands.csv:2: arrive: is empty"),
        ("demands.csv", "daily", "nightly", "demands.csv:2: days: is 'nightly', expected daily, workdays"),
        ("demands.csv", "mon tue", "mon tuesday", "demands.csv:12: days: is 'mon tuesday', expected daily"),
        ("demands.csv", "31:00,3,", "31:00,4,", "demands.csv:2: tier: is '4', expected 1, 2 or 3"),
        ("demands.csv", "31:00,3,", "31:00,2.5,", "demands.csv:2: tier: is '2.5', expected 1, 2 or 3"),
        ("demands.csv", "3,300", "3,-300", "demands.csv:14: max_walk_m: is '-300', expected metres, not negative"),
        ("demands.csv", "3,300", "3,nan", "demands.csv:14: max_walk_m: is 'nan', expected metres"),
        (
            "demands.csv",
            "3,,ev",
            "3,,ev charger",
            "demands.csv:9: needs: is 'ev charger', expected accessible, ev or both",
        ),
        ("demands.csv", "2.1", "2,1", "demands.csv:11: row: has 13 cells, expected 12"),
        ("demands.csv", "2.1", "tall", "demands.csv:11: height_m: is 'tall', expected metres"),
        ("demands.csv", ",,yes", ",,oui", "demands.csv:17: stay_through: is 'oui', expected yes or nothing"),
        ("demands.csv", "3,,,,2,", "3,,,,-2,", "demands.csv:15: rounds_waited: is '-2', expected a whole number"),
        ("demands.csv", ",park,", ",garage,", "demands.csv:19: holds: 'garage' is not in facilities.geojson"),
        (
            "demands.csv",
            "d20,h2,daily,21:00,30:00,3,,accessible ev,,,,",
            "d20,h2,daily",
            "demands.csv:21: row: has 3 cells, expected 12",
        ),
        ("demands.csv", "id,home", "id,house", "demands.csv:1: home: column is missing; the header is 'id,house,"),
        ("demands.csv", "id,home", "id,id,home", "demands.csv:1: id: column stands twice in the header"),
        ("homes.csv", "h2,121.5205", "h1,121.5205", "homes.csv:3: id: 'h1' is already in line 2"),
        ("homes.csv", "121.5205", "east", "homes.csv:3: lon: is 'east', expected degrees between -180 and 180"),
        (
            "homes.csv",
            "121.5205,31.2660",
            "31.2660,121.5205",
            "homes.csv:3: lat: is '121.5205', expected degrees between -90 and 90",
        ),
        ("homes.csv", "121.5205", "inf", "homes.csv:3: lon: is 'inf', expected degrees"),
        ("homes.csv", "121.5205", "", "homes.csv:3: lon: is empty"),
        ("walks.csv", "h1,park,120", "h1,park,-120", "walks.csv:2: walk_m: is '-120', expected metres, not negative"),
        ("walks.csv", "h1,park,120", "h1,park,", "walks.csv:2: walk_m: is empty"),
        ("walks.csv", "h1,park,120", "h7,park,120", "walks.csv:2: home: 'h7' is not in homes.csv"),
        ("walks.csv", "h1,tower", "h1,park", "walks.csv:3: home: the pair 'h1', 'park' is listed twice"),
        (
            "neighbourhood.toml",
            'name = "Tiny: one demand for every rule"',
            "",
            "neighbourhood.toml:1: name: is missing",
        ),
        (
            "neighbourhood.toml",
            "Asia/Shanghai",
            "Shanghai",
            "neighbourhood.toml:2: timezone: is 'Shanghai', expected an IANA",
        ),
        (
            "neighbourhood.toml",
            '"CN"',
            '"China"',
            "neighbourhood.toml:3: country: is 'CHINA', expected an ISO 3166 code",
        ),
        (
            "neighbourhood.toml",
            "EPSG:4326",
            "EPSG:3857",
            "neighbourhood.toml:4: crs: is 'EPSG:3857', expected EPSG:4326, GCJ-02 or BD-09",
        ),
        ("neighbourhood.toml", 'crs = "EPSG:4326"', "", "neighbourhood.toml:1: crs: is missing"),
        (
            "neighbourhood.toml",
            "seed = 1",
            'seed = "one"',
            "neighbourhood.toml:5: seed: is 'one', expected a whole number",
        ),
        (
            "neighbourhood.toml",
            "seed = 1",
            f"seed = {2**64}",
            f"neighbourhood.toml:5: seed: is {2**64}, expected a whole number",
        ),
        (
            "neighbourhood.toml",
            "to = 2026-10-11",
            "to = 2026-09-01",
            "neighbourhood.toml:11: term.to: is 2026-09-01, before from = 2026-09-14",
        ),
        (
            "neighbourhood.toml",
            "to = 2026-10-11",
            "to = 2036-10-11",
            "neighbourhood.toml:11: term.to: is 2036-10-11, more than three years",
        ),
        ("neighbourhood.toml", "to = 2026-10-11", "to = 11", "neighbourhood.toml:11: term.to: is 11, expected a date"),
        ("neighbourhood.toml", "from = 2026-09-14", "", "neighbourhood.toml:9: term.from: is missing"),
        ("neighbourhood.toml", "[term]", "[terms]", "neighbourhood.toml:1: term: is missing"),
        ("neighbourhood.toml", "to = 2026-10-11", "to = 2026-13-11", "neighbourhood.toml:11: file: is not TOML"),
        (
            "neighbourhood.toml",
            "to = 2026-10-11",
            "to = 2026-10-11\n[policy]\nmax_walk_m = -5",
            "neighbourhood.toml:13: policy.max_walk_m: is -5, expected metres above 0",
        ),
        (
            "neighbourhood.toml",
            "to = 2026-10-11",
            "to = 2026-10-11\n[policy]\ntier_value_m = [1, 2]",
            "neighbourhood.toml:13: policy.tier_value_m: is [1, 2], expected three whole numbers",
        ),
        (
            "neighbourhood.toml",
            "to = 2026-10-11",
            "to = 2026-10-11\n[policy]\nkeep_value_m = 1.5",
            "neighbourhood.toml:13: policy.keep_value_m: is 1.5, expected a whole number",
        ),
    ],
)
def test_a_fault_is_named_by_file_line_and_field(folder: Path, file: str, old: str, new: str, fault: str) -> None:
    rewrite(folder / file, old, new)
    found = faults_of(folder)
    assert any(line.startswith(fault) for line in found), found


def test_every_fault_of_every_file_is_told_at_once(folder: Path) -> None:
    rewrite(folder / "neighbourhood.toml", "EPSG:4326", "WGS84")
    rewrite(folder / "facilities.geojson", '"bays": 3', '"bays": -3')
    rewrite(folder / "homes.csv", "121.5300", "221.5300")
    rewrite(folder / "demands.csv", "d01,h1", "d01,h9")
    rewrite(folder / "demands.csv", "d02,h1,daily", "d02,h1,never")
    rewrite(folder / "walks.csv", "300", "far")
    (folder / "decisions.csv").write_text("demand,facility,decision\nd99,park,lock\nd01,park,keep\n")
    (folder / "calendar.csv").write_text("date,kind\n2026-09-31,workday\n2026-09-30,holiday\n")
    (folder / "streets.osm.pbf").write_bytes(b"")
    found = [fault.split(": ")[0] + " " + fault.split(": ")[1] for fault in faults_of(folder)]
    assert found == [
        "calendar.csv:2 date",
        "calendar.csv:3 kind",
        "decisions.csv:2 demand",
        "decisions.csv:3 decision",
        "demands.csv:2 home",
        "demands.csv:3 days",
        "facilities.geojson:2 bay_groups[0].windows[0].bays",
        "homes.csv:4 lon",
        "neighbourhood.toml:4 crs",
        "streets.osm.pbf:1 file",
        "walks.csv:4 walk_m",
    ]


@pytest.mark.parametrize("file", ["neighbourhood.toml", "facilities.geojson", "homes.csv", "demands.csv"])
def test_a_missing_file_is_one_fault_and_breeds_no_others(folder: Path, file: str) -> None:
    (folder / file).unlink()
    (folder / "decisions.csv").write_text("demand,facility,decision\nd01,park,lock\n")
    assert faults_of(folder) == [f"{file}:1: file: is missing"]


@pytest.mark.parametrize(
    "file",
    [
        "neighbourhood.toml",
        "facilities.geojson",
        "homes.csv",
        "demands.csv",
        "walks.csv",
        "calendar.csv",
        "decisions.csv",
    ],
)
@pytest.mark.parametrize("content", [b"", b"\n  \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_named_as_such(folder: Path, file: str, content: bytes) -> None:
    (folder / file).write_bytes(content)
    assert faults_of(folder) == [f"{file}:1: file: is empty"]


@pytest.mark.parametrize(
    ("file", "encoding", "words"),
    [
        ("homes.csv", "gbk", "is not UTF-8 but GBK, as it seems; save it again as UTF-8"),
        ("facilities.geojson", "gb18030", "is not UTF-8 but GBK, as it seems; save it again as UTF-8"),
        ("neighbourhood.toml", "gbk", "is not UTF-8 but GBK, as it seems; save it again as UTF-8"),
        ("homes.csv", "utf-16", "is UTF-16, expected UTF-8; save it again as UTF-8"),
        ("demands.csv", "utf-16-le", "is UTF-16, expected UTF-8; save it again as UTF-8"),
        ("neighbourhood.toml", "utf-16-be", "is UTF-16, expected UTF-8; save it again as UTF-8"),
    ],
)
def test_another_encoding_is_named(folder: Path, file: str, encoding: str, words: str) -> None:
    rewrite(folder / "homes.csv", "East", "国康路")
    rewrite(folder / "facilities.geojson", "Park garage", "江浦公园")
    rewrite(folder / "neighbourhood.toml", "Tiny", "四平路")
    path = folder / file
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    found = faults_of(folder)
    assert len(found) == 1, found
    assert found[0].startswith(f"{file}:")
    assert found[0].endswith(f": encoding: {words}")


def test_bytes_of_no_known_encoding_are_faulted_with_their_line(folder: Path) -> None:
    rewrite(folder / "homes.csv", "East", "Café")
    path = folder / "homes.csv"
    path.write_bytes(path.read_text(encoding="utf-8").encode("latin-1"))
    assert faults_of(folder) == ["homes.csv:2: encoding: is not UTF-8; save it again as UTF-8"]


def test_a_zero_byte_is_a_fault(folder: Path) -> None:
    rewrite(folder / "homes.csv", "Far", "F\0r")
    assert faults_of(folder) == ["homes.csv:4: encoding: holds a zero byte; this is not a text file"]


def test_a_header_alone_is_no_fault_and_means_nobody(folder: Path) -> None:
    rewrite_demands = (folder / "demands.csv").read_text().splitlines()[0]
    (folder / "demands.csv").write_text(rewrite_demands)
    assert len(read_folder(folder, on=BEFORE_THE_TERM).demands) == 0


def test_byte_order_marks_crlf_and_blank_lines_change_nothing(folder: Path) -> None:
    plain = read_folder(folder, on=BEFORE_THE_TERM)
    for path in folder.glob("*.csv"):
        lines = path.read_text().splitlines()
        path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([lines[0], "", *lines[1:], "  ", ""]).encode())
    for name in ("facilities.geojson", "neighbourhood.toml"):
        content = (folder / name).read_text()
        (folder / name).write_bytes(b"\xef\xbb\xbf" + content.replace("\n", "\r\n").encode())
    read = read_folder(folder, on=BEFORE_THE_TERM)
    assert read.demands.equals(plain.demands)
    assert read.homes.equals(plain.homes)
    assert read.facilities == plain.facilities


def test_bare_carriage_returns_end_lines_too(folder: Path) -> None:
    plain = read_folder(folder, on=BEFORE_THE_TERM)
    path = folder / "demands.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r"))
    assert read_folder(folder, on=BEFORE_THE_TERM).demands.equals(plain.demands)


def test_blank_lines_count_as_lines(folder: Path) -> None:
    rewrite(folder / "demands.csv", "d02,", "\n\nd02,")
    rewrite(folder / "demands.csv", "d03,h1", "d03,h9")
    assert faults_of(folder) == ["demands.csv:6: home: 'h9' is not in homes.csv"]


def test_quoted_cells_may_hold_commas_quotes_and_line_breaks_and_lines_stay_right(folder: Path) -> None:
    (folder / "homes.csv").write_text(
        'id,lon,lat,estate\nh1,121.5185,31.2665,"East,\nthe ""old"" one"\n\n'
        '"h2",121.5205,31.2660,East\nh3,121.5300,north,Far\n'
    )
    assert faults_of(folder) == ["homes.csv:6: lat: is 'north', expected degrees between -90 and 90"]
    rewrite(folder / "homes.csv", "north", "31.2700")
    assert read_folder(folder, on=BEFORE_THE_TERM).homes["estate"].to_list() == ['East,\nthe "old" one', "East", "Far"]


def test_ragged_rows_with_quotes_are_faults_with_their_lines(folder: Path) -> None:
    (folder / "homes.csv").write_text(
        'id,lon,lat,estate\n"h1",121.5185,31.2665\nh2,121.5205,31.2660,East,2\nh3,121.53,31.27,"Fa\nr"\n'
    )
    assert faults_of(folder) == [
        "homes.csv:2: row: has 3 cells, expected 4",
        "homes.csv:3: row: has 5 cells, expected 4",
    ]


def test_a_quote_that_is_never_closed_is_a_fault_where_it_opens(folder: Path) -> None:
    rewrite(folder / "homes.csv", "h2,", '"h2,')
    assert faults_of(folder) == ["homes.csv:3: row: is not CSV: unexpected end of data"]


def test_a_quote_inside_a_cell_is_a_character_like_any_other(folder: Path) -> None:
    rewrite(folder / "homes.csv", "Far", '12" Far')
    assert read_folder(folder, on=BEFORE_THE_TERM).homes["estate"][2] == '12" Far'


def test_ids_that_look_like_numbers_stay_as_they_are_written(folder: Path) -> None:
    rewrite(folder / "demands.csv", "d01,", "007,")
    rewrite(folder / "demands.csv", "d02,", "7,")
    rewrite(folder / "demands.csv", "d03,", "7.0,")
    assert read_folder(folder, on=BEFORE_THE_TERM).demands["id"][:3].to_list() == ["007", "7", "7.0"]


def test_a_numeric_facility_id_is_the_same_in_json_and_csv(folder: Path) -> None:
    rewrite(folder / "facilities.geojson", '"id": "park"', '"id": 12')
    rewrite(folder / "demands.csv", ",park,", ",12,")
    rewrite(folder / "walks.csv", "h1,park", "h1,12")
    rewrite(folder / "walks.csv", "h2,park", "h2,12")
    assert read_folder(folder, on=BEFORE_THE_TERM).facilities[0].id == "12"


def test_unknown_columns_and_keys_are_warned_about_and_ignored(folder: Path) -> None:
    rewrite(folder / "homes.csv", "estate", "estat")
    rewrite(folder / "neighbourhood.toml", "seed = 1", "sed = 1")
    assert warnings_of(folder) == (
        "neighbourhood.toml: 'sed' is not known and is ignored",
        "homes.csv: column 'estat' is not known and is ignored",
    )


def test_a_term_in_the_past_is_a_warning(folder: Path) -> None:
    assert warnings_of(folder, on=date(2026, 10, 12)) == (
        "neighbourhood.toml: the term lies in the past: it ended on 2026-10-11",
    )
    assert warnings_of(folder, on=date(2026, 9, 15)) == (
        "neighbourhood.toml: the term began in the past, on 2026-09-14",
    )


def test_a_term_over_unknown_holidays_is_a_warning_with_the_first_date(folder: Path) -> None:
    rewrite(folder / "neighbourhood.toml", "to = 2026-10-11", "to = 2027-02-28")
    (warning,) = warnings_of(folder)
    assert (
        "holidays and make-up workdays of CN are not known yet for 59 dates of the term, from 2027-01-01 on" in warning
    )


def test_calendar_csv_makes_provisional_dates_certain(folder: Path) -> None:
    rewrite(folder / "neighbourhood.toml", "to = 2026-10-11", "to = 2027-01-02")
    (folder / "calendar.csv").write_text("date,kind\n2027-01-01,rest_day\n2027-01-02,workday\n")
    assert warnings_of(folder) == ()
    assert read_folder(folder, on=BEFORE_THE_TERM).calendar_overrides[date(2027, 1, 2)] == "workday"


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("2026-02-30,workday", "date: is '2026-02-30', expected a date like 2027-02-06"),
        ("20260930,workday", "date: is '20260930', expected a date like 2027-02-06"),
        ("2026-09-30,half_day", "kind: is 'half_day', expected workday or rest_day"),
        ("2026-09-30,", "kind: is empty"),
        ("2026-09-29,workday", "date: '2026-09-29' is already in line 2"),
    ],
)
def test_a_bad_line_of_the_calendar_is_a_fault(folder: Path, row: str, fault: str) -> None:
    (folder / "calendar.csv").write_text(f"date,kind\n2026-09-29,workday\n{row}\n")
    assert faults_of(folder) == [f"calendar.csv:3: {fault}"]


def test_points_outside_the_country_are_a_warning_with_examples(folder: Path) -> None:
    rewrite(folder / "homes.csv", "121.5300,31.2700", "31.2700,61.5300")
    rewrite(folder / "facilities.geojson", "[121.519, 31.267]", "[31.267, 81.519]")
    assert warnings_of(folder) == (
        "1 homes lie outside the bounding box of CN (swapped or shifted coordinates?): h3",
        "1 facilities lie outside the bounding box of CN (swapped or shifted coordinates?): park",
    )


@pytest.mark.parametrize(
    ("rows", "faults"),
    [
        (
            "d01,park,lock\nd01,tower,lock",
            ["2: facility: 'd01' is locked to two facilities", "3: facility: 'd01' is locked to two facilities"],
        ),
        ("d01,park,lock\nd01,park,reject", ["2: decision: 'd01' is both locked and rejected there"]),
        ("d01,park,lock\nd01,,reject", ["2: decision: 'd01' is both locked and rejected there"]),
        ("d01,park,reject\nd01,park,reject", ["3: demand: 'd01': said twice"]),
        ("d01,,lock", ["2: facility: is empty, a lock names a facility"]),
        ("d99,park,lock", ["2: demand: 'd99' is not in demands.csv"]),
        ("d01,garage,reject", ["2: facility: 'garage' is not in facilities.geojson"]),
        ("d01,park,LOCK", ["2: decision: is 'LOCK', expected lock or reject"]),
        (",park,lock", ["2: demand: is empty"]),
        ("d01,park,lock\nd01,tower,reject\nd02,,reject", []),
    ],
)
def test_decisions_that_contradict_each_other_or_the_folder_are_faults(
    folder: Path, rows: str, faults: list[str]
) -> None:
    (folder / "decisions.csv").write_text(f"demand,facility,decision\n{rows}\n")
    assert faults_of(folder) == [f"decisions.csv:{fault}" for fault in faults]


def test_walks_may_name_candidates_that_are_not_in_the_folder(folder: Path) -> None:
    (folder / "walks.csv").write_text((folder / "walks.csv").read_text().rstrip("\n") + "\nh1,not-yet-offered,60\n")
    assert faults_of(folder) == []


def test_walks_are_rounded_to_whole_metres_once(folder: Path) -> None:
    rewrite(folder / "walks.csv", "h1,park,120", "h1,park,120.6")
    walks = read_folder(folder, on=BEFORE_THE_TERM).walks
    assert walks is not None
    assert walks["walk_m"][0] == 121


def test_weights_whose_sum_cannot_be_counted_are_a_fault(folder: Path) -> None:
    rewrite(folder / "neighbourhood.toml", "to = 2026-10-11", "to = 2026-10-11\n[policy]\nwaiting_value_m = 10000000")
    assert faults_of(folder) == []
    rows = "".join(f"x{number},h1,daily,19:00,31:00,9999\n" for number in range(50_000))
    (folder / "demands.csv").write_text("id,home,days,arrive,leave,rounds_waited\n" + rows)
    (found,) = faults_of(folder)
    assert found.startswith("neighbourhood.toml:1: policy: 50000 demands worth up to 99990016000 m each are too much")


def test_a_truncated_streets_file_is_a_fault(folder: Path) -> None:
    whole = (Path(__file__).parents[1] / "geo/data/monaco.osm.pbf").read_bytes()
    (folder / "streets.osm.pbf").write_bytes(whole[: len(whole) // 2])
    (found,) = faults_of(folder)
    assert found.startswith("streets.osm.pbf:1: file: ")


def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    assert faults_of(tmp_path / "nowhere") == [f"{tmp_path / 'nowhere'}:1: folder: is missing"]
    (tmp_path / "file").touch()
    assert faults_of(tmp_path / "file") == [f"{tmp_path / 'file'}:1: folder: is not a folder"]


def test_a_folder_in_the_place_of_a_file_is_a_fault(folder: Path) -> None:
    (folder / "homes.csv").unlink()
    (folder / "homes.csv").mkdir()
    assert faults_of(folder) == ["homes.csv:1: file: is not a file"]


def test_thousands_of_wrong_rows_are_cut_short_and_counted(folder: Path) -> None:
    rows = "".join(f"x{number},nowhere,daily,19:00,31:00\n" for number in range(5000))
    (folder / "demands.csv").write_text("id,home,days,arrive,leave\n" + rows)
    found = faults_of(folder)
    assert len(found) == 1001
    assert found[-1] == "demands.csv:1002: home: 'nowhere' is not in homes.csv (and 3999 more like it)"


def test_coordinates_of_the_folder_are_turned_into_wgs_84(folder: Path) -> None:
    plain = read_folder(folder, on=BEFORE_THE_TERM)
    rewrite(folder / "neighbourhood.toml", "EPSG:4326", "GCJ-02")
    moved = read_folder(folder, on=BEFORE_THE_TERM)
    # GCJ-02 lies some 450 m to the east and 200 m to the south of WGS 84 in Shanghai.
    assert 0.003 < plain.homes["lon"][0] - moved.homes["lon"][0] < 0.006
    assert 0.003 < plain.facilities[0].geometry.centroid.x - moved.facilities[0].geometry.centroid.x < 0.006


def test_reading_names_the_hash_of_every_file_it_used(folder: Path) -> None:
    (folder / "notes.txt").write_text("ignored")
    assert sorted(read_folder(folder, on=BEFORE_THE_TERM).input_sha256) == [
        "demands.csv",
        "facilities.geojson",
        "homes.csv",
        "neighbourhood.toml",
        "walks.csv",
    ]


def test_the_exception_lists_faults_in_order_of_file_and_line(folder: Path) -> None:
    rewrite(folder / "demands.csv", "d20,h2", "d20,h9")
    rewrite(folder / "demands.csv", "d03,h1", "d03,h8")
    with pytest.raises(FolderFaults) as caught:
        read_folder(folder)
    assert [fault.line for fault in caught.value.faults] == [4, 21]


@pytest.mark.parametrize(
    "name",
    [
        "neighbourhood.toml",
        "facilities.geojson",
        "homes.csv",
        "demands.csv",
        "decisions.csv",
        "calendar.csv",
        "walks.csv",
    ],
)
def test_a_pipe_in_the_place_of_a_file_is_a_fault_and_not_waited_for(folder: Path, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    assert f"{name}:1: file: is not a file" in faults_of(folder)


@pytest.mark.parametrize("name", ["decisions.csv", "calendar.csv", "walks.csv", "streets.osm", "streets.osm.pbf"])
def test_a_link_that_leads_nowhere_is_a_fault_and_not_an_absent_file(folder: Path, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(folder / "gone")
    (fault,) = faults_of(folder)
    assert fault.startswith(f"{name}:1: file: ")
    (folder / name).unlink()
    (folder / name).symlink_to(folder / name)
    (fault,) = faults_of(folder)
    assert fault.startswith(f"{name}:1: file: ")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a=" + "[" * 100_000, "is too large to be settings"),
        ("a=" + "[\n" * 20_000, "is nested too deeply to be settings"),
        (".".join("a" * 50_000) + "=1", "is too large to be settings"),
        ("name." + ".".join("a" * 2_000) + "=1", "is nested too deeply to be settings"),
        ("# long\n" * 20_000, "is too large to be settings"),
    ],
)
def test_settings_made_to_choke_a_parser_are_a_fault(folder: Path, content: str, words: str) -> None:
    (folder / "neighbourhood.toml").write_text(content)
    assert any(fault.startswith("neighbourhood.toml:") and words in fault for fault in faults_of(folder))


@pytest.mark.parametrize("text", ["2026-W38-1", "2026-258", "20260914", "\u0662026-09-14"])
def test_a_date_is_written_in_one_way_only(folder: Path, text: str) -> None:
    (folder / "calendar.csv").write_text(f"date,kind\n{text},rest_day\n", encoding="utf-8")
    assert faults_of(folder) == [f"calendar.csv:2: date: is {text!r}, expected a date like 2027-02-06"]
    (folder / "calendar.csv").unlink()
    rewrite(folder / "neighbourhood.toml", "from = 2026-09-14", f'from = "{text}"')
    assert any("term.from" in fault for fault in faults_of(folder))


@pytest.mark.parametrize("content", ["<osm><node id='1' lat='31' lon='121'/>", "<osm><node></osm>"])
def test_broken_streets_are_told_even_where_walks_make_them_needless(folder: Path, content: str) -> None:
    (folder / "streets.osm").write_text(content)
    (fault,) = faults_of(folder)
    assert fault.startswith("streets.osm:1: file: cannot be read as OpenStreetMap data: ")
    (folder / "streets.osm").write_text("<osm version='0.6'></osm>")
    assert faults_of(folder) == []


@pytest.mark.parametrize("sign", ["\x1b", "\x07", "\x9b"])
def test_an_id_with_a_control_character_is_a_fault(folder: Path, sign: str) -> None:
    rewrite(folder / "demands.csv", "d06,", f"d0{sign}6,")
    assert faults_of(folder)[0].startswith("demands.csv:7: id: is ")
    assert "control character" in faults_of(folder)[0]
