"""From a plan to the nights: the bay of every permit, and for those that have to move, the bay of each night."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from allocator.nightly import NightlyBays, number_bays
from api.calendars.clock import date_of, instant_text
from api.planning.compiling import Compiled, Ints
from api.planning.outcomes import Outcomes

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Nights:
    """
    The bays of a plan, night by night.

    Attributes
    ----------
    rows
        `demand,facility,bay_group,bay,nights`: a row a permit that keeps its bay, with no nights named; for one that
        moves, a row a bay with the dates of the stays that begin on them, or from when to when where a stay is split.
    summary
        What plan.json says of them.
    """

    rows: pl.DataFrame
    summary: Json

    def lines(self) -> Iterator[tuple[int, str, str, str, str, str]]:
        """Rows as the words of nights.csv, each with its line."""
        for line, (demand, facility, group, bay, nights) in enumerate(self.rows.iter_rows(), start=2):
            yield line, demand, facility, group, str(bay), nights or ""


def nights_of(compiled: Compiled, outcomes: Outcomes) -> Nights:
    """Give every served demand a bay on each of its nights; of equal ones the smaller id gets the lower number."""
    demands = compiled.neighbourhood.demands
    rank = np.empty(len(demands), dtype=np.int64)
    rank[demands["id"].arg_sort().to_numpy()] = np.arange(len(demands))
    served = np.flatnonzero(outcomes.option >= 0)
    served = served[np.argsort(rank[served])]
    chosen = outcomes.option[served]
    bays = number_bays(
        compiled.instance,
        bay_group=compiled.options.bay_group[chosen].astype(np.int64),
        cover=compiled.options.cover[chosen].astype(np.int64),
    )
    return Nights(_rows(compiled, served, chosen, bays), _summary(bays))


def _summary(bays: NightlyBays) -> Json:
    return {
        "permits": len(bays.bay),
        "moving": int(bays.moving.sum()),
        "moves": int(bays.moves.sum()),
        "split_stays": bays.split_stays,
        "proven_fewest": bool(bays.proven.all()),
    }


def _rows(compiled: Compiled, served: Ints, chosen: Ints, bays: NightlyBays) -> pl.DataFrame:
    """Rows in the order of demands.csv, and of a permit's first night in a bay."""
    kept = np.flatnonzero(bays.bay > 0)
    permit, bay, nights = _rows_of_movers(compiled, chosen, bays)
    permits = np.concatenate((kept, np.array(permit, dtype=np.int64)))
    numbers = np.concatenate((bays.bay[kept], np.array(bay, dtype=np.int64)))
    words = pl.concat((pl.repeat(None, len(kept), dtype=pl.String, eager=True), pl.Series(nights, dtype=pl.String)))
    order = np.argsort(served[permits], kind="stable")
    group = pl.Series(compiled.options.bay_group[chosen[permits[order]]], dtype=pl.Int64)
    return pl.DataFrame(
        {
            "demand": compiled.neighbourhood.demands["id"].gather(served[permits[order]]),
            "facility": pl.Series(compiled.bays.facility_id, dtype=pl.String).gather(group),
            "bay_group": pl.Series(compiled.bays.group_id, dtype=pl.String).gather(group),
            "bay": numbers[order],
            "nights": words.gather(order),
        }
    )


def _rows_of_movers(compiled: Compiled, chosen: Ints, bays: NightlyBays) -> tuple[list[int], list[int], list[str]]:
    permits, numbers, nights = [], [], []
    known: dict[int, _Stays] = {}
    cuts = np.flatnonzero(np.diff(bays.leg_permit, prepend=-1))
    for begin, end in zip(cuts.tolist(), np.append(cuts, len(bays.leg_permit))[1:].tolist(), strict=True):
        permit = int(bays.leg_permit[begin])
        cover = int(compiled.options.cover[chosen[permit]])
        if cover not in known:
            known[cover] = _stays_of(compiled, cover)
        where: dict[int, list[str]] = defaultdict(list)
        words = known[cover].words(bays.leg_start[begin:end], bays.leg_end[begin:end])
        for bay, some in zip(bays.leg_bay[begin:end].tolist(), words, strict=True):
            where[bay] += some
        permits += [permit] * len(where)
        numbers += list(where)
        nights += [" ".join(some) for some in where.values()]
    return permits, numbers, nights


@dataclass(frozen=True, slots=True, eq=False)
class _Stays:
    """Dates of stays, with the start and the end of each, (N,), in rising order."""

    dates: list[str]
    starts: Ints
    ends: Ints

    def words(self, begins: Ints, untils: Ints) -> Iterator[list[str]]:
        """For each leg the dates of its stays; from when to when where a stay does not begin and end with it."""
        first, end = np.searchsorted(self.starts, begins), np.searchsorted(self.starts, untils)
        whole = np.searchsorted(self.ends, begins, side="right") == first  # none that began before is still there
        whole &= np.searchsorted(self.ends, untils, side="right") == end  # none of these goes on
        whole &= first < end
        for begin, until, low, high, is_whole in zip(
            begins.tolist(), untils.tolist(), first.tolist(), end.tolist(), whole.tolist(), strict=True
        ):
            yield self.dates[low:high] if is_whole else [f"{instant_text(begin)}/{instant_text(until)}"]


def _stays_of(compiled: Compiled, cover: int) -> _Stays:
    number, left_out = compiled.cover_days[cover]
    pattern = compiled.patterns[number]
    dates = [date_of(day).isoformat() for day in pattern.days[~left_out].tolist()]
    return _Stays(dates, pattern.starts[~left_out], pattern.ends[~left_out])
