"""
Walking distances between many places at once.

Dijkstra's search with a limit, run once per source from all of its doors together. Sources are independent, so that
chunks of them run on as many threads as there are processors and are joined in order: the result never depends on
the number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from geo.network import WalkNetwork
from geo.search import Found, Graph, OnEdges, PlaceIndex, nearest_of_places, search_nearest, search_sources
from geo.snap import Attachments

Progress = Callable[[int, int], None]
"""Called with (sources done, sources in all)."""

_CHUNKS_PER_THREAD = 8


@dataclass(frozen=True, slots=True, eq=False)
class Walks:
    """J walks, sorted by (source, place)."""

    source: NDArray[np.int32]
    place: NDArray[np.int32]
    walk_m: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class NearestSources:
    """The nearest source of each of P places at any distance; -1 and infinity where none can be reached."""

    source: NDArray[np.int32]
    walk_m: NDArray[np.float64]


def walks_within(
    network: WalkNetwork,
    doors: Attachments,
    source_of_door: NDArray[np.int32],
    places: Attachments,
    *,
    num_sources: int,
    limit_m: float,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Walks:
    """
    Find every walk of at most `limit_m` between a source and a place.

    The walk is the shortest over the doors of the source, of: metres from door to street, along streets, from street
    to place. Door and place on one edge are joined along that edge as well as around it.

    Parameters
    ----------
    doors
        D doors; those without access are left out.
    source_of_door
        (D,) source of each door, below `num_sources`; any order.
    places
        P places; those without access have no walk.
    limit_m
        Inclusive.
    threads
        Default: one a processor. The result is the same with any number.
    """
    door_order, door_start = _doors_by_source(doors, source_of_door, num_sources)
    door_arrays = _on_edges(network, doors, door_order)
    to = _graph(network), _place_index(network, places)
    threads = threads or os.cpu_count() or 1
    bounds = np.linspace(0, num_sources, min(num_sources, threads * _CHUNKS_PER_THREAD) + 1).astype(np.int64)

    def search(span: tuple[int, int]) -> Found:
        return search_sources(span, door_start, door_arrays, to, float(limit_m))

    found: list[Found] = [(np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32), np.zeros(0))]
    spans = list(pairwise(bounds.tolist()))
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for (_, done), walks in zip(spans, pool.map(search, spans), strict=True):
            found.append(walks)
            if progress is not None:
                progress(done, num_sources)
    source, place, walk_m = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((place, source))
    return Walks(source=source[order], place=place[order], walk_m=walk_m[order])


def nearest_sources(
    network: WalkNetwork,
    doors: Attachments,
    source_of_door: NDArray[np.int32],
    places: Attachments,
    *,
    num_sources: int,
) -> NearestSources:
    """Find the nearest source of every place at any distance; the lowest number among equally near ones."""
    door_order, _ = _doors_by_source(doors, source_of_door, num_sources)
    door_source = source_of_door[door_order].astype(np.int32)
    door_arrays, graph = _on_edges(network, doors, door_order), _graph(network)
    at_nodes = search_nearest(door_source, door_arrays, graph)
    everywhere = _on_edges(network, places, np.arange(len(places.edge)))
    source, walk_m = nearest_of_places(everywhere, graph, at_nodes, door_arrays, door_source)
    return NearestSources(source=source, walk_m=walk_m)


def _doors_by_source(
    doors: Attachments, source_of_door: NDArray[np.int32], num_sources: int
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    usable = np.flatnonzero(doors.has_access)
    order = usable[np.argsort(source_of_door[usable], kind="stable")]
    return order, _starts(source_of_door[usable], num_sources)


def _graph(network: WalkNetwork) -> Graph:
    return Graph(network.first, network.neighbour, network.step_m, network.edge_from, network.edge_to, network.edge_m)


def _on_edges(network: WalkNetwork, at: Attachments, chosen: NDArray[np.intp]) -> OnEdges:
    # A point may be located a rounding error beyond the end of its edge.
    along_m = np.minimum(at.along_m[chosen], network.edge_m[at.edge[chosen]])
    return OnEdges(at.edge[chosen], along_m, at.access_m[chosen])


def _place_index(network: WalkNetwork, places: Attachments) -> PlaceIndex:
    usable = np.flatnonzero(places.has_access)
    edge, along_m, access_m = _on_edges(network, places, usable)
    node = np.concatenate([network.edge_from[edge], network.edge_to[edge]])
    rest_m = np.concatenate([access_m + along_m, access_m + (network.edge_m[edge] - along_m)])
    by_node, by_edge = np.argsort(node, kind="stable"), np.argsort(edge, kind="stable")
    return PlaceIndex(
        num_places=len(places.edge),
        node_start=_starts(node, network.num_nodes),
        node_place=np.concatenate([usable, usable]).astype(np.int32)[by_node],
        node_rest_m=rest_m[by_node],
        edge_start=_starts(edge, network.num_edges),
        edge_place=usable[by_edge].astype(np.int32),
        edge_along_m=along_m[by_edge],
        edge_access_m=access_m[by_edge],
    )


def _starts(of: NDArray[np.int32], num: int) -> NDArray[np.int64]:
    """(num + 1,) where each number begins when `of` is sorted."""
    starts = np.zeros(num + 1, dtype=np.int64)
    np.cumsum(np.bincount(of, minlength=num), out=starts[1:])
    return starts
