"""Random small neighbourhoods in which nearly everybody wants the same few bays."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
from hypothesis import strategies as st

from api.neighbourhoods.model import BayGroup, Facility, Neighbourhood, Window
from tests.properties.neighbourhoods import neighbourhoods


@st.composite
def crowded(draw: st.DrawFn, *, max_demands: int) -> Neighbourhood:
    """Few bays that nearly everybody wants at the same hours; windows without bays and buffers among them."""
    drawn = draw(neighbourhoods(max_demands=max_demands))
    bays = st.sampled_from([0, 1, 1, 1, 2])
    hours = st.sampled_from([("daily", 1080, 1920), ("daily", 1080, 1920), ("workdays", 1080, 1920)])

    def facility(old: Facility) -> Facility:
        windows = [Window(*draw(hours), draw(bays)), Window("rest_days", 0, 1920, draw(bays))]
        groups = tuple(BayGroup(group.id, ("standard",), tuple(windows)) for group in old.bay_groups)
        buffer = draw(st.sampled_from([0, 0, 0, 1]))
        return replace(old, bay_groups=groups, buffer_bays=buffer, closures=(), no_movement=None, max_height_m=None)

    nights = [
        draw(st.sampled_from(["daily", "daily", "workdays", "fri sat", "rest_days"])) for _ in drawn.demands["id"]
    ]
    demands = drawn.demands.with_columns(
        pl.Series("days", nights),
        pl.lit(1140, pl.Int32).alias("arrive_min"),
        pl.lit(1860, pl.Int32).alias("leave_min"),
        pl.lit("").alias("needs"),
        pl.lit(None, pl.Float64).alias("height_m"),
        pl.lit(None, pl.Float64).alias("max_walk_m"),
    )
    assert drawn.walks is not None
    walks = drawn.walks.with_columns(pl.col("walk_m") // 2)
    return replace(drawn, facilities=tuple(map(facility, drawn.facilities)), demands=demands, walks=walks)
