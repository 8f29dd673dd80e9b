"""The walking network: streets as a graph in metres, with the shape of every edge kept for snapping."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geo.crs import LocalMetres, local_metres
from geo.errors import NetworkError
from geo.osm.streets import Streets


@dataclass(frozen=True, slots=True, eq=False)
class WalkNetwork:
    """
    The walking network: N nodes joined by E undirected edges, falling into K components.

    Nodes are the crossings and ends of streets; an edge is the street between two of them. People walk both ways on
    every edge, so each appears twice in the adjacency arrays (once if it is a loop at one node).
    """

    plane: LocalMetres
    node_lon: NDArray[np.float64]
    node_lat: NDArray[np.float64]
    node_x: NDArray[np.float64]
    """(N,) metres on `plane`."""
    node_y: NDArray[np.float64]
    first: NDArray[np.int32]
    """(N + 1,) where the neighbours of each node begin in `neighbour`."""
    neighbour: NDArray[np.int32]
    step_m: NDArray[np.float32]
    """Walking metres to each neighbour, parallel to `neighbour`."""
    edge_from: NDArray[np.int32]
    """(E,) node at which the shape of the edge begins."""
    edge_to: NDArray[np.int32]
    edge_m: NDArray[np.float64]
    """(E,) length of the shape in metres."""
    edge_shape: NDArray[np.object_]
    """(E,) shapely LineStrings in metres on `plane`."""
    edge_stretch: NDArray[np.int32]
    """(E,) stretch of the streets the edge is part of."""
    component: NDArray[np.int32]
    """(N,) component of each node; components are numbered from the longest to the shortest."""
    component_m: NDArray[np.float64]
    """(K,) length of the edges of each component, descending."""
    warnings: tuple[str, ...] = ()

    @property
    def num_nodes(self) -> int:
        """Crossings and ends of streets."""
        return len(self.node_x)

    @property
    def num_edges(self) -> int:
        """Pieces of street between nodes."""
        return len(self.edge_m)

    @property
    def edge_component(self) -> NDArray[np.int32]:
        """(E,) component of each edge."""
        return self.component[self.edge_from]


def build_network(streets: Streets) -> WalkNetwork:
    """
    Cut streets at their crossings and join the pieces to a graph.

    A node of the map becomes a node of the graph when a stretch ends there or when stretches meet there; the rest
    only shape the edges.

    Raises
    ------
    NetworkError
        If there is no street, or all have no length.
    """
    if not len(streets.stretch_node):
        raise NetworkError("no streets to walk on")
    plane = local_metres(streets.node_lon, streets.node_lat)
    x, y = plane.to_metres(streets.node_lon, streets.node_lat)
    pieces = _cut_at_crossings(streets)
    corner_of = np.repeat(np.arange(len(pieces)), pieces[:, 1] - pieces[:, 0] + 1)
    slot = _ranges(pieces)
    corners = streets.stretch_node[slot]
    shape = np.asarray(shapely.linestrings(np.column_stack([x[corners], y[corners]]), indices=corner_of), dtype=object)
    length = shapely.length(shape)
    ends = streets.stretch_node[pieces]
    stretch = np.searchsorted(streets.stretch_start, pieces[:, 0], side="right") - 1
    real = (length > 0) | (ends[:, 0] != ends[:, 1])
    if not real.any():
        raise NetworkError("the streets have no length")
    nodes, ends_in_graph = np.unique(ends[real], return_inverse=True)
    edge_from, edge_to = np.ascontiguousarray(ends_in_graph.reshape(-1, 2).astype(np.int32).T)
    return graph_of(
        plane,
        x[nodes],
        y[nodes],
        edge_from,
        edge_to,
        shape[real],
        edge_stretch=stretch[real].astype(np.int32),
        warnings=streets.warnings(),
    )


def graph_of(
    plane: LocalMetres,
    node_x: NDArray[np.float64],
    node_y: NDArray[np.float64],
    edge_from: NDArray[np.int32],
    edge_to: NDArray[np.int32],
    edge_shape: NDArray[np.object_],
    *,
    edge_stretch: NDArray[np.int32] | None = None,
    warnings: tuple[str, ...] = (),
) -> WalkNetwork:
    """
    Make the network of some edges whose shapes are known.

    Parameters
    ----------
    node_x, node_y
        (N,) metres on `plane`.
    edge_from, edge_to
        (E,) nodes at the two ends of each shape.
    edge_shape
        (E,) LineStrings in metres on `plane`.
    """
    edge_m = shapely.length(edge_shape)
    first, neighbour, step_m = _adjacency(len(node_x), edge_from, edge_to, edge_m)
    component, component_m = _components(len(node_x), edge_from, edge_to, edge_m)
    node_lon, node_lat = plane.to_degrees(node_x, node_y)
    return WalkNetwork(
        plane=plane,
        node_lon=node_lon,
        node_lat=node_lat,
        node_x=node_x,
        node_y=node_y,
        first=first,
        neighbour=neighbour,
        step_m=step_m,
        edge_from=edge_from,
        edge_to=edge_to,
        edge_m=edge_m,
        edge_shape=edge_shape,
        edge_stretch=np.arange(len(edge_m), dtype=np.int32) if edge_stretch is None else edge_stretch,
        component=component,
        component_m=component_m,
        warnings=warnings,
    )


def _cut_at_crossings(streets: Streets) -> NDArray[np.int64]:
    """(P, 2) first and last slot in `stretch_node` of each piece between two graph nodes."""
    start = streets.stretch_start
    is_cut = np.bincount(streets.stretch_node, minlength=len(streets.node_id))[streets.stretch_node] > 1
    is_cut[start[:-1]] = True
    is_cut[start[1:] - 1] = True
    cuts = np.flatnonzero(is_cut)
    # Neighbouring cuts bound a piece unless the second one begins a new stretch.
    begins = np.zeros(len(is_cut), dtype=bool)
    begins[start[:-1]] = True
    joined = ~begins[cuts[1:]]
    return np.column_stack([cuts[:-1][joined], cuts[1:][joined]])


def _ranges(pieces: NDArray[np.int64]) -> NDArray[np.int64]:
    """List first, first + 1, …, last of every piece, one piece after the other."""
    size = pieces[:, 1] - pieces[:, 0] + 1
    ends = np.cumsum(size)
    slot: NDArray[np.int64] = np.arange(ends[-1]) - np.repeat(ends - size, size) + np.repeat(pieces[:, 0], size)
    return slot


def _adjacency(
    num_nodes: int, edge_from: NDArray[np.int32], edge_to: NDArray[np.int32], edge_m: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    loop = edge_from == edge_to
    tail = np.concatenate([edge_from, edge_to[~loop]])
    head = np.concatenate([edge_to, edge_from[~loop]])
    step = np.concatenate([edge_m, edge_m[~loop]])
    order = np.lexsort((step, head, tail))
    first = np.zeros(num_nodes + 1, dtype=np.int32)
    np.cumsum(np.bincount(tail, minlength=num_nodes), out=first[1:])
    return first, head[order].astype(np.int32), step[order].astype(np.float32)


def _components(
    num_nodes: int, edge_from: NDArray[np.int32], edge_to: NDArray[np.int32], edge_m: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    links = coo_array((np.ones(len(edge_from), dtype=np.int8), (edge_from, edge_to)), shape=(num_nodes, num_nodes))
    count, label = connected_components(links, directed=False)
    length: NDArray[np.float64] = np.zeros(count)
    np.add.at(length, label[edge_from], edge_m)
    order = np.argsort(-length, kind="stable")
    rank = np.empty(count, dtype=np.int32)
    rank[order] = np.arange(count, dtype=np.int32)
    return rank[label], length[order]
