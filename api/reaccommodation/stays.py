"""Stays that are sold already, moved to the nearest free bay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from api.reaccommodation import queries, writing_queries


@dataclass(frozen=True, slots=True)
class MovedStay:
    """
    A stay that was hit, and what took its place: another stay with its facility and walk, or nothing.

    `lost_cents` is what it lost of its price, `leave_by` until when a car that stands there has time to leave.
    """

    old: Row[Any]
    new_id: int | None
    facility_id: int | None
    walk_m: int | None
    lost_cents: int | None = None
    leave_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class Leaving:
    """Cars that stand on bays taken back: by when they leave, and what their bookings lose, in cents, by stay."""

    ends: Mapping[int, datetime]
    lost_cents: Mapping[int, int]


def move_stays(
    connection: Connection, ended: Sequence[int], replaced: Mapping[int, int], leaving: Leaving, *, now: datetime
) -> list[MovedStay]:
    """
    Move stays that were ended to the nearest free bay at the same times, the first to begin first.

    Nights of permits that have their bay again are left out, and so are nights of offers.

    Parameters
    ----------
    replaced
        New permits by the old ones.
    """
    rows = writing_queries.list_ended_stays(connection, ended)
    wanted = [row for row in rows if not row.is_placed and row.permit_state != "offered" and row.ends_at > now]
    found = _bays_nearby(connection, wanted, now=now)
    moved = [_moved(row, found.get(row.id), leaving) for row in wanted]
    _write(connection, moved, found, replaced)
    return moved


def moved_before(connection: Connection, stay_ids: Iterable[int], leaving: Leaving) -> list[MovedStay]:
    """Return stays whose cars have to leave sooner than they were told, with what their households have instead."""
    ids = sorted(stay_ids)
    instead = writing_queries.list_instead(connection, ids)
    return [_moved(row, instead.get(row.id), leaving) for row in writing_queries.list_ended_stays(connection, ids)]


def _bays_nearby(connection: Connection, wanted: Sequence[Row[Any]], *, now: datetime) -> dict[int, Row[Any]]:
    """Take the nearest free bay for each stay; a facility that was full for a car at some time is not asked again."""
    walks = queries.walks_from(
        connection, [row.home_id for row in wanted], most_m=max((row.most_walk_m for row in wanted), default=0)
    )
    full: dict[tuple[Any, ...], set[int]] = {}
    found: dict[int, Row[Any]] = {}
    left = list(wanted)
    while left:
        batch: dict[tuple[Any, ...], tuple[Row[Any], list[int]]] = {}
        later = []
        for row in left:
            when = max(row.starts_at, now), row.ends_at, row.needs, row.height_m
            if when in batch:
                later.append(row)
            elif places := _places_of(row, walks, full.get(when, set())):
                batch[when] = row, places
        answers = writing_queries.take_bays_nearby(connection, _asked(batch.values(), now=now)) if batch else {}
        found |= answers
        for when, (row, places) in batch.items():
            answer = answers.get(row.id)
            seen = len(places) if answer is None else places.index(answer.place)
            full.setdefault(when, set()).update(places[:seen])
        left = later
    return found


def _places_of(row: Row[Any], walks: Mapping[int, Mapping[int, int]], full: set[int]) -> list[int]:
    """Return the facilities within a household's walk, the nearest first, but for those known to be full."""
    near = [(walk_m, place) for place, walk_m in walks.get(row.home_id, {}).items() if walk_m <= row.most_walk_m]
    return [place for _, place in sorted(near) if place not in full]


def _asked(batch: Iterable[tuple[Row[Any], list[int]]], *, now: datetime) -> dict[str, list[Any]]:
    rows = list(batch)
    return {
        "stays": [row.id for row, _ in rows],
        "homes": [row.home_id for row, _ in rows],
        "households": [row.household_id for row, _ in rows],
        "places": ["{" + ",".join(map(str, places)) + "}" for _, places in rows],
        "starts": [max(row.starts_at, now) for row, _ in rows],
        "ends": [row.ends_at for row, _ in rows],
        "needs": [row.needs for row, _ in rows],
        "heights": [row.height_m for row, _ in rows],
    }


def _moved(row: Row[Any], new: Row[Any] | None, leaving: Leaving) -> MovedStay:
    until = leaving.ends.get(row.id)
    lost = row.price_cents if until is None or row.price_cents is None else leaving.lost_cents.get(row.id, 0)
    if new is None:
        return MovedStay(row, None, None, None, lost, until)
    return MovedStay(row, new.stay, new.place, new.walk_m, lost, until)


def _price(stay: MovedStay, price_cents: int | None) -> int | None:
    """Return what a booking costs elsewhere: what it lost of its price at the most."""
    return min((cents for cents in (stay.lost_cents, price_cents) if cents is not None), default=None)


def _write(
    connection: Connection, moved: Sequence[MovedStay], found: Mapping[int, Row[Any]], replaced: Mapping[int, int]
) -> None:
    bookings = [stay for stay in moved if stay.new_id is not None and stay.old.kind == "booking"]
    nights = [stay for stay in moved if stay.new_id is not None and stay.old.kind == "permit"]
    writing_queries.make_nights(
        connection,
        {
            "new": [stay.new_id for stay in nights],
            "permits": [replaced.get(stay.old.permit_id, stay.old.permit_id) for stay in nights],
            "nights": [stay.old.night for stay in nights],
        },
    )
    writing_queries.move_bookings(
        connection,
        {
            "old": [stay.old.id for stay in bookings],
            "new": [stay.new_id for stay in bookings],
            "walks": [stay.walk_m for stay in bookings],
            "prices": [_price(stay, found[stay.old.id].price_cents) for stay in bookings],
        },
    )


def note_stays(connection: Connection, withdrawal_id: int, moved: Sequence[MovedStay]) -> None:
    """Keep what became of stays; what was paid for a booking that became none is owed."""
    writing_queries.note_stays(
        connection,
        withdrawal_id,
        {
            "stays": [stay.old.id for stay in moved],
            "households": [stay.old.household_id for stay in moved],
            "new": [stay.new_id for stay in moved],
            "refunds": [stay.lost_cents if stay.new_id is None else None for stay in moved],
        },
    )
