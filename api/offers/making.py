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
from api.db.arrays import array_text
from api.notices.queries import tell_of_offers
from api.offers import queries
from api.offers.deadlines import calendar_from, expiry_of
from api.offers.errors import OfferImpossible
from api.openings.permit_queries import rights_of_worker
from api.permits.ledger import calendar_of, lock_ledger, take_nights
from api.permits.nights import ledger_nights_of, multirange_of, stands_at_night


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
        A household has a permit or an offer for a part of the term, or stays that are not at night; nothing is
        offered then.
    """
    if not wanted:
        return []
    if not all(stands_at_night(offer.arrive_min, offer.leave_min) for offer in wanted):
        raise OfferImpossible("stays that are not at night take nothing of the ledger")
    with rights_of_worker(connection):
        lock_ledger(connection, sorted({offer.bay_group_id for offer in wanted}))
        places = _Places(connection, wanted)
        numbers = [places.pattern_of(offer) for offer in wanted]
        take_nights(connection, _takes(wanted, numbers, places.patterns))
        made = queries.add_offers(
            connection, _columns(wanted, numbers), _pattern_columns(places.patterns), source=source, now=now
        )
        tell_of_offers(connection, made, places.expiries(now=now), now=now)
    return made


def have_nights(connection: Connection, wanted: Sequence[WantedOffer]) -> list[bool]:
    """Tell of each offer whether there is a night in it: what is left of a term may have none that was asked for."""
    if not wanted:
        return []
    places = _Places(connection, wanted)
    numbers = [places.pattern_of(offer) for offer in wanted]
    return [bool(places.patterns[number - 1].nights) for number in numbers]


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What many permits of a round have in common: the first offer of its kind, and the nights it takes."""

    offer: WantedOffer
    nights: Sequence[date]


class _Places:
    """What bay groups and their calendars say of offers; those of one kind are unrolled once."""

    def __init__(self, connection: Connection, wanted: Sequence[WantedOffer]) -> None:
        self._connection = connection
        self._groups = queries.describe_groups(connection, sorted({offer.bay_group_id for offer in wanted}))
        self._owners = {key: int(row.neighbourhood_id) for key, row in self._groups.items()}
        self._first = min(offer.first for offer in wanted)
        self._last = max(offer.last for offer in wanted)
        self._numbers: dict[tuple[Any, ...], int] = {}
        self.patterns: list[_Pattern] = []
        """Each kind of offer once, in the order of their numbers."""

    @cached_property
    def _calendars(self) -> dict[int, DayKinds]:
        found = {row.neighbourhood_id: row.country for row in self._groups.values()}
        return {
            key: calendar_of(self._connection, key, country=country, first=self._first, last=self._last)
            for key, country in found.items()
        }

    def expiries(self, *, now: datetime) -> dict[int, datetime]:
        """Return when an offer would expire that was delivered now, by neighbourhood."""
        found = {row.neighbourhood_id: row for row in self._groups.values()}
        return {key: expiry_at(self._connection, row, now=now) for key, row in found.items()}

    def pattern_of(self, offer: WantedOffer) -> int:
        """Return the number of an offer's pattern, counted from 1."""
        owner = self._owners[offer.bay_group_id]
        hours = offer.days, offer.arrive_min, offer.leave_min, offer.stay_through
        key = (owner, *hours, offer.first, offer.last, offer.days_left_out)
        number = self._numbers.get(key)
        if number is None:
            self.patterns.append(_Pattern(offer, self._nights_of(offer, self._calendars[owner])))
            number = self._numbers[key] = len(self.patterns)
        return number

    def _nights_of(self, offer: WantedOffer, kinds: DayKinds) -> list[date]:
        return ledger_nights_of(
            days=offer.days,
            arrive_min=offer.arrive_min,
            leave_min=offer.leave_min,
            stay_through=offer.stay_through,
            first=offer.first,
            last=offer.last,
            kinds=kinds,
            days_left_out=offer.days_left_out,
        )


def expiry_at(connection: Connection, place: Row[Any], *, now: datetime) -> datetime:
    """Return when an offer expires that is delivered now, by the calendar of a neighbourhood's row."""
    zone = ZoneInfo(place.timezone)
    today = now.astimezone(zone).date()
    kinds = calendar_from(connection, place.neighbourhood_id, country=place.country, today=today)
    return expiry_of(now, kinds=kinds, zone=zone)


def _takes(
    wanted: Sequence[WantedOffer], numbers: Sequence[int], patterns: Sequence[_Pattern]
) -> dict[int, dict[date, int]]:
    takes: dict[int, dict[date, int]] = {offer.bay_group_id: {} for offer in wanted}
    alike = Counter(zip((offer.bay_group_id for offer in wanted), numbers, strict=True))
    for (group, number), times in alike.items():
        taken = takes[group]
        for night in patterns[number - 1].nights:
            taken[night] = taken.get(night, 0) + times
    return takes


def _columns(wanted: Sequence[WantedOffer], patterns: Sequence[int]) -> dict[str, list[int | None]]:
    return {
        "applications": [offer.application_id for offer in wanted],
        "households": [offer.household_id for offer in wanted],
        "vehicles": [offer.vehicle_id for offer in wanted],
        "groups": [offer.bay_group_id for offer in wanted],
        "walks": [offer.walk_m for offer in wanted],
        "patterns": list(patterns),
    }


def _pattern_columns(patterns: Sequence[_Pattern]) -> dict[str, list[Any]]:
    offers = [pattern.offer for pattern in patterns]
    return {
        "terms": [f"[{offer.first.isoformat()},{(offer.last + timedelta(days=1)).isoformat()})" for offer in offers],
        "days": [offer.days for offer in offers],
        "arrive": [offer.arrive_min for offer in offers],
        "leave": [offer.leave_min for offer in offers],
        "through": [offer.stay_through for offer in offers],
        "left_out": [array_text(offer.days_left_out) for offer in offers],
        "nights": [multirange_of(pattern.nights) for pattern in patterns],
    }
