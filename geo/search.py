"""The compiled loops behind `geo.walk`: Dijkstra's search over flat arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Loop = TypeVar("Loop", bound=Callable[..., object])
Kind = TypeVar("Kind", bound=np.generic)


class Graph(NamedTuple):
    """The parts of a walking network that are searched; see `geo.network.WalkNetwork`."""

    first: NDArray[np.int32]
    neighbour: NDArray[np.int32]
    step_m: NDArray[np.float32]
    edge_from: NDArray[np.int32]
    edge_to: NDArray[np.int32]
    edge_m: NDArray[np.float64]


class OnEdges(NamedTuple):
    """Doors in order of their source, or places: where on which edge, and the metres to get there."""

    edge: NDArray[np.int32]
    along_m: NDArray[np.float64]
    access_m: NDArray[np.float64]


class PlaceIndex(NamedTuple):
    """Places by the nodes at both ends of their edge, and by their edge; each behind its start array."""

    num_places: int
    node_start: NDArray[np.int64]
    node_place: NDArray[np.int32]
    node_rest_m: NDArray[np.float64]
    """Metres from the node to the place."""
    edge_start: NDArray[np.int64]
    edge_place: NDArray[np.int32]
    edge_along_m: NDArray[np.float64]
    edge_access_m: NDArray[np.float64]


class _Scratch(NamedTuple):
    """What one search remembers; infinite everywhere between searches."""

    reached_m: NDArray[np.float64]
    touched: NDArray[np.int32]
    place_m: NDArray[np.float64]
    found: NDArray[np.int32]


class _Heap(NamedTuple):
    """A binary heap of nodes by distance, then by number; the caller counts its entries."""

    m: NDArray[np.float64]
    node: NDArray[np.int32]


Found = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]
"""(sources, places, metres) of walks."""


def compiled(loop: Loop) -> Loop:
    """Compile a loop that lets other threads run; kept on disk where there is a folder to keep it in."""
    try:
        return cast("Loop", numba.njit(nogil=True, cache=True)(loop))
    except RuntimeError:
        # Nowhere to write: a read-only installation of a user without a home.
        return cast("Loop", numba.njit(nogil=True)(loop))


@compiled
def search_sources(
    span: tuple[int, int], door_start: NDArray[np.int64], doors: OnEdges, to: tuple[Graph, PlaceIndex], limit_m: float
) -> Found:
    """Walk from every source of a span to all places within the limit, in order of source."""
    graph, index = to
    num_nodes = len(graph.first) - 1
    scratch = _Scratch(
        np.full(num_nodes, np.inf),
        np.empty(num_nodes, dtype=np.int32),
        np.full(index.num_places, np.inf),
        np.empty(index.num_places, dtype=np.int32),
    )
    heap = _Heap(np.empty(1024), np.empty(1024, dtype=np.int32))
    out_source, out_place, out_m = np.empty(1024, dtype=np.int32), np.empty(1024, dtype=np.int32), np.empty(1024)
    num_out = 0
    for source in range(span[0], span[1]):
        num_touched = size = num_found = 0
        for door in range(door_start[source], door_start[source + 1]):
            num_found = _note_places_on_edge(scratch, num_found, (doors, door), index, limit_m)
            for side in range(2):
                node, start_m = _start(graph, doors, door, side)
                if start_m <= limit_m and start_m < scratch.reached_m[node]:
                    num_touched = _reach(scratch, num_touched, node, start_m)
                    heap, size = _push(heap, size, start_m, node)
        while size > 0:
            here_m, node = heap.m[0], heap.node[0]
            size = _drop_first(heap, size)
            if here_m > scratch.reached_m[node]:
                continue
            for i in range(index.node_start[node], index.node_start[node + 1]):
                num_found = _note(scratch, num_found, index.node_place[i], here_m + index.node_rest_m[i], limit_m)
            for i in range(graph.first[node], graph.first[node + 1]):
                there, there_m = graph.neighbour[i], here_m + graph.step_m[i]
                if there_m <= limit_m and there_m < scratch.reached_m[there]:
                    num_touched = _reach(scratch, num_touched, there, there_m)
                    heap, size = _push(heap, size, there_m, there)
        while num_out + num_found > len(out_m):
            out_source, out_place, out_m = _doubled(out_source), _doubled(out_place), _doubled(out_m)
        for i in range(num_found):
            place = scratch.found[i]
            out_source[num_out], out_place[num_out], out_m[num_out] = source, place, scratch.place_m[place]
            num_out += 1
            scratch.place_m[place] = np.inf
        for i in range(num_touched):
            scratch.reached_m[scratch.touched[i]] = np.inf
    return out_source[:num_out].copy(), out_place[:num_out].copy(), out_m[:num_out].copy()


@compiled
def search_nearest(
    door_source: NDArray[np.int32], doors: OnEdges, graph: Graph
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Find the nearest source of every node, the lowest number among equally near ones; -1 for none."""
    num_nodes = len(graph.first) - 1
    reached_m, nearest = np.full(num_nodes, np.inf), np.full(num_nodes, -1, dtype=np.int32)
    heap = _Heap(np.empty(1024), np.empty(1024, dtype=np.int32))
    size = 0
    for door in range(len(doors.edge)):
        for side in range(2):
            node, start_m = _start(graph, doors, door, side)
            # Doors come in order of source, so that the first of equals has the lowest number.
            if start_m < reached_m[node]:
                reached_m[node], nearest[node] = start_m, door_source[door]
                heap, size = _push(heap, size, start_m, node)
    while size > 0:
        here_m, node = heap.m[0], heap.node[0]
        size = _drop_first(heap, size)
        if here_m > reached_m[node]:
            continue
        for i in range(graph.first[node], graph.first[node + 1]):
            there, there_m = graph.neighbour[i], here_m + graph.step_m[i]
            tied = there_m == reached_m[there] and nearest[node] < nearest[there]
            if there_m < reached_m[there] or tied:
                reached_m[there], nearest[there] = there_m, nearest[node]
                heap, size = _push(heap, size, there_m, there)
    return nearest, reached_m


