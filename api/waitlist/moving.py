"""A household on the waitlist that moves house: its rank is kept, and other bay groups would do from now on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from api.neighbourhoods.model import Policy
from api.notices.service import NewNotice, tell
from api.openings.permit_queries import rights_of_worker
from api.planning.rulebook import kinds_suit
from api.waitlist import queries
from api.waitlist.fitting import fits_under, stays_at
from api.waitlist.following import follow

_A_DAY = timedelta(days=1)


def move_entries(connection: Connection, household_id: int, *, now: datetime) -> int:
    """
    Let a household wait for what is near its home as it is now; tier, rounds waited and draw are kept.

    What would do is found as for its application: within the walk it accepts, of a kind and a height for its car, open
    on its nights for the rest of the term. Where a bay is free there, and it is the first in turn, it gets the offer at
    once. A permit or an offer that it has stays until the term is over.

    Returns
    -------
    int
        How many rounds it waits in, from another home before.
    """
    with rights_of_worker(connection):
        entries = queries.list_waiting_of(connection, [household_id])
        groups = wait_near_new_homes(connection, entries, now=now)
        if groups:
            follow(connection, sorted(groups), now=now)
    return len(entries)


def wait_near_new_homes(
    connection: Connection, entries: Sequence[Row[Any]], *, told: Collection[int] = (), now: datetime
) -> set[int]:
    """
    Let entries, as `list_waiting_of` gives them, wait for what is near their new homes, and tell their households.

    Parameters
    ----------
    told
        Applications whose households have just been told that they wait.

    Returns
    -------
    set
        The bay groups that would do; the caller lets those who are first `follow`.
    """
    groups: set[int] = set()
    with rights_of_worker(connection):
        for entry in entries:
            options = _options(connection, entry, now=now)
            queries.replace_options(connection, entry.id, options, home_id=entry.new_home_id)
            if entry.application_id not in told:
                facts = {
                    "entry": entry.id,
                    "round": entry.round_id,
                    "options": len(options),
                    "next_date": entry.last.isoformat(),
                }
                tell(connection, [NewNotice(household_id=entry.household_id, kind="waitlisted", facts=facts)], now=now)
            groups |= {group for group, _ in options}
    return groups


def _options(connection: Connection, entry: Row[Any], *, now: datetime) -> Sequence[tuple[int, int]]:
    """Return the bay groups that would do, each with the walk in metres."""
    limit_m = entry.max_walk_m or entry.policy.get("max_walk_m", Policy().max_walk_m)
    near = [
        group
        for group in queries.list_groups_near(connection, entry, limit_m=limit_m)
        if kinds_suit(entry.needs, group.kinds) and fits_under(entry.height_m, group.max_height_m)
    ]
    if not near:
        return []
    first = now.astimezone(ZoneInfo(near[0].timezone)).date() + _A_DAY
    if first > entry.last:
        return []
    stays = stays_at(connection, near, first=max(first, entry.term_first), last=entry.last)
    return [(group.id, group.walk_m) for group in near if stays[group.id].of(entry) is not None]
