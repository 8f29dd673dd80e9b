"""Bays that come back after all, or come anew: whoever found no other place keeps its permit, the next get the rest."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

from api.calendars.clock import date_of
from api.notices.service import NewNotice, tell
from api.openings.permit_queries import rights_of_worker
from api.openings.service import place_nights_at
from api.permits.ledger import LedgerShort, fill_ledger, take_nights
from api.reaccommodation import queries
from api.reaccommodation.dates import day_numbers
from api.waitlist.service import follow

_LOSERS = text(
    """
    SELECT w.permit_id, w.household_id, w.outcome, w.bay_group_id, w.nights, w.last, p.application_id
    FROM withdrawal_permits w JOIN permits p ON p.id = w.permit_id
    WHERE w.withdrawal_id = :withdrawal AND w.outcome IN ('ended', 'nights_left_out') AND p.state = 'active'
    ORDER BY w.permit_id FOR UPDATE OF p
    """
)
_RESTORE = text(
    """
    UPDATE permits p SET
        nights = p.nights + w.nights,
        term = CASE WHEN w.outcome = 'ended' THEN daterange(lower(p.term), w.last, '[]') ELSE p.term END,
        end_reason = CASE WHEN w.outcome = 'ended' THEN NULL ELSE p.end_reason END
    FROM withdrawal_permits w WHERE w.withdrawal_id = :withdrawal AND w.permit_id = p.id AND p.id = ANY(:permits)
    """
)
_STAY = text(
    "DELETE FROM permit_detours "
    "WHERE withdrawal_id = :withdrawal AND permit_id = ANY(:permits) AND bay_group_id IS NULL"
)
_LEAVE_LIST = text(
    "UPDATE waitlist_entries SET state = 'served', ended_at = :now "
    "WHERE application_id = ANY(:applications) AND state = 'waiting'"
)
_WAIT_HERE = text(
    "INSERT INTO waitlist_options (entry_id, bay_group_id, walk_m) SELECT e.id, w.bay_group_id, w.walk_m "
    "FROM withdrawal_permits w JOIN permits p ON p.id = w.permit_id "
    "JOIN waitlist_entries e ON e.application_id = p.application_id AND e.state = 'waiting' "
    "WHERE w.withdrawal_id = :withdrawal AND w.walk_m IS NOT NULL ON CONFLICT (entry_id, bay_group_id) DO NOTHING"
)
_LEDGER = text(
    "SELECT min(night) AS first, max(night) AS last FROM ledger_nights l JOIN bay_groups g ON g.id = l.bay_group_id "
    "WHERE g.facility_id = :facility AND l.night >= :today"
)

_TERMS = text(
    "SELECT greatest(lower(x.term), :today) AS first, upper(x.term) - 1 AS last "
    "FROM round_facilities x JOIN rounds r ON r.id = x.round_id "
    "WHERE x.facility_id = :facility AND r.state IN ('published', 'active') AND upper(x.term) > :today ORDER BY 1"
)


def give_back(connection: Connection, facility_id: int, withdrawal_id: int, *, now: datetime) -> int:
    """
    Count a facility's bays again, let those who found no other place keep theirs, and offer what is left.

    Those who were moved keep their new place. The facility's offer and openings are as before; the caller holds the
    ledger.

    Returns
    -------
    int
        How many permits stay after all.
    """
    with rights_of_worker(connection):
        nights = connection.execute(_LEDGER, {"facility": facility_id, "today": now.date()}).one()
        if nights.first is not None:
            fill_ledger(connection, [facility_id], first=nights.first, last=nights.last)
        rows = list(connection.execute(_LOSERS, {"withdrawal": withdrawal_id}))
        _restore(connection, rows, withdrawal_id, now=now)
        place_nights_at(connection, [facility_id], permit_ids=[row.permit_id for row in rows], now=now)
        tell(connection, [_told(row, facility_id, withdrawal_id) for row in rows], now=now)
        connection.execute(_WAIT_HERE, {"withdrawal": withdrawal_id})
        follow(connection, queries.groups_of(connection, [facility_id]), now=now)
    return len(rows)


def offer_more(connection: Connection, facility_id: int, *, now: datetime) -> list[int]:
    """
    Count a facility's bays again over the running and published terms it serves, and offer those that are new.

    Nights of which more is promised than there are bays left, as within an owner's notice, stay as they are, and so
    do those before them. The caller holds the ledger.

    Returns
    -------
    list
        Ids of the offers made.
    """
    with rights_of_worker(connection):
        terms = list(connection.execute(_TERMS, {"facility": facility_id, "today": now.date()}))
        for term in terms:
            _recount(connection, facility_id, first=term.first, last=term.last)
        return follow(connection, queries.groups_of(connection, [facility_id]), now=now) if terms else []


def _recount(connection: Connection, facility_id: int, *, first: date, last: date) -> None:
    attempt = connection.begin_nested()
    try:
        fill_ledger(connection, [facility_id], first=first, last=last)
    except LedgerShort as short:
        attempt.rollback()
        first = max(night for _, night, _, _ in short.nights) + timedelta(days=1)
        if first <= last:
            fill_ledger(connection, [facility_id], first=first, last=last)
    else:
        attempt.commit()


def _restore(connection: Connection, rows: list[Row[Any]], withdrawal_id: int, *, now: datetime) -> None:
    takes: dict[int, dict[Any, int]] = {}
    for row in rows:
        for night in map(date_of, day_numbers(row.nights)):
            by_night = takes.setdefault(row.bay_group_id, {})
            by_night[night] = by_night.get(night, 0) + 1
    take_nights(connection, takes)
    values = {"withdrawal": withdrawal_id, "permits": [row.permit_id for row in rows]}
    connection.execute(_RESTORE, values)
    connection.execute(_STAY, values)
    ended = [row.application_id for row in rows if row.outcome == "ended" and row.application_id is not None]
    connection.execute(_LEAVE_LIST, {"applications": ended, "now": now})


def _told(row: Row[Any], facility_id: int, withdrawal_id: int) -> NewNotice:
    first = min(day_numbers(row.nights), default=None)
    facts = {
        "permit": row.permit_id,
        "facility": facility_id,
        "withdrawal": withdrawal_id,
        "called_off": True,
        "last": row.last.isoformat(),
        "next_date": (row.last if first is None else date_of(first)).isoformat(),
    }
    return NewNotice(row.household_id, "permit_changed", facts)
