"""Bays that come back after all, or come anew: whoever found no other place keeps its permit, the next get the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

from api.calendars.clock import date_of, day_number
from api.notices.service import NewNotice, tell
from api.openings.permit_queries import rights_of_worker
from api.openings.service import place_nights_at
from api.permits.ending import end_permits
from api.permits.ledger import LedgerShort, calendar_of, fill_ledger, take_nights
from api.planning.moving import nights_covered
from api.reaccommodation import queries
from api.reaccommodation.dates import day_numbers, multirange_text
from api.reaccommodation.holdings import Unrolled
from api.waitlist.service import follow
from api.waitlist.widening import widen

_LOSERS = text(
    """
    SELECT w.permit_id, w.household_id, w.outcome, w.bay_group_id, w.nights, w.last, p.application_id, p.days,
           p.arrive_min, p.leave_min, p.stay_through, p.days_left_out, lower(p.term) AS first,
           (SELECT range_agg(d.evenings) FROM permit_detours d
            WHERE d.permit_id = p.id AND d.withdrawal_id = w.withdrawal_id AND d.bay_group_id IS NULL) AS evenings
    FROM withdrawal_permits w JOIN permits p ON p.id = w.permit_id
    WHERE w.withdrawal_id = :withdrawal AND p.state = 'active' AND (
        w.outcome = 'nights_left_out' OR w.outcome = 'elsewhere' AND w.nights_lost > 0
        -- Whoever has accepted another bay for the time after it keeps that.
        OR w.outcome = 'ended' AND NOT EXISTS (
            SELECT FROM permits other WHERE other.household_id = p.household_id AND other.id <> p.id
              AND other.state IN ('offered', 'active') AND other.term && daterange(lower(p.term), w.last, '[]'))
    )
    ORDER BY w.permit_id FOR UPDATE OF p
    """
)
_OFFERS = text(
    """
    SELECT o.id, o.permit_id, o.household_id, q.bay_group_id, there.facility_id, g.facility_id AS new_facility,
           p.walk_m, lower(q.term) AS first
    FROM withdrawal_permits w
    JOIN permits p ON p.id = w.permit_id AND p.state = 'active'
    JOIN bay_groups g ON g.id = p.bay_group_id
    JOIN permits q ON q.application_id = p.application_id AND q.state = 'offered'
    JOIN bay_groups there ON there.id = q.bay_group_id
    JOIN offers o ON o.permit_id = q.id
    WHERE w.withdrawal_id = :withdrawal AND w.outcome = 'ended' ORDER BY q.id FOR UPDATE OF q
    """
)
_RESTORE = text(
    """
    UPDATE permits p SET
        nights = p.nights + CAST(back.nights AS datemultirange),
        term = CASE WHEN w.outcome = 'ended' THEN daterange(lower(p.term), w.last, '[]') ELSE p.term END,
        end_reason = CASE WHEN w.outcome = 'ended' THEN NULL ELSE p.end_reason END
    FROM withdrawal_permits w, unnest(CAST(:permits AS bigint[]), CAST(:nights AS text[])) AS back (permit, nights)
    WHERE w.withdrawal_id = :withdrawal AND w.permit_id = p.id AND p.id = back.permit
    """
)
_STAY = text(
    "DELETE FROM permit_detours "
    "WHERE withdrawal_id = :withdrawal AND permit_id = ANY(:permits) AND bay_group_id IS NULL"
)
_LEAVE_LIST = text(
    "UPDATE waitlist_entries SET state = 'served', ended_at = :now "
    "WHERE application_id = ANY(:applications) AND state IN ('waiting', 'offered')"
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
    "SELECT r.id AS round_id, greatest(lower(x.term), :today) AS first, upper(x.term) - 1 AS last "
    "FROM round_facilities x JOIN rounds r ON r.id = x.round_id "
    "WHERE x.facility_id = :facility AND r.state IN ('published', 'active') AND upper(x.term) > :today ORDER BY first"
)
_NOTE_ADDED = text(
    "INSERT INTO waitlist_releases (round_id, bay_group_id, cause, released_at) "
    "SELECT :round, w.bay_group, 'added', :now FROM unnest(CAST(:groups AS bigint[]), CAST(:bays AS int[])) "
    "AS w (bay_group, bays) CROSS JOIN LATERAL generate_series(1, w.bays)"
)


def give_back(connection: Connection, facility_id: int, withdrawal_id: int, *, now: datetime) -> int:
    """
    Count a facility's bays again, let those who found no other place keep theirs, and offer what is left.

    Those who were moved keep their new place, and come back for the nights that were left out there, unless they moved
    for good. So does whoever has accepted another bay from the waitlist since; an offer that waits for its answer is
    taken back instead, and goes to the next. The facility's offer and openings are as before; the caller holds the
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
        groups = _take_offers_back(connection, withdrawal_id, now=now)
        rows = list(connection.execute(_LOSERS, {"withdrawal": withdrawal_id}))
        returned = _nights_returned(connection, facility_id, rows, now=now)
        _restore(connection, rows, returned, withdrawal_id, now=now)
        place_nights_at(connection, [facility_id], permit_ids=[row.permit_id for row in rows], now=now)
        tell(connection, [_told(row, returned[row.permit_id], facility_id, withdrawal_id) for row in rows], now=now)
        connection.execute(_WAIT_HERE, {"withdrawal": withdrawal_id})
        follow(connection, [*queries.groups_of(connection, [facility_id]), *groups], now=now)
    return len(rows)


