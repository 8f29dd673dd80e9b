"""Random small instances: stays that are unions of intervals, bays that come and go, equal demands, locks."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hypothesis import strategies as st

from allocator.instance import Instance, Ints
from tests.allocator.building import Ask, Interval, build

LAST_MINUTE = 12


@st.composite
def _covers(draw: st.DrawFn) -> Sequence[Interval]:
    edges = sorted(draw(st.sets(st.integers(0, LAST_MINUTE), min_size=2, max_size=6)))
    return [(edges[index], edges[index + 1]) for index in range(0, len(edges) - 1, 2)]


@st.composite
def _capacity(draw: st.DrawFn, *, most_bays: int) -> Sequence[tuple[int, int]]:
    at = sorted(draw(st.sets(st.integers(-1, LAST_MINUTE + 1), max_size=4)))
    return [(minute, draw(st.integers(0, most_bays))) for minute in at]


@st.composite
def _nights(draw: st.DrawFn) -> Sequence[Interval]:
    """Some of four nights, as weekly patterns are: what makes the problem hard."""
    nights = sorted(draw(st.sets(st.integers(0, 3), min_size=1, max_size=4)))
    return [(3 * night, 3 * night + 2) for night in nights]


@st.composite
def _scarce(draw: st.DrawFn) -> Sequence[tuple[int, int]]:
    """One bay or two all the time, more or fewer from some night on."""
    bays = st.integers(1, 2)
    change = [(3 * draw(st.integers(1, 3)), draw(st.integers(0, 3)))] if draw(st.booleans()) else []
    return [(0, draw(bays)), *change]


@st.composite
def small_instances(draw: st.DrawFn, *, locks: bool = False, most_demands: int = 6) -> Instance:
    """Up to `most_demands` demands at up to four bay groups, of any shape."""
    covers = draw(st.lists(_covers(), min_size=1, max_size=4))
    capacity = draw(st.lists(_capacity(most_bays=3), min_size=1, max_size=4))
    return build(_asks(draw, covers, capacity, locks=locks, most=most_demands), covers=covers, capacity=capacity)


@st.composite
def crowded_instances(draw: st.DrawFn, *, locks: bool = False, most_demands: int = 6) -> Instance:
    """Four to `most_demands` demands for different nights at up to three bay groups with too few bays."""
    covers = draw(st.lists(_nights(), min_size=3, max_size=5))
    capacity = draw(st.lists(_scarce(), min_size=1, max_size=3))
    asks = _asks(draw, covers, capacity, locks=locks, most=most_demands, least=4)
    return build(asks, covers=covers, capacity=capacity)


def _asks(
    draw: st.DrawFn,
    covers: Sequence[Sequence[Interval]],
    capacity: Sequence[Sequence[tuple[int, int]]],
    *,
    locks: bool,
    most: int,
    least: int = 0,
) -> list[Ask]:
    pair = st.tuples(st.integers(0, len(covers) - 1), st.integers(1, 30))
    pairs = st.dictionaries(st.integers(0, len(capacity) - 1), pair, min_size=min(1, least), max_size=3)
    must_serve = st.sampled_from([False, False, False, True]) if locks else st.just(value=False)
    count = st.sampled_from([1, 1, 1, 2, 3])
    asks = draw(st.lists(st.builds(Ask, pairs, count, must_serve), min_size=least, max_size=most))
    kept, left = [], most
    for ask in asks:
        if ask.count <= left:
            kept.append(ask)
            left -= ask.count
    return kept


def permuted(instance: Instance, random: Random) -> Instance:
    """Put groups and bay groups in another order."""
    groups, places = list(range(instance.num_groups)), list(range(instance.num_bay_groups))
    random.shuffle(groups)
    random.shuffle(places)
    asks = []
    for group in groups:
        pairs = range(int(instance.pair_ptr[group]), int(instance.pair_ptr[group + 1]))
        chances = {
            places[instance.pair_bay_group[pair]]: (int(instance.pair_cover[pair]), int(instance.pair_value_m[pair]))
            for pair in pairs
        }
        asks.append(Ask(chances, int(instance.group_count[group]), bool(instance.must_serve[group])))
    covers = [
        _zipped(instance.cover_ptr, instance.cover_start, instance.cover_end, at)
        for at in range(_lists(instance.cover_ptr))
    ]
    capacity: list[Sequence[tuple[int, int]]] = [()] * len(places)
    for bay_group, place in enumerate(places):
        capacity[place] = _zipped(instance.capacity_ptr, instance.capacity_at, instance.capacity_bays, bay_group)
    return build(asks, covers=covers, capacity=capacity)


def _lists(pointers: Ints) -> int:
    return len(pointers) - 1


def _zipped(pointers: Ints, left: Ints, right: Ints, at: int) -> list[tuple[int, int]]:
    mine = slice(pointers[at], pointers[at + 1])
    return list(zip(left[mine].tolist(), right[mine].tolist(), strict=True))
