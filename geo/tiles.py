"""Base maps made from an OpenStreetMap file: a PMTiles archive of vector tiles, or GeoJSON; no tile server anywhere."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.errors
import pyogrio.raw
import shapely
from shapely.geometry.base import BaseGeometry

from geo.errors import BaseMapError
from geo.osm.features import Feature, read_features
from geo.osm.layers import ATTRIBUTION, LAYERS, base_map_layers
from geo.pmtiles import Tile, write_pmtiles

MIN_ZOOM, MAX_ZOOM = 10, 16
"""From a whole city on a screen to single buildings (web map zoom levels)."""

FIRST_ZOOM = {"streets": 10, "buildings": 13, "parks": 10, "water": 10}
"""Zoom from which a layer is drawn: a building is less than a pixel or two wide before."""

_GRID_DEG = 1e-6
"""Coordinates in GeoJSON are rounded to a tenth of a metre."""

_MAX_TILE_BYTES = 4_000_000
"""
GDAL coarsens tiles above its limit, half a megabyte by default; a dense city at zoom 10 needs more, uncompressed.
"""


@dataclass(frozen=True, slots=True)
class BaseMap:
    """What a base map holds."""

    num_tiles: int
    num_shapes: dict[str, int]
    """Shapes by layer."""
    bounds: tuple[float, float, float, float]
    """(min_lon, min_lat, max_lon, max_lat) in degrees."""
    warnings: tuple[str, ...]


def write_base_map(osm: Path, out: Path) -> BaseMap:
    """
    Write the base map of an OpenStreetMap file as a PMTiles archive.

    It has the layers `streets`, `buildings`, `parks` and `water` at zooms 10 to 16; every shape has `class` and,
    where it has one, `name`.

    Raises
    ------
    MapFileError
        If the file cannot be read in full.
    BaseMapError
        If it holds nothing to draw, or the archive cannot be written.

    Notes
    -----
    GDAL cuts one layer at a time, and its PMTiles driver cannot add a layer to an archive. A vector tile is a list
    of layers, though, so the tiles of several layers are joined by writing one behind the other (Mapbox Vector Tile
    specification 2.1, section 4.1: the layers of a tile are a repeated field).
    """
    features = read_features(osm)
    layers = {layer: found for layer, found in base_map_layers(features).items() if found}
    if not layers:
        raise BaseMapError(f"{osm}: no streets, buildings, parks or water to draw")
    tiles: dict[Tile, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="base-map-") as folder:
        for layer in LAYERS:
            if layer in layers:
                _cut_layer(Path(folder) / layer, layer, layers[layer])
                for tile, content in _tiles_in(Path(folder) / layer):
                    tiles[tile] = tiles.get(tile, b"") + content
    bounds = _bounds(feature for found in layers.values() for feature, _ in found)
    unfinished = out.with_name(out.name + ".part")
    try:
        write_pmtiles(unfinished, tiles, bounds=bounds, metadata=_metadata(layers))
        unfinished.replace(out)
    except OSError as error:
        raise BaseMapError(f"{out}: cannot be written: {error}") from error
    return BaseMap(
        num_tiles=len(tiles),
        num_shapes={layer: len(found) for layer, found in layers.items()},
        bounds=bounds,
        warnings=features.warnings(),
    )


def base_map_geojson(osm: Path) -> dict[str, dict[str, Any]]:
    """
    Read an OpenStreetMap file as one GeoJSON FeatureCollection a layer, for small maps that stand alone.

    Coordinates are rounded to six decimals.

    Raises
    ------
    MapFileError
        If the file cannot be read in full.
    """
    return {layer: _collection(found) for layer, found in base_map_layers(read_features(osm)).items()}


def _cut_layer(folder: Path, layer: str, shapes: list[tuple[Feature, str]]) -> None:
    """Have GDAL cut a layer into uncompressed tiles, one file each."""
    try:
        pyogrio.raw.write(
            folder,
            np.asarray(
                shapely.to_wkb(np.array([feature.geometry for feature, _ in shapes], dtype=object)), dtype=object
            ),
            [
                np.array([kind for _, kind in shapes], dtype=object),
                np.array([feature.name for feature, _ in shapes], dtype=object),
            ],
            ["class", "name"],
            layer=layer,
            driver="MVT",
            geometry_type="Unknown",
            crs="EPSG:4326",
            dataset_options={
                "FORMAT": "DIRECTORY",
                "COMPRESS": "NO",
                "MINZOOM": str(FIRST_ZOOM[layer]),
                "MAXZOOM": str(MAX_ZOOM),
                "MAX_SIZE": str(_MAX_TILE_BYTES),
            },
        )
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise BaseMapError(f"the layer {layer} cannot be cut into tiles: {error}") from error


def _tiles_in(folder: Path) -> Iterable[tuple[Tile, bytes]]:
    for path in sorted(folder.glob("*/*/*.pbf")):
        yield (int(path.parent.parent.name), int(path.parent.name), int(path.stem)), path.read_bytes()


def _bounds(features: Iterable[Feature]) -> tuple[float, float, float, float]:
    west, south, east, north = shapely.total_bounds(np.array([feature.geometry for feature in features], dtype=object))
    return float(west), float(south), float(east), float(north)


def _metadata(layers: dict[str, list[tuple[Feature, str]]]) -> dict[str, Any]:
    described = [
        {
            "id": layer,
            "minzoom": FIRST_ZOOM[layer],
            "maxzoom": MAX_ZOOM,
            "fields": {"class": "String", "name": "String"},
        }
        for layer in LAYERS
        if layer in layers
    ]
    return {
        "name": "base map",
        "type": "baselayer",
        "format": "pbf",
        "attribution": ATTRIBUTION,
        "vector_layers": described,
        # GDAL reads the layers from here.
        "json": json.dumps({"vector_layers": described}),
    }


def _collection(found: list[tuple[Feature, str]]) -> dict[str, Any]:
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "id": feature.osm_id,
                "geometry": json.loads(shapely.to_geojson(_rounded(feature))),
                "properties": _properties(feature, kind),
            }
            for feature, kind in found
        ],
    }


def _properties(feature: Feature, kind: str) -> dict[str, str]:
    return {"class": kind, "name": feature.name} if feature.name else {"class": kind}


def _rounded(feature: Feature) -> BaseGeometry:
    return shapely.set_precision(feature.geometry, _GRID_DEG, mode="pointwise")
