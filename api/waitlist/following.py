"""Who follows when bays of a group come free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from api.neighbourhoods.loading import PUBLISHED
from api.offers.making import WantedOffer, make_offers
from api.openings.permit_queries import rights_of_worker
from api.openings.service import place_nights_at
from api.permits.leaving_out import leave_out
from api.permits.ledger import lock_ledger
from api.permits.ledger_queries import free_nights
from api.planning.rulebook import kinds_suit
from api.waitlist import queries
from api.waitlist.fitting import GroupStays, fits_under, stays_at

_A_DAY = timedelta(days=1)


def follow(connection: Connection, bay_group_ids: Sequence[int], *, now: datetime) -> list[int]:
    """
    Offer what is free in bay groups to those who wait, in their order, for the whole remaining term.

    In the order of tier, rounds waited and draw, each gets an offer whose stays fit the hours of the group and find a
    free bay on all their nights from tomorrow on; what others have booked of these is left out of the offer. Whom
    somebody later overtakes, since a night of theirs is full, is recorded with that night, or with none where hours or
    height of the place do not fit any more. One transaction at a time does so in a neighbourhood.

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
            placed = place_nights_at(connection, sorted(places), permit_ids=permits, now=now)
            leave_out(connection, placed.without_bay)  # others have booked them by now
    return made


def _follow_in(connection: Connection, group: Row[Any], *, now: datetime) -> list[int]:
    tomorrow = now.astimezone(ZoneInfo(group.timezone)).date() + _A_DAY
    free = free_nights(connection, [group.id], first=tomorrow)[group.id]
    waiting = queries.list_waiting(connection, group.id, first=tomorrow) if free else []
    if not waiting:
        return []
    hours = stays_at(connection, [group], first=tomorrow, last=max(row.last for row in waiting))
    queue = _Queue(group, free, hours[group.id])
    reached: list[tuple[WantedOffer, dict[int, date | None]]] = []  # each with whom it passes over
    passed: dict[int, date | None] = {}
    for entry in waiting:
        if not queue.free:
            break
        wanted = queue.offer_to(entry)
        if not isinstance(wanted, WantedOffer):
            passed[entry.id] = wanted
        elif queries.reach(connection, entry.id, bay_group_id=group.id, now=now):
            queue.take(entry)
            reached.append((wanted, dict(passed)))
    made = make_offers(connection, [wanted for wanted, _ in reached], source="waitlist", now=now)
    offers = queries.offers_by_application(connection, made)
    for wanted, before in reached:
        offer = offers[wanted.application_id]
        queries.note_passes(connection, offer, before, bay_group_id=group.id, now=now)
    return made


@dataclass(frozen=True, slots=True)
class _Queue:
    """What is free of a bay group from a night on, and what stays ask of it."""

    group: Row[Any]
    free: dict[date, int]
    stays: GroupStays

    def offer_to(self, entry: Row[Any]) -> WantedOffer | date | None:
        """Return what an entry can be offered, the first night that is full, or None where hours or car do not fit."""
        suits = kinds_suit(entry.needs, self.group.kinds) and fits_under(entry.height_m, self.group.max_height_m)
        stays = self.stays.of(entry) if suits else None
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
            first=max(self.stays.first, entry.term_first),
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
        stays = self.stays.of(entry)
        for night in stays.nights if stays else ():
            self.free[night] -= 1
            if not self.free[night]:
                del self.free[night]