@compiled
def nearest_of_places(
    places: OnEdges, graph: Graph, at_nodes: tuple[NDArray[np.int32], NDArray[np.float64]], doors: OnEdges,
    door_source: NDArray[np.int32],
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:  # fmt: skip
    """Carry the nearest source from nodes to places, doors on a place's own edge included."""
    nearest, reached_m = at_nodes
    by_edge = np.argsort(doors.edge, kind="mergesort")
    door_edge = doors.edge[by_edge]
    out_source, out_m = np.full(len(places.edge), -1, dtype=np.int32), np.full(len(places.edge), np.inf)
    for place in range(len(places.edge)):
        edge = places.edge[place]
        if edge < 0:
            continue
        for side in range(2):
            node, rest_m = _start(graph, places, place, side)
            walk_m = reached_m[node] + rest_m
            tied = walk_m == out_m[place] and walk_m < np.inf and nearest[node] < out_source[place]
            if walk_m < out_m[place] or tied:
                out_m[place], out_source[place] = walk_m, nearest[node]
        for i in range(np.searchsorted(door_edge, edge), len(door_edge)):
            if door_edge[i] != edge:
                break
            door = by_edge[i]
            walk_m = doors.access_m[door] + abs(doors.along_m[door] - places.along_m[place]) + places.access_m[place]
            if walk_m < out_m[place] or (walk_m == out_m[place] and door_source[door] < out_source[place]):
                out_m[place], out_source[place] = walk_m, door_source[door]
    return out_source, out_m


@compiled
def _start(graph: Graph, on_edges: OnEdges, which: int, side: int) -> tuple[int, float]:
    """Give the node at one end of an edge, and the metres between it and a door or place on the edge."""
    edge, along_m = on_edges.edge[which], on_edges.along_m[which]
    if side == 0:
        return graph.edge_from[edge], on_edges.access_m[which] + along_m
    return graph.edge_to[edge], on_edges.access_m[which] + (graph.edge_m[edge] - along_m)


@compiled
def _note_places_on_edge(
    scratch: _Scratch, num_found: int, at: tuple[OnEdges, int], index: PlaceIndex, limit_m: float
) -> int:
    """Note the places on a door's own edge, straight along it."""
    doors, door = at
    edge = doors.edge[door]
    for i in range(index.edge_start[edge], index.edge_start[edge + 1]):
        walk_m = doors.access_m[door] + abs(doors.along_m[door] - index.edge_along_m[i]) + index.edge_access_m[i]
        num_found = _note(scratch, num_found, index.edge_place[i], walk_m, limit_m)
    return num_found


@compiled
def _note(scratch: _Scratch, num_found: int, place: int, walk_m: float, limit_m: float) -> int:
    """Keep the walk to a place if it is within the limit and the shortest yet."""
    if walk_m > limit_m or walk_m >= scratch.place_m[place]:
        return num_found
    if scratch.place_m[place] == np.inf:
        scratch.found[num_found] = place
        num_found += 1
    scratch.place_m[place] = walk_m
    return num_found


@compiled
def _reach(scratch: _Scratch, num_touched: int, node: int, reached_m: float) -> int:
    """Set the metres to a node, and remember to forget them."""
    if scratch.reached_m[node] == np.inf:
        scratch.touched[num_touched] = node
        num_touched += 1
    scratch.reached_m[node] = reached_m
    return num_touched


@compiled
def _push(heap: _Heap, size: int, reached_m: float, node: int) -> tuple[_Heap, int]:
    """Put a node into the heap."""
    if size == len(heap.m):
        heap = _Heap(_doubled(heap.m), _doubled(heap.node))
    at = size
    while at > 0:
        above = (at - 1) >> 1
        if heap.m[above] < reached_m or (heap.m[above] == reached_m and heap.node[above] <= node):
            break
        heap.m[at], heap.node[at] = heap.m[above], heap.node[above]
        at = above
    heap.m[at], heap.node[at] = reached_m, node
    return heap, size + 1


@compiled
def _drop_first(heap: _Heap, size: int) -> int:
    """Take the first entry off the heap: the last one moves to the top and sinks."""
    size -= 1
    last_m, last_node = heap.m[size], heap.node[size]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        right = below + 1
        if right < size and (
            heap.m[right] < heap.m[below] or (heap.m[right] == heap.m[below] and heap.node[right] < heap.node[below])
        ):
            below = right
        if last_m < heap.m[below] or (last_m == heap.m[below] and last_node <= heap.node[below]):
            break
        heap.m[at], heap.node[at] = heap.m[below], heap.node[below]
        at = below
    heap.m[at], heap.node[at] = last_m, last_node
    return size


@compiled
def _doubled(values: NDArray[Kind]) -> NDArray[Kind]:
    """Copy an array into one twice as long."""
    wider = np.empty(2 * len(values), dtype=values.dtype)
    wider[: len(values)] = values
    return wider
