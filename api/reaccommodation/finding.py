"""Whom a change of supply hits, and another place for all of them together; nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row

from api.calendars.clock import DAY_MIN, date_of, day_number, minute_of
from api.calendars.day_kinds import DayKinds
from api.calendars.unroll import unroll_facility
from api.facilities.availability import value_at, without_closures
from api.neighbourhoods.loading import PUBLISHED, load_facilities
from api.neighbourhoods.model import Facility
from api.openings.leaving import soonest_to_leave
from api.openings.permit_nights import LONGEST_STAY_DAYS
from api.openings.permit_queries import rights_of_worker
from api.openings.queries import group_ids
from api.permits.ledger import calendar_of
from api.permits.nights import NIGHT_MIN
from api.planning.eligibility import timetable_of
from api.planning.moving import Move, Place, find_moves, nights_covered, what_would_do
from api.reaccommodation import queries
from api.reaccommodation.hits import Hit, Hours, Times, find_hits
from api.reaccommodation.holdings import Holding, Unrolled, holdings_of, last_of

_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, eq=False)
class Fate:
    """What becomes of a holding that is hit: the place found, if any, and the (bay group, walk) that would do."""

    hit: Hit
    move: Move | None
    options: tuple[tuple[int, int], ...]

    @property
    def outcome(self) -> str:
        """What it is called in the record."""
        if self.hit.holding.is_offer:
            return "offer_withdrawn"
        if self.move is not None:
            return "moved" if self.hit.for_good else "elsewhere"
        return "ended" if self.hit.for_good else "nights_left_out"

    @property
    def evenings(self) -> NDArray[np.int64]:
        """Day numbers that are spent at the new place."""
        lost = self.hit.lost.days
        return lost[:0] if self.move is None else lost[~self.move.left_out]

    @property
    def new_nights(self) -> list[int]:
        """Day numbers that are taken of the new place's ledger."""
        if self.move is None:
            return []
        kept = ~self.move.left_out
        nights = nights_covered(self.hit.lost.starts[kept], self.hit.lost.ends[kept])
        last = self.hit.holding.last
        return [int(night) for night in nights if night <= last]

    @property
    def num_left_out(self) -> int:
        """How many evenings have no place any more."""
        return len(self.hit.lost.days) - len(self.evenings)


@dataclass(frozen=True, slots=True, eq=False)
class Rehousing:
    """
    Who is hit at a facility, the first to be served first, and what becomes of them.

    `bays` is how many bays its groups have from now on: (bay group, night, bays), for the nights of the ledger.
    """

    facility: Row[Any]
    today: date
    fates: tuple[Fate, ...]
    bays: tuple[tuple[int, date, int], ...]
    prices: Mapping[int, int | None]

    @property
    def moved(self) -> int:
        """Permits with another place."""
        return sum(fate.move is not None for fate in self._of_permits())

    @property
    def not_moved(self) -> int:
        """Permits and offers without one."""
        return len(self.fates) - self.moved

    @property
    def extra_walk_m(self) -> int | None:
        """Mean of what those who move walk more than before."""
        more = [
            fate.move.walk_m - fate.hit.holding.walk_m
            for fate in self._of_permits()
            if fate.move is not None and fate.hit.holding.walk_m is not None
        ]
        return round(sum(more) / len(more)) if more else None

    @property
    def by_tier(self) -> dict[str, dict[str, int]]:
        """Count those hit and moved, by tier."""
        hit = Counter(fate.hit.holding.tier for fate in self.fates)
        moved = Counter(fate.hit.holding.tier for fate in self.fates if fate.move is not None)
        return {str(tier): {"hit": hit[tier], "moved": moved[tier]} for tier in sorted(hit)}

    def _of_permits(self) -> list[Fate]:
        return [fate for fate in self.fates if not fate.hit.holding.is_offer]

    def told(self) -> list[list[Any]]:
        """Say what a token stands for."""
        return [
            [f.hit.holding.permit_id, f.outcome, f.move and f.move.place.bay_group_id, len(f.hit.lost.days)]
            for f in self.fates
        ]


