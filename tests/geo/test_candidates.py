from __future__ import annotations

from pathlib import Path

import pytest

from geo.osm.candidates import Candidate, find_candidates
from geo.osm.features import read_features
from tests.geo.conftest import DrawMap

LOT = {1: (0.0, 0.0), 2: (30.0, 0.0), 3: (30.0, 30.0), 4: (0.0, 30.0)}
PARK = {5: (-100.0, -100.0), 6: (200.0, -100.0), 7: (200.0, 200.0), 8: (-100.0, 200.0)}
RING = [1, 2, 3, 4, 1]


def only(path: Path) -> Candidate:
    (found,) = find_candidates(read_features(path)).candidates
    return found


def test_a_car_park_with_a_capacity_keeps_it(draw_map: DrawMap) -> None:
    found = only(draw_map(LOT, [(1, RING, {"amenity": "parking", "capacity": "53", "name": "Salines"})]))
    assert (found.id, found.kind, found.name, found.bays, found.bays_from) == (
        "w1", "public_car_park", "Salines", 53, "capacity",
    )  # fmt: skip


def test_a_car_park_without_a_capacity_is_estimated_from_its_ground_and_levels(draw_map: DrawMap) -> None:
    # 900 m² × 4 / 30 m²
    tags = {"amenity": "parking", "parking": "multi-storey", "building:levels": "4"}
    found = only(draw_map(LOT, [(1, RING, tags)]))
    assert (found.bays, found.bays_from) == (120, "ground")


@pytest.mark.parametrize(
    "tags", [{"parking": "surface"}, {"building": "parking"}, {"amenity": "parking;fuel"}, {"amenity": "parking"}]
)
def test_a_car_park_is_known_by_any_of_its_tags(draw_map: DrawMap, tags: dict[str, str]) -> None:
    assert only(draw_map(LOT, [(1, RING, tags)])).kind == "public_car_park"


@pytest.mark.parametrize(
    "tags", [{"amenity": "bicycle_parking"}, {"amenity": "motorcycle_parking", "parking": "surface"}, {"shop": "car"}]
)
def test_other_parking_is_no_car_park(draw_map: DrawMap, tags: dict[str, str]) -> None:
    assert find_candidates(read_features(draw_map(LOT, [(1, RING, tags)]))).candidates == ()


def test_an_office_that_is_also_a_car_park_is_one_place(draw_map: DrawMap) -> None:
    tags = {"building": "office", "amenity": "parking", "capacity": "40", "leisure": "park"}
    found = only(draw_map(LOT, [(1, RING, tags)]))
    assert (found.kind, found.bays) == ("public_car_park", 40)


def test_a_garage_under_a_park_is_a_park_garage(draw_map: DrawMap) -> None:
    path = draw_map(
        {**LOT, **PARK},
        [
            (1, RING, {"amenity": "parking", "parking": "underground", "maxheight": "2.1"}),
            (2, [5, 6, 7, 8, 5], {"leisure": "park", "name": "Jiangpu Park"}),
        ],
    )
    garage, park = find_candidates(read_features(path)).candidates
    assert (garage.kind, garage.underground, garage.max_height_m) == ("park_garage", True, 2.1)
    # 90,000 m² × 10 % / 30 m²
    assert (park.kind, park.name, park.bays) == ("park_garage", "Jiangpu Park", 300)


def test_entrances_belong_to_the_nearest_car_park_and_lonely_ones_stand_for_a_garage(draw_map: DrawMap) -> None:
    path = draw_map(
        {**LOT, 11: (40.0, 10.0), 12: (400.0, 10.0)},
        [(1, RING, {"amenity": "parking"})],
        points={11: {"amenity": "parking_entrance"}, 12: {"amenity": "parking_entrance", "parking": "underground"}},
    )
    drawn, undrawn = find_candidates(read_features(path)).candidates
    assert (drawn.id, len(drawn.entrances)) == ("w1", 1)
    assert (undrawn.id, undrawn.underground, undrawn.bays_from) == ("n12", True, "assumed")


def test_an_office_building_has_bays_by_its_floor(draw_map: DrawMap) -> None:
    # 900 m² × 20 storeys × 0.6 / 100 m²
    found = only(draw_map(LOT, [(1, RING, {"building": "office", "building:levels": "20"})]))
    assert (found.kind, found.bays, found.bays_from) == ("office_tower", 108, "floor")


def test_a_minor_road_holds_bays_between_its_junctions(draw_map: DrawMap) -> None:
    nodes = {1: (0.0, 0.0), 2: (100.0, 0.0), 3: (0.0, 50.0), 4: (100.0, 50.0)}
    path = draw_map(
        nodes,
        [
            (1, [1, 2], {"highway": "residential", "name": "Huihe Road"}),
            (2, [3, 1], {"highway": "primary"}),
            (3, [2, 4], {"highway": "primary"}),
        ],
    )
    # 10 m free at either end of 100 m: 80 / 6 = 13 bays on one side.
    found = only(path)
    assert (found.kind, found.name, found.bays, found.bays_from) == ("off_peak_road", "Huihe Road", 13, "kerb")


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"highway": "residential", "parking:both": "no"}, "roads where parking is forbidden"),
        (
            {"highway": "residential", "parking:left": "no", "parking:right": "no_stopping"},
            "roads where parking is forbidden",
        ),
        ({"highway": "residential", "bridge": "yes"}, "roads in tunnels or on bridges"),
        ({"highway": "residential", "access": "no"}, "roads closed to everybody"),
    ],
)
def test_roads_without_parking_are_left_out_with_the_reason(
    draw_map: DrawMap, tags: dict[str, str], reason: str
) -> None:
    found = find_candidates(read_features(draw_map({1: (0.0, 0.0), 2: (100.0, 0.0)}, [(1, [1, 2], tags)])))
    assert found.candidates == ()
    assert found.left_out == {reason: ("w1",)}


@pytest.mark.parametrize("highway", ["primary", "service", "footway", "motorway"])
def test_arteries_and_drives_are_no_candidates(draw_map: DrawMap, highway: str) -> None:
    found = find_candidates(
        read_features(draw_map({1: (0.0, 0.0), 2: (100.0, 0.0)}, [(1, [1, 2], {"highway": highway})]))
    )
    assert found.candidates == ()


def test_small_greens_and_short_roads_are_left_out_by_id(draw_map: DrawMap) -> None:
    path = draw_map(LOT, [(1, RING, {"leisure": "park"}), (2, [1, 2], {"highway": "residential"})])
    assert find_candidates(read_features(path)).left_out == {
        "parks smaller than 2000 m²": ("w1",),
        "roads shorter than 30 m": ("w2",),
    }


def test_the_parking_of_monaco_is_found(monaco: Path) -> None:
    features = read_features(monaco)
    found = find_candidates(features)
    mapped = sum(candidate.bays for candidate in found.candidates if candidate.bays_from == "capacity")
    # 8 features carry a capacity; one of them is a single parking space.
    assert mapped == 2039 - 2
    entrances = sum(point.tags.get("amenity") == "parking_entrance" for point in features.points)
    joined = sum(len(candidate.entrances) for candidate in found.candidates)
    lonely = {c.id for c in found.candidates} & {
        point.osm_id for point in features.points if point.tags.get("amenity") == "parking_entrance"
    }
    assert joined + len(lonely) == entrances == 59
    assert len({candidate.id for candidate in found.candidates}) == len(found.candidates)
    assert all(candidate.bays >= 1 for candidate in found.candidates)
