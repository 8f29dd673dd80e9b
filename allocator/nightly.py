"""
A bay on every night for every permit: the same one wherever possible, and the fewest permits moving where not.

A plan counts cars: never more than bays. Bays are numbered 1 … n within a bay group, and bay k exists while the
group's capacity is at least k, so that the highest numbers close first. Most permits keep one bay for the whole term;
the fewest that cannot do so change between stays. In every cell of time there are no more cars than bays, so there is a
free one for a car that has to move, whoever keeps which bay: numbering never fails. That bays are free in each cell of
a stay but none for all of it happens only where stays overlap in part (by day, or where capacity changes during a
stay); there a stay is split, and that is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from allocator.errors import BadInstance
from allocator.instance import Instance, Ints
from allocator.nightly_cells import Cells, Flags, bays_in, cells_of, crowded, num_cells
from allocator.nightly_packing import Kind, Packing, pack
from allocator.nightly_routing import lead

MOST_COLUMNS = 300_000
"""Columns of all programmes together, over bay groups in order, where a bound alone does not settle the matter."""
_MOST_CELLS = 2**25


@dataclass(frozen=True, slots=True, eq=False)
class NightlyBays:
    """
    N permits on their bays, numbered from 1 within each bay group.

    Attributes
    ----------
    bay
        (N,) the bay that a permit keeps on all its nights; 0 for those that move.
    leg_permit, leg_start, leg_end, leg_bay
        (M,) where those that move stand from minute to minute, by permit and then in time: one leg a stay, more where
        a stay is split.
    moves
        (N,) changes of bay between consecutive legs of a permit.
    split_stays
        Stays of more than one leg.
    moving, fewest
        (P,) permits of each bay group that move, and how many have to in any numbering; equal where proven.
    """

    bay: Ints
    leg_permit: Ints
    leg_start: Ints
    leg_end: Ints
    leg_bay: Ints
    moves: Ints
    split_stays: int
    moving: Ints
    fewest: Ints

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for field in fields(self):
            if field.name != "split_stays":
                getattr(self, field.name).setflags(write=False)

    @property
    def proven(self) -> NDArray[np.bool_]:
        """Whether no numbering lets fewer permits of a bay group move, (P,)."""
        proven: NDArray[np.bool_] = self.moving == self.fewest
        return proven


def number_bays(instance: Instance, *, bay_group: Ints, cover: Ints) -> NightlyBays:
    """
    Give the permits of a plan their bays.

    Minimises the permits that move; then, greedily, their moves. Of equal permits those that come first keep their
    bays, and get the lower numbers.

    Parameters
    ----------
    instance
        Covers, and the capacity of P bay groups.
    bay_group, cover
        (N,) where each permit stands and when, in the canonical order of the permits.

    Raises
    ------
    BadInstance
        When there are more cars than bays somewhere, or a permit has no stay.
    """
    empty = np.flatnonzero(np.diff(instance.cover_ptr)[cover] == 0)
    if len(empty):
        raise BadInstance(f"cover[{empty[0]}] is {cover[empty[0]]}, which has no interval")
    result = _Numbering(instance, cover)
    for cells, groups in result.batches(bay_group):
        for members in groups:
            result.add(cells, int(bay_group[members[0]]), members)
    return result.finished()


class _Numbering:
    """What is numbered so far, bay group by bay group."""

    def __init__(self, instance: Instance, cover: Ints) -> None:
        self.instance, self.cover = instance, cover
        distinct, first, which = np.unique(cover, return_index=True, return_inverse=True)
        self.by_rank = distinct[np.argsort(first)]
        """Covers in the order of their first permits, so that their numbers in the instance decide nothing."""
        self.rank = np.argsort(np.argsort(first))[which.reshape(-1)]
        self.bay = np.zeros(len(cover), dtype=np.int64)
        self.moves = np.zeros(len(cover), dtype=np.int64)
        self.moving = np.zeros(instance.num_bay_groups, dtype=np.int64)
        self.fewest = np.zeros(instance.num_bay_groups, dtype=np.int64)
        self.legs: list[tuple[int, Ints, Ints, Ints]] = []
        self.split_stays = 0
        self.columns = 0

    def batches(self, bay_group: Ints) -> Iterator[tuple[Cells, list[Ints]]]:
        """Permits by bay group, as many bay groups at a time as keep the table of cells small."""
        order = np.lexsort((self.rank, bay_group)).astype(np.int64)
        waiting = [np.split(order, np.flatnonzero(np.diff(bay_group[order])) + 1)] if len(order) else []
        while waiting:
            batch = waiting.pop()
            ranks = np.unique(self.rank[np.concatenate(batch)])
            if len(batch) > 1 and num_cells(self.instance, self.by_rank[ranks]) > _MOST_CELLS:
                waiting += [batch[len(batch) // 2 :], batch[: len(batch) // 2]]
            else:
                yield cells_of(self.instance, self.by_rank[ranks], ranks=ranks), batch

    def add(self, cells: Cells, bay_group: int, members: Ints) -> None:
        """Give the permits of one bay group their bays; they stand in order of cover."""
        bays = np.minimum(bays_in(self.instance, cells, bay_group), len(members))  # no more bays than cars are needed
        rows = np.searchsorted(cells.ranks, self.rank[members])
        head = np.flatnonzero(np.diff(rows, prepend=-1))
        counts = np.diff(head, append=len(rows))
        fewest = np.minimum.reduceat(bays[cells.by_column], cells.column_begin)
        _require_bays(cells, bay_group, counts @ cells.column_covered[rows[head]], fewest)
        num_stays = np.diff(self.instance.cover_ptr)[self.cover[members[head]]]
        kind_of, kinds, limits = _kinds(cells.column_covered[rows[head]], fewest, counts=counts, num_stays=num_stays)
        packing = pack(kinds, limits, exact=self.columns < MOST_COLUMNS)
        self.columns += packing.columns
        self.moving[bay_group], self.fewest[bay_group] = packing.moving, packing.fewest
        movers = self._keep(np.repeat(kind_of, counts), members, packing)
        if len(movers):
            self._lead(cells, bays, members, movers)

    def _keep(self, kind_of: Ints, members: Ints, packing: Packing) -> Ints:
        """Give the bays that are kept to the first permits of each kind; returns the others."""
        movers = []
        for kind, spans in enumerate(packing.spans):
            permits = np.sort(members[kind_of == kind])
            kept = np.concatenate([np.arange(low, high) for low, high in spans]) if spans else np.zeros(0, np.int64)
            self.bay[permits[: len(kept)]] = kept + 1
            movers.append(permits[len(kept) :])
        return np.sort(np.concatenate(movers)) if movers else np.zeros(0, dtype=np.int64)

    def _lead(self, cells: Cells, bays: Ints, members: Ints, movers: Ints) -> None:
        """Lead the movers, those of most stays first, through what the others leave free."""
        covered = cells.covered[np.searchsorted(cells.ranks, self.rank[movers])]
        used = np.flatnonzero(covered.any(axis=0))
        busy = bays[used] <= np.arange(int(bays[used].max()))[:, None]
        kept = members[self.bay[members] > 0]
        row = np.searchsorted(cells.ranks, self.rank[kept])
        for bay, mine in zip((self.bay[kept] - 1).tolist(), row.tolist(), strict=True):
            if bay < len(busy):
                busy[bay] |= cells.covered[mine, used]
        ptr = self.instance.cover_ptr
        stays = (ptr[1:] - ptr[:-1])[self.cover[movers]]
        for permit in movers[np.argsort(-stays, kind="stable")].tolist():
            mine = slice(ptr[self.cover[permit]], ptr[self.cover[permit] + 1])
            first = np.searchsorted(used, np.searchsorted(cells.cuts, self.instance.cover_start[mine]))
            end = np.searchsorted(used, np.searchsorted(cells.cuts, self.instance.cover_end[mine]))
            legs = lead(busy, first=first, end=end)
            if legs is None:
                raise BadInstance(f"no bay is free for permit {permit} at some time of its stays")
            begin, until, bay = legs
            self.legs.append((permit, cells.cuts[used[begin]], cells.cuts[used[until - 1] + 1], bay + 1))
            self.moves[permit] = int((np.diff(bay) != 0).sum())
            self.split_stays += len(first) - int((np.isin(begin, first) & np.isin(until, end)).sum())

    def finished(self) -> NightlyBays:
        """Everything numbered, legs in order of permits."""
        legs = sorted(self.legs, key=lambda leg: leg[0])
        nothing = np.zeros(0, dtype=np.int64)
        starts, ends, bays = (np.concatenate([nothing, *(leg[part] for leg in legs)]) for part in (1, 2, 3))
        permit = np.repeat(
            np.array([leg[0] for leg in legs], dtype=np.int64), np.array([len(leg[1]) for leg in legs], dtype=np.int64)
        )
        return NightlyBays(
            bay=self.bay,
            leg_permit=permit,
            leg_start=starts,
            leg_end=ends,
            leg_bay=bays,
            moves=self.moves,
            split_stays=self.split_stays,
            moving=self.moving,
            fewest=self.fewest,
        )


def _require_bays(cells: Cells, bay_group: int, cars: Ints, bays: Ints) -> None:
    """Refuse more cars than bays in a column of cells, both (U,)."""
    short = np.flatnonzero(cars > bays)
    if len(short):
        minute = cells.cuts[cells.by_column[cells.column_begin[short[0]]]]
        raise BadInstance(
            f"bay group {bay_group} holds {cars[short[0]]} cars in {bays[short[0]]} bays near minute {minute}"
        )


def _kinds(rows: Flags, bays: Ints, *, counts: Ints, num_stays: Ints) -> tuple[Ints, list[Kind], list[int]]:
    """
    Tell T types of permits apart by the crowded ones of U columns.

    Parameters
    ----------
    rows, bays
        (T, U) whether the type stands in a column, (U,) bays there.
    counts, num_stays
        (T,) permits of each type, and the stays of each of them.

    Returns
    -------
    tuple
        Kind of each type (T,), the kinds, and the bays of each crowded column.
    """
    stood_in = np.flatnonzero(rows.any(axis=0))
    kept, limits = crowded(rows[:, stood_in], bays[stood_in])
    packed = np.packbits(rows[:, stood_in[kept]], axis=1, bitorder="little")
    columns = [int.from_bytes(row.tobytes(), "little") for row in packed]
    known: dict[int, int] = {}
    kind_of = np.array([known.setdefault(mask, len(known)) for mask in columns], dtype=np.int64)
    size = np.bincount(kind_of, weights=counts).astype(np.int64).tolist()
    stood = np.bincount(kind_of, weights=counts * num_stays).astype(np.int64).tolist()
    return kind_of, [Kind(mask, size[kind], stood[kind]) for mask, kind in known.items()], limits
