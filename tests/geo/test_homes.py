from __future__ import annotations

from pathlib import Path

import pytest
import shapely

from geo.osm.features import read_features
from geo.osm.homes import CountedFrom, estimate_households, find_homes, number_in
from tests.geo.conftest import DrawMap

SQUARE = {1: (0.0, 0.0), 2: (20.0, 0.0), 3: (20.0, 20.0), 4: (0.0, 20.0)}
YARD = {5: (-50.0, -50.0), 6: (100.0, -50.0), 7: (100.0, 100.0), 8: (-50.0, 100.0)}


@pytest.mark.parametrize(
    ("tags", "size_m2", "households", "counted_from"),
    [
        ({"building": "apartments", "building:flats": "24", "building:levels": "6"}, 400, 24, CountedFrom.FLATS),
        ({"building": "detached", "building:levels": "3"}, 900, 1, CountedFrom.KIND),
        # 11 storeys × 400 m² / 110 m² = 40
        ({"building": "apartments", "building:levels": "11"}, 400, 40, CountedFrom.LEVELS),
        ({"building": "apartments", "building:levels": "9;11"}, 400, 40, CountedFrom.LEVELS),
        # 33 m / 3 m = 11 storeys
        ({"building": "apartments", "height": "33 m"}, 400, 40, CountedFrom.HEIGHT),
        # 6 storeys assumed: 21.8
        ({"building": "apartments"}, 400, 22, CountedFrom.DEFAULT),
        ({"building": "apartments", "building:levels": "RDC"}, 400, 22, CountedFrom.DEFAULT),
        ({"building": "apartments", "building:levels": "0"}, 400, 22, CountedFrom.DEFAULT),
        ({"building": "yes"}, 10, 1, CountedFrom.DEFAULT),
    ],
)
def test_households_rest_on_the_best_that_is_mapped(
    tags: dict[str, str], size_m2: float, households: int, counted_from: CountedFrom
) -> None:
    assert estimate_households(tags, size_m2=size_m2) == (households, counted_from)


@pytest.mark.parametrize(
    ("text", "number"), [("6", 6.0), ("5;7", 7.0), ("21,5 m", 21.5), ("RDC", None), ("", None), (None, None)]
)
def test_numbers_are_read_from_tags_as_people_write_them(text: str | None, number: float | None) -> None:
    assert number_in(text) == number


def test_a_building_without_a_use_is_a_home_only_on_residential_land(draw_map: DrawMap) -> None:
    nodes = {**SQUARE, **YARD, 9: (200.0, 0.0), 10: (220.0, 0.0), 11: (220.0, 20.0)}
    found = find_homes(
        read_features(
            draw_map(
                nodes,
                [
                    (1, [1, 2, 3, 4, 1], {"building": "yes"}),
                    (2, [5, 6, 7, 8, 5], {"landuse": "residential", "name": "Balin Estate"}),
                    (3, [9, 10, 11, 9], {"building": "yes"}),
                ],
            )
        )
    )
    assert [home.id for home in found.homes] == ["w1"]
    assert found.homes[0].estate == "Balin Estate"
    assert found.left_out == {"of no stated use, not on residential land": ("w3",)}


def test_shops_schools_and_sheds_on_residential_land_are_left_out_by_name(draw_map: DrawMap) -> None:
    shed = {21: (50.0, 50.0), 22: (53.0, 50.0), 23: (53.0, 53.0), 24: (50.0, 53.0)}
    found = find_homes(
        read_features(
            draw_map(
                {**SQUARE, **YARD, **shed},
                [
                    (1, [1, 2, 3, 4, 1], {"building": "yes", "amenity": "school"}),
                    (2, [5, 6, 7, 8, 5], {"landuse": "residential"}),
                    (3, [21, 22, 23, 24, 21], {"building": "yes"}),
                    (4, [21, 22, 23, 24, 21], {"building": "garage"}),
                ],
            )
        )
    )
    assert found.homes == ()
    assert found.left_out == {
        "of another use on residential land": ("w1",),
        "smaller than 20 m² on residential land": ("w3",),
        "not residential by their tag": ("w4",),
    }


def test_a_building_with_a_courtyard_is_a_home_and_its_point_is_not_in_the_yard(draw_map: DrawMap) -> None:
    ring = {31: (-30.0, -30.0), 32: (50.0, -30.0), 33: (50.0, 50.0), 34: (-30.0, 50.0)}
    features = read_features(
        draw_map(
            {**SQUARE, **ring},
            [(1, [1, 2, 3, 4, 1], {}), (2, [31, 32, 33, 34, 31], {})],
            relations=[
                (
                    9,
                    [("way", 2, "outer"), ("way", 1, "inner")],
                    {"type": "multipolygon", "building": "apartments", "building:levels": "11"},
                )
            ],
        )
    )
    (home,) = find_homes(features).homes
    assert home.id == "r9"
    # (80² − 20²) m² × 11 / 110 m²
    assert home.households == 600
    assert features.areas[0].geometry.contains(shapely.Point(home.lon, home.lat))


def test_broken_buildings_are_reported_by_id(draw_map: DrawMap) -> None:
    features = read_features(
        draw_map(
            SQUARE,
            [(1, [1, 2, 3, 99, 1], {"building": "apartments"}), (2, [1, 2, 3], {"building": "house"})],
            relations=[(9, [("way", 77, "outer")], {"type": "multipolygon", "building": "apartments"})],
        )
    )
    assert find_homes(features).homes == ()
    said = "\n".join(features.warnings())
    assert "2 areas with missing nodes or a broken outline: w1, w2" in said
    assert "1 multipolygons with missing members or a broken outline: r9" in said


def test_the_homes_of_siping_and_monaco_lie_in_their_buildings(siping: Path, monaco: Path) -> None:
    for path, fewest, people in ((siping, 74, (2_000, 5_000)), (monaco, 700, (15_000, 40_000))):
        features = read_features(path)
        homes = find_homes(features).homes
        assert len(homes) >= fewest
        assert people[0] < sum(home.households for home in homes) < people[1]
        shapes = {item.osm_id: item.geometry for item in features.areas}
        assert all(shapes[home.id].contains(shapely.Point(home.lon, home.lat)) for home in homes)


def test_every_building_of_monaco_is_a_home_or_left_out_with_a_reason(monaco: Path) -> None:
    features = read_features(monaco)
    found = find_homes(features)
    named = [home.id for home in found.homes] + [osm_id for ids in found.left_out.values() for osm_id in ids]
    buildings = [area.osm_id for area in features.areas if area.tags.get("building", "no") != "no"]
    assert sorted(named) == sorted(buildings)
