"""
How far everybody walks, worked out once: pairs of homes and facilities, and what new addresses are measured by.

Walks that the folder lists are the truth. Otherwise they run along its streets, and where it has none, along the
straight line lengthened by a factor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Connection

from api.db import walk_tables
from api.db.copying import copy_rows
from api.errors import Fault, FolderFaults
from api.neighbourhoods.model import Neighbourhood
from api.neighbourhoods.supply_rows import hex_wkb
from geo.entrances import doors_on_streets
from geo.errors import GeoError
from geo.network import WalkNetwork, build_network
from geo.osm.streets import read_streets
from geo.pairs import pairs_on_network, straight_line_pairs
from geo.snap import ISLAND_M, StreetIndex

KNOWN_WALK_M = 1000.0
"""Pairs are kept up to here: twice what people are asked to walk; farther where a neighbourhood's policy says so."""

Entrances = Sequence[Sequence[tuple[float, float]]]
Progress = Callable[[int, int], None]


def copy_walk_rows(
    connection: Connection,
    owner: int,
    neighbourhood: Neighbourhood,
    *,
    homes: pl.DataFrame,
    facilities: pl.DataFrame,
    progress: Progress | None = None,
) -> int:
    """
    Store walk pairs, the walking network and the doors of a neighbourhood; return how many pairs.

    Parameters
    ----------
    owner
        Id of the neighbourhood.
    homes, facilities
        Ids of what is stored already, by `code`, in the neighbourhood's order.
    progress
        Called with (facilities done, facilities in all) while walks are worked out along streets.

    Raises
    ------
    FolderFaults
        The walks depend on the streets, and these cannot be read in full.
    """
    network = _network(neighbourhood)
    if network is not None:
        copy_rows(connection, walk_tables.walk_edges, _edge_rows(network, owner))
    shapes = [facility.geometry for facility in neighbourhood.facilities]
    entrances = [facility.entrances for facility in neighbourhood.facilities]
    doors = door_rows(shapes, entrances, network=network)
    copy_doors(connection, doors, facilities["id"])
    pairs = _pairs(neighbourhood, network, homes=homes, facilities=facilities, progress=progress)
    return copy_rows(connection, walk_tables.walk_pairs, pairs)


def copy_doors(connection: Connection, doors: pl.DataFrame, facility_ids: pl.Series) -> None:
    """Store doors as `door_rows` gives them; `facility_ids` (F,) are in the order of its facilities."""
    rows = doors.select(facility_ids.gather(doors["which"]).alias("facility_id"), "position", "geometry")
    copy_rows(connection, walk_tables.walk_doors, rows)


def door_rows(shapes: Sequence[BaseGeometry], entrances: Entrances, *, network: WalkNetwork | None) -> pl.DataFrame:
    """
    Tell where people on foot enter facilities.

    On a network these are points on its streets' side; without one, the named entrances or the whole shape, to which
    straight lines are measured.

    Returns
    -------
    DataFrame
        `which` facility by index, `position` among its doors, `geometry` in WGS 84.
    """
    if not shapes:
        nothing: list[str] = []
        which, places = np.zeros(0, dtype=np.int64), nothing
    elif network is not None:
        doors = doors_on_streets(shapes, entrances, index=StreetIndex(network))
        which = doors.facility.astype(np.int64)
        places = hex_wkb(np.asarray(shapely.points(*network.plane.to_degrees(doors.x, doors.y)), dtype=object))
    else:
        parts: list[list[BaseGeometry]] = [
            [shapely.Point(point) for point in named] or [shape] for shape, named in zip(shapes, entrances, strict=True)
        ]
        which = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        places = hex_wkb([place for part in parts for place in part])
    frame = pl.DataFrame({"which": which, "geometry": places}, schema={"which": pl.UInt32(), "geometry": pl.String()})
    return frame.with_columns(position=pl.int_range(pl.len()).over("which"))


def _network(neighbourhood: Neighbourhood) -> WalkNetwork | None:
    if neighbourhood.streets is None:
        return None
    try:
        return build_network(read_streets(neighbourhood.streets))
    except GeoError as error:
        if neighbourhood.walks is not None:
            return None  # the folder knows its walks without
        words = str(error).removeprefix(f"{neighbourhood.streets}: ")
        raise FolderFaults([Fault(neighbourhood.streets.name, 1, "file", words)]) from error


def _edge_rows(network: WalkNetwork, owner: int) -> pl.DataFrame:
    is_island = network.component_m < ISLAND_M
    is_island[0] = False  # the longest part never is one, however short

    def to_degrees(corners: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(network.plane.to_degrees(corners[:, 0], corners[:, 1]))

    return pl.DataFrame(
        {
            "from_node": network.edge_from,
            "to_node": network.edge_to,
            "on_island": is_island[network.edge_component],
            "geometry": hex_wkb(shapely.transform(network.edge_shape, to_degrees)),
        }
    ).with_columns(neighbourhood_id=pl.lit(owner), position=pl.int_range(pl.len()))


def _pairs(
    neighbourhood: Neighbourhood,
    network: WalkNetwork | None,
    *,
    homes: pl.DataFrame,
    facilities: pl.DataFrame,
    progress: Progress | None,
) -> pl.DataFrame:
    """Pairs of ids with whole metres, none farther than anybody walks."""
    limit_m = max(KNOWN_WALK_M, neighbourhood.policy.max_walk_m)
    if neighbourhood.walks is not None:
        return (
            neighbourhood.walks.filter(pl.col("walk_m") <= limit_m)
            .join(homes.select(home="code", home_id="id"), on="home")
            .join(facilities.select(facility="code", facility_id="id"), on="facility")
            .select("facility_id", "home_id", "walk_m")
        )
    arguments = {
        "home_ids": neighbourhood.homes["id"].to_list(),
        "home_lon": neighbourhood.homes["lon"].to_numpy(),
        "home_lat": neighbourhood.homes["lat"].to_numpy(),
        "facility_ids": [facility.id for facility in neighbourhood.facilities],
        "geometries": [facility.geometry for facility in neighbourhood.facilities],
        "entrances": [facility.entrances for facility in neighbourhood.facilities],
        "limit_m": limit_m,
    }
    if network is None:
        walks = straight_line_pairs(**arguments)  # type: ignore[arg-type]  # the values are what the names say
    else:
        walks = pairs_on_network(network, progress=progress, **arguments)  # type: ignore[arg-type]  # as above
    return pl.DataFrame(
        {
            "facility_id": facilities["id"].to_numpy()[walks.facility],
            "home_id": homes["id"].to_numpy()[walks.home],
            "walk_m": walks.walk_m,
        }
    )
