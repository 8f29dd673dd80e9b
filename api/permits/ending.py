"""The end of permits: their nights go back into the ledger, and the next on the waitlist follows at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from api.calendars.day_kinds import DayKinds
from api.openings.permit_nights import LONGEST_STAY_DAYS
from api.openings.permit_queries import rights_of_worker
from api.permits import ending_queries
from api.permits.ledger import calendar_of, lock_ledger, release_nights
from api.permits.nights import covered_nights, multirange_of, nights_in
from api.reaccommodation.detours import end_detours
from api.waitlist.following import follow

UNTAKEN = frozenset({"declined", "lapsed"})
"""Ends of permits that were never in force: tonight is free too."""
_FOR_NOBODY = frozenset({"withdrawn", "term_over"})
"""Ends that leave no bay for the waitlist: the owner has taken it back, or its round is over."""


def end_permits(
    connection: Connection, permit_ids: Sequence[int], *, reason: str, now: datetime, since: date | None = None
) -> list[int]:
    """
    End permits from a night on: later nights go back into the ledger, and their stays are cancelled.

    Stays that began before that night are kept to their end, with the nights inside them. Where bays come free for the
    waitlist, that is recorded and the next follow in the same transaction; whoever had an offer from a list leaves it.
    Permits that have ended are left alone.

    Parameters
    ----------
    reason
        One of `permits.end_reason`. After `withdrawn` nobody follows: whoever takes bays back fills the ledger anew and
        then calls `follow`.
    since
        First night that the permits lose; tomorrow without, today where the permit was never accepted.

    Returns
    -------
    list
        Ids of the permits that ended.
    """
    if not permit_ids:
        return []
    with rights_of_worker(connection):
        groups = ending_queries.list_groups_of(connection, permit_ids)
        lock_ledger(connection, groups)
        permits = ending_queries.lock_live_permits(connection, permit_ids)
        calendars = _calendars(connection, permits)
        cuts = {p.id: since or _first_lost(p, reason, now=now) for p in permits}
        inside = {p.id: set(_inside(p, cuts[p.id], calendars[p.neighbourhood_id])) for p in permits}
        kept = {p.id: [n for n in nights_in(p) if n < cuts[p.id] or n in inside[p.id]] for p in permits}
        ids = [permit.id for permit in permits]
        taken = {key: multirange_of(nights) for key, nights in kept.items()}
        ending_queries.end(connection, taken, reason=reason, now=now)
        ending_queries.cancel_stays(connection, cuts, now=now)
        ending_queries.withdraw_offers(connection, ids, now=now)
        release_nights(connection, _released(permits, kept))
        end_detours(connection, cuts, inside)
        if reason not in _FOR_NOBODY and ids:
            ending_queries.end_entries(connection, ids, now=now)
            ending_queries.record_releases(connection, ids, cause=reason, now=now)
            follow(connection, groups, now=now)
    return ids


def _first_lost(permit: Row[Any], reason: str, *, now: datetime) -> date:
    today = now.astimezone(ZoneInfo(permit.timezone)).date()
    return today if reason in UNTAKEN or permit.state == "offered" else today + timedelta(days=1)


def _inside(permit: Row[Any], cut: date, kinds: DayKinds | None) -> list[date]:
    """List the nights from a cut on that lie inside stays which began before it."""
    before = max(permit.first, cut - timedelta(days=LONGEST_STAY_DAYS))
    if kinds is None or before >= cut:
        return []
    covered = covered_nights(
        days=permit.days,
        arrive_min=permit.arrive_min,
        leave_min=permit.leave_min,
        stay_through=permit.stay_through,
        first=before,
        last=min(cut - timedelta(days=1), permit.last),
        kinds=kinds,
        days_left_out=permit.days_left_out,
    )
    return [night for night in covered if night >= cut]


def _released(permits: Sequence[Row[Any]], kept: Mapping[int, Sequence[date]]) -> dict[int, dict[date, int]]:
    released: dict[int, dict[date, int]] = {}
    for permit in permits:
        by_night = released.setdefault(permit.bay_group_id, {})
        still = set(kept[permit.id])
        for night in nights_in(permit):
            if night not in still:
                by_night[night] = by_night.get(night, 0) + 1
    return released


def _calendars(connection: Connection, permits: Sequence[Row[Any]]) -> dict[int, DayKinds | None]:
    """Return the calendars of those neighbourhoods where a stay may run through rest days."""
    found: dict[int, DayKinds | None] = {}
    for permit in permits:
        if permit.stay_through and found.get(permit.neighbourhood_id) is None:
            found[permit.neighbourhood_id] = calendar_of(
                connection, permit.neighbourhood_id, country=permit.country, first=permit.first, last=permit.last
            )
        found.setdefault(permit.neighbourhood_id, None)
    return found