def offered_now(connection: Connection, facility_id: int) -> Facility | None:
    """Return what a facility offers; None where it is not published."""
    row = queries.describe_facilities(connection, [facility_id]).get(facility_id)
    if row is None or row.status != PUBLISHED:
        return None
    [found] = load_facilities(connection, row.neighbourhood_id, ids=[facility_id])
    return found


def find_places(
    connection: Connection, facility_id: int, *, before: Facility | None, after: datetime, now: datetime
) -> Rehousing:
    """
    Find whom a change hits that has been made in this transaction, and solve where they can go.

    Parameters
    ----------
    before
        What the facility offered before.
    after
        Stays that end by then are kept, and those under way that end before anybody can be expected to leave.
    """
    facility = queries.describe_facilities(connection, [facility_id])[facility_id]
    zone = ZoneInfo(facility.timezone)
    today = now.astimezone(zone).date()
    with rights_of_worker(connection):
        rows = queries.list_held(connection, facility_id, since=today - timedelta(days=LONGEST_STAY_DAYS))
        ledger = queries.ledger_of(connection, facility_id, first=today - _A_DAY)
        last = max([today, *(row.last for row in rows), *(row.night for row in ledger)])
        kinds = calendar_of(connection, facility.neighbourhood_id, country=facility.country, first=today, last=last)
        groups = {code: group for (_, code), group in group_ids(connection, [facility_id]).items()}
        unrolled = Unrolled(kinds, today=day_number(today))
        holdings = holdings_of(rows, unrolled)
        changed = _hours_of(offered_now(connection, facility_id), groups, kinds)
        after_min = minute_of(after.astimezone(zone).replace(tzinfo=None))
        still = None if facility.still_from is None else (facility.still_from, facility.still_to)
        leave = max(after, soonest_to_leave(now, zone, still=still))
        now_min, leave_min = (minute_of(at.astimezone(zone).replace(tzinfo=None)) for at in (now, leave))
        times = Times(now_min, after_min, leave_min)
        hits = find_hits(holdings, _hours_of(before, groups, kinds), changed, unrolled, times=times)
        bays = _bays(ledger, changed, hits, times)
        fates, prices = _solve(connection, facility_id, holdings, hits, changed, kinds, today=today)
    return Rehousing(facility, today, tuple(fates), tuple(bays), prices)


def _hours_of(facility: Facility | None, groups: Mapping[str, int], kinds: DayKinds) -> dict[int, Hours]:
    """Return the hours of a facility's bay groups by id; groups that it has no more offer nothing."""
    found = {group: Hours(None, lambda nights: np.zeros(len(nights), dtype=np.int64)) for group in groups.values()}
    if facility is None:
        return found
    unrolled = unroll_facility(facility, kinds, first=kinds.first, last=kinds.last)
    for group, hours in zip(facility.bay_groups, unrolled, strict=True):
        capacity = without_closures(hours.capacity, facility)
        found[groups[group.id]] = Hours(
            timetable_of(facility, hours),
            lambda nights, steps=capacity: value_at(steps, nights * DAY_MIN + NIGHT_MIN),  # type: ignore[misc]
        )
    return found


def _bays(
    ledger: Sequence[Row[Any]], hours: Mapping[int, Hours], hits: Sequence[Hit], times: Times
) -> list[tuple[int, date, int]]:
    """
    Return the bays of the nights that are still to come when the change begins, where they become fewer.

    Whoever stands there until it has to leave has its bay until then.
    """
    released = Counter((hit.holding.bay_group_id, night) for hit in hits for night in hit.released)
    found = []
    for row in ledger:
        night = day_number(row.night)
        if night * DAY_MIN + NIGHT_MIN < times.after:
            continue
        bays = int(hours[row.bay_group_id].bays_at(np.array([night]))[0])
        if night * DAY_MIN + NIGHT_MIN < times.leave:
            bays = max(bays, row.taken - released[row.bay_group_id, night])
        if bays < row.bays:
            found.append((row.bay_group_id, row.night, bays))
    return found


