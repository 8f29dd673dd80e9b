"""Who follows when bays of a group come free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from api.calendars.clock import date_of, day_number
from api.calendars.day_kinds import DayKinds
from api.calendars.unroll import unroll_facility
from api.neighbourhoods.loading import PUBLISHED, load_facilities
from api.offers.making import WantedOffer, make_offers
from api.openings.permit_nights import LONGEST_STAY_DAYS
from api.openings.permit_queries import rights_of_worker
from api.openings.service import place_nights_at
from api.openings.unrolling import LOOK_BACK_DAYS
from api.permits.ledger import calendar_of, lock_ledger
from api.permits.ledger_queries import free_nights
from api.permits.nights import ledger_nights_of
from api.planning.eligibility import Timetable, days_left_out, pattern_of, timetable_of
from api.waitlist import queries

_A_DAY = timedelta(days=1)


def follow(connection: Connection, bay_group_ids: Sequence[int], *, now: datetime) -> list[int]:
    """
    Offer what is free in bay groups to those who wait, in their order, for the whole remaining term.

    In the order of tier, rounds waited and draw, each gets an offer whose stays fit the hours of the group and find a
    free bay on all their nights from tomorrow on. Whom somebody later overtakes, since a night of theirs is full, is
    recorded with that night, or with none where the hours of the group do not fit theirs any more. One transaction at
    a time does so in a neighbourhood.

    Returns
    -------
    list
        Ids of the offers made.
    """
    made: list[int] = []
    places: set[int] = set()
    with rights_of_worker(connection):
        lock_ledger(connection, bay_group_ids)
        for group in queries.describe_groups(connection, sorted(set(bay_group_ids))):
            offers = _follow_in(connection, group, now=now) if group.status == PUBLISHED else []
            made += offers
            places |= {group.facility_id} if offers else set()
        if made:  # their nights have bays before anybody can book them
            permits = queries.permits_of(connection, made)
            place_nights_at(connection, sorted(places), permit_ids=permits, now=now)
    return made


def _follow_in(connection: Connection, group: Row[Any], *, now: datetime) -> list[int]:
    tomorrow = now.astimezone(ZoneInfo(group.timezone)).date() + _A_DAY
    free = free_nights(connection, [group.id], first=tomorrow)[group.id]
    waiting = queries.list_waiting(connection, group.id, first=tomorrow) if free else []
    if not waiting:
        return []
    queue = _queue_of(connection, group, free, first=tomorrow, last=max(row.last for row in waiting))
    made: list[int] = []
    passed: dict[int, date | None] = {}
    for entry in waiting:
        if not queue.free:
            break
        wanted = queue.offer_to(entry)
        if not isinstance(wanted, WantedOffer):
            passed[entry.id] = wanted
        elif queries.reach(connection, entry.id, bay_group_id=group.id, now=now):
            (offer,) = make_offers(connection, [wanted], source="waitlist", now=now)
            queries.note_passes(connection, offer, passed, bay_group_id=group.id, now=now)
            queue.take(entry)
            made.append(offer)
    return made


@dataclass(frozen=True, slots=True)
class _Stays:
    """What one pattern of stays needs of a group: its nights, and the days that closures leave out."""

    nights: tuple[date, ...]
    left_out: tuple[date, ...]


@dataclass(slots=True)
class _Queue:
    """What is free of a bay group from a night on, and what stays ask of it; equal stays are unrolled once."""

    group: Row[Any]
    free: dict[date, int]
    first: date
    kinds: DayKinds
    hours: Timetable
    _stays: dict[tuple[Any, ...], _Stays | None] = field(default_factory=dict)

    def offer_to(self, entry: Row[Any]) -> WantedOffer | date | None:
        """Return what an entry can be offered, the first night that is full, or None where its hours do not fit."""
        stays = self._stays_of(entry)
        if stays is None:
            return None
        full = next((night for night in stays.nights if not self.free.get(night)), None)
        if full is not None:
            return full
        return WantedOffer(
            application_id=entry.application_id,
            household_id=entry.household_id,
            vehicle_id=entry.vehicle_id,
            bay_group_id=self.group.id,
            first=max(self.first, entry.term_first),
            last=entry.last,
            days=entry.days,
            arrive_min=entry.arrive_min,
            leave_min=entry.leave_min,
            stay_through=entry.stay_through,
            walk_m=entry.walk_m,
            days_left_out=stays.left_out,
        )

    def take(self, entry: Row[Any]) -> None:
        """Note that the nights of an entry are taken."""
        stays = self._stays_of(entry)
        for night in stays.nights if stays else ():
            self.free[night] -= 1
            if not self.free[night]:
                del self.free[night]

    def _stays_of(self, entry: Row[Any]) -> _Stays | None:
        key = entry.days, entry.arrive_min, entry.leave_min, entry.stay_through, entry.term_first, entry.last
        if key not in self._stays:
            self._stays[key] = self._unrolled(entry)
        return self._stays[key]

    def _unrolled(self, entry: Row[Any]) -> _Stays | None:
        first = max(self.first, entry.term_first)
        pattern = pattern_of(
            entry.days,
            entry.arrive_min,
            entry.leave_min,
            self.kinds,
            first=day_number(first),
            last=day_number(entry.last),
            through=entry.stay_through,
        )
        left_out = days_left_out(pattern, self.hours)
        if left_out is None:
            return None
        days = tuple(date_of(day) for day in pattern.days[left_out].tolist())
        nights = ledger_nights_of(
            days=entry.days,
            arrive_min=entry.arrive_min,
            leave_min=entry.leave_min,
            stay_through=entry.stay_through,
            first=first,
            last=entry.last,
            kinds=self.kinds,
            days_left_out=days,
        )
        return _Stays(tuple(nights), days) if nights else None


def _queue_of(connection: Connection, group: Row[Any], free: dict[date, int], *, first: date, last: date) -> _Queue:
    """Read the hours of a bay group as they are now."""
    owner = group.neighbourhood_id
    kinds = calendar_of(connection, owner, country=group.country, first=first, last=last)
    (facility,) = load_facilities(connection, owner, ids=[group.facility_id])
    reach = min(day_number(last) + LONGEST_STAY_DAYS, kinds.last)
    hours = unroll_facility(facility, kinds, first=day_number(first) - LOOK_BACK_DAYS, last=reach)
    by_code = {one.id: open_hours for one, open_hours in zip(facility.bay_groups, hours, strict=True)}
    return _Queue(group, free, first, kinds, timetable_of(facility, by_code[group.bay_group]))
