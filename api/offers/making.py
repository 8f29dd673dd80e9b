"""Making offers: permits that wait, the nights they take, and a notice to each household."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from api.calendars.day_kinds import DayKinds
from api.notices.service import NewNotice, tell
from api.offers import queries
from api.offers.deadlines import calendar_from, expiry_of
from api.openings.permit_queries import rights_of_worker
from api.permits.ledger import calendar_of, lock_ledger, take_nights
from api.permits.nights import ledger_nights_of, multirange_of


@dataclass(frozen=True, slots=True)
class WantedOffer:
    """A permit that somebody is to be offered; dates, days left out and hours as a permit has them."""

    application_id: int | None
    household_id: int
    vehicle_id: int
    bay_group_id: int
    first: date
    last: date
    days: str
    arrive_min: int
    leave_min: int
    stay_through: bool
    walk_m: int | None
    days_left_out: tuple[date, ...] = ()


def make_offers(connection: Connection, wanted: Sequence[WantedOffer], *, source: str, now: datetime) -> list[int]:
    """
    Offer permits to households: their nights are taken from the ledger, and each household is told.

    Parameters
    ----------
    source
        `plan`, `waitlist` or `re_accommodation`.

    Returns
    -------
    list
        Ids of the offers, not in the order of `wanted`.

    Raises
    ------
    LedgerFull
        A bay group has no bay left on a night; nothing is offered then.
    OfferImpossible
        A household has a permit or an offer for a part of the term; nothing is offered then.
    """
    if not wanted:
        return []
    with rights_of_worker(connection):
        lock_ledger(connection, sorted({offer.bay_group_id for offer in wanted}))
        places = _Places(connection, wanted, now=now)
        nights = [places.nights_of(offer) for offer in wanted]
        take_nights(connection, _takes(wanted, nights))
        made = queries.add_offers(connection, _columns(wanted, nights), source=source, now=now)
        tell(connection, [_told(row, places) for row in made], now=now)
    return [row.id for row in made]


class _Places:
    """What bay groups and their calendars say of offers; equal patterns of nights are unrolled once."""

    def __init__(self, connection: Connection, wanted: Sequence[WantedOffer], *, now: datetime) -> None:
        self._connection = connection
        self._groups = queries.describe_groups(connection, sorted({offer.bay_group_id for offer in wanted}))
        self._first = min(offer.first for offer in wanted)
        self._last = max(offer.last for offer in wanted)
        self._now = now
        self._nights: dict[tuple[Any, ...], list[date]] = {}

    @cached_property
    def _calendars(self) -> dict[int, DayKinds]:
        found = {row.neighbourhood_id: row.country for row in self._groups.values()}
        return {
            key: calendar_of(self._connection, key, country=country, first=self._first, last=self._last)
            for key, country in found.items()
        }

    @cached_property
    def _expiries(self) -> dict[int, datetime]:
        found = {row.neighbourhood_id: row for row in self._groups.values()}
        return {key: expiry_at(self._connection, row, now=self._now) for key, row in found.items()}

    def facility_of(self, bay_group_id: int) -> int:
        return int(self._groups[bay_group_id].facility_id)

    def expiry_of(self, bay_group_id: int) -> datetime:
        """Return when an offer would expire that was delivered now."""
        return self._expiries[self._groups[bay_group_id].neighbourhood_id]

    def nights_of(self, offer: WantedOffer) -> list[date]:
        neighbourhood = self._groups[offer.bay_group_id].neighbourhood_id
        hours = offer.days, offer.arrive_min, offer.leave_min, offer.stay_through
        key = (neighbourhood, *hours, offer.first, offer.last, offer.days_left_out)
        if key not in self._nights:
            self._nights[key] = ledger_nights_of(
                days=offer.days,
                arrive_min=offer.arrive_min,
                leave_min=offer.leave_min,
                stay_through=offer.stay_through,
                first=offer.first,
                last=offer.last,
                kinds=self._calendars[neighbourhood],
                days_left_out=offer.days_left_out,
            )
        return self._nights[key]


def expiry_at(connection: Connection, place: Row[Any], *, now: datetime) -> datetime:
    """Return when an offer expires that is delivered now, by the calendar of a neighbourhood's row."""
    zone = ZoneInfo(place.timezone)
    today = now.astimezone(zone).date()
    kinds = calendar_from(connection, place.neighbourhood_id, country=place.country, today=today)
    return expiry_of(now, kinds=kinds, zone=zone)


def _takes(wanted: Sequence[WantedOffer], nights: Sequence[Sequence[date]]) -> dict[int, dict[date, int]]:
    takes: dict[int, dict[date, int]] = {offer.bay_group_id: {} for offer in wanted}
    lists = {id(taken): taken for taken in nights}  # equal patterns are one list: counted first, added up by night then
    for (group, key), number in Counter(
        (offer.bay_group_id, id(taken)) for offer, taken in zip(wanted, nights, strict=True)
    ).items():
        for night in lists[key]:
            takes[group][night] = takes[group].get(night, 0) + number
    return takes


def _columns(wanted: Sequence[WantedOffer], nights: Sequence[Sequence[date]]) -> dict[str, list[Any]]:
    texts: dict[int, str] = {}  # equal patterns are one list
    for taken in nights:
        if id(taken) not in texts:
            texts[id(taken)] = multirange_of(taken)
    return {
        "applications": [offer.application_id for offer in wanted],
        "households": [offer.household_id for offer in wanted],
        "vehicles": [offer.vehicle_id for offer in wanted],
        "groups": [offer.bay_group_id for offer in wanted],
        "terms": [f"[{offer.first.isoformat()},{(offer.last + timedelta(days=1)).isoformat()})" for offer in wanted],
        "days": [offer.days for offer in wanted],
        "arrive": [offer.arrive_min for offer in wanted],
        "leave": [offer.leave_min for offer in wanted],
        "through": [offer.stay_through for offer in wanted],
        "walks": [offer.walk_m for offer in wanted],
        "left_out": ["{" + ",".join(day.isoformat() for day in offer.days_left_out) + "}" for offer in wanted],
        "nights": [texts[id(taken)] for taken in nights],
    }


def _told(row: Row[Any], places: _Places) -> NewNotice:
    return NewNotice(
        household_id=row.household_id,
        kind="offer_made",
        facts={
            "offer": row.id,
            "permit": row.permit_id,
            "facility": places.facility_of(row.bay_group_id),
            "first": row.first.isoformat(),
            "last": row.last.isoformat(),
            "walk_m": row.walk_m,
            "next_date": places.expiry_of(row.bay_group_id).isoformat(),
        },
    )
