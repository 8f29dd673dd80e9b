"""Walks worked out at import, and from a new address just the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from api.errors import FolderFaults
from api.finding.walking import WalkBy, walking_order_from
from api.neighbourhoods.importing import import_folder
from api.neighbourhoods.read import read_folder

ISLAND = """<node id="5" lat="31.2660" lon="121.52055"/><node id="6" lat="31.2660" lon="121.5207"/>
<way id="13"><nd ref="5"/><nd ref="6"/><tag k="highway" v="footway"/></way>
</osm>"""


_WALKS = text("SELECT facility_id, walk_m FROM walk_pairs WHERE home_id = :home ORDER BY walk_m, facility_id")


def imported(engine: Engine, folder: Path) -> None:
    import_folder(engine, read_folder(folder), folder)


def stored(engine: Engine) -> list[tuple[str, str, int]]:
    query = text(
        "SELECT h.code, f.code, p.walk_m FROM walk_pairs p JOIN homes h ON h.id = p.home_id"
        " JOIN facilities f ON f.id = p.facility_id ORDER BY 1, 2"
    )
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


def assert_addresses_walk_like_homes(engine: Engine, *, walk_by: WalkBy, num_pairs: int) -> None:
    """Look from the place of every home as if nobody knew it; a metre may come from rounding."""
    with engine.connect() as connection:
        homes = connection.execute(
            text("SELECT id, neighbourhood_id, ST_X(geometry) AS lon, ST_Y(geometry) AS lat FROM homes")
        ).all()
        pairs = 0
        for home in homes:
            known = connection.execute(_WALKS, {"home": home.id}).all()
            found, how = walking_order_from(
                connection, home.neighbourhood_id, lon=home.lon, lat=home.lat, max_walk_m=1000
            )
            assert how == walk_by
            assert [facility_id for facility_id, _ in found] == [facility_id for facility_id, _ in known]
            assert [walk_m for _, walk_m in found] == pytest.approx([walk_m for _, walk_m in known], abs=1)
            pairs += len(known)
    assert pairs == num_pairs


def test_walks_that_the_folder_lists_are_the_truth(engine: Engine, lane: Path) -> None:
    """A walk to a facility that nobody has offered yet is no pair, nor is one that nobody walks."""
    with (lane / "walks.csv").open("a") as walks:
        walks.write("h2,road,1001\n")
    imported(engine, lane)
    assert stored(engine) == [("h1", "park", 120), ("h2", "park", 210), ("h3", "road", 60)]


def test_a_policy_of_longer_walks_keeps_longer_ones(engine: Engine, lane: Path) -> None:
    settings = lane / "neighbourhood.toml"
    settings.write_text(settings.read_text() + "max_walk_m = 1500\n")
    with (lane / "walks.csv").open("a") as walks:
        walks.write("h2,road,1500\nh3,park,1501\n")
    imported(engine, lane)
    assert stored(engine)[1:] == [("h2", "park", 210), ("h2", "road", 1500), ("h3", "road", 60)]


def test_without_listed_walks_they_run_along_the_streets(engine: Engine, lane: Path) -> None:
    (lane / "walks.csv").unlink()
    imported(engine, lane)
    assert_addresses_walk_like_homes(engine, walk_by="network", num_pairs=6)


def test_a_path_that_nobody_joined_to_the_street_cuts_no_address_off(engine: Engine, lane: Path) -> None:
    """The second home stands beside a path that leads nowhere; the street, 48 m away, is taken all the same."""
    (lane / "walks.csv").unlink()
    streets = lane / "streets.osm"
    streets.write_text(streets.read_text().replace("</osm>", ISLAND))
    imported(engine, lane)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM walk_edges WHERE on_island")) == 1
    assert_addresses_walk_like_homes(engine, walk_by="network", num_pairs=6)


def test_without_streets_walks_are_straight_and_longer_by_a_factor(engine: Engine, lane: Path) -> None:
    (lane / "walks.csv").unlink()
    (lane / "streets.osm").unlink()
    imported(engine, lane)
    assert_addresses_walk_like_homes(engine, walk_by="straight", num_pairs=6)


def test_an_address_far_from_every_street_is_measured_straight(engine: Engine, lane: Path) -> None:
    """200 m south of the street; the road facility, a line with doors at both ends, lies 100 m north-west of it."""
    imported(engine, lane)
    with engine.connect() as connection:
        owner = connection.scalar(text("SELECT id FROM neighbourhoods")) or 0
        found, how = walking_order_from(connection, owner, lon=121.518, lat=31.2641, max_walk_m=500)
    assert how == "straight"
    # From (121.518, 31.265) to 31.2641 are 99.8 m; 1.3 times that.
    assert found[0][1] == 130


def test_streets_that_walks_depend_on_must_be_walkable(engine: Engine, lane: Path) -> None:
    (lane / "walks.csv").unlink()
    streets = lane / "streets.osm"
    streets.write_text(
        streets.read_text().replace('v="residential"', 'v="motorway"').replace('"footway"', '"motorway"')
    )
    with pytest.raises(FolderFaults, match="streets"):
        imported(engine, lane)
    assert stored(engine) == []


def test_a_new_import_takes_its_walks_along(engine: Engine, lane: Path) -> None:
    imported(engine, lane)
    import_folder(engine, read_folder(lane), lane, replace=True)
    assert len(stored(engine)) == 3
