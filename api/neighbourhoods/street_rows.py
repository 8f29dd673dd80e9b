"""The streets of a neighbourhood: the file as it came, its lines, and the base map made from it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
from sqlalchemy import Connection, insert

from api.db import tables
from api.db.copying import copy_rows, reserve_ids
from api.neighbourhoods.supply_rows import hex_wkb
from geo.osm.features import read_features
from geo.osm.layers import base_map_layers
from geo.tiles import write_base_map


def copy_streets(connection: Connection, owner: int, path: Path | None) -> int:
    """Store a street file, its lines and its base map; return how many lines."""
    if path is None:
        return 0
    connection.execute(
        insert(tables.street_files).values(neighbourhood_id=owner, name=path.name, content=path.read_bytes())
    )
    with tempfile.TemporaryDirectory(prefix="baytide-") as folder:
        archive = Path(folder) / "base.pmtiles"
        write_base_map(path, archive)
        connection.execute(insert(tables.base_maps).values(neighbourhood_id=owner, archive=archive.read_bytes()))
    lines = [
        (feature, kind)
        for feature, kind in base_map_layers(read_features(path))["streets"]
        if feature.geometry.geom_type == "LineString"
    ]
    frame = pl.DataFrame(
        {
            "class": [kind for _, kind in lines],
            "name": [feature.name for feature, _ in lines],
            "geometry": hex_wkb([feature.geometry for feature, _ in lines]),
        },
        schema={"class": pl.String(), "name": pl.String(), "geometry": pl.String()},
    )
    ids = reserve_ids(connection, tables.streets, count=frame.height)
    return copy_rows(connection, tables.streets, frame.with_columns(ids, pl.lit(owner).alias("neighbourhood_id")))
