"""A change of supply carried to those it hits: other places for permits, bookings and nights, and a word to all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from api.notices.service import tell
from api.openings.leaving import cut_stays, leave_by, lose_part
from api.openings.permit_queries import rights_of_worker
from api.openings.queries import list_stays_outside
from api.openings.service import place_nights_at
from api.permits.ledger import lock_ledger, require_enough
from api.reaccommodation import queries, writing_queries
from api.reaccommodation.carrying import lost_stays, move_permits
from api.reaccommodation.finding import Rehousing, find_places, offered_now
from api.reaccommodation.stays import Leaving, MovedStay, move_stays, moved_before, note_stays
from api.reaccommodation.telling import Cause, notice_of_stay, notices_of, notices_of_bays
from api.reaccommodation.waiting import put_onto_list

__all__ = [
    "Cause",
    "Rehousing",
    "find_places",
    "hit_stays",
    "keep_others_waiting",
    "leaving_sooner",
    "lower_ledger",
    "num_movable",
    "offered_now",
    "rehouse",
]


def keep_others_waiting(connection: Connection, facility_id: int) -> None:
    """Let nobody else take nights of the neighbourhood's ledger until this transaction ends; bookings go on."""
    lock_ledger(connection, queries.groups_of(connection, [facility_id]))


def lower_ledger(connection: Connection, found: Rehousing) -> None:
    """
    Count no more bays in the nights to come than there will be.

    Raises
    ------
    LedgerShort
        Where more are taken than that; nothing is written then.
    """
    with rights_of_worker(connection):
        if found.bays:
            groups, nights, bays = zip(*found.bays, strict=True)
            require_enough(connection, (groups, nights, bays))
        writing_queries.lower_ledger(connection, found.bays)


def leaving_sooner(connection: Connection, facility_id: int, effective_from: datetime, *, now: datetime) -> set[int]:
    """Return the stays whose cars were told to leave a facility already, and must now be out earlier than that."""
    with rights_of_worker(connection):
        rows = list_stays_outside(connection, [facility_id], state="leaving", now=now)
        ends = leave_by(connection, [row.id for row in rows], now=now, earliest=effective_from)
    return {row.id for row in rows if ends.get(row.id, row.ends_at) < row.ends_at}


def hit_stays(connection: Connection, found: Rehousing, *, after: datetime) -> list[int]:
    """List the stays that permits lose by what was found, as far as they are placed."""
    with rights_of_worker(connection):
        return lost_stays(connection, found, after=after)


def num_movable(connection: Connection, stay_ids: Sequence[int], effective_from: datetime, *, now: datetime) -> int:
    """Count the bookings among stays for which a bay is free nearby; everything is undone again."""
    with rights_of_worker(connection):
        attempt = connection.begin_nested()
        staying = _staying(connection, stay_ids, effective_from, now=now)
        queries.cancel(connection, set(stay_ids) - set(staying), now=now)
        bookings = [row.id for row in writing_queries.list_ended_stays(connection, stay_ids) if row.kind == "booking"]
        bookings = [stay for stay in bookings if stay not in staying]
        moved = move_stays(connection, bookings, {}, Leaving({}, {}), now=now)
        attempt.rollback()
    return sum(stay.new_id is not None for stay in moved)


def rehouse(connection: Connection, found: Rehousing, cause: Cause, stay_ids: Sequence[int], *, now: datetime) -> int:
    """
    Do what was found: permits first, then nights already placed, then bookings.

    Cars that stand there have time to leave, and their households another bay from now on where one is free. Who would
    have left by then anyway keeps its stay and is only told. Who was told to leave already is told when it is now.

    Everybody hit is told once, and those without a place are put onto the waitlist with their rank.

    Returns
    -------
    int
        How many stays were moved one by one.
    """
    with rights_of_worker(connection):
        staying = _staying(connection, stay_ids, cause.effective_from, now=now)
        kept = [_kept(row, staying[row.id]) for row in writing_queries.list_ended_stays(connection, list(staying))]
        sooner = queries.those_leaving(connection, stay_ids)
        ended = sorted([*queries.cancel(connection, set(stay_ids) - set(staying), now=now), *sooner])
        standing = queries.those_leaving(connection, ended)
        ends = leave_by(connection, standing, now=now, earliest=cause.effective_from)
        leaving = Leaving(ends, lose_part(connection, ends))
        made = move_permits(connection, found, cause.withdrawal_id, now=now)
        moved = _place_stays(connection, found, made, ended, leaving, now=now)
        before = moved_before(connection, set(sooner) - {stay.old.id for stay in moved}, leaving)
        cut_stays(connection, ends)
        writing_queries.put_out_of_use(connection, sorted(set(standing) - set(sooner)), now=now)
        note_stays(connection, cause.withdrawal_id, [*moved, *before])
        ended = sorted(set(ended) - set(sooner))
        again = [row for row in writing_queries.list_ended_stays(connection, ended) if row.is_placed]
        tell(
            connection,
            [*notices_of(found, made, [*moved, *kept], cause), *notices_of_bays(found, moved, again, cause)]
            + [notice_of_stay(stay, cause) for stay in before],
            now=now,
        )
        put_onto_list(connection, found, now=now)
    return sum(stay.new_id is not None for stay in moved)


def _staying(
    connection: Connection, stay_ids: Sequence[int], effective_from: datetime, *, now: datetime
) -> dict[int, datetime]:
    """Return those of some stays that end before anybody can be expected to leave, with their ends."""
    ends = leave_by(connection, stay_ids, now=now, earliest=effective_from)
    rows = writing_queries.list_ended_stays(connection, list(ends))
    return {row.id: row.ends_at for row in rows if ends[row.id] == row.ends_at and row.permit_state != "offered"}


def _kept(row: Row[Any], until: datetime) -> MovedStay:
    return MovedStay(row, None, None, None, None if row.price_cents is None else 0, until)


def _place_stays(
    connection: Connection,
    found: Rehousing,
    made: dict[int, int],
    ended: Sequence[int],
    leaving: Leaving,
    *,
    now: datetime,
) -> list[MovedStay]:
    """Place what is sold of the permits' nights at their new places, then look for single bays for what is left."""
    permits = queries.permits_of_stays(connection, ended)
    permits |= {fate.hit.holding.permit_id for fate in found.fates}
    places = {fate.move.place.facility_id for fate in found.fates if fate.move is not None}
    wanted = [made.get(permit, permit) for permit in sorted(permits)]
    place_nights_at(connection, sorted({found.facility.id, *places}), permit_ids=wanted, now=now)
    return move_stays(connection, ended, made, leaving, now=now)