def _take_offers_back(connection: Connection, withdrawal_id: int, *, now: datetime) -> list[int]:
    """Take back what those who keep their place after all were offered instead; return the bay groups of it."""
    offers = connection.execute(_OFFERS, {"withdrawal": withdrawal_id}).all()
    end_permits(connection, [offer.permit_id for offer in offers], reason="withdrawn", now=now)
    notices = [
        NewNotice(
            offer.household_id,
            "offer_withdrawn",
            {
                "offer": offer.id,
                "permit": offer.permit_id,
                "facility": offer.facility_id,
                "new_facility": offer.new_facility,
                "walk_m": offer.walk_m,
                "next_date": offer.first.isoformat(),
            },
        )
        for offer in offers
    ]
    tell(connection, notices, now=now)
    return [offer.bay_group_id for offer in offers]


def offer_more(connection: Connection, facility_id: int, *, now: datetime) -> list[int]:
    """
    Count a facility's bays again over the running and published terms it serves, and offer those that are new.

    Those who wait in these rounds wait from then on for bay groups and hours that are new too, as far as they would do.
    Bays that are new on every night to come are put on record as released. Nights of which more is promised than there
    are bays left, as within an owner's notice, stay as they are, and so do those before them. The caller holds the
    ledger.

    Returns
    -------
    list
        Ids of the offers made.
    """
    with rights_of_worker(connection):
        terms = list(connection.execute(_TERMS, {"facility": facility_id, "today": now.date()}))
        if not terms:
            return []
        for term in terms:
            before = queries.ledger_of(connection, facility_id, first=term.first)
            _recount(connection, facility_id, first=term.first, last=term.last)
            after = queries.ledger_of(connection, facility_id, first=term.first)
            added = _bays_added(before, after, last=term.last)
            values = {"round": term.round_id, "groups": list(added), "bays": list(added.values()), "now": now}
            connection.execute(_NOTE_ADDED, values)
        widen(connection, facility_ids=[facility_id], now=now)
        return follow(connection, queries.groups_of(connection, [facility_id]), now=now)


def _bays_added(before: Iterable[Row[Any]], after: Iterable[Row[Any]], *, last: date) -> dict[int, int]:
    """Return how many bays more groups have on every night of a term that they are open on, where there are more."""
    former = {(row.bay_group_id, row.night): row.bays for row in before}
    more: dict[int, int] = {}
    for row in after:
        if row.bays and row.night <= last:
            grown = row.bays - former.get((row.bay_group_id, row.night), 0)
            more[row.bay_group_id] = min(grown, more.get(row.bay_group_id, grown))
    return {group: bays for group, bays in more.items() if bays > 0}


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


def _nights_returned(
    connection: Connection, facility_id: int, rows: list[Row[Any]], *, now: datetime
) -> dict[int, frozenset[int]]:
    """Return the day numbers of the nights that permits get back: all they lost, or those that found no other place."""
    partly = [row for row in rows if row.outcome == "elsewhere"]
    found = {row.permit_id: day_numbers(row.nights) for row in rows}
    if partly:
        place = queries.describe_facilities(connection, [facility_id])[facility_id]
        kinds = calendar_of(
            connection,
            place.neighbourhood_id,
            country=place.country,
            first=min(row.first for row in partly),
            last=max(row.last for row in partly),
        )
        unrolled = Unrolled(kinds, today=day_number(now.date()))
        for row in partly:
            stays = unrolled.of(row)
            found[row.permit_id] &= frozenset(nights_covered(stays.starts, stays.ends).tolist())
    return found


def _restore(
    connection: Connection,
    rows: list[Row[Any]],
    returned: Mapping[int, frozenset[int]],
    withdrawal_id: int,
    *,
    now: datetime,
) -> None:
    takes: dict[int, dict[Any, int]] = {}
    for row in rows:
        for night in map(date_of, returned[row.permit_id]):
            by_night = takes.setdefault(row.bay_group_id, {})
            by_night[night] = by_night.get(night, 0) + 1
    take_nights(connection, takes)
    values = {"withdrawal": withdrawal_id, "permits": [row.permit_id for row in rows]}
    nights = [multirange_text(returned[row.permit_id]) for row in rows]
    connection.execute(_RESTORE, {**values, "nights": nights})
    connection.execute(_STAY, values)
    ended = [row.application_id for row in rows if row.outcome == "ended" and row.application_id is not None]
    connection.execute(_LEAVE_LIST, {"applications": ended, "now": now})


def _told(row: Row[Any], nights: frozenset[int], facility_id: int, withdrawal_id: int) -> NewNotice:
    first = min(nights, default=None)
    facts = {
        "permit": row.permit_id,
        "facility": facility_id,
        "withdrawal": withdrawal_id,
        "called_off": True,
        "last": row.last.isoformat(),
        "next_date": (row.last if first is None else date_of(first)).isoformat(),
    }
    return NewNotice(row.household_id, "permit_changed", facts)
