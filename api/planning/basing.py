"""A base told in the terms of the folder as it is now: its prices on bay groups, its households on pairs."""

from __future__ import annotations

import numpy as np
import polars as pl

from allocator.base import Base
from api.calendars.clock import DAY_MIN, day_number
from api.errors import Fault, FolderFaults
from api.planning.base_plan import PLACE, BasePlan
from api.planning.compiling import Compiled, Ints

_WEEK_MIN = 7 * DAY_MIN


def base_of(compiled: Compiled, base: BasePlan) -> Base:
    """
    Tell a base in the terms of a compiled neighbourhood: prices by bay group and minute, households by pair.

    What is gone is left out: prices of bay groups that are closed, demands withdrawn, places that a demand may have no
    more. Prices at instants outside the term move by whole weeks to the nearest week inside it and add up there.

    Raises
    ------
    FolderFaults
        When the base has neither a demand nor a bay group in common with the neighbourhood.
    """
    _require_kinship(compiled, base)
    bay_group, at, price = _mapped_prices(compiled, base)
    return Base(
        price_bay_group=bay_group,
        price_at=at,
        price=price,
        scale=base.scale,
        taken=_mapped_taken(compiled, base),
        gap_m=base.gap_m,
    )


def _bay_groups_of(compiled: Compiled) -> pl.DataFrame:
    """Index of each bay group of a neighbourhood by facility and id."""
    columns = {"facility": compiled.bays.facility_id, "bay_group": compiled.bays.group_id}
    return pl.DataFrame(columns, schema=PLACE).with_row_index("index").cast({"index": pl.Int64()})


def _require_kinship(compiled: Compiled, base: BasePlan) -> None:
    """Refuse a base that was made from something else altogether."""
    demands = pl.concat([base.assignments["demand"], pl.Series(base.refused, dtype=pl.String())])
    groups = _bay_groups_of(compiled)
    known = compiled.neighbourhood.demands["id"]
    empty = not (len(demands) or len(base.places)) or not (len(known) or len(groups))
    if empty or demands.is_in(known.implode()).any() or len(base.places.join(groups, on=list(PLACE))):
        return
    raise FolderFaults(
        [
            Fault(base.name, 1, "assignments", "none of its demands is in demands.csv: a base of another folder?"),
            Fault(base.name, 1, "bay_values", "none of its bay groups is in facilities.geojson"),
        ]
    )


def _mapped_prices(compiled: Compiled, base: BasePlan) -> tuple[Ints, Ints, Ints]:
    """Bay group, minute and price of what is left of the base's prices, in order of bay group and minute."""
    rows = base.prices.filter(pl.col("price") > 0).join(_bay_groups_of(compiled), on=list(PLACE))
    begin = day_number(compiled.neighbourhood.term_from) * DAY_MIN
    end = (compiled.bays.last_day + 1) * DAY_MIN
    at = rows["at"].to_numpy()
    at = np.where(at < begin, at - (at - begin) // _WEEK_MIN * _WEEK_MIN, at)
    at = np.where(at >= end, at - ((at - end) // _WEEK_MIN + 1) * _WEEK_MIN, at)
    inside = (at >= begin) & (at < end)  # a term of less than a week has not every weekday
    moved = rows.with_columns(pl.Series("at", at, dtype=pl.Int64())).filter(pl.Series(inside, dtype=pl.Boolean()))
    total = moved.group_by("index", "at").agg(pl.col("price").sum()).sort("index", "at")
    return total["index"].to_numpy(), total["at"].to_numpy(), total["price"].to_numpy()


def _mapped_taken(compiled: Compiled, base: BasePlan) -> Ints:
    """Count the base's served demands (J,) at the pairs where they stood and may stand again."""
    instance = compiled.instance
    ids = compiled.neighbourhood.demands["id"]
    rows = base.assignments.join(_bay_groups_of(compiled), on=list(PLACE)).join(
        pl.DataFrame({"demand": ids, "row": pl.arange(len(ids), eager=True)}), on="demand"
    )
    group = compiled.group_of_class[compiled.class_of[rows["row"].to_numpy()]]
    asked = group >= 0
    width = instance.num_bay_groups
    keys = instance.pair_group() * width + instance.pair_bay_group
    wanted = (group * width + rows["index"].to_numpy())[asked]
    pair = np.searchsorted(keys, wanted)
    found = pair < len(keys)
    found[found] = keys[pair[found]] == wanted[found]
    return np.bincount(pair[found], minlength=instance.num_pairs).astype(np.int64)
