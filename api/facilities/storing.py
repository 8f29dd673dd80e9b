"""An offer as what is published: its facility with entrances, closures, bay groups, windows and bays."""

from __future__ import annotations

from typing import Any

import shapely
from sqlalchemy import Connection, Row

from api.db import tables
from api.db.copying import reserve_ids
from api.facilities import supply_queries as queries
from api.facilities.offers import Offer
from api.neighbourhoods.loading import PUBLISHED, load_facilities
from api.neighbourhoods.model import Facility
from api.neighbourhoods.supply_rows import (
    closure_rows,
    entrance_rows,
    facility_row,
    hex_wkb,
    num_bays,
    window_row,
)


def load_offer(connection: Connection, facility: Row[Any]) -> Offer:
    """Return what is published of a facility, given its row as `supply_queries.find_facility` has it."""
    [found] = load_facilities(connection, facility.neighbourhood_id, ids=[facility.id])
    places = queries.drawn_places(connection, facility.id)
    return Offer(
        facility=found,
        drawn={code: list(shapely.from_wkb(wkb)) for code, wkb in places.items()},
        night_price_cents=facility.night_price_cents,
        notice_days=facility.notice_days,
        extra=dict(facility.extra),
    )


def store_offer(
    connection: Connection, facility_id: int, offer: Offer, *, neighbourhood_id: int, owner_id: int | None, version: int
) -> None:
    """
    Publish an offer under a facility's id, in place of what was published before.

    Bays keep their ids as long as their group and number stay, so that stays keep their bay; a group that goes remains
    without windows where somebody ever stood in it.
    """
    facility = offer.facility
    row = {
        **facility_row(facility, neighbourhood_id, queries.next_position(connection, neighbourhood_id), offer.extra),
        "id": facility_id,
        "owner_id": owner_id,
        "status": PUBLISHED,
        "version": version,
        "night_price_cents": offer.night_price_cents,
        "notice_days": offer.notice_days,
    }
    queries.put_facility(connection, row)
    queries.replace_parts(
        connection,
        facility_id,
        entrances=entrance_rows(facility_id, facility),
        closures=closure_rows(facility_id, facility),
    )
    _store_groups(connection, facility_id, offer)


def _store_groups(connection: Connection, facility_id: int, offer: Offer) -> None:
    groups = offer.facility.bay_groups
    there = queries.group_ids_of(connection, facility_id)
    new = [group.id for group in groups if group.id not in there]
    ids = {**there, **dict(zip(new, reserve_ids(connection, tables.bay_groups, count=len(new)).to_list(), strict=True))}
    gone = [code for code in there if code not in {group.id for group in groups}]
    for position, group in enumerate(groups):
        queries.put_bay_group(
            connection,
            ids[group.id],
            facility_id=facility_id,
            code=group.id,
            position=position,
            kinds=list(group.kinds),
        )
        places = hex_wkb(offer.drawn.get(group.id, ()))
        queries.put_bays(connection, ids[group.id], count=max(num_bays(group), len(places)), places=places)
    rows = _window_rows(offer.facility, ids)
    queries.replace_windows(connection, list(ids.values()), rows)
    _retire(connection, gone, ids=ids, first=len(groups))


def _window_rows(facility: Facility, ids: dict[str, int]) -> list[dict[str, object]]:
    return [
        window_row(ids[group.id], position, window)
        for group in facility.bay_groups
        for position, window in enumerate(group.windows)
    ]


def _retire(connection: Connection, codes: list[str], *, ids: dict[str, int], first: int) -> None:
    """Put groups that are no longer offered behind the others, and remove those that were never used."""
    for position, code in enumerate(codes):
        queries.move_bay_group(connection, ids[code], position=first + position)
    queries.remove_unused_groups(connection, [ids[code] for code in codes])
