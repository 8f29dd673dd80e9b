"""The archive is read back by GDAL, which shares nothing with the writer."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from pyproj import Transformer

from geo.errors import BaseMapError, TruncatedMapError
from geo.osm.features import read_features
from geo.osm.layers import LAYERS, base_map_layers
from geo.pmtiles import tile_id, write_pmtiles
from geo.tiles import MAX_ZOOM, MIN_ZOOM, base_map_geojson, write_base_map
from tests.geo.conftest import DrawMap

LOT = {1: (0.0, 0.0), 2: (30.0, 0.0), 3: (30.0, 30.0), 4: (0.0, 30.0)}
TO_DEGREES = Transformer.from_crs("EPSG:3857", "EPSG:4326", always_xy=True)


def read_layer(
    path: Path, layer: str, zoom: int = MAX_ZOOM
) -> tuple[list[str], np.ndarray[tuple[int], np.dtype[np.object_]]]:
    meta, _, wkb, columns = pyogrio.raw.read(path, layer=layer, ZOOM_LEVEL=zoom)
    kinds = dict(zip(meta["fields"], columns, strict=True))["class"]
    shapes = shapely.transform(shapely.from_wkb(wkb), lambda xy: np.column_stack(TO_DEGREES.transform(*xy.T)))
    return list(kinds), shapes


def test_the_base_map_of_siping_has_four_layers_that_gdal_reads(siping: Path, tmp_path: Path) -> None:
    out = tmp_path / "siping.pmtiles"
    made = write_base_map(siping, out)
    assert [name for name, _ in pyogrio.list_layers(out)] == list(LAYERS)
    layers = base_map_layers(read_features(siping))
    for layer in LAYERS:
        kinds, shapes = read_layer(out, layer)
        assert made.num_shapes[layer] == len(layers[layer]) > 0
        assert set(kinds) == {kind for _, kind in layers[layer]}
        # Tiles keep a 4096th of 500 m at zoom 16: a decimetre or two.
        drawn, mapped = shapely.union_all(shapes), shapely.union_all([feature.geometry for feature, _ in layers[layer]])
        assert shapely.hausdorff_distance(drawn, mapped) < 1e-4


@pytest.mark.parametrize("zoom", range(MIN_ZOOM, MAX_ZOOM + 1))
def test_every_zoom_shows_the_streets_where_they_are(siping: Path, tmp_path: Path, zoom: int) -> None:
    out = tmp_path / "siping.pmtiles"
    write_base_map(siping, out)
    _, shapes = read_layer(out, "streets", zoom)
    streets = [feature.geometry for feature, _ in base_map_layers(read_features(siping))["streets"]]
    assert shapely.total_bounds(shapes) == pytest.approx(shapely.total_bounds(streets), abs=0.02)


def test_equal_input_gives_equal_bytes(siping: Path, tmp_path: Path) -> None:
    write_base_map(siping, tmp_path / "one.pmtiles")
    write_base_map(siping, tmp_path / "two.pmtiles")
    assert (tmp_path / "one.pmtiles").read_bytes() == (tmp_path / "two.pmtiles").read_bytes()
    assert not list(tmp_path.glob("*.part"))


def test_a_cut_map_gives_no_base_map(siping: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.osm.pbf"
    cut.write_bytes(siping.read_bytes()[:-10])
    with pytest.raises(TruncatedMapError):
        write_base_map(cut, tmp_path / "cut.pmtiles")
    assert not (tmp_path / "cut.pmtiles").exists()


def test_a_map_with_nothing_to_draw_is_refused(draw_map: DrawMap, tmp_path: Path) -> None:
    with pytest.raises(BaseMapError, match="no streets, buildings, parks or water"):
        write_base_map(draw_map({1: (0.0, 0.0)}, points={1: {"amenity": "bench"}}), tmp_path / "map.pmtiles")


def test_a_map_of_streets_alone_has_one_layer(draw_map: DrawMap, tmp_path: Path) -> None:
    out = tmp_path / "map.pmtiles"
    made = write_base_map(draw_map(LOT, [(1, [1, 2, 3], {"highway": "residential", "name": "密云路"})]), out)
    assert made.num_shapes == {"streets": 1}
    assert read_layer(out, "streets")[0] == ["residential"]


def test_a_shape_is_in_one_layer_with_its_class(draw_map: DrawMap) -> None:
    ring = [1, 2, 3, 4, 1]
    path = draw_map(
        LOT,
        [
            (1, ring, {"building": "apartments", "leisure": "park"}),
            (2, ring, {"leisure": "park", "name": "Jiangpu Park"}),
            (3, ring, {"natural": "water", "water": "pond"}),
            (4, [1, 2], {"waterway": "canal"}),
            (5, [1, 2], {"highway": "primary_link"}),
            (6, [2, 3], {"highway": "construction"}),
            (7, [2, 3], {"waterway": "canal", "tunnel": "culvert"}),
            (8, ring, {"highway": "pedestrian", "area": "yes"}),
            (9, ring, {"landuse": "retail"}),
        ],
    )
    drawn = {
        layer: [(feature["id"], feature["properties"]["class"]) for feature in found["features"]]
        for layer, found in base_map_geojson(path).items()
    }
    assert drawn == {
        "buildings": [("w1", "apartments")],
        "parks": [("w2", "park")],
        "water": [("w4", "canal"), ("w3", "pond")],
        "streets": [("w5", "primary"), ("w8", "pedestrian")],
    }


def test_the_geojson_of_monaco_is_whole(monaco: Path) -> None:
    layers = base_map_geojson(monaco)
    assert set(layers) == set(LAYERS)
    assert len(layers["buildings"]["features"]) > 1500
    assert len(json.dumps(layers)) < 5_000_000
    for found in layers.values():
        assert found["type"] == "FeatureCollection"
        assert all(shapely.from_geojson(json.dumps(one["geometry"])) is not None for one in found["features"])


# The first tiles of the specification's own table (PMTiles version 3, section 4.1.1), and its example 12/3423/1763.
@pytest.mark.parametrize(
    ("tile", "number"),
    [
        ((0, 0, 0), 0),
        ((1, 0, 0), 1),
        ((1, 0, 1), 2),
        ((1, 1, 1), 3),
        ((1, 1, 0), 4),
        ((2, 0, 0), 5),
        ((12, 3423, 1763), 19078479),
    ],
)
def test_tiles_are_numbered_as_the_specification_says(tile: tuple[int, int, int], number: int) -> None:
    assert tile_id(*tile) == number


@pytest.mark.parametrize("zoom", [0, 1, 2, 5])
def test_each_zoom_numbers_its_tiles_without_gaps_and_each_next_to_the_last(zoom: int) -> None:
    side = 2**zoom
    at = {tile_id(zoom, x, y): (x, y) for x in range(side) for y in range(side)}
    first = sum(4**above for above in range(zoom))
    assert sorted(at) == list(range(first, first + side * side))
    for number in range(first + 1, first + side * side):
        (x, y), (to_x, to_y) = at[number - 1], at[number]
        assert abs(x - to_x) + abs(y - to_y) == 1


def test_an_archive_of_many_tiles_has_leaf_directories_and_finds_each_tile(tmp_path: Path) -> None:
    # Lengths at random, so that the directory does not compress into the root.
    rng = np.random.default_rng(0)
    tiles = {(7, x, y): rng.bytes(int(rng.integers(1, 300))) for x in range(128) for y in range(128)}
    out = tmp_path / "many.pmtiles"
    write_pmtiles(out, tiles, bounds=(-180, -85, 180, 85), metadata={})
    archive = out.read_bytes()
    for tile in [(7, 0, 0), (7, 127, 127), (7, 17, 100), (7, 64, 63)]:
        assert _find(archive, tile_id(*tile)) == tiles[tile]
    assert _find(archive, tile_id(8, 0, 0)) is None
    assert int.from_bytes(archive[48:56], "little") > 0


def test_equal_tiles_are_stored_once(tmp_path: Path) -> None:
    out = tmp_path / "sea.pmtiles"
    write_pmtiles(out, {(6, x, y): b"sea" for x in range(64) for y in range(64)}, bounds=(0, 0, 1, 1), metadata={})
    assert out.stat().st_size < 400
    assert _find(out.read_bytes(), tile_id(6, 33, 44)) == b"sea"


def _find(archive: bytes, number: int) -> bytes | None:
    """Look a tile up as the specification's reader does."""

    def field(at: int) -> int:
        return int.from_bytes(archive[at : at + 8], "little")

    at, length = field(8), field(16)
    for _ in range(4):
        chosen = None
        for entry_id, run, size, offset in _entries(gzip.decompress(archive[at : at + length])):
            if entry_id <= number and (run == 0 or number < entry_id + run):
                chosen = (run, size, offset)
        if chosen is None:
            return None
        run, length, offset = chosen
        if run:
            at = field(56) + offset
            return gzip.decompress(archive[at : at + length])
        at = field(40) + offset
    return None


def _entries(directory: bytes) -> list[tuple[int, int, int, int]]:
    values, value, shift = [], 0, 0
    for byte in directory:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            values.append(value)
            value = shift = 0
    count = values[0]
    columns = [values[1 + i * count : 1 + (i + 1) * count] for i in range(4)]
    ids = np.cumsum(columns[0]).tolist()
    offsets: list[int] = []
    for i, stored in enumerate(columns[3]):
        offsets.append(offsets[-1] + columns[2][i - 1] if stored == 0 else stored - 1)
    return list(zip(ids, columns[1], columns[2], offsets, strict=True))
