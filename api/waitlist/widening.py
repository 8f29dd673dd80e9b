"""More that would do for those who wait: places that came anew, or that another car fits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from api.neighbourhoods.model import Policy
from api.openings.permit_queries import rights_of_worker
from api.planning.rulebook import kinds_suit
from api.waitlist import queries
from api.waitlist.fitting import fits_under, stays_at


def widen(
    connection: Connection,
    *,
    facility_ids: Sequence[int] | None = None,
    application_ids: Sequence[int] | None = None,
    now: datetime,
) -> set[int]:
    """
    Let those who wait wait also for the bay groups of their round that would do and that they do not wait for yet.

    A group would do as for an application: within the walk, of a kind and a height for the car, open on its nights for
    the rest of the term, and not turned down for it in review. What they wait for already stays.

    Parameters
    ----------
    facility_ids, application_ids
        Look at these facilities, or at these applications, only.

    Returns
    -------
    set
        The bay groups that somebody waits for from now on; the caller lets those who are first `follow`.
    """
    added: list[tuple[int, int, int]] = []
    with rights_of_worker(connection):
        pairs = queries.list_new_pairs(
            connection, facility_ids=facility_ids, application_ids=application_ids, limit_m=Policy().max_walk_m
        )
        for _, found in groupby(pairs, key=lambda pair: int(pair.neighbourhood_id)):
            near = [p for p in found if kinds_suit(p.needs, p.kinds) and fits_under(p.height_m, p.max_height_m)]
            if not near:
                continue
            tomorrow = now.astimezone(ZoneInfo(near[0].timezone)).date() + timedelta(days=1)
            near = [pair for pair in near if pair.last >= tomorrow]
            groups = queries.describe_groups(connection, sorted({pair.bay_group_id for pair in near}))
            if groups:
                hours = stays_at(connection, groups, first=tomorrow, last=max(pair.last for pair in near))
                added += [(p.id, p.bay_group_id, p.walk_m) for p in near if hours[p.bay_group_id].of(p) is not None]
        queries.add_options(connection, added)
    return {group for _, group, _ in added}
