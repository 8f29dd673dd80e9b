"""The lists of a round and the record of its neighbourhood, read from the database up to a moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection, Row

from api.offers.deadlines import OFFER_LASTS, TAKEN_AS_DELIVERED_AFTER, expiry_of
from api.permits.ledger import calendar_of
from api.waitlist import date_queries as queries
from api.waitlist.lists import WEEK, Bools, Floats, Ints, Lists, Record

MEMORY = timedelta(days=400)
"""What is older than this is no guide any more."""
_DAY = timedelta(days=1)
_LONGEST_REST_DAYS = 31
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMED = {"daily": 0b1111111, "workdays": 0b0011111, "rest_days": 0b1100000}


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """The lists with whose they are: `entry_ids`, `household_ids` and the best `position` in any list (E,)."""

    lists: Lists
    facility_ids: Ints
    entry_ids: Ints
    household_ids: Ints
    position: Ints


def weekdays_of(days: str) -> int:
    """Return the weekdays that an application's `days` means in a week without holidays, Monday as bit 0."""
    if days in _NAMED:
        return _NAMED[days]
    return sum(1 << _WEEKDAYS.index(name) for name in days.split())


def read_lists(connection: Connection, place: Row[Any], *, now: datetime) -> Standing:
    """
    Read the lists of a round as they stand.

    Whoever waits for places none of which is offered any more is left out: nothing can be said of them.
    """
    zone = ZoneInfo(place.timezone)
    today = now.astimezone(zone).date()
    groups = queries.list_groups(connection, place.id)
    ids = [row.id for row in groups]
    index = {group: k for k, group in enumerate(ids)}
    facility_ids, facility = np.unique(_ints(row.facility_id for row in groups), return_inverse=True)
    entries, ptr, option = _with_options(connection, place.id, index, now=now)
    permits = queries.list_permits(connection, place.id, ids, last=place.last)
    pending = queries.list_pending(connection, place.id, ids)
    waited, left = _waiting_offers(pending, now=now)
    lists = Lists(
        facility=facility.astype(np.int64),
        free=_free(connection, ids, today=today, last=place.last),
        entry_days=_ints(weekdays_of(row.days) for row in entries),
        option_ptr=ptr,
        option_group=option,
        permit_group=_ints(index[row.bay_group_id] for row in permits),
        permit_days=_ints(weekdays_of(row.days) for row in permits),
        offer_group=_ints(index[row.bay_group_id] for row in pending),
        offer_days=_ints(weekdays_of(row.days) for row in pending),
        offer_listed=_bools(row.listed for row in pending),
        offer_waited_d=waited,
        offer_left_d=left,
        window_d=_windows(connection, place, today=today, zone=zone),
        begins_d=max((datetime.combine(place.first, time(), zone) - now) / _DAY, 0.0),
        day_part=(now.astimezone(zone) - datetime.combine(today, time(), zone)) / _DAY % 1.0,
    )
    return Standing(
        lists=lists,
        facility_ids=facility_ids,
        entry_ids=_ints(row.id for row in entries),
        household_ids=_ints(row.household_id for row in entries),
        position=best_positions(ptr, option),
    )


def _with_options(
    connection: Connection, round_id: int, index: dict[int, int], *, now: datetime
) -> tuple[list[Row[Any]], Ints, Ints]:
    """Return the entries that have options, and these: bounds and bay groups."""
    options: dict[int, list[int]] = {}
    for row in queries.list_options(connection, round_id):
        options.setdefault(row.entry_id, []).append(index[row.bay_group_id])
    entries = [row for row in queries.list_entries(connection, round_id, now=now) if row.id in options]
    chosen = [options[row.id] for row in entries]
    ptr = np.concatenate([[0], np.cumsum(_ints(len(groups) for groups in chosen))]).astype(np.int64)
    return entries, ptr, _ints(group for groups in chosen for group in groups)


