"""Another car of a household: its permit and its place on the waitlist follow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from api.notices.service import NewNotice, tell
from api.openings.permit_queries import rights_of_worker
from api.permits import queries


def follow_cars(connection: Connection, *, household_ids: Sequence[int] | None = None, now: datetime) -> int:
    """
    Let permits be for the car that their household has registered, and tell it; of some households, or of all.

    One car at a time: gates know a household by the one car it has registered. A household without any keeps its permit
    for the former one. Who waits is offered a bay for the new car.

    Returns
    -------
    int
        How many permits changed.
    """
    with rights_of_worker(connection):
        changed = queries.follow_cars(connection, household_ids)
        tonight = queries.under_way(connection, [permit.id for permit in changed], now=now)
        notices = []
        for permit in changed:
            today = now.astimezone(ZoneInfo(permit.timezone)).date()
            facts = {
                "permit": permit.id,
                "facility": permit.facility_id,
                "what": "vehicle",
                "next_date": (today + timedelta(days=permit.id in tonight)).isoformat(),
            }
            notices.append(NewNotice(household_id=permit.household_id, kind="permit_changed", facts=facts))
        tell(connection, notices, now=now)
    return len(changed)
