"""Telling households: written with the act it tells of, carried out of the house later."""

from __future__ import annotations

import json
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
        Of one night: nobody is told the same kind of it twice.
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
    columns: dict[str, list[Any]] = {
        "households": [notice.household_id for notice in notices],
        "kinds": [notice.kind for notice in notices],
        "stays": [notice.stay_id for notice in notices],
        "facts": [json.dumps(notice.facts, ensure_ascii=False) for notice in notices],
        "once": [notice.once for notice in notices],
    }
    if not notices:
        return 0
    with rights_of_worker(connection):
        return queries.insert_notices(connection, columns, now=now)
