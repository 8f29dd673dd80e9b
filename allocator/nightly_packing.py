"""As many permits as possible on a bay each for the whole term: those that share a bay never stand there together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.sparse

from allocator.engines import FEW_NODES, Floats, Programme, solve_linear, solve_whole
from allocator.errors import EngineFailed

MOST_SETS = 2000
"""Sets of permits that can share a bay, at most, for the exact programme to be tried."""
MOST_KINDS = 12
"""Kinds of permits, at most, among which sets that cannot share a bay are looked for: a bound without a programme."""

Span = tuple[int, int]
"""Bays from one number to before another, from 0."""
Spans = tuple[tuple[Span, ...], ...]
Shared = tuple[int, list[int]]
"""A run of bays, and kinds that can share one of them."""
_WHOLE = 1e-6
"""A bound so little below a whole number is that number."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`count` permits that stand in the same crowded columns, the bits of `columns`; `stays` in the term, summed."""

    columns: int
    count: int
    stays: int


@dataclass(frozen=True, slots=True)
class Packing:
    """
    The bays of each kind, lowest first, one for each permit that keeps a bay; the others of the kind have to move.

    `fewest` permits have to move at least, whatever the numbering; `columns` counts those of programmes solved for it.
    """

    spans: Spans
    moving: int
    fewest: int
    columns: int = 0


@dataclass(slots=True)
class _Run:
    """Bays `low` to before `high`, alike: taken or closed in the columns `busy`."""

    busy: int
    low: int
    high: int


def pack(kinds: Sequence[Kind], bays: Sequence[int], *, exact: bool = True) -> Packing:
    """
    Give a bay each to as many permits as possible.

    Maximises Σ_i kept[i] over kinds i, kept[i] ≤ count[i], so that in no column two permits share a bay or one stands
    in a bay that does not exist there. Of packings with as many permits, those that keep the permits of most stays.

    Parameters
    ----------
    kinds
        The permits, told apart by the columns in which they stand.
    bays
        Bays in each column; bay k exists where there are more than k.
    exact
        Solve a programme in whole numbers where placing the largest first leaves permits over and no bound shows that
        it must.
    """
    total = sum(kind.count for kind in kinds)
    closed = _closed(bays, most=total)
    spans = _fill(kinds, [_Run(run.busy, run.low, run.high) for run in closed], [()] * len(kinds))
    kept = _num_kept(spans)
    if kept == total:
        return Packing(spans, 0, 0)
    fewest = _fewest_moving(kinds, closed) if len(kinds) <= MOST_KINDS else 0
    sets = _sets(kinds, closed) if exact and total - kept > fewest else None
    if sets is None:
        return Packing(spans, total - kept, fewest)
    shared, most = _by_parts(kinds, closed, sets)
    spans, fewest = max(spans, shared, key=_num_kept), max(fewest, total - most)
    columns = len(kinds) + len(sets)
    if total - _num_kept(spans) > fewest:
        columns *= 2
        shared, most = _by_programme(kinds, closed, sets)
        spans, fewest = max(spans, shared, key=_num_kept), max(fewest, total - most)
    return Packing(spans, total - _num_kept(spans), fewest, columns)


def _num_kept(spans: Sequence[Sequence[Span]]) -> int:
    return sum(high - low for mine in spans for low, high in mine)


def _closed(bays: Sequence[int], *, most: int) -> list[_Run]:
    """Bays that exist in the same columns; never more bays than permits, since the lowest exist longest."""
    levels = sorted({min(number, most) for number in bays} - {0})
    lows = [0, *levels[:-1]]
    return [
        _Run(sum(1 << column for column, number in enumerate(bays) if number <= low), low, high)
        for low, high in zip(lows, levels, strict=False)
    ]


