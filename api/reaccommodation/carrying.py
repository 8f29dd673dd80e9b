"""What was found, done: permits moved, shortened or ended, the ledger kept right, and all put down in the record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from api.calendars.clock import date_of
from api.permits.ledger import release_nights, take_nights
from api.reaccommodation import queries, writing_queries
from api.reaccommodation.dates import multirange_text, term_text
from api.reaccommodation.finding import Fate, Rehousing, dates_of

Counts = dict[int, dict[date, int]]


def lost_stays(connection: Connection, found: Rehousing, *, after: datetime) -> list[int]:
    """List the stays that permits lose, as far as they have been placed."""
    lost = [
        (fate.hit.holding.permit_id, fate.hit.holding.bay_group_id, multirange_text(fate.hit.lost.days.tolist()))
        for fate in found.fates
    ]
    return queries.list_lost_stays(connection, lost, after=after)


def move_permits(connection: Connection, found: Rehousing, withdrawal_id: int, *, now: datetime) -> dict[int, int]:
    """
    Write what becomes of the permits; the caller has ended the stays they lose, and acts as the worker.

    Returns
    -------
    dict
        New permits by those they replace.
    """
    release_nights(connection, _released(found.fates))
    writing_queries.lower_ledger(connection, found.bays)
    _shorten(connection, found, now=now)
    take_nights(connection, _taken(found.fates))
    made = _add_permits(connection, found, now=now)
    _add_detours(connection, found, withdrawal_id, now=now)
    _note(connection, found, withdrawal_id, made)
    return made


def _released(fates: Sequence[Fate]) -> Counts:
    released: dict[int, Counter[int]] = {}
    for fate in fates:
        released.setdefault(fate.hit.holding.bay_group_id, Counter()).update(fate.hit.released)
    return _dated(released)


def _taken(fates: Sequence[Fate]) -> Counts:
    taken: dict[int, Counter[int]] = {}
    for fate in fates:
        if fate.move is not None:
            taken.setdefault(fate.move.place.bay_group_id, Counter()).update(fate.new_nights)
    return _dated(taken)


def _dated(counts: dict[int, Counter[int]]) -> Counts:
    return {
        group: {date_of(night): number for night, number in nights.items()}
        for group, nights in counts.items()
        if nights
    }


def _shorten(connection: Connection, found: Rehousing, *, now: datetime) -> None:
    """Take what is lost out of permits and detours; what is left of neither ends."""
    ending = [fate for fate in found.fates if _ends(fate)]
    writing_queries.shorten_permits(
        connection,
        {
            "permits": [fate.hit.holding.permit_id for fate in ending],
            "nights": [_nights_left(fate) for fate in ending],
            "until": [_first_lost(fate) for fate in ending],
            "today": [found.today] * len(ending),
        },
        now=now,
    )
    offers = [fate.hit.holding.permit_id for fate in ending if fate.hit.holding.is_offer]
    writing_queries.withdraw_offers(connection, offers, now=now)
    staying = [fate for fate in found.fates if not _ends(fate) and fate.hit.holding.detour_id is None]
    writing_queries.set_nights(
        connection,
        {
            "permits": [fate.hit.holding.permit_id for fate in staying if fate.hit.holding.permit.nights is not None],
            "nights": [_nights_left(fate) for fate in staying if fate.hit.holding.permit.nights is not None],
        },
    )
    detours = [fate for fate in found.fates if not _ends(fate) and fate.hit.holding.detour_id is not None]
    writing_queries.shorten_detours(
        connection,
        {
            "detours": [fate.hit.holding.detour_id for fate in detours],
            "evenings": [multirange_text(fate.hit.lost.days.tolist()) for fate in detours],
            "nights": [multirange_text(fate.hit.nights) for fate in detours],
        },
    )


def _ends(fate: Fate) -> bool:
    return fate.outcome in ("moved", "ended", "offer_withdrawn")


def _nights_left(fate: Fate) -> str:
    holding = fate.hit.holding
    return multirange_text(() if fate.hit.holding.is_offer else holding.nights - fate.hit.nights)


def _first_lost(fate: Fate) -> date:
    return date_of(int(fate.hit.lost.days.min()))


def _add_permits(connection: Connection, found: Rehousing, *, now: datetime) -> dict[int, int]:
    """Give those who move for good their new permits, the first to be served first."""
    moved = [(fate, fate.move) for fate in found.fates if fate.outcome == "moved" and fate.move is not None]
    left_out = [
        sorted({*fate.hit.holding.permit.days_left_out, *dates_of(fate.hit.lost.days[move.left_out])})
        for fate, move in moved
    ]
    return writing_queries.add_permits(
        connection,
        {
            "replaced": [fate.hit.holding.permit_id for fate, _ in moved],
            "groups": [move.place.bay_group_id for _, move in moved],
            "terms": [term_text(_first_lost(fate), fate.hit.holding.permit.last) for fate, _ in moved],
            "walks": [move.walk_m for _, move in moved],
            "left_out": ["{" + ",".join(day.isoformat() for day in days) + "}" for days in left_out],
            "nights": [multirange_text(fate.new_nights) for fate, _ in moved],
        },
        now=now,
    )


def _add_detours(connection: Connection, found: Rehousing, withdrawal_id: int, *, now: datetime) -> None:
    """Let those who keep their permits spend what they lose elsewhere, or nowhere."""
    rows: list[tuple[Any, ...]] = []
    for fate in found.fates:
        if _ends(fate):
            continue
        permit, lost, move = fate.hit.holding.permit_id, fate.hit.lost.days, fate.move
        if move is not None:
            kept = multirange_text(fate.evenings.tolist())
            rows.append((permit, kept, multirange_text(fate.new_nights), move.place.bay_group_id, move.walk_m))
            lost = lost[move.left_out]
        if len(lost):
            rows.append((permit, multirange_text(lost.tolist()), "{}", None, None))
    names = ("permits", "evenings", "nights", "groups", "walks")
    columns = {name: [row[k] for row in rows] for k, name in enumerate(names)}
    writing_queries.add_detours(connection, withdrawal_id, columns, now=now)


def _note(connection: Connection, found: Rehousing, withdrawal_id: int, made: dict[int, int]) -> None:
    fates = found.fates
    permits = [fate.hit.holding.permit_id for fate in fates]
    writing_queries.note_permits(
        connection,
        withdrawal_id,
        {
            "permits": permits,
            "households": [fate.hit.holding.permit.household_id for fate in fates],
            "tiers": [fate.hit.holding.tier for fate in fates],
            "outcomes": [fate.outcome for fate in fates],
            "groups": [fate.hit.holding.bay_group_id for fate in fates],
            "walks": [fate.hit.holding.walk_m for fate in fates],
            "nights": [multirange_text(fate.hit.nights) for fate in fates],
            "lost": [fate.num_left_out for fate in fates],
            "last": [fate.hit.holding.permit.last for fate in fates],
            "new_permits": [made.get(permit) for permit in permits],
            "new_groups": [None if fate.move is None else fate.move.place.bay_group_id for fate in fates],
            "new_walks": [None if fate.move is None else fate.move.walk_m for fate in fates],
        },
    )
