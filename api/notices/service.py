"""Telling households: written with the act it tells of, carried out of the house later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from api.notices import queries
from api.openings.permit_queries import rights_of_worker


@dataclass(frozen=True, slots=True)
class NewNotice:
    """
    What a household is to be told.

    Attributes
    ----------
    kind
        One of `api.notices.kinds.KINDS`.
    facts
        Ids, times, numbers, and what an owner or a planner gave as the reason; never plates, names or addresses.
        `next_date` says what comes next and when: a date, or a moment with its offset. See docs/notices.md.
    stay_id
        Of one night: nobody is told the same kind of it twice, of one withdrawal.
    once
        A name for what it is about where a job may look twice, as `offer 7`: told once of a kind to a household.
    """

    household_id: int
    kind: str
    facts: Mapping[str, Any]
    stay_id: int | None = None
    once: str | None = None


def tell(connection: Connection, notices: Sequence[NewNotice], *, now: datetime) -> int:
    """
    Tell households, in one statement, whoever acts; what was told already is left out.

    Returns
    -------
    int
        How many notices are new.
    """
    if not notices:
        return 0
    rows = [
        {
            "household_id": notice.household_id,
            "kind": notice.kind,
            "stay_id": notice.stay_id,
            "facts": notice.facts,
            "once": notice.once,
        }
        for notice in notices
    ]
    with rights_of_worker(connection):
        return queries.insert_notices(connection, rows, now=now)
