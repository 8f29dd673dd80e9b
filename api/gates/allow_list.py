"""
The allow-list of a facility: which plate may stand there from when to when, as rows of single intervals.

Versions are made by comparing what is committed with what the list says, one after the other under a lock. A stay that
was written earlier but committed later than another is therefore found by the next comparison, whatever its id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from api.accounts.keys import Keys
from api.gates import list_queries as queries
from api.openings.permit_queries import rights_of_worker
from api.vehicles.plates import open_plate


@dataclass(frozen=True, slots=True)
class AllowedRow:
    """One plate on one bay for one interval; `bay` is the bay group's code and the bay's number."""

    id: int
    plate: str
    starts_at: datetime
    ends_at: datetime
    bay: str
    kind: str


@dataclass(frozen=True, slots=True)
class AllowList:
    """
    A list, or what has changed in it.

    Attributes
    ----------
    whole
        `added` is all there is, and what was known before is void; else `added` and `removed` (ids) are applied to it.
    """

    version: int
    whole: bool
    added: Sequence[AllowedRow]
    removed: Sequence[int]


def refresh_allow_list(connection: Connection, facility_id: int, *, now: datetime) -> int:
    """Bring a facility's list up to date and keep it so until the transaction ends; return its version."""
    with rights_of_worker(connection):
        version = queries.lock_list(connection, facility_id)
        return queries.bring_up_to_date(connection, facility_id, version=version, now=now)


def take_plate_off_list(
    connection: Connection, household_id: int, *, starts_at: datetime, ends_at: datetime, reason: str
) -> int:
    """Keep a household's plate off every list in [starts_at, ends_at), whatever it holds; return the ban's id."""
    with rights_of_worker(connection):
        return queries.add_off_list(connection, household_id, starts_at=starts_at, ends_at=ends_at, reason=reason)


def put_plate_back_on_list(connection: Connection, household_id: int, *, now: datetime) -> int:
    """End what keeps a household's plate off lists; return how many bans that were."""
    with rights_of_worker(connection):
        return queries.end_off_list(connection, household_id, now=now)


def read_allow_list(
    connection: Connection,
    keys: Keys,
    facility_id: int,
    *,
    version: int,
    since: int | None,
    now: datetime,
    came_and_went: bool = False,
) -> AllowList:
    """
    Read a list that this transaction has brought up to date.

    Rows whose time is over are void by themselves: they are neither listed nor reported as removed.

    Parameters
    ----------
    version
        As `refresh_allow_list` returned it.
    since
        The version that is known; one that never was, and none, are answered with the whole list.
    came_and_went
        `removed` names also rows that came after that version: whoever asks may have heard of them.
    """
    whole = since is None or since > version
    known = 0 if since is None or whole else since
    rows = queries.list_rows(connection, facility_id, since=known, now=now)
    return AllowList(
        version=version,
        whole=whole,
        added=[
            AllowedRow(
                id=row.id,
                plate=open_plate(keys, bytes(row.plate_sealed)),
                starts_at=row.starts_at,
                ends_at=row.ends_at,
                bay=f"{row.bay_group} {row.number}",
                kind=row.kind,
            )
            for row in rows
        ],
        removed=[]
        if whole
        else queries.list_removed(connection, facility_id, since=known, came_and_went=came_and_went, now=now),
    )