def best_positions(ptr: Ints, option: Ints) -> Ints:
    """(E,) position in the list where an entry stands furthest ahead, counted from 1; entries come best rank first."""
    order = np.argsort(option, kind="stable")
    begins = np.searchsorted(option[order], option[order], side="left")
    position = np.empty(len(option), dtype=np.int64)
    position[order] = np.arange(len(option)) - begins + 1
    return np.minimum.reduceat(position, ptr[:-1]) if len(ptr) > 1 else position


def _free(connection: Connection, groups: Sequence[int], *, today: date, last: date) -> Ints:
    free = np.zeros((len(groups), WEEK), dtype=np.int64)
    index = {group: k for k, group in enumerate(groups)}
    for row in queries.list_free(connection, groups, today=today, last=last):
        free[index[row.bay_group_id], row.weekday] = row.free
    return free


def _waiting_offers(pending: Sequence[Row[Any]], *, now: datetime) -> tuple[Floats, Floats]:
    """Return how long offers have been open and have left, in days; what is not delivered yet will be late."""
    waited = [max((now - row.made_at) / _DAY, 0.0) for row in pending]
    ends = [row.expires_at or max(now, row.made_at + TAKEN_AS_DELIVERED_AFTER) + OFFER_LASTS for row in pending]
    left = [max((end - now) / _DAY, 0.0) for end in ends]
    return np.array(waited, dtype=np.float64), np.array(left, dtype=np.float64)


def _windows(connection: Connection, place: Row[Any], *, today: date, zone: ZoneInfo) -> Floats:
    """Return how long offers made at noon of every day until the term's last stay open, in days."""
    last = max(place.last, today)
    kinds = calendar_of(
        connection,
        place.neighbourhood_id,
        country=place.country,
        first=today - _DAY,
        last=last + timedelta(days=_LONGEST_REST_DAYS),
    )
    noons = [datetime.combine(today + k * _DAY, time(12), zone) for k in range((last - today).days + 1)]
    return np.array([(expiry_of(noon, kinds=kinds, zone=zone) - noon) / _DAY for noon in noons])


def read_record(connection: Connection, place: Row[Any], facility_ids: Ints, *, now: datetime) -> Record:
    """Read what was seen in a neighbourhood of offers, permits and waits; facilities counted as in its lists."""
    owner, since = place.neighbourhood_id, now - MEMORY
    offers = queries.seen_offers(connection, owner, since=since, now=now)
    permits = queries.seen_permits(connection, owner, since=since, now=now)
    waits = queries.seen_waits(connection, owner, since=since, now=now)
    seen = queries.how_much_was_seen(connection, owner, since=since, now=now)
    index = {int(facility): k for k, facility in enumerate(facility_ids)}
    return Record(
        offer_facility=_ints(index.get(row.facility_id, -1) for row in offers),
        offer_listed=_bools(row.listed for row in offers),
        offer_refused=_bools(row.refused for row in offers),
        offer_share=np.clip(_floats(row.share for row in offers), 0.0, 1.0),
        offer_made_d=_floats(row.made_d for row in offers),
        permit_facility=_ints(index.get(row.facility_id, -1) for row in permits),
        permit_from_d=_floats(row.from_d for row in permits),
        permit_to_d=_floats(row.to_d for row in permits),
        permit_ended=_bools(row.ended for row in permits),
        wait_from_d=_floats(row.from_d for row in waits),
        wait_to_d=_floats(row.to_d for row in waits),
        wait_left=_bools(row.gone for row in waits),
        releases=seen.releases,
        observed_d=float(seen.observed_d or 0.0),
    )


def _ints(values: Iterable[Any]) -> Ints:
    return np.fromiter(values, dtype=np.int64)


def _floats(values: Iterable[Any]) -> Floats:
    return np.fromiter((float(value) for value in values), dtype=np.float64)


def _bools(values: Iterable[Any]) -> Bools:
    return np.fromiter(values, dtype=np.bool_)
