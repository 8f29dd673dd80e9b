"""Where places meet the walking network: the nearest point of the nearest street, not the nearest crossing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.network import WalkNetwork

MAX_SNAP_M = 150.0
"""Metres off the network beyond which a place has no access: the depth of a large city block, not more."""

ISLAND_M = 1000.0
"""
A component with less street than this is an island, such as a courtyard path that nobody has joined to the street.
"""

DETOUR_FROM_ISLAND_M = 50.0
"""Metres a place may be farther from the rest of the network than from an island and still be put on the former."""

NO_EDGE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Attachments:
    """
    P places on the network: the edge each is put on, how far along it, and the metres walked to get there.

    A place without access has edge `NO_EDGE` and infinite `access_m`.
    """

    edge: NDArray[np.int32]
    along_m: NDArray[np.float64]
    """(P,) metres from the beginning of the edge's shape."""
    access_m: NDArray[np.float64]
    """(P,) straight metres between the place and the edge; they count as walked."""

    @property
    def has_access(self) -> NDArray[np.bool_]:
        """(P,) the place is on an edge."""
        return np.asarray(self.edge != NO_EDGE)


class StreetIndex:
    """
    Finds the edge nearest to a place.

    Places near an island go to the rest of the network where that is at most `DETOUR_FROM_ISLAND_M` farther: a
    missing joint in the map should not cut a house off. An island is a component shorter than `ISLAND_M`, the
    longest component never being one. Places that are clearly nearer to an island stay on it.
    """

    def __init__(self, network: WalkNetwork) -> None:
        self.network = network
        is_island = network.component_m < ISLAND_M
        is_island[0] = False
        on_island = is_island[network.edge_component]
        self._all = np.arange(network.num_edges, dtype=np.int32)
        self._mainland = np.flatnonzero(~on_island).astype(np.int32)
        self._tree = shapely.STRtree(network.edge_shape)
        self._mainland_tree = shapely.STRtree(network.edge_shape[self._mainland]) if on_island.any() else None

    def nearest_edges(
        self, places: NDArray[np.object_], *, max_snap_m: float = MAX_SNAP_M
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """
        Find the edge each place is put on and its distance.

        Parameters
        ----------
        places
            (P,) shapely geometries in metres on the network's plane.

        Returns
        -------
        edge, distance_m
            (P,) `NO_EDGE` and infinity where nothing is within `max_snap_m`.
        """
        edge, distance_m = _query(self._tree, self._all, places, max_snap_m=max_snap_m)
        if self._mainland_tree is not None:
            other, other_m = _query(self._mainland_tree, self._mainland, places, max_snap_m=max_snap_m)
            better = (other != NO_EDGE) & (other_m <= distance_m + DETOUR_FROM_ISLAND_M)
            edge, distance_m = np.where(better, other, edge), np.where(better, other_m, distance_m)
        return edge, distance_m

    def attach(self, x: NDArray[np.float64], y: NDArray[np.float64], *, max_snap_m: float = MAX_SNAP_M) -> Attachments:
        """Put points, given in metres on the network's plane, on their edges."""
        points = np.asarray(shapely.points(x, y), dtype=object)
        edge, access_m = self.nearest_edges(points, max_snap_m=max_snap_m)
        along_m = np.zeros(len(edge))
        on = edge != NO_EDGE
        along_m[on] = shapely.line_locate_point(self.network.edge_shape[edge[on]], points[on])
        return Attachments(edge=edge, along_m=along_m, access_m=access_m)

    def crossings(self, outlines: NDArray[np.object_]) -> tuple[NDArray[np.intp], NDArray[np.object_]]:
        """
        Find where streets cross or touch some lines.

        Returns
        -------
        outline, place
            Index of the line and the shared geometry (points, or lines where both run together), one pair an edge.
        """
        outline, edge = self._tree.query(outlines, predicate="intersects")
        order = np.lexsort((edge, outline))
        outline, edge = outline[order], edge[order]
        return outline, shapely.intersection(outlines[outline], self.network.edge_shape[edge])


def _query(
    tree: shapely.STRtree, edges: NDArray[np.int32], places: NDArray[np.object_], *, max_snap_m: float
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    edge = np.full(len(places), NO_EDGE, dtype=np.int32)
    distance_m = np.full(len(places), np.inf)
    (place, found), found_m = tree.query_nearest(
        places, max_distance=max_snap_m, return_distance=True, all_matches=True
    )
    # Several edges are equally near at a crossing; the first one by number, so that the answer never depends on the
    # tree.
    order = np.lexsort((found, place))
    place, found, found_m = place[order], found[order], found_m[order]
    first = np.ones(len(place), dtype=bool)
    first[1:] = place[1:] != place[:-1]
    edge[place[first]], distance_m[place[first]] = edges[found[first]], found_m[first]
    return edge, distance_m