def _fill(kinds: Sequence[Kind], runs: list[_Run], spans: Sequence[Sequence[Span]]) -> Spans:
    """
    Give bays to permits that have none yet, those of most columns first, each the bay where least is left.

    Of equal bays the lowest comes first; `runs` are changed in place.
    """
    given = [list(mine) for mine in spans]
    for index in _by_size(kinds):
        left = kinds[index].count - sum(high - low for low, high in given[index])
        while left:
            fitting = [run for run in runs if not run.busy & kinds[index].columns]
            if not fitting:
                break
            best = min(fitting, key=lambda run: (-run.busy.bit_count(), run.low))
            left -= _occupy(runs, best, kinds[index].columns, most=left)
            given[index].append((best.low, best.high))
    return tuple(tuple(sorted(mine)) for mine in given)


def _by_size(kinds: Sequence[Kind]) -> list[int]:
    def size(at: int) -> tuple[int, int, int]:
        kind = kinds[at]
        return -kind.columns.bit_count(), -(kind.stays // kind.count), at

    return sorted(range(len(kinds)), key=size)


def _occupy(runs: list[_Run], run: _Run, columns: int, *, most: int) -> int:
    """Take the first bays of a run, splitting off the rest; returns how many were taken."""
    taken = min(most, run.high - run.low)
    if run.low + taken < run.high:
        runs.append(_Run(run.busy, run.low + taken, run.high))
        run.high = run.low + taken
    run.busy |= columns
    return taken


def _fewest_moving(kinds: Sequence[Kind], closed: Sequence[_Run]) -> int:
    """
    Count the permits that have to move because no two of a set can share a bay, and the set is larger than the bays.

    A bay counts where at least one of the set could keep it.
    """
    conflicts = [
        sum(1 << other for other, theirs in enumerate(kinds) if other != at and theirs.columns & mine.columns)
        for at, mine in enumerate(kinds)
    ]
    most = 0
    for clique in _maximal_cliques(conflicts, most=2**MOST_KINDS) or ():
        hosts = sum(
            run.high - run.low for run in closed if any(not run.busy & kinds[member].columns for member in clique)
        )
        most = max(most, sum(kinds[member].count for member in clique) - hosts)
    return most


def _sets(kinds: Sequence[Kind], closed: Sequence[_Run]) -> list[Shared] | None:
    """For each run of bays, the maximal sets of kinds that fit there and do not meet; None when there are too many."""
    sets: list[Shared] = []
    for number, run in enumerate(closed):
        fitting = [index for index, kind in enumerate(kinds) if not kind.columns & run.busy]
        together = [
            sum(1 << at for at, other in enumerate(fitting) if other != mine and not _meet(kinds, mine, other))
            for mine in fitting
        ]
        cliques = _maximal_cliques(together, most=MOST_SETS - len(sets))
        if cliques is None:
            return None
        sets.extend((number, [fitting[at] for at in clique]) for clique in cliques)
    return sets


def _by_parts(kinds: Sequence[Kind], closed: Sequence[_Run], sets: Sequence[Shared]) -> tuple[Spans, int]:
    """Share bays in parts, keep what is whole and fill up; and how many permits keep a bay at most."""
    try:
        answer = solve_linear(_programme(kinds, closed, sets, weights=[1] * len(kinds)))
    except EngineFailed:
        return tuple(() for _ in kinds), sum(kind.count for kind in kinds)
    return _laid(kinds, closed, sets, answer.x[len(kinds) :]), int(answer.bound + _WHOLE)


def _by_programme(kinds: Sequence[Kind], closed: Sequence[_Run], sets: Sequence[Shared]) -> tuple[Spans, int]:
    """
    Choose how many bays each set of permits shares, exactly; and how many permits keep a bay at most.

    Columns are the kept permits of each kind, and the bays that each set shares.
    """
    unit = 1 + sum(kind.stays for kind in kinds)  # one more permit that keeps its bay outweighs any stays
    weights = [unit + kind.stays // kind.count for kind in kinds]
    answer = solve_whole(_programme(kinds, closed, sets, weights=weights), nodes=FEW_NODES)
    if answer is None:
        return tuple(() for _ in kinds), sum(kind.count for kind in kinds)
    spans = _laid(kinds, closed, sets, answer.x[len(kinds) :])
    return spans, _num_kept(spans) if answer.optimal else int((answer.bound + 0.5) // unit)


def _meet(kinds: Sequence[Kind], one: int, other: int) -> bool:
    return bool(kinds[one].columns & kinds[other].columns)


def _programme(
    kinds: Sequence[Kind], closed: Sequence[_Run], sets: Sequence[Shared], *, weights: Sequence[int]
) -> Programme:
    """Maximise the weight of permits kept: at most the bays whose set holds the kind, at most the bays of each run."""
    rows, columns, entries = list(range(len(kinds))), list(range(len(kinds))), [1.0] * len(kinds)
    for at, (run, members) in enumerate(sets):
        rows += [*members, len(kinds) + run]
        columns += [len(kinds) + at] * (len(members) + 1)
        entries += [-1.0] * len(members) + [1.0]
    size = [run.high - run.low for run in closed]
    limit = np.array([0] * len(kinds) + size, dtype=np.float64)
    count = np.array([kind.count for kind in kinds], dtype=np.float64)
    return Programme(
        value=np.array([*weights, *[0] * len(sets)], dtype=np.float64),
        high=np.concatenate((count, [size[run] for run, _ in sets])).astype(np.float64),
        rows=scipy.sparse.csr_matrix((entries, (rows, columns)), shape=(len(limit), len(kinds) + len(sets))),
        limit=limit,
        at_least=np.full(len(limit), -np.inf),
    )


def _laid(kinds: Sequence[Kind], closed: Sequence[_Run], sets: Sequence[Shared], number: Floats) -> Spans:
    """Lay sets on so many bays each, rounded down, those of the largest kinds lowest, and fill up what is left."""
    rank = {index: place for place, index in enumerate(_by_size(kinds))}
    chosen = [(*which, int(bays + _WHOLE)) for which, bays in zip(sets, number.tolist(), strict=True)]
    left = [kind.count for kind in kinds]
    spans: list[list[Span]] = [[] for _ in kinds]
    runs: list[_Run] = []
    free = [run.low for run in closed]
    for run, members, bays in sorted(chosen, key=lambda one: (one[0], sorted(rank[index] for index in one[1]))):
        low, free[run] = free[run], free[run] + bays
        taken = [(min(left[index], bays), index) for index in members]
        for most, index in taken:
            if most:
                spans[index].append((low, low + most))
                left[index] -= most
        cuts = sorted({0, bays, *(most for most, _ in taken)})
        for begin, end in pairwise(cuts):
            busy = sum(kinds[index].columns for most, index in taken if most >= end)  # no two have a column in common
            runs.append(_Run(closed[run].busy | busy, low + begin, low + end))
    runs += [_Run(run.busy, low, run.high) for run, low in zip(closed, free, strict=True) if low < run.high]
    return _fill(kinds, runs, spans)


def _maximal_cliques(neighbours: Sequence[int], *, most: int) -> list[list[int]] | None:
    """
    Find every maximal set of vertices that are all neighbours; None when there are more than `most`.

    Source: Bron & Kerbosch (1973), Algorithm 457, Communications of the ACM 16, 575–577, with a pivot.
    """
    found: list[list[int]] = []
    stack: list[tuple[int, int, int]] = [(0, (1 << len(neighbours)) - 1, 0)]
    while stack:
        clique, candidates, done = stack.pop()
        if not candidates and not done:
            found.append(_bits(clique))
            if len(found) > most:
                return None
            continue
        if not candidates:
            continue
        pivot = max(_bits(candidates | done), key=lambda vertex: (candidates & neighbours[vertex]).bit_count())
        for vertex in _bits(candidates & ~neighbours[pivot]):
            stack.append((clique | 1 << vertex, candidates & neighbours[vertex], done & neighbours[vertex]))
            candidates &= ~(1 << vertex)
            done |= 1 << vertex
    return found


def _bits(number: int) -> list[int]:
    found = []
    while number:
        low = number & -number
        found.append(low.bit_length() - 1)
        number ^= low
    return found
