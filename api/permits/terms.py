"""Terms that begin and end: their rounds, the permits in them, and whoever still waits."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from api.neighbourhoods.model import Policy
from api.notices.service import NewNotice, tell
from api.openings.permit_queries import rights_of_worker
from api.permits import term_queries as queries

TOLD_BEFORE = timedelta(days=30)
"""How long before the end of a term its holders are told to apply again."""


def turn_rounds(connection: Connection, *, now: datetime) -> dict[str, int]:
    """
    Let published rounds be active from the first day of their term, and ended after its last.

    Whoever still waits when a round ends leaves its list and is told to apply again: a round waited for counts.
    """
    with rights_of_worker(connection):
        begun = queries.begin_rounds(connection, now=now)
        ended = queries.end_rounds(connection, now=now)
        left = queries.end_lists(connection, ended, now=now)
        notices = [
            NewNotice(
                household_id=entry.household_id,
                kind="waitlist_left",
                facts={
                    "entry": entry.id,
                    "round": entry.round_id,
                    "reason": "round_over",
                    "next_date": (entry.next_closes_at or now).isoformat(),
                },
            )
            for entry in left
        ]
        tell(connection, notices, now=now)
    return {"begun": begun, "ended": len(ended), "left": len(left)}


def tell_of_terms_ending(connection: Connection, *, now: datetime) -> int:
    """
    Tell the holders of permits that end within 30 days, once, to apply again and what keeping their place is worth.

    Nobody keeps a place for ever: at the end of a term everybody applies, and a holder's place counts as much more as
    the round's policy says.
    """
    with rights_of_worker(connection):
        notices = [
            NewNotice(
                household_id=permit.household_id,
                kind="term_ending",
                facts={
                    "permit": permit.id,
                    "facility": permit.facility_id,
                    "last": permit.last.isoformat(),
                    "keep_value_m": (permit.policy or {}).get("keep_value_m", Policy().keep_value_m),
                    "next_date": (permit.next_closes_at or permit.last).isoformat(),
                },
                once=f"permit {permit.id}",
            )
            for permit in queries.list_ending(connection, within=TOLD_BEFORE, now=now)
        ]
        return tell(connection, notices, now=now)
