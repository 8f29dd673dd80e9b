"""Facilities with entrances, closures, bay groups, windows and bays as rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Connection, Table

from api.db import tables
from api.db.copying import copy_rows, reserve_ids
from api.neighbourhoods.model import BayGroup, Facility, Window

KNOWN_PROPERTIES = frozenset(
    {
        "id",
        "name",
        "kind",
        "bay_groups",
        "entrances",
        "max_height_m",
        "monthly_price_cents",
        "buffer_bays",
        "closures",
        "no_movement",
    }
)
"""What a rule of the folder reads; everything else a facility says about itself is kept as it is."""

MOST_CENTS = 10**12
NOTICE_DAYS, MOST_NOTICE_DAYS = 7, 366
"""Days between the word that capacity is taken back and the first night it is missing, where nobody says."""


@dataclass(frozen=True, slots=True, eq=False)
class Supply:
    """What has been stored: ids of facilities by `code`, of bay groups by `facility` and `bay_group`."""

    facilities: pl.DataFrame
    groups: pl.DataFrame
    num_bays: int


def copy_supply(
    connection: Connection, owner: int, facilities: Sequence[Facility], *, extra: Mapping[str, Mapping[str, object]]
) -> Supply:
    """
    Store facilities and what belongs to them.

    Parameters
    ----------
    owner
        Id of the neighbourhood.
    extra
        Properties of each facility as its file has them, by facility id.
    """
    ids = reserve_ids(connection, tables.facilities, count=len(facilities))
    _copy(
        connection,
        tables.facilities,
        [facility_row(f, owner, n, extra.get(f.id, {})) for n, f in enumerate(facilities)],
        ids,
    )
    by_id = list(zip(ids.to_list(), facilities, strict=True))
    _copy(connection, tables.entrances, [row for key, f in by_id for row in entrance_rows(key, f)])
    _copy(connection, tables.closures, [row for key, f in by_id for row in closure_rows(key, f)])
    groups = [(key, f, n, group) for key, f in by_id for n, group in enumerate(f.bay_groups)]
    group_ids = reserve_ids(connection, tables.bay_groups, count=len(groups))
    _copy(connection, tables.bay_groups, [_group_row(key, n, group) for key, _, n, group in groups], group_ids)
    by_group = list(zip(group_ids.to_list(), groups, strict=True))
    windows = [
        window_row(key, n, window) for key, (_, _, _, group) in by_group for n, window in enumerate(group.windows)
    ]
    _copy(connection, tables.share_windows, windows)
    return Supply(
        facilities=pl.DataFrame(
            {"code": [f.id for f in facilities], "id": ids}, schema_overrides={"code": pl.String()}
        ),
        groups=pl.DataFrame(
            {
                "facility": [f.id for _, (_, f, _, _) in by_group],
                "bay_group": [group.id for _, (_, _, _, group) in by_group],
                "id": group_ids,
            },
            schema_overrides={"facility": pl.String(), "bay_group": pl.String()},
        ),
        num_bays=_copy_bays(connection, [(key, num_bays(group)) for key, (_, _, _, group) in by_group]),
    )


def num_bays(group: BayGroup) -> int:
    """Count the bays of a group: as many as its largest window opens."""
    return max((window.bays for window in group.windows), default=0)


def hex_wkb(geometries: BaseGeometry | Sequence[BaseGeometry] | NDArray[np.object_]) -> list[str]:
    """Return geometries in WGS 84 as the database reads them from text."""
    tagged = shapely.set_srid(np.asarray(geometries, dtype=object), 4326)
    return [str(text) for text in shapely.to_wkb(tagged, hex=True, include_srid=True)]


def _copy(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, object]], ids: pl.Series | None = None
) -> None:
    if not rows:
        return
    frame = pl.DataFrame(rows, infer_schema_length=None)
    copy_rows(connection, table, frame if ids is None else frame.with_columns(ids))


def facility_row(facility: Facility, owner: int, position: int, said: Mapping[str, object]) -> dict[str, object]:
    """Return a facility's own row; `said` are its properties as they were written, those of the rules among them."""
    kept = {key: value for key, value in said.items() if key not in KNOWN_PROPERTIES}
    no_movement_from, no_movement_to = facility.no_movement or (None, None)
    return {
        "neighbourhood_id": owner,
        "code": facility.id,
        "position": position,
        "name": facility.name,
        "kind": facility.kind,
        "geometry": hex_wkb([facility.geometry])[0],
        "max_height_m": facility.max_height_m,
        "monthly_price_cents": facility.monthly_price_cents,
        "buffer_bays": facility.buffer_bays,
        "no_movement_from_min": no_movement_from,
        "no_movement_to_min": no_movement_to,
        "night_price_cents": _whole(said.get("night_price_cents"), high=MOST_CENTS),
        "notice_days": _whole(said.get("notice_days"), high=MOST_NOTICE_DAYS, default=NOTICE_DAYS),
        "extra": json.dumps(kept, ensure_ascii=False),
    }


def _whole(value: object, *, high: int, default: int | None = None) -> int | None:
    """Return what a free property says where it is a whole number in range; no rule of the folder reads it."""
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= high
    return value if whole else default  # type: ignore[return-value]  # an int by now


def entrance_rows(key: int, facility: Facility) -> list[dict[str, object]]:
    """Return the rows of a facility's entrances."""
    return [
        {"facility_id": key, "position": n, "geometry": hex_wkb([shapely.Point(point)])[0]}
        for n, point in enumerate(facility.entrances)
    ]


def closure_rows(key: int, facility: Facility) -> list[dict[str, object]]:
    """Return the rows of a facility's closures."""
    return [
        {
            "facility_id": key,
            "position": n,
            "closed_from": closure.start,
            "closed_to": closure.end,
            "reason": closure.reason,
        }
        for n, closure in enumerate(facility.closures)
    ]


def _group_row(key: int, position: int, group: BayGroup) -> dict[str, object]:
    return {"facility_id": key, "code": group.id, "position": position, "kinds": "{" + ",".join(group.kinds) + "}"}


def window_row(key: int, position: int, window: Window) -> dict[str, object]:
    """Return the row of a bay group's window."""
    season = [f"{month:02d}-{day:02d}" for month, day in window.season] if window.season else [None, None]
    return {
        "bay_group_id": key,
        "position": position,
        "days": window.days,
        "from_min": window.from_min,
        "to_min": window.to_min,
        "bays": window.bays,
        "last_entry_min": window.last_entry_min,
        "season_from": season[0],
        "season_to": season[1],
    }


def _copy_bays(connection: Connection, counts: Sequence[tuple[int, int]]) -> int:
    """Make numbered bays 1, 2, … in every group; return how many in all."""
    frame = pl.DataFrame(counts, schema={"bay_group_id": pl.Int64(), "count": pl.Int64()}, orient="row")
    numbered = (
        frame.filter(pl.col("count") > 0)
        .with_columns(pl.int_ranges(1, pl.col("count") + 1).alias("number"))
        .explode("number")
        .drop("count")
    )
    return copy_rows(connection, tables.bays, numbered)
