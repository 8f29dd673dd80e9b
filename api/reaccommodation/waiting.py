"""Households for whom there is nothing: onto the waitlist with the rank they had, and the next free bay is offered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from api.notices.service import NewNotice, tell
from api.reaccommodation import writing_queries
from api.reaccommodation.finding import Rehousing
from api.waitlist.queries import add_options
from api.waitlist.service import NewEntry, follow, join_waitlist


def put_onto_list(connection: Connection, found: Rehousing, *, now: datetime) -> None:
    """
    Put whoever lost a permit or an offer for good onto the list of its round, and offer what is free to the next.

    Whoever has a permit or an offer for the time after what it lost waits for nothing more.
    """
    losers = [fate for fate in found.fates if fate.outcome in ("ended", "offer_withdrawn")]
    served = writing_queries.list_served_later(connection, [f.hit.holding.permit.application_id for f in losers])
    entries = [
        NewEntry(
            round_id=fate.hit.holding.permit.round_id,
            application_id=fate.hit.holding.permit.application_id,
            household_id=fate.hit.holding.permit.household_id,
            tier=fate.hit.holding.tier,
            rounds_waited=-fate.hit.holding.rank[1],
            draw=fate.hit.holding.rank[2],
            options=fate.options,
        )
        for fate in losers
        if fate.hit.holding.permit.round_id is not None and fate.hit.holding.permit.application_id not in served
    ]
    if not entries:
        return
    back = _back_onto_list(connection, entries, now=now)
    join_waitlist(connection, [entry for entry in entries if entry.application_id not in back], now=now)
    groups = sorted({group for entry in entries for group, _ in entry.options})
    if groups:
        follow(connection, groups, now=now)


def _back_onto_list(connection: Connection, entries: Sequence[NewEntry], *, now: datetime) -> set[int]:
    """Let those wait again who have waited before, where they stood, and tell them; return their applications."""
    options = {entry.application_id: entry.options for entry in entries}
    rows = writing_queries.wait_again(connection, list(options))
    add_options(connection, [(row.id, group, walk_m) for row in rows for group, walk_m in options[row.application_id]])
    notices = [
        NewNotice(
            row.household_id,
            "waitlisted",
            {"entry": row.id, "round": row.round_id, "next_date": row.last.isoformat()},
        )
        for row in rows
    ]
    tell(connection, notices, now=now)
    return {row.application_id for row in rows}