def _solve(
    connection: Connection,
    facility_id: int,
    holdings: Sequence[Holding],
    hits: Sequence[Hit],
    changed: Mapping[int, Hours],
    kinds: DayKinds,
    *,
    today: date,
) -> tuple[list[Fate], dict[int, int | None]]:
    """Find places for all that are hit at once; offers nobody has accepted get none, they go back onto the list."""
    if not hits:
        return [], {}
    most_m = max(hit.holding.mover(hit.lost, {}).limit_m for hit in hits)
    walks = queries.walks_from(connection, [hit.holding.permit.home_id for hit in hits], most_m=most_m)
    places, prices = _places(
        connection,
        sorted({facility for reach in walks.values() for facility in reach}),
        first=today - _A_DAY,
        last=last_of(holdings, today=today) + timedelta(days=LONGEST_STAY_DAYS),
    )
    places = [_still_free(place, facility_id, holdings, hits, changed) for place in places]
    movers = [hit.holding.mover(hit.lost, walks.get(hit.holding.permit.home_id, {})) for hit in hits]
    asked = [number for number, hit in enumerate(hits) if not hit.holding.is_offer]
    found = find_moves([movers[number] for number in asked], places, kinds)
    moves = dict(zip(asked, found.moves, strict=True))
    options = what_would_do(movers, places, kinds)
    return [Fate(hit, moves.get(number), options[number]) for number, hit in enumerate(hits)], prices


def _places(
    connection: Connection, facility_ids: Sequence[int], *, first: date, last: date
) -> tuple[list[Place], dict[int, int | None]]:
    """Return the bay groups of facilities with what is free there, and the monthly prices by facility."""
    rows = queries.describe_facilities(connection, facility_ids)
    free = queries.free_nights(connection, facility_ids, first=first, last=last)
    codes = group_ids(connection, facility_ids)
    by_code = {(row.neighbourhood_id, row.code): row.id for row in rows.values()}
    places = []
    for neighbourhood in sorted({row.neighbourhood_id for row in rows.values()}):
        ids = [row.id for row in rows.values() if row.neighbourhood_id == neighbourhood]
        for facility in load_facilities(connection, neighbourhood, ids=ids):
            key = by_code[neighbourhood, facility.id]
            for number, group in enumerate(facility.bay_groups):
                group_id = codes[key, group.id]
                nights = {day_number(night): bays for night, bays in free.get(group_id, {}).items()}
                places.append(Place(group_id, key, facility, number, nights))
    return sorted(places, key=lambda place: place.bay_group_id), {
        row.id: row.monthly_price_cents for row in rows.values()
    }


def _still_free(
    place: Place,
    facility_id: int,
    holdings: Sequence[Holding],
    hits: Sequence[Hit],
    changed: Mapping[int, Hours],
) -> Place:
    """Count what will be free at the facility itself: with the bays it has left, and without those who leave."""
    if place.facility_id != facility_id:
        return place
    taken: Counter[int] = Counter()
    for holding in holdings:
        if holding.bay_group_id == place.bay_group_id:
            taken.update(holding.nights)
    for hit in hits:
        if hit.holding.bay_group_id == place.bay_group_id:
            taken.subtract(hit.nights)
    nights = np.array(sorted({*place.free, *taken}), dtype=np.int64)
    bays = changed[place.bay_group_id].bays_at(nights)
    free = {
        night: max(0, number - taken[night])
        for night, number in zip(nights.tolist(), bays.tolist(), strict=True)
        if night in place.free or taken[night]
    }
    return Place(place.bay_group_id, place.facility_id, place.facility, place.number, free)


def dates_of(days: NDArray[np.int64] | Sequence[int]) -> list[date]:
    """Return dates of day numbers, in order."""
    return sorted(date_of(int(day)) for day in days)
