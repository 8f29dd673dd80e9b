"""Joining the waitlist, standing on it, and leaving it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from api.notices.queries import tell_of_waiting
from api.notices.service import NewNotice, tell
from api.openings.permit_queries import rights_of_worker
from api.waitlist import queries
from api.waitlist.errors import EntryNotFound, EntryNotWaiting
from api.waitlist.following import follow

__all__ = ["NewEntry", "Position", "follow", "get_entry", "join_waitlist", "leave_waitlist", "position_of"]


@dataclass(frozen=True, slots=True)
class NewEntry:
    """
    A household that was not served, with what decides its turn, and (bay group, walk in metres) that would do.

    `reason` is a word that it is told, where it was to be served and was not.
    """

    round_id: int
    application_id: int
    household_id: int
    tier: int
    rounds_waited: int
    draw: bytes
    options: tuple[tuple[int, int], ...]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where an entry stands before a bay group: `position` of `waiting`, counted from 1."""

    bay_group_id: int
    facility_id: int
    name: str
    bay_group: str
    walk_m: int
    position: int
    waiting: int


def join_waitlist(connection: Connection, entries: Sequence[NewEntry], *, now: datetime) -> list[int]:
    """
    Let households wait for the bay groups that would do, and tell them.

    Returns
    -------
    list
        Ids of the entries, in the order of `entries`.
    """
    if not entries:
        return []
    with rights_of_worker(connection):
        added = queries.add_entries(connection, _columns(entries), [entry.draw for entry in entries], now=now)
        ids = {row.application_id: row.id for row in added}
        options = [(ids[e.application_id], group, walk_m) for e in entries for group, walk_m in e.options]
        queries.add_options(connection, options)
        reasons = {ids[entry.application_id]: entry.reason for entry in entries}
        tell_of_waiting(connection, reasons, now=now)
    return [ids[entry.application_id] for entry in entries]


def position_of(connection: Connection, entry_id: int) -> list[Position]:
    """
    Return where an entry stands before each bay group that would do, the nearest first; nothing where it waits no more.

    The order is that of tier, rounds waited (more first) and draw, among all who wait for the group in the same round.
    """
    with rights_of_worker(connection):
        return [
            Position(row.bay_group_id, row.facility_id, row.name, row.bay_group, row.walk_m, row.position, row.waiting)
            for row in queries.list_positions(connection, entry_id)
        ]


def get_entry(connection: Connection, entry_id: int, *, household_id: int) -> Row[Any]:
    """Return an entry of a household; raise EntryNotFound without one."""
    for entry in queries.list_entries(connection, household_id):
        if entry.id == entry_id:
            return entry
    raise EntryNotFound("no such entry")


def leave_waitlist(connection: Connection, entry_id: int, *, household_id: int, now: datetime) -> Row[Any]:
    """
    Let a household leave the list of its own will; asked again, the answer is the same.

    Its points count in the next round all the same.

    Raises
    ------
    EntryNotFound, EntryNotWaiting
        There is none of this household; it has an offer to answer, or was served.
    """
    with rights_of_worker(connection):
        left = queries.leave(connection, entry_id, household_id=household_id, now=now)
        entry = get_entry(connection, entry_id, household_id=household_id)
        if left:
            facts = {"entry": entry.id, "round": entry.round_id, "next_date": entry.last.isoformat()}
            tell(connection, [NewNotice(household_id=household_id, kind="waitlist_left", facts=facts)], now=now)
        elif entry.state != "left":
            raise EntryNotWaiting("an offer waits for an answer" if entry.state == "offered" else "a bay was accepted")
    return entry


def _columns(entries: Sequence[NewEntry]) -> dict[str, list[int]]:
    return {
        "rounds": [entry.round_id for entry in entries],
        "applications": [entry.application_id for entry in entries],
        "households": [entry.household_id for entry in entries],
        "tiers": [entry.tier for entry in entries],
        "waited": [entry.rounds_waited for entry in entries],
    }
